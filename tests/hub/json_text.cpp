// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include <switchboard/hub/json_text.hpp>

#include "support/catch.hpp"

using namespace switchboard;

TEST_CASE("any text becomes a JSON string that means the same") {
  std::string text;
  for (int byte = 0; byte < 0x80; ++byte) text += static_cast<char>(byte);
  text += "é\u2028\U0001F600";
  std::string json;
  append_json_string(json, text);
  CHECK(nlohmann::json::parse(json).get<std::string>() == text);
}

TEST_CASE("a JSON string is appended, with short escapes where there are any") {
  std::string json = "x";
  append_json_string(json, "a\"b\\c\n\r\t\x01/\x7f");
  CHECK(json == "x\"a\\\"b\\\\c\\n\\r\\t\\u0001/\x7f\"");
}

TEST_CASE("an object is built member by member, in order") {
  JsonObjectText text;
  text.string("type", "a \"b\"")
      .number("count", 18446744073709551615ULL)
      .boolean("yes", true)
      .boolean("no", false);
  CHECK(text.raw("data", "[1, 2]").take() ==
        R"({"type":"a \"b\"","count":18446744073709551615,"yes":true,"no":false,"data":[1, 2]})");
}

TEST_CASE("an object without members is whole too, and a builder that was emptied builds another") {
  JsonObjectText text;
  CHECK(text.take() == "{}");
  CHECK(text.string("a", "1").take() == R"({"a":"1"})");
  CHECK(text.take() == "{}");
}
