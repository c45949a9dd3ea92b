// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What a WebSocket frame carries (RFC 6455 §5.2).
enum class Opcode : std::uint8_t {
  continuation = 0x0,  ///< a further fragment of a message
  text = 0x1,          ///< UTF-8; a whole message or its first fragment
  binary = 0x2,        ///< any bytes; likewise
  close = 0x8,         ///< a code and a reason, or nothing (§5.5.1)
  ping = 0x9,          ///< to be answered by a pong with the same payload (§5.5.2)
  pong = 0xA,          ///< the answer to a ping, or sent by itself (§5.5.3)
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
