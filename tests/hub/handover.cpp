// SPDX-License-Identifier: MIT
// A session that moves from node to node, and what it takes with it.
#include <switchboard/hub/envelope.hpp>

#include "hub/cluster_apps.hpp"

using namespace cluster_apps;
using sb::testing::TestFate;
using sb::testing::TestMessage;

TEST_CASE("a client that resumes on another node gets its session, with what it missed and what it hears") {
  Cluster cluster(3);
  auto ws = cluster.subscriber(0, "ann", {"red", "green"});
  cluster.publish(2, "red", 1);
  CHECK(ws.receive_json() == numbered(1, "red", 1));
  ws.cut();
  cluster.publish(0, "green", 2);
  cluster.publish(1, "red", 3);
  cluster.shard(2).send_to_user("ann", {{"hello", 4}});
  auto back = cluster.resume(1, "ann", ws);
  CHECK(back.session() == ws.session());
  CHECK(terms(back.welcome()) == terms(4, true, 3, 0));
  CHECK(back.receive_json() == numbered(2, "green", 2));
  CHECK(back.receive_json() == numbered(3, "red", 3));
  CHECK(back.receive_json() == json{{"seq", 4}, {"hello", 4}});
  for (unsigned node = 0; node < 3; ++node) cluster.publish(node, node == 1 ? "green" : "red", node);
  cluster.shard(0).send_to_user("ann", {{"hello", 5}});
  CHECK(back.receive_json() == numbered(5, "red", 0));
  CHECK(back.receive_json() == numbered(6, "green", 1));
  CHECK(back.receive_json() == numbered(7, "red", 2));
  CHECK(back.receive_json() == json{{"seq", 8}, {"hello", 5}});
  CHECK(back.is_idle());
  CHECK(cluster.metric(&sb::HubMetrics::sessions_handed_over) == 1);
  CHECK(cluster.metric(&sb::HubMetrics::sessions_taken_over) == 1);
}

TEST_CASE("the node that a session has left keeps nothing of it") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"}, true);
  auto back = cluster.resume(1, "ann", ws);
  cluster.nodes.advance(10s);
  CHECK(cluster.node(0).hub().holds_nothing());
  back.close();
  cluster.nodes.advance(3min);
  CHECK(cluster.node(1).hub().holds_nothing());
}

TEST_CASE("what a session was taken off while its client was away is told by the node where it comes back") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red", "green"});
  ws.cut();
  cluster.shard(1).unsubscribe_user("ann", "red");
  cluster.nodes.run();
  auto back = cluster.resume(1, "ann", ws);
  CHECK(received(back) ==
        std::vector<json>{{{"status", "unsubscribed"}, {"channel", "red"}, {"code", "subscribe.denied"}}});
  cluster.publish(0, "red", 1);
  cluster.publish(0, "green", 2);
  CHECK(received_data(back) == std::vector<json>{2});
}

TEST_CASE("what a session takes is counted where it is parked, wherever it came from") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red", "green"});
  auto back = cluster.resume(1, "ann", ws);
  back.cut();
  cluster.nodes.run();
  const std::uint64_t both = cluster.node(1).metrics().parked_bytes.value();
  CHECK(both > 0);
  cluster.shard(1).unsubscribe_user("ann", "red");
  cluster.shard(1).unsubscribe_user("ann", "green");
  cluster.nodes.run();
  CHECK(cluster.node(1).metrics().parked_bytes.value() < both * 4);  // and not below nothing
  CHECK(cluster.node(1).metrics().sessions_parked.value() == 1);
}

TEST_CASE("a session that comes with its client counts among the parked nowhere, and puts out no other") {
  Cluster cluster(2, {.sessions = {.per_user = 1}});
  auto parked = cluster.subscriber(1, "ann", {"red"});
  parked.cut();
  auto ws = cluster.subscriber(0, "ann", {"red"});
  auto back = cluster.resume(1, "ann", ws);
  CHECK(back.welcome()["recovered"] == true);
  CHECK(cluster.metric(&sb::HubMetrics::sessions_evicted) == 0);
  CHECK(cluster.resume(1, "ann", parked).welcome()["recovered"] == true);

  Cluster small(2, {.sessions = {.parked_bytes = 3000}});
  auto large = small.subscriber(0, "ann", {"red"});
  for (int i = 0; i < 10; ++i) small.publish(0, "red", std::string(1000, 'x'));
  CHECK(received(large).size() == 10);
  auto there = small.connect(1, "ann", {.session = large.session(), .last_seq = 0});
  CHECK(terms(there.welcome()) == terms(10, true, 10, 0));
  there.cut();  // and now it is the one too many
  small.nodes.run();
  CHECK(small.node(1).metrics().sessions_evicted.value() == 1);
  CHECK(small.node(1).metrics().parked_bytes.value() == 0);
}

TEST_CASE(
    "all that a slow client has not taken yet goes with its session, be it more than is kept for others") {
  Cluster cluster(2, {.sessions = {.replay_bytes = 2000}});
  auto ws = cluster.subscriber(0, "ann", {"red"});
  ws.stop_reading();
  for (int i = 1; i <= 10; ++i) cluster.publish(0, "red", std::string(1000, 'x'));
  auto back = cluster.connect(1, "ann", {.session = ws.session(), .last_seq = 0});
  CHECK(terms(back.welcome()) == terms(10, true, 10, 0));
}

TEST_CASE("a live socket of the session gets 4001 when it is resumed on another node") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  auto back = cluster.resume(1, "ann", ws);
  CHECK(back.welcome()["recovered"] == true);
  CHECK(ws.receive_close().code == sb::CloseCode::replaced);
}

TEST_CASE("a session goes on from node to node, and home again, when the nodes it came from have gone") {
  Cluster cluster(4);
  std::optional<Ws> ws = cluster.subscriber(0, "ann", {"red"});
  const std::string session = ws->session();
  std::uint64_t expected = 0;
  unsigned at = 0;
  for (const unsigned node : {1U, 0U, 2U, 1U, 3U, 2U, 3U}) {
    cluster.publish(3, "red", ++expected);
    Ws back = cluster.resume(node, "ann", *ws);
    CAPTURE(node);
    REQUIRE(terms(back.welcome()) == terms(expected, true, 1, 0));
    REQUIRE(back.receive_json() == numbered(expected, "red", expected));
    REQUIRE(back.session() == session);
    ws = std::move(back);
    if (node == 2 && at == 0) {  // where it began
      cluster.nodes.kill(0);
    }
    at = node;
  }
  cluster.nodes.kill(1);
  CHECK(cluster.resume(2, "ann", *ws).welcome()["recovered"] == true);
}

TEST_CASE("accepted publish ids are known on the new node: sent again, nothing is delivered twice") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  const json publish{{"action", "publish"}, {"channel", "red"}, {"data", 1}, {"id", "x"}};
  ws.send_json(publish);
  CHECK(ws.receive_json() == numbered(1, "red", 1));
  CHECK(ws.receive_json()["status"] == "published");
  auto back = cluster.resume(1, "ann", ws);
  back.send_json(publish);
  CHECK(back.receive_json() == json{{"status", "published"}, {"channel", "red"}, {"id", "x"}});
  CHECK(back.is_idle());
}

TEST_CASE("binary messages, and gaps that a slow client was told of, are replayed on the new node") {
  Cluster cluster(2, {.queue = {.max_bytes = 400, .slow_consumer = sb::SlowConsumer::drop_oldest}});
  auto ws = cluster.subscriber(0, "ann", {"red"});
  ws.send_json({{"binary", "bytes"}});
  cluster.nodes.run();
  ws.stop_reading();
  for (int i = 0; i < 10; ++i) cluster.publish(1, "red", std::string(100, 'x'));
  auto back = cluster.connect(1, "ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.welcome()["seq"] == 11);
  const auto binary = back.receive_binary();
  CHECK(binary.type == 7);
  CHECK(binary.seq == 1);
  CHECK(binary.payload == "bytes");
  const json gap = back.receive_json();
  CHECK(gap["type"] == "gap");
  CHECK(gap["seq"] == 1 + gap["missed"].get<int>());
  int next = gap["seq"];
  for (const json& message : received(back)) CHECK(message["seq"] == ++next);
  CHECK(next == 11);
}

TEST_CASE(
    "what was unwritten when its socket went is kept besides the newest, wherever the session is then") {
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    Cluster cluster(2, {.sessions = {.replay = 10}});
    auto ws = cluster.subscriber(0, "ann", {"red"});
    ws.stop_reading();
    std::vector<json> all;
    const auto publish = [&](unsigned node) {
      for (int i = 0; i < 10; ++i) cluster.publish(node, "red", all.emplace_back(all.size()));
    };
    publish(0);
    ws.cut();
    cluster.nodes.run();
    cluster.network().set_manual(true);
    auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
    cluster.steps(steps);
    publish(1);
    cluster.network().set_manual(false);
    cluster.nodes.advance(1s);
    const json welcome = back.receive_json();
    CHECK(welcome["recovered"] == true);
    CHECK(welcome["missed"] == 0);
    CHECK(received_data(back) == all);
  }
}

TEST_CASE("more than one envelope of a log arrives whole") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  for (int i = 0; i < 20; ++i) cluster.publish(1, "red", std::string(150'000, static_cast<char>('a' + i)));
  CHECK(received(ws).size() == 20);
  auto back = cluster.connect(1, "ann", {.session = ws.session(), .last_seq = 0});
  CHECK(terms(back.welcome()) == terms(20, true, 20, 0));
  for (int i = 0; i < 20; ++i)
    REQUIRE(back.receive_json()["data"] == std::string(150'000, static_cast<char>('a' + i)));
}

TEST_CASE("a State that nlohmann can write and read goes with its session, and the Apps are told") {
  Cluster cluster(2);
  auto ws = cluster.connect(0, "ann");
  ws.send_json({{"count", 5}});
  CHECK(ws.receive_json()["count"] == 5);
  cluster.world.take_journal();
  auto back = cluster.resume(1, "ann:again", ws);
  back.send_json({{"count", 2}});
  CHECK(back.receive_json()["count"] == 7);
  CHECK(cluster.world.take_journal() == std::vector<std::string>{"resume ann:again", "close 4001 ann"});
}

TEST_CASE("a State that cannot be written, or read, is reported and begins anew, the session goes on") {
  using State = Member::State;
  const int count = GENERATE(int{State::unwritable}, int{State::unwritable_and_rude}, int{State::unreadable});
  CAPTURE(count);
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  ws.send_json({{"count", count}});
  CHECK(ws.receive_json()["count"] == count);
  auto back = cluster.resume(1, "ann", ws);
  CHECK(back.welcome()["recovered"] == true);
  CHECK(cluster.node(count == State::unreadable ? 1 : 0).metrics().handler_exceptions.value() == 1);
  back.send_json({{"count", 2}});
  CHECK(back.receive_json()["count"] == 2);
  cluster.publish(0, "red", 1);
  CHECK(back.receive_json() == numbered(1, "red", 1));
}

TEST_CASE("on the new node the user's rights are asked again") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  cluster.world.refused_to.insert("ann:less");
  auto back = cluster.resume(1, "ann:less", ws);
  CHECK(back.receive_json() ==
        json{{"status", "unsubscribed"}, {"channel", "red"}, {"code", "subscribe.denied"}});
  cluster.publish(0, "red", 1);
  CHECK(back.is_idle());
}

TEST_CASE("nobody hears of a leave or a join when a session moves, and the user is listed throughout") {
  for (const bool was_cut : {false, true}) {
    for (const auto grace : {0s, 10s}) {
      if (was_cut && grace == 0s) continue;
      for (unsigned seed = 0; seed < 20; ++seed) {
        CAPTURE(was_cut, grace.count(), seed);
        Cluster cluster(3, {.sessions = {.presence_grace = grace}}, {.seed = seed, .servers = 3});
        auto watcher = cluster.subscriber(2, "wat", {"red"}, true);
        auto ws = cluster.subscriber(0, "ann", {"red"}, true);
        CHECK(watcher.receive_json()["type"] == "join");
        if (was_cut) ws.cut();
        auto back = cluster.resume(1, "ann", ws);
        const auto listed = [&] {
          watcher.send_json({{"action", "presence"}, {"channel", "red"}});
          return watcher.receive_json()["count"];
        };
        CHECK(listed() == 2);
        cluster.nodes.advance(1min);
        CHECK(listed() == 2);
        CHECK(watcher.is_idle());
        auto other = cluster.subscriber(0, "bob", {"red"});
        CHECK(back.receive_json()["type"] == "join");  // it still watches
        CHECK(watcher.receive_json()["type"] == "join");
        back.close();
        CHECK(watcher.receive_json()["type"] == "leave");
        CHECK(listed() == 2);
      }
    }
  }
}

TEST_CASE(
    "who enters a channel and leaves it while a watcher's session moves is told to it, whenever that is") {
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    Cluster cluster(3);
    auto watcher = cluster.subscriber(0, "wat", {"red"}, true);
    auto bob = cluster.connect(2, "bob");
    watcher.cut();
    cluster.nodes.run();
    cluster.network().set_manual(true);
    auto back = cluster.begin_resume(1, "wat", watcher.session(), 0);
    const auto step = [&] {
      cluster.network().step();
      cluster.nodes.run();
    };
    cluster.nodes.run();
    for (int i = 0; i < steps; ++i) step();
    bob.send_json({{"action", "subscribe"}, {"channel", "red"}});
    cluster.nodes.run();
    for (int i = 0; i < 3; ++i) step();
    bob.send_json({{"action", "unsubscribe"}, {"channel", "red"}});
    cluster.nodes.run();
    cluster.network().set_manual(false);
    cluster.nodes.advance(5s);
    CHECK(back.receive_json()["session"] == watcher.session());
    const json joined{{"seq", 1}, {"type", "join"}, {"channel", "red"}, {"user", "bob"}};
    const json left{{"seq", 2}, {"type", "leave"}, {"channel", "red"}, {"user", "bob"}};
    CHECK(received(back) == std::vector<json>{joined, left});
  }
}

TEST_CASE("a join and a leave that only the new node has heard are told by it") {
  Cluster cluster(3);
  auto watcher = cluster.subscriber(0, "wat", {"red"}, true);
  auto bob = cluster.connect(2, "bob");
  watcher.cut();
  cluster.nodes.run();
  bool is_losing = false;  // from when both nodes listen
  cluster.network().fate = [&](const TestMessage& message) {
    const auto envelope = sb::Envelope::decode(message.payload);
    if (envelope && envelope->kind == sb::Envelope::Kind::marker && message.channel == "red")
      return TestFate::lose_silently;  // so that the old node waits
    return is_losing && message.to == "node0" && message.channel == "red" ? TestFate::lose_silently
                                                                          : TestFate::arrive;
  };
  auto back = cluster.begin_resume(1, "wat", watcher.session(), 0);
  cluster.nodes.run();
  is_losing = true;
  cluster.subscribe(bob, "red");
  cluster.subscribe(bob, "green");  // of which nobody is to hear
  bob.send_json({{"action", "unsubscribe"}, {"channel", "red"}});
  cluster.nodes.advance(2s);
  CHECK(terms(back.receive_json()) == terms(3, true, 3, 0));
  std::vector<json> got = received(back);
  for (json& message : got) message.erase("seq");
  std::erase_if(got, [](const json& message) { return message["type"] == "gap"; });  // of the marker
  const json joined{{"type", "join"}, {"channel", "red"}, {"user", "bob"}};
  const json left{{"type", "leave"}, {"channel", "red"}, {"user", "bob"}};
  CHECK(got == std::vector<json>{joined, left});
}

TEST_CASE("a user who had left a channel's presence joins it again by coming back on another node") {
  Cluster cluster(3);
  auto watcher = cluster.subscriber(2, "wat", {"red"}, true);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  CHECK(watcher.receive_json()["type"] == "join");
  ws.close();
  CHECK(watcher.receive_json()["type"] == "leave");
  auto back = cluster.resume(1, "ann", ws);
  CHECK(watcher.receive_json()["type"] == "join");
  cluster.nodes.advance(1min);
  CHECK(watcher.is_idle());
}

TEST_CASE("what a handler sends when it has almost ended still goes with the session") {
  Cluster cluster(2);
  auto ws = cluster.connect(0, "ann");
  ws.send_json({{"sleep", 100}, {"send", 1}});
  cluster.nodes.run();
  auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(99ms);
  CHECK(back.is_idle());
  cluster.nodes.advance(10ms);
  CHECK(terms(back.receive_json()) == terms(1, true, 1, 0));
  CHECK(back.receive_json() == json{{"seq", 1}, {"sent", 1}});
}

TEST_CASE("a handler that goes on and on does not hold its session back") {
  Cluster cluster(2);
  auto ws = cluster.connect(0, "ann");
  ws.send_json({{"sleep", 60'000}});
  cluster.nodes.run();
  auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(300ms);
  CHECK(terms(back.receive_json()) == terms(0, true, 0, 0));
}

TEST_CASE("what has come behind a handler is carried out although its session moves") {
  const bool is_cut = GENERATE(true, false);
  CAPTURE(is_cut);
  Cluster cluster(2);
  auto bob = cluster.subscriber(1, "bob", {"red"});
  auto ws = cluster.connect(0, "ann");
  ws.send_json({{"sleep", 100}});
  ws.send_json({{"action", "publish"}, {"channel", "red"}, {"data", 1}});
  cluster.nodes.run();
  if (is_cut) ws.cut();
  Ws back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(1s);
  CHECK(back.receive_json()["session"] == ws.session());
  CHECK(received_data(bob) == std::vector<json>{1});
  if (!is_cut) CHECK(ws.receive_close().code == sb::CloseCode::replaced);
}

TEST_CASE("a channel that the App adds while its session moves goes with it") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  ws.send_json({{"sleep", 100}, {"join", "green"}});
  cluster.nodes.run();
  auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(50ms);
  cluster.publish(0, "green", 0);
  cluster.nodes.advance(100ms);
  cluster.publish(0, "green", 1);
  CHECK(terms(back.receive_json()) == terms(0, true, 0, 0));
  CHECK(back.receive_json() == numbered(1, "green", 1));
}

TEST_CASE("sessions move between shards of several nodes") {
  Cluster cluster(2, {.shards = 2});
  auto ws = cluster.subscriber(0, "ann", {"red"}, false, {.shard = 1});
  std::uint64_t expected = 0;
  for (const auto& [node, shard] : std::vector<std::pair<unsigned, unsigned>>{
           {1, 0}, {1, 1}, {0, 0}, {0, 1}, {1, 1}, {1, 0}, {0, 1}, {0, 0}}) {
    CAPTURE(node, shard);
    cluster.publish(1, "red", ++expected);
    auto back =
        cluster.connect(node, "ann", {.session = ws.session(), .last_seq = ws.last_seq(), .shard = shard});
    REQUIRE(terms(back.welcome()) == terms(expected, true, 1, 0));
    REQUIRE(back.receive_json() == numbered(expected, "red", expected));
    ws = std::move(back);
  }
}

TEST_CASE("a session that has left a channel is told of no gap there") {
  Cluster cluster(3);
  Ws ws = cluster.subscriber(0, "ann", {"red"});
  cluster.publish(2, "red", 1);
  Ws back = cluster.resume(1, "ann", ws);
  REQUIRE(back.receive_json() == numbered(1, "red", 1));
  back.send_json({{"action", "unsubscribe"}, {"channel", "red"}});
  REQUIRE(back.receive_json() == json{{"status", "unsubscribed"}, {"channel", "red"}});
  cluster.publish(2, "red", 2);  // which its new node does not hear, as nobody there wants it
  Ws other = cluster.subscriber(1, "ben", {"red"});
  cluster.publish(2, "red", 3);
  REQUIRE(other.receive_json() == numbered(1, "red", 3));
  REQUIRE(back.is_idle());
  cluster.subscribe(back, "red");
  cluster.publish(2, "red", 4);
  cluster.publish(2, "red", 5);
  REQUIRE(received(back) == std::vector<json>{numbered(2, "red", 4), numbered(3, "red", 5)});
}

TEST_CASE("an anonymous client's session moves too") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "anonymous", {"red"});
  cluster.publish(1, "red", 1);
  CHECK(terms(cluster.resume(1, "anonymous", ws).welcome()) == terms(1, true, 1, 0));
}
