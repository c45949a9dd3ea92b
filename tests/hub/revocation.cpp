// SPDX-License-Identifier: MIT
// A right that is taken away while its client is not there, or is just about to use it.
#include "session_apps.hpp"

using namespace session_apps;

namespace {

json taken(const std::string& channel) {
  return {{"status", "unsubscribed"}, {"channel", channel}};
}
json denied(const std::string& channel) {
  return {{"status", "unsubscribed"}, {"channel", channel}, {"code", "subscribe.denied"}};
}
template <class Ws>
auto resume(Hall<>& hall, const Ws& ws, const std::string& token = "ann") {
  return hall.connect(token, {.session = ws.session(), .last_seq = ws.last_seq()});
}

/// Its may_subscribe answers when the test says so.
struct Deciding {
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
  asio::awaitable<bool> may_subscribe(const User&, std::string_view) {
    co_return co_await sb::detail::await_callback<bool>(
        [this](std::function<void(bool)> answer) { decide = std::move(answer); });
  }
  bool may_publish(const User&, std::string_view) { return true; }
  std::function<void(bool)> decide;
};

}  // namespace

TEST_CASE("a client learns of what was taken from its session while it was away") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann");
  for (const char* channel : {"one", "two", "three"}) subscribe(ws, channel);
  ws.cut();
  hall.app.shard(1).unsubscribe_user("ann", "one");
  hall.app.shard(1).unsubscribe_user("ann", "three");
  hall.app.run();
  auto back = resume(hall, ws);
  REQUIRE(received(back) == std::vector<json>{denied("one"), denied("three")});
  back.cut();
  auto again = resume(hall, back);
  REQUIRE(received(again).empty());  // it has been told
}

TEST_CASE("it is told again where the telling was cut off") {
  Hall<> hall;
  auto ws = hall.connect("ann");
  subscribe(ws, "one");
  subscribe(ws, "two");
  SECTION("while it was there") {
    ws.stop_reading();
    hall.app.shard().unsubscribe_user("ann", "one");
    hall.app.run();
    ws.cut();
  }
  SECTION("as it came back") {
    ws.cut();
    hall.app.shard().unsubscribe_user("ann", "one");
    auto deaf = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0&session=" + ws.session(), 300);
    deaf.cut();
  }
  SECTION("as another socket took over") {
    ws.stop_reading();
    hall.app.shard().unsubscribe_user("ann", "one");
    hall.app.run();
  }
  SECTION("when may_subscribe refused it as it came back") {
    ws.cut();
    hall.world.refused.insert("one");
    auto deaf = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0&session=" + ws.session(), 300);
    deaf.cut();
  }
  auto back = resume(hall, ws);
  REQUIRE(received(back) == std::vector<json>{denied("one")});
}

TEST_CASE("who has subscribed again is told nothing of before") {
  Hall<> hall;
  auto ws = hall.connect("ann");
  subscribe(ws, "room");
  ws.stop_reading();
  hall.app.shard().unsubscribe_user("ann", "room");
  SECTION("by a request") {
    ws.send_json({{"action", "subscribe"}, {"channel", "room"}});
  }
  SECTION("by the App, while it is away") {
    ws.cut();
    hall.world.in_room["ann"](true);
  }
  hall.app.run();
  ws.cut();
  auto back = resume(hall, ws);
  REQUIRE(received(back).empty());
  hall.app.shard().publish("room", 1);
  REQUIRE(back.receive_json()["data"] == 1);
}

TEST_CASE("what is taken while may_subscribe is still being asked is not given") {
  sb::testing::TestApp<Deciding> app;
  auto ws = sb::testing::WebSocketTestClient(app, "ann").connect();
  ws.send_json({{"action", "subscribe"}, {"channel", "room"}, {"id", 7}});
  app.run();
  app.shard().unsubscribe_user("ann", "other");
  SECTION("taken") {
    app.shard().unsubscribe_user("ann", "room");
    app.app().decide(true);
    REQUIRE(ws.receive_json()["code"] == "subscribe.denied");
    app.shard().publish("room", "secret");
    REQUIRE(received(ws).empty());
    REQUIRE(app.metrics().subscriptions.value() == 0);
    // Another one is another question.
    ws.send_json({{"action", "subscribe"}, {"channel", "room"}});
    app.run();
  }
  SECTION("another channel was") {}
  app.app().decide(true);
  REQUIRE(ws.receive_json()["status"] == "subscribed");
}

TEST_CASE("what is taken while the broker is still being asked is not given") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann", {.last_seq = std::nullopt});
  auto held = hall.connect("ben");  // subscribed, and asking once more while the broker has not answered yet
  hall.world.in_room["ben"](true);
  held.send_json({{"action", "subscribe"}, {"channel", "room"}});
  ws.send_json({{"action", "subscribe"}, {"channel", "room"}});
  hall.app.host().run_once();  // read, and with the broker now
  hall.app.shard().unsubscribe_user("ann", "room");
  hall.app.shard().unsubscribe_user("ben", "room");
  hall.app.run();
  REQUIRE(ws.receive_json()["code"] == "subscribe.denied");
  REQUIRE(held.receive_json() == taken("room"));
  REQUIRE(held.receive_json()["code"] == "subscribe.denied");
  hall.app.shard(1).publish("room", "secret");
  REQUIRE(received(ws).empty());
  REQUIRE(received(held).empty());
  REQUIRE(hall.metric(&sb::HubMetrics::subscriptions) == 0);
}

TEST_CASE("whoever is just being let in is disconnected too") {
  Hall<> hall({.shards = 2});
  auto other = hall.connect("ann", {.shard = 1});
  auto socket = std::make_shared<sb::testing::TestSocket>();
  socket->to_server = upgrade_request("/ws?token=ann&last_seq=0");
  sb::testing::TestConnection<Room<>> ws(hall.app, socket, true, true);
  hall.app.host().accept(socket);
  hall.app.host().run_once();  // authenticated; the broker is to link the user
  hall.app.shard().disconnect_user("ann", sb::CloseCode::token_expired);
  hall.app.run();
  REQUIRE(ws.receive_json()["type"] == "welcome");  // in, so that it can be told to stay away
  REQUIRE(ws.receive_close().code == sb::CloseCode::token_expired);
  REQUIRE(other.receive_close().code == sb::CloseCode::token_expired);
  hall.require_empty();
  auto later = hall.connect("ann");
  hall.app.run();
  REQUIRE_FALSE(later.is_closed());
}
