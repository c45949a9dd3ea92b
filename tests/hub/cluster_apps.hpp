// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/testing/test_cluster.hpp>
#include <switchboard/testing/websocket_test_client.hpp>

#include "support/catch.hpp"

// The App of the tests with several nodes, and what they ask of it. Its Hub is compiled once, in
// cluster_apps.cpp.
namespace cluster_apps {

namespace sb = switchboard;
using nlohmann::json;
using namespace std::chrono_literals;

/// What the Apps of all nodes share with the test.
struct World {
  std::set<std::string> refused_to;    ///< tokens whose users may subscribe to nothing
  bool closes_at_unsubscribe = false;  ///< in on_unsubscribe
  bool publishes_at_open = false;      ///< "opened" in channel red, in on_open
  sb::Duration publish_delay{};        ///< how long may_publish takes
  std::vector<std::string> journal;    ///< what the Apps were told, in order, with the node
  std::vector<std::string> take_journal() { return std::exchange(journal, {}); }
};

/// A token is a user's id, or "id:anything" for the same user with other rights.
struct Member {
  using Broker = sb::testing::LinkedBroker;
  struct User {
    std::string id;
    std::string token;
  };
  struct State {
    static constexpr int unwritable = 13, unwritable_and_rude = 14, unreadable = 15;
    static inline bool is_refused = false;  // no more can be made

    State() {
      if (is_refused) throw std::runtime_error("there is no State");
    }
    int count = 0;
    friend void to_json(json& text, const State& state) {
      if (state.count == unwritable) throw std::domain_error("thirteen cannot be written");
      if (state.count == unwritable_and_rude) throw state.count;
      text = {{"count", state.count}};
    }
    friend void from_json(const json& text, State& state) {
      if (text.at("count") == unreadable) throw 15;
      text.at("count").get_to(state.count);
    }
  };
  using Connection = sb::Connection<Member>;

  Member(World& shared, sb::Shard<Member>& its_shard) : world(&shared), shard(&its_shard) {}

  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    const std::string token(request.token);
    if (token.empty()) return std::nullopt;
    if (token == "anonymous") return User{"", token};
    return User{token.substr(0, token.find(':')), token};
  }
  bool may_subscribe(const User& user, std::string_view) { return !world->refused_to.contains(user.token); }
  asio::awaitable<bool> may_publish(const User&, std::string_view) {
    if (world->publish_delay > sb::Duration{}) co_await clock->sleep_for(world->publish_delay);
    co_return true;
  }
  void on_open(Connection connection) {
    if (!clock) clock = connection;
    note("open", connection);
    if (world->publishes_at_open) shard->publish("red", "opened");
  }
  void on_unsubscribe(Connection connection, std::string_view) {
    if (world->closes_at_unsubscribe) connection.close(sb::CloseCode::normal);
  }
  void on_suspend(Connection connection) { note("suspend", connection); }
  void on_resume(Connection connection, sb::Resume) { note("resume", connection); }
  void on_close(Connection connection, sb::CloseReason reason) {
    note("close " + std::to_string(static_cast<int>(reason.code)), connection);
  }
  /// {"count":n} adds to the State and answers it; {"send":…} is sent, {"join":…} subscribes, {"close":…}
  /// closes; {"sleep":ms} takes its time before.
  asio::awaitable<void> on_message(Connection connection, json message) {
    if (message.contains("count")) {
      connection.state().count += message["count"].get<int>();
      connection.answer(message, {{"count", connection.state().count}});
    }
    if (message.contains("binary"))
      connection.send_binary(7, std::as_bytes(std::span(message["binary"].get_ref<const std::string&>())));
    if (message.contains("sleep"))
      co_await connection.sleep_for(std::chrono::milliseconds(message["sleep"].get<int>()));
    bool is_done = true;
    if (message.contains("send")) is_done = connection.send_json({{"sent", message["send"]}});
    if (message.contains("join")) is_done = connection.subscribe(message["join"].get<std::string>());
    if (message.contains("close")) is_done = connection.close(sb::CloseCode::normal);
    if (!is_done) world->journal.push_back("refused");
  }

 private:
  void note(const std::string& what, const Connection& connection) {
    world->journal.push_back(what + " " + connection.user().token);
  }
  World* world;
  sb::Shard<Member>* shard;
  std::optional<Connection> clock;  // the first that came; open throughout a test that needs it
};

using Ws = sb::testing::TestConnection<Member>;

/// Nodes with that App.
struct Cluster {
  World world;
  sb::testing::TestCluster<Member> nodes;

  explicit Cluster(unsigned count, sb::testing::TestOptions<Member> options = {},
                   sb::testing::NetworkOptions network = {})
      : nodes(count, std::move(options), network,
              [this](sb::Shard<Member>& shard) { return std::make_unique<Member>(world, shard); }) {}

  sb::testing::TestNetwork& network() { return nodes.network(); }
  sb::testing::TestApp<Member>& node(unsigned number) { return nodes.node(number); }
  sb::Shard<Member>& shard(unsigned number) { return nodes.node(number).shard(); }

  /// Lets the time pass that the answer needs.
  Ws connect(unsigned number, const std::string& token, const sb::testing::ConnectOptions& options = {}) {
    return sb::testing::WebSocketTestClient(node(number), token).connect(options);
  }
  /// The same session, on another node.
  Ws resume(unsigned number, const std::string& token, const Ws& old) {
    return connect(number, token, {.session = old.session(), .last_seq = old.last_seq()});
  }
  /// A client that waits: its welcome is among what it receives.
  Ws begin_resume(unsigned number, const std::string& token, const std::string& session,
                  std::uint64_t last_seq, unsigned shard = 0) {
    auto socket = std::make_shared<sb::testing::TestSocket>();
    socket->to_server = "GET /ws?token=" + token + "&last_seq=" + std::to_string(last_seq) +
                        "&session=" + session +
                        " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    Ws connection(node(number), socket, true, true);
    node(number).host(shard).accept(socket);
    return connection;
  }
  Ws subscriber(unsigned number, const std::string& token, const std::vector<std::string>& channels,
                bool presence = false, const sb::testing::ConnectOptions& options = {}) {
    Ws ws = connect(number, token, options);
    for (const std::string& channel : channels) subscribe(ws, channel, presence);
    return ws;
  }
  static void subscribe(Ws& ws, const std::string& channel, bool presence = false) {
    json request{{"action", "subscribe"}, {"channel", channel}};
    if (presence) request["presence"] = true;
    ws.send_json(request);
    REQUIRE(ws.receive_json() == json{{"status", "subscribed"}, {"channel", channel}});
  }
  void publish(unsigned number, const std::string& channel, const json& data) {
    shard(number).publish(channel, data);
    nodes.run();
  }
  /// Of a network set to manual so many messages arrive, and no more.
  void steps(int count) {
    nodes.run();
    for (int i = 0; i < count; ++i) {
      network().step();
      nodes.run();
    }
  }
  /// The sum over all nodes.
  std::uint64_t metric(sb::Counter sb::HubMetrics::* counter) {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < nodes.node_count(); ++i)
      for (unsigned shard = 0; shard < node(i).shard_count(); ++shard)
        sum += (node(i).metrics(shard).*counter).value();
    return sum;
  }
};

/// All text messages that have come.
inline std::vector<json> received(Ws& ws) {
  std::vector<json> messages;
  while (auto message = ws.try_receive_json()) messages.push_back(std::move(*message));
  return messages;
}
/// The data of all messages of channels that have come.
inline std::vector<json> received_data(Ws& ws) {
  std::vector<json> data;
  for (json& message : received(ws)) data.push_back(message.contains("data") ? message["data"] : message);
  return data;
}
inline json numbered(std::uint64_t seq, const std::string& channel, const json& data) {
  return {{"seq", seq}, {"type", "message"}, {"channel", channel}, {"data", data}};
}
/// What a welcome says, but for the session and the heartbeat.
inline json terms(json welcome) {
  welcome.erase("session");
  welcome.erase("heartbeat");
  welcome.erase("type");
  return welcome;
}
inline json terms(std::uint64_t seq, bool recovered, std::uint64_t replayed, const json& missed) {
  return {{"seq", seq}, {"recovered", recovered}, {"replayed", replayed}, {"missed", missed}};
}

}  // namespace cluster_apps

extern template class switchboard::Hub<cluster_apps::Member,
                                       switchboard::testing::TestHost<cluster_apps::Member>>;
extern template class switchboard::Handover<cluster_apps::Member,
                                            switchboard::testing::TestHost<cluster_apps::Member>>;
