// SPDX-License-Identifier: MIT
// Apps with on_text or on_binary: every message is theirs as it came.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::CloseCode;
using switchboard::Opcode;

namespace {

struct EchoApp {
  using Access = switchboard::OpenAccess;
  using Handle = switchboard::Connection<EchoApp>;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }

  void on_text(Handle connection, std::string_view text) {
    if (text == "throw") throw std::runtime_error("that broke");
    if (text == "close") connection.close(CloseCode::normal);
    if (text == "subscribe") connection.subscribe("c");
    if (!connection.send_text(text)) after_the_end = true;
  }
  asio::awaitable<void> on_binary(Handle connection, std::span<const std::byte> bytes) {
    co_await connection.sleep_for(1s);
    connection.send_raw(bytes);
  }
  bool after_the_end = false;
};

struct TextApp {
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest&) { return User{}; }
  asio::awaitable<void> on_text(switchboard::Connection<TextApp> connection, std::string_view text) {
    co_await connection.sleep_for(1s);
    connection.send_text(text);
  }
};

struct BytesApp {
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest&) { return User{}; }
  void on_binary(switchboard::Connection<BytesApp> connection, std::span<const std::byte> bytes) {
    connection.send_raw(bytes);
  }
};

}  // namespace

TEST_CASE("in raw mode text and binary come as they are, JSON and pings of JSON included") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann");
  CHECK_FALSE(ws.is_stateful());
  for (const char* text :
       {"", "plain", R"({"type":"pong"})", R"({"action":"subscribe","channel":"c"})", "{", "é"})
    CHECK(ask(ws, text) == text);
  ws.send_raw("");
  ws.send_raw("ab");
  bench.test.advance(2s);
  CHECK(ws.receive_raw().empty());
  CHECK(ws.receive_raw() == "ab");
}

TEST_CASE("in raw mode last_seq and session mean nothing") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann", {.query = "last_seq=nonsense&session=whatever"});
  CHECK(ask(ws, "hello") == "hello");
  ws.cut();
  CHECK(bench.test.metrics().sessions_parked.value() == 0);
}

TEST_CASE("an awaitable raw handler owns its bytes and holds back what follows") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann");
  ws.send_raw("first");
  ws.send_text("second");
  ws.send_frame({.opcode = Opcode::ping, .payload = "x"});
  CHECK(ws.receive_pong() == "x");
  CHECK(ws.is_idle());
  bench.test.advance(1s);
  CHECK(ws.receive_raw() == "first");
  CHECK(ws.receive_text() == "second");
}

TEST_CASE("a raw handler that throws is counted, and the connection lives; one that closes hears false") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann");
  ws.send_text("throw");
  CHECK(ask(ws, "next") == "next");
  CHECK(bench.test.metrics().handler_exceptions.value() == 1);
  ws.send_text("close");
  CHECK(ws.receive_close().code == CloseCode::normal);
  CHECK(bench.app.after_the_end);
}

TEST_CASE("a kind of message that the App does not take closes with 1003") {
  Bench<TextApp> bench;
  auto ws = bench.connect("ann");
  ws.send_text("text");
  bench.test.advance(1s);
  CHECK(ws.receive_text() == "text");
  ws.send_raw("binary");
  CHECK(ws.receive_close().code == CloseCode::unsupported_data);

  Bench<BytesApp> other;
  auto bytes = other.connect("ann");
  bytes.send_raw("binary");
  CHECK(bytes.receive_raw() == "binary");
  bytes.send_text("text");
  CHECK(bytes.receive_close().code == CloseCode::unsupported_data);
}

TEST_CASE("in raw mode a rate is kept in silence, and closes with 1008 all the same") {
  Bench<EchoApp> bench({.limits = {.messages_per_second = 2}});
  auto ws = bench.connect("ann");
  for (const char* text : {"a", "b", "c"}) ws.send_text(text);
  CHECK(ws.receive_text() == "a");
  CHECK(ws.receive_text() == "b");
  CHECK(ws.is_idle());
  ws.send_text("d");
  CHECK(ws.receive_close().code == CloseCode::policy_violation);
}

TEST_CASE("in raw mode, too, who does not read fast enough is closed with 1013") {
  Bench<EchoApp> bench({.queue = {.max_bytes = 1000}});
  auto ws = bench.connect("ann");
  CHECK(ask(ws, "subscribe") == "subscribe");
  ws.stop_reading();
  for (int i = 0; i < 2; ++i) {
    CHECK(bench.test.metrics().connections.value() == 1);
    bench.test.shard().publish("c", std::string(600, 'x'));
    bench.test.run();
  }
  CHECK(bench.test.metrics().connections.value() == 0);
  CHECK(bench.test.metrics().slow_closed.value() == 1);
  ws.resume_reading();
  CHECK(ws.receive_close().code == CloseCode::try_again_later);
}

TEST_CASE("in raw mode breaches close with the code that RFC 6455 asks for") {
  Bench<EchoApp> bench({.limits = {.max_message_bytes = 10}});
  const auto closed_by = [&](const std::string& bytes) {
    auto ws = bench.connect("ann");
    ws.send_bytes(bytes);
    return static_cast<int>(ws.receive_close().code);
  };
  using switchboard::testing::encode;
  CHECK(closed_by(encode({.payload = "\xff"})) == 1007);
  CHECK(closed_by(encode({.opcode = Opcode::binary, .payload = "0123456789a"})) == 1009);
  CHECK(closed_by(encode({.payload = "x", .masked = false})) == 1002);
  CHECK(closed_by(encode({.payload = "x", .reserved_bits = 4})) == 1002);
  CHECK(closed_by(encode({.opcode = Opcode::continuation, .payload = "x"})) == 1002);
}

TEST_CASE("raw mode beats with Ping frames") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann", {.answer_pings = false});
  bench.test.advance(30s);
  CHECK_NOTHROW(ws.receive_ping());
  bench.test.advance(30s);
  CHECK_NOTHROW(ws.receive_ping());
  CHECK(ws.receive_close().code == CloseCode::heartbeat_timeout);
}

TEST_CASE("a raw App subscribes its connections itself; they get what is published there") {
  Bench<EchoApp> bench({.shards = 2});
  auto ws = bench.connect("ann");
  CHECK(ask(ws, "subscribe") == "subscribe");
  bench.test.shard(1).publish("c", 5);
  CHECK(ws.receive_text() == R"({"type":"message","channel":"c","data":5})");
}

TEST_CASE("raw bytes keep their order with what else is queued, and large ones arrive whole") {
  Bench<EchoApp> bench;
  auto ws = bench.connect("ann");
  const std::string large(300'000, 'x');
  CHECK(ask(ws, large) == large);
  ws.send_frame({.payload = "in ", .fin = false});
  ws.send_frame({.opcode = Opcode::continuation, .payload = "pieces"});
  CHECK(ws.receive_text() == "in pieces");
}
