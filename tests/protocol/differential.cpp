// SPDX-License-Identifier: MIT
// Random and mutated streams of frames, read by ours and by Beast.
#include "protocol/rfc6455/differential.hpp"

#include <array>
#include <random>
#include <string>
#include <vector>

#include <switchboard/testing/client_frames.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using rfc6455::Difference;
using sb::testing::encode;
using Op = sb::Opcode;

namespace {

/// Makes streams that are right, and breaks them.
class Streams {
 public:
  explicit Streams(std::uint32_t seed) : random_(seed) {}

  std::string next() {
    frames_.clear();
    for (std::size_t messages = 1 + below(4); messages > 0; --messages) add_message();
    if (below(2) == 0) add(Op::close, close_payload(), true);
    for (std::size_t mutations = below(2) * below(4); mutations > 0; --mutations) mutate_frames();
    std::string bytes;
    for (const std::string& frame : frames_) bytes += frame;
    for (std::size_t mutations = below(2) * below(4); mutations > 0; --mutations) mutate_bytes(bytes);
    return bytes;
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  void add(Op opcode, const std::string& payload, bool fin) {
    // One in thirty frames has something of its header wrong.
    sb::testing::ClientFrame frame{.opcode = opcode, .payload = payload, .fin = fin};
    frame.key = {byte(), byte(), byte(), byte()};
    switch (below(200)) {
      case 0:
        frame.reserved_bits = static_cast<std::uint8_t>(1 + below(7));
        break;
      case 1:
        frame.masked = false;
        break;
      case 2:
        frame.length_width = below(2) == 0 || payload.size() > 0xffff ? 8 : 2;
        break;
      case 3:
        frame.claimed_size = std::uint64_t{1} << below(64);
        break;
      case 4:
        frame.opcode = static_cast<Op>(below(16));
        break;
      case 5:
        frame.fin = !fin;
        break;
      default:
        break;
    }
    frames_.push_back(encode(frame));
  }

  void add_message() {
    const bool is_text = below(3) != 0;
    const std::string whole = is_text ? text() : blob();
    std::size_t at = 0;
    for (std::size_t fragments = below(4); fragments > 0; --fragments) {
      const std::size_t size = below(whole.size() - at + 1);
      add(at == 0 && first_ ? opcode(is_text) : Op::continuation, whole.substr(at, size), false);
      first_ = false;
      at += size;
      if (below(3) == 0) add_control();
    }
    add(first_ ? opcode(is_text) : Op::continuation, whole.substr(at), true);
    first_ = true;
    if (below(4) == 0) add_control();
  }

  static Op opcode(bool is_text) { return is_text ? Op::text : Op::binary; }

  void add_control() {
    add(below(2) == 0 ? Op::ping : Op::pong, std::string(below(8) == 0 ? 118 + below(10) : below(9), 'p'),
        true);
  }

  std::string text() {
    // One in 64 characters is none.
    static constexpr std::array right{"a",
                                      "plain ascii text ",
                                      "\xC3\xA9",
                                      "\xE2\x82\xAC",
                                      "\xF0\x9F\x98\x80",
                                      "\xEF\xBF\xBF",
                                      "\xED\x9F\xBF",
                                      "\xF4\x8F\xBF\xBF"};
    static constexpr std::array wrong{"\x80",         "\xC0\xAF",         "\xE0\x80\xAF", "\xF0\x80\x80\xAF",
                                      "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF",         "\xC3",
                                      "\xE2\x82",     "\xF0\x9F\x98"};
    std::string made;
    for (std::size_t characters = below(12); characters > 0; --characters)
      made += below(64) == 0 ? wrong[below(wrong.size())] : right[below(right.size())];
    return made;
  }

  std::string blob() {
    static constexpr std::array sizes{0, 1, 3, 4, 5, 9, 10, 11, 124, 125, 126, 127, 999, 1000, 1001};
    std::string made(
        below(200) == 0 ? 65'534 + below(4) : static_cast<std::size_t>(sizes[below(sizes.size())]), '\0');
    for (char& c : made) c = byte();
    return made;
  }

  std::string close_payload() {
    static constexpr std::array codes{1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007,  1011, 1013,
                                      1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535, 0,    999};
    const int code = below(2) == 0 ? codes[below(codes.size())] : 1000;
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    if (below(3) == 0) payload += text().substr(0, 123);
    return payload.substr(0, below(6) == 0 ? below(3) : payload.size());
  }

  void mutate_frames() {
    const std::size_t one = below(frames_.size()), other = below(frames_.size());
    switch (below(4)) {
      case 0:
        std::swap(frames_[one], frames_[other]);
        break;
      case 1:
        frames_.insert(frames_.begin() + static_cast<std::ptrdiff_t>(one), frames_[other]);
        break;
      case 2:
        if (frames_.size() > 1) frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(one));
        break;
      default:
        break;
    }
  }

  void mutate_bytes(std::string& bytes) {
    if (bytes.empty()) return;
    // Mostly near the front: streams end at their first breach.
    const std::size_t at =
        below(2) == 0 ? below(bytes.size()) : below(std::min<std::size_t>(bytes.size(), 16));
    switch (below(5)) {
      case 0:
        bytes[at] = static_cast<char>(static_cast<std::uint8_t>(bytes[at]) ^ 1u << below(8));
        break;
      case 1:
        bytes[at] = byte();
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, 1 + below(4));
        break;
      default:
        bytes.insert(at, 1 + below(4), byte());
        break;
    }
  }

  char byte() { return static_cast<char>(random_()); }

  std::mt19937 random_;
  std::vector<std::string> frames_;
  bool first_ = true;
};

}  // namespace

TEST_CASE("random and mutated streams mean to ours what they mean to Beast, but for what is listed") {
  std::array<std::size_t, rfc6455::difference_count> met{};
  std::size_t whole = 0, failed = 0, closed = 0;
  for (std::uint32_t seed = 0; seed < 20'000; ++seed) {
    Streams streams(seed);
    const std::string stream = streams.next();
    const auto choice = static_cast<char>(streams.below(256));
    const std::string input = choice + stream;
    CAPTURE(seed);
    Difference difference{};
    REQUIRE_NOTHROW(difference = rfc6455::check(std::as_bytes(std::span(input))));
    ++met[static_cast<std::size_t>(difference)];
    const rfc6455::Events events = rfc6455::read_with_ours(stream, {.piece = 100'000}).events();
    using Kind = rfc6455::Event::Kind;
    const Kind last = events.empty() ? Kind::text : events.back().kind;
    ++(last == Kind::fail ? failed : last == Kind::close ? closed : whole);
  }
  // The streams are worth it: all sorts of ends, and each difference that is listed is one.
  CHECK(whole > 1000);
  CHECK(failed > 1000);
  CHECK(closed > 1000);
  for (std::size_t i = 0; i < met.size(); ++i) {
    CAPTURE(i, met[i]);
    CHECK(met[i] > 0);
  }
}
