// SPDX-License-Identifier: MIT
// protocol.md, "Binary".
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using switchboard::CloseCode;
using switchboard::Opcode;
using switchboard::testing::encode;

namespace {

struct BinaryBench : Bench<> {
  explicit BinaryBench(TestOptions<HookedApp<>> options = {}) : Bench<>(std::move(options)) {
    app.binary_hook = [this](auto, std::uint32_t type, const std::string& payload) {
      seen.push_back(std::to_string(type) + ":" + payload);
    };
  }
  std::vector<std::string> seen;
};

std::string typed(std::uint32_t type, std::string_view payload) {
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(type >> shift & 0xff);
  return frame.append(payload);
}
std::string code(TestConnection<HookedApp<>>& ws) {
  return ws.receive_json().at("code").get<std::string>();
}

}  // namespace

TEST_CASE("a binary message goes to the handler of its type, without the type") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  ws.send_binary(1, "payload");
  ws.send_binary(3, std::string_view("\0\xff", 2));
  ws.send_binary(1, "");
  CHECK(ws.is_idle());
  CHECK(bench.seen == std::vector<std::string>{"1:payload", std::string("3:\0\xff", 4), "1:"});
}

TEST_CASE("a binary message in fragments, cut anywhere, is one message") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  const std::string whole = typed(1, "0123456789");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    ws.send_frame(
        {.opcode = Opcode::binary, .payload = std::string_view(whole).substr(0, cut), .fin = false});
    ws.send_frame({.opcode = Opcode::ping, .payload = "between"});
    ws.send_frame({.opcode = Opcode::continuation, .payload = std::string_view(whole).substr(cut)});
    CHECK(ws.receive_pong() == "between");
  }
  CHECK(bench.seen == std::vector<std::string>(whole.size() + 1, "1:0123456789"));
}

TEST_CASE("fewer than four bytes are binary.short") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  for (const char* few : {"", "a", "abc"}) {
    ws.send_raw(few);
    CHECK(code(ws) == "binary.short");
  }
  ws.send_frame({.opcode = Opcode::binary, .payload = "a", .fin = false});
  ws.send_frame({.opcode = Opcode::continuation, .payload = "b"});
  CHECK(code(ws) == "binary.short");
}

TEST_CASE("a type without a handler is binary.unknown, with a payload or without, told once") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  for (const std::size_t size : {0U, 1U, 100'000U}) {
    ws.send_binary(99, std::string(size, 'x'));
    CHECK(code(ws) == "binary.unknown");
    CHECK(ws.is_idle());
  }
  ws.send_binary(0x01000000, "x");  // big-endian: not 1
  CHECK(code(ws) == "binary.unknown");
}

TEST_CASE("a payload of exactly the limit is handled, one byte more is binary.too_large, told once") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  ws.send_binary(1, std::string(16, 'x'));
  CHECK(ws.is_idle());
  for (const std::size_t size : {17U, 70'000U, 1U << 20}) {
    ws.send_binary(1, std::string(size, 'y'));
    CHECK(code(ws) == "binary.too_large");
    CHECK(ws.is_idle());
  }
  ws.send_binary(3, std::string(1 << 20, 'z'));
  ws.send_binary(3, std::string((1 << 20) + 1, 'z'));
  CHECK(code(ws) == "binary.too_large");
  CHECK(bench.seen.size() == 2);
  CHECK(bench.test.metrics().connections.value() == 1);
}

TEST_CASE(
    "too large is told as soon as the type is known, before the rest has come, and the rest is dropped") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  const std::string frame =
      encode({.opcode = Opcode::binary, .payload = typed(1, std::string(100'000, 'x'))});
  const std::size_t head = frame.size() - 100'004;
  ws.send_bytes(frame.substr(0, head + 3));
  CHECK(ws.is_idle());
  ws.send_bytes(frame.substr(head + 3, 1));
  CHECK(code(ws) == "binary.too_large");
  for (std::size_t at = head + 4; at < frame.size(); at += 10'000) ws.send_bytes(frame.substr(at, 10'000));
  ws.send_binary(1, "next");
  CHECK(ws.is_idle());
  CHECK(bench.seen == std::vector<std::string>{"1:next"});
}

TEST_CASE("fragments that grow over their type's limit are too large from that one on") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  ws.send_frame({.opcode = Opcode::binary, .payload = typed(1, std::string(16, 'x')), .fin = false});
  CHECK(ws.is_idle());
  ws.send_frame({.opcode = Opcode::continuation, .payload = "y", .fin = false});
  CHECK(code(ws) == "binary.too_large");
  ws.send_frame({.opcode = Opcode::continuation, .payload = "z"});
  ws.send_binary(1, "next");
  CHECK(ws.is_idle());
  CHECK(bench.seen == std::vector<std::string>{"1:next"});
}

TEST_CASE("a message over the message limit closes with 1009, whatever its type allows") {
  BinaryBench bench({.limits = {.max_message_bytes = 1000}});
  auto ws = bench.connect("ann");
  ws.send_binary(4, std::string(996, 'x'));
  CHECK(ws.is_idle());
  ws.send_binary(4, std::string(997, 'x'));
  CHECK(ws.receive_close().code == CloseCode::message_too_big);
  auto other = bench.connect("ann");
  other.send_text("\"" + std::string(999, 'x') + "\"");
  CHECK(other.receive_close().code == CloseCode::message_too_big);
  CHECK(bench.seen.size() == 1);
}

TEST_CASE("binary that is thrown away counts against the rate as what is handled does") {
  BinaryBench bench({.limits = {.messages_per_second = 3}});
  auto ws = bench.connect("ann");
  ws.send_binary(1, std::string(17, 'x'));
  CHECK(code(ws) == "binary.too_large");
  for (const char* payload : {"x", ""}) {
    ws.send_binary(99, payload);
    CHECK(code(ws) == "binary.unknown");
  }
  ws.send_binary(1, "fits");
  CHECK(code(ws) == "rate.limited");
  // What is thrown away is refused like any other, and the third refusal in a row is the last.
  ws.send_binary(1, std::string(17, 'x'));
  CHECK(code(ws) == "rate.limited");
  ws.send_binary(99, "x");
  CHECK(code(ws) == "rate.limited");
  CHECK(ws.receive_close().code == CloseCode::policy_violation);
  CHECK(bench.seen.empty());
}

TEST_CASE("a binary handler that throws is internal.error, and the connection lives") {
  BinaryBench bench;
  auto ws = bench.connect("ann");
  ws.send_binary(2, "x");
  CHECK(code(ws) == "internal.error");
  ws.send_binary(1, "y");
  CHECK(ws.is_idle());
  CHECK(bench.seen.size() == 1);
}

TEST_CASE("a binary handler gets the connection that sent") {
  Bench<> bench;
  bench.app.binary_hook = [](HookedApp<>::Handle connection, std::uint32_t type, const std::string& payload) {
    connection.send_binary(type + 10, bytes(connection.user().id + " " + payload));
  };
  auto ws = bench.connect("ann");
  ws.send_binary(1, "hi");
  const auto message = ws.receive_binary();
  CHECK(message.type == 11);
  CHECK(message.payload == "ann hi");
  CHECK_FALSE(message.seq);
}

TEST_CASE(
    "a plain client gets type and payload, a session the number between them, from the same counter as "
    "text") {
  Bench<> bench;
  auto plain_one = bench.subscriber("ann", "c"), session = bench.subscriber("bob", "c", {});
  const std::string payload("\0pay\xffload", 9);
  bench.test.shard().publish("c", 1);
  CHECK_FALSE(bench.test.shard().publish_binary("c", 0xdeadbeef, bytes(payload)));
  bench.test.shard().publish("c", 3);
  CHECK(plain_one.receive_json()["data"] == 1);
  CHECK(plain_one.receive_raw() == "\xde\xad\xbe\xef" + payload);
  CHECK(plain_one.receive_json()["data"] == 3);
  CHECK(session.receive_json()["seq"] == 1);
  CHECK(session.receive_raw() == "\xde\xad\xbe\xef" + std::string("\0\0\0\0\0\0\0\x02", 8) + payload);
  CHECK(session.receive_json()["seq"] == 3);
}

TEST_CASE("binary messages are replayed in order with the text messages") {
  Bench<> bench({.shards = 2});
  auto ws = bench.subscriber("bob", "c", {});
  ws.cut();
  bench.test.shard(1).publish_binary("c", 5, bytes("one"));
  bench.test.shard(1).publish("c", "two");
  bench.test.shard(1).publish_binary("c", 6, {});
  bench.test.run();
  auto back = bench.connect("bob", {.session = ws.session(), .last_seq = 0});
  CHECK(back.welcome()["replayed"] == 3);
  const auto first = back.receive_binary();
  CHECK(first.type == 5);
  CHECK(first.seq == 1U);
  CHECK(first.payload == "one");
  CHECK(back.receive_text() == R"({"seq":2,"type":"message","channel":"c","data":"two"})");
  const auto last = back.receive_binary();
  CHECK(last.type == 6);
  CHECK(last.seq == 3U);
  CHECK(last.payload.empty());
}

TEST_CASE("a channel's name is checked when the App publishes binary") {
  Bench<> bench;
  CHECK(bench.test.shard().publish_binary("$user:ann", 1, {}) == switchboard::errc::invalid_channel);
  CHECK(bench.test.shard().publish_binary("", 1, {}) == switchboard::errc::invalid_channel);
}

TEST_CASE(
    "a handler keeps its payload and its connection when what it publishes finds the connection broken") {
  Bench<> bench({.queue = {.max_bytes = 1000}});
  const auto options = GENERATE(false, true) ? plain : ConnectOptions{};
  auto bob = bench.subscriber("bob", "room"), ws = bench.subscriber("ann", "room", options);
  const std::string image(600, 'x');
  bool was_open = false;
  std::string payload_after;
  bench.app.payload_hook = [&](auto connection, std::span<const std::byte> payload) {
    for (int i = 0; i < 2; ++i) connection.shard().publish_binary("room", 9, payload);  // the second flushes
    was_open = connection.is_open();
    payload_after.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
  };
  // In two reads, so that the message lies in the decoder.
  const std::string frame = encode({.opcode = Opcode::binary, .payload = typed(3, image)});
  ws.send_bytes(frame.substr(0, 100));
  bench.test.run();
  ws.cut_unnoticed();
  ws.send_bytes(frame.substr(100));
  bench.test.run();
  CHECK(was_open);
  CHECK(payload_after == image);
  for (int i = 0; i < 2; ++i) CHECK(bob.receive_binary().payload == image);
  CHECK(ws.is_closed());
  CHECK(bench.test.metrics().connections.value() == 1);
  CHECK(bench.test.metrics().sessions_parked.value() == (options.last_seq ? 1 : 0));
}
