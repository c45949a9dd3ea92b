// SPDX-License-Identifier: MIT
// protocol.md, "Requests and answers".
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;

namespace {

/// What Hub::gather hands to a host: views of what the hub keeps, and copies.
struct Pieces {
  std::vector<std::string_view> shared;
  bool add(std::string_view part) {
    shared.push_back(part);
    return true;
  }
  bool copy(std::string_view) { return true; }
};

const std::string subscribe_news = R"({"action":"subscribe","channel":"news"})";

}  // namespace

TEST_CASE("subscribe, publish and unsubscribe are answered as protocol.md shows, byte for byte") {
  Bench<> bench;
  auto ann = bench.connect("ann"), bob = bench.connect("bob");
  CHECK(ask(ann, subscribe_news) == R"({"status":"subscribed","channel":"news"})");
  bob.send_text(R"({"action":"publish","channel":"news","data":{"a":1}})");
  CHECK(bob.is_idle());  // no id, no answer; and it is no subscriber
  CHECK(ann.receive_text() == R"({"type":"message","channel":"news","data":{"a":1}})");
  CHECK(ask(bob, R"({"action":"publish","channel":"news","data":2,"id":7})") ==
        R"({"status":"published","channel":"news","id":7})");
  CHECK(ann.receive_text() == R"({"type":"message","channel":"news","data":2})");
  CHECK(ask(ann, R"({"action":"unsubscribe","channel":"news"})") ==
        R"({"status":"unsubscribed","channel":"news"})");
  bob.send_text(R"({"action":"publish","channel":"news","data":3})");
  CHECK(bob.is_idle());
  CHECK(ann.is_idle());
}

TEST_CASE("a publisher that is a subscriber gets its own message too") {
  Bench<> bench;
  auto ann = bench.subscriber("ann", "news");
  ann.send_text(R"({"action":"publish","channel":"news","data":1,"id":"x"})");
  CHECK(ann.receive_text() == R"({"type":"message","channel":"news","data":1})");
  CHECK(ann.receive_text() == R"({"status":"published","channel":"news","id":"x"})");
  CHECK(ann.is_idle());
}

TEST_CASE("an id is repeated as it was written by every kind of answer") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  for (const std::string id :
       {"0", "12345678901234567890123", "-1.50E+2", R"("")", R"("\u00e9\/\"")", R"("é")"}) {
    CAPTURE(id);
    const auto with_id = [&](const std::string& members) { return "{" + members + ",\"id\" : " + id + " }"; };
    const std::string end = ",\"id\":" + id + "}";
    CHECK(ask(ws, with_id(R"("action":"subscribe","channel":"c")")) ==
          R"({"status":"subscribed","channel":"c")" + end);
    CHECK(ask(ws, with_id(R"("action":"presence","channel":"c")")) ==
          R"({"status":"presence","channel":"c","count":1,"users":[{"user":"ann"}])" + end);
    CHECK(ask(ws, with_id(R"("action":"unsubscribe","channel":"c")")) ==
          R"({"status":"unsubscribed","channel":"c")" + end);
    CHECK(ask(ws, with_id(R"("action":"publish","channel":"c","data":0)")) ==
          R"({"status":"published","channel":"c")" + end);
    CHECK(ask(ws, with_id(R"("action":"subscribe")")).ends_with(end));  // an error
    CHECK(ask(ws, with_id(R"("action":"what the App knows")")) == R"({"status":"seen")" + end);
  }
}

TEST_CASE("an id of 128 bytes is repeated, a longer one or one of another type is not, and is refused") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  const auto publish = [](const std::string& id) {
    return R"({"action":"publish","channel":"c","data":0,"id":)" + id + "}";
  };
  const std::string longest = "\"" + std::string(126, 'x') + "\"";
  CHECK(ask(ws, publish(longest)).ends_with(longest + "}"));
  for (const std::string& id :
       {"\"" + std::string(127, 'x') + "\"", std::string(129, '1'), std::string("null"), std::string("true"),
        std::string("[1]"), std::string("{}")})
    CHECK(ask_error(ws, publish(id)) == "field.invalid");
  CHECK(ask_error(ws, R"({"anything":1,"id":null})") == "field.invalid");
}

TEST_CASE("data is forwarded as the bytes that came") {
  Bench<> bench;
  auto ws = bench.subscriber("ann", "c");
  for (const std::string data :
       {"12345678901234567890123", "1.10", "-0.0", "1E5", "null", "true", R"("\u00e9\ud83d\ude00\/")",
        "\"é\U0001F600\u2028\"", R"({"b":1,"a":2,"b":3})", "[ 1 ,\t2\r\n]", R"("")", "{ }"}) {
    CAPTURE(data);
    CHECK(ask(ws, R"({"action":"publish","channel":"c","data": )" + data + R"( ,"x":0})") ==
          R"({"type":"message","channel":"c","data":)" + data + "}");
  }
}

TEST_CASE("a publish is encoded once: whoever gets it is sent the same bytes in memory") {
  Bench<> bench;
  auto plain_one = bench.subscriber("ann", "c"), plain_two = bench.subscriber("bob", "c");
  auto stateful = bench.subscriber("cid", "c", {}), numbered_two = bench.subscriber("dan", "c", {});
  for (auto* ws : {&plain_one, &plain_two, &stateful, &numbered_two}) ws->stop_reading();
  const std::string data = "\"" + std::string(1000, 'x') + "\"";
  auto publisher = bench.connect("eve");
  CHECK(ask(publisher, R"({"action":"publish","channel":"c","id":1,"data":)" + data + "}") ==
        R"({"status":"published","channel":"c","id":1})");
  Pieces all[4];
  for (std::uint32_t slot = 0; slot < 4; ++slot)
    bench.test.hub().gather(switchboard::TransportId{slot}, all[slot]);
  const auto end_of = [](std::string_view part) -> const void* { return part.data() + part.size(); };
  for (const Pieces& pieces : all) {
    REQUIRE(pieces.shared.size() == 1);
    const std::string_view body = pieces.shared.front();
    CHECK(body.ends_with(data + "}"));
    CHECK(end_of(body) == end_of(all[0].shared.front()));
  }
}

TEST_CASE("of a repeated member the last counts") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  CHECK(ask(ws, R"({"action":"publish","channel":"a","id":1,"channel":"b","action":"subscribe","id":2})") ==
        R"({"status":"subscribed","channel":"b","id":2})");
  CHECK(ask_error(ws, R"({"action":"subscribe","channel":"a","channel":null})") == "field.invalid");
}

TEST_CASE("64 levels of nesting are forwarded and handed to the App, the 65th is refused") {
  Bench<> bench;
  auto ws = bench.subscriber("ann", "c");
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK(ask(ws, R"({"action":"publish","channel":"c","data":)" + nested(63) + "}") ==
        R"({"type":"message","channel":"c","data":)" + nested(63) + "}");
  CHECK(ask(ws, "{\"x\":" + nested(63) + "}") == R"({"status":"seen"})");
  CHECK(ask_error(ws, R"({"action":"publish","channel":"c","data":)" + nested(64) + "}") == "json.too_deep");
  CHECK(ask_error(ws, "{\"x\":" + nested(64) + "}") == "json.too_deep");
  CHECK(ask_error(ws, std::string(200'000, '[')) == "json.too_deep");
}

TEST_CASE("a channel's name is told back in JSON, whatever its bytes") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  CHECK(ask(ws, R"({"action":"subscribe","channel":"a\"b\\\u00e9 \ud83d\ude00"})") ==
        "{\"status\":\"subscribed\",\"channel\":\"a\\\"b\\\\é \U0001F600\"}");
  const std::string longest(200, 'x');
  CHECK(ask(ws, R"({"action":"subscribe","channel":")" + longest + "\"}").find(longest) != std::string::npos);
}

TEST_CASE(
    "a second subscribe is answered and not doubled; unsubscribing what is not subscribed is answered") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  CHECK(ask(ws, subscribe_news) == ask(ws, subscribe_news));
  ws.send_text(R"({"action":"publish","channel":"news","data":1})");
  CHECK(ws.receive_json()["data"] == 1);
  CHECK(ws.is_idle());
  CHECK(bench.test.metrics().subscriptions.value() == 1);
  for (int i = 0; i < 2; ++i)
    CHECK(ask(ws, R"({"action":"unsubscribe","channel":"news"})") ==
          R"({"status":"unsubscribed","channel":"news"})");
  CHECK(ask(ws, R"({"action":"unsubscribe","channel":"never"})") ==
        R"({"status":"unsubscribed","channel":"never"})");
  CHECK(bench.test.metrics().subscriptions.value() == 0);
}

TEST_CASE(
    "no message of a channel precedes its subscribed, and none follows its unsubscribed, across shards") {
  Bench<> bench({.shards = 2});
  auto ann = bench.connect("ann", {.last_seq = std::nullopt, .shard = 0});
  auto bob = bench.connect("bob", {.last_seq = std::nullopt, .shard = 1});
  for (int i = 0; i < 50; ++i) bob.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  ann.send_text(subscribe_news);
  for (int i = 50; i < 100; ++i) bob.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  CHECK(ann.receive_json()["status"] == "subscribed");
  int last = -1;
  while (auto message = ann.try_receive_json()) {
    if (last >= 0) CHECK(message->at("data") == last + 1);
    last = message->at("data").get<int>();
  }
  ann.send_json({{"action", "unsubscribe"}, {"channel", "news"}});
  for (int i = 100; i < 150; ++i) bob.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  bool is_unsubscribed = false;
  while (auto message = ann.try_receive_json()) {
    REQUIRE_FALSE(is_unsubscribed);
    is_unsubscribed = message->value("status", "") == "unsubscribed";
  }
  CHECK(is_unsubscribed);
}

TEST_CASE(
    "what is published after a subscribed answer arrives, in the publisher's order, once, on either shard") {
  Bench<> bench({.shards = 2});
  auto near = bench.subscriber("ann", "news", {.last_seq = std::nullopt, .shard = 0});
  auto far = bench.subscriber("cid", "news", {.last_seq = std::nullopt, .shard = 1});
  auto bob = bench.connect("bob", {.last_seq = std::nullopt, .shard = 0});
  for (int i = 0; i < 300; ++i) bob.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  for (auto* subscriber : {&near, &far}) {
    for (int i = 0; i < 300; ++i) REQUIRE(subscriber->receive_json()["data"] == i);
    CHECK(subscriber->is_idle());
  }
}

TEST_CASE("presence lists each user once, however many connections it has, on every shard") {
  Bench<> bench({.shards = 2});
  auto ann = bench.subscriber("ann", "news");
  auto again = bench.subscriber("ann", "news", {.last_seq = std::nullopt, .shard = 1});
  auto bob = bench.subscriber("bob", "news", {.last_seq = std::nullopt, .shard = 1});
  auto nobody = bench.subscriber("-", "news");
  CHECK(ask(ann, R"({"action":"presence","channel":"news","id":1})") ==
        R"({"status":"presence","channel":"news","count":2,"users":[{"user":"ann"},{"user":"bob"}],"id":1})");
}

TEST_CASE("joins and leaves are told to those who asked, and not of oneself") {
  Bench<> bench;
  auto ann = bench.connect("ann"), quiet = bench.subscriber("cid", "news");
  CHECK(ask(ann, R"({"action":"subscribe","channel":"news","presence":true})") ==
        R"({"status":"subscribed","channel":"news"})");
  auto bob = bench.subscriber("bob", "news");
  CHECK(ann.receive_text() == R"({"type":"join","channel":"news","user":"bob"})");
  bob.send_json({{"action", "unsubscribe"}, {"channel", "news"}});
  CHECK(ann.receive_text() == R"({"type":"leave","channel":"news","user":"bob"})");
  CHECK(ann.is_idle());
  CHECK(quiet.is_idle());
  CHECK(bob.receive_json()["status"] == "unsubscribed");
  CHECK(bob.is_idle());
}

TEST_CASE("joins can be asked for later, with a second subscribe") {
  Bench<> bench;
  auto ann = bench.subscriber("ann", "news");
  CHECK(ask(ann, R"({"action":"subscribe","channel":"news","presence":true})") ==
        R"({"status":"subscribed","channel":"news"})");
  auto bob = bench.subscriber("bob", "news");
  CHECK(ann.receive_json()["type"] == "join");
}

TEST_CASE("a client's JSON ping is answered, its pong is not") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  CHECK(ask(ws, R"({"type":"ping"})") == R"({"type":"pong"})");
  CHECK(ask(ws, R"( { "type" : "ping" } )") == R"({"type":"pong"})");
  CHECK(ask(ws, R"({"type":"p\u0069ng","padding":")" + std::string(1000, '-') + "\"}") ==
        R"({"type":"pong"})");
  ws.send_text(R"({"type":"pong"})");
  CHECK(ws.is_idle());
  ws.send_frame({.opcode = switchboard::Opcode::ping, .payload = "beat"});
  CHECK(ws.receive_pong() == "beat");
}

TEST_CASE("any other object goes to the App, with or without an action") {
  Bench<> bench;
  std::vector<Json> seen;
  bench.app.message_hook = [&](auto, Json message) { seen.push_back(std::move(message)); };
  auto ws = bench.connect("ann");
  const std::vector<std::string> objects{"{}",
                                         R"({"action":"dance","id":1})",
                                         R"({"type":"hello"})",
                                         R"({"data":1.5,"action":""})",
                                         R"({"action":"Subscribe"})",
                                         R"({"type":"ping","action":"x"})"};
  for (const std::string& object : objects) ws.send_text(object);
  CHECK(ws.is_idle());
  REQUIRE(seen.size() == objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) CHECK(seen[i] == Json::parse(objects[i]));
}

TEST_CASE("a session remembers its last 100 publish ids, answers them again and delivers nothing twice") {
  Bench<> bench;
  auto listener = bench.subscriber("bob", "c");
  auto ws = bench.connect("ann", {});
  const auto publish = [&](const std::string& id) {
    const std::string answer = ask(ws, R"({"action":"publish","channel":"c","data":1,"id":)" + id + "}");
    return answer == R"({"status":"published","channel":"c","id":)" + id + "}" &&
           listener.try_receive_json().has_value();
  };
  CHECK(publish("\"x\""));
  CHECK_FALSE(publish("\"x\""));
  ws.cut();
  ws = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK_FALSE(publish("\"x\""));
  CHECK(publish("1"));
  for (int i = 2; i <= 99; ++i) CHECK(publish(std::to_string(i)));
  CHECK_FALSE(publish("\"x\""));  // with 1 to 99 it makes 100
  CHECK(publish("100"));
  CHECK(publish("\"x\""));  // forgotten: it was the oldest
  CHECK_FALSE(publish("2"));
  CHECK(listener.is_idle());
}

TEST_CASE("a plain client's publish ids are not remembered") {
  Bench<> bench;
  auto ws = bench.subscriber("ann", "c");
  for (int i = 0; i < 2; ++i) {
    ws.send_text(R"({"action":"publish","channel":"c","data":1,"id":1})");
    CHECK(ws.receive_json()["type"] == "message");
    CHECK(ws.receive_json()["status"] == "published");
  }
}

TEST_CASE("in a session messages carry seq as the first member, answers and errors none") {
  Bench<> bench;
  auto ws = bench.connect("ann", {});
  CHECK(ask(ws, subscribe_news) == R"({"status":"subscribed","channel":"news"})");
  CHECK(ask(ws, R"({"action":"publish","channel":"news","data":1})") ==
        R"({"seq":1,"type":"message","channel":"news","data":1})");
  CHECK(ask_error(ws, "[]") == "message.not_object");
  CHECK(ask(ws, R"({"action":"publish","channel":"news","data":2})") ==
        R"({"seq":2,"type":"message","channel":"news","data":2})");
}

TEST_CASE("an id that was never answered is not given to a later request") {
  Bench<> bench;
  bench.app.message_hook = [](auto connection, Json message) {
    if (message.contains("answer")) connection.answer(message, {{"status", "seen"}});
  };
  auto ws = bench.connect("ann", {});
  ws.send_text(R"({"id":12345678901234567890123})");
  CHECK(ask(ws, R"({"answer":1,"id":12345678901234567890124})") ==
        R"({"status":"seen","id":12345678901234567890124})");
}
