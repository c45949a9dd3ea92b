// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;
using sb::testing::Refused;
using Ws = sb::testing::TestConnection<Room<>>;

namespace {

/// A server on one shard or two, where "back" is on the shard that does not hold the session.
struct Shards : Hall<> {
  explicit Shards(unsigned count) : Hall<>({.shards = count}), other(count - 1) {}
  Ws back(const Ws& ws, std::uint64_t last_seq, const std::string& token = "ann") {
    return connect(token, {.session = ws.session(), .last_seq = last_seq, .shard = other});
  }
  void publish(int from, int to) {
    for (int i = from; i <= to; ++i) REQUIRE_FALSE(app.shard(other).publish("news", i));
    app.run();
  }
  unsigned other;
};

void require_news(Ws& ws, int from, int to) {
  for (int i = from; i <= to; ++i)
    REQUIRE(ws.receive_json() == numbered(static_cast<std::uint64_t>(i), "news", i));
}

}  // namespace

TEST_CASE(
    "without last_seq a connection is plain: no welcome, no numbers, and a session in the URL is ignored") {
  Shards hall(GENERATE(1u, 2u));
  auto old = hall.connect("ann");
  auto ws = hall.connect("ann", {.session = old.session(), .last_seq = std::nullopt, .shard = hall.other});
  subscribe(ws, "news");
  hall.publish(1, 1);
  REQUIRE(ws.receive_json() == json{{"type", "message"}, {"channel", "news"}, {"data", 1}});
  REQUIRE_FALSE(old.is_closed());
  ws.cut();
  old.cut();
  hall.app.advance(2min);
  hall.require_empty();
}

TEST_CASE("a new session counts from 0, and what it cannot know it does not claim") {
  Shards hall(GENERATE(1u, 2u));
  const std::string unknown(32, 'a');
  REQUIRE(terms(hall.connect("ann", {.last_seq = 0}).welcome()) == terms(0, false, 0, 0));
  REQUIRE(terms(hall.connect("ann", {.last_seq = 7}).welcome()) == terms(0, false, 0, nullptr));
  for (const std::string& session :
       {unknown + "-0", unknown + "-1", unknown + "-7", unknown, std::string("x"), unknown + "-",
        unknown + "-4294967296", unknown + "-0x"}) {
    for (const std::uint64_t last_seq : {0u, 7u}) {
      const auto ws = hall.connect("ann", {.session = session, .last_seq = last_seq});
      REQUIRE(terms(ws.welcome()) == terms(0, false, 0, nullptr));
      REQUIRE(ws.session() != session);
    }
  }
}

TEST_CASE("the welcome tells the session and the heartbeat") {
  Hall<> hall({.heartbeat = {.interval = 25s, .timeout = 55s}});
  const auto ws = hall.connect("ann");
  REQUIRE(ws.welcome()["heartbeat"] == json{{"interval_ms", 25000}, {"timeout_ms", 55000}});
  REQUIRE(ws.session().size() == 34);
  REQUIRE(ws.session() != hall.connect("ann").session());
}

TEST_CASE("a malformed last_seq is refused, whatever the session") {
  Shards hall(GENERATE(1u, 2u));
  const auto ws = hall.connect("ann");
  for (const std::string form : {"", "-1", "+1", "%201", "1%20", "1.0", "0x1", "1e3", "abc",
                                 "00000000000000000", "9007199254740992", "99999999999999999999", "1,2"}) {
    CAPTURE(form);
    for (const std::string& session : {std::string(), "&session=" + ws.session()}) {
      try {
        hall.connect("ann",
                     {.last_seq = std::nullopt, .shard = hall.other, .query = "last_seq=" + form + session});
        FAIL("it was let in");
      } catch (const Refused& refused) {
        REQUIRE(refused.status == 400);
        REQUIRE(json::parse(refused.body)["error"] == "last_seq.invalid");
      }
    }
  }
  REQUIRE(terms(hall.connect("ann", {.last_seq = 9007199254740991}).welcome()) ==
          terms(0, false, 0, nullptr));
  auto zeros = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0000000000000000");
  REQUIRE(terms(zeros.receive_json()) == terms(0, false, 0, 0));
}

TEST_CASE("a client that has everything is resumed with nothing to replay") {
  Shards hall(GENERATE(1u, 2u));
  auto ws = hall.connect("ann");
  auto idle = hall.back(ws, 0);
  REQUIRE(terms(idle.welcome()) == terms(0, true, 0, 0));
  REQUIRE(idle.session() == ws.session());
  subscribe(idle, "news");
  hall.publish(1, 3);
  require_news(idle, 1, 3);
  idle.cut();
  auto back = hall.back(ws, 3);
  REQUIRE(terms(back.welcome()) == terms(3, true, 0, 0));
  REQUIRE(back.is_idle());
  hall.publish(4, 4);
  require_news(back, 4, 4);
}

TEST_CASE("what came while the client was away is replayed behind the welcome, then live traffic goes on") {
  Shards hall(GENERATE(1u, 2u));
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  hall.publish(1, 2);
  require_news(ws, 1, 1);
  ws.cut();
  hall.publish(3, 5);
  auto back = hall.back(ws, 1);
  hall.publish(6, 6);
  REQUIRE(terms(back.welcome()) == terms(5, true, 4, 0));
  require_news(back, 2, 6);
  back.cut();
  auto again = hall.back(ws, 0);
  REQUIRE(terms(again.welcome()) == terms(6, true, 6, 0));
  require_news(again, 1, 6);
  REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann", "suspend ann",
                                                                "resume ann 4/0 ok", "suspend ann",
                                                                "resume ann 6/0 ok"});
}

TEST_CASE("a gap larger than what was kept is told with its exact size, and the rest replayed") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards, .sessions = {.replay = 3}});
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  ws.cut();
  for (int i = 1; i <= 10; ++i) hall.app.shard(shards - 1).publish("news", i);
  hall.app.run();
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 2, .shard = shards - 1});
  REQUIRE(terms(back.welcome()) == terms(10, false, 3, 5));
  REQUIRE(back.session() == ws.session());
  require_news(back, 8, 10);
  hall.app.shard().publish("news", 11);  // still subscribed
  require_news(back, 11, 11);
  back.cut();
  back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(terms(back.welcome()) == terms(11, false, 3, 8));
  back.cut();
  back = hall.connect("ann", {.session = ws.session(), .last_seq = 8});
  REQUIRE(terms(back.welcome()) == terms(11, true, 3, 0));
  REQUIRE(hall.metric(&sb::HubMetrics::messages_missed) == 13);
}

TEST_CASE("a session expired, another user's or older than last_seq is unknown, and stays untouched") {
  Shards hall(GENERATE(1u, 2u));
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  hall.publish(1, 2);
  require_news(ws, 1, 2);
  SECTION("another user's") {
    auto thief = hall.back(ws, 1, "ben");
    REQUIRE(terms(thief.welcome()) == terms(0, false, 0, nullptr));
    REQUIRE(thief.session() != ws.session());
    thief = hall.back(ws, 1, "anonymous");
    REQUIRE(terms(thief.welcome()) == terms(0, false, 0, nullptr));
    hall.publish(3, 3);
    require_news(ws, 3, 3);
    REQUIRE(thief.is_idle());
  }
  SECTION("last_seq above its newest") {
    auto ahead = hall.back(ws, 3);
    REQUIRE(terms(ahead.welcome()) == terms(0, false, 0, nullptr));
    REQUIRE(ahead.session() != ws.session());
    hall.publish(3, 3);
    require_news(ws, 3, 3);
    REQUIRE(ahead.is_idle());
  }
  SECTION("expired") {
    ws.cut();
    hall.app.advance(2min);
    auto late = hall.back(ws, 2);
    REQUIRE(terms(late.welcome()) == terms(0, false, 0, nullptr));
    hall.publish(3, 3);
    REQUIRE(late.is_idle());
  }
}

TEST_CASE("a second socket takes the session over, and the first hears 4001") {
  Shards hall(GENERATE(1u, 2u));
  auto first = hall.connect("ann");
  subscribe(first, "news");
  hall.publish(1, 2);
  auto second = hall.back(first, 1);
  require_news(first, 1, 2);
  REQUIRE(first.receive_close().code == sb::CloseCode::replaced);
  REQUIRE(terms(second.welcome()) == terms(2, true, 1, 0));
  hall.publish(3, 3);
  require_news(second, 2, 3);
  first.send_json({{"action", "publish"}, {"channel", "news"}, {"data", "too late"}});
  REQUIRE(second.is_idle());
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_attached) == 1);
}

TEST_CASE("of two that resume a session at once the later wins") {
  Shards hall(GENERATE(1u, 2u));
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  ws.cut();
  hall.publish(1, 2);
  std::vector<Ws> both;
  for (int i = 0; i < 2; ++i) {
    auto socket = std::make_shared<sb::testing::TestSocket>();
    socket->to_server = upgrade_request("/ws?token=ann&last_seq=0&session=" + ws.session());
    both.emplace_back(hall.app, socket, true, true);
    hall.app.host(hall.other).accept(socket);
  }
  hall.app.run();
  REQUIRE(terms(both[1].receive_json()) == terms(2, true, 2, 0));
  require_news(both[1], 1, 2);
  const auto messages = received(both[0]);  // all, part, or nothing of its replay
  REQUIRE(both[0].receive_close().code == sb::CloseCode::replaced);
  hall.publish(3, 3);
  require_news(both[1], 3, 3);
}

TEST_CASE("a socket moves to its session's shard with its unread bytes and its user") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann");
  ws.cut();
  const auto frame = [](const std::string& text) {
    return encode(sb::testing::ClientFrame{.payload = text});
  };
  const std::string early = frame(R"({"action":"subscribe","channel":"news","id":1})") +
                            frame(R"({"action":"publish","channel":"news","data":"early","id":2})");
  auto back = connect_by_hand(hall.app, "/ws?token=ann:new&last_seq=0&session=" + ws.session(),
                              ~std::size_t{0}, 1, early);
  REQUIRE(terms(back.receive_json()) == terms(0, true, 0, 0));
  REQUIRE(back.receive_json() == json{{"status", "subscribed"}, {"channel", "news"}, {"id", 1}});
  REQUIRE(back.receive_json() == numbered(1, "news", "early"));
  REQUIRE(back.receive_json() == json{{"status", "published"}, {"channel", "news"}, {"id", 2}});
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_moved) == 1);
  REQUIRE(hall.app.metrics(0).connections.value() == 1);
  REQUIRE(hall.app.metrics(1).connections.value() == 0);
  REQUIRE(hall.world.take_journal().back() == "resume ann:new 0/0 ok");
}

TEST_CASE("a socket whose unread bytes had stopped its reading is read again where it has moved to") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann");
  ws.cut();
  std::string early;
  for (int i = 0; i < 2000; ++i)
    early += encode(sb::testing::ClientFrame{.payload = R"({"type":"ping","and":"so on and on"})"});
  auto back = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0&session=" + ws.session(), ~std::size_t{0},
                              1, early);
  REQUIRE(received(back).size() == 2001);
  back.send_json({{"type", "ping"}});
  REQUIRE(back.receive_json() == json{{"type", "pong"}});
}

TEST_CASE("text and binary are one sequence, an empty object is just its number, and answers have none") {
  Shards hall(GENERATE(1u, 2u));
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  ws.cut();
  hall.world.send["ann"]({{"a", 1}});
  hall.world.send_binary["ann"](7, "bytes");
  hall.world.send["ann"](json::object());
  const std::string_view published = "public";
  hall.app.shard(hall.other).publish_binary("news", 8, std::as_bytes(std::span(published)));
  hall.app.shard(hall.other).send_to_user("ann", {{"b", 2}});
  hall.app.run();
  auto back = hall.back(ws, 0);
  REQUIRE(terms(back.welcome()) == terms(5, true, 5, 0));
  REQUIRE(back.receive_text() == R"({"seq":1,"a":1})");
  auto binary = back.receive_binary();
  REQUIRE((binary.type == 7 && binary.seq == 2 && binary.payload == "bytes"));
  REQUIRE(back.receive_text() == R"({"seq":3})");
  binary = back.receive_binary();
  REQUIRE((binary.type == 8 && binary.seq == 4 && binary.payload == "public"));
  REQUIRE(back.receive_text() == R"({"seq":5,"b":2})");
  back.send_json({{"any", "thing"}, {"id", 1}});
  REQUIRE(back.receive_json() == json{{"status", "heard"}, {"id", 1}});
  REQUIRE(hall.world.send["ann"]({{"c", 3}}));
  REQUIRE(back.receive_text() == R"({"seq":6,"c":3})");
}

TEST_CASE("a client cut at any byte of its replay loses nothing and gets nothing twice") {
  Hall<> hall;
  auto first = hall.connect("ann");
  const std::string session = first.session();
  first.cut();
  hall.world.send["ann"]({{"text", "one"}});
  hall.world.send_binary["ann"](2, "two");
  hall.world.send["ann"]({{"text", std::string(130, '3')}});
  hall.world.send["ann"](json::object());
  const std::string target = "/ws?token=ann&session=" + session + "&last_seq=";
  const auto take = [](Ws& ws, std::uint64_t last_seq) {  // the number of the last whole message
    while (!ws.is_idle()) {
      const std::uint64_t before = last_seq;
      try {
        static_cast<void>(ws.receive_text());
      } catch (const std::runtime_error&) {
        static_cast<void>(ws.receive_binary());
      }
      last_seq = ws.last_seq();
      REQUIRE(last_seq == before + 1);
    }
    return last_seq;
  };
  bool is_whole = false;
  for (std::size_t bytes = 0; !is_whole; ++bytes) {
    CAPTURE(bytes);
    auto cut = connect_by_hand(hall.app, target + "0", bytes);
    const bool was_welcomed = !cut.is_idle();
    if (was_welcomed) REQUIRE(terms(cut.receive_json()) == terms(4, true, 4, 0));
    const std::uint64_t has = was_welcomed ? take(cut, 0) : 0;
    is_whole = has == 4;
    cut.cut();
    auto back = connect_by_hand(hall.app, target + std::to_string(has));
    REQUIRE(terms(back.receive_json()) == terms(4, true, 4 - has, 0));
    REQUIRE(take(back, has) == 4);
    back.cut();
  }
}
