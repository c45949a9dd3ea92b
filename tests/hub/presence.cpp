// SPDX-License-Identifier: MIT
#include <random>

#include "hub/ask_presence.hpp"
#include "session_apps.hpp"

using namespace session_apps;
using sb::testing::ConnectOptions;
using Ws = sb::testing::TestConnection<Room<>>;

namespace {

const ConnectOptions plain{.last_seq = std::nullopt};
ConnectOptions plain_on(unsigned shard) {
  return {.last_seq = std::nullopt, .shard = shard};
}

/// A watcher, "wat", on the first shard, and the others where a test puts them.
struct Watched : Hall<> {
  explicit Watched(unsigned shards, sb::testing::TestOptions<Room<>> options = {})
      : Hall<>([&] {
          options.shards = shards;
          return options;
        }()),
        watcher(connect("wat", plain)) {
    subscribe(watcher, "room", true);
  }
  Ws enter(const std::string& token, const ConnectOptions& options = plain) {
    auto ws = connect(token, options);
    subscribe(ws, "room");
    return ws;
  }
  std::vector<std::string> users() {
    watcher.send_json({{"action", "presence"}, {"channel", "room"}, {"id", "who"}});
    while (true) {
      const json answer = watcher.receive_json();
      if (answer.value("status", "") != "presence") {
        notices.push_back(answer);
        continue;
      }
      REQUIRE(answer["id"] == "who");
      REQUIRE(answer["count"] == answer["users"].size());
      std::vector<std::string> names;
      for (const json& user : answer["users"]) names.push_back(user["user"]);
      return names;
    }
  }
  /// The joins and leaves told since the last call, as "+ann -ben".
  std::string told() {
    for (json& message : received(watcher)) notices.push_back(std::move(message));
    std::string text;
    for (const json& notice : std::exchange(notices, {})) {
      REQUIRE(notice["channel"] == "room");
      text += (text.empty() ? "" : " ") + std::string(notice["type"] == "join" ? "+" : "-") +
              notice["user"].get<std::string>();
    }
    return text;
  }
  std::vector<json> notices;
  Ws watcher;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("presence lists a user once, over all its connections and shards") {
  Watched hall(GENERATE(1u, 2u, 3u));
  const unsigned last = hall.app.shard_count() - 1;
  auto a = hall.enter("ann"), b = hall.enter("ann", plain_on(last)),
       c = hall.enter("ann", {.shard = last / 2});
  auto d = hall.enter("ben", plain_on(last));
  REQUIRE(hall.users() == Names{"ann", "ben", "wat"});
  REQUIRE(hall.told() == "+ann +ben");
  for (Ws* ws : {&a, &b, &c}) {
    REQUIRE(hall.told().empty());
    ws->close();
  }
  REQUIRE(hall.told() == "-ann");
  REQUIRE(hall.users() == Names{"ben", "wat"});
}

TEST_CASE("join and leave reach those who asked for them, and nobody his own") {
  Watched hall(GENERATE(1u, 2u));
  const unsigned last = hall.app.shard_count() - 1;
  auto deaf = hall.enter("deaf", plain_on(last));
  auto first = hall.connect("ann", plain_on(last));
  subscribe(first, "room", true);
  auto second = hall.connect("ann", plain);
  subscribe(second, "room", true);
  REQUIRE(hall.told() == "+deaf +ann");
  REQUIRE(first.is_idle());
  REQUIRE(second.is_idle());
  auto late = hall.enter("ben");
  REQUIRE(first.receive_json() == json{{"type", "join"}, {"channel", "room"}, {"user", "ben"}});
  late.close();
  REQUIRE(first.receive_json() == json{{"type", "leave"}, {"channel", "room"}, {"user", "ben"}});
  REQUIRE(received(second).size() == 2);
  REQUIRE(deaf.is_idle());
  deaf.send_json({{"action", "subscribe"}, {"channel", "room"}, {"presence", true}});  // asked later
  REQUIRE(deaf.receive_json()["status"] == "subscribed");
  late = hall.enter("ben");
  REQUIRE(deaf.receive_json()["type"] == "join");
  deaf.send_json({{"action", "unsubscribe"}, {"channel", "room"}});
  REQUIRE(deaf.receive_json()["status"] == "unsubscribed");
  late.close();
  REQUIRE(deaf.is_idle());
}

TEST_CASE("a stateful watcher's joins and leaves are numbered and replayed") {
  Watched hall(2);
  auto ws = hall.connect("ann");
  subscribe(ws, "room", true);
  ws.cut();
  hall.enter("ben", plain_on(1)).close();
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(back.receive_json() == json{{"seq", 1}, {"type", "join"}, {"channel", "room"}, {"user", "ben"}});
  REQUIRE(back.receive_json() == json{{"seq", 2}, {"type", "leave"}, {"channel", "room"}, {"user", "ben"}});
}

TEST_CASE("a user leaves at once by unsubscribing, by a Close frame, and when it is told to go") {
  Watched hall(GENERATE(1u, 2u));
  const unsigned last = hall.app.shard_count() - 1;
  auto ws = hall.enter("ann", GENERATE(true, false) ? plain_on(hall.app.shard_count() - 1)
                                                    : ConnectOptions{.shard = hall.app.shard_count() - 1});
  REQUIRE(hall.told() == "+ann");
  const int how = GENERATE(range(0, 6));
  CAPTURE(how);
  if (how == 0) ws.send_json({{"action", "unsubscribe"}, {"channel", "room"}});
  if (how == 1) ws.close();
  if (how == 2) ws.close(static_cast<sb::CloseCode>(4999));
  if (how == 3) hall.app.shard().disconnect_user("ann");
  if (how == 4) hall.app.shard().unsubscribe_user("ann", "room");
  if (how == 5) hall.world.close["ann"](sb::CloseCode::normal);
  REQUIRE(hall.told() == "-ann");
  REQUIRE(hall.users() == Names{"wat"});
  REQUIRE(last < 2);
}

TEST_CASE("a user who was cut off leaves when the grace time is over, to the moment") {
  const auto grace = GENERATE(10s, 25s);
  Watched hall(GENERATE(1u, 2u), {.sessions = {.presence_grace = grace}});
  auto ws =
      hall.enter("ann", {.last_seq = GENERATE(true, false) ? std::optional<std::uint64_t>(0) : std::nullopt,
                         .shard = hall.app.shard_count() - 1});
  REQUIRE(hall.told() == "+ann");
  ws.cut();
  hall.app.advance(grace - 1ns);
  REQUIRE(hall.told().empty());
  REQUIRE(hall.users() == Names{"ann", "wat"});
  hall.app.advance(1ns);
  REQUIRE(hall.told() == "-ann");
  REQUIRE(hall.users() == Names{"wat"});
  hall.app.advance(5min);
  REQUIRE(hall.told().empty());
}

TEST_CASE(
    "without a grace time a cut is a leave, and a session that expires within it stays listed till its end") {
  {
    Watched hall(1, {.sessions = {.presence_grace = 0s}});
    hall.enter("ann").cut();
    REQUIRE(hall.told() == "+ann -ann");
  }
  Watched hall(1, {.sessions = {.time_to_live = 3s}});
  hall.enter("ann", {}).cut();
  hall.app.advance(10s - 1ns);
  REQUIRE(hall.told() == "+ann");
  hall.app.advance(1ns);
  REQUIRE(hall.told() == "-ann");
}

TEST_CASE("nobody hears of a user who is back within the grace time") {
  Watched hall(GENERATE(1u, 2u));
  const unsigned last = hall.app.shard_count() - 1;
  auto ws = hall.enter("ann", {.shard = last});
  REQUIRE(hall.told() == "+ann");
  ws.cut();
  hall.app.advance(9s);
  Ws back = GENERATE(true, false) ? hall.connect("ann", {.session = ws.session(), .last_seq = 0})
                                  : hall.enter("ann", plain);
  hall.app.advance(1min);
  REQUIRE(hall.told().empty());
  REQUIRE(hall.users() == Names{"ann", "wat"});
  back.close();
  REQUIRE(hall.told() == "-ann");
}

TEST_CASE("a user who is back later joins anew") {
  Watched hall(GENERATE(1u, 2u));
  auto ws = hall.enter("ann", {.shard = hall.app.shard_count() - 1});
  const bool was_cut = GENERATE(true, false);
  if (was_cut)
    ws.cut();
  else
    ws.close();
  hall.app.advance(11s);
  REQUIRE(hall.told() == "+ann -ann");
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(hall.told() == "+ann");
  back.close();
  REQUIRE(hall.told() == "-ann");
}

TEST_CASE("a connection that the server closed with 1002, 1007, 1009, 1013 or 4002 counts as cut") {
  Watched hall(1, {.queue = {.max_bytes = 1000}, .limits = {.max_message_bytes = 1000}});
  auto ws = hall.enter("ann", GENERATE(true, false) ? plain : ConnectOptions{});
  const int code = GENERATE(1002, 1007, 1009, 1013, 4002);
  CAPTURE(code);
  if (code == 1002) ws.send_frame({.payload = "{}", .masked = false});
  if (code == 1007) ws.send_text("\xff");
  if (code == 1009) ws.send_text(std::string(1001, 'x'));
  if (code == 1013 || code == 4002) ws.stop_reading();
  if (code == 1013)
    for (int i = 0; i < 3; ++i) hall.app.shard().send_to_user("ann", {{"text", std::string(600, 'x')}});
  if (code == 4002) hall.app.advance(60s);
  hall.app.run();
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  ws.resume_reading();
  REQUIRE(static_cast<int>(ws.receive_close().code) == code);
  REQUIRE(hall.told() == "+ann");
  hall.app.advance(10s - 1ns);
  REQUIRE(hall.told().empty());
  hall.app.advance(1ns);
  REQUIRE(hall.told() == "-ann");
}

TEST_CASE("a user with two connections leaves with the last, by the way that one goes") {
  Watched hall(1);
  auto first = hall.enter("ann"), second = hall.enter("ann", {});
  REQUIRE(hall.told() == "+ann");
  SECTION("closed after a cut within the grace time: the cut one may yet come back") {
    first.cut();
    hall.app.advance(4s);
    second.close();
    REQUIRE(hall.told().empty());
    hall.app.advance(6s - 1ns);
    REQUIRE(hall.told().empty());
    hall.app.advance(1ns);
    REQUIRE(hall.told() == "-ann");
  }
  SECTION("closed after a cut whose grace time is over") {
    first.cut();
    hall.app.advance(40s);
    REQUIRE(hall.told().empty());
    second.close();
    REQUIRE(hall.told() == "-ann");
  }
  SECTION("cut after a close") {
    first.close();
    second.cut();
    hall.app.advance(10s - 1ns);
    REQUIRE(hall.told().empty());
    hall.app.advance(1ns);
    REQUIRE(hall.told() == "-ann");
  }
  SECTION("cut and cut: the grace time is the later one's") {
    first.cut();
    hall.app.advance(4s);
    second.cut();
    hall.app.advance(10s - 1ns);
    REQUIRE(hall.told().empty());
    hall.app.advance(1ns);
    REQUIRE(hall.told() == "-ann");
  }
}

TEST_CASE("a parked session that is destroyed within the grace time is gone at once") {
  Watched hall(2);
  auto ws = hall.enter("ann", {.shard = 1});
  ws.cut();
  hall.app.shard().disconnect_user("ann");
  REQUIRE(hall.told() == "+ann -ann");
}

TEST_CASE("presence needs a subscription") {
  Watched hall(1);
  auto ws = hall.connect("ann", plain);
  ws.send_json({{"action", "presence"}, {"channel", "room"}, {"id", 4}});
  json error = ws.receive_json();
  error.erase("message");
  REQUIRE(error == json{{"type", "error"}, {"code", "presence.denied"}, {"id", 4}});
}

TEST_CASE("presence_info stands beside the user, in the list and in its join") {
  Watched hall(GENERATE(1u, 2u));
  auto ws = hall.enter("ann:blue", plain_on(hall.app.shard_count() - 1));
  REQUIRE(hall.watcher.receive_json() ==
          json{{"type", "join"}, {"channel", "room"}, {"user", "ann"}, {"info", {{"token", "ann:blue"}}}});
  hall.watcher.send_json({{"action", "presence"}, {"channel", "room"}});
  REQUIRE(hall.watcher.receive_json()["users"][0] ==
          json{{"user", "ann"}, {"info", {{"token", "ann:blue"}}}});
}

TEST_CASE("a presence_info that throws is no info, and the user is present all the same") {
  Watched hall(GENERATE(1u, 2u));
  auto ws = hall.enter("ann:throws", plain_on(hall.app.shard_count() - 1));
  REQUIRE(hall.metric(&sb::HubMetrics::handler_exceptions) == 1);
  REQUIRE(hall.watcher.receive_json() == json{{"type", "join"}, {"channel", "room"}, {"user", "ann"}});
  hall.watcher.send_json({{"action", "presence"}, {"channel", "room"}});
  REQUIRE(hall.watcher.receive_json()["users"] == json{{{"user", "ann"}}, {{"user", "wat"}}});
  ws.close();
  REQUIRE(hall.told() == "-ann");
}

TEST_CASE("anonymous users are not listed, and come and go unnoticed") {
  Watched hall(2);
  auto ws = hall.enter("anonymous", plain_on(1));
  REQUIRE(hall.users() == Names{"wat"});
  ws.send_json({{"action", "presence"}, {"channel", "room"}});
  REQUIRE(ws.receive_json()["count"] == 1);
  ws.close();
  REQUIRE(hall.told().empty());
}

TEST_CASE("a notice that an older one overtakes is not undone by it") {
  Watched hall(3);
  auto on_two = hall.connect("ann:two", plain_on(2)), on_one = hall.connect("ann:one", plain_on(1));
  // Three changes in a row; the first shard hears of the last of them first.
  REQUIRE(hall.world.in_room["ann:two"](true));
  REQUIRE(hall.world.in_room["ann:two"](false));
  REQUIRE(hall.world.in_room["ann:one"](true));
  REQUIRE(hall.told() == "+ann");
  REQUIRE(hall.users() == Names{"ann", "wat"});
}

TEST_CASE("whatever comes and goes at once, what was told ends as what is listed") {
  const unsigned shards = GENERATE(1u, 2u, 3u);
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(shards, seed);
    std::minstd_rand generator(seed + 1);
    const auto random = [&](unsigned below) { return static_cast<unsigned>(generator() >> 8) % below; };
    Watched hall(shards);
    std::set<std::string> present;
    std::vector<std::optional<Ws>> clients(9);
    for (int step = 0; step < 30; ++step) {
      for (unsigned burst = random(4); burst-- > 0;) {  // without anything being delivered in between
        auto& client = clients[random(9)];
        if (!client) {
          client =
              hall.connect("u" + std::to_string((&client - clients.data()) / 3), plain_on(random(shards)));
        } else if (const unsigned what = random(8); what < 5) {
          client->send_json({{"action", what < 3 ? "subscribe" : "unsubscribe"}, {"channel", "room"}});
        } else {
          if (what < 7) client->send_bytes(sb::testing::encode_close(sb::CloseCode::normal));
          client.reset();  // a cut
        }
      }
      if (random(3) == 0) hall.app.advance(std::chrono::seconds(random(12)));
    }
    hall.app.advance(10s);
    const auto listed = hall.users();
    for (std::string word; const char c : hall.told() + " ") {
      if (c != ' ') {
        word += c;
      } else if (!word.empty()) {
        if (word[0] == '+')
          present.insert(word.substr(1));
        else
          present.erase(word.substr(1));
        word.clear();
      }
    }
    present.insert("wat");
    REQUIRE(listed == Names(present.begin(), present.end()));
  }
}

TEST_CASE("an App asks its shard who is in a channel, on all shards, until that has ended") {
  Watched hall(2);
  auto ann = hall.enter("ann"), ben = hall.enter("ben", plain_on(1));
  const sb::Presence presence = ask_presence(hall.app, "room");
  CHECK_FALSE(presence.error);
  Names names;
  for (const sb::PresenceEntry& entry : presence.users) names.push_back(entry.user);
  CHECK(names == Names{"ann", "ben", "wat"});
  hall.app.shut_down();
  CHECK(ask_presence(hall.app, "room").error == sb::errc::stopped);
}
