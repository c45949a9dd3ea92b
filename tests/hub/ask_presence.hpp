// SPDX-License-Identifier: MIT
#pragma once
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <asio/co_spawn.hpp>

#include <switchboard/testing/test_app.hpp>

#include "support/catch.hpp"

/// What a coroutine of the App's is told when it asks its shard who is in the channel.
template <class App>
switchboard::Presence ask_presence(switchboard::testing::TestApp<App>& app, std::string_view channel) {
  std::optional<switchboard::Presence> presence;
  asio::co_spawn(app.shard().executor(), app.shard().presence(channel),
                 [&](const std::exception_ptr& error, switchboard::Presence told) {
                   REQUIRE(error == nullptr);
                   presence = std::move(told);
                 });
  REQUIRE_FALSE(presence);  // never inside the call
  app.run();
  REQUIRE(presence);
  return *presence;
}
