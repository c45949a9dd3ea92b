// SPDX-License-Identifier: MIT
// Handlers that are coroutines: what waits for them, what does not, and what they may keep.
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>

#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::CloseCode;
using switchboard::Opcode;

namespace {

/// Everything in it takes its time: virtual time, but for authenticate, which has no connection to sleep on.
struct SlowApp {
  using Handle = switchboard::Connection<SlowApp>;
  struct User {
    std::string id;
  };

  explicit SlowApp(switchboard::Shard<SlowApp>& its_shard) : shard(&its_shard) {}

  asio::awaitable<std::variant<switchboard::Accepted<User>, switchboard::Refusal>> authenticate(
      const switchboard::UpgradeRequest& request) {
    asio::steady_timer timer(shard->executor(),
                             request.token == "gated" ? 1h : asio::steady_timer::duration(1ms));
    open_gate = [&timer] { timer.cancel(); };
    std::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (request.token == "broken") throw std::runtime_error("no database");
    if (request.token == "no") co_return switchboard::Refusal{403, "user.banned", "go away", {}};
    co_return switchboard::Accepted<User>{{std::string(request.token)}, "chat.v2"};
  }
  asio::awaitable<bool> may_subscribe(const User& user, std::string_view channel) {
    co_await clock->sleep_for(1s);
    log.push_back("may_subscribe " + user.id + " " + std::string(channel));
    if (channel == "broken") throw std::runtime_error("no database");
    co_return channel != "secret";
  }
  asio::awaitable<bool> may_publish(const User& user, std::string_view channel) {
    co_await clock->sleep_for(1s);
    log.push_back("may_publish " + user.id + " " + std::string(channel));
    co_return channel != "secret";
  }
  asio::awaitable<void> on_open(Handle connection) {
    if (!clock) clock = connection;
    co_await connection.sleep_for(open_delay);
    log.push_back("open");
  }
  asio::awaitable<void> on_message(Handle connection, Json message) {
    const std::shared_ptr<void> leaving(nullptr, [this](void*) {
      if (at_exit) at_exit();
    });
    if (message.contains("real")) {
      asio::steady_timer timer(shard->executor(), 1h);
      co_await timer.async_wait(asio::use_awaitable);
    }
    co_await connection.sleep_for(std::chrono::seconds(message.value("sleep", 0)));
    if (message.contains("throw")) throw std::runtime_error("that broke");
    log.push_back("message " + message.value("say", "") + (connection.is_open() ? "" : " to nobody"));
    connection.answer(message, {{"said", message.value("say", "")}});
  }
  asio::awaitable<void> on_subscribe(Handle connection, std::string_view channel) {
    co_await connection.sleep_for(1s);
    log.push_back("subscribe " + std::string(channel));
  }
  asio::awaitable<void> on_unsubscribe(Handle connection, std::string_view channel) {
    co_await connection.sleep_for(1s);
    log.push_back("unsubscribe " + std::string(channel));
  }
  asio::awaitable<void> on_suspend(Handle connection) {
    if (suspend_hook) co_await suspend_hook(connection);
  }
  asio::awaitable<void> on_resume(Handle connection, switchboard::Resume) {
    if (resume_hook) co_await resume_hook(connection);
  }
  asio::awaitable<void> on_close(Handle connection, switchboard::CloseReason reason) {
    co_await connection.sleep_for(1s);
    log.push_back("close " + connection.user().id + " " + std::to_string(static_cast<int>(reason.code)) +
                  reason.text);
  }
  void binary(switchboard::BinaryHandlers<SlowApp>& handlers) {
    handlers.on(1, [this](Handle connection, std::span<const std::byte> payload) -> asio::awaitable<void> {
      co_await connection.sleep_for(1s);
      log.push_back("binary " + std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
    });
    handlers.on(2, [](Handle connection, std::span<const std::byte>) -> asio::awaitable<void> {
      co_await connection.sleep_for(1s);
      throw std::runtime_error("type 2 is not liked");
    });
  }

  std::vector<std::string> taken() { return std::exchange(log, {}); }

  switchboard::Shard<SlowApp>* shard;
  std::optional<Handle> clock;  // the first connection; open throughout a test
  std::vector<std::string> log;
  switchboard::Duration open_delay{};
  std::function<asio::awaitable<void>(Handle)> suspend_hook, resume_hook;
  std::function<void()> open_gate;  // lets the authenticate under way go on
  std::function<void()> at_exit;    // whenever an on_message ends, be it unfinished
};

struct SlowBench : Bench<SlowApp> {
  explicit SlowBench(TestOptions<SlowApp> options = {})
      : Bench<SlowApp>(std::move(options)), keeper(connect("keeper")) {
    app.log.clear();
  }
  TestConnection<SlowApp> keeper;
};

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("requests of one connection are handled one after the other, in order, while others go on") {
  SlowBench bench;
  auto ann = bench.connect("ann"), bob = bench.connect("bob");
  ann.send_text(R"({"sleep":10,"say":"1","id":1})");
  ann.send_text(R"({"action":"unsubscribe","channel":"c","id":2})");
  ann.send_text(R"({"say":"3","id":3})");
  CHECK(ann.is_idle());
  CHECK(ask(bob, R"({"say":"meanwhile"})") == R"({"said":"meanwhile"})");
  bench.test.advance(10s - 1ns);
  CHECK(ann.is_idle());
  bench.test.advance(1ns);
  for (int id = 1; id <= 3; ++id) CHECK(ann.receive_json()["id"] == id);
}

TEST_CASE(
    "while a handler is suspended pings of either kind are answered; a Close frame waits, for 5 seconds") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":10,"say":"too late"})");
  ws.send_frame({.opcode = Opcode::ping, .payload = "x"});
  CHECK(ws.receive_pong() == "x");
  CHECK(ask(ws, R"({"type":"ping"})") == R"({"type":"pong"})");
  ws.send_text(R"({"say":"never handled"})");
  ws.send_bytes(switchboard::testing::encode_close(CloseCode::normal));
  bench.test.advance(5s - 1ns);
  CHECK(ws.is_idle());
  bench.test.advance(1ns);
  CHECK(ws.receive_close().code == CloseCode::normal);
  bench.test.run();
  CHECK(ws.is_closed());
  bench.test.advance(1min);
  CHECK(bench.app.log == Log{"open", "close ann 1000", "message too late to nobody"});
}

TEST_CASE("while a handler is suspended a ping of JSON is answered up to 256 bytes; a longer one waits") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  const auto ping = [](std::size_t size) {
    const std::string head = R"({"type":"ping","padding":")", tail = "\"}";
    return head + std::string(size - head.size() - tail.size(), 'x') + tail;
  };
  const std::string pong = R"({"type":"pong"})";
  ws.send_text(R"({"sleep":10})");
  CHECK(ask(ws, ping(256)) == pong);
  ws.send_text(ping(257));
  bench.test.advance(10s - 1ns);
  CHECK(ws.is_idle());
  bench.test.advance(1ns);
  CHECK(ws.receive_text() == R"({"said":""})");
  CHECK(ws.receive_text() == pong);
}

TEST_CASE("a connection whose handler is suspended for long lives as long as it answers pings") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":600,"say":"at last"})");
  bench.test.advance(10min);
  CHECK(ws.receive_json()["said"] == "at last");
}

TEST_CASE(
    "up to 64 KiB are held while a handler is suspended, then reading stops; all of it is handled in order") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":300})");
  const std::string filler(1000, 'x');
  for (int i = 0; i < 64; ++i) ws.send_json({{"id", i}, {"filler", filler}});
  bench.test.run();
  CHECK(ws.is_being_read());
  for (int i = 64; i < 200; ++i) ws.send_json({{"id", i}, {"filler", filler}});
  bench.test.run();
  CHECK_FALSE(ws.is_being_read());
  bench.test.advance(299s);  // five times the heartbeat's timeout: silence is not its fault
  CHECK_FALSE(ws.is_being_read());
  CHECK(bench.test.metrics().connections.value() == 2);
  bench.test.advance(1s);
  CHECK(ws.is_being_read());
  CHECK(ws.receive_json() == Json{{"said", ""}});
  for (int i = 0; i < 200; ++i) REQUIRE(ws.receive_json()["id"] == i);
  CHECK(ws.is_idle());
}

TEST_CASE("what is held behind a handler waits for room in the client's queue too") {
  SlowBench bench({.queue = {.max_bytes = 1000}});
  auto ws = bench.connect("ann");
  bench.app.log.clear();
  ws.send_text(R"({"sleep":10,"id":-1})");
  for (int i = 0; i < 200; ++i) ws.send_json({{"id", i}});
  bench.test.run();
  ws.stop_reading();
  bench.test.advance(20s);
  CHECK(bench.app.log.size() > 2);
  CHECK(bench.app.log.size() < 60);
  CHECK_FALSE(ws.is_being_read());
  ws.resume_reading();
  for (int i = -1; i < 200; ++i) REQUIRE(ws.receive_json()["id"] == i);
  CHECK(ws.is_being_read());
}

TEST_CASE("a connection that is not read has 5 seconds for its close, too, and no more") {
  SlowBench bench;
  auto ws = bench.connect("ann", {.last_seq = std::nullopt, .answer_pings = false});
  ws.send_text(R"({"sleep":300})");
  ws.send_text("{\"filler\":\"" + std::string(70'000, 'x') + "\"}");
  bench.test.run();
  CHECK_FALSE(ws.is_being_read());
  ws.stop_reading();
  bench.test.shard().disconnect_user("ann");
  ws.send_text("{}");
  bench.test.advance(5s - 1ns);
  CHECK_FALSE(ws.is_closed());
  bench.test.advance(1ns);
  CHECK(ws.is_closed());
}

TEST_CASE("one message may be held whatever its size, and what came with it is not lost") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  const std::string large = R"({"id":1,"filler":")" + std::string(300'000, 'x') + "\"}";
  using switchboard::testing::encode;
  ws.send_bytes(encode({.payload = R"({"sleep":5,"id":0})"}) + encode({.payload = large}) +
                encode({.payload = R"({"id":2})"}) + encode({.payload = R"({"id":3})"}).substr(0, 9));
  bench.test.run();
  CHECK_FALSE(ws.is_being_read());
  ws.send_bytes(encode({.payload = R"({"id":3})"}).substr(9));
  bench.test.advance(5s);
  for (int i = 0; i < 4; ++i) CHECK(ws.receive_json()["id"] == i);
}

TEST_CASE("a connection that is read again is timed anew from that moment") {
  SlowBench bench;
  auto ws = bench.connect("ann", {.last_seq = std::nullopt, .answer_pings = false});
  ws.send_text(R"({"sleep":300})");
  ws.send_text("{\"filler\":\"" + std::string(70'000, 'x') + "\"}");
  bench.test.advance(300s);
  CHECK(bench.test.metrics().connections.value() == 2);
  bench.test.advance(60s - 1ns);
  CHECK(bench.test.metrics().connections.value() == 2);
  bench.test.advance(1ns);
  CHECK(bench.test.metrics().connections.value() == 1);
  CHECK(bench.test.metrics().heartbeat_timeouts.value() == 1);
}

TEST_CASE("a coroutine that throws is internal.error with the id, and the next request is handled") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":1,"throw":1,"id":"a"})");
  ws.send_text(R"({"say":"next"})");
  bench.test.advance(1s);
  CHECK(ws.receive_json()["code"] == "internal.error");
  CHECK(ws.receive_json()["said"] == "next");
}

TEST_CASE("awaitable permissions own the user and the channel, and their no, or exception, denies") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  bench.app.log.clear();
  ws.send_text(R"({"action":"subscribe","channel":"c"})");
  ws.send_text(R"({"action":"publish","channel":"c","data":1,"id":1})");
  CHECK(ws.is_idle());
  bench.test.advance(10s);
  CHECK(ws.receive_json()["status"] == "subscribed");
  CHECK(ws.receive_json()["type"] == "message");
  CHECK(ws.receive_json()["status"] == "published");
  CHECK(bench.app.taken() == Log{"may_subscribe ann c", "subscribe c", "may_publish ann c"});
  for (const char* channel : {"secret", "broken"}) {
    ws.send_json({{"action", "subscribe"}, {"channel", channel}});
    bench.test.advance(1s);
    CHECK(ws.receive_json()["code"] == "subscribe.denied");
  }
  ws.send_json({{"action", "publish"}, {"channel", "secret"}, {"data", 1}});
  bench.test.advance(1s);
  CHECK(ws.receive_json()["code"] == "publish.denied");
  ws.send_text(R"({"action":"unsubscribe","channel":"c"})");
  CHECK(ws.receive_json()["status"] == "unsubscribed");
  bench.app.log.clear();
  bench.test.advance(1s);
  CHECK(bench.app.log == Log{"unsubscribe c"});
}

TEST_CASE("what came before a Close frame or a cut is carried out, if that takes no more than 5 seconds") {
  SlowBench bench;
  auto ws = bench.connect("ann", GENERATE(false, true) ? plain : ConnectOptions{});
  bench.app.log.clear();
  ws.send_text(R"({"sleep":3,"say":"1"})");
  const std::uint64_t asked_for = GENERATE(0u, 1u);
  for (std::uint64_t i = 0; i < asked_for; ++i)
    ws.send_text(R"({"action":"publish","channel":"c","data":1})");
  const bool is_clean = GENERATE(false, true);
  if (is_clean)
    ws.close();
  else
    ws.cut();
  bench.test.advance(1min);
  CHECK(bench.test.metrics().publishes.value() == asked_for);
  CHECK(bench.test.metrics().connections.value() == 1);
  CHECK(ws.is_closed());
}

TEST_CASE(
    "a client that goes for good while it is asked about is not subscribed, and its message not published") {
  SlowBench bench;
  auto ws = bench.connect("ann"), other = bench.connect("bob");
  ws.send_text(R"({"action":"subscribe","channel":"c"})");
  other.send_text(R"({"action":"publish","channel":"c","data":1})");
  bench.test.run();
  bench.test.shard().disconnect_user("ann");
  bench.test.shard().disconnect_user("bob");
  bench.test.advance(1min);
  CHECK(bench.test.metrics().subscriptions.value() == 0);
  CHECK(bench.test.metrics().publishes.value() == 0);
  CHECK(bench.test.metrics().connections.value() == 1);
}

TEST_CASE("a handler that runs until its connection ends does not keep it open") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":600})");
  ws.cut();
  bench.test.advance(5s);
  CHECK(ws.is_closed());
  CHECK(bench.test.metrics().connections.value() == 1);
}

TEST_CASE("awaitable binary handlers own their payload, hold back what follows, and may throw") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  bench.app.log.clear();
  ws.send_binary(1, "first");
  ws.send_binary(2, "second");
  ws.send_text(R"({"say":"third"})");
  CHECK(ws.is_idle());
  bench.test.advance(1s);
  CHECK(ws.is_idle());
  bench.test.advance(1s);
  CHECK(ws.receive_json()["code"] == "internal.error");
  CHECK(ws.receive_json()["said"] == "third");
  CHECK(bench.app.log == Log{"binary first", "message third"});
}

TEST_CASE("authenticate may take real time, refuse in its own words, throw, and choose a subprotocol") {
  SlowBench bench;
  auto ws = bench.connect(
      "ann", {.last_seq = std::nullopt, .headers = {{"Sec-WebSocket-Protocol", "chat.v1, chat.v2"}}});
  CHECK(ws.response_head().find("Sec-WebSocket-Protocol: chat.v2") != std::string::npos);
  const auto refusal = [&](const std::string& token) -> std::pair<unsigned, std::string> {
    try {
      bench.connect(token);
      return {101, ""};
    } catch (const switchboard::testing::Refused& refused) {
      return {refused.status, Json::parse(refused.body).at("error").get<std::string>()};
    }
  };
  CHECK(refusal("no") == std::pair<unsigned, std::string>(403, "user.banned"));
  CHECK(refusal("broken").first == 500);
}

TEST_CASE("what comes while authenticate is suspended waits for it; beyond 64 KiB nothing more is read") {
  SlowBench bench;
  const auto socket = std::make_shared<switchboard::testing::TestSocket>();
  socket->to_server =
      "GET /ws?token=gated HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  TestConnection<SlowApp> ws(bench.test, socket, false, true);
  bench.test.host().accept(socket);
  bench.test.run();
  ws.send_json({{"say", "first"}});
  bench.test.run();
  CHECK(socket->to_server.empty());
  CHECK(socket->wants_input);
  ws.send_json({{"say", "second"}, {"padding", std::string(64 * 1024, 'x')}});
  bench.test.run();
  CHECK_FALSE(socket->wants_input);
  ws.send_json({{"say", "third"}});
  bench.test.run();
  CHECK_FALSE(socket->to_server.empty());
  bench.app.open_gate();
  for (const char* say : {"first", "second", "third"}) CHECK(ws.receive_json()["said"] == say);
}

TEST_CASE("on_open ends before the first request is handled, early frames included") {
  SlowBench bench;
  bench.app.open_delay = 5s;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"say":"hello"})");
  CHECK(ws.is_idle());
  bench.test.advance(5s);
  CHECK(ws.receive_json()["said"] == "hello");
  CHECK(bench.app.log == Log{"open", "message hello"});
}

TEST_CASE("on_suspend may take its time, and on_resume ends before the first request of who came back") {
  SlowBench bench;
  bench.app.suspend_hook = [&](SlowApp::Handle connection) -> asio::awaitable<void> {
    co_await connection.sleep_for(5s);
    bench.app.log.push_back(connection.is_attached() ? "suspend" : "suspend, away");
  };
  bench.app.resume_hook = [&](SlowApp::Handle connection) -> asio::awaitable<void> {
    co_await connection.sleep_for(5s);
    bench.app.log.push_back("resume");
  };
  auto ws = bench.connect("ann", {});
  ws.cut();
  bench.test.advance(5s);
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  back.send_text(R"({"say":"hello"})");
  bench.test.advance(5s - 1ns);
  CHECK(back.is_idle());
  bench.test.advance(1ns);
  CHECK(back.receive_json()["said"] == "hello");
  CHECK(bench.app.log == Log{"open", "suspend, away", "resume", "message hello"});
}

TEST_CASE("on_suspend and on_resume that throw are counted, and the session goes on") {
  SlowBench bench;
  bench.app.suspend_hook = bench.app.resume_hook = [](SlowApp::Handle connection) -> asio::awaitable<void> {
    co_await connection.sleep_for(1s);
    throw std::runtime_error("that broke");
  };
  auto ws = bench.connect("ann", {});
  ws.cut();
  bench.test.advance(1s);
  CHECK(bench.test.metrics().handler_exceptions.value() == 1);
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.session() == ws.session());
  back.send_text(R"({"say":"hello"})");
  bench.test.advance(1s);
  CHECK(bench.test.metrics().handler_exceptions.value() == 2);
  CHECK(back.receive_json()["said"] == "hello");
}

TEST_CASE("on_close may take its time: the user is there until it ends, the handle is not open") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  bench.app.log.clear();
  ws.close(CloseCode{4444}, " bye");
  auto next = bench.connect("bob");
  bench.test.advance(1s);
  CHECK(bench.app.log == Log{"open", "close ann 4444 bye"});
}

TEST_CASE("a session's handler goes on while its client is away, and new requests wait for it") {
  SlowBench bench;
  auto ws = bench.connect("ann", {});
  ws.send_text(R"({"sleep":10,"say":"old"})");
  ws.send_text(R"({"say":"held"})");
  ws.cut();
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.welcome()["recovered"] == true);
  back.send_text(R"({"say":"new"})");
  CHECK(back.is_idle());
  bench.test.advance(10s);
  CHECK(back.receive_json()["said"] == "old");  // an answer goes to whoever is there now
  CHECK(back.receive_json()["said"] == "held");
  CHECK(back.receive_json()["said"] == "new");
  CHECK(back.is_idle());
}

TEST_CASE("the Close frame of a client that is closed meanwhile is not waited for again") {
  SlowBench bench;
  auto ws = bench.connect("ann");
  ws.send_text(R"({"sleep":600})");
  ws.send_bytes(switchboard::testing::encode_close(CloseCode::normal));
  bench.test.run();
  bench.test.shard().disconnect_user("ann");
  bench.test.run();
  CHECK(ws.receive_close().code == CloseCode::disconnected);
  CHECK(ws.is_closed());
}

TEST_CASE("an app may go while handlers are suspended: they are let go while it is still there") {
  auto bench = std::make_unique<SlowBench>();
  auto log = std::make_shared<Log>();
  bench->app.at_exit = [log, app = &bench->app] {
    log->push_back("let go by " + std::to_string(app->shard->index()));
  };
  auto sleeping = bench->connect("ann"), waiting = bench->connect("bob"), asking = bench->connect("cid");
  sleeping.send_text(R"({"sleep":10,"say":"never"})");
  waiting.send_text(R"({"real":true,"say":"never"})");
  bench->test.run();
  CHECK(bench->test.host().running_handlers() == 2);
  CHECK(bench->test.hub().sleeping_handlers() == 1);
  bench.reset();
  CHECK(*log == Log{"let go by 0", "let go by 0"});
}

TEST_CASE("once a hub is shut down, what its App still calls reaches nobody and harms nobody") {
  SlowBench bench;
  auto ws = bench.connect("ann", {});
  auto handle = *bench.app.clock;
  bench.test.hub().shut_down();
  CHECK(handle.send_json({{"a", 1}}) == handle.is_open());
  CHECK_FALSE(handle.is_attached());
  handle.subscribe("c");
  CHECK_FALSE(handle.shard().publish("c", 1));
  CHECK_FALSE(handle.shard().send_to_user("ann", {{"a", 1}}));
  handle.unsubscribe("c");
  handle.shard().disconnect_user("ann");
  CHECK_FALSE(handle.close(CloseCode::normal));
  CHECK(bench.test.metrics().connections.value() == 0);
}
