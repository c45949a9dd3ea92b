// SPDX-License-Identifier: MIT
#include <stdexcept>
#include <string>
#include <vector>

#include <switchboard/testing/client_frames.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::testing::encode;
using sb::testing::ServerFrame;
using sb::testing::ServerFrameDecoder;
using Op = sb::Opcode;

namespace {

bool refuses(std::string_view bytes) {
  ServerFrameDecoder decoder;
  decoder.feed(bytes);
  try {
    decoder.next();
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

std::string server_frame(Op opcode, std::string_view payload) {
  std::string bytes;
  sb::append_frame(bytes, opcode, payload);
  return bytes;
}

}  // namespace

TEST_CASE("a client's frame is the bytes of RFC 6455 §5.7") {
  CHECK(encode({.payload = "Hello"}) == std::string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
  CHECK(encode({.opcode = Op::ping, .masked = false}) == std::string("\x89\x00", 2));
  CHECK(encode({.payload = "Hel", .fin = false, .reserved_bits = 4, .masked = false}) == "\x41\x03Hel");
}

TEST_CASE("a client's length takes the shortest form, or the one asked for, or a lie") {
  const auto header = [](const sb::testing::ClientFrame& frame) {
    const std::string bytes = encode(frame);
    return bytes.substr(0, bytes.size() - frame.payload.size());
  };
  CHECK(header({.payload = std::string(125, 'x'), .masked = false}) == "\x81\x7d");
  CHECK(header({.payload = std::string(126, 'x'), .masked = false}) == std::string("\x81\x7e\x00\x7e", 4));
  CHECK(header({.payload = std::string(65'536, 'x'), .masked = false}) ==
        std::string("\x81\x7f\0\0\0\0\0\1\0\0", 10));
  CHECK(header({.payload = "x", .masked = false, .length_width = 2}) == std::string("\x81\x7e\0\1", 4));
  CHECK(header({.payload = "x", .masked = false, .length_width = 8}) ==
        std::string("\x81\x7f\0\0\0\0\0\0\0\1", 10));
  CHECK(header({.payload = "x", .masked = false, .claimed_size = 5}) == "\x81\x05");
}

TEST_CASE("a server's frames are cut out of any pieces") {
  const std::string large(70'000, 'x');
  const std::string bytes = server_frame(Op::text, "") + server_frame(Op::text, "Hello") +
                            server_frame(Op::binary, std::string(300, 'b')) + server_frame(Op::ping, "p") +
                            std::string("\x01\x01h\x80\x01i", 6) + server_frame(Op::binary, large);
  const std::vector<ServerFrame> expected{
      {Op::text, true, ""},     {Op::text, true, "Hello"}, {Op::binary, true, std::string(300, 'b')},
      {Op::ping, true, "p"},    {Op::text, false, "h"},    {Op::continuation, true, "i"},
      {Op::binary, true, large}};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, bytes.size()}) {
    ServerFrameDecoder decoder;
    std::vector<ServerFrame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      decoder.feed(std::string_view(bytes).substr(at, piece));
      while (auto frame = decoder.next()) frames.push_back(std::move(*frame));
    }
    CHECK(frames == expected);
    CHECK(decoder.rest().empty());
  }
}

TEST_CASE("a server that breaks RFC 6455 is not let through") {
  CHECK(refuses(encode({.payload = "masked"})));
  CHECK(refuses(encode({.payload = "x", .reserved_bits = 4, .masked = false})));
  CHECK(refuses(encode({.opcode = static_cast<Op>(3), .masked = false})));
  CHECK(refuses(encode({.opcode = Op::ping, .fin = false, .masked = false})));
  CHECK(refuses(encode({.opcode = Op::close, .payload = std::string(126, 'x'), .masked = false})));
  CHECK(refuses(encode({.payload = "x", .masked = false, .length_width = 2})));
  CHECK(refuses(encode({.payload = "x", .masked = false, .length_width = 8})));
  CHECK_FALSE(refuses(encode({.payload = "x", .masked = false})));
}

TEST_CASE("a server's fragments are a message, with control frames between, and nothing follows its Close") {
  const std::string begin("\x01\x01x", 3), middle(std::string("\x00\x01x", 3)), end("\x80\x01x", 3);
  const std::string ping = server_frame(Op::ping, ""), text = server_frame(Op::text, "x");
  const auto read = [](std::string_view bytes) {
    ServerFrameDecoder decoder;
    decoder.feed(bytes);
    int count = 0;
    while (decoder.next()) ++count;
    return count;
  };
  CHECK(read(begin + ping + middle + end + text + begin + end) == 7);
  for (const std::string& bytes : {middle, end, begin + text, begin + begin, text + end})
    CHECK_THROWS_WITH(read(bytes), "the server's fragments are no message");
  const std::string close = server_frame(Op::close, "");
  CHECK(read(begin + close) == 2);
  for (const std::string& bytes : {text, ping, close})
    CHECK_THROWS_WITH(read(close + bytes), "the server sent a frame behind its Close");
}
