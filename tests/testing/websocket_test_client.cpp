// SPDX-License-Identifier: MIT
#include <asio/steady_timer.hpp>

#include <switchboard/testing/websocket_test_client.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using namespace std::chrono_literals;

namespace {

struct Chat {
  struct User {
    std::string id;
  };
  explicit Chat(sb::Shard<Chat>& its_shard) : shard(&its_shard) {}

  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token.empty()) return std::nullopt;
    return User{std::string(request.token)};
  }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User&, std::string_view) { return true; }

  /// "work": in real time. "restless": the same again and again, for 10 s. "stuck": never ends. "nap": in
  /// virtual time.
  asio::awaitable<void> on_message(sb::Connection<Chat> connection, nlohmann::json message) {
    if (message.contains("work")) {
      asio::steady_timer timer(shard->executor(), 10ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    for (int step = 0; message.contains("restless") && step < 100; ++step) {
      asio::steady_timer timer(shard->executor(), 100ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (message.contains("stuck")) {
      asio::steady_timer timer(shard->executor(), asio::steady_timer::time_point::max());
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (message.contains("nap")) co_await connection.sleep_for(1s);
    connection.answer(message, {{"user", connection.user().id}, {"shard", shard->index()}});
  }

  sb::Shard<Chat>* shard;
};

const std::string token = "ann";
const sb::testing::ConnectOptions plain{.last_seq = std::nullopt};

}  // namespace

TEST_CASE("the example of api.md passes as it is written") {
  sb::testing::TestApp<Chat> app{{.allowed_origins = {"https://app.example.com"}}};
  // From here on as in the page.
  sb::testing::WebSocketTestClient client{app, token, "https://app.example.com"};
  auto ws = client.connect();  // runs authenticate to its end; throws Refused{status, body}
  ws.send_json({{"action", "subscribe"}, {"channel", "updates"}});
  REQUIRE(ws.receive_json()["status"] == "subscribed");
  ws.cut();          // no Close frame
  app.advance(60s);  // from timer to timer
  auto back = client.connect({.session = ws.session(), .last_seq = ws.last_seq()});

  CHECK(back.session() == ws.session());
  CHECK(back.welcome()["recovered"] == true);
}

TEST_CASE("a client that is not let in gets the status and the body") {
  sb::testing::TestApp<Chat> app;
  const auto status = [&](const std::string& its_token, const std::string& origin,
                          const sb::testing::ConnectOptions& options) {
    try {
      sb::testing::WebSocketTestClient<Chat>(app, its_token, origin).connect(options);
      return 101U;
    } catch (const sb::testing::Refused& refused) {
      CHECK(nlohmann::json::parse(refused.body).contains("message"));
      CHECK(refused.head.starts_with("HTTP/1.1 " + std::to_string(refused.status)));
      return refused.status;
    }
  };
  CHECK(status("ann", "", {}) == 101);
  CHECK(status("", "", {}) == 401);
  CHECK(status("ann", "https://evil.example", {}) == 403);
  CHECK(status("ann", "", {.last_seq = std::nullopt, .query = "last_seq=-1"}) == 400);
  CHECK(status("", "", {.last_seq = std::nullopt, .headers = {{"Authorization", "Bearer bob"}}}) == 101);
}

TEST_CASE("tokens of any bytes arrive, and an app's own path is followed") {
  sb::testing::TestApp<Chat> app{{.path = "/live/ws"}};
  const std::string odd = "a b+c%d&e=f/é";
  auto ws = sb::testing::WebSocketTestClient{app, odd}.connect();
  ws.send_json(nlohmann::json::object());
  CHECK(ws.receive_json()["user"] == odd);
}

TEST_CASE(
    "several shards are one app: clients of each reach each other, and a session is found from the other") {
  sb::testing::TestApp<Chat> app{{.shards = 2}};
  sb::testing::WebSocketTestClient ann{app, "ann"}, bob{app, "bob"};
  auto first = ann.connect({.shard = 0});
  auto second = bob.connect({.last_seq = std::nullopt, .shard = 1});
  for (auto* ws : {&first, &second}) {
    ws->send_json({{"action", "subscribe"}, {"channel", "updates"}});
    CHECK(ws->receive_json()["status"] == "subscribed");
  }
  second.send_json({{"action", "publish"}, {"channel", "updates"}, {"data", 1}});
  CHECK(first.receive_json()["data"] == 1);
  CHECK(second.receive_json()["data"] == 1);
  second.send_json(nlohmann::json::object());
  CHECK(second.receive_json()["shard"] == 1);
  first.cut();
  auto back = ann.connect({.session = first.session(), .last_seq = first.last_seq(), .shard = 1});
  CHECK(back.welcome()["recovered"] == true);
  back.send_json(nlohmann::json::object());
  CHECK(back.receive_json()["shard"] == 0);
  CHECK(app.metrics(1).sessions_moved.value() == 1);
}

TEST_CASE("a receive waits for real time only where a handler is suspended outside virtual time") {
  sb::testing::TestApp<Chat> app;
  sb::testing::WebSocketTestClient client{app, token};
  auto ws = client.connect(plain), other = client.connect(plain);
  ws.send_json({{"work", 1}, {"id", 1}});
  CHECK(ws.receive_json()["id"] == 1);

  const auto before = std::chrono::steady_clock::now();
  ws.send_json({{"nap", 1}, {"id", 2}});
  CHECK(ws.is_idle());
  CHECK_THROWS_AS(ws.receive_json(), std::runtime_error);
  CHECK(std::chrono::steady_clock::now() - before < 4s);

  other.send_json({{"work", 1}, {"id", 3}});  // while another sleeps in virtual time
  CHECK(other.receive_json()["id"] == 3);
  app.advance(1s);
  CHECK(ws.receive_json()["id"] == 2);
}

TEST_CASE("a receive waits 5 s in all, whatever happens meanwhile, and says how many handlers are pending") {
  sb::testing::TestApp<Chat> app;
  sb::testing::WebSocketTestClient client{app, token};
  auto restless = client.connect(plain), stuck = client.connect(plain), asleep = client.connect(plain);
  restless.send_json({{"restless", 1}});
  stuck.send_json({{"stuck", 1}});
  asleep.send_json({{"nap", 1}});
  CHECK_THROWS_WITH(stuck.receive_json(), Catch::Matchers::ContainsSubstring(
                                              "nothing came; handlers pending: 3, of which 1 in sleep_for"));
}

TEST_CASE("a receive of the wrong kind says what has come instead, and leaves it there") {
  sb::testing::TestApp<Chat> app;
  auto ws = sb::testing::WebSocketTestClient{app, token}.connect(plain);
  using Catch::Matchers::ContainsSubstring;
  const std::string next_line = "websocket_test_client.cpp:" + std::to_string(__LINE__ + 1);
  CHECK_THROWS_WITH(ws.receive_json(), ContainsSubstring(next_line));
  CHECK_THROWS_WITH(ws.receive_text(), ContainsSubstring("a text message") && ContainsSubstring("nothing"));
  ws.send_json({{"id", 5}});
  CHECK_THROWS_WITH(ws.receive_raw(), ContainsSubstring("a binary message") && ContainsSubstring("\"id\":5"));
  CHECK_THROWS_WITH(ws.receive_close(), ContainsSubstring("\"id\":5"));
  CHECK(ws.receive_json()["id"] == 5);
  CHECK_FALSE(ws.try_receive_json());
  app.shard().disconnect_user(token);
  CHECK_THROWS_WITH(ws.receive_text(), ContainsSubstring("4003"));
  CHECK(ws.receive_close().code == sb::CloseCode::disconnected);
  CHECK_THROWS_WITH(ws.receive_text(), ContainsSubstring("closed"));
}

TEST_CASE("pings are answered unless a test asks to see them") {
  sb::testing::TestApp<Chat> app;
  sb::testing::WebSocketTestClient client{app, token};
  auto quiet = client.connect(plain),
       curious = client.connect({.last_seq = std::nullopt, .answer_pings = false});
  app.advance(30s);
  CHECK(quiet.is_idle());
  CHECK(curious.receive_text() == R"({"type":"ping"})");
  app.advance(10min);
  CHECK(quiet.is_idle());
  CHECK_FALSE(quiet.is_closed());
}

TEST_CASE("the same seed gives the same sessions, another seed others") {
  const auto session = [](std::uint64_t seed) {
    sb::testing::TestApp<Chat> app{{.seed = seed}};
    return sb::testing::WebSocketTestClient{app, token}.connect().session();
  };
  CHECK(session(1) == session(1));
  CHECK(session(1) != session(2));
}

TEST_CASE("a client that stops reading is blocked, one that is let go of is cut") {
  sb::testing::TestApp<Chat> app;
  sb::testing::WebSocketTestClient client{app, token};
  auto ws = client.connect(plain);
  ws.stop_reading();
  ws.send_json({{"id", 1}});
  CHECK(ws.is_idle());
  ws.resume_reading();
  CHECK(ws.receive_json()["id"] == 1);
  {
    auto gone = client.connect(plain);
  }
  app.run();
  CHECK(app.metrics().connections.value() == 1);
}

TEST_CASE("a connection that is assigned to closes the one it was") {
  sb::testing::TestApp<Chat> app;
  sb::testing::WebSocketTestClient client{app, token};
  auto ws = client.connect(plain);
  ws = client.connect(plain);
  app.run();
  CHECK(app.metrics().connections.value() == 1);
  ws.send_json({{"hello", 1}});
  CHECK(ws.receive_json()["user"] == token);
}

TEST_CASE("a call that was made before its app ended is forgotten") {
  sb::testing::TestApp<Chat> app;
  const sb::ServerHandle handle = app.handle();
  CHECK_FALSE(handle.publish("news", 1));
  app.shut_down();
  app.run();
  CHECK(handle.publish("news", 2) == sb::errc::stopped);
}
