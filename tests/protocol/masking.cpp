// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/protocol/masking.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

TEST_CASE("a payload of any length at any address is masked byte by byte as RFC 6455 says") {
  const sb::MaskingKey key{'\x01', '\x80', '\xff', '\x37'};
  for (std::size_t offset = 0; offset < 8; ++offset)
    for (std::size_t size = 0; size < 40; ++size) {
      std::string bytes(offset + size + 8, '.');
      std::string expected = bytes;
      for (std::size_t i = 0; i < size; ++i) {
        bytes[offset + i] = expected[offset + i] = static_cast<char>(3 * i);
        expected[offset + i] = static_cast<char>(expected[offset + i] ^ key[i % 4]);
      }
      sb::apply_mask({bytes.data() + offset, size}, key);
      REQUIRE(bytes == expected);
    }
}

TEST_CASE("a payload in two pieces is masked like one") {
  const sb::MaskingKey key{'a', 'b', 'c', 'd'};
  const std::string text = "a payload of some length";
  std::string whole = text;
  sb::apply_mask(whole, key);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::string pieces = text;
    sb::MaskingKey rest = key;
    sb::apply_mask({pieces.data(), cut}, rest);
    sb::advance_key(rest, cut);
    sb::apply_mask({pieces.data() + cut, pieces.size() - cut}, rest);
    REQUIRE(pieces == whole);
  }
}
