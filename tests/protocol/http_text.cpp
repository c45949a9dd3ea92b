// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <switchboard/protocol/http_text.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

TEST_CASE("case is ignored for ASCII letters alone") {
  CHECK(sb::equal_ignoring_case("Sec-WebSocket-Key", "sec-websocket-KEY"));
  CHECK_FALSE(sb::equal_ignoring_case("a", "ab"));
  CHECK_FALSE(sb::equal_ignoring_case("[", "{"));
  CHECK_FALSE(sb::equal_ignoring_case("\xC4", "\xE4"));
}

TEST_CASE("a list is cut at its separators, trimmed, without empty parts") {
  const auto parts = [](std::string_view text) {
    std::vector<std::string> found;
    sb::for_each_part(text, ',', [&](std::string_view part) { found.emplace_back(part); });
    return found;
  };
  CHECK(parts("keep-alive, Upgrade") == std::vector<std::string>{"keep-alive", "Upgrade"});
  CHECK(parts(" ,\t a ,,b,") == std::vector<std::string>{"a", "b"});
  CHECK(parts("").empty());
  CHECK(sb::list_contains("keep-alive, UPGRADE", "upgrade"));
  CHECK_FALSE(sb::list_contains("upgrades, up grade", "upgrade"));
}

TEST_CASE("a token is not empty and has no separators") {
  CHECK(sb::is_token("chat.v1-A_~"));
  CHECK_FALSE(sb::is_token(""));
  for (const char* text : {"a b", "a,b", "a\r\n", "a:b", "\"a\"", "a/b", "\xC3\xA4"})
    CHECK_FALSE(sb::is_token(text));
}

TEST_CASE("percent escapes are decoded, a plus is a plus, and a stray percent stays") {
  CHECK(sb::percent_decoded("a%20b%2Bc+d") == "a b+c+d");
  CHECK(sb::percent_decoded("%e4%BD%a0") == "\xE4\xBD\xA0");
  CHECK(sb::percent_decoded("%00") == std::string(1, '\0'));
  CHECK(sb::percent_decoded("%2541") == "%41");
  for (const char* text : {"100%", "100%2", "%zz", "%2g", "%%"}) CHECK(sb::percent_decoded(text) == text);
  CHECK(sb::percent_decoded("%%41") == "%A");
}
