// SPDX-License-Identifier: MIT
// Who does what while a session moves: clients that come and go, and users who are disconnected.
#include "hub/parked_session.hpp"

using namespace cluster_apps;
using sb::testing::TestFate;
using sb::testing::TestMessage;
using Step = sb::HandoverMessage::Step;

TEST_CASE("two nodes that are asked for a session at once get it one after the other, and the later wins") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Parked parked(3, {.seed = seed});
    Ws first = parked.begin(1), second = parked.begin(2);
    parked.cluster.nodes.advance(1500ms);
    std::vector<Ws*> both{&first, &second};
    for (Ws* ws : both) {
      const json welcome = ws->receive_json();
      CHECK(welcome["session"] == parked.ws->session());
      CHECK(terms(welcome) == terms(1, true, 1, 0));
      CHECK(ws->receive_json() == numbered(1, "red", 1));
    }
    // One of them has lost it to the other.
    if (!first.is_idle()) std::swap(both[0], both[1]);
    CHECK(both[1]->receive_close().code == sb::CloseCode::replaced);
    CHECK(both[0]->is_idle());
    parked.cluster.publish(0, "red", 2);
    CHECK(both[0]->receive_json() == numbered(2, "red", 2));
  }
}

TEST_CASE("the late word of a node that has handed a session on does not lose it between the next two") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Cluster cluster(3, {}, {.seed = seed, .max_delay = 5ms});
    auto ws = cluster.connect(0, "ann");
    ws.send_json({{"sleep", 60'000}});  // holds the move up, until the second node asks again
    cluster.nodes.run();
    ws.cut();
    Ws first = cluster.begin_resume(1, "ann", ws.session(), 0);
    cluster.nodes.advance(std::chrono::milliseconds(seed % 30));
    Ws second = cluster.begin_resume(2, "ann", ws.session(), 0);
    cluster.nodes.advance(1500ms);
    for (Ws* one : {&first, &second}) CHECK(one->receive_json()["session"] == ws.session());
    CHECK(cluster.metric(&sb::HubMetrics::sessions_not_found) == 0);
  }
}

TEST_CASE("two sockets that ask one node for a session elsewhere: the later wins") {
  Parked parked;
  Ws first = parked.begin(1), second = parked.begin(1), other = parked.begin(1, "bob");
  parked.cluster.nodes.advance(100ms);
  CHECK(terms(first.receive_json()) == terms(1, true, 1, 0));
  CHECK(first.receive_close().code == sb::CloseCode::replaced);
  CHECK(terms(second.receive_json()) == terms(1, true, 1, 0));
  CHECK(second.receive_json() == numbered(1, "red", 1));
  CHECK(second.is_idle());
  parked.cluster.nodes.advance(2s);
  CHECK(terms(other.receive_json()) == terms(0, false, 0, nullptr));
}

TEST_CASE(
    "who claims to have seen more than there is gets a new session, and the other who asks the old one") {
  for (const bool claims_first : {true, false}) {
    CAPTURE(claims_first);
    Parked parked;
    std::optional<Ws> right;
    if (!claims_first) right = parked.begin(1);
    Ws wrong = parked.begin(1, "ann", 2);
    if (claims_first) right = parked.begin(1);
    parked.cluster.nodes.advance(3s);
    CHECK(terms(wrong.receive_json()) == terms(0, false, 0, nullptr));
    CHECK(wrong.is_idle());
    CHECK(terms(right->receive_json()) == terms(1, true, 1, 0));
    CHECK(right->receive_json() == numbered(1, "red", 1));
    CHECK(right->is_idle());
  }
}

TEST_CASE(
    "who claims to have seen more than there is gets a new session, though the other who asked has gone") {
  for (int steps = 0; steps < 40; ++steps) {
    CAPTURE(steps);
    Parked parked(3);
    parked.cluster.network().set_manual(true);
    Ws right = parked.begin(1), wrong = parked.begin(1, "ann", 2);
    parked.steps(steps);
    right.cut();
    parked.go_on(3s);
    CHECK(terms(wrong.receive_json()) == terms(0, false, 0, nullptr));
    CHECK(wrong.is_idle());
    parked.require_resumable(2);
  }
}

TEST_CASE("a client that comes back to the old node while its session moves waits and gets it back") {
  for (int steps = 6; steps < 40; ++steps) {
    CAPTURE(steps);
    Parked parked;
    parked.cluster.network().set_manual(true);
    Ws away = parked.begin(1);
    parked.steps(steps);
    Ws home = parked.begin(0);
    parked.cluster.nodes.run();
    parked.cluster.network().set_manual(false);
    parked.cluster.nodes.advance(1500ms);
    CHECK(terms(home.receive_json()) == terms(1, true, 1, 0));
    CHECK(home.receive_json() == numbered(1, "red", 1));
    CHECK(home.is_idle());
  }
}

TEST_CASE("a client that comes back to the old node has its session at once if the other asks no longer") {
  for (int steps = 0; steps < 40; ++steps) {
    CAPTURE(steps);
    Parked parked;
    Ws away = parked.begin_and_stop(steps);
    Ws home = parked.begin(0);
    parked.cluster.nodes.run();
    away.cut();
    parked.go_on(1500ms);
    CHECK(terms(home.receive_json()) == terms(1, true, 1, 0));
    CHECK(home.receive_json() == numbered(1, "red", 1));
    CHECK(home.is_idle());
  }
}

TEST_CASE("a client that has gone before its session came finds it on the new node") {
  bool has_moved = false, has_stayed = false;
  for (int steps = 0; steps < 40; ++steps) {
    CAPTURE(steps);
    Parked parked(3);
    parked.cluster.network().set_manual(true);
    Ws waiting = parked.begin(1);
    parked.steps(steps);
    waiting.cut();
    parked.cluster.network().set_manual(false);
    parked.cluster.nodes.advance(3s);
    const bool is_moved = parked.cluster.node(1).metrics().sessions_parked.value() == 1;
    (is_moved ? has_moved : has_stayed) = true;
    parked.cluster.nodes.kill(is_moved ? 0 : 1);
    parked.require_resumable(2);
  }
  CHECK((has_moved && has_stayed));
}

TEST_CASE("a client that has gone from where it waited for its session does not lose it to that node") {
  Parked parked;
  parked.cluster.network().cut(parked.cluster.nodes.name_of(0));
  Ws waiting = parked.begin(1);  // it asks, and is not heard
  parked.cluster.nodes.advance(100ms);
  waiting.cut();
  Ws home = parked.begin(0);
  parked.cluster.nodes.run();
  REQUIRE(terms(home.receive_json()) == terms(1, true, 1, 0));
  REQUIRE(home.receive_json() == numbered(1, "red", 1));
  parked.cluster.network().restore(parked.cluster.nodes.name_of(0));
  parked.cluster.nodes.advance(3s);
  for (const json& notice : received(home)) CHECK(notice.value("type", "") == "gap");  // of the broker
  CHECK_FALSE(home.is_closed());
  CHECK(parked.cluster.node(1).metrics().sessions_taken_over.value() == 0);
}

TEST_CASE("a session is not taken from its client for another that claims to have seen more than there is") {
  for (const std::optional<Step> lost : {std::optional<Step>(), {Step::find}, {Step::offer}}) {
    for (int steps = 0; steps < 40; ++steps) {
      CAPTURE(lost.has_value(), steps);
      Parked parked;
      parked.cluster.network().fate = [rest = lost](const TestMessage& message) mutable {
        if (!rest || step_of(message.payload) != rest) return TestFate::arrive;
        rest.reset();  // the first only
        return TestFate::lose_silently;
      };
      parked.cluster.network().set_manual(true);
      Ws right = parked.begin(1), wrong = parked.begin(1, "ann", 2);
      parked.steps(steps);
      right.cut();
      Ws home = parked.begin(0);
      parked.cluster.nodes.run();
      parked.go_on(3s);
      CHECK(terms(home.receive_json()) == terms(1, true, 1, 0));
      CHECK(home.receive_json() == numbered(1, "red", 1));
      CHECK(home.is_idle());
      CHECK_FALSE(home.is_closed());
      CHECK(terms(wrong.receive_json()) == terms(0, false, 0, nullptr));
    }
  }
}

TEST_CASE("who comes after its user was disconnected gets a new session, and not the one that has ended") {
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    Parked parked(3);
    Ws waiting = parked.begin_and_stop(steps);
    parked.cluster.shard(1).disconnect_user("ann");
    waiting.cut();
    parked.cluster.nodes.run();
    Ws later = parked.begin(1);
    parked.cluster.nodes.run();
    parked.go_on(3s);
    const json welcome = later.receive_json();
    CHECK(terms(welcome) == terms(0, false, 0, nullptr));
    CHECK(welcome["session"] != parked.ws->session());
    CHECK(later.is_idle());
    CHECK_FALSE(later.is_closed());
    Ws watcher = parked.cluster.subscriber(2, "wat", {"red"}, true);
    watcher.send_json({{"action", "presence"}, {"channel", "red"}});
    CHECK(watcher.receive_json()["count"] == 1);
  }
}

TEST_CASE("a user who is disconnected while a session moves is, wherever that is") {
  for (const unsigned node : {0U, 1U, 2U}) {
    for (int steps = 0; steps < 30; ++steps) {
      CAPTURE(node, steps);
      Parked parked(3);
      Ws waiting = parked.begin_and_stop(steps);
      parked.cluster.shard(node).disconnect_user("ann");
      parked.go_on(10s);
      // Either it came too late for the old session, and this is a new one, or it has ended both.
      const json welcome = waiting.receive_json();
      if (welcome["session"] == parked.ws->session()) {
        const auto rest = received(waiting);
        CHECK(waiting.receive_close().code == sb::CloseCode::disconnected);
      }
      for (unsigned i = 0; i < 3; ++i) CHECK(parked.time_to_new_session(i) == 2s);
    }
  }
}

TEST_CASE("a user who is disconnected while a session moves is, though it does not arrive") {
  const unsigned node = GENERATE(0U, 1U, 2U);
  CAPTURE(node);
  Parked parked(3);
  parked.cluster.network().fate = losing(Step::chunk);
  Ws waiting = parked.begin(1);
  parked.cluster.nodes.run();  // the copy has been made
  parked.cluster.shard(node).disconnect_user("ann");
  parked.cluster.nodes.advance(3s);
  CHECK(terms(waiting.receive_json()) == terms(0, false, 0, nullptr));
  CHECK(waiting.receive_close().code == sb::CloseCode::disconnected);
  parked.cluster.network().fate = {};
  for (unsigned i = 0; i < 3; ++i) CHECK(parked.time_to_new_session(i) == 2s);
}

TEST_CASE("a user who is disconnected while its client waits for a session that there is not, is") {
  const unsigned node = GENERATE(0U, 1U);
  Parked parked;
  const std::string unknown = std::string(32, 'a') + parked.ws->session().substr(32);
  Ws waiting = parked.cluster.begin_resume(1, "bob", unknown, 0);
  parked.cluster.nodes.run();
  parked.cluster.shard(node).disconnect_user("bob");
  parked.cluster.nodes.run();
  Ws later = parked.cluster.begin_resume(1, "bob", unknown, 0);
  parked.cluster.nodes.advance(2s);
  CHECK(terms(waiting.receive_json()) == terms(0, false, 0, nullptr));
  CHECK(waiting.receive_close().code == sb::CloseCode::disconnected);
  CHECK(terms(later.receive_json()) == terms(0, false, 0, nullptr));
  CHECK(later.is_idle());
  CHECK_FALSE(later.is_closed());
}

TEST_CASE("a user who is taken off a channel while a session moves is told once, and hears no more of it") {
  for (const unsigned node : {0U, 1U, 2U}) {
    for (int steps = 0; steps < 30; ++steps) {
      CAPTURE(node, steps);
      Parked parked(3);
      Ws waiting = parked.begin_and_stop(steps);
      parked.cluster.shard(node).unsubscribe_user("ann", "red");
      CHECK_FALSE(parked.cluster.shard(node).publish("red", "secret"));
      parked.go_on(1s);
      CHECK(waiting.receive_json()["session"] == parked.ws->session());
      int told = 0;
      for (const json& message : received(waiting)) {
        told += message.value("status", "") == "unsubscribed";
        CHECK(message.value("data", json()) != "secret");
      }
      CHECK(told == 1);
      parked.cluster.publish(2, "red", "later");
      CHECK(waiting.is_idle());
    }
  }
}
