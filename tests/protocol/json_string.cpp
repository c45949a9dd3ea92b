// SPDX-License-Identifier: MIT
#include <string>

#include <nlohmann/json.hpp>

#include <switchboard/protocol/json_string.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

TEST_CASE("a JSON string is appended in quotes, with what must be escaped in its shortest form") {
  std::string out = "[";
  sb::append_json_string(out, "a\"b\\c\n\r\t\b\x1f/\x7f\xC3\xA9");
  CHECK(out == "[\"a\\\"b\\\\c\\n\\r\\t\\u0008\\u001f/\x7f\xC3\xA9\"");
}

TEST_CASE("every ASCII character survives in a JSON string") {
  std::string text;
  for (char c = 0; c < 127; ++c) text += c;
  std::string out;
  sb::append_json_string(out, text);
  CHECK(nlohmann::json::parse(out) == text);
}
