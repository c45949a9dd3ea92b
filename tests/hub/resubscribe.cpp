// SPDX-License-Identifier: MIT
// A channel that is left and entered again while messages are under way: nothing is missing that was
// promised.
#include "session_apps.hpp"

using namespace session_apps;

TEST_CASE("no gap is told when a channel is left and entered again while others publish") {
  const int delay = GENERATE(0, 1, 2, 3, 4);
  const bool by_app = GENERATE(false, true);
  CAPTURE(delay, by_app);
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann");
  subscribe(ws, "room");
  int published = 0;
  auto& context = static_cast<asio::io_context&>(hall.app.shard().executor().context());
  const auto step = [&] {  // one turn of one shard's broker port
    context.restart();
    context.poll_one();
  };
  const auto publish = [&](int count) {
    for (int i = 0; i < count; ++i) hall.app.shard(1).publish("room", ++published);
  };
  const auto change = [&](bool enters) {
    if (by_app) {
      hall.world.in_room["ann"](enters);
    } else {
      ws.send_json({{"action", enters ? "subscribe" : "unsubscribe"}, {"channel", "room"}});
      hall.app.host().run_once();
    }
  };
  publish(3);
  hall.app.run();
  for (int round = 0; round < 20; ++round) {
    publish(3);
    change(false);
    for (int i = 0; i < delay; ++i) {
      step();
      publish(1);
    }
    publish(1);
    change(true);
    publish(1);
    for (int i = 0; i < round % 4; ++i) {
      step();
      publish(1);
    }
    hall.app.run();
  }
  publish(1);
  int last = 0;
  for (const json& message : received(ws)) {
    CAPTURE(message);
    REQUIRE(message.value("type", "message") == "message");
    if (!message.contains("data")) continue;
    REQUIRE(message["data"] > last);
    last = message["data"];
  }
  REQUIRE(last == published);
}
