// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;

namespace {

using SlowRoom = Room<sb::JsonHeartbeat, true>;

json dropped(const std::string& channel) {
  return {{"status", "unsubscribed"}, {"channel", channel}, {"code", "subscribe.denied"}};
}

struct Open {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};

template <class App>
void refuses_a_kept_channel() {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<App> hall({.shards = shards});
  auto watcher = hall.connect("ben", {.last_seq = std::nullopt});
  subscribe(watcher, "secret", true);
  auto ws = hall.connect("ann");
  subscribe(ws, "news");
  subscribe(ws, "secret");
  REQUIRE(watcher.receive_json()["type"] == "join");
  const auto presence_seconds = GENERATE(0, 30);  // within the grace time, and after it
  ws.cut();
  hall.app.advance(std::chrono::seconds(presence_seconds));
  hall.world.refused = {"secret"};
  auto back = hall.connect("ann:demoted", {.session = ws.session(), .last_seq = 0, .shard = shards - 1});
  REQUIRE(terms(back.welcome()) == terms(0, true, 0, 0));
  REQUIRE(back.receive_json() == dropped("secret"));
  hall.app.shard().publish("secret", 1);
  hall.app.shard().publish("news", 2);
  REQUIRE(back.receive_json() == numbered(1, "news", 2));
  REQUIRE(back.is_idle());
  // Nobody sees it come back to where it may not be.
  REQUIRE(watcher.receive_json()["type"] == "leave");
  REQUIRE(watcher.receive_json()["data"] == 1);
  REQUIRE(watcher.is_idle());
  back.send_json({{"action", "unsubscribe"}, {"channel", "news"}});
  REQUIRE(back.receive_json()["status"] == "unsubscribed");
  REQUIRE(hall.metric(&sb::HubMetrics::subscriptions) == 1);
}

}  // namespace

TEST_CASE("a kept channel that may_subscribe now refuses is dropped, and the client told") {
  refuses_a_kept_channel<Room<>>();
}

TEST_CASE("a kept channel that an awaitable may_subscribe now refuses is dropped, and the client told") {
  refuses_a_kept_channel<SlowRoom>();
}

TEST_CASE("the user that resumes a session replaces the one it had") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann:old");
  subscribe(ws, "news");
  auto asker = hall.connect("ben", {.last_seq = std::nullopt});
  subscribe(asker, "news");
  ws.cut();
  hall.app.advance(30s);  // past the grace time, so that presence asks anew
  hall.world.refused_to = {"ann:old"};
  auto back = hall.connect("ann:new", {.session = ws.session(), .last_seq = 0, .shard = 1});
  REQUIRE(back.is_idle());
  asker.send_json({{"action", "presence"}, {"channel", "news"}});
  REQUIRE(asker.receive_json()["users"] ==
          json{{{"user", "ann"}, {"info", {{"token", "ann:new"}}}}, {{"user", "ben"}}});
  subscribe(back, "more");
  REQUIRE(hall.world.take_journal().back() == "resume ann:new 0/0 ok");
}

TEST_CASE("a publish sent again after a cut is answered again and delivered once") {
  const unsigned shards = GENERATE(1u, 2u);
  Hall<> hall({.shards = shards});
  auto listener = hall.connect("ben", {.last_seq = std::nullopt});
  subscribe(listener, "news");
  auto ws = hall.connect("ann");
  const auto publish = [](auto& from, const json& id, int data) {
    from.send_json({{"action", "publish"}, {"channel", "news"}, {"data", data}, {"id", id}});
    const json answer = from.receive_json();
    REQUIRE(answer == json{{"status", "published"}, {"channel", "news"}, {"id", id}});
  };
  for (int i = 0; i < 101; ++i) publish(ws, i, i);
  REQUIRE(received(listener).size() == 101);
  ws.cut();
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0, .shard = shards - 1});
  publish(back, 100, 100);
  publish(back, 1, 1);
  REQUIRE(listener.is_idle());
  publish(back, 0, 0);     // the 101st oldest: forgotten
  publish(back, "1", 11);  // another id than the number
  REQUIRE(received(listener).size() == 2);
  auto other = hall.connect("ann");  // ids are a session's own
  publish(other, 100, 5);
  REQUIRE(listener.receive_json()["data"] == 5);
}

TEST_CASE("an acknowledged message is let go of") {
  Hall<> hall({.sessions = {.replay = 10}});
  auto ws = hall.connect("ann");
  for (int i = 1; i <= 5; ++i) hall.world.send["ann"]({{"n", i}});
  REQUIRE(received(ws).size() == 5);
  ws.send_text(R"({"type":"pong","seq":3})");
  for (const auto* nonsense :
       {R"({"type":"pong","seq":-1})", R"({"type":"pong","seq":"5"})", R"({"type":"pong","seq":4.5})",
        R"({"type":"pong"})", R"({"type":"pong","seq":null})"})
    ws.send_text(nonsense);
  REQUIRE(ws.is_idle());
  ws.cut();
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(terms(back.welcome()) == terms(5, false, 2, 3));
  REQUIRE(back.receive_json()["n"] == 4);
  REQUIRE(back.receive_json()["n"] == 5);
  // What was not sent yet cannot have been received.
  back.stop_reading();
  hall.world.send["ann"]({{"n", 6}});
  back.send_text(R"({"type":"pong","seq":100})");
  hall.app.run();
  back.cut();
  back = hall.connect("ann", {.session = ws.session(), .last_seq = 5});
  REQUIRE(terms(back.welcome()) == terms(6, true, 1, 0));
}

TEST_CASE("what ends a session, and what leaves it to be resumed") {
  struct Case {
    const char* what;
    std::function<void(Hall<>&, sb::testing::TestConnection<Room<>>&)> end;
    bool is_kept;
  };
  const auto app_closes = [](int code) {
    return [code](Hall<>& hall, auto&) { hall.world.close["ann"](static_cast<sb::CloseCode>(code)); };
  };
  const auto client_closes = [](int code) {
    return [code](Hall<>&, auto& ws) { ws.close(static_cast<sb::CloseCode>(code)); };
  };
  const auto client_breaks = [](sb::testing::ClientFrame frame, sb::CloseCode code) {
    return [frame, code](Hall<>&, auto& ws) {
      ws.send_frame(frame);
      REQUIRE(ws.receive_close().code == code);
    };
  };
  const std::string over_the_limit(1001, 'x');
  const std::vector<Case> cases{
      {"a cut", [](Hall<>&, auto& ws) { ws.cut(); }, true},
      {"1000 by the client", client_closes(1000), true},
      {"1001 by the client", client_closes(1001), true},
      {"1008 by the client", client_closes(1008), true},
      {"4000 by the client", client_closes(4000), true},
      {"4003 by the client", client_closes(4003), true},
      {"1002 for a frame without a mask",
       client_breaks({.payload = "{}", .masked = false}, sb::CloseCode::protocol_error), true},
      {"1007 for text that is not UTF-8", client_breaks({.payload = "\xff"}, sb::CloseCode::invalid_payload),
       true},
      {"1009 for a message over the limit",
       client_breaks({.payload = over_the_limit}, sb::CloseCode::message_too_big), true},
      {"4002",
       [](Hall<>& hall, auto& ws) {
         ws.stop_reading();
         hall.app.advance(60s);
       },
       true},
      {"1000 by the App", app_closes(1000), false},
      {"1001 by the App", app_closes(1001), false},
      {"1008 by the App", app_closes(1008), false},
      {"1011 by the App", app_closes(1011), false},
      {"1013 by the App", app_closes(1013), false},
      {"4001 by the App", app_closes(4001), false},
      {"4002 by the App", app_closes(4002), false},
      {"4401 by the App", app_closes(4401), false},
      {"4003", [](Hall<>& hall, auto&) { hall.app.shard(1).disconnect_user("ann"); }, false},
      {"4401 for the user",
       [](Hall<>& hall, auto&) { hall.app.shard(1).disconnect_user("ann", sb::CloseCode::token_expired); },
       false},
      {"1008 for its rate",
       [](Hall<>&, auto& ws) {
         for (int i = 0; i < 40; ++i) ws.send_json({{"a", 1}});
       },
       false},
  };
  const Case& test = cases[GENERATE_COPY(range(std::size_t{0}, cases.size()))];
  CAPTURE(test.what);
  Hall<> hall({.shards = 2, .limits = {.max_message_bytes = 1000, .messages_per_second = 20}});
  auto ws = hall.connect("ann");
  test.end(hall, ws);
  hall.app.run();
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_parked) == (test.is_kept ? 1 : 0));
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_attached) == 0);
  REQUIRE(hall.world.send["ann"]({{"n", 1}}) == test.is_kept);
  ws.cut();
  const auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(terms(back.welcome()) == (test.is_kept ? terms(1, true, 1, 0) : terms(0, false, 0, nullptr)));
}

TEST_CASE("a parked session is destroyed by disconnect_user and by the App's close") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann");
  ws.cut();
  if (GENERATE(true, false))
    hall.app.shard(1).disconnect_user("ann");
  else
    hall.world.close["ann"](sb::CloseCode::normal);
  hall.app.run();
  REQUIRE(terms(hall.connect("ann", {.session = ws.session(), .last_seq = 0}).welcome()) ==
          terms(0, false, 0, nullptr));
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_parked) == 0);
}

TEST_CASE("where everything is allowed, who comes back is present in its channels as before") {
  sb::testing::TestApp<Open> app;
  auto watcher = sb::testing::WebSocketTestClient<Open>(app, "ben").connect({.last_seq = std::nullopt});
  subscribe(watcher, "news", true);
  sb::testing::WebSocketTestClient<Open> client(app, "ann");
  auto ws = client.connect();
  subscribe(ws, "news");
  REQUIRE(watcher.receive_json()["type"] == "join");
  ws.cut();
  app.advance(1s);
  auto back = client.connect({.session = ws.session(), .last_seq = 0});
  REQUIRE(back.welcome()["recovered"] == true);
  app.advance(1min);
  REQUIRE(watcher.is_idle());
  back.cut();
  app.advance(10s);
  REQUIRE(watcher.receive_json()["type"] == "leave");
}
