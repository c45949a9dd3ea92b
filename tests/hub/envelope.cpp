// SPDX-License-Identifier: MIT
#include <switchboard/hub/envelope.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::string_literals;

namespace {

Envelope sample(Envelope::Kind kind) {
  return {.kind = kind,
          .origin = 0x0102030405060708,
          .counter = 0xfffffffffffffffe,
          .presence_version = 3,
          .number = 0xdeadbeef,
          .text = "a user",
          .body = {"{:}\0\xff", 5}};
}

}  // namespace

TEST_CASE("an envelope of each kind comes out as it went in") {
  for (int kind = 1; kind <= 9; ++kind) {
    const std::string bytes = sample(static_cast<Envelope::Kind>(kind)).encode();
    const auto envelope = Envelope::decode(bytes);
    REQUIRE(envelope);
    CHECK(envelope->kind == static_cast<Envelope::Kind>(kind));
    CHECK(envelope->origin == 0x0102030405060708);
    CHECK(envelope->counter == 0xfffffffffffffffe);
    CHECK(envelope->presence_version == 3);
    CHECK(envelope->number == 0xdeadbeef);
    CHECK(envelope->text == "a user");
    CHECK(envelope->body == "{:}\0\xff"s);
  }
}

TEST_CASE("an envelope without text or body is whole") {
  const std::string bytes = Envelope{.kind = Envelope::Kind::binary}.encode();
  CHECK(bytes.size() == 32);
  const auto envelope = Envelope::decode(bytes);
  REQUIRE(envelope);
  CHECK(envelope->text.empty());
  CHECK(envelope->body.empty());
}

TEST_CASE("its bytes are laid out as documented, so that other releases can read them") {
  const std::string bytes = sample(Envelope::Kind::binary).encode();
  CHECK(bytes ==
        "\x01\x02"
        "\x01\x02\x03\x04\x05\x06\x07\x08"
        "\xff\xff\xff\xff\xff\xff\xff\xfe"
        "\0\0\0\0\0\0\0\x03"
        "\xde\xad\xbe\xef"
        "\0\x06"
        "a user"
        "{:}\0\xff"s);
}

TEST_CASE("what is no envelope, or of an unknown version or kind, is not read") {
  const std::string bytes = sample(Envelope::Kind::binary).encode();
  for (std::size_t size = 0; size < 32 + 6; ++size)
    CHECK_FALSE(Envelope::decode(std::string_view(bytes).substr(0, size)));
  CHECK(Envelope::decode(std::string_view(bytes).substr(0, 32 + 6)));
  for (const char version : {'\0', '\x02'}) {
    std::string other = bytes;
    other[0] = version;
    CHECK_FALSE(Envelope::decode(other));
  }
  for (const char kind : {'\0', '\x0a', '\xff'}) {
    std::string other = bytes;
    other[1] = kind;
    CHECK_FALSE(Envelope::decode(other));
  }
}

TEST_CASE("a message whose body is no JSON object is not read") {
  for (const auto kind : {Envelope::Kind::json, Envelope::Kind::user_json}) {
    for (const char* body : {"", "[1]", " {}", "1"})
      CHECK_FALSE(Envelope::decode(Envelope{.kind = kind, .body = body}.encode()));
    CHECK(Envelope::decode(Envelope{.kind = kind, .body = "{}"}.encode()));
  }
}
