// SPDX-License-Identifier: MIT
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include <switchboard/protocol/encoded_message.hpp>
#include <switchboard/testing/client_frames.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::EncodedMessage;
using sb::SequencedPrefix;
using sb::testing::ServerFrame;
using Op = sb::Opcode;

namespace {

ServerFrame read_by_client(std::string_view bytes) {
  sb::testing::ServerFrameDecoder client;
  client.feed(bytes);
  const auto frame = client.next();
  REQUIRE(frame);
  CHECK(client.rest().empty());
  return *frame;
}

// What a stateful client reads of a message.
ServerFrame sequenced(const EncodedMessage::Ptr& message, sb::Sequence sequence) {
  const SequencedPrefix prefix(*message, sequence);
  return read_by_client(std::string(prefix.view()) + std::string(message->sequenced_body()));
}

}  // namespace

TEST_CASE("a JSON message is a text frame for a plain client") {
  const auto message = EncodedMessage::json(R"({"a":1})", 42);
  CHECK(message->kind() == EncodedMessage::Kind::json);
  CHECK(message->conflation_key() == 42);
  CHECK(message->payload() == R"({"a":1})");
  CHECK(message->size() == 2 + 7);
  CHECK(read_by_client(message->plain()) == ServerFrame{Op::text, true, R"({"a":1})"});
}

TEST_CASE("a JSON message carries seq as its first member for a stateful client") {
  CHECK(sequenced(EncodedMessage::json(R"({"a":1})"), 7) ==
        ServerFrame{Op::text, true, R"({"seq":7,"a":1})"});
  CHECK(sequenced(EncodedMessage::json(R"({ "a":1})"), 7).payload == R"({"seq":7, "a":1})");
  CHECK(sequenced(EncodedMessage::json("{}"), 1).payload == R"({"seq":1})");
  CHECK(sequenced(EncodedMessage::json("{ \n}"), 1).payload == "{\"seq\":1 \n}");
  CHECK(sequenced(EncodedMessage::json("{}"), sb::Sequence::max).payload == R"({"seq":9007199254740991})");
  CHECK(sequenced(EncodedMessage::json("{}"), UINT64_MAX).payload == R"({"seq":18446744073709551615})");
}

TEST_CASE("the sequence number may push a message over a length form") {
  for (const std::size_t size : {100u, 117u, 118u, 119u, 126u, 65'520u, 65'528u, 65'529u, 65'536u}) {
    const std::string tail = R"("a":")" + std::string(size, 'x') + "\"}";
    CHECK(sequenced(EncodedMessage::json("{" + tail), 12).payload == R"({"seq":12,)" + tail);
  }
}

TEST_CASE("a binary message carries its type, and the seq behind it for a stateful client") {
  const auto message = EncodedMessage::binary(0x01020304, "payload", 9);
  CHECK(message->kind() == EncodedMessage::Kind::binary);
  CHECK(message->conflation_key() == 9);
  CHECK(read_by_client(message->plain()) == ServerFrame{Op::binary, true, "\1\2\3\4payload"});
  CHECK(sequenced(message, 0x05060708090a0b0c) ==
        ServerFrame{Op::binary, true, "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0cpayload"});
  CHECK(sequenced(EncodedMessage::binary(0xfffefdfc, ""), 1).payload ==
        std::string("\xff\xfe\xfd\xfc\0\0\0\0\0\0\0\1", 12));
}

TEST_CASE("a frame is the same for everyone, and raw bytes are no frame at all") {
  const auto pong = EncodedMessage::frame(Op::pong, "beat");
  CHECK(pong->kind() == EncodedMessage::Kind::frame);
  CHECK(read_by_client(pong->plain()) == ServerFrame{Op::pong, true, "beat"});
  const auto raw = EncodedMessage::raw("HTTP/1.1 200 OK\r\n\r\n");
  CHECK(raw->plain() == "HTTP/1.1 200 OK\r\n\r\n");
  CHECK(raw->payload() == raw->plain());
}

TEST_CASE("an encoded message is made by its factories alone and never changes") {
  CHECK_FALSE(std::is_default_constructible_v<EncodedMessage>);
  CHECK(std::is_same_v<decltype(*std::declval<EncodedMessage::Ptr&>()), const EncodedMessage&>);
  CHECK_FALSE(std::is_copy_constructible_v<EncodedMessage>);
}
