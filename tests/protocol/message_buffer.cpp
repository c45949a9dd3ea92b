// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/protocol/message_buffer.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

TEST_CASE("a message buffer grows with what it holds, by doubling and never past twice that or the ceiling") {
  constexpr std::size_t piece = 1000;
  constexpr std::size_t ceiling = 100 * piece + 500;
  sb::MessageBuffer buffer;
  std::string expected;
  std::size_t growths = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string bytes(piece, static_cast<char>('a' + i % 26));
    const std::size_t before = buffer.capacity();
    const std::span<char> place = buffer.append(bytes, ceiling);
    expected += bytes;
    CHECK(std::string_view(place.data(), place.size()) == bytes);
    CHECK(buffer.capacity() <= 2 * expected.size());
    CHECK(buffer.capacity() <= ceiling);
    if (buffer.capacity() != before) ++growths;
  }
  CHECK(std::string_view(buffer.bytes().data(), buffer.bytes().size()) == expected);
  CHECK(growths <= 8);
}

TEST_CASE("a message buffer that holds nothing owns nothing") {
  sb::MessageBuffer buffer;
  CHECK(buffer.append({}, 100).empty());
  CHECK(buffer.bytes().empty());
  CHECK(buffer.capacity() == 0);
}

TEST_CASE("a ceiling that turns out too low costs no bytes") {
  sb::MessageBuffer buffer;
  buffer.append(std::string_view("12345678"), 4);
  CHECK(buffer.capacity() == 8);
  CHECK(std::string_view(buffer.bytes().data(), 8) == "12345678");
}
