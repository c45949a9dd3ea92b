// SPDX-License-Identifier: MIT
// A right that is taken away while its client is not there, or is just about to use it.
#include "session_apps.hpp"

using namespace session_apps;

namespace {

json denied(const std::string& channel) {
  return {{"status", "unsubscribed"}, {"channel", channel}, {"code", "subscribe.denied"}};
}
template <class Ws>
auto resume(Hall<>& hall, const Ws& ws, const std::string& token = "ann") {
  return hall.connect(token, {.session = ws.session(), .last_seq = ws.last_seq()});
}

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
