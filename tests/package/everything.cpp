// SPDX-License-Identifier: MIT
// Everything in use at once: Apps with every member, each broker, the testing part, the patterns. It is
// compiled with warnings, our headers not being the system's, and its object file is looked at.
#include <switchboard/broker/redis_broker.hpp>
#include <switchboard/broker/redis_tls.hpp>
#include <switchboard/switchboard.hpp>
#include <switchboard/testing/broker_conformance.hpp>
#include <switchboard/testing/test_cluster.hpp>
#include <switchboard/testing/test_server.hpp>
#include <switchboard/testing/websocket_test_client.hpp>

namespace sb = switchboard;

namespace {

using nlohmann::json;

/// Every member, each of them a coroutine where it may be.
template <class BrokerType>
struct Awaiting {
  using Broker = BrokerType;
  using Handle = sb::Connection<Awaiting>;
  struct User {
    std::string id;
  };
  struct State {
    int count = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(State, count)
  };

  explicit Awaiting(sb::Shard<Awaiting>& its_shard) : shard(&its_shard) {}
  asio::awaitable<sb::Accepted<User>> authenticate(const sb::UpgradeRequest& request) {
    co_return User{std::string(request.token)};
  }
  asio::awaitable<bool> may_subscribe(const User&, std::string_view) { co_return true; }
  asio::awaitable<bool> may_publish(const User&, std::string_view) { co_return true; }
  json presence_info(const User& user, std::string_view) { return user.id; }
  asio::awaitable<void> on_open(Handle connection) {
    const sb::Presence presence = co_await connection.shard().presence("news");
    connection.send_json({{"users", presence.users.size()}});
  }
  asio::awaitable<void> on_suspend(Handle) { co_return; }
  asio::awaitable<void> on_resume(Handle, sb::Resume) { co_return; }
  asio::awaitable<void> on_close(Handle, sb::CloseReason) { co_return; }
  asio::awaitable<void> on_subscribe(Handle, std::string_view) { co_return; }
  asio::awaitable<void> on_unsubscribe(Handle, std::string_view) { co_return; }
  asio::awaitable<void> on_message(Handle connection, json message) {
    connection.answer(message, {{"count", ++connection.state().count}});
    shard->publish("news", message);
    shard->send_to_user(connection.user().id, message);
    connection.close(sb::CloseCode::normal);
    co_return;
  }
  void binary(sb::BinaryHandlers<Awaiting>& handlers) {
    handlers.on(1, {.max_size = 16}, [](Handle sender, std::span<const std::byte> payload) {
      sender.shard().publish_binary("news", 1, payload);
    });
  }

  sb::Shard<Awaiting>* shard;
};

/// Every member, none a coroutine; what is left is the default.
struct Direct {
  using Heartbeat = sb::PingFrameHeartbeat;
  using Handle = sb::Connection<Direct>;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return std::nullopt; }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User&, std::string_view) { return true; }
  void on_open(Handle) {}
  void on_suspend(Handle) {}
  void on_resume(Handle, sb::Resume) {}
  void on_close(Handle, sb::CloseReason) {}
  void on_subscribe(Handle, std::string_view) {}
  void on_unsubscribe(Handle, std::string_view) {}
  void on_message(Handle, json) {}
};

struct Raw {
  using Heartbeat = sb::NoHeartbeat;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{}; }
  void on_text(sb::Connection<Raw> connection, std::string_view text) { connection.send_text(text); }
  void on_binary(sb::Connection<Raw> connection, std::span<const std::byte> bytes) {
    connection.send_raw(bytes);
  }
};

struct BrokerFixture {
  std::unique_ptr<sb::InMemoryBroker> make_broker() {
    return std::make_unique<sb::InMemoryBroker>(sb::InMemoryBroker::Options{});
  }
};

}  // namespace

// All members of each, called or not.
template class sb::Server<Awaiting<sb::RedisBroker>>;
template class sb::testing::TestCluster<Awaiting<sb::testing::LinkedBroker>>;
template class sb::testing::WebSocketTestClient<Awaiting<sb::testing::LinkedBroker>>;
template class sb::testing::TestApp<Direct>;
template class sb::testing::TestConnection<Direct>;
template class sb::testing::TestServer<Raw>;
template class sb::PubSubManager<std::string>;
template class sb::StatefulConnection<std::string>;
template class sb::BasicBinaryDispatcher<void, int&>;

int main() {
  BrokerFixture fixture;
  std::size_t failures = sb::testing::run_broker_conformance(fixture).size();

  sb::Server<Awaiting<sb::RedisBroker>> server{
      {.port = 0, .broker = {.urls = {"rediss://127.0.0.1"}, .tls = sb::redis_tls({})}}};
  server.run();
  sb::testing::TestCluster<Awaiting<sb::testing::LinkedBroker>> cluster(2);
  sb::testing::TestApp<Direct> app;
  sb::testing::TestServer<Raw> raw;
  return failures == 0 ? 0 : 1;
}
