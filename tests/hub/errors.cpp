// SPDX-License-Identifier: MIT
// protocol.md, "Errors": what is a mistake, and that the connection survives it.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::CloseCode;

namespace {

/// Its State cannot always be made.
struct Unlucky {
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  struct State {
    State() {
      if (is_refused) throw 13;
    }
    std::uint64_t number = 7;
    static inline bool is_refused = false;
  };
  using Connection = switchboard::Connection<Unlucky>;
  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
  void on_message(Connection connection, Json message) {
    connection.answer(message, {{"number", connection.state().number}});
  }
};

}  // namespace

TEST_CASE("a client whose State cannot be made is refused with 500, and the others are served") {
  const ConnectOptions options = GENERATE(ConnectOptions{}, plain);
  Bench<Unlucky> bench;
  auto first = bench.connect("ann", options);
  bench.connect("bob").close();
  bench.test.run();
  Unlucky::State::is_refused = true;
  for (int i = 0; i < 3; ++i)
    CHECK_THROWS_WITH(bench.connect("cid", options), Catch::Matchers::ContainsSubstring("refused with 500"));
  Unlucky::State::is_refused = false;
  CHECK(bench.test.metrics().handler_exceptions.value() == 3);
  auto second = bench.connect("cid", options), third = bench.connect("dan", options);
  for (auto* one : {&first, &second, &third}) CHECK(ask(*one, "{}") == R"({"number":7})");
}

TEST_CASE("an error carries type, code and message, and the id only where there is one") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  CHECK(ask(ws, R"({"action":"subscribe"})") ==
        R"({"type":"error","code":"field.missing","message":"\"channel\" is missing"})");
  CHECK(ask(ws, R"({"action":"subscribe","id":"\u0061"})") ==
        R"({"type":"error","code":"field.missing","message":"\"channel\" is missing","id":"\u0061"})");
}

TEST_CASE("a missing field and one of the wrong type are told apart, null being of the wrong type") {
  Bench<> bench;
  auto ws = bench.subscriber("ann", "c");
  const auto expect = [&](const std::string& text, const std::string& code) {
    CAPTURE(text);
    CHECK(ask_error(ws, text) == code);
  };
  for (const std::string action : {"subscribe", "unsubscribe", "publish", "presence"}) {
    expect("{\"action\":\"" + action + "\",\"data\":1,\"id\":1}", "field.missing 1");
    for (const std::string wrong : {"null", "1", "true", "[\"c\"]", "{}"})
      expect("{\"action\":\"" + action + "\",\"data\":1,\"channel\":" + wrong + "}", "field.invalid");
  }
  expect(R"({"action":"publish","channel":"c"})", "field.missing");
  for (const std::string wrong : {"null", "1", "\"true\"", "[]", "{}"})
    expect(R"({"action":"subscribe","channel":"c","presence":)" + wrong + "}", "field.invalid");
  for (const std::string wrong : {"null", "1", "true", "[\"subscribe\"]", "{}"})
    expect("{\"action\":" + wrong + ",\"channel\":\"c\"}", "field.invalid");
  CHECK(ask(ws, R"({"action":"publish","channel":"c","data":null})") ==
        R"({"type":"message","channel":"c","data":null})");
}

TEST_CASE("every action refuses a channel that is none, that is too long or that is reserved") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  for (const std::string action : {"subscribe", "unsubscribe", "publish", "presence"}) {
    CAPTURE(action);
    const auto code = [&](const std::string& channel) {
      return ask_error(ws,
                       "{\"action\":\"" + action + "\",\"data\":1,\"id\":5,\"channel\":\"" + channel + "\"}");
    };
    CHECK(code("") == "channel.invalid 5");
    CHECK(code(R"(a\u0000b)") == "channel.invalid 5");
    CHECK(code(R"(a\u0085)") == "channel.invalid 5");
    CHECK(code(std::string(201, 'x')) == "channel.too_long 5");
    CHECK(code("$user:bob") == "channel.reserved 5");
    CHECK(code("$") == "channel.reserved 5");
  }
}

TEST_CASE("what is no JSON, or JSON but no object, is answered without an id, and the connection lives") {
  Bench<> bench;
  auto ws = bench.connect("ann");
  for (const std::string text : {"", "{", "{\"id\":1,}", R"({"id":1,"data":"\ud800"})",
                                 R"({"id":1,"\udc00x":0})", "nul", R"({"id":1} {})"})
    CHECK(ask_error(ws, text) == "json.invalid");
  ws.send_text(std::string_view("{\"id\":1}\0", 9));
  CHECK(ws.receive_json()["code"] == "json.invalid");
  for (const std::string text : {"1", "null", "[]", "[{\"id\":1}]", "\"text\""})
    CHECK(ask_error(ws, text) == "message.not_object");
  CHECK(ask(ws, "{}") == R"({"status":"seen"})");
  CHECK(bench.test.metrics().errors_sent.value() == 13);
}

TEST_CASE("may_subscribe and may_publish are asked with the user and the channel, and their no is told") {
  Bench<> bench;
  std::vector<std::string> asked;
  bench.app.may_subscribe_hook = [&](std::string_view user, std::string_view channel) {
    asked.push_back("subscribe " + std::string(user) + " " + std::string(channel));
    return channel != "secret";
  };
  bench.app.may_publish_hook = [&](std::string_view user, std::string_view channel) {
    asked.push_back("publish " + std::string(user) + " " + std::string(channel));
    return channel != "secret";
  };
  auto ws = bench.subscriber("ann", "open");
  CHECK(ask_error(ws, R"({"action":"subscribe","channel":"secret","id":1})") == "subscribe.denied 1");
  CHECK(ask_error(ws, R"({"action":"publish","channel":"secret","data":0})") == "publish.denied");
  CHECK(ask(ws, R"({"action":"publish","channel":"open","data":0})") ==
        R"({"type":"message","channel":"open","data":0})");
  CHECK(asked == std::vector<std::string>{"subscribe ann open", "subscribe ann secret", "publish ann secret",
                                          "publish ann open"});
}

TEST_CASE(
    "what may_subscribe refuses is not done: it counts as no subscription, and is not listed or told of") {
  const bool is_stateful = GENERATE(false, true);
  const bool throws = GENERATE(false, true);
  CAPTURE(is_stateful, throws);
  Bench<> bench;
  bool is_allowed = false;
  bench.app.may_subscribe_hook = [&](std::string_view user, std::string_view) {
    if (throws && user == "ann" && !is_allowed) throw std::runtime_error("no database");
    return user == "bob" || is_allowed;
  };
  auto member = bench.subscriber("bob", "c");
  CHECK(ask(member, R"({"action":"subscribe","channel":"c","presence":true})") ==
        R"({"status":"subscribed","channel":"c"})");
  auto ws = bench.connect("ann", is_stateful ? ConnectOptions{} : plain);
  CHECK(ask_error(ws, R"({"action":"subscribe","channel":"c","presence":true})") == "subscribe.denied");
  CHECK(bench.test.metrics().subscriptions.value() == 1);
  CHECK(ask(member, R"({"action":"presence","channel":"c"})") ==
        R"({"status":"presence","channel":"c","count":1,"users":[{"user":"bob"}]})");
  CHECK(ask_error(ws, R"({"action":"presence","channel":"c"})") == "presence.denied");
  member.send_text(R"({"action":"publish","channel":"c","data":1})");
  CHECK(member.receive_json()["data"] == 1);
  auto other = bench.subscriber("bob", "c");
  other.close();
  CHECK(ws.is_idle());
  is_allowed = true;
  bench.subscribe(ws, "c");
  CHECK(member.receive_json() == Json{{"type", "join"}, {"channel", "c"}, {"user", "ann"}});
  CHECK(bench.test.metrics().subscriptions.value() == 2);
}

TEST_CASE(
    "what may_publish refuses reaches nobody, and its id is not remembered: once allowed it publishes") {
  const bool is_stateful = GENERATE(false, true);
  const bool throws = GENERATE(false, true);
  CAPTURE(is_stateful, throws);
  Bench<> bench({.shards = 2});
  bool is_allowed = false;
  bench.app.may_publish_hook = [&](std::string_view, std::string_view) {
    if (throws && !is_allowed) throw std::runtime_error("no database");
    return is_allowed;
  };
  auto here = bench.subscriber("bob", "c"), elsewhere = bench.connect("cid", {.shard = 1});
  bench.subscribe(elsewhere, "c");
  auto ws = bench.subscriber("ann", "c", is_stateful ? ConnectOptions{} : plain);
  const std::string publish = R"({"action":"publish","channel":"c","data":1,"id":7})";
  for (int i = 0; i < 2; ++i) CHECK(ask_error(ws, publish) == "publish.denied 7");
  CHECK(bench.test.metrics().publishes.value() == 0);
  for (auto* each : {&here, &elsewhere, &ws}) CHECK(each->is_idle());
  is_allowed = true;
  ws.send_text(publish);
  for (auto* each : {&here, &elsewhere, &ws}) CHECK(each->receive_json()["data"] == 1);
  CHECK(ws.receive_text() == R"({"status":"published","channel":"c","id":7})");
  CHECK(bench.test.metrics().publishes.value() == 1);
}

TEST_CASE("may_subscribe or may_publish that throws means no") {
  Bench<> bench;
  bench.app.may_subscribe_hook = [](std::string_view, std::string_view) -> bool {
    throw std::runtime_error("no database");
  };
  bench.app.may_publish_hook = [](std::string_view, std::string_view) -> bool { throw 42; };
  auto ws = bench.connect("ann");
  CHECK(ask_error(ws, R"({"action":"subscribe","channel":"c"})") == "subscribe.denied");
  CHECK(ask_error(ws, R"({"action":"publish","channel":"c","data":0})") == "publish.denied");
  CHECK(bench.test.metrics().handler_exceptions.value() == 2);
}

TEST_CASE(
    "a handler that throws is told as internal.error with the id, counted and logged, and the connection "
    "lives") {
  std::vector<std::string> log;
  TestOptions<HookedApp<>> options;
  options.log = [&](switchboard::LogLevel, std::string_view text) { log.emplace_back(text); };
  Bench<> bench(std::move(options));
  bench.app.message_hook = [](auto, Json message) {
    if (message.contains("number")) throw 42;
    throw std::runtime_error("that broke");
  };
  auto ws = bench.connect("ann");
  CHECK(ask_error(ws, R"({"id":"a"})") == "internal.error \"a\"");
  CHECK(ask_error(ws, R"({"number":1})") == "internal.error");
  CHECK(bench.test.metrics().handler_exceptions.value() == 2);
  REQUIRE(log.size() == 2);
  CHECK(log[0].find("that broke") != std::string::npos);
  CHECK(ask(ws, R"({"type":"ping"})") == R"({"type":"pong"})");
}

TEST_CASE("what is logged of Apps that throw holds neither the token nor the session id") {
  std::vector<std::string> log;
  TestOptions<HookedApp<>> options;
  options.log = [&](switchboard::LogLevel, std::string_view text) { log.emplace_back(text); };
  Bench<> bench(std::move(options));
  const auto throws = [](auto&&...) -> bool { throw std::runtime_error("that broke"); };
  bench.app.open_hook = throws;
  bench.app.may_subscribe_hook = bench.app.may_publish_hook = throws;
  bench.app.message_hook = throws;
  bench.app.close_hook = throws;
  const std::string token = "a-secret-token";
  auto ws = bench.connect(token, {});
  ask(ws, "{}");
  ask(ws, R"({"action":"subscribe","channel":"c"})");
  ask(ws, R"({"action":"publish","channel":"c","data":0})");
  ws.send_binary(2, "");
  CHECK(ws.receive_json()["code"] == "internal.error");
  bench.test.shard().disconnect_user(token);
  bench.app.authenticate_hook = [](const auto&) { throw std::runtime_error("that broke"); };
  CHECK_THROWS_AS(bench.connect(token, {.session = ws.session(), .last_seq = 0}),
                  switchboard::testing::Refused);
  CHECK(log.size() == 7);
  for (const std::string& line : log) {
    CAPTURE(line);
    CHECK(line.find(token) == std::string::npos);
    CHECK(line.find(ws.session()) == std::string::npos);
  }
}

TEST_CASE("on_open, on_subscribe, on_unsubscribe and on_close that throw harm nobody") {
  Bench<> bench;
  bench.app.open_hook = [](auto) { throw std::runtime_error("open"); };
  bench.app.subscribe_hook = [](auto, auto) { throw std::runtime_error("subscribe"); };
  bench.app.unsubscribe_hook = [](auto, auto) { throw std::runtime_error("unsubscribe"); };
  bench.app.close_hook = [](auto, auto) { throw std::runtime_error("close"); };
  auto ws = bench.subscriber("ann", "c");
  CHECK(ask(ws, R"({"action":"unsubscribe","channel":"c"})") == R"({"status":"unsubscribed","channel":"c"})");
  CHECK(ws.is_idle());
  ws.close();
  CHECK(bench.test.metrics().handler_exceptions.value() == 4);
  CHECK(bench.test.metrics().connections.value() == 0);
}

TEST_CASE("authenticate that throws is answered with 500, and one that refuses with 401") {
  Bench<> bench;
  bench.app.authenticate_hook = [](const switchboard::UpgradeRequest& request) {
    if (request.token == "bad") throw std::runtime_error("no database for token bad");
  };
  try {
    bench.connect("bad");
    FAIL("it was let in");
  } catch (const switchboard::testing::Refused& refused) {
    CHECK(refused.status == 500);
    CHECK(refused.body.find("database") == std::string::npos);
    CHECK(Json::parse(refused.body).contains("error"));
  }
  try {
    bench.connect("");
    FAIL("it was let in");
  } catch (const switchboard::testing::Refused& refused) {
    CHECK(refused.status == 401);
  }
}

TEST_CASE("subscriptions are limited per connection; one given back may be used again") {
  Bench<> bench({.limits = {.max_subscriptions = 2}});
  auto ws = bench.subscriber("ann", "a");
  bench.subscribe(ws, "b");
  CHECK(ask_error(ws, R"({"action":"subscribe","channel":"c","id":1})") == "subscribe.limit 1");
  bench.subscribe(ws, "b");  // has it already
  ask(ws, R"({"action":"unsubscribe","channel":"a"})");
  bench.subscribe(ws, "c");
  auto other = bench.subscriber("ann", "c");
}

TEST_CASE("a rate of N lets N through at once, tells the rest, and does not do what it refuses") {
  Bench<> bench({.limits = {.messages_per_second = 5}});
  auto listener = bench.subscriber("bob", "c");
  auto ws = bench.connect("ann");
  for (int i = 0; i < 8; ++i) ws.send_json({{"action", "publish"}, {"channel", "c"}, {"data", i}, {"id", i}});
  for (int i = 0; i < 5; ++i) CHECK(ws.receive_json()["status"] == "published");
  for (int i = 5; i < 8; ++i) {
    const Json error = ws.receive_json();
    CHECK(error["code"] == "rate.limited");
    CHECK(error["id"] == i);
  }
  for (int i = 0; i < 5; ++i) CHECK(listener.receive_json()["data"] == i);
  CHECK(listener.is_idle());
  bench.test.advance(200ms);
  CHECK(ask(ws, "{}") == R"({"status":"seen"})");
  CHECK(ask_error(ws, "{}") == "rate.limited");
  ws.send_binary(1, "x");
  CHECK(ws.receive_json()["code"] == "rate.limited");
  CHECK(bench.test.metrics().rate_limited.value() == 5);
}

TEST_CASE("N refusals in a row close with 1008 and end the session; one success in between does not") {
  Bench<> bench({.limits = {.messages_per_second = 3}});
  auto ws = bench.connect("ann", {});
  for (int i = 0; i < 5; ++i) ws.send_text("{}");
  for (int i = 0; i < 3; ++i) CHECK(ws.receive_json()["status"] == "seen");
  for (int i = 0; i < 2; ++i) CHECK(ws.receive_json()["code"] == "rate.limited");
  bench.test.advance(350ms);
  CHECK(ask(ws, "{}") == R"({"status":"seen"})");
  for (int i = 0; i < 3; ++i) CHECK(ask_error(ws, "{}") == "rate.limited");
  CHECK(ws.receive_close().code == CloseCode::policy_violation);
  bench.test.run();
  CHECK(ws.is_closed());
  CHECK(bench.connect("ann", {.session = ws.session(), .last_seq = 0}).session() != ws.session());
}

TEST_CASE("pongs are free, JSON's and RFC 6455's; a client's JSON ping is not") {
  Bench<> bench({.limits = {.messages_per_second = 2}});
  auto ws = bench.connect("ann");
  for (int i = 0; i < 50; ++i) {
    ws.send_text(R"({"type":"pong"})");
    ws.send_frame({.opcode = switchboard::Opcode::pong, .payload = "x"});
  }
  CHECK(ask(ws, R"({"type":"ping"})") == R"({"type":"pong"})");
  CHECK(ask(ws, "{}") == R"({"status":"seen"})");
  CHECK(ask_error(ws, R"({"type":"ping","id":3})") == "rate.limited 3");
  CHECK(bench.test.metrics().connections.value() == 1);
}
