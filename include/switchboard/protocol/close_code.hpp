// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Why a WebSocket is closed (RFC 6455 §7.4 and the IANA registry; from 4000 on this library's own).
/// Any other number that `is_sendable` accepts may be cast to it.
enum class CloseCode : std::uint16_t {
  normal = 1000,             ///< nothing is wrong; sent by the App it ends the session
  going_away = 1001,         ///< the server stops, or the page is left; the session is parked
  protocol_error = 1002,     ///< a breach of RFC 6455
  unsupported_data = 1003,   ///< a message in raw mode that no handler takes
  no_status = 1005,          ///< never sent: the Close frame had no code
  abnormal = 1006,           ///< never sent: the connection ended without a Close frame
  invalid_payload = 1007,    ///< text that is not UTF-8
  policy_violation = 1008,   ///< too many refusals by the rate limit in a row; the session ends
  message_too_big = 1009,    ///< over `Limits::max_message_bytes`
  internal_error = 1011,     ///< for an App to send: it cannot go on
  try_again_later = 1013,    ///< too slow for its queue; the session is parked
  replaced = 4001,           ///< another socket has taken the session over
  heartbeat_timeout = 4002,  ///< silent for longer than the heartbeat allows; the session is parked
  disconnected = 4003,       ///< `disconnect_user`; the session ends
  token_expired = 4401,  ///< for an App to send: the client's owner is to get a new token; the session ends
};

/// Whether a Close frame may carry this code: 1000–1003, 1007–1014, 3000–4999.
constexpr bool is_sendable(CloseCode code) {
  const auto value = static_cast<std::uint16_t>(code);
  return (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014) ||
         (value >= 3000 && value <= 4999);
}

}  // namespace switchboard::inline v1
