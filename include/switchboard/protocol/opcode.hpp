// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace switchboard::inline v1 {

/// What a WebSocket frame carries (RFC 6455 §5.2).
enum class Opcode : std::uint8_t { continuation = 0x0, text = 0x1, binary = 0x2, close = 0x8, ping = 0x9, pong = 0xA };

/// Control frames may stand between the fragments of a message, carry at most 125 bytes, and are never fragmented.
constexpr bool is_control(Opcode opcode) { return (static_cast<std::uint8_t>(opcode) & 0x8) != 0; }

}  // namespace switchboard::inline v1
