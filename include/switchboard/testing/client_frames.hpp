// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/protocol/close_code.hpp>
#include <switchboard/protocol/frame_encoder.hpp>
#include <switchboard/protocol/masking.hpp>
#include <switchboard/protocol/opcode.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// A frame as a client sends it, right or wrong: every field that RFC 6455 §5.2 restricts can be broken.
struct ClientFrame {
  Opcode opcode = Opcode::text;                    ///< any number from 0 to 15 may be cast to it
  std::string_view payload{};                      ///< before masking
  bool fin = true;                                 ///< the last frame of its message
  std::uint8_t reserved_bits = 0;                  ///< RSV1, RSV2, RSV3 as 4, 2, 1
  bool masked = true;                              ///< as RFC 6455 §5.3 demands
  MaskingKey key{'\x37', '\xfa', '\x21', '\x3d'};  ///< of RFC 6455's example, §5.7
  std::size_t length_width = 0;                    ///< 1, 2 or 8 bytes of length; 0 is the shortest that fits
  std::optional<std::uint64_t> claimed_size = {};  ///< what the length says, where that is not the truth
};

/// The frame's bytes on the wire.
inline std::string encode(const ClientFrame& frame) {
  const std::uint64_t size = frame.claimed_size.value_or(frame.payload.size());
  std::size_t width = frame.length_width;
  if (width == 0) width = size < 126 ? 1 : size <= 0xffff ? 2 : 8;

  std::string bytes;
  bytes.reserve(14 + frame.payload.size());
  const unsigned flags = (frame.fin ? 0x80u : 0u) | (frame.reserved_bits & 7u) << 4;
  bytes += static_cast<char>(flags | static_cast<std::uint8_t>(frame.opcode));
  const unsigned mask_bit = frame.masked ? 0x80u : 0u;
  bytes += static_cast<char>(mask_bit | (width == 1   ? static_cast<unsigned>(size)
                                         : width == 2 ? 126u
                                                      : 127u));
  if (width > 1)
    for (std::size_t i = width; i-- > 0;) bytes += static_cast<char>(size >> (8 * i) & 0xff);
  if (frame.masked) bytes.append(frame.key.data(), frame.key.size());
  const std::size_t header = bytes.size();
  bytes += frame.payload;
  if (frame.masked) apply_mask({bytes.data() + header, frame.payload.size()}, frame.key);
  return bytes;
}

/// A right and whole Close frame from a client; `no_status` gives one without a code.
inline std::string encode_close(CloseCode code, std::string_view reason = {}) {
  return encode({.opcode = Opcode::close, .payload = close_payload(code, reason)});
}

/// A frame that a server sent.
struct ServerFrame {
  Opcode opcode = Opcode::text;  ///< one of the six
  bool fin = true;               ///< the last frame of its message
  std::string payload;           ///< as it came: servers do not mask

  friend bool operator==(const ServerFrame&, const ServerFrame&) = default;
};

/// Cuts what a server sent into frames, and holds the server to RFC 6455's rules for frames and their order
/// while doing so; not to those for what is in them. No I/O.
class ServerFrameDecoder {
 public:
  /// Keeps a copy of `bytes`; any piece of the stream, in order.
  void feed(std::string_view bytes) {
    if (taken_ > bytes_.size() / 2) bytes_.erase(0, std::exchange(taken_, std::size_t{0}));
    bytes_ += bytes;
  }

  /// The next whole frame. Throws `std::runtime_error` when the server breaks the protocol.
  std::optional<ServerFrame> next() {
    const std::string_view rest = std::string_view(bytes_).substr(taken_);
    if (rest.size() < 2) return std::nullopt;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
    const auto opcode = static_cast<Opcode>(byte(0) & 0x0f);
    const bool fin = (byte(0) & 0x80) != 0;
    require((byte(0) & 0x70) == 0, "the server set reserved bits");
    require(is_known(opcode), "the server used a reserved opcode");
    require((byte(1) & 0x80) == 0, "the server masked a frame");
    require(!is_control(opcode) || (fin && byte(1) <= 125),
            "the server sent a fragmented or too long control frame");

    const std::size_t width = byte(1) < 126 ? 0 : byte(1) == 126 ? 2 : 8;
    if (rest.size() < 2 + width) return std::nullopt;
    std::uint64_t size = width == 0 ? byte(1) : 0;
    for (std::size_t i = 2; i < 2 + width; ++i) size = size << 8 | byte(i);
    require(width == 0 || size > (width == 2 ? 125u : 0xffffu),
            "the server's length is not in its shortest form");
    require(size >> 63 == 0, "the server set the highest bit of a length");
    if (rest.size() - 2 - width < size) return std::nullopt;
    require(!has_closed_, "the server sent a frame behind its Close");
    has_closed_ = opcode == Opcode::close;
    if (!is_control(opcode)) {
      require((opcode == Opcode::continuation) == is_in_message_, "the server's fragments are no message");
      is_in_message_ = !fin;
    }

    const auto payload_size = static_cast<std::size_t>(size);
    taken_ += 2 + width + payload_size;
    return ServerFrame{opcode, fin, std::string(rest.substr(2 + width, payload_size))};
  }

  /// Bytes fed that are not part of a frame yet.
  std::string_view rest() const { return std::string_view(bytes_).substr(taken_); }

 private:
  static void require(bool held, const char* breach) {
    if (!held) throw std::runtime_error(breach);
  }

  std::string bytes_;
  std::size_t taken_ = 0;
  bool is_in_message_ = false, has_closed_ = false;
};

}  // namespace testing
}  // namespace switchboard::inline v1
