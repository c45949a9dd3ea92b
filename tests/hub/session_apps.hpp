// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <switchboard/testing/websocket_test_client.hpp>

#include "support/catch.hpp"
#include "support/what_is_left.hpp"

// The App of the tests on sessions, presence, slow consumers and closing, and what they ask of it.
namespace session_apps {

namespace sb = switchboard;
using nlohmann::json;
using namespace std::chrono_literals;

/// What the Apps of one server share with the test.
struct World {
  std::set<std::string> refused;     ///< channels that may_subscribe refuses
  std::set<std::string> refused_to;  ///< tokens whose users it refuses everything
  std::vector<std::string> journal;  ///< what the App was told, in order
  std::function<void()> at_suspend;  ///< done by on_suspend
  /// The newest connection of each user, to do with it what an App may.
  std::map<std::string, std::function<bool(const json&)>> send;
  std::map<std::string, std::function<bool(std::uint32_t, std::string_view)>> send_binary;
  std::map<std::string, std::function<bool(sb::CloseCode)>> close;
  std::map<std::string, std::function<int()>> count;         ///< adds one to the session's State
  std::map<std::string, std::function<bool(bool)>> in_room;  ///< by token: (un)subscribes, without a request

  std::vector<std::string> take_journal() { return std::exchange(journal, {}); }
};

/// A token is a user's id, or "id:anything" for the same user with other rights; some are special. With
/// `is_slow` may_subscribe is awaitable.
template <class HeartbeatPolicy = sb::JsonHeartbeat, bool is_slow = false>
struct Room {
  using Heartbeat = HeartbeatPolicy;
  struct User {
    std::string id;
    std::string token;
  };
  struct State {
    int count = 0;
  };
  using Connection = sb::Connection<Room>;

  explicit Room(World& shared) : world(&shared) {}

  std::variant<User, sb::Refusal> authenticate(const sb::UpgradeRequest& request) {
    const std::string token(request.token);
    if (token == "throws") throw std::runtime_error("authenticate has failed");
    if (token == "teapot") return sb::Refusal{418, "teapot", "short and stout"};
    if (token.empty()) return sb::refusals::unauthorized();
    if (token == "anonymous") return User{"", token};
    return User{token.substr(0, token.find(':')), token};
  }
  auto may_subscribe(const User& user, std::string_view channel) {
    const bool allowed =
        !world->refused.contains(std::string(channel)) && !world->refused_to.contains(user.token);
    if constexpr (is_slow)
      return later(allowed);
    else
      return allowed;
  }
  bool may_publish(const User&, std::string_view) { return true; }

  void on_open(Connection connection) {
    note("open", connection);
    const std::string& user = connection.user().id;
    world->send[user] = [connection](const json& object) mutable { return connection.send_json(object); };
    world->send_binary[user] = [connection](std::uint32_t type, std::string_view bytes) mutable {
      return connection.send_binary(type, std::as_bytes(std::span(bytes)));
    };
    world->close[user] = [connection](sb::CloseCode code) mutable {
      return connection.close(code, "asked for");
    };
    world->in_room[connection.user().token] = [connection](bool enters) mutable {
      return enters ? connection.subscribe("room") : connection.unsubscribe("room");
    };
    world->count[user] = [connection]() mutable { return ++connection.state().count; };
  }
  void on_suspend(Connection connection) {
    note("suspend", connection);
    if (world->at_suspend) world->at_suspend();
  }
  void on_resume(Connection connection, sb::Resume how) {
    note("resume", connection,
         " " + std::to_string(how.replayed) + "/" + std::to_string(how.missed.value_or(999)) +
             (how.recovered ? " ok" : ""));
  }
  void on_close(Connection connection, sb::CloseReason reason) {
    note("close", connection,
         " " + std::to_string(static_cast<int>(reason.code)) + (reason.clean ? " clean" : ""));
  }
  void on_message(Connection connection, json message) { connection.answer(message, {{"status", "heard"}}); }

  json presence_info(const User& user, std::string_view) {
    if (user.token == user.id) return nullptr;
    if (user.token == user.id + ":throws") throw std::runtime_error("presence_info has failed");
    return {{"token", user.token}};
  }

 private:
  static asio::awaitable<bool> later(bool answer) {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return answer;
  }
  void note(std::string what, const Connection& connection, const std::string& more = {}) {
    world->journal.push_back(what + " " + connection.user().token + more);
  }
  World* world;
};

/// A server with that App on each shard.
template <class App = Room<>>
struct Hall {
  World world;
  sb::testing::TestApp<App> app;

  explicit Hall(sb::testing::TestOptions<App> options = {})
      : app(options, [this](sb::Shard<App>&) { return std::make_unique<App>(world); }) {}

  auto connect(const std::string& token, const sb::testing::ConnectOptions& options = {}) {
    return sb::testing::WebSocketTestClient(app, token).connect(options);
  }
  /// The sum over all shards.
  std::uint64_t metric(sb::Counter sb::HubMetrics::* counter) const {
    std::uint64_t sum = 0;
    for (unsigned shard = 0; shard < app.shard_count(); ++shard) sum += (app.metrics(shard).*counter).value();
    return sum;
  }
  /// Nothing is left of any client.
  void require_empty() { REQUIRE(what_is_left(app) == ""); }
};

template <class Ws>
void subscribe(Ws& ws, const std::string& channel, bool presence = false) {
  json request{{"action", "subscribe"}, {"channel", channel}};
  if (presence) request["presence"] = true;
  ws.send_json(request);
  REQUIRE(ws.receive_json() == json{{"status", "subscribed"}, {"channel", channel}});
}

/// All text messages that have come.
template <class Ws>
std::vector<json> received(Ws& ws) {
  std::vector<json> messages;
  while (auto message = ws.try_receive_json()) messages.push_back(std::move(*message));
  return messages;
}

inline json numbered(std::uint64_t seq, const std::string& channel, const json& data) {
  return {{"seq", seq}, {"type", "message"}, {"channel", channel}, {"data", data}};
}

/// What a welcome says, but for the session and the heartbeat.
inline json terms(json welcome) {
  welcome.erase("session");
  welcome.erase("heartbeat");
  return welcome;
}
inline json terms(std::uint64_t seq, bool recovered, std::uint64_t replayed, const json& missed) {
  return {{"type", "welcome"},
          {"seq", seq},
          {"recovered", recovered},
          {"replayed", replayed},
          {"missed", missed}};
}

/// The bytes of an upgrade request, for those who connect by hand.
inline std::string upgrade_request(const std::string& target, const std::string& more_headers = {}) {
  return "GET " + target +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
         "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         more_headers + "\r\n";
}

/// A client that connects by hand: its window can be small from the start.
template <class App>
sb::testing::TestConnection<App> connect_by_hand(sb::testing::TestApp<App>& app, const std::string& target,
                                                 std::size_t window = ~std::size_t{0}, unsigned shard = 0,
                                                 const std::string& more_bytes = {}) {
  auto socket = std::make_shared<sb::testing::TestSocket>();
  socket->window = window;
  socket->to_server = upgrade_request(target) + more_bytes;
  sb::testing::TestConnection<App> connection(app, socket, true, true);
  app.host(shard).accept(socket);
  app.run();
  return connection;
}

}  // namespace session_apps
