// SPDX-License-Identifier: MIT
// Presence in Redis: what nodes that die, and servers that are away, make of it.
#include <algorithm>
#include <optional>

#include "broker/redis/support/node.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis_test::quick_options;
using redis_test::RedisServer;
using redis_test::until;

static_assert(PresenceCountPort<RedisBroker::Port>);

namespace {

/// A node with one port whose sink notes who was lost.
struct PresenceNode : BrokerSink {
  explicit PresenceNode(const RedisServer& server, RedisOptions options = quick_options({}))
      : broker([&] {
          options.urls = {server.url()};
          return options;
        }()) {
    port.emplace(broker.attach(context.get_executor(), *this));
  }
  ~PresenceNode() {
    port.reset();
    broker.stop();
  }
  void on_message(std::string_view, const Payload&) override {}
  void on_gap(std::string_view) override {}
  void on_presence_lost(std::string_view channel, std::string_view user, std::uint64_t version) override {
    lost.emplace_back(std::string(channel) + "/" + std::string(user));
    versions.push_back(version);
  }

  struct Answer {
    std::error_code error;
    PresenceChange change;
    std::string users;  // "ann=info bob="
  };
  Answer wait(const std::optional<Answer>& answer) {
    REQUIRE(tcp::eventually([&] {
      context.restart();
      context.poll();
      return answer.has_value();
    }));
    return *answer;
  }
  Answer enter(const std::string& channel, const std::string& user, const std::string& info = "") {
    std::optional<Answer> answer;
    port->enter(channel, user, info, [&](auto error, auto change) { answer = {error, change, {}}; });
    return wait(answer);
  }
  Answer leave(const std::string& channel, const std::string& user) {
    std::optional<Answer> answer;
    port->leave(channel, user, [&](auto error, auto change) { answer = {error, change, {}}; });
    return wait(answer);
  }
  Answer query(const std::string& channel) {
    std::optional<Answer> answer;
    port->query(channel, [&](auto error, auto list) {
      std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.user < b.user; });
      answer = {error, {}, {}};
      for (const auto& entry : list) answer->users += entry.user + "=" + entry.info + " ";
    });
    return wait(answer);
  }

  asio::io_context context;
  RedisBroker broker;
  std::optional<RedisBroker::Port> port;
  std::vector<std::string> lost;
  std::vector<std::uint64_t> versions;
};

}  // namespace

TEST_CASE("presence spans nodes, and a user leaves with the last of its nodes") {
  const RedisServer server;
  PresenceNode one(server), two(server);
  CHECK(one.enter("room", "ann", "1").change.changed);
  CHECK_FALSE(two.enter("room", "ann", "2").change.changed);
  CHECK(two.enter("room", "bob").change.changed);
  CHECK(one.query("room").users == "ann=2 bob= ");
  CHECK_FALSE(two.leave("room", "ann").change.changed);
  CHECK(one.query("room").users == "ann=1 bob= ");
  const auto last = one.leave("room", "ann");
  CHECK(last.change.changed);
  CHECK(last.change.version > 0);
  CHECK(two.leave("room", "bob").change.changed);
  CHECK(server("EXISTS switchboard:presence:room").integer == 0);
}

TEST_CASE("the users of a node that dies leave, told once, and those who are elsewhere too do not") {
  const RedisServer server;
  PresenceNode one(server), two(server), three(server);
  for (auto* node : {&one, &two}) node->enter("room", "both", "");
  one.query("room"), three.query("room");
  const auto entered = two.enter("room", "ann").change;
  two.enter("hall", "ann");
  tcp::eventually([] { return false; }, 700ms);  // the leases of those who are to judge have held for one
  two.broker.stop();
  REQUIRE(tcp::eventually([&] {
    one.query("room"), three.query("room");
    return one.lost.size() + three.lost.size() >= 2;
  }));
  CHECK(one.query("room").users == "both= ");
  CHECK(one.query("hall").users.empty());
  tcp::eventually([] { return false; }, 300ms);
  one.query("room"), three.query("room");
  std::vector<std::string> lost = one.lost;
  lost.insert(lost.end(), three.lost.begin(), three.lost.end());
  std::sort(lost.begin(), lost.end());
  CHECK(lost == std::vector<std::string>{"hall/ann", "room/ann"});
  for (const auto* node : {&one, &three})
    for (const auto version : node->versions) CHECK(version > entered.version);
  CHECK(server("ZCARD switchboard:nodes").integer == 2);
}

TEST_CASE("a user who is back on another node before its dead node's lease ends has never left") {
  const RedisServer server;
  PresenceNode one(server);
  one.query("room");
  tcp::eventually([] { return false; }, 700ms);
  {
    PresenceNode two(server);
    two.enter("room", "ann");
    two.broker.stop();
  }
  CHECK_FALSE(one.enter("room", "ann").change.changed);
  REQUIRE(tcp::eventually([&] { return server("ZCARD switchboard:nodes").integer == 1; }));
  CHECK(one.query("room").users == "ann= ");
  CHECK(one.lost.empty());
}

TEST_CASE("after a restart of Redis, which is empty then, the entries are there again") {
  RedisServer server;
  PresenceNode one(server), two(server);
  one.enter("room", "ann", "a");
  two.enter("room", "bob", "b");
  server.restart();
  REQUIRE(tcp::eventually([&] { return one.query("room").users == "ann=a bob=b "; }));
  tcp::eventually([] { return false; }, 1500ms);
  CHECK(one.query("room").users == "ann=a bob=b ");  // nobody has buried the other
  CHECK(one.lost.empty());
  CHECK(two.lost.empty());
}

TEST_CASE("while Redis is away presence is unavailable, and what changed is made up for") {
  RedisServer server({"--maxmemory-policy", "noeviction"});
  PresenceNode one(server), two(server);
  one.enter("room", "ann");
  two.query("room");
  server.suspend();
  CHECK(one.query("room").error == broker_errc::unavailable);
  CHECK(one.leave("room", "ann").error == broker_errc::unavailable);
  CHECK(one.enter("room", "bob").error == broker_errc::unavailable);
  server.resume();
  REQUIRE(tcp::eventually([&] { return two.query("room").users == "bob= "; }));
  one.query("room");
  CHECK(one.lost.size() <= 1);
}

TEST_CASE("what a node has to leave behind for the day it dies is told again if it was not taken") {
  const RedisServer server;
  PresenceNode one(server);
  one.query("room");
  REQUIRE(tcp::eventually([&] { return server("ZCARD switchboard:nodes").integer == 1; }));
  const std::string channels =
      "switchboard:in:" + std::string(server("ZRANGE switchboard:nodes 0 -1")[0].text);
  server("SET " + channels + " no-set");
  CHECK(one.enter("room", "ann").change.changed);
  server("DEL " + channels);
  CHECK(tcp::eventually([&] { return server("SISMEMBER " + channels + " room").integer == 1; }));
}

TEST_CASE("after a short loss of the connection what another server may not have got is there again") {
  const RedisServer server;
  PresenceNode one(server);
  one.enter("room", "ann", "a");
  server("DEL switchboard:presence:room");  // as after a failover to a replica that was behind
  CHECK(one.query("room").users.empty());
  server("CLIENT KILL TYPE normal");
  CHECK(tcp::eventually([&] { return one.query("room").users == "ann=a "; }));
}

TEST_CASE("a server out of memory refuses presence, and takes it later") {
  const RedisServer server;
  PresenceNode one(server);
  one.query("room");
  server("CONFIG SET maxmemory 1");
  CHECK(one.enter("room", "ann").error == broker_errc::unavailable);
  server("CONFIG SET maxmemory 0");
  REQUIRE(tcp::eventually([&] { return one.query("room").users == "ann= "; }));
  std::uint64_t refusals = 0;
  for (const auto& metric : one.broker.metrics())
    if (metric.labels == R"(kind="out_of_memory")") refusals = metric.value;
  CHECK(refusals > 0);
}
