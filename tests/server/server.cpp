// SPDX-License-Identifier: MIT
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <set>

#include <asio/steady_timer.hpp>

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

// Notes the thread on which each of its members is called, also after a co_await.
struct Homebody {
  struct Journal {
    std::mutex mutex;
    std::map<std::string, int> calls;
    std::set<std::string> strays;  // called on another thread than the first member of that App
    std::set<std::thread::id> homes;

    int count(const std::string& what) {
      const std::lock_guard lock(mutex);
      return calls[what];
    }
  };
  struct User {
    std::string id;
  };
  using Handle = sb::Connection<Homebody>;

  Homebody(sb::Shard<Homebody>& its_shard, Journal& its_journal) : shard(&its_shard), journal(&its_journal) {}

  asio::awaitable<std::optional<User>> authenticate(const sb::UpgradeRequest& request) {
    note("authenticate");
    co_await wait();
    note("authenticate after a timer");
    co_return User{std::string(request.token)};
  }
  asio::awaitable<bool> may_subscribe(const User&, std::string_view) {
    note("may_subscribe");
    co_await wait();
    note("may_subscribe after a timer");
    co_return true;
  }
  bool may_publish(const User&, std::string_view) {
    note("may_publish");
    return true;
  }
  asio::awaitable<void> on_message(Handle connection, json message) {
    note("on_message");
    co_await wait();
    note("on_message after a timer");
    co_await connection.sleep_for(1ms);
    note("on_message after sleep_for");
    (void)co_await shard->presence("room");
    note("on_message after presence");
    connection.answer(message, {{"status", "done"}});
  }
  void binary(sb::BinaryHandlers<Homebody>& handlers) {
    handlers.on(1, [this](Handle, std::span<const std::byte>) { note("a binary handler"); });
  }
  json presence_info(const User&, std::string_view) {
    note("presence_info");
    return nullptr;
  }
  void on_open(Handle) { note("on_open"); }
  void on_suspend(Handle) { note("on_suspend"); }
  void on_resume(Handle, sb::Resume) { note("on_resume"); }
  void on_close(Handle, sb::CloseReason) { note("on_close"); }
  void on_subscribe(Handle, std::string_view) { note("on_subscribe"); }
  void on_unsubscribe(Handle, std::string_view) { note("on_unsubscribe"); }

 private:
  asio::awaitable<void> wait() {
    asio::steady_timer timer(shard->executor(), 1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  void note(const std::string& what) {
    const std::lock_guard lock(journal->mutex);
    const std::thread::id here = std::this_thread::get_id();
    if (home == std::thread::id{}) home = here;
    if (home != here) journal->strays.insert(what);
    journal->homes.insert(here);
    ++journal->calls[what];
  }

  sb::Shard<Homebody>* shard;
  Journal* journal;
  std::thread::id home;
};

// Lets nobody in, and says from where they came.
struct Doorman {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::variant<User, sb::Refusal> authenticate(const sb::UpgradeRequest& request) {
    return sb::Refusal{403, "seen", request.peer.to_string() + " " + std::to_string(request.peer.port), {}};
  }
};

}  // namespace server_test

using server_test::Homebody;
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

// The next frame with that status; what comes before it is skipped.
json answer(WebSocket& socket, const std::string& status) {
  for (;;)
    if (json frame = socket.receive_json(); frame.value("status", "") == status) return frame;
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

TEST_CASE("every member of an App is called on its shard's thread, after a co_await too") {
  Homebody::Journal journal;
  TestServer<Homebody> server(
      {.threads = 2}, [&](sb::Shard<Homebody>& shard) { return std::make_unique<Homebody>(shard, journal); });
  std::vector<WebSocket> sockets;
  const auto user = [](int i) { return "user" + std::to_string(i); };
  constexpr int users = 16;
  std::string session;
  for (int i = 0; i < users; ++i) {
    WebSocket& socket = sockets.emplace_back(server.port(), "/ws?last_seq=0&token=" + user(i));
    REQUIRE(socket.status() == 101);
    session = socket.receive_json()["session"];
    socket.send(R"({"action":"subscribe","channel":"room"})");
    answer(socket, "subscribed");
    socket.send(R"({"action":"publish","channel":"room","data":1,"id":1})");
    answer(socket, "published");
    using namespace std::string_literals;
    socket.socket().send(sb::testing::encode({.opcode = sb::Opcode::binary, .payload = "\0\0\0\1"s}));
    socket.send("{}");
    answer(socket, "done");
  }
  for (int i = 0; i < users; ++i) CHECK_FALSE(server.handle().unsubscribe_user(user(i), "room"));
  for (WebSocket& socket : sockets) answer(socket, "unsubscribed");

  sockets.back().socket().close();
  const std::string again = "/ws?last_seq=0&token=" + user(users - 1) + "&session=" + session;
  for (int i = 0; i < 40 && server.metrics().sessions_moved == 0; ++i) {  // the kernel chooses the shard
    WebSocket socket(server.port(), again);
    CHECK(socket.receive_json()["session"] == session);
  }
  CHECK(server.metrics().sessions_moved > 0);

  for (int i = 0; i < users; ++i) CHECK_FALSE(server.handle().disconnect_user(user(i)));
  CHECK(eventually([&] { return journal.count("on_close") == users; }));
  server.stop(0s);
  for (const char* member :
       {"authenticate", "authenticate after a timer", "may_subscribe", "may_subscribe after a timer",
        "may_publish", "on_message", "on_message after a timer", "on_message after sleep_for",
        "on_message after presence", "a binary handler", "presence_info", "on_open", "on_suspend",
        "on_resume", "on_close", "on_subscribe", "on_unsubscribe"}) {
    CAPTURE(member);
    CHECK(journal.count(member) > 0);
  }
  CHECK(journal.strays == std::set<std::string>{});
  CHECK(journal.homes.size() == 2);
}

TEST_CASE("authenticate sees the address and the port that its client has") {
  TestServer<server_test::Doorman> server({.threads = 2});
  std::vector<Client> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  }
  for (Client& client : clients) {
    const std::uint16_t port = sb::net::local_address(client.descriptor()).port();
    const json refusal = json::parse(body_of(client.read_to_end()));
    CHECK(refusal["message"] == "127.0.0.1 " + std::to_string(port));
  }
}

TEST_CASE("a server leaves the process's signal handlers as they were") {
  const auto handlers = [] {
    std::vector<std::pair<void (*)(int), int>> all;
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action{};
      if (::sigaction(signal, nullptr, &action) == 0)
        all.emplace_back(action.sa_handler, action.sa_flags);
      else
        all.emplace_back(nullptr, -1);
    }
    return all;
  };
  const auto before = handlers();
  TestServer<Plain> server({.threads = 2});
  WebSocket socket(server.port());
  subscribe(socket, "news");
  const bool runs_with_the_same = handlers() == before;
  server.stop(0s);
  CHECK(runs_with_the_same);
  const bool ends_with_the_same = handlers() == before;
  CHECK(ends_with_the_same);
}

TEST_CASE("no threads means a shard for each core, and a context of the user's is one shard") {
  unsigned made = 0;
  const auto factory = [&](sb::Shard<Plain>& shard) {
    ++made;
    return sb::default_factory<Plain>(shard);
  };
  SECTION("no threads") {
    const TestServer<Plain> server({.threads = 0}, factory);
    CHECK(made == std::max(1u, std::thread::hardware_concurrency()));
  }
  SECTION("a context of the user's") {
    asio::io_context context;
    const sb::Server<Plain> server(context, {.address = "127.0.0.1", .port = 0, .threads = 3}, factory);
    CHECK(made == 1);
  }
}

TEST_CASE("every option has the default that the docs give") {
  const sb::Options<Plain> options;
  CHECK(options.address == "0.0.0.0");
  CHECK(options.port == 8080);
  CHECK(options.admin_port == 0);
  CHECK(options.path == "/ws");
  CHECK(options.threads == 1);
  CHECK(options.allowed_origins.empty());
  CHECK(options.heartbeat.interval == 30s);
  CHECK(options.heartbeat.timeout == 60s);
  CHECK(options.broker.ring_capacity == 4096);
  CHECK(options.broker.max_link_bytes == 64u << 20);
  CHECK(options.broker.max_pending == 65'536);
  CHECK(options.broker.max_pending_bytes == 256u << 20);
  CHECK(options.sessions.time_to_live == 2min);
  CHECK(options.sessions.replay == 100);
  CHECK(options.sessions.replay_bytes == 4u << 20);
  CHECK(options.sessions.per_user == 16);
  CHECK(options.sessions.max_sessions == 100'000);
  CHECK(options.sessions.parked_bytes == 256u << 20);
  CHECK(options.sessions.presence_grace == 10s);
  CHECK(options.queue.max_bytes == 1u << 20);
  CHECK(options.queue.slow_consumer == sb::SlowConsumer::close);
  CHECK(options.limits.max_message_bytes == 16u << 20);
  CHECK(options.limits.max_connections == 0);
  CHECK(options.limits.max_connections_per_address == 0);
  CHECK(options.limits.max_subscriptions == 1024);
  CHECK(options.limits.messages_per_second == 0);
  CHECK(options.limits.handshake_timeout == 10s);
  CHECK(options.limits.max_header_bytes == 16u << 10);
  CHECK_FALSE(options.log);
  CHECK(options.static_files.empty());
  CHECK(sb::Server<Plain>::default_drain == 10s);
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
