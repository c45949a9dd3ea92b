// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/hub/binary_handlers.hpp>
#include <switchboard/hub/connection.hpp>
#include <switchboard/protocol/upgrade_request.hpp>

#include "schedule.hpp"

namespace model {

namespace sb = switchboard;

template <class App>
class World;

/// Does what the schedule says, in every member that an App can have, and tells the World of all calls.
template <class BrokerType>
struct App {
  using Broker = BrokerType;
  struct User {
    std::string id;
    unsigned attempt = 0;  // to connect; they are numbered
  };
  struct State {
    int session = 0;  // its key in the model
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(State, session)
  };
  using Connection = sb::Connection<App>;

  App(World<App>& its_world, sb::Shard<App>& its_shard)
      : world(its_world), shard(its_shard), place(world.next_place()) {}

  std::optional<User> authenticate(const sb::UpgradeRequest& request) {  // "ann.17"
    const std::size_t dot = request.token.find('.');
    world.hook(Hook::authenticate, *this);
    return User{std::string(request.token.substr(0, dot)),
                static_cast<unsigned>(std::stoul(std::string(request.token.substr(dot + 1))))};
  }
  /// Over a link it takes its time.
  auto may_subscribe(const User& user, std::string_view channel) {
    if constexpr (std::is_same_v<BrokerType, sb::InMemoryBroker>)
      return allows(user.id, std::string(channel));
    else
      return allows_later(user.id, std::string(channel));
  }
  bool may_publish(const User&, std::string_view) {
    world.hook(Hook::may_publish, *this);
    return true;
  }
  void on_open(Connection connection) {
    world.check([&] { world.opened(connection, place); });
    world.hook(Hook::on_open, *this);
  }
  void on_suspend(Connection connection) {
    world.check([&] { world.suspended(connection); });
    world.hook(Hook::on_suspend, *this);
  }
  void on_resume(Connection connection, sb::Resume) {
    world.check([&] { world.resumed(connection, place); });
    world.hook(Hook::on_resume, *this);
  }
  void on_close(Connection connection, sb::CloseReason reason) {
    world.check([&] { world.closed(connection, reason); });
    world.hook(Hook::on_close, *this);
  }
  void on_subscribe(Connection connection, std::string_view channel) {
    world.check([&] { world.subscribed(connection, std::string(channel)); });
    world.hook(Hook::on_subscribe, *this);
  }
  void on_unsubscribe(Connection connection, std::string_view channel) {
    world.check([&] { world.unsubscribed(connection, std::string(channel)); });
    world.hook(Hook::on_unsubscribe, *this);
  }
  nlohmann::json presence_info(const User&, std::string_view) {
    world.hook(Hook::presence_info, *this);
    return nullptr;
  }

  /// {"do":N}: what event N says.
  asio::awaitable<void> on_message(Connection connection, nlohmann::json message) {
    const Event& event = world.event(message.at("do").get<std::size_t>());
    const auto busy = world.begin_handler(connection);
    if (event.b % 3 == 0) co_await connection.sleep_for(std::chrono::milliseconds(event.a % 40 * 50));
    world.perform(event, *this);
    if (event.b % 5 == 0) throw std::runtime_error("asked for");
    connection.answer(message, {{"status", "done"}});
  }
  void binary(sb::BinaryHandlers<App>& handlers) {
    using Payload = std::span<const std::byte>;
    handlers.on(1, [this](Connection, Payload payload) { take(payload); });
    handlers.on(2, [this](Connection connection, Payload payload) -> asio::awaitable<void> {
      const auto busy = world.begin_handler(connection);
      co_await connection.sleep_for(std::chrono::milliseconds(300));
      take(payload);
    });
    handlers.on(3, [this](Connection, Payload payload) {
      take(payload);
      throw std::runtime_error("asked for");
    });
  }

  World<App>& world;
  sb::Shard<App>& shard;
  const unsigned place;

 private:
  bool allows(const std::string& user, const std::string& channel) {
    try {
      world.hook(Hook::may_subscribe, *this);
    } catch (...) {
      world.note_denied(user, channel);  // which it means
      throw;
    }
    return world.allows(user, channel);
  }
  asio::awaitable<bool> allows_later(std::string user, std::string channel) {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return allows(user, channel);
  }
  void take(std::span<const std::byte> payload) {
    world.check(
        [&] { world.take_binary({reinterpret_cast<const char*>(payload.data()), payload.size()}, *this); });
    world.hook(Hook::binary, *this);
  }
};

}  // namespace model
