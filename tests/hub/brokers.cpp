// SPDX-License-Identifier: MIT
// What a client sees of its broker: one that answers late, refuses, or loses messages.
#include <switchboard/hub/envelope.hpp>

#include "hub/apps.hpp"
#include "hub/ask_presence.hpp"
#include "hub/test_brokers.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::broker_errc;
using switchboard::Envelope;

namespace {

using App = HookedApp<ScriptedBroker>;

struct BrokerBench : Bench<App> {
  explicit BrokerBench(TestOptions<App> options = {})
      : Bench<App>(std::move(options)), script(test.broker().script()) {}

  /// Calls of the channels alone: users' own have a subscription too.
  std::string calls() {
    std::string text;
    for (const std::string& call : std::exchange(script.calls, {}))
      if (call.find('$') == std::string::npos) text += (text.empty() ? "" : ", ") + call;
    return text;
  }
  std::string message(const std::string& data, std::uint64_t counter, std::uint64_t origin = 9) {
    const std::string object = R"({"type":"message","channel":"c","data":)" + data + "}";
    return Envelope{.kind = Envelope::Kind::json, .origin = origin, .counter = counter, .body = object}
        .encode();
  }

  ScriptedBroker::Script& script;
};

const std::string subscribe_c = R"({"action":"subscribe","channel":"c"})";
const std::string subscribed_c = R"({"status":"subscribed","channel":"c"})";
const std::string local_c = R"({"status":"subscribed","channel":"c","local":true})";

}  // namespace

TEST_CASE(
    "subscribed is answered when the broker has confirmed, and the client's later requests wait for it") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  bench.script.defers_subscribes = true;
  ws.send_text(subscribe_c);
  ws.send_text(R"({"x":1})");
  CHECK(ws.is_idle());
  CHECK(ask(ws, R"({"type":"ping"})") == R"({"type":"pong"})");
  bench.script.finish();
  CHECK(ws.receive_text() == subscribed_c);
  CHECK(ws.receive_text() == R"({"status":"seen"})");
}

TEST_CASE("the broker is asked once for a channel, and once more when all have left it") {
  BrokerBench bench;
  auto ann = bench.subscriber("ann", "c"), bob = bench.subscriber("bob", "c");
  CHECK(bench.calls() == "subscribe c");
  ask(ann, R"({"action":"unsubscribe","channel":"c"})");
  CHECK(bench.calls().empty());
  bob.close();
  CHECK(bench.calls() == "unsubscribe c");
  auto cid = bench.subscriber("cid", "c");
  CHECK(bench.calls() == "subscribe c");
}

TEST_CASE("two who subscribe while the broker has not answered are both answered then") {
  BrokerBench bench;
  auto ann = bench.connect("ann"), bob = bench.connect("bob");
  bench.script.defers_subscribes = true;
  ann.send_text(subscribe_c);
  bob.send_text(subscribe_c);
  CHECK((ann.is_idle() && bob.is_idle()));
  CHECK(bench.calls() == "subscribe c");
  bench.script.finish();
  CHECK(ann.receive_text() == subscribed_c);
  CHECK(bob.receive_text() == subscribed_c);
}

TEST_CASE("a client that goes before the broker has confirmed leaves no subscription behind") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  bench.script.defers_subscribes = true;
  ws.send_text(subscribe_c);
  ws.cut();
  bench.script.finish();
  bench.test.run();
  CHECK(bench.calls() == "subscribe c, unsubscribe c");
}

TEST_CASE(
    "what the App subscribes and unsubscribes before the broker has confirmed is unsubscribed there too") {
  BrokerBench bench;
  bench.app.message_hook = [](App::Handle connection, const Json& message) {
    if (message.at("on").get<bool>())
      connection.subscribe("c");
    else
      connection.unsubscribe("c");
  };
  auto ws = bench.connect("ann");
  bench.script.defers_subscribes = true;
  ws.send_text(R"({"on":true})");
  ws.send_text(R"({"on":false})");
  bench.test.run();
  bench.script.finish();
  bench.test.run();
  CHECK(bench.calls() == "subscribe c, unsubscribe c");
}

TEST_CASE("a client that the App has subscribed is answered subscribed only when the broker has confirmed") {
  BrokerBench bench;
  bench.app.message_hook = [](App::Handle connection, const Json&) { connection.subscribe("c"); };
  auto ws = bench.connect("ann");
  bench.script.defers_subscribes = true;
  ws.send_text("{}");
  ws.send_text(subscribe_c);
  CHECK(ws.is_idle());
  bench.script.finish();
  CHECK(ws.receive_text() == subscribed_c);
}

TEST_CASE("while the broker is down subscribing is answered as local, and asked of it again next time") {
  BrokerBench bench;
  auto ann = bench.connect("ann"), bob = bench.connect("bob");
  bench.script.subscribe_error = broker_errc::unavailable;
  CHECK(ask(ann, subscribe_c) == local_c);
  CHECK(ask(bob, R"({"action":"subscribe","channel":"c","id":4})") ==
        R"({"status":"subscribed","channel":"c","local":true,"id":4})");
  CHECK(ask(ann, subscribe_c) == local_c);
  ann.send_text(R"({"action":"publish","channel":"c","data":1})");
  CHECK(ann.receive_json()["data"] == 1);  // here it works all the same
  CHECK(bob.receive_json()["data"] == 1);
  bench.calls();
  bench.script.subscribe_error = {};
  CHECK(ask(ann, subscribe_c) == subscribed_c);
  CHECK(ask(bob, subscribe_c) == subscribed_c);
  CHECK(bench.calls() == "subscribe c");
}

TEST_CASE("a publish is published when the broker has accepted it, and those here have had it by then") {
  BrokerBench bench;
  auto listener = bench.subscriber("bob", "c");
  auto ws = bench.connect("ann");
  bench.script.defers_publishes = true;
  ws.send_text(R"({"action":"publish","channel":"c","data":1,"id":"x"})");
  CHECK(listener.receive_json()["data"] == 1);
  CHECK(ws.is_idle());
  bench.script.finish();
  CHECK(ws.receive_json()["status"] == "published");
}

TEST_CASE("a publish that the broker refuses is publish.unavailable, with an id or without") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  bench.script.publish_error = broker_errc::queue_full;
  CHECK(ask_error(ws, R"({"action":"publish","channel":"c","data":1,"id":"x"})") ==
        "publish.unavailable \"x\"");
  CHECK(ask_error(ws, R"({"action":"publish","channel":"c","data":1})") == "publish.unavailable");
}

TEST_CASE(
    "the id of a publish that was refused is not remembered: sent again it is tried again, and those here "
    "have it twice") {
  BrokerBench bench;
  auto listener = bench.subscriber("bob", "c");
  auto ws = bench.connect("ann", {});
  const std::string publish = R"({"action":"publish","channel":"c","data":1,"id":"x"})";
  bench.script.publish_error = broker_errc::unavailable;
  CHECK(ask_error(ws, publish) == "publish.unavailable \"x\"");
  CHECK(listener.receive_json()["data"] == 1);
  bench.script.publish_error = {};
  bench.calls();
  CHECK(ask(ws, publish) == R"({"status":"published","channel":"c","id":"x"})");
  CHECK(bench.calls() == "publish c");
  CHECK(listener.receive_json()["data"] == 1);
  CHECK(ask(ws, publish) == R"({"status":"published","channel":"c","id":"x"})");
  CHECK(bench.calls().empty());
  CHECK(listener.is_idle());
}

TEST_CASE("a publish sent again is answered when the broker has answered the first, and as that") {
  const bool is_accepted = GENERATE(true, false);
  BrokerBench bench;
  auto listener = bench.subscriber("bob", "c");
  auto ws = bench.connect("ann", {});
  const std::string publish = R"({"action":"publish","channel":"c","data":1,"id":"x"})";
  bench.script.defers_publishes = true;
  if (!is_accepted) bench.script.publish_error = broker_errc::unavailable;
  ws.send_text(publish);
  CHECK(ws.is_idle());
  ws.cut();
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  back.send_text(publish);
  CHECK(back.is_idle());
  bench.script.finish();
  for (int i = 0; i < 2; ++i) {
    const Json answer = back.receive_json();
    CHECK(answer["id"] == "x");
    CHECK(answer.value("status", answer.value("code", "")) ==
          (is_accepted ? "published" : "publish.unavailable"));
  }
  CHECK(back.is_idle());
  CHECK(listener.receive_json()["data"] == 1);
  CHECK(listener.is_idle());
}

TEST_CASE("with 64 publishes not done a connection is read no more, until one is") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  bench.script.defers_publishes = true;
  for (int i = 0; i < 70; ++i)
    ws.send_json({{"action", "publish"}, {"channel", "c"}, {"data", i}, {"id", i}});
  bench.test.run();
  CHECK_FALSE(ws.is_being_read());
  CHECK(bench.script.deferred.size() == 64);
  bench.script.finish(1);
  bench.test.run();
  CHECK(bench.script.deferred.size() == 64);
  CHECK_FALSE(ws.is_being_read());
  bench.script.finish(6);
  bench.test.run();
  CHECK(bench.script.deferred.size() == 63);
  CHECK(ws.is_being_read());
  bench.script.finish();
  for (int i = 0; i < 70; ++i) CHECK(ws.receive_json()["id"] == i);
}

TEST_CASE("a publisher that is not read because of its broker is not taken for dead") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  bench.script.defers_publishes = true;
  for (int i = 0; i < 64; ++i) ws.send_json({{"action", "publish"}, {"channel", "c"}, {"data", i}});
  bench.test.advance(10min);
  CHECK_FALSE(ws.is_being_read());
  CHECK(bench.test.metrics().connections.value() == 1);
  bench.script.finish();
  bench.test.advance(10s);
  CHECK(ws.is_being_read());
}

TEST_CASE("presence is unavailable where the broker keeps none") {
  BrokerBench bench;
  auto ws = bench.subscriber("ann", "c");
  CHECK(ask_error(ws, R"({"action":"presence","channel":"c","id":1})") == "presence.unavailable 1");
  CHECK(ask_presence(bench.test, "c").error == std::errc::not_supported);
  CHECK(ask_presence_count(bench.test, "c").error == std::errc::not_supported);
}

TEST_CASE("a gap that the broker tells of is told to sessions, numbered, and to no plain client") {
  BrokerBench bench;
  auto session = bench.subscriber("ann", "c", {}), plain_one = bench.subscriber("bob", "c");
  auto elsewhere = bench.subscriber("cid", "d", {});
  bench.script.sink->on_gap("c");
  CHECK(session.receive_text() == R"({"seq":1,"type":"gap","reason":"broker","channels":["c"]})");
  CHECK(plain_one.is_idle());
  CHECK(elsewhere.is_idle());
  CHECK(bench.test.metrics().broker_gaps.value() == 1);
}

TEST_CASE("a gap on every channel is told once to each session, with the channels that it has") {
  BrokerBench bench;
  auto both = bench.subscriber("ann", "c", {}), one = bench.subscriber("bob", "d", {});
  auto none = bench.connect("cid", {}), plain_one = bench.subscriber("dan", "c");
  bench.subscribe(both, "d");
  bench.script.sink->on_gap("");
  const Json gap = both.receive_json();
  CHECK(gap["seq"] == 1);
  CHECK((gap["channels"] == Json{"c", "d"} || gap["channels"] == Json{"d", "c"}));
  CHECK(one.receive_json()["channels"] == Json{"d"});
  CHECK(both.is_idle());
  CHECK(none.is_idle());
  CHECK(plain_one.is_idle());
}

TEST_CASE("a gap is kept for a session that is away, and replayed in its place") {
  BrokerBench bench;
  auto ws = bench.subscriber("ann", "c", {});
  ws.cut();
  bench.script.deliver("c", bench.message("1", 1));
  bench.script.sink->on_gap("c");
  bench.script.deliver("c", bench.message("2", 5));
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.receive_json()["data"] == 1);
  CHECK(back.receive_json()["type"] == "gap");
}

TEST_CASE("a counter that jumps is a gap, one that repeats is dropped, and each origin counts for itself") {
  BrokerBench bench;
  auto ws = bench.subscriber("ann", "c", {});
  bench.script.deliver("c", bench.message("1", 7));
  CHECK(ws.receive_json()["data"] == 1);
  bench.script.deliver("c", bench.message("1", 7));
  bench.script.deliver("c", bench.message("0", 3));
  CHECK(ws.is_idle());
  bench.script.deliver("c", bench.message("2", 1, 10));
  CHECK(ws.receive_json()["data"] == 2);
  bench.script.deliver("c", bench.message("3", 9));
  CHECK(ws.receive_json()["type"] == "gap");
  CHECK(ws.receive_json()["data"] == 3);
}

TEST_CASE("an envelope of another version, or that is none, is dropped and logged") {
  int warnings = 0;
  TestOptions<App> options;
  options.log = [&](switchboard::LogLevel level, std::string_view) {
    warnings += level == switchboard::LogLevel::warning;
  };
  BrokerBench bench(std::move(options));
  auto ws = bench.subscriber("ann", "c");
  std::string next_release = bench.message("1", 1);
  next_release[0] = 2;
  bench.script.deliver("c", next_release);
  bench.script.deliver("c", "");
  CHECK(ws.is_idle());
  CHECK(warnings == 2);
}

TEST_CASE("what the hub publishes is an envelope with its origin and a counter of its own for each channel") {
  BrokerBench bench;
  auto ws = bench.connect("ann");
  for (const char* channel : {"c", "d", "c"})
    ws.send_json({{"action", "publish"}, {"channel", channel}, {"data", channel}});
  CHECK(ws.is_idle());
  REQUIRE(bench.script.published.size() == 3);
  const std::uint64_t counters[] = {1, 1, 2};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto envelope = Envelope::decode(*bench.script.published[i]);
    REQUIRE(envelope);
    CHECK(envelope->kind == Envelope::Kind::json);
    CHECK(envelope->counter == counters[i]);
    CHECK(envelope->origin == Envelope::decode(*bench.script.published[0])->origin);
  }
  CHECK(Envelope::decode(*bench.script.published[1])->body ==
        R"({"type":"message","channel":"d","data":"d"})");
}
