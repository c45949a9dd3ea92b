// SPDX-License-Identifier: MIT
// Internal: what the shards of a server share.
#pragma once
#include <memory>
#include <utility>

#include <switchboard/hub/command.hpp>
#include <switchboard/hub/options.hpp>
#include <switchboard/server/connection_counts.hpp>
#include <switchboard/server/http_endpoints.hpp>

namespace switchboard::inline v1 {

/// What all shards of a server share. Set up before they start; each member is safe to use from any thread
/// then.
struct ServerState {
  ServerState(const Limits& limits, LogSink sink)
      : counts(limits.max_connections, limits.max_connections_per_address), log(std::move(sink)) {}

  ConnectionCounts counts;
  LogSink log;
  HttpEndpoints http;
  std::shared_ptr<CommandTarget> commands;
  std::shared_ptr<void> keep_alive;  ///< the broker, which the hubs' ports belong to
};

}  // namespace switchboard::inline v1
