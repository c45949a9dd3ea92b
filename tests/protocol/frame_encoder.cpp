// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/protocol/frame_encoder.hpp>
#include <switchboard/testing/client_frames.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using Op = sb::Opcode;

TEST_CASE("a frame header takes the shortest length form") {
  const auto header = [](std::uint64_t size) {
    return std::string(sb::FrameHeader(Op::binary, size).view());
  };
  CHECK(header(0) == std::string("\x82\x00", 2));
  CHECK(header(125) == "\x82\x7d");
  CHECK(header(126) == std::string("\x82\x7e\x00\x7e", 4));
  CHECK(header(0xffff) == "\x82\x7e\xff\xff");
  CHECK(header(0x10000) == std::string("\x82\x7f\0\0\0\0\0\1\0\0", 10));
  CHECK(header(0x0123456789abcdef) == "\x82\x7f\x01\x23\x45\x67\x89\xab\xcd\xef");
}

TEST_CASE("a frame header carries the opcode and whether it is the last fragment") {
  CHECK(sb::FrameHeader(Op::text, 1).view() == "\x81\x01");
  CHECK(sb::FrameHeader(Op::text, 1, false).view() == "\x01\x01");
  CHECK(sb::FrameHeader(Op::continuation, 1).view() == "\x80\x01");
  CHECK(sb::FrameHeader(Op::pong, 1).view() == "\x8a\x01");
}

TEST_CASE("a frame is appended to what is there") {
  std::string out = "before";
  sb::append_frame(out, Op::text, "Hello");
  sb::append_frame(out, Op::ping, "");
  CHECK(out == std::string("before\x81\x05Hello\x89\x00", 15));
}

TEST_CASE("what is encoded is what a client reads") {
  for (const std::size_t size : {0u, 125u, 126u, 65'535u, 65'536u}) {
    std::string out;
    sb::append_frame(out, Op::binary, std::string(size, 'x'));
    sb::testing::ServerFrameDecoder client;
    client.feed(out);
    CHECK(client.next() == sb::testing::ServerFrame{Op::binary, true, std::string(size, 'x')});
  }
}

TEST_CASE("a close payload is the code, big-endian, and the reason") {
  CHECK(sb::close_payload(sb::CloseCode::normal, "bye") ==
        "\x03\xe8"
        "bye");
  CHECK(sb::close_payload(sb::CloseCode::token_expired, "") == "\x11\x31");
  CHECK(sb::close_payload(sb::CloseCode::no_status, "not said").empty());
}

TEST_CASE("a close payload never carries a code that may not be sent") {
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 2999, 5000})
    CHECK(sb::close_payload(static_cast<sb::CloseCode>(code), "reason").empty());
}

TEST_CASE("a close reason is cut to 123 bytes, between characters, and left out when it is not UTF-8") {
  const auto reason = [](const std::string& text) {
    return sb::close_payload(sb::CloseCode::normal, text).substr(2);
  };
  CHECK(reason(std::string(123, 'r')) == std::string(123, 'r'));
  CHECK(reason(std::string(200, 'r')) == std::string(123, 'r'));
  const std::string snowman = "\xE2\x98\x83";
  CHECK(reason(std::string(122, 'r') + snowman) == std::string(122, 'r'));
  CHECK(reason(std::string(121, 'r') + snowman) == std::string(121, 'r'));
  CHECK(reason(std::string(120, 'r') + snowman + "more") == std::string(120, 'r') + snowman);
  CHECK(reason("\xFF").empty());
  CHECK(reason(std::string(200, '\x80')).empty());
}

TEST_CASE("the codes that a Close frame may carry are those of RFC 6455 §7.4 and its registry") {
  for (int code = 0; code <= 0xffff; ++code) {
    const bool registered = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006);
    const bool free_to_use = code >= 3000 && code <= 4999;
    if (sb::is_sendable(static_cast<sb::CloseCode>(code)) != (registered || free_to_use))
      FAIL("wrong for " << code);
  }
  SUCCEED();
}
