// SPDX-License-Identifier: MIT
#include <switchboard/hub/envelope.hpp>

#include "hub/cluster_apps.hpp"

using namespace cluster_apps;

namespace {

/// ann on three nodes of two shards, with five connections; bob on each node.
struct Everywhere {
  Cluster cluster{3, {.shards = 2}};
  std::vector<Ws> ann, bob;

  Everywhere() {
    for (unsigned node = 0; node < 3; ++node) {
      ann.push_back(cluster.subscriber(node, "ann", {"red"}, false, {.shard = node % 2}));
      bob.push_back(cluster.subscriber(node, "bob", {"red"}));
    }
    ann.push_back(cluster.subscriber(1, "ann", {"red"}, false, {.last_seq = std::nullopt}));
    ann.push_back(cluster.subscriber(2, "ann", {"red"}, false, {.shard = 1}));
  }
};

}  // namespace

TEST_CASE("a user with connections on three nodes gets one copy on each, whoever sends") {
  Everywhere test;
  for (unsigned node = 0; node < 3; ++node) {
    for (unsigned shard = 0; shard < 2; ++shard) {
      CAPTURE(node, shard);
      test.cluster.node(node).shard(shard).send_to_user("ann", {{"from", node}});
      test.cluster.nodes.run();
      for (Ws& ws : test.ann) {
        CHECK(ws.receive_json()["from"] == node);
        CHECK(ws.is_idle());
      }
      for (Ws& ws : test.bob) CHECK(ws.is_idle());
    }
  }
}

TEST_CASE("only nodes that hold the user hear of it") {
  Cluster cluster(3);
  auto ann = cluster.connect(1, "ann");
  auto bob = cluster.connect(2, "bob");
  std::vector<std::string> heard;
  cluster.network().fate = [&](const sb::testing::TestMessage& message) {
    heard.emplace_back(message.to);
    return sb::testing::TestFate::arrive;
  };
  cluster.shard(0).send_to_user("ann", {{"hello", 1}});
  cluster.nodes.run();
  CHECK(heard == std::vector<std::string>{"node1"});
  CHECK(ann.receive_json()["hello"] == 1);
}

TEST_CASE("disconnect_user closes all of the user's connections on all nodes, and ends parked sessions") {
  Everywhere test;
  test.ann[4].cut();
  const std::string session = test.ann[4].session();
  test.cluster.shard(0).disconnect_user("ann");
  test.cluster.nodes.run();
  for (std::size_t i = 0; i < 4; ++i) CHECK(test.ann[i].receive_close().code == sb::CloseCode::disconnected);
  auto back = test.cluster.begin_resume(0, "ann", session, 0);
  test.cluster.nodes.advance(2s);
  CHECK(terms(back.receive_json()) == terms(0, false, 0, nullptr));
  for (Ws& ws : test.bob) CHECK(ws.is_idle());
}

TEST_CASE("unsubscribe_user takes the user off the channel on all nodes") {
  Everywhere test;
  test.cluster.shard(2).unsubscribe_user("ann", "red");
  test.cluster.nodes.run();
  for (Ws& ws : test.ann) CHECK(ws.receive_json() == json{{"status", "unsubscribed"}, {"channel", "red"}});
  test.cluster.publish(1, "red", 1);
  for (Ws& ws : test.ann) CHECK(ws.is_idle());
  for (Ws& ws : test.bob) CHECK(ws.receive_json()["data"] == 1);
}

TEST_CASE("what a broker repeats to a user is dropped, and what it loses is told") {
  Cluster cluster(2);
  auto ann = cluster.connect(1, "ann");
  std::optional<sb::Payload> kept;
  cluster.network().fate = [&](const sb::testing::TestMessage& message) {
    if (message.channel == "$user:ann" && !kept) kept = std::make_shared<const std::string>(message.payload);
    return message.payload.find("lost") != std::string::npos ? sb::testing::TestFate::lose_silently
                                                             : sb::testing::TestFate::arrive;
  };
  struct Nobody final : sb::BrokerSink {
    void on_message(std::string_view, const sb::Payload&) override {}
    void on_gap(std::string_view) override {}
  } nobody;
  const auto repeater = cluster.network().attach("repeater", nobody);
  cluster.shard(0).send_to_user("ann", {{"hello", 1}});
  cluster.nodes.run();
  CHECK(ann.receive_json()["hello"] == 1);
  cluster.network().publish(repeater, "$user:ann", *kept, [](std::error_code) {});
  CHECK(ann.is_idle());
  cluster.shard(0).send_to_user("ann", {{"hello", "lost"}});
  cluster.shard(0).send_to_user("ann", {{"hello", 3}});
  CHECK(ann.receive_json() ==
        json{{"seq", 2}, {"type", "gap"}, {"reason", "broker"}, {"channels", json::array()}});
  CHECK(ann.receive_json() == json{{"seq", 3}, {"hello", 3}});
  cluster.network().detach(repeater);
}

TEST_CASE("what the broker says it has lost for a user is told to the user's sessions, and to no others") {
  Cluster cluster(2);
  auto ann = cluster.connect(1, "ann"), bob = cluster.connect(1, "bob");
  cluster.network().fate = [](const sb::testing::TestMessage& message) {
    return message.channel == "$user:ann" ? sb::testing::TestFate::lose : sb::testing::TestFate::arrive;
  };
  cluster.shard(0).send_to_user("ann", {{"hello", 1}});
  cluster.nodes.run();
  CHECK(ann.receive_json() ==
        json{{"seq", 1}, {"type", "gap"}, {"reason", "broker"}, {"channels", json::array()}});
  CHECK(ann.is_idle());
  CHECK(bob.is_idle());
}

TEST_CASE("when a node dies, its users leave the channels that nobody else has them in") {
  Cluster cluster(3);
  auto watcher = cluster.subscriber(2, "wat", {"red"}, true);
  auto ann = cluster.subscriber(0, "ann", {"red"}), also_ann = cluster.subscriber(1, "ann", {"red"});
  auto bob = cluster.subscriber(0, "bob", {"red"});
  CHECK(received(watcher).size() == 2);
  cluster.nodes.kill(0);
  CHECK(watcher.receive_json() == json{{"seq", 3}, {"type", "leave"}, {"channel", "red"}, {"user", "bob"}});
  CHECK(watcher.is_idle());
}
