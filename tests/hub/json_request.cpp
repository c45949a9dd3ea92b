// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/hub/json_request.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::string_literals;
using Type = RequestField::Type;

namespace {

std::string error_of(std::string_view text) {
  const JsonRequest request = read_json_request(text);
  return request.error ? std::string(to_string(*request.error)) : "none";
}
std::string nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

}  // namespace

TEST_CASE("the members that the hub knows are found, whatever their order, and others are passed over") {
  const JsonRequest request = read_json_request(
      R"({"other":{"action":"no"},"data":[1,{"id":2}],"id":"x","channel":"news","presence":true,"action":"publish","list":["type"]})");
  REQUIRE_FALSE(request.error);
  CHECK(request.action.string == "publish");
  CHECK(request.channel.string == "news");
  CHECK(request.id.written == R"("x")");
  CHECK(request.data.written == R"([1,{"id":2}])");
  CHECK(request.presence.boolean);
  CHECK_FALSE(request.type.is_present());
  CHECK_FALSE(request.seq.is_present());
}

TEST_CASE("a value is kept as it was written, byte for byte") {
  for (const std::string value :
       {"0", "-0", "12345678901234567890123", "1.50", "1E+2", "0.1e-7", "true", "false", "null", R"("")",
        R"("a\u00e9\/\n")", R"([])", R"({})", R"([1, 2 ,3])", "{ \"b\" : 1,\n\"a\":\t[ ] }", R"("é]}\"\\")",
        "[1.0,\"}\"]"}) {
    for (const std::string before : {"", " ", "\t\n\r "}) {
      for (const std::string after : {"", " ", "\r\n\t"}) {
        const std::string text = "{\"data\"" + before + ":" + before + value + after + "}";
        CAPTURE(text);
        const JsonRequest request = read_json_request(text);
        REQUIRE_FALSE(request.error);
        CHECK(request.data.written == value);
        const std::string with_more =
            "{\"data\"" + before + ":" + before + value + after + ",\"id\":1" + after + "}";
        const JsonRequest more = read_json_request(with_more);
        CHECK(more.data.written == value);
        CHECK(more.id.written == "1");
      }
    }
  }
}

TEST_CASE("each type of value is told apart") {
  const auto type_of = [](const std::string& value) {
    return read_json_request("{\"id\":" + value + "}").id.type;
  };
  CHECK(type_of("null") == Type::null);
  CHECK(type_of("true") == Type::boolean);
  CHECK(type_of("-1.5") == Type::number);
  CHECK(type_of("18446744073709551615") == Type::number);
  CHECK(type_of("\"1\"") == Type::string);
  CHECK(type_of("[\"1\"]") == Type::array);
  CHECK(type_of("{\"id\":1}") == Type::object);
  CHECK(read_json_request("{}").id.type == Type::absent);
}

TEST_CASE("the tree that an App gets is the one that nlohmann makes of the text") {
  for (const std::string text :
       {R"(null)",
        R"({"a":null,"b":[true,false,{}],"c":-1,"d":18446744073709551615,"e":1.5e3,"f":"\u00fc\n"})",
        R"([[],[[null]],{"a":{"a":{"b":[1]}}}])", R"({"a":1,"a":{"b":2},"":[""]})"}) {
    CAPTURE(text);
    CHECK(parse_json(text) == nlohmann::json::parse(text));
  }
}

TEST_CASE("strings are understood with their escapes, member names too") {
  const JsonRequest request =
      read_json_request(R"({"\u0061ction":"sub\u0073cribe","channel":"\ud83d\ude00\n"})");
  CHECK(request.action.string == "subscribe");
  CHECK(request.channel.string == "\U0001F600\n");
}

TEST_CASE("of a repeated member the last counts, whatever its type") {
  const JsonRequest request =
      read_json_request(R"({"id":"a","presence":true,"id":7,"presence":[1],"id":{}})");
  CHECK(request.id.type == Type::object);
  CHECK(request.id.written == "{}");
  CHECK(request.id.string.empty());
  CHECK(request.presence.type == Type::array);
  CHECK_FALSE(request.presence.boolean);
}

TEST_CASE("what is no JSON is invalid") {
  for (const std::string& text : {""s,
                                  " "s,
                                  "{"s,
                                  "}"s,
                                  "{\"a\":1,}"s,
                                  "{'a':1}"s,
                                  "{\"a\" 1}"s,
                                  "{\"a\":01}"s,
                                  "{\"a\":+1}"s,
                                  "{\"a\":.5}"s,
                                  "{\"a\":NaN}"s,
                                  "{\"a\":tru}"s,
                                  "{\"a\":1}}"s,
                                  "{\"a\":1} x"s,
                                  "{} {}"s,
                                  "{\"a\":\"\x01\"}"s,
                                  "{\"a\":\"\\x\"}"s,
                                  "{\"a\":\"\\u12\"}"s,
                                  "{\"a\":1}\0"s,
                                  "{\"a\":1}\0garbage"s,
                                  "\xef\xbb\xbf{}"s,
                                  "/**/{}"s,
                                  "{\"a\":1e400}"s,
                                  "\"open"s,
                                  "{\"a\":\"\xff\"}"s}) {
    CAPTURE(text);
    CHECK(error_of(text) == "json.invalid");
  }
}

TEST_CASE("a lone surrogate is invalid wherever it stands") {
  for (const char* text : {R"({"data":"\ud800"})", R"({"data":"\udc00"})", R"({"data":["\ud800\ud800"]})",
                           R"({"\ud83d":1})", R"({"x":{"y":"\ude00\ud83d"}})", R"("\ud800")"}) {
    CAPTURE(text);
    CHECK(error_of(text) == "json.invalid");
  }
  CHECK(error_of(R"({"data":"\ud83d\ude00"})") == "none");
}

TEST_CASE("what is JSON but no object is told as that") {
  for (const char* text : {"1", "null", "\"x\"", "[]", "[{\"action\":\"subscribe\"}]", " true "}) {
    CAPTURE(text);
    CHECK(error_of(text) == "message.not_object");
    CHECK_FALSE(read_json_request(text).action.is_present());
  }
}

TEST_CASE("64 levels of nesting are read and the 65th is not, however it is made") {
  CHECK(error_of("{\"data\":" + nested(63) + "}") == "none");
  CHECK(error_of("{\"data\":" + nested(64) + "}") == "json.too_deep");
  CHECK(error_of(nested(64)) == "message.not_object");
  CHECK(error_of(nested(65)) == "json.too_deep");
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  CHECK(error_of(objects) == "json.too_deep");  // it need not even be whole
  CHECK(error_of(std::string(1'000'000, '[')) == "json.too_deep");
}

TEST_CASE("an id is a string or a number of at most 128 bytes as written") {
  const auto is_id = [](const std::string& written) {
    return is_request_id(read_json_request("{\"id\":" + written + "}").id);
  };
  CHECK(is_id("0"));
  CHECK(is_id("\"\""));
  CHECK(is_id("-1.5e3"));
  CHECK(is_id("\"" + std::string(126, 'x') + "\""));
  CHECK_FALSE(is_id("\"" + std::string(127, 'x') + "\""));
  CHECK(is_id(std::string(128, '1')));
  CHECK_FALSE(is_id(std::string(129, '1')));
  for (const char* other : {"null", "true", "[]", "{}"}) CHECK_FALSE(is_id(other));
  CHECK_FALSE(is_request_id(read_json_request("{}").id));
}

TEST_CASE("what an App may publish is JSON, and what it may send an object without a seq") {
  for (const char* text : {"1", " [1] ", "\"x\"", "{\"seq\":1}"}) CHECK(is_sendable_json(text));
  for (const std::string& text : {"1\0"s, "1 2"s, ""s,
                                  "\xef\xbb\xbf"
                                  "1"s,
                                  nested(65)})
    CHECK_FALSE(is_sendable_json(text));
  CHECK(is_sendable_json("{\"a\":{\"seq\":1}}", true));
  for (const char* text : {"1", "[{}]", "{\"seq\":1}", "{\"s\\u0065q\":null}"})
    CHECK_FALSE(is_sendable_json(text, true));
}
