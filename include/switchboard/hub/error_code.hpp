// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace switchboard::inline v1 {

/// A client's mistake, told in an `error` frame; the connection lives (protocol.md, "Errors").
enum class ErrorCode : std::uint8_t {
  json_invalid,
  json_too_deep,
  message_not_object,
  action_unknown,
  field_missing,
  field_invalid,
  channel_invalid,
  channel_reserved,
  channel_too_long,
  subscribe_denied,
  subscribe_limit,
  publish_denied,
  publish_unavailable,
  presence_denied,
  presence_unavailable,
  binary_short,
  binary_unknown,
  binary_too_large,
  rate_limited,
  internal_error,
};

/// The codes as they stand on the wire, in the enum's order.
inline constexpr std::array<std::string_view, 20> error_code_names{
    "json.invalid",    "json.too_deep",   "message.not_object",  "action.unknown",   "field.missing",
    "field.invalid",   "channel.invalid", "channel.reserved",    "channel.too_long", "subscribe.denied",
    "subscribe.limit", "publish.denied",  "publish.unavailable", "presence.denied",  "presence.unavailable",
    "binary.short",    "binary.unknown",  "binary.too_large",    "rate.limited",     "internal.error"};
static_assert(error_code_names.size() == static_cast<std::size_t>(ErrorCode::internal_error) + 1);

constexpr std::string_view to_string(ErrorCode code) {
  return error_code_names[static_cast<std::size_t>(code)];
}

}  // namespace switchboard::inline v1
