// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
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

// The number of bytes after which the decoder, given one at a time, reports the error.
std::size_t error_after(std::string_view bytes, const std::string& error, Client client = {}) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    client.feed(bytes.substr(i, 1));
    if (client.events.empty()) continue;
    CHECK(client.events.back() == error);
    return i + 1;
  }
  return 0;
}

std::string typed(std::string_view payload, bool fin = true, Op opcode = Op::binary) {
  return encode({.opcode = opcode, .payload = payload, .fin = fin});
}

const std::string type_7("\0\0\0\7", 4);

}  // namespace

TEST_CASE("the masked Hello of RFC 6455 §5.7 is read") {
  const std::string hello("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  check_splits(hello, {"text Hello"});
  CHECK(encode({.payload = "Hello"}) == hello);
}

TEST_CASE("messages of every length form are read, from any split") {
  for (const std::size_t size : {0u, 1u, 7u, 125u, 126u, 127u, 300u})
    check_splits(encode({.payload = std::string(size, 'x')}), {"text " + std::string(size, 'x')});
  const std::string large(70'000, 'y');
  const std::string bytes = encode({.opcode = Op::binary, .payload = large});
  for (const std::size_t cut : {1u, 2u, 9u, 10u, 13u, 14u, 15u, 4096u, 69'999u}) {
    Client client{.limits = {100'000, false}};
    client.feed(std::string_view(bytes).substr(0, cut));
    client.feed(std::string_view(bytes).substr(cut));
    CHECK(client.events == Events{"binary " + large});
  }
}

TEST_CASE("fragments are joined, with control frames between them, from any split") {
  const std::string bytes =
      encode({.payload = "one ", .fin = false}) + encode({.opcode = Op::ping, .payload = "beat"}) +
      encode({.opcode = Op::continuation, .payload = "two ", .fin = false}) +
      encode({.opcode = Op::continuation, .payload = "", .fin = false}) +
      encode({.opcode = Op::pong, .payload = ""}) + encode({.opcode = Op::continuation, .payload = "three"}) +
      encode({.opcode = Op::binary, .payload = "next"}) +
      sb::testing::encode_close(sb::CloseCode::normal, "bye");
  check_splits(bytes, {"ping beat", "pong ", "text one two three", "binary next", "close 1000 bye"});
}

TEST_CASE("a message of empty fragments is an empty message") {
  const std::string bytes = encode({.fin = false}) + encode({.opcode = Op::continuation, .fin = false}) +
                            encode({.opcode = Op::continuation}) + encode({.payload = "x"});
  check_splits(bytes, {"text ", "text x"});
}

TEST_CASE("control frames of 0 to 125 bytes are read, from any split") {
  const std::string longest(125, 'p');
  check_splits(encode({.opcode = Op::ping, .payload = longest}) + encode({.opcode = Op::ping}) +
                   encode({.opcode = Op::pong, .payload = longest}),
               {"ping " + longest, "ping ", "pong " + longest});
}

TEST_CASE("each breach of the framing is 1002, on the first byte that shows it") {
  const auto after = [](const std::string& bytes) { return error_after(bytes, "error 1002"); };
  for (const std::uint8_t bits : std::array<std::uint8_t, 4>{1, 2, 4, 7})
    CHECK(after(encode({.payload = "x", .reserved_bits = bits})) == 1);
  for (const int reserved : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    CHECK(after(encode({.opcode = static_cast<Op>(reserved), .payload = "x"})) == 1);
  for (const Op control : {Op::close, Op::ping, Op::pong}) {
    CHECK(after(encode({.opcode = control, .fin = false})) == 1);
    CHECK(after(encode({.opcode = control, .payload = std::string(126, 'x')})) == 2);
  }
  CHECK(after(encode({.payload = "x", .masked = false})) == 2);
  CHECK(after(encode({.opcode = Op::ping, .masked = false})) == 2);
  CHECK(after(encode({.payload = std::string(125, 'x'), .length_width = 2})) == 4);
  CHECK(after(encode({.payload = std::string(125, 'x'), .length_width = 8})) == 10);
  CHECK(after(encode({.payload = std::string(0xffff, 'x'), .length_width = 8})) == 10);
  CHECK(after(encode({.claimed_size = std::uint64_t{1} << 63})) == 10);
}

TEST_CASE("fragments out of order are 1002") {
  check_splits(encode({.opcode = Op::continuation, .payload = "x"}), {"error 1002"});
  check_splits(encode({.opcode = Op::continuation, .payload = "x", .fin = false}), {"error 1002"});
  check_splits(encode({.payload = "a"}) + encode({.opcode = Op::continuation, .payload = "x"}),
               {"text a", "error 1002"});
  check_splits(encode({.payload = "a", .fin = false}) + encode({.payload = "b"}), {"error 1002"});
  check_splits(encode({.payload = "", .fin = false}) + encode({.opcode = Op::binary, .payload = "b"}),
               {"error 1002"});
}

TEST_CASE("after an error nothing more is read") {
  const std::string bytes = encode({.payload = "x", .masked = false}) + encode({.payload = "y"});
  check_splits(bytes, {"error 1002"});
}

TEST_CASE("close frames: none, a code, a reason, and what may not be") {
  const auto close = [](std::string_view payload) {
    return encode({.opcode = Op::close, .payload = payload});
  };
  const auto with_code = [&](int code, std::string_view reason = "") {
    return close(std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}.append(reason));
  };
  check_splits(close(""), {"close 1005 "});
  check_splits(close("\x03"), {"error 1002"});
  check_splits(with_code(1000, "\xC3\xBC"), {"close 1000 \xC3\xBC"});
  check_splits(with_code(1000, std::string(123, 'r')), {"close 1000 " + std::string(123, 'r')});
  check_splits(with_code(1000, "\xC3"), {"error 1007"});
  check_splits(with_code(1000, "\xED\xA0\x80"), {"error 1007"});
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
    CHECK(decoded(with_code(code)) == Events{"close " + std::to_string(code) + " "});
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
    CHECK(decoded(with_code(code)) == Events{"error 1002"});
}

TEST_CASE("after a close nothing more is read, and a message under way is not finished") {
  const std::string bytes = encode({.payload = "half", .fin = false}) +
                            sb::testing::encode_close(sb::CloseCode::going_away) +
                            encode({.opcode = Op::continuation, .payload = "rest"});
  check_splits(bytes, {"close 1001 "});
}

TEST_CASE("text that is not UTF-8 is 1007") {
  check_splits(encode({.payload = "ab\xFF"}), {"error 1007"});
  check_splits(encode({.payload = "ab\xC3"}), {"error 1007"});
  check_splits(encode({.payload = "ab\xC3", .fin = false}) + encode({.opcode = Op::continuation}),
               {"error 1007"});
  check_splits(
      encode({.payload = "ab\xC3", .fin = false}) + encode({.opcode = Op::continuation, .payload = "x"}),
      {"error 1007"});
  check_splits(encode({.payload = "\xE2\x82", .fin = false}) + encode({.opcode = Op::ping}) +
                   encode({.opcode = Op::continuation, .payload = "\xAC"}),
               {"ping ", "text \xE2\x82\xAC"});
  check_splits(encode({.opcode = Op::binary, .payload = "ab\xFF"}), {"binary ab\xFF"});
}

TEST_CASE("bad UTF-8 is 1007 as soon as it is certain, inside a frame that has not arrived") {
  const std::string in_frame = encode({.payload = "ab\xED\xA0\x80"
                                                  "cdefgh"});
  CHECK(error_after(in_frame, "error 1007") == 6 + 4);
  const std::string first = encode({.payload = "ab\xF4", .fin = false});
  CHECK(error_after(first + encode({.opcode = Op::continuation, .payload = "\x90 and more"}), "error 1007") ==
        first.size() + 6 + 1);
}

TEST_CASE("a message over the limit is 1009 from the header that shows it, before any of it is kept") {
  const Client client{.limits = {10, false}};
  CHECK(decoded(encode({.payload = "0123456789"}), {.limits = {10, false}}) == Events{"text 0123456789"});
  CHECK(error_after(encode({.payload = "0123456789a"}), "error 1009", {.limits = {10, false}}) == 6);
  CHECK(error_after(encode({.claimed_size = (std::uint64_t{1} << 63) - 1}), "error 1009",
                    {.limits = {10, false}}) == 14);
  const std::string fragments = encode({.payload = "01234567", .fin = false}) + encode({.opcode = Op::ping}) +
                                encode({.opcode = Op::continuation, .payload = "89", .fin = false}) +
                                encode({.opcode = Op::continuation, .payload = "a"});
  check_splits(fragments, {"ping ", "error 1009"}, {10, false});
  check_splits(fragments, {"ping ", "text 0123456789a"}, {11, false});
  check_splits(encode({.opcode = Op::ping, .payload = "longer than ten"}), {"ping longer than ten"},
               {10, false});
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

TEST_CASE("random valid streams in random pieces give the messages that were sent") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    Events expected;
    for (int messages = 0; messages < 6; ++messages) {
      const bool is_text = random() % 2 == 0;
      std::string whole;
      const std::size_t fragments = 1 + random() % 3;
      for (std::size_t i = 0; i < fragments; ++i) {
        const std::string part(random() % 3 == 0 ? random() % 300 : random() % 9,
                               static_cast<char>('a' + random() % 26));
        const Op opcode = i > 0 ? Op::continuation : is_text ? Op::text : Op::binary;
        const sb::MaskingKey key{static_cast<char>(random()), static_cast<char>(random()),
                                 static_cast<char>(random()), 0};
        bytes += encode({.opcode = opcode, .payload = part, .fin = i + 1 == fragments, .key = key});
        whole += part;
        if (random() % 4 == 0) {
          bytes += encode({.opcode = Op::ping, .payload = "p"});
          if (i + 1 < fragments) expected.push_back("ping p");
        }
      }
      const bool ping_last = bytes.ends_with(encode({.opcode = Op::ping, .payload = "p"}));
      expected.push_back((is_text ? "text " : "binary ") + whole);
      if (ping_last) expected.push_back("ping p");
    }
    Client client;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = 1 + random() % (random() % 2 == 0 ? 5 : 400);
      client.feed(std::string_view(bytes).substr(at, piece));
      at += piece;
    }
    REQUIRE(client.events == expected);
  }
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
