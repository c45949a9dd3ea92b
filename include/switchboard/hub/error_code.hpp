// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A client's mistake, told in an `error` frame; the connection lives (protocol.md, "Errors").
enum class ErrorCode : std::uint8_t {
  json_invalid,          ///< not JSON, or not UTF-8, or a lone surrogate
  json_too_deep,         ///< nested deeper than 64 levels
  message_not_object,    ///< JSON, but no object
  action_unknown,        ///< neither built in nor taken by the App
  field_missing,         ///< a member that the action needs is not there
  field_invalid,         ///< a member of the wrong type, or an `id` that is too long
  channel_invalid,       ///< empty, not UTF-8, or with control characters
  channel_reserved,      ///< it begins with `$`
  channel_too_long,      ///< over 200 bytes
  subscribe_denied,      ///< `may_subscribe` said no, or threw
  subscribe_limit,       ///< over `Limits::max_subscriptions`
  publish_denied,        ///< `may_publish` said no, or threw
  publish_unavailable,   ///< the broker has not taken it
  presence_denied,       ///< asked by someone who is not subscribed to the channel
  presence_unavailable,  ///< the broker is away, or keeps no presence
  binary_short,          ///< a binary message of fewer than 4 bytes
  binary_unknown,        ///< no handler for its type
  binary_too_large,      ///< over its handler's `max_size`
  rate_limited,          ///< over `Limits::messages_per_second`; the request was not carried out
  internal_error,        ///< a handler threw
};

/// The codes as they stand on the wire, in the enum's order.
inline constexpr std::array<std::string_view, 20> error_code_names{
    "json.invalid",    "json.too_deep",   "message.not_object",  "action.unknown",   "field.missing",
    "field.invalid",   "channel.invalid", "channel.reserved",    "channel.too_long", "subscribe.denied",
    "subscribe.limit", "publish.denied",  "publish.unavailable", "presence.denied",  "presence.unavailable",
    "binary.short",    "binary.unknown",  "binary.too_large",    "rate.limited",     "internal.error"};
static_assert(error_code_names.size() == static_cast<std::size_t>(ErrorCode::internal_error) + 1);

/// The code as it stands on the wire.
constexpr std::string_view to_string(ErrorCode code) {
  return error_code_names[static_cast<std::size_t>(code)];
}

}  // namespace switchboard::inline v1
