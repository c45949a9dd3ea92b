// SPDX-License-Identifier: MIT
#include <random>
#include <string>

#include <switchboard/protocol/utf8.hpp>

#include "protocol/rfc6455/text_cases.hpp"
#include "support/catch.hpp"

namespace sb = switchboard;

namespace {

std::string encoded(std::uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

// How many bytes the validator takes, one at a time, until it refuses; npos if it never does.
std::size_t refused_at(std::string_view text) {
  sb::Utf8Validator validator;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!validator.feed(text.substr(i, 1))) return i;
  return std::string_view::npos;
}

// RFC 3629 read the slow way: decode, then look at what came out.
bool is_utf8_by_decoding(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[i]);
    const std::size_t size = first < 0x80       ? 1
                             : first >> 5 == 6  ? 2
                             : first >> 4 == 14 ? 3
                             : first >> 3 == 30 ? 4
                                                : 0;
    if (size == 0 || i + size > text.size()) return false;
    std::uint32_t point = size == 1 ? first : first & (0xffu >> (size + 1));
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<std::uint8_t>(text[i + k]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    if (encoded(point).size() != size) return false;
    i += size;
  }
  return true;
}

}  // namespace

TEST_CASE("every code point but the surrogates is UTF-8, whole and byte by byte") {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    const std::string text = encoded(point);
    const bool right = point < 0xD800 || point > 0xDFFF;
    if (sb::is_utf8(text) != right || (refused_at(text) == std::string_view::npos) != right) {
      CAPTURE(point);
      CHECK(sb::is_utf8(text) == right);
      FAIL("a code point is judged wrongly");
    }
  }
}

TEST_CASE("bad UTF-8 is refused at the first byte that cannot be right") {
  for (const rfc6455::WrongSequence& wrong : rfc6455::wrong_sequences) {
    INFO(wrong.name);
    CHECK(refused_at(wrong.bytes) == wrong.known_after - 1);
  }
  for (const rfc6455::RightSequence& right : rfc6455::right_sequences) {
    INFO(right.name);
    CHECK(refused_at(right.bytes) == std::string_view::npos);
  }
}

TEST_CASE("a text that ends inside a sequence is not complete") {
  const std::string_view smile = "\xF0\x9F\x98\x80";
  sb::Utf8Validator validator;
  CHECK(validator.complete());
  for (std::size_t i = 0; i < smile.size(); ++i) {
    REQUIRE(validator.feed(smile.substr(i, 1)));
    CHECK(validator.complete() == (i == 3));
  }
  CHECK_FALSE(sb::is_utf8(smile.substr(0, 3)));
}

TEST_CASE("once refused, a text stays refused until the validator is reset") {
  sb::Utf8Validator validator;
  CHECK_FALSE(validator.feed(std::string_view("\xC3(")));
  CHECK_FALSE(validator.feed(std::string_view("plain text")));
  CHECK_FALSE(validator.feed(std::string_view("\xA9")));
  CHECK_FALSE(validator.feed(std::string_view()));
  CHECK_FALSE(validator.complete());
  validator.reset();
  CHECK(validator.feed(std::string_view("plain text")));
  CHECK(validator.complete());
}

TEST_CASE("a bad byte is found at any place in a long ASCII text") {
  for (std::size_t size = 1; size < 40; ++size)
    for (std::size_t place = 0; place < size; ++place) {
      std::string text(size, 'x');
      REQUIRE(sb::is_utf8(text));
      text[place] = '\xFF';
      REQUIRE_FALSE(sb::is_utf8(text));
    }
}

TEST_CASE("any bytes in any pieces are judged as by decoding them") {
  std::mt19937 random(7);
  const std::string_view alphabet = "a\x80\x8F\x90\x9F\xA0\xBF\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5";
  std::size_t right = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text(random() % 4 == 0 ? 9 : 0, 'a');
    for (std::size_t n = random() % 5; n > 0; --n) text += alphabet[random() % alphabet.size()];
    const bool expected = is_utf8_by_decoding(text);
    right += expected ? 1 : 0;
    REQUIRE(sb::is_utf8(text) == expected);
    sb::Utf8Validator validator;
    const std::size_t cut = random() % (text.size() + 1);
    const bool in_pieces = validator.feed(std::string_view(text).substr(0, cut)) &&
                           validator.feed(std::string_view(text).substr(cut)) && validator.complete();
    REQUIRE(in_pieces == expected);
  }
  CHECK(right > 1000);
}
