// SPDX-License-Identifier: MIT
// What a client gets whose session cannot be moved, and what then becomes of the session.
#include "hub/parked_session.hpp"

using namespace cluster_apps;
using sb::testing::TestFate;
using sb::testing::TestMessage;
using Step = sb::HandoverMessage::Step;

TEST_CASE("if the old node is gone the client has a new session after two seconds") {
  Parked parked;
  parked.cluster.nodes.kill(0);
  CHECK(parked.time_to_new_session(1) == 2s);
  CHECK(parked.cluster.node(1).metrics().sessions_not_found.value() == 1);
}

TEST_CASE(
    "a session that is unknown, expired, another user's, or younger than last_seq: not to be told apart") {
  Parked parked(2);
  const std::string session = parked.ws->session();
  const std::string unknown = std::string(32, 'a') + session.substr(32);
  for (const unsigned node : {0U, 1U}) {
    CAPTURE(node);
    CHECK(parked.time_to_new_session(node, "ann", 0, unknown) == 2s);
    CHECK(parked.time_to_new_session(node, "bob") == 2s);
    CHECK(parked.time_to_new_session(node, "anonymous") == 2s);
    CHECK(parked.time_to_new_session(node, "ann", 2) == 2s);
    CHECK(parked.time_to_new_session(node, "ann", 0, std::string(32, 'a') + "-0-elsewhere") == 2s);
  }
  parked.require_resumable(1);
  Parked late(2);
  late.cluster.nodes.advance(3min);
  for (const unsigned node : {0U, 1U}) CHECK(late.time_to_new_session(node) == 2s);
}

TEST_CASE("a name that is no session's is answered at once") {
  Parked parked;
  for (const std::string name :
       {"x", "-0-node0", "0123456789abcdef0123456789abcdef-0", "0123456789abcdef0123456789abcdef-0-",
        "0123456789abcdef0123456789abcdef-99999-node0", "0123456789abcdef0123456789abcdef-0-a%0ab"})
    CHECK(parked.time_to_new_session(1, "ann", 0, name) == 0s);
}

TEST_CASE("if the broker is away the client has a new session at once, and own sessions are resumed") {
  Parked parked;
  parked.cluster.network().cut("node1");
  CHECK(parked.time_to_new_session(1) == 0s);
  parked.cluster.network().restore("node1");
  parked.cluster.network().cut("node0");
  CHECK(parked.time_to_new_session(1) == 2s);
  parked.require_resumable(0);
}

TEST_CASE("while the broker is away subscriptions are local, and when it is back the gap is told") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red"});
  cluster.network().cut("node0");
  ws.send_json({{"action", "subscribe"}, {"channel", "green"}});
  CHECK(ws.receive_json() == json{{"status", "subscribed"}, {"channel", "green"}, {"local", true}});
  cluster.publish(1, "red", "lost");
  cluster.publish(0, "green", "here");
  CHECK(ws.receive_json() == numbered(1, "green", "here"));
  ws.cut();
  auto back = cluster.resume(0, "ann", ws);
  CHECK(terms(back.welcome()) == terms(1, true, 0, 0));
  cluster.network().restore("node0");
  const json gap = back.receive_json();
  CHECK(gap["seq"] == 2);
  CHECK(gap["type"] == "gap");
  CHECK(gap["channels"].size() == 2);
  cluster.publish(1, "green", 3);
  CHECK(back.receive_json() == numbered(3, "green", 3));
}

TEST_CASE(
    "while the broker is away presence is unavailable, and a publish is told to reach those here alone") {
  Cluster cluster(2);
  const auto plain = sb::testing::ConnectOptions{.last_seq = std::nullopt};
  auto ws = cluster.subscriber(0, "ann", {"red"}), here = cluster.subscriber(0, "bob", {"red"}, false, plain),
       there = cluster.subscriber(1, "cid", {"red"}, false, plain);
  const auto error = [](const std::string& code, const json& request) {
    json expected{{"type", "error"}, {"code", code}};
    if (request.contains("id")) expected["id"] = request["id"];
    return expected;
  };
  const auto ask_error = [&](const json& request) {
    ws.send_json(request);
    std::vector<json> got = received(ws);
    if (!got.empty()) got.back().erase("message");
    return got;
  };
  cluster.network().cut("node0");
  const json who{{"action", "presence"}, {"channel", "red"}, {"id", "who"}};
  CHECK(ask_error(who) == std::vector<json>{error("presence.unavailable", who)});
  const json with_id{{"action", "publish"}, {"channel", "red"}, {"data", 1}, {"id", 7}};
  CHECK(ask_error(with_id) ==
        std::vector<json>{numbered(1, "red", 1), error("publish.unavailable", with_id)});
  const json without{{"action", "publish"}, {"channel", "red"}, {"data", 2}};
  CHECK(ask_error(without) ==
        std::vector<json>{numbered(2, "red", 2), error("publish.unavailable", without)});
  CHECK(received_data(here) == std::vector<json>{1, 2});
  CHECK(there.is_idle());
  cluster.network().restore("node0");
  cluster.nodes.advance(1min);
  CHECK(there.is_idle());
  cluster.publish(0, "red", 3);
  CHECK(received_data(there) == std::vector<json>{3});
}

TEST_CASE("a log that the broker finds too large stays where it is") {
  Parked parked;
  parked.cluster.network().options().max_payload = 120;
  CHECK(parked.time_to_new_session(1) <= 2s);
  parked.cluster.network().options().max_payload = 0;
  parked.require_resumable(0);
}

TEST_CASE("a node of an older release, that drops what it does not know, makes a new session of it") {
  Parked parked;
  parked.cluster.network().fate = [](const TestMessage& message) {
    return message.to == "node0" && step_of(message.payload) ? TestFate::lose_silently : TestFate::arrive;
  };
  CHECK(parked.time_to_new_session(1) == 2s);
  parked.cluster.network().fate = {};
  parked.require_resumable(1);
}

TEST_CASE("whichever step is lost, the client is told the truth and the session is in one place") {
  for (const Step lost : {Step::find, Step::offer, Step::pull, Step::chunk, Step::taken, Step::cancel}) {
    CAPTURE(static_cast<int>(lost));
    Parked parked(3);
    bool is_losing = true;
    parked.cluster.network().fate = [&](const TestMessage& message) {
      return is_losing && step_of(message.payload) == lost ? TestFate::lose_silently : TestFate::arrive;
    };
    Ws waiting = parked.begin(1);
    parked.cluster.nodes.advance(2s);
    const json welcome = waiting.receive_json();
    if (lost == Step::taken || lost == Step::cancel) {
      CHECK(terms(welcome) == terms(1, true, 1, 0));
      CHECK(waiting.receive_json() == numbered(1, "red", 1));
    } else {
      CHECK(terms(welcome) == terms(0, false, 0, nullptr));
    }
    is_losing = false;
    parked.cluster.nodes.advance(10s);
    if (welcome["recovered"] == false) {
      parked.require_resumable(2);
    } else {
      parked.cluster.publish(2, "red", 2);
      CHECK(waiting.receive_json() == numbered(2, "red", 2));
      CHECK(parked.cluster.node(0).hub().metrics().sessions_parked.value() == 0);
      Ws back = parked.cluster.connect(2, "ann", {.session = parked.ws->session(), .last_seq = 2});
      CHECK(terms(back.welcome()) == terms(2, true, 0, 0));
    }
  }
}

TEST_CASE("a session comes back to a node that has not heard yet that it was taken") {
  Parked parked;
  bool is_losing = true;
  parked.cluster.network().fate = [&](const TestMessage& message) {
    return is_losing && step_of(message.payload) == Step::taken ? TestFate::lose_silently : TestFate::arrive;
  };
  Ws there = parked.begin(1);
  parked.cluster.nodes.advance(100ms);
  CHECK(terms(there.receive_json()) == terms(1, true, 1, 0));
  is_losing = false;
  parked.cluster.publish(1, "red", 2);
  Ws home = parked.begin(0);
  parked.cluster.nodes.advance(100ms);
  CHECK(terms(home.receive_json()) == terms(2, true, 2, 0));
  CHECK(received_data(home) == std::vector<json>{1, 2});
  CHECK(there.receive_json()["data"] == 1);
  CHECK(there.receive_json()["data"] == 2);
  CHECK(there.receive_close().code == sb::CloseCode::replaced);
  parked.cluster.nodes.advance(10s);  // when the word of the first move is no longer waited for
  parked.cluster.publish(1, "red", 3);
  CHECK(received_data(home) == std::vector<json>{3});
  CHECK_FALSE(home.is_closed());
  home.close();
  parked.cluster.nodes.advance(3min);
  for (const unsigned node : {0U, 1U}) CHECK(parked.cluster.node(node).hub().holds_nothing());
}

TEST_CASE("a node keeps 16 MiB for a session on its way there, and if more comes the client has a new one") {
  Parked parked(3);
  parked.cluster.network().fate = losing(Step::chunk);
  Ws waiting = parked.begin(1);
  parked.cluster.nodes.run();
  const std::string megabyte((1 << 20) - 1000, 'x');
  for (int i = 0; i < 16; ++i) parked.cluster.publish(2, "red", megabyte);
  CHECK(waiting.is_idle());
  parked.cluster.publish(2, "red", megabyte);
  CHECK(terms(waiting.receive_json()) == terms(0, false, 0, nullptr));
  CHECK(parked.cluster.node(1).metrics().sessions_not_found.value() == 1);
  parked.cluster.network().fate = {};
  Ws back = parked.cluster.connect(1, "ann", {.session = parked.ws->session(), .last_seq = 18});
  CHECK(terms(back.welcome()) == terms(18, true, 0, 0));
}

TEST_CASE("what the App publishes when that fills up goes out behind the publish that did") {
  Parked parked(3);
  Ws bob = parked.cluster.subscriber(2, "bob", {"red"});
  Ws here = parked.cluster.subscriber(1, "here", {"red"});
  parked.cluster.network().fate = losing(Step::chunk);
  Ws waiting = parked.begin(1);
  parked.cluster.nodes.run();
  const std::string megabyte((1 << 20) - 1000, 'x');
  for (int i = 0; i < 16; ++i) parked.cluster.publish(1, "red", megabyte);
  for (Ws* ws : {&bob, &here}) CHECK(received_data(*ws).size() == 16);
  parked.cluster.world.publishes_at_open = true;
  parked.cluster.publish(1, "red", "a" + megabyte);
  CHECK(terms(waiting.receive_json()) == terms(0, false, 0, nullptr));
  for (Ws* ws : {&bob, &here}) CHECK(received_data(*ws) == std::vector<json>{"a" + megabyte, "opened"});
}

TEST_CASE("what a handler does to a session that is on its way is refused rather than lost") {
  const char* what = GENERATE("send", "join", "close");
  CAPTURE(what);
  Cluster cluster(2);
  auto ws = cluster.connect(0, "ann");
  ws.send_json({{"sleep", 400}, {what, "it"}});
  cluster.nodes.run();
  cluster.network().fate = losing(Step::taken);
  auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(300ms);  // longer than a handler is waited for
  CHECK(terms(back.receive_json()) == terms(0, true, 0, 0));
  cluster.world.take_journal();
  cluster.nodes.advance(200ms);
  CHECK(cluster.world.take_journal() == std::vector<std::string>{"refused"});
  CHECK(back.is_idle());
}

TEST_CASE("a publish that is allowed when its session has been copied is carried out once, on the new node") {
  Cluster cluster(2);
  auto keeper = cluster.connect(0, "keeper");
  auto ws = cluster.subscriber(0, "ann", {"red"});
  auto bob = cluster.subscriber(1, "bob", {"red"});
  cluster.network().fate = losing(Step::taken);
  cluster.world.publish_delay = 400ms;  // longer than a handler is waited for
  const json publish{{"action", "publish"}, {"channel", "red"}, {"data", 1}, {"id", "x"}};
  ws.send_json(publish);
  cluster.nodes.run();
  auto back = cluster.begin_resume(1, "ann", ws.session(), 0);
  cluster.nodes.advance(1s);
  CHECK(terms(back.receive_json()) == terms(0, true, 0, 0));
  cluster.world.publish_delay = {};
  back.send_json(publish);  // as it has had no answer
  CHECK(back.receive_json() == numbered(1, "red", 1));
  CHECK(back.receive_json()["status"] == "published");
  CHECK(received_data(bob) == std::vector<json>{1});
}

TEST_CASE(
    "a session that its App closes while it is on its way is closed, and its client comes back to a new "
    "one") {
  bool was_refused = false;
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    Parked parked(3);
    parked.cluster.world.closes_at_unsubscribe = true;
    Ws waiting = parked.begin_and_stop(steps);
    parked.cluster.shard(2).unsubscribe_user("ann", "red");
    parked.go_on(3s);
    const auto welcome = waiting.try_receive_json();
    was_refused |= !welcome && waiting.is_closed();
    if (welcome && (*welcome)["session"] == parked.ws->session()) {
      received(waiting);
      CHECK(waiting.receive_close().code == sb::CloseCode::normal);
    }
    CHECK(parked.time_to_new_session(1) == 2s);
  }
  CHECK(was_refused);
}

TEST_CASE("a session whose State cannot be made on the new node stays, and its client is refused") {
  Parked parked;
  Member::State::is_refused = true;
  Ws waiting = parked.begin(1), other = parked.begin(1);
  parked.cluster.nodes.advance(3s);
  Member::State::is_refused = false;
  for (Ws* ws : {&waiting, &other}) {
    CHECK_FALSE(ws->try_receive_json());
    CHECK(ws->is_closed());
  }
  CHECK(parked.cluster.node(1).metrics().handler_exceptions.value() == 2);
  parked.require_resumable(1);
}

TEST_CASE("channels that were asked for a session that did not come are let go") {
  Cluster cluster(2);
  auto ws = cluster.subscriber(0, "ann", {"red", "green", "blue"});
  ws.cut();
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    cluster.network().set_manual(true);
    auto waiting = cluster.begin_resume(1, "ann", ws.session(), 0);
    cluster.steps(steps);
    cluster.network().cut("node1");
    cluster.network().set_manual(false);
    cluster.nodes.advance(3s);
    waiting.close();
    cluster.network().restore("node1");
    cluster.nodes.advance(3min);
    REQUIRE(cluster.node(1).hub().holds_nothing());
    ws = cluster.subscriber(0, "ann", {"red", "green", "blue"});
    ws.cut();
  }
}

TEST_CASE("one step that is lost once is made good where asking again can") {
  Parked parked;
  int finds = 0;
  parked.cluster.network().fate = [&](const TestMessage& message) {
    return step_of(message.payload) == Step::find && ++finds < 3 ? TestFate::lose_silently : TestFate::arrive;
  };
  Ws waiting = parked.begin(1);
  parked.cluster.nodes.advance(749ms);
  CHECK(waiting.is_idle());
  parked.cluster.nodes.advance(1ms);
  CHECK(terms(waiting.receive_json()) == terms(1, true, 1, 0));
}

TEST_CASE("a marker that is lost costs a second, and a gap is told") {
  Parked parked;
  parked.cluster.network().fate = [&](const TestMessage& message) {
    const auto envelope = sb::Envelope::decode(message.payload);
    return envelope && envelope->kind == sb::Envelope::Kind::marker && message.channel == "red"
               ? TestFate::lose_silently
               : TestFate::arrive;
  };
  Ws waiting = parked.begin(1);
  parked.cluster.nodes.advance(999ms);
  CHECK(waiting.is_idle());
  parked.cluster.nodes.advance(1ms);
  CHECK(terms(waiting.receive_json()) == terms(2, true, 2, 0));
  CHECK(waiting.receive_json() == numbered(1, "red", 1));
  CHECK(waiting.receive_json() ==
        json{{"seq", 2}, {"type", "gap"}, {"reason", "broker"}, {"channels", {"red"}}});
}

TEST_CASE("a message that only the old node has lost is a gap, and one that the new one has lost too") {
  for (const std::string loser : {"node0", "node1"}) {
    CAPTURE(loser);
    Parked parked(3);
    parked.cluster.publish(2, "red", 2);
    // Node 1 has somebody in the channel too.
    auto other = parked.cluster.subscriber(1, "bob", {"red"});
    parked.cluster.publish(2, "red", 3);
    parked.cluster.network().fate = [&](const TestMessage& message) {
      return message.to == loser && message.channel == "red" && !step_of(message.payload) &&
                     message.payload.find("lost") != std::string::npos
                 ? TestFate::lose_silently
                 : TestFate::arrive;
    };
    Ws waiting = parked.begin(1);
    parked.cluster.network().set_manual(true);
    parked.cluster.nodes.run();
    for (int i = 0; i < 6; ++i) parked.cluster.network().step();
    parked.cluster.publish(2, "red", "lost");
    parked.cluster.publish(2, "red", 4);
    parked.cluster.network().set_manual(false);
    parked.cluster.nodes.advance(2s);
    CHECK(waiting.receive_json()["recovered"] == true);
    bool has_lost = false, has_gap = false;
    json last;
    for (const json& message : received(waiting)) {
      has_gap |= message["type"] == "gap";
      if (message["type"] == "message") last = message["data"];
      has_lost |= last == "lost";
    }
    CHECK(last == 4);
    CHECK(has_gap != has_lost);
  }
}

TEST_CASE("the message for which a session has waited goes with it") {
  for (const bool is_private : {false, true}) {
    Parked parked(3);
    const auto send = [&](const std::string& data) {
      if (is_private)
        parked.cluster.shard(1).send_to_user("ann", {{"data", data}});
      else
        parked.cluster.shard(1).publish("red", data);
      parked.cluster.nodes.run();
    };
    send("one");
    parked.cluster.network().fate = [](const TestMessage& message) {
      return message.payload.find("lost") == std::string::npos ? TestFate::arrive : TestFate::lose_silently;
    };
    send("lost");
    Ws waiting = parked.begin(1);  // which has sent more than the old node has heard
    parked.cluster.nodes.advance(100ms);
    CHECK(waiting.is_idle());
    send("two");
    CHECK(waiting.receive_json()["recovered"] == true);
    std::vector<json> got;
    for (const json& message : received(waiting))
      got.push_back(message.value("type", "message") == "gap" ? json("gap") : message["data"]);
    CHECK(got == std::vector<json>{1, "one", "gap", "two"});
  }
}

TEST_CASE("what other nodes send may be anything") {
  std::mt19937 random(7);
  std::vector<std::pair<std::string, std::string>> said;
  for (int round = 0; round < 30; ++round) {
    Parked parked(2, {.sessions = {.presence_grace = 1s}});
    const auto forge = [&](std::string payload) {
      const auto length = payload.size();
      for (unsigned i = random() % 4; i > 0 && length > 32; --i)
        payload[32 + random() % (length - 32)] = static_cast<char>(random());
      if (random() % 4 == 0) payload.resize(random() % (length + 1));
      return payload;
    };
    struct Nobody final : sb::BrokerSink {
      void on_message(std::string_view, const sb::Payload&) override {}
      void on_gap(std::string_view) override {}
    } nobody;
    const auto port = parked.cluster.network().attach("forger", nobody);
    parked.cluster.network().fate = [&](const TestMessage& message) {
      if (message.from != "forger") said.emplace_back(message.channel, message.payload);
      return TestFate::arrive;
    };
    Ws waiting = parked.begin(1);
    for (int i = 0; i < 40; ++i) {
      for (int forged = 0; forged < 20 && !said.empty(); ++forged) {
        const auto& [channel, payload] = said[random() % said.size()];
        parked.cluster.network().publish(port, channel, std::make_shared<const std::string>(forge(payload)),
                                         [](std::error_code) {});
      }
      parked.cluster.nodes.advance(100ms);
    }
    parked.cluster.network().detach(port);
    if (said.size() > 2000) said.erase(said.begin(), said.end() - 1000);
  }
}
