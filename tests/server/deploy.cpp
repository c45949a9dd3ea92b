// SPDX-License-Identifier: MIT
// Servers that are nodes of one cluster, and what stopping one of them means. Real sockets and threads; what
// links the nodes is a broker inside this process.
#include <chrono>
#include <memory>
#include <string>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/server/server.hpp>
#include <switchboard/testing/test_server.hpp>

#include "server/web_socket.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace tcp;
using nlohmann::json;
using sb::testing::TestServer;

namespace deploy_test {

/// Several servers of one process with this are several nodes.
class NamedBroker {
 public:
  struct Options {
    std::shared_ptr<sb::InMemoryBroker> exchange{};
    std::string node = "alone";
  };
  explicit NamedBroker(const Options& options)
      : exchange_(options.exchange ? options.exchange : std::make_shared<sb::InMemoryBroker>()),
        node_(options.node) {}
  auto attach(asio::any_io_executor executor, sb::BrokerSink& sink) {
    return exchange_->attach(std::move(executor), sink);
  }
  void stop() {}
  std::string_view node() const { return node_; }

 private:
  std::shared_ptr<sb::InMemoryBroker> exchange_;
  std::string node_;
};
static_assert(sb::NodeBroker<NamedBroker>);

template <class BrokerType>
struct Member {
  using Broker = BrokerType;
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};
using Node = Member<NamedBroker>;
using Single = Member<sb::InMemoryBroker>;

static_assert(!sb::NodeBroker<sb::InMemoryBroker>);
static_assert(sb::Server<Node>::default_drain == 30s);
static_assert(sb::Server<Single>::default_drain == 10s);

}  // namespace deploy_test

using deploy_test::Node;
using deploy_test::Single;

namespace {

std::chrono::steady_clock::duration time_to_stop(auto& server, sb::Duration drain) {
  const auto begin = std::chrono::steady_clock::now();
  server.stop(drain);
  return std::chrono::steady_clock::now() - begin;
}

/// A session that is parked, as a client leaves it.
std::string park_session(std::uint16_t port) {
  WebSocket socket(port, "/ws?token=ann&last_seq=0");
  const std::string session = socket.receive_json()["session"];
  socket.send_close();
  socket.receive_close();
  return session;
}

}  // namespace

TEST_CASE("a server that stops stays until another has taken its sessions over, and not a moment longer") {
  const auto exchange = std::make_shared<sb::InMemoryBroker>();
  TestServer<Node> old({.threads = 2, .broker = {exchange, "old"}});
  TestServer<Node> next({.threads = 2, .broker = {exchange, "next"}});
  for (int i = 0; i < 4; ++i) {  // sooner or later on each shard
    CAPTURE(i);
    const std::string user = "user" + std::to_string(i);
    WebSocket socket(old.port(), "/ws?token=" + user + "&last_seq=0");
    const std::string session = socket.receive_json()["session"];
    socket.send(R"({"action":"subscribe","channel":"red"})");
    CHECK(socket.receive_json()["status"] == "subscribed");
    next.handle().publish("red", i);
    CHECK(socket.receive_json() == json{{"seq", 1}, {"type", "message"}, {"channel", "red"}, {"data", i}});
    if (i == 3) {
      old.server().stop();
      CHECK(socket.receive_close() == 1001);
      socket.send_close(sb::CloseCode::going_away);
      CHECK(status_of(get(old.port(), "/readyz")) == 503);
      CHECK(WebSocket(old.port()).status() == 503);
    }
    next.handle().publish("red", "missed");
    WebSocket back(next.port(), "/ws?token=" + user + "&last_seq=1&session=" + session);
    const json welcome = back.receive_json();
    CHECK(welcome["session"] == session);
    CHECK(welcome["recovered"] == true);
    CHECK(back.receive_json()["data"] == "missed");
  }
  CHECK(time_to_stop(old, 30s) < 15s);
  CHECK(old.metrics().sessions_handed_over == 4);
  CHECK(next.metrics().sessions_taken_over == 4);
}

TEST_CASE("a server that stops does not wait longer for its sessions than it was told") {
  const auto exchange = std::make_shared<sb::InMemoryBroker>();
  TestServer<Node> old({.broker = {exchange, "old"}});
  TestServer<Node> next({.broker = {exchange, "next"}});
  park_session(old.port());
  const auto time = time_to_stop(old, 500ms);
  CHECK(time >= 500ms);
  CHECK(time < 15s);
}

TEST_CASE("a server without others does not wait for parked sessions") {
  TestServer<Single> single;
  park_session(single.port());
  CHECK(time_to_stop(single, 30s) < 15s);
  TestServer<Node> alone;
  park_session(alone.port());
  CHECK(time_to_stop(alone, 30s) < 15s);
}
