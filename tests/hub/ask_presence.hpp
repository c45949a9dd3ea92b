// SPDX-License-Identifier: MIT
#pragma once
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <asio/co_spawn.hpp>

#include <switchboard/testing/test_app.hpp>

#include "support/catch.hpp"

/// What a coroutine of the App's is told that awaits `asked` on its shard.
template <class App, class Answer>
Answer told(switchboard::testing::TestApp<App>& app, asio::awaitable<Answer> asked) {
  std::optional<Answer> answer;
  asio::co_spawn(app.shard().executor(), std::move(asked), [&](const std::exception_ptr& error, Answer came) {
    REQUIRE(error == nullptr);
    answer = std::move(came);
  });
  REQUIRE_FALSE(answer);  // never inside the call
  app.run();
  REQUIRE(answer);
  return *answer;
}

/// Who is in the channel, and how many that are.
template <class App>
switchboard::Presence ask_presence(switchboard::testing::TestApp<App>& app, std::string_view channel) {
  return told(app, app.shard().presence(channel));
}
template <class App>
switchboard::PresenceCount ask_presence_count(switchboard::testing::TestApp<App>& app,
                                              std::string_view channel) {
  return told(app, app.shard().presence_count(channel));
}
