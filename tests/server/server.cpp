// SPDX-License-Identifier: MIT
#include <atomic>
#include <set>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/server/server.hpp>
#include <switchboard/testing/test_server.hpp>

#include "server/web_socket.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace tcp;
using nlohmann::json;
using sb::testing::TestServer;

namespace server_test {

struct Plain {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token.empty()) return std::nullopt;
    return User{std::string(request.token)};
  }
};

// Knows its shard, and answers with it.
struct Numbered {
  sb::Shard<Numbered>& shard;

  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{"ann"}; }
  void on_message(sb::Connection<Numbered> connection, json message) {
    connection.answer(message, {{"shard", shard.index()}});
  }
};

// Speaks up as soon as it is there.
struct Eager {
  static inline std::atomic<int> published{0};

  explicit Eager(sb::Shard<Eager>& shard) {
    if (!shard.publish("status", "up")) ++published;
  }
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{"ann"}; }
};

// Its handlers take longer than its server lives. What one holds is gone before its App.
struct Sleepy {
  static inline std::atomic<int> apps{0}, orphans{0};
  struct Guard {
    explicit Guard(Sleepy& of) : app(&of) { ++app->handlers; }
    Guard(const Guard&) = delete;
    ~Guard() {
      --app->handlers;
      if (apps == 0) ++orphans;
    }
    Sleepy* app;
  };
  int handlers = 0;

  Sleepy() { ++apps; }
  ~Sleepy() { --apps; }
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{"ann"}; }
  asio::awaitable<void> on_message(sb::Connection<Sleepy> connection, json message) {
    const Guard guard(*this);
    connection.answer(message, {{"status", "asleep"}});
    co_await connection.sleep_for(1h);
  }
};

}  // namespace server_test

using server_test::Numbered;
using server_test::Plain;
using server_test::Sleepy;

namespace {

std::uint16_t free_port() {
  return sb::net::listen_on("127.0.0.1", 0, 1).port;
}

void subscribe(WebSocket& socket, const std::string& channel) {
  socket.send(json{{"action", "subscribe"}, {"channel", channel}}.dump());
  REQUIRE(socket.receive_json() == json{{"status", "subscribed"}, {"channel", channel}});
}

}  // namespace

TEST_CASE("a publish reaches the subscribers of every shard") {
  TestServer<Plain> server({.threads = 2});
  std::vector<WebSocket> sockets;
  for (int i = 0; i < 16; ++i) {
    sockets.emplace_back(server.port());
    REQUIRE(sockets.back().status() == 101);
    subscribe(sockets.back(), "news");
  }
  sockets.front().send(R"({"action":"publish","channel":"news","data":[1,2]})");
  for (WebSocket& socket : sockets)
    CHECK(socket.receive().payload == R"({"type":"message","channel":"news","data":[1,2]})");
}

TEST_CASE("a handle of another thread publishes, in order, and outlives the server") {
  std::optional<TestServer<Plain>> server;
  server.emplace(sb::Options<Plain>{.threads = 2});
  WebSocket socket(server->port());
  subscribe(socket, "news");
  const sb::ServerHandle handle = server->handle();
  std::thread([&] {
    for (int i = 0; i < 100; ++i)
      while (handle.publish("news", i) == sb::errc::would_block) std::this_thread::yield();
  }).join();
  for (int i = 0; i < 100; ++i) CHECK(socket.receive_json()["data"] == i);
  CHECK_FALSE(handle.disconnect_user("ann"));
  CHECK(socket.receive_close() == 4003);
  server.reset();
  CHECK(handle.publish("news", 1) == sb::errc::stopped);
}

TEST_CASE("a stop delivers what is queued, then 1001") {
  TestServer<Plain> server({.threads = 2});
  std::vector<WebSocket> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.emplace_back(server.port());
    subscribe(sockets.back(), "news");
  }
  for (int i = 0; i < 50; ++i) REQUIRE_FALSE(server.handle().publish("news", i));
  // Once one shard has got all of them the others have been told; its own queue is written before the Close
  // frame.
  for (int i = 0; i < 50; ++i) CHECK(sockets.front().receive_json()["data"] == i);
  server.server().stop();
  CHECK(sockets.front().receive_close() == 1001);
  for (WebSocket& socket : sockets) socket.send_close(sb::CloseCode::going_away);
  CHECK(sockets.front().socket().read_to_end().empty());
  sockets.clear();
  server.stop();
  CHECK_THROWS(Client(server.port()));
}

TEST_CASE("a session is resumed although its client comes back to another shard") {
  TestServer<Plain> server({.threads = 2});
  WebSocket first(server.port(), "/ws?token=ann&last_seq=0");
  const std::string session = first.receive_json()["session"];
  subscribe(first, "news");
  first.socket().close();
  for (int i = 1; i <= 20; ++i) {  // the kernel chooses the shard
    CHECK_FALSE(server.handle().publish("news", i));
    WebSocket again(server.port(), "/ws?token=ann&last_seq=" + std::to_string(i - 1) + "&session=" + session);
    REQUIRE(again.status() == 101);
    const json welcome = again.receive_json();
    CHECK(welcome["recovered"] == true);
    CHECK(welcome["session"] == session);
    CHECK(again.receive_json() == json{{"seq", i}, {"type", "message"}, {"channel", "news"}, {"data", i}});
  }
  CHECK(server.metrics().sessions_resumed == 20);
  CHECK(server.metrics().sessions_moved > 0);
  CHECK(server.metrics().sessions_moved < 20);
}

TEST_CASE("each shard has an App of its own, made from its shard where that can be") {
  std::atomic<int> made{0};
  TestServer<Numbered> server({.threads = 3}, [&](sb::Shard<Numbered>& shard) {
    ++made;
    return sb::default_factory<Numbered>(shard);
  });
  CHECK(made == 3);
  std::set<int> seen;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (seen.size() < 3 && std::chrono::steady_clock::now() < deadline) {
    WebSocket socket(server.port());
    socket.send(R"({"action":"which"})");
    seen.insert(socket.receive_json()["shard"].get<int>());
  }
  CHECK(seen == std::set<int>{0, 1, 2});
}

TEST_CASE("an App may publish while the others are not made yet") {
  const TestServer<server_test::Eager> server({.threads = 3});
  REQUIRE(server_test::Eager::published == 3);
}

TEST_CASE("what the factory throws comes out of the constructor, and the port is free again") {
  const std::uint16_t port = free_port();
  const auto failing = [](sb::Shard<Plain>&) -> std::unique_ptr<Plain> {
    throw std::domain_error("no database");
  };
  CHECK_THROWS_AS(sb::Server<Plain>({.address = "127.0.0.1", .port = port}, failing), std::domain_error);
  CHECK_NOTHROW(sb::Server<Plain>({.address = "127.0.0.1", .port = port}));
}

TEST_CASE("a port in use is an exception of the constructor that names it") {
  TestServer<Plain> first;
  CHECK_THROWS_WITH(sb::Server<Plain>({.address = "127.0.0.1", .port = first.port()}),
                    Catch::Matchers::ContainsSubstring("127.0.0.1:" + std::to_string(first.port())));
}

TEST_CASE("health, readiness and metrics are answered on the port, beside the WebSocket") {
  TestServer<Plain> server;
  CHECK(status_of(get(server.port(), "/healthz")) == 200);
  CHECK(status_of(get(server.port(), "/readyz")) == 200);
  CHECK(status_of(get(server.port(), "/nothing")) == 404);
  CHECK(status_of(http(server.port(), "POST", "/healthz")) == 405);

  WebSocket socket(server.port());
  subscribe(socket, "news");
  const std::string metrics = get(server.port(), "/metrics");
  CHECK(status_of(metrics) == 200);
  CHECK_THAT(metrics, Catch::Matchers::ContainsSubstring("Content-Type: text/plain; version=0.0.4"));
  CHECK_THAT(metrics, Catch::Matchers::ContainsSubstring(
                          "\n# TYPE switchboard_connections gauge\nswitchboard_connections 1\n"));
  CHECK_THAT(metrics, Catch::Matchers::ContainsSubstring("\nswitchboard_subscriptions 1\n"));
  CHECK_THAT(metrics,
             Catch::Matchers::ContainsSubstring("\n# TYPE switchboard_connections_opened_total counter\n"));
}

TEST_CASE("metrics are summed over shards") {
  TestServer<Plain> server({.threads = 3});
  std::vector<WebSocket> sockets;
  for (int i = 0; i < 12; ++i) {
    sockets.emplace_back(server.port());
    subscribe(sockets.back(), "news");
  }
  const sb::Metrics metrics = server.metrics();
  CHECK(metrics.connections == 12);
  CHECK(metrics.connections_opened == 12);
  CHECK(metrics.sockets_accepted == 12);
  CHECK(metrics.subscriptions == 12);
  CHECK(metrics.bytes_received > 12 * 100);
  CHECK(metrics.bytes_sent > 12 * 100);
}

TEST_CASE("while a server drains it is healthy but not ready") {
  TestServer<Plain> server;
  WebSocket reluctant(server.port());  // does not answer the Close frame
  server.server().stop(30s);
  CHECK(reluctant.receive_close() == 1001);
  CHECK(status_of(get(server.port(), "/healthz")) == 200);
  const std::string readiness = get(server.port(), "/readyz");
  CHECK(status_of(readiness) == 503);
  CHECK(body_of(readiness) == "draining\n");
  CHECK_THAT(readiness, Catch::Matchers::ContainsSubstring("Content-Type: text/plain"));
  CHECK(status_of(get(server.port(), "/ws")) != 404);
  CHECK(WebSocket(server.port()).status() == 503);
}

TEST_CASE("with an admin port the endpoints are there and nowhere else") {
  const std::uint16_t admin_port = free_port();
  TestServer<Plain> server({.admin_port = admin_port, .static_files = {{"/", "text/html", "<p>hello"}}});
  for (const auto* path : {"/healthz", "/readyz", "/metrics"}) {
    CHECK(status_of(get(admin_port, path)) == 200);
    CHECK(status_of(get(server.port(), path)) == 404);
  }
  CHECK(WebSocket(admin_port).status() == 404);
  CHECK(status_of(get(admin_port, "/")) == 404);
  CHECK(body_of(get(server.port(), "/")) == "<p>hello");
}

TEST_CASE("static files are served by their path, to HEAD without the body") {
  const std::string page(300'000, 'x');
  TestServer<Plain> server(
      {.static_files = {{"/", "text/html; charset=utf-8", page}, {"/app.js", "text/javascript", "1;"}}});
  const std::string answer = get(server.port(), "/?anything");
  CHECK(status_of(answer) == 200);
  CHECK_THAT(answer, Catch::Matchers::ContainsSubstring("Content-Type: text/html; charset=utf-8\r\n"));
  CHECK(body_of(answer) == page);
  CHECK(body_of(get(server.port(), "/app.js")) == "1;");
  const std::string head = http(server.port(), "HEAD", "/");
  CHECK_THAT(head, Catch::Matchers::ContainsSubstring("Content-Length: 300000\r\n"));
  CHECK(body_of(head).empty());
  for (const auto* path : {"/app", "/app.js/", "/../app.js", "//", "/%2e%2e/etc/passwd"})
    CHECK(status_of(get(server.port(), path)) == 404);
}

TEST_CASE("whoever is over a limit of connections is told with the refusal of its own") {
  SECTION("in total") {
    TestServer<Plain> server({.limits = {.max_connections = 1}});
    WebSocket first(server.port());
    CHECK(WebSocket(server.port()).status() == 503);
  }
  SECTION("per address") {
    TestServer<Plain> server({.limits = {.max_connections_per_address = 1}});
    WebSocket first(server.port());
    CHECK(WebSocket(server.port()).status() == 429);
  }
}

TEST_CASE("a server runs on a context of the user's beside the user's own work") {
  asio::io_context context;
  sb::Server<Plain> server(context, {.address = "127.0.0.1", .port = 0});
  server.start();
  std::atomic<int> ran{0};
  std::thread thread([&] { context.run(); });
  WebSocket socket(server.port());
  subscribe(socket, "news");
  asio::post(context, [&] { ++ran; });
  CHECK(eventually([&] { return ran == 1; }));
  server.stop();
  CHECK(socket.receive_close() == 1001);
  socket.send_close();
  CHECK(socket.socket().read_to_end().empty());
  socket.socket().close();
  thread.join();  // the context has run out of work
}

TEST_CASE("a server that is stopped before it runs returns at once") {
  sb::Server<Plain> server({.address = "127.0.0.1", .port = 0, .threads = 2});
  server.stop();
  server.run();
  CHECK(server.handle().publish("news", 1) == sb::errc::stopped);
}

TEST_CASE("handlers that are still asleep end with their server, and before their App") {
  SECTION("on threads of its own") {
    TestServer<Sleepy> server;
    WebSocket socket(server.port());
    socket.send("{}");
    CHECK(socket.receive_json()["status"] == "asleep");
  }
  SECTION("on a context of the user's") {
    asio::io_context context;
    sb::Server<Sleepy> server(context, {.address = "127.0.0.1", .port = 0});
    server.start();
    std::thread thread([&] { context.run(); });
    WebSocket socket(server.port());
    socket.send("{}");
    CHECK(socket.receive_json()["status"] == "asleep");
    server.stop(0s);
    thread.join();
  }
  CHECK(Sleepy::apps == 0);
  CHECK(Sleepy::orphans == 0);
}
