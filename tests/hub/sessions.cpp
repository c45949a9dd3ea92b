// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;
using Ws = sb::testing::TestConnection<Room<>>;
using Metrics = sb::HubMetrics;

namespace {
bool is_there(Hall<>& hall, const std::string& session) {  // asks without touching it
  auto ws = hall.connect("ann", {.session = session, .last_seq = 0});
  const bool found = ws.session() == session;
  ws.cut();
  return found;
}
}  // namespace

TEST_CASE("a parked session lives for exactly its time to live") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards, .sessions = {.time_to_live = 90s}});
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  hall.app.advance(1h);  // as long as it has a socket nothing ends it
  ws.cut();
  SECTION("a moment before it is there, and its time begins anew") {
    hall.app.advance(90s - 1ns);
    auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0, .shard = shards - 1});
    REQUIRE(back.session() == ws.session());
    hall.app.advance(2min);
    back.cut();
    hall.app.advance(90s - 1ns);
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 1);
    hall.app.advance(1ns);
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 0);
  }
  SECTION("at the moment it is gone") {
    hall.app.advance(90s);
    REQUIRE(hall.metric(&Metrics::sessions_expired) == 1);
    REQUIRE_FALSE(is_there(hall, ws.session()));
  }
  hall.app.advance(2min);
  hall.require_empty();
}

TEST_CASE("unless set, a parked session expires after two minutes, not before") {
  Hall<> hall;
  auto ws = hall.connect("ann");
  ws.cut();
  hall.app.advance(2min - 1ns);
  REQUIRE(hall.metric(&Metrics::sessions_parked) == 1);
  hall.app.advance(1ns);
  REQUIRE(hall.metric(&Metrics::sessions_expired) == 1);
  hall.require_empty();
}

TEST_CASE("with no time to live a session ends with its socket") {
  Hall<> hall({.sessions = {.time_to_live = 0s}});
  auto ws = hall.connect("ann");
  ws.cut();
  REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann", "close ann 1006"});
  hall.require_empty();
}

TEST_CASE("a user has at most 16 parked sessions, and the longest parked goes first") {
  Hall<> hall;
  std::vector<std::string> sessions;
  for (int i = 0; i < 18; ++i) {
    auto ws = hall.connect("ann");
    sessions.push_back(ws.session());
    ws.cut();
    if (i % 2 == 1) hall.app.advance(1s);  // two at each moment
  }
  hall.connect("ben").cut();
  auto attached = hall.connect("ann");  // does not count
  REQUIRE(hall.metric(&Metrics::sessions_parked) == 17);
  REQUIRE(hall.metric(&Metrics::sessions_evicted) == 2);
  for (std::size_t i = 18; i-- > 0;) REQUIRE(is_there(hall, sessions[i]) == (i >= 2));
}

TEST_CASE("with several shards the bound per user holds for each, and the others for a shard's own share") {
  Hall<> hall({.shards = 2, .sessions = {.per_user = 2, .max_sessions = 8}});
  const auto park = [&](const std::string& user, unsigned shard, int count) {
    for (int i = 0; i < count; ++i) hall.connect(user, {.shard = shard}).cut();
  };
  park("ann", 0, 3);
  park("ann", 1, 3);
  REQUIRE(hall.app.metrics(0).sessions_parked.value() == 2);
  REQUIRE(hall.app.metrics(1).sessions_parked.value() == 2);
  park("anonymous", 0, 4);
  REQUIRE(hall.app.metrics(0).sessions_parked.value() == 4);  // of 8, although the other has room
  REQUIRE(hall.app.metrics(1).sessions_parked.value() == 2);
  REQUIRE(hall.app.metrics(0).sessions_evicted.value() == 3);
  REQUIRE(hall.app.metrics(1).sessions_evicted.value() == 1);
}

TEST_CASE("anonymous sessions have no common bound per user") {
  Hall<> hall;
  for (int i = 0; i < 20; ++i) hall.connect("anonymous").cut();
  hall.app.run();
  REQUIRE(hall.metric(&Metrics::sessions_parked) == 20);
}

TEST_CASE("parked logs have a bound in bytes, and the longest parked session goes first") {
  Hall<> hall({.sessions = {.parked_bytes = 13'000}});  // 1 KiB for each session itself
  std::vector<std::string> sessions;
  const auto park = [&](const std::string& user, std::size_t bytes) {
    auto ws = hall.connect(user);
    sessions.push_back(ws.session());
    hall.world.send[user]({{"text", std::string(bytes, 'x')}});
    ws.cut();
  };
  park("ann", 3'000);
  park("ben", 3'000);
  park("cat", 3'000);
  REQUIRE(hall.metric(&Metrics::sessions_parked) == 3);
  REQUIRE(hall.metric(&Metrics::parked_bytes) > 12'000);
  SECTION("when another parks") {
    park("dan", 3'000);
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 3);
    REQUIRE(hall.metric(&Metrics::sessions_evicted) == 1);
    REQUIRE(hall.world.journal.back() == "suspend dan");
    REQUIRE_FALSE(is_there(hall, sessions[0]));
  }
  SECTION("when messages come for one") {
    hall.app.shard().send_to_user("ben", {{"text", std::string(3'000, 'y')}});
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 2);
    REQUIRE_FALSE(is_there(hall, sessions[0]));
  }
  SECTION("when the App sends to one") {
    hall.world.send["ben"]({{"text", std::string(3'000, 'y')}});
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 2);
    REQUIRE_FALSE(is_there(hall, sessions[0]));
  }
  SECTION("when one alone is over it") {
    park("dan", 13'000);
    REQUIRE(hall.metric(&Metrics::sessions_parked) == 0);
    hall.require_empty();
  }
  SECTION("what is resumed no longer counts") {
    auto back = hall.connect("ann", {.session = sessions[0], .last_seq = 0});
    REQUIRE(hall.metric(&Metrics::parked_bytes) < 8'300);
    park("dan", 3'000);
    REQUIRE(hall.metric(&Metrics::sessions_evicted) == 0);
  }
  REQUIRE(hall.metric(&Metrics::parked_bytes) <= 13'000);
}

TEST_CASE("a parked session counts, and each of its subscriptions, even if nothing was ever sent") {
  Hall<> hall({.sessions = {.parked_bytes = 100'000}});
  std::vector<std::string> sessions;
  for (int i = 0; i < 200; ++i) {
    auto ws = hall.connect("anonymous");
    sessions.push_back(ws.session());
    ws.cut();
  }
  const std::uint64_t parked = hall.metric(&Metrics::sessions_parked);
  REQUIRE(parked < 100);
  REQUIRE(parked > 50);
  REQUIRE(hall.metric(&Metrics::sessions_evicted) == 200 - parked);
  auto ws = hall.connect("anonymous");
  for (int i = 0; i < 50; ++i) subscribe(ws, std::to_string(i) + std::string(190, 'c'));
  ws.cut();
  REQUIRE(hall.metric(&Metrics::sessions_parked) < parked - 40);  // about 1 KiB for each
  hall.app.advance(3min);
  hall.require_empty();
}

TEST_CASE("what a parked session is taken off no longer counts") {
  Hall<> hall;
  auto ws = hall.connect("ann");
  hall.connect("ben").cut();
  const std::uint64_t bare = hall.metric(&Metrics::parked_bytes);
  ws.cut();
  REQUIRE(hall.metric(&Metrics::parked_bytes) == 2 * bare);
  hall.world.in_room["ann"](true);
  REQUIRE(hall.metric(&Metrics::parked_bytes) > 2 * bare);
  hall.world.in_room["ann"](false);
  REQUIRE(hall.metric(&Metrics::parked_bytes) == 2 * bare);
}

TEST_CASE("there are at most so many parked sessions, and the longest parked goes first") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards, .sessions = {.max_sessions = 4}});
  std::vector<std::string> sessions;
  for (int i = 0; i < 6; ++i) {
    auto ws = hall.connect("anonymous", {.shard = shards - 1});
    sessions.push_back(ws.session());
    ws.cut();
  }
  const std::uint64_t kept = 4 / shards;
  REQUIRE(hall.metric(&Metrics::sessions_parked) == kept);
  REQUIRE(hall.metric(&Metrics::sessions_evicted) == 6 - kept);
  auto oldest = hall.connect("anonymous", {.session = sessions[6 - kept], .last_seq = 0});
  REQUIRE(oldest.session() == sessions[6 - kept]);
}

TEST_CASE("a client that comes back again and again and reads nothing makes its log no larger") {
  const bool is_cut = GENERATE(true, false);  // or one socket takes over from the other
  CAPTURE(is_cut);
  Hall<> hall({.sessions = {.replay = 10}});
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  const std::string session = ws.session();
  ws.cut();
  for (int cycle = 0; cycle < 10; ++cycle) {
    auto deaf = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0&session=" + session, 300);
    for (int i = 0; i < 50; ++i) hall.app.shard().publish("news", std::string(1'000, 'x'));
    hall.app.run();
    REQUIRE(hall.metric(&Metrics::sessions_attached) == 1);
    if (is_cut) deaf.cut();
    REQUIRE(hall.metric(&Metrics::parked_bytes) < 75'000);
  }
  auto back = hall.connect("ann", {.session = session, .last_seq = 0});
  REQUIRE(back.session() == session);
  REQUIRE(back.welcome()["replayed"] == 60);  // ten, and the fifty that were unwritten
}

TEST_CASE("the bound on parked bytes is shared by the shards") {
  Hall<> hall({.shards = 2, .sessions = {.parked_bytes = 12'000}});
  for (const std::string user : {"ann", "ben"}) {
    auto ws = hall.connect(user, {.shard = 1});
    hall.world.send[user]({{"text", std::string(3'000, 'x')}});
    ws.cut();
  }
  REQUIRE(hall.metric(&Metrics::sessions_parked) == 1);
}

TEST_CASE("the App is told of a session's whole life, and of a plain connection's") {
  Hall<> hall;
  SECTION("a session that is cut, resumed, closed and expires") {
    auto ws = hall.connect("ann:one");
    ws.cut();
    hall.world.send["ann"]({{"n", 1}});
    ws = hall.connect("ann:two", {.session = ws.session(), .last_seq = 0});
    ws.close();
    hall.app.advance(2min);
    REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann:one", "suspend ann:one",
                                                                  "resume ann:two 1/0 ok", "suspend ann:two",
                                                                  "close ann:two 1006"});
  }
  SECTION("a session that is taken over") {
    auto ws = hall.connect("ann:one");
    auto other = hall.connect("ann:two", {.session = ws.session(), .last_seq = 0});
    REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann:one", "resume ann:two 0/0 ok"});
  }
  SECTION("a session that the App closes, attached or parked") {
    auto ws = hall.connect("ann");
    if (GENERATE(false, true)) ws.cut();
    hall.world.take_journal();
    REQUIRE(hall.world.close["ann"](static_cast<sb::CloseCode>(4401)));
    REQUIRE_FALSE(hall.world.close["ann"](sb::CloseCode::normal));
    REQUIRE(hall.world.take_journal() == std::vector<std::string>{"close ann 4401"});
  }
  SECTION("a plain connection that closes, or is cut") {
    auto ws = hall.connect("ann", {.last_seq = std::nullopt});
    ws.close(static_cast<sb::CloseCode>(4123));
    REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann", "close ann 4123 clean"});
    hall.connect("ann", {.last_seq = std::nullopt}).cut();
    REQUIRE(hall.world.take_journal() == std::vector<std::string>{"open ann", "close ann 1006"});
  }
  SECTION("a session evicted") {
    for (int i = 0; i < 17; ++i) hall.connect("ann:" + std::to_string(i)).cut();
    const auto journal = hall.world.take_journal();
    REQUIRE(journal[journal.size() - 2] == "close ann:0 1006");
    REQUIRE(journal.back() == "suspend ann:16");
  }
}

TEST_CASE("a session keeps its State, and each has its own") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards});
  auto ws = hall.connect("ann");
  const auto first = hall.world.count["ann"];
  REQUIRE(first() == 1);
  ws.cut();
  REQUIRE(first() == 2);
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0, .shard = shards - 1});
  REQUIRE(first() == 3);
  auto other = hall.connect("ann");
  REQUIRE(hall.world.count["ann"]() == 1);
  REQUIRE(first() == 4);
  back.cut();
  hall.app.advance(2min);
  REQUIRE_THROWS_AS(first(), std::logic_error);
}

TEST_CASE("a connection handle names its session through cuts, and nothing after its end") {
  Hall<> hall;
  auto ws = hall.connect("ann");
  const auto send = hall.world.send["ann"];
  ws.cut();
  REQUIRE(send({{"n", 1}}));
  ws = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(send({{"n", 2}}));
  REQUIRE(ws.receive_json() == json{{"seq", 1}, {"n", 1}});
  REQUIRE(ws.receive_json() == json{{"seq", 2}, {"n", 2}});
  ws.cut();
  hall.app.advance(2min);
  auto other = hall.connect("ann");  // in the same slot
  REQUIRE_FALSE(send({{"n", 3}}));
  REQUIRE(other.is_idle());
}

TEST_CASE("the counters of sessions and connections are right at every step and 0 in the end") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards});
  const auto require = [&](std::uint64_t connections, std::uint64_t attached, std::uint64_t parked,
                           std::uint64_t subscriptions) {
    hall.app.run();
    REQUIRE(hall.metric(&Metrics::connections) == connections);
    REQUIRE(hall.metric(&Metrics::sessions_attached) == attached);
    REQUIRE(hall.metric(&Metrics::sessions_parked) == parked);
    REQUIRE(hall.metric(&Metrics::subscriptions) == subscriptions);
    REQUIRE((hall.metric(&Metrics::parked_bytes) > 0) == (parked > 0));
  };
  auto plain = hall.connect("ann", {.last_seq = std::nullopt});
  subscribe(plain, "news");
  require(1, 0, 0, 1);
  auto session = hall.connect("ann");
  subscribe(session, "news");
  subscribe(session, "more");
  require(2, 1, 0, 3);
  hall.world.send["ann"]({{"n", 1}});
  session.cut();
  require(1, 0, 1, 3);
  plain.close();
  require(0, 0, 1, 2);
  auto back = hall.connect("ann", {.session = session.session(), .last_seq = 0, .shard = shards - 1});
  require(1, 1, 0, 2);
  auto thief = hall.connect("ann", {.session = session.session(), .last_seq = 0, .shard = shards - 1});
  require(1, 1, 0, 2);
  back.cut();
  thief.close();
  require(0, 0, 1, 2);
  hall.app.advance(2min);
  require(0, 0, 0, 0);
  hall.require_empty();
  REQUIRE(hall.metric(&Metrics::sessions_created) == 1);
  REQUIRE(hall.metric(&Metrics::sessions_resumed) == 2);
  REQUIRE(hall.metric(&Metrics::sessions_moved) == (shards - 1) * 2);
  REQUIRE(hall.metric(&Metrics::sessions_expired) == 1);
}
