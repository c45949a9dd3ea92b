// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <switchboard/protocol/close_code.hpp>
#include <switchboard/protocol/opcode.hpp>
#include <switchboard/protocol/utf8.hpp>

namespace switchboard::inline v1 {

/// The first bytes of a server's frame: 2, 4 or 10, in the shortest length form (RFC 6455 §5.2). Servers do
/// not mask.
class FrameHeader {
 public:
  /// The longest header there is, in bytes.
  static constexpr std::size_t max_size = 10;

  /// `payload_size` is in bytes, below 2^63. `fin`: the last frame of its message.
  constexpr FrameHeader(Opcode opcode, std::uint64_t payload_size, bool fin = true) {
    bytes_[0] = static_cast<char>((fin ? 0x80 : 0x00) | static_cast<std::uint8_t>(opcode));
    if (payload_size < 126) {
      bytes_[1] = static_cast<char>(payload_size);
    } else if (payload_size <= 0xffff) {
      bytes_[1] = static_cast<char>(126);
      append_big_endian(payload_size, 2);
    } else {
      bytes_[1] = static_cast<char>(127);
      append_big_endian(payload_size, 8);
    }
  }

  /// The bytes; valid as long as this object.
  constexpr std::string_view view() const { return {bytes_.data(), size_}; }
  /// In bytes: 2, 4 or 10.
  constexpr std::size_t size() const { return size_; }

 private:
  constexpr void append_big_endian(std::uint64_t value, std::uint8_t width) {
    for (std::uint8_t i = 0; i < width; ++i)
      bytes_[size_++] = static_cast<char>(value >> (8 * (width - 1 - i)) & 0xff);
  }

  std::array<char, max_size> bytes_{};
  std::uint8_t size_ = 2;
};

/// Appends one whole frame to `out`.
inline void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out += FrameHeader(opcode, payload.size()).view();
  out += payload;
}

/// A Close frame's payload: the code, then the reason, cut to the 123 bytes that fit without splitting a
/// UTF-8 sequence. `no_status`, and any other code that may not be sent, gives an empty payload (RFC 6455
/// §5.5.1, §7.4). A reason that is not UTF-8 is left out: it would be a breach of the protocol of our own.
inline std::string close_payload(CloseCode code, std::string_view reason) {
  if (!is_sendable(code)) return {};
  constexpr std::size_t max_reason = 123;
  std::size_t size = reason.size();
  if (size > max_reason) {
    size = max_reason;
    while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xC0) == 0x80) --size;
  }
  reason = reason.substr(0, size);
  std::string payload;
  payload += static_cast<char>(static_cast<std::uint16_t>(code) >> 8);
  payload += static_cast<char>(static_cast<std::uint16_t>(code) & 0xff);
  if (is_utf8(reason)) payload += reason;
  return payload;
}

}  // namespace switchboard::inline v1
