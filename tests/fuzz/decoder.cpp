// SPDX-License-Identifier: MIT
// FrameDecoder: whatever a client sends, and however it is split, comes to the same; and to what Boost.Beast
// makes of it, but for the differences that are listed with their reasons.
#include <utility>

#include <switchboard/protocol/frame_decoder.hpp>
#include <switchboard/testing/client_frames.hpp>

#include "protocol/rfc6455/differential.hpp"
#include "support/input.hpp"

namespace {

namespace sb = switchboard;
using Kind = sb::Decoded::Kind;

/// One thing that was decoded, as a value.
struct Event {
  Kind kind;
  sb::CloseCode code;
  std::uint32_t type;
  std::string payload, reason;  ///< the reason of a close; that of an error is for the log
  bool operator==(const Event&) const = default;
};

/// How a decoder is used.
struct Use {
  sb::DecoderLimits limits;
  std::size_t binary_limit;  ///< of messages of an odd type
};

class Reader {
 public:
  explicit Reader(const Use& use) : use_(use) {}

  void feed(std::string_view piece) {
    std::string bytes(piece);
    std::span<char> input(bytes);
    fed_ += piece.size();
    while (true) {
      const sb::Decoded decoded = decoder_.next(input, use_.limits);
      fuzz::require(decoder_.buffered() <= 2 * fed_, "memory grows with what has arrived alone");
      if (decoded.kind == Kind::need_more) break;
      take(decoded);
    }
    fuzz::require(input.empty(), "need_more is said when the input is used up");
  }
  const std::vector<Event>& events() const { return events_; }

 private:
  void take(const sb::Decoded& decoded) {
    fuzz::require(!has_ended_, "nothing follows a close or an error");
    has_ended_ = decoded.kind == Kind::close || decoded.kind == Kind::error;
    const std::string payload(decoded.payload.begin(), decoded.payload.end());
    fuzz::require(payload.size() <= use_.limits.max_message_bytes || sb::is_control(opcode_of(decoded.kind)),
                  "no message is over the limit");
    if (decoded.kind == Kind::text) fuzz::require(sb::is_utf8(payload), "text is UTF-8");
    if (decoded.kind == Kind::ping || decoded.kind == Kind::pong)
      fuzz::require(payload.size() <= 125, "a control frame has at most 125 bytes");
    if (decoded.kind == Kind::close)
      fuzz::require(decoded.code == sb::CloseCode::no_status || sb::is_sendable(decoded.code),
                    "a close code may be sent");
    if (decoded.kind == Kind::binary_type) {
      is_limited_ = (decoded.type & 1) != 0;
      if (is_limited_) decoder_.limit_message(use_.binary_limit);
    }
    if (decoded.kind == Kind::binary && std::exchange(is_limited_, false))
      fuzz::require(payload.size() <= use_.binary_limit, "limit_message holds");
    if (decoded.kind == Kind::oversized) is_limited_ = false;
    const bool is_close = decoded.kind == Kind::close;
    events_.push_back({decoded.kind, decoded.code, decoded.type, payload,
                       std::string(is_close ? decoded.reason : std::string_view())});
  }
  static sb::Opcode opcode_of(Kind kind) {
    return kind == Kind::text || kind == Kind::binary ? sb::Opcode::text : sb::Opcode::close;
  }

  Use use_;
  sb::FrameDecoder decoder_;
  std::vector<Event> events_;
  std::size_t fed_ = 0;
  bool has_ended_ = false;
  bool is_limited_ = false;
};

/// Frames that are right but for what the input says, so that a mutation of the payload stays one.
std::string build_frames(fuzz::Input& input) {
  std::string bytes;
  while (!input.is_empty()) {
    const std::uint8_t head = input.u8(), more = input.u8();
    sb::testing::ClientFrame frame{.opcode = static_cast<sb::Opcode>(head & 15), .payload = {}};
    frame.fin = (head & 0x80) == 0;
    frame.reserved_bits = static_cast<std::uint8_t>(head >> 4 & 7);
    frame.masked = more % 64 != 63;
    frame.length_width = more % 8 == 1 ? 2 : more % 8 == 2 ? 8 : 0;
    if (more % 16 == 7) frame.claimed_size = input.u64() >> (more / 16 % 8 * 8);
    if (more % 2 == 0) frame.key = {static_cast<char>(more), 0, static_cast<char>(head), 0};
    frame.payload = input.text();
    if (frame.length_width == 0 || frame.payload.size() < 0x10000) bytes += sb::testing::encode(frame);
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t how = input.u8(), seed = input.u8();
  constexpr std::size_t sizes[] = {std::size_t{16} << 20, 1000, 126, 5};
  const Use use{{sizes[how >> 2 & 3], (how & 2) != 0}, std::size_t{4} + (how >> 4)};
  const std::string bytes((how & 1) != 0 ? build_frames(input) : std::string(input.rest()));

  Reader whole(use), pieces(use), single(use);
  whole.feed(bytes);
  fuzz::in_pieces(bytes, seed, [&](std::string_view piece) { pieces.feed(piece); });
  fuzz::in_pieces(bytes, 0, [&](std::string_view byte) { single.feed(byte); });
  fuzz::require(whole.events() == pieces.events() && whole.events() == single.events(),
                "splitting the bytes changes nothing");
  rfc6455::compare(bytes, {.max_message_bytes = use.limits.max_message_bytes,
                           .piece = std::size_t{1} + seed % 64,
                           .announce_binary_type = use.limits.announce_binary_type});
  return 0;
}
