// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include <switchboard/testing/test_app.hpp>

/// What an App's hubs still have once nobody is there and the time is over, in words; empty: nothing, as it
/// should be.
template <class App>
std::string what_is_left(switchboard::testing::TestApp<App>& app) {
  using Metrics = switchboard::HubMetrics;
  for (unsigned shard = 0; shard < app.shard_count(); ++shard) {
    for (const auto counter : {&Metrics::connections, &Metrics::sessions_attached, &Metrics::sessions_parked,
                               &Metrics::parked_bytes, &Metrics::subscriptions})
      if ((app.metrics(shard).*counter).value() != 0) return "a metric of what there is now is not 0";
    if (!app.hub(shard).holds_nothing()) return "something is left in a hub";
    if (app.host(shard).running_handlers() != 0) return "a handler has not ended";
  }
  return {};
}
