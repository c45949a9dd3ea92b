// SPDX-License-Identifier: MIT
// What the App may do to a user or a connection, here and on other shards, and from other threads.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::CloseCode;
using switchboard::errc;
using Handle = HookedApp<>::Handle;

namespace {

const ConnectOptions plain_on_1{.last_seq = std::nullopt, .shard = 1};

/// The handle of the connection that sends `{}` next.
Handle handle_of(Bench<>& bench, TestConnection<HookedApp<>>& ws) {
  std::optional<Handle> handle;
  const auto before =
      std::exchange(bench.app.message_hook, [&](Handle connection, const Json&) { handle = connection; });
  ws.send_text("{}");
  bench.test.run();
  bench.app.message_hook = before;
  return handle.value();
}

}  // namespace

TEST_CASE("send_to_user reaches every connection of the user and nobody else's, on one shard or two") {
  for (const unsigned shards : {1U, 2U}) {
    CAPTURE(shards);
    Bench<> bench({.shards = shards});
    auto one = bench.connect("ann"), bob = bench.connect("bob");
    auto two = bench.connect("ann", {.shard = shards - 1});
    CHECK_FALSE(bench.test.shard(0).send_to_user("ann", {{"hello", 1}}));
    CHECK(one.receive_text() == R"({"hello":1})");
    CHECK(two.receive_text() == R"({"seq":1,"hello":1})");
    CHECK_FALSE(bench.test.shard(shards - 1).send_to_user("ann", {{"hello", 2}}));
    CHECK(one.receive_text() == R"({"hello":2})");
    CHECK(two.receive_text() == R"({"seq":2,"hello":2})");
    CHECK((one.is_idle() && two.is_idle() && bob.is_idle()));
  }
}

TEST_CASE("each user is found, however many there are, and when half of them have gone") {
  Bench<> bench;
  std::vector<TestConnection<HookedApp<>>> users;
  for (int i = 0; i < 100; ++i) users.push_back(bench.connect("user" + std::to_string(i)));
  const auto send_to_all = [&] {
    for (int i = 0; i < 100; ++i) bench.test.shard().send_to_user("user" + std::to_string(i), {{"you", i}});
  };
  send_to_all();
  for (std::size_t i = 0; i < 100; ++i) CHECK(users[i].receive_json() == Json{{"you", i}});
  for (std::size_t i = 0; i < 100; i += 2) users[i].cut();
  send_to_all();
  for (std::size_t i = 1; i < 100; i += 2) {
    CHECK(users[i].receive_json() == Json{{"you", i}});
    CHECK(users[i].is_idle());
  }
}

TEST_CASE("send_to_user is kept for a session that is away, on another shard too") {
  Bench<> bench({.shards = 2});
  auto ws = bench.connect("ann", {.shard = 1});
  ws.cut();
  bench.test.shard(0).send_to_user("ann", {{"hello", 1}});
  bench.test.run();
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.welcome()["recovered"] == true);
  CHECK(back.receive_text() == R"({"seq":1,"hello":1})");
}

TEST_CASE("send_to_user takes an object without seq, and a user id that is one") {
  Bench<> bench;
  auto& shard = bench.test.shard();
  auto ws = bench.connect("ann");
  CHECK(shard.send_to_user("ann", 1) == errc::invalid_json);
  CHECK(shard.send_to_user("ann", {{"seq", 1}}) == errc::invalid_json);
  CHECK(shard.send_to_user("", {{"a", 1}}) == errc::invalid_user);
  CHECK(shard.send_to_user(std::string(201, 'x'), {{"a", 1}}) == errc::invalid_user);
  CHECK(shard.send_text_to_user("ann", "[{}]") == errc::invalid_json);
  CHECK(shard.send_text_to_user("ann", R"({"a":1} x)") == errc::invalid_json);
  CHECK(ws.is_idle());
  CHECK_FALSE(shard.send_text_to_user("ann", " \n{ \"a\" : 1.0 }"));
  CHECK(ws.receive_text() == "{ \"a\" : 1.0 }");
  CHECK_FALSE(shard.send_to_user("nobody here", {{"a", 1}}));
}

TEST_CASE(
    "disconnect_user closes all connections with 4003 and destroys the sessions, on both shards, parked ones "
    "too") {
  Bench<> bench({.shards = 2});
  auto one = bench.connect("ann", {}), two = bench.connect("ann", plain_on_1),
       bob = bench.connect("bob", plain_on_1);
  auto parked = bench.connect("ann", {.shard = 1});
  parked.cut();
  bench.test.shard(0).disconnect_user("ann");
  CHECK(one.receive_close().code == CloseCode::disconnected);
  CHECK(two.receive_close().code == CloseCode{4003});
  CHECK(ask(bob, "{}") == R"({"status":"seen"})");
  CHECK(bench.connect("ann", {.session = one.session(), .last_seq = 0}).welcome()["missed"].is_null());
  CHECK(bench.connect("ann", {.session = parked.session(), .last_seq = 0}).welcome()["missed"].is_null());
}

TEST_CASE("disconnect_user says the code that it is given, behind what is queued") {
  Bench<> bench;
  auto ws = bench.subscriber("ann", "c", {});
  bench.test.shard().publish("c", 1);
  bench.test.shard().disconnect_user("ann", CloseCode::token_expired);
  CHECK(ws.receive_json()["data"] == 1);
  CHECK(ws.receive_close().code == CloseCode{4401});
}

TEST_CASE("unsubscribe_user takes the user off a channel on all its connections, and tells them") {
  Bench<> bench({.shards = 2});
  auto one = bench.subscriber("ann", "c", {}), two = bench.subscriber("ann", "c", plain_on_1);
  auto bob = bench.subscriber("bob", "c", plain_on_1);
  bench.subscribe(one, "d");
  bench.test.shard(1).unsubscribe_user("ann", "c");
  CHECK(one.receive_text() == R"({"status":"unsubscribed","channel":"c"})");
  CHECK(two.receive_text() == R"({"status":"unsubscribed","channel":"c"})");
  bench.test.shard(0).publish("c", 1);
  CHECK(bob.receive_json()["data"] == 1);
  CHECK((one.is_idle() && two.is_idle()));
  bench.test.shard(1).publish("d", 2);
  CHECK(one.receive_json()["data"] == 2);
}

TEST_CASE("a ServerHandle does the same from outside, in order, and is harmless after the end") {
  std::optional<switchboard::ServerHandle> handle;
  {
    Bench<> bench({.shards = 2});
    handle = bench.test.handle();
    auto ann = bench.subscriber("ann", "c", {.shard = 1}), bob = bench.subscriber("bob", "c");
    for (int i = 0; i < 5; ++i) CHECK_FALSE(handle->publish("c", i));
    CHECK_FALSE(handle->publish_json("c", "[1.0]"));
    CHECK_FALSE(handle->publish_binary("c", 7, bytes("x")));
    for (auto* ws : {&ann, &bob}) {
      for (int i = 0; i < 5; ++i) CHECK(ws->receive_json()["data"] == i);
      CHECK(ws->receive_text().ends_with(R"("data":[1.0]})"));
      CHECK(ws->receive_binary().type == 7);
    }
    CHECK_FALSE(handle->send_to_user("ann", {{"hi", 1}}));
    CHECK(ann.receive_json()["hi"] == 1);
    CHECK(handle->send_to_user("ann", {{"seq", 1}}) == errc::invalid_json);
    CHECK_FALSE(handle->unsubscribe_user("bob", "c"));
    CHECK(bob.receive_json()["status"] == "unsubscribed");
    CHECK_FALSE(handle->disconnect_user("ann"));
    CHECK(ann.receive_close().code == CloseCode::disconnected);
    CHECK_FALSE(handle->publish_json("c", "not json"));  // dropped by the shard
    CHECK_FALSE(bench.test.shard(1).handle().publish("c", 6));
    CHECK(bob.is_idle());
  }
  CHECK(handle->publish("c", 1) == errc::stopped);
  CHECK(handle->disconnect_user("ann") == errc::stopped);
}

TEST_CASE("what the App publishes is checked, and forwarded as it stands") {
  Bench<> bench;
  auto& shard = bench.test.shard();
  auto ws = bench.subscriber("ann", "c");
  CHECK_FALSE(shard.publish_json("c", " 1.50 "));
  CHECK(ws.receive_text() == R"({"type":"message","channel":"c","data": 1.50 })");
  for (const std::string_view text : {std::string_view(""), std::string_view("{"), std::string_view("1 2"),
                                      std::string_view("\"\xff\""), std::string_view("1\0", 2),
                                      std::string_view("\xef\xbb\xbf"
                                                       "1")})
    CHECK(shard.publish_json("c", text) == errc::invalid_json);
  CHECK(shard.publish("$c", 1) == errc::invalid_channel);
  CHECK(shard.publish(std::string(201, 'x'), 1) == errc::invalid_channel);
  CHECK(ws.is_idle());
}

TEST_CASE("send_json takes an object without seq") {
  Bench<> bench;
  auto ws = bench.connect("ann", {});
  Handle handle = handle_of(bench, ws);
  CHECK_THROWS_AS(handle.send_json({{"seq", 1}}), std::invalid_argument);
  CHECK_THROWS_AS(handle.send_json(Json{1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(handle.send_json(nullptr), std::invalid_argument);
  CHECK_THROWS_AS(handle.answer(Json::object(), "text"), std::invalid_argument);
  CHECK_THROWS_AS(handle.answer(Json::object(), {{"seq", 1}}), std::invalid_argument);
  CHECK(handle.send_json(Json::object()));
  CHECK(ws.receive_text() == R"({"seq":1})");
}

TEST_CASE("answer and reject repeat the request's id, and carry no number") {
  Bench<> bench;
  auto ws = bench.connect("ann", {});
  Handle handle = handle_of(bench, ws);
  CHECK(handle.answer({{"id", 7}, {"x", 1}}, {{"status", "done"}}));
  CHECK(ws.receive_text() == R"({"status":"done","id":7})");
  CHECK(handle.answer({{"x", 1}}, {{"status", "done"}}));
  CHECK(ws.receive_text() == R"({"status":"done"})");
  CHECK(handle.reject({{"id", "a\"b"}}, "chat.too_loud", "be \"quiet\""));
  CHECK(ws.receive_text() ==
        R"({"type":"error","code":"chat.too_loud","message":"be \"quiet\"","id":"a\"b"})");
  CHECK(handle.reject(nullptr, "chat.full", "no"));
  CHECK(ws.receive_text() == R"({"type":"error","code":"chat.full","message":"no"})");
  CHECK(bench.test.metrics().errors_sent.value() == 2);
}

TEST_CASE("the App subscribes a client without asking may_subscribe and without an answer") {
  Bench<> bench({.limits = {.max_subscriptions = 2}});
  bench.app.may_subscribe_hook = [](auto, auto) { return false; };
  auto ws = bench.connect("ann");
  Handle handle = handle_of(bench, ws);
  CHECK(handle.subscribe("c"));
  CHECK(handle.subscribe("c"));
  CHECK_FALSE(handle.subscribe("$user:bob"));
  CHECK_FALSE(handle.subscribe(""));
  CHECK(handle.subscribe("d"));
  CHECK_FALSE(handle.subscribe("e"));  // too many
  CHECK(ws.is_idle());
  bench.test.shard().publish("c", 1);
  CHECK(ws.receive_json()["data"] == 1);
  CHECK(ws.is_idle());
  CHECK(ask(ws, R"({"action":"subscribe","channel":"c"})") == R"({"status":"subscribed","channel":"c"})");
  CHECK(handle.unsubscribe("c"));
  CHECK_FALSE(handle.unsubscribe("c"));
  bench.test.shard().publish("c", 2);
  CHECK(ws.is_idle());
}

TEST_CASE("a handle says what it names, and whose it is") {
  Bench<> bench;
  auto ann = bench.connect("ann", {}), bob = bench.connect("bob");
  Handle session = handle_of(bench, ann), connection = handle_of(bench, bob);
  CHECK((session.is_open() && session.is_attached() && session.is_stateful()));
  CHECK((connection.is_open() && connection.is_attached() && !connection.is_stateful()));
  CHECK(session.user().id == "ann");
  CHECK(session.id() != connection.id());
  CHECK(session == handle_of(bench, ann));
  session.state().visits = 3;
  CHECK(connection.state().visits == 0);
  ann.cut();
  CHECK((session.is_open() && !session.is_attached()));
  CHECK(session.send_json({{"kept", true}}));
  CHECK_FALSE(session.answer({{"id", 1}}, {{"status", "too late"}}));
  CHECK_FALSE(session.reject({{"id", 1}}, "chat.late", "too late"));
  CHECK(bench.test.metrics().errors_sent.value() == 0);
  CHECK(session.state().visits == 3);
  auto back = bench.connect("ann", {.session = ann.session(), .last_seq = 0});
  CHECK(session.is_attached());
  CHECK(back.receive_json()["kept"] == true);
  CHECK(back.is_idle());
  CHECK(&session.shard() == &bench.test.shard());
}

TEST_CASE("after the end every call on a handle is a harmless false, also when its slot is used again") {
  Bench<> bench;
  std::optional<Handle> closed;
  bench.app.close_hook = [&](Handle handle, const switchboard::CloseReason&) {
    closed = handle;
    CHECK_FALSE(handle.is_open());
    CHECK(handle.user().id == "ann");  // still there within on_close
    CHECK_FALSE(handle.send_json({{"a", 1}}));
  };
  auto ws = bench.subscriber("ann", "c");
  Handle handle = handle_of(bench, ws);
  ws.close();
  CHECK(closed == handle);
  auto next = bench.connect("bob");
  CHECK(handle_of(bench, next).id().slot == handle.id().slot);
  CHECK_FALSE((handle.is_open() || handle.is_attached() || handle.is_stateful()));
  CHECK_FALSE(handle.send_json({{"a", 1}}));
  CHECK_FALSE(handle.send_binary(1, {}));
  CHECK_FALSE(handle.answer({{"id", 1}}, Json::object()));
  CHECK_FALSE(handle.reject({{"id", 1}}, "a.b", "c"));
  CHECK_FALSE(handle.subscribe("c"));
  CHECK_FALSE(handle.unsubscribe("c"));
  CHECK_FALSE(handle.close(CloseCode::normal));
  CHECK_THROWS_AS(handle.user(), std::logic_error);
  CHECK_THROWS_AS(handle.state(), std::logic_error);
  CHECK(next.is_idle());
}

TEST_CASE("close says its code and reason behind what is queued, and ends the session") {
  Bench<> bench;
  std::vector<switchboard::CloseReason> reasons;
  bench.app.close_hook = [&](auto, const switchboard::CloseReason& reason) { reasons.push_back(reason); };
  auto ws = bench.connect("ann", {});
  Handle handle = handle_of(bench, ws);
  handle.send_json({{"last", "words"}});
  CHECK(handle.close(CloseCode{4200}, "that is all"));
  CHECK_FALSE(handle.close(CloseCode{4201}));
  CHECK(ws.receive_json()["last"] == "words");
  const auto close = ws.receive_close();
  CHECK(close.code == CloseCode{4200});
  CHECK(close.reason == "that is all");
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].code == CloseCode{4200});
  CHECK(bench.connect("ann", {.session = ws.session(), .last_seq = 0}).session() != ws.session());
}

TEST_CASE("on_subscribe and on_unsubscribe tell what clients do") {
  Bench<> bench;
  std::string seen;
  bench.app.subscribe_hook = [&](Handle handle, const std::string& channel) {
    seen += "+" + handle.user().id + channel;
  };
  bench.app.unsubscribe_hook = [&](Handle handle, const std::string& channel) {
    seen += "-" + handle.user().id + channel;
  };
  auto ws = bench.subscriber("ann", "c");
  bench.subscribe(ws, "c");
  CHECK(seen == "+annc");
  ask(ws, R"({"action":"unsubscribe","channel":"c"})");
  ask(ws, R"({"action":"unsubscribe","channel":"c"})");
  CHECK(seen == "+annc-annc");
}

TEST_CASE(
    "a handler may close its own connection, disconnect its own user, or publish to where it is subscribed") {
  Bench<> bench;
  bench.app.message_hook = [&](Handle handle, const Json& message) {
    const std::string what = message.at("do").get<std::string>();
    if (what == "publish") handle.shard().publish("c", "mine");
    if (what == "close") handle.close(CloseCode::normal);
    if (what == "disconnect") handle.shard().disconnect_user(handle.user().id);
    if (what == "throw after close") {
      handle.close(CloseCode::normal);
      throw std::runtime_error("too late");
    }
  };
  auto ws = bench.subscriber("ann", "c");
  CHECK(ask(ws, R"({"do":"publish"})") == R"({"type":"message","channel":"c","data":"mine"})");
  ws.send_text(R"({"do":"close"})");
  ws.send_text(R"({"do":"publish"})");
  CHECK(ws.receive_close().code == CloseCode::normal);
  auto again = bench.connect("ann");
  again.send_text(R"({"do":"disconnect"})");
  CHECK(again.receive_close().code == CloseCode::disconnected);
  auto third = bench.connect("ann");
  third.send_text(R"({"do":"throw after close"})");
  CHECK(third.receive_close().code == CloseCode::normal);
}
