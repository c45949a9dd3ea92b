// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace switchboard::inline v1 {

/// Why a WebSocket is closed (RFC 6455 §7.4 and the IANA registry; from 4000 on this library's own).
/// Any other number that `is_sendable` accepts may be cast to it.
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  no_status = 1005,  ///< never sent: the Close frame had no code
  abnormal = 1006,   ///< never sent: the connection ended without a Close frame
  invalid_payload = 1007,
  policy_violation = 1008,
  message_too_big = 1009,
  internal_error = 1011,
  try_again_later = 1013,
  replaced = 4001,
  heartbeat_timeout = 4002,
  disconnected = 4003,
  token_expired = 4401,
};

/// Whether a Close frame may carry this code: 1000–1003, 1007–1014, 3000–4999.
constexpr bool is_sendable(CloseCode code) {
  const auto value = static_cast<std::uint16_t>(code);
  return (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014) ||
         (value >= 3000 && value <= 4999);
}

}  // namespace switchboard::inline v1
