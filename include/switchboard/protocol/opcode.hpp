// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace switchboard::inline v1 {

/// What a WebSocket frame carries (RFC 6455 §5.2).
enum class Opcode : std::uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xA
};

/// Control frames may stand between the fragments of a message, carry at most 125 bytes, and are never
/// fragmented.
constexpr bool is_control(Opcode opcode) {
  return (static_cast<std::uint8_t>(opcode) & 0x8) != 0;
}

/// Whether the number is one of the six; the others are reserved.
constexpr bool is_known(Opcode opcode) {
  const auto value = static_cast<std::uint8_t>(opcode);
  return value <= 0x2 || (value >= 0x8 && value <= 0xA);
}

}  // namespace switchboard::inline v1
