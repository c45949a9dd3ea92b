// SPDX-License-Identifier: MIT
// What FrameDecoder promises beyond RFC 6455, whose rows are in rfc6455_frames.cpp: memory, types, limits.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include <switchboard/protocol/frame_decoder.hpp>
#include <switchboard/testing/client_frames.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using Kind = sb::Decoded::Kind;
using Op = sb::Opcode;
using sb::testing::encode;
using Events = std::vector<std::string>;

namespace {
std::size_t allocations = 0;
}

// Every form, so that a sanitizer sees none of its own paired with one of these; not inlined, as g++ would
// warn of a mismatch that there is not.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* place = std::malloc(size)) return place;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) {
  return operator new(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return ++allocations, std::malloc(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return ++allocations, std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* place) noexcept {
  std::free(place);
}
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept {
  std::free(place);
}
[[gnu::noinline]] void operator delete[](void* place) noexcept {
  std::free(place);
}
[[gnu::noinline]] void operator delete[](void* place, std::size_t) noexcept {
  std::free(place);
}

namespace {

std::string described(const sb::Decoded& event) {
  const std::string payload(event.payload.begin(), event.payload.end());
  const std::string code = std::to_string(static_cast<int>(event.code));
  switch (event.kind) {
    case Kind::need_more:
      return "need more";
    case Kind::text:
      return "text " + payload;
    case Kind::binary:
      return "binary " + payload;
    case Kind::ping:
      return "ping " + payload;
    case Kind::pong:
      return "pong " + payload;
    case Kind::close:
      return "close " + code + " " + std::string(event.reason);
    case Kind::binary_type:
      return "type " + std::to_string(event.type);
    case Kind::oversized:
      return "oversized";
    case Kind::error:
      return "error " + code;
  }
  return "?";
}

struct Client {
  sb::DecoderLimits limits{.max_message_bytes = 1000, .announce_binary_type = false};
  std::size_t type_limit = 1000;
  sb::FrameDecoder decoder{};
  Events events{};

  // Each piece lies in memory of its own, just as large, so that a sanitizer sees any step outside.
  void feed(std::string_view bytes) {
    std::unique_ptr<char[]> copy(new char[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), copy.get());
    std::span<char> input(copy.get(), bytes.size());
    for (;;) {
      const std::size_t before = input.size();
      const sb::Decoded event = decoder.next(input, limits);
      if (event.kind == Kind::need_more) break;
      events.push_back(described(event));
      if (event.kind == Kind::binary_type) decoder.limit_message(type_limit);
      REQUIRE(input.size() <= before);
      REQUIRE(events.size() < 10'000);
    }
    REQUIRE(input.empty());
  }
};

Events decoded(std::string_view bytes, Client client = {}) {
  client.feed(bytes);
  return client.events;
}

// All splits into two, three pieces at random, and every byte on its own: the events must be the same.
void check_splits(std::string_view bytes, const Events& expected, sb::DecoderLimits limits = {1000, false},
                  std::size_t type_limit = 1000) {
  CHECK(decoded(bytes, {limits, type_limit}) == expected);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Client two{limits, type_limit};
    two.feed(bytes.substr(0, cut));
    two.feed(bytes.substr(cut));
    CAPTURE(cut);
    REQUIRE(two.events == expected);
    Client three{limits, type_limit};
    const std::size_t second = cut + (bytes.size() - cut) / 3;
    three.feed(bytes.substr(0, cut));
    three.feed(bytes.substr(cut, second - cut));
    three.feed(bytes.substr(second));
    REQUIRE(three.events == expected);
  }
  Client bytewise{limits, type_limit};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytewise.feed(bytes.substr(i, 1));
  CHECK(bytewise.events == expected);
}

std::string typed(std::string_view payload, bool fin = true, Op opcode = Op::binary) {
  return encode({.opcode = opcode, .payload = payload, .fin = fin});
}

const std::string type_7("\0\0\0\7", 4);

}  // namespace

TEST_CASE("the limit on messages is none on control frames") {
  check_splits(encode({.opcode = Op::ping, .payload = "longer than ten"}) + encode({.payload = "0123456789"}),
               {"ping longer than ten", "text 0123456789"}, {10, false});
}

TEST_CASE("a limit that is lowered inside a message holds from the next frame on") {
  Client client{.limits = {1000, false}};
  client.feed(encode({.payload = "abcdef", .fin = false}));
  client.limits.max_message_bytes = 5;
  client.feed(encode({.opcode = Op::continuation, .payload = ""}));
  CHECK(client.events == Events{"error 1009"});
}

TEST_CASE("what a header claims costs no memory") {
  sb::FrameDecoder decoder;
  const sb::DecoderLimits limits{std::size_t{1} << 40, false};
  std::string bytes =
      encode({.opcode = Op::binary, .payload = "few", .claimed_size = std::uint64_t{1} << 39});
  std::span<char> input(bytes);
  CHECK(decoder.next(input, limits).kind == Kind::need_more);  // half a terabyte would throw
  CHECK(decoder.in_message());
}

TEST_CASE("the memory of a message grows with what has arrived of it, and goes with it") {
  const std::string part(1000, 'x');
  const std::string bytes = encode({.opcode = Op::binary, .payload = part, .fin = false}) +
                            encode({.opcode = Op::continuation, .payload = part + part + part});
  Client client{.limits = {10'000, false}};
  std::size_t fed = 0;
  for (; fed < bytes.size() - 1; ++fed) {
    client.feed(std::string_view(bytes).substr(fed, 1));
    REQUIRE(client.decoder.buffered() <= std::min<std::size_t>(2 * (fed + 1), 4000));
  }
  CHECK(client.decoder.buffered() >= 3999);
  client.feed(std::string_view(bytes).substr(fed));
  CHECK(client.events.size() == 1);
  CHECK(client.decoder.buffered() == 0);
}

TEST_CASE("a binary message of four bytes or more is announced by its type, once") {
  const sb::DecoderLimits limits{1000, true};
  check_splits(typed(type_7 + "payload") + typed(type_7) +
                   typed("\1\2\3\xff"
                         "x"),
               {"type 7", "binary " + type_7 + "payload", "type 7", "binary " + type_7, "type 16909311",
                "binary \1\2\3\xffx"},
               limits);
  check_splits(typed("") + typed("abc") + encode({.payload = "texts have none"}),
               {"binary ", "binary abc", "text texts have none"}, limits);
  check_splits(typed(type_7 + "payload"), {"binary " + type_7 + "payload"}, {1000, false});
}

TEST_CASE("a type in fragments is announced when its fourth byte is there") {
  const std::string bytes =
      typed(type_7.substr(0, 1), false) + typed("", false, Op::continuation) + encode({.opcode = Op::ping}) +
      typed(type_7.substr(1, 2), false, Op::continuation) +
      typed(type_7.substr(3) + "rest", false, Op::continuation) + typed(" more", true, Op::continuation);
  check_splits(bytes, {"ping ", "type 7", "binary " + type_7 + "rest more"}, {1000, true});
  check_splits(typed("ab", false) + typed("c", true, Op::continuation), {"binary abc"}, {1000, true});
  Client client{.limits = {1000, true}};
  client.feed(std::string_view(typed(type_7 + "payload")).substr(0, 6 + 4));
  CHECK(client.events == Events{"type 7"});
}

TEST_CASE("a message too large for its type is told once and dropped, and the next is unaffected") {
  const sb::DecoderLimits limits{1000, true};
  check_splits(typed(type_7 + "123456") + typed(type_7 + "1234567") + typed(type_7 + "1") +
                   encode({.payload = "longer than ten"}),
               {"type 7", "binary " + type_7 + "123456", "type 7", "oversized", "type 7",
                "binary " + type_7 + "1", "text longer than ten"},
               limits, 10);
  check_splits(typed(type_7 + "12", false) + encode({.opcode = Op::ping}) +
                   typed("345678", false, Op::continuation) + encode({.opcode = Op::pong}) +
                   typed("9", true, Op::continuation) + typed("next"),
               {"type 7", "ping ", "oversized", "pong ", "type 1852143732", "binary next"}, limits, 10);
}

TEST_CASE("a message too large for its type is told before its payload arrives, and not kept") {
  const sb::DecoderLimits limits{100'000, true};
  const std::string bytes = typed(type_7 + std::string(50'000, 'x'));
  Client client{.limits = limits, .type_limit = 10};
  client.feed(std::string_view(bytes).substr(0, 8 + 4));
  CHECK(client.events == Events{"type 7", "oversized"});
  client.feed(std::string_view(bytes).substr(8 + 4));
  CHECK(client.events.size() == 2);
  CHECK_FALSE(client.decoder.in_message());

  const std::string first = typed(type_7, false);
  const std::string second = typed(std::string(500, 'x'), true, Op::continuation);
  client.feed(first + second.substr(0, 8));  // the second header alone shows it
  CHECK(client.decoder.buffered() == 0);
  CHECK(client.events == Events{"type 7", "oversized", "type 7", "oversized"});
}

TEST_CASE("a dropped message counts against the message limit all the same") {
  check_splits(typed(type_7 + "1234567890", false) + typed(std::string(10, 'x'), false, Op::continuation),
               {"type 7", "oversized", "error 1009"}, {20, true}, 8);
}

TEST_CASE("limit_message without a message does nothing to the next") {
  Client client{.limits = {1000, false}};
  client.decoder.limit_message(1);
  client.feed(typed(type_7 + "payload"));
  CHECK(client.events == Events{"binary " + type_7 + "payload"});
}

TEST_CASE("in_message holds from a message's first header to its last byte") {
  const sb::DecoderLimits limits{};
  sb::FrameDecoder decoder;
  std::string bytes = encode({.payload = "abc", .fin = false}) + encode({.opcode = Op::ping}) +
                      encode({.opcode = Op::continuation, .payload = "d"});
  CHECK_FALSE(decoder.in_message());
  std::span<char> input(bytes);
  CHECK(decoder.next(input, limits).kind == Kind::ping);
  CHECK(decoder.in_message());
  const sb::Decoded event = decoder.next(input, limits);
  CHECK(described(event) == "text abcd");
  CHECK_FALSE(decoder.in_message());
  CHECK(described(event) == "text abcd");  // valid until the next call
  CHECK(decoder.next(input, limits).kind == Kind::need_more);
}

TEST_CASE("whole frames are decoded where they lie, without an allocation") {
  std::string bytes = encode({.payload = "a text with \xC3\xBC"}) + typed(type_7 + "payload") + typed("abc") +
                      encode({.opcode = Op::ping, .payload = "beat"}) + encode({.payload = "last"});
  const sb::DecoderLimits limits{1000, true};
  sb::FrameDecoder decoder;
  std::span<char> input(bytes);
  const std::size_t before = allocations;
  std::size_t inside = 0, events = 0;
  for (;;) {
    const sb::Decoded event = decoder.next(input, limits);
    if (event.kind == Kind::need_more) break;
    ++events;
    if (event.payload.data() >= bytes.data() && event.payload.data() < bytes.data() + bytes.size()) ++inside;
  }
  CHECK(allocations == before);
  CHECK(events == 6);
  CHECK(inside == 5);
  CHECK(input.empty());
}

TEST_CASE("an idle decoder is small and owns nothing") {
  CHECK(sizeof(sb::FrameDecoder) <= 64);
  const sb::DecoderLimits limits{};
  sb::FrameDecoder decoder;
  std::string first = encode({.payload = "in two pieces"});
  const std::string second = first.substr(9);
  first.resize(9);
  std::span<char> input(first);
  CHECK(decoder.next(input, limits).kind == Kind::need_more);
  std::string rest = second;
  input = rest;
  CHECK(decoder.next(input, limits).kind == Kind::text);
  CHECK(decoder.next(input, limits).kind == Kind::need_more);
  // Were anything still owned, a whole message would find it; this one must not allocate either.
  std::string whole = encode({.payload = "whole"});
  input = whole;
  const std::size_t before = allocations;
  CHECK(decoder.next(input, limits).kind == Kind::text);
  CHECK(allocations == before);
}

TEST_CASE("any bytes at all end in need_more, a close or an error") {
  std::mt19937 random(5);
  for (int round = 0; round < 20'000; ++round) {
    Client client{.limits = {64, random() % 2 == 0}, .type_limit = 8};
    for (int pieces = 0; pieces < 3; ++pieces) {
      std::string bytes;
      for (std::size_t n = random() % 24; n > 0; --n)
        bytes += random() % 3 == 0 ? "\x81\x82\x01\x02\x80\x83\x89\x88"[random() % 8]
                                   : static_cast<char>(random());
      client.feed(bytes);
    }
  }
}
