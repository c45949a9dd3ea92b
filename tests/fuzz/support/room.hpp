// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <switchboard/testing/test_cluster.hpp>
#include <switchboard/testing/websocket_test_client.hpp>

// The App of the targets that drive a hub. Its hubs are compiled once, in local_room.cpp and linked_room.cpp.
namespace fuzz {

namespace sb = switchboard;
using Json = nlohmann::json;
using namespace std::chrono_literals;

/// Does what an App may do, at a word of its clients: answers, sends, sleeps, throws, closes.
template <class BrokerType>
struct Room {
  using Broker = BrokerType;
  using Connection = sb::Connection<Room>;
  struct User {
    std::string id;
  };
  struct State {
    int count = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(State, count)
  };

  explicit Room(sb::Shard<Room>& its_shard) : shard(&its_shard) {}

  /// The token is the user's id; "-" is anonymous.
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token == "throws") throw std::runtime_error("authenticate has failed");
    if (request.token.empty() || request.token == "nobody") return std::nullopt;
    return User{request.token == "-" ? "" : std::string(request.token)};
  }
  /// A channel called "slow…" takes a second to decide, and one called "secret…" is denied.
  asio::awaitable<bool> may_subscribe(const User&, std::string_view channel) {
    const bool is_slow = channel.starts_with("slow"), is_secret = channel.starts_with("secret");
    if (is_slow && newest) co_await newest->sleep_for(1s);
    co_return !is_secret;
  }
  bool may_publish(const User& user, std::string_view channel) {
    if (channel.starts_with("throws")) throw std::runtime_error("may_publish has failed");
    return user.id != "mute";
  }
  Json presence_info(const User& user, std::string_view) {
    return user.id == "ann" ? Json{{"name", "Ann"}} : Json();
  }
  void on_open(Connection connection) { newest = connection; }
  void on_resume(Connection connection, sb::Resume) { newest = connection; }
  void on_close(Connection connection, sb::CloseReason) {
    if (newest && newest->id() == connection.id()) newest.reset();
  }
  asio::awaitable<void> on_message(Connection connection, Json message) {
    if (message.contains("sleep"))
      co_await connection.sleep_for(std::chrono::milliseconds(message["sleep"].get<std::uint8_t>() * 20));
    if (message.contains("count")) ++connection.state().count;
    if (message.contains("send")) connection.send_json({{"sent", message["send"]}});
    if (message.contains("binary")) connection.send_binary(9, bytes_of(message["binary"]));
    if (message.contains("join")) connection.subscribe(message["join"].get<std::string>());
    if (message.contains("leave")) connection.unsubscribe(message["leave"].get<std::string>());
    if (message.contains("who")) {
      const auto presence = co_await shard->presence(message["who"].get<std::string>());
      connection.send_json({{"who", presence.users.size()}});
    }
    if (message.contains("close"))
      connection.close(static_cast<sb::CloseCode>(message["close"].get<std::uint16_t>()), "asked for");
    if (message.contains("reject")) connection.reject(message, message["reject"].get<std::string>(), "no");
    connection.answer(message, {{"status", "heard"}, {"count", connection.state().count}});
  }
  /// 1: back to its sender, at most 16 bytes. 2: to everyone in "red". 3: throws. 4: takes 2 s.
  void binary(sb::BinaryHandlers<Room>& handlers) {
    using Payload = std::span<const std::byte>;
    handlers.on(1, {.max_size = 16},
                [](Connection sender, Payload payload) { sender.send_binary(1, payload); });
    handlers.on(2, [this](Connection, Payload payload) { shard->publish_binary("red", 2, payload); });
    handlers.on(3, [](Connection, Payload) { throw std::runtime_error("type 3 is not liked"); });
    handlers.on(4, [](Connection sender, Payload payload) -> asio::awaitable<void> {
      co_await sender.sleep_for(2s);
      sender.send_binary(4, payload);
    });
  }

  static std::span<const std::byte> bytes_of(const Json& text) {
    return std::as_bytes(std::span(text.get_ref<const std::string&>()));
  }

  sb::Shard<Room>* shard;
  std::optional<Connection> newest;
};

using LocalRoom = Room<sb::InMemoryBroker>;
using LinkedRoom = Room<sb::testing::LinkedBroker>;

inline constexpr std::array policies{sb::SlowConsumer::close, sb::SlowConsumer::drop_oldest,
                                     sb::SlowConsumer::conflate};

/// Limits that an input of some kilobytes can reach.
template <class App>
sb::testing::TestOptions<App> small_limits(unsigned shards, sb::SlowConsumer policy) {
  sb::testing::TestOptions<App> options;
  options.shards = shards;
  options.sessions = {.replay = 6, .replay_bytes = 4000, .per_user = 3, .max_sessions = 6};
  options.queue = {.max_bytes = 1500, .slow_consumer = policy};
  options.limits = {.max_message_bytes = 4000, .max_subscriptions = 5};
  return options;
}

}  // namespace fuzz

extern template class switchboard::Hub<fuzz::LocalRoom, switchboard::testing::TestHost<fuzz::LocalRoom>>;
extern template class switchboard::testing::TestApp<fuzz::LocalRoom>;
extern template class switchboard::Hub<fuzz::LinkedRoom, switchboard::testing::TestHost<fuzz::LinkedRoom>>;
extern template class switchboard::Handover<fuzz::LinkedRoom,
                                            switchboard::testing::TestHost<fuzz::LinkedRoom>>;
extern template class switchboard::testing::TestApp<fuzz::LinkedRoom>;
