// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <switchboard/hub/error_code.hpp>
#include <switchboard/protocol/utf8.hpp>

namespace switchboard::inline v1 {

/// The longest name of a channel, in bytes.
inline constexpr std::size_t max_channel_size = 200;
/// The longest id of a user, in bytes.
inline constexpr std::size_t max_user_size = 200;

/// C0, DEL and C1 (U+0080 to U+009F). `text` is UTF-8.
inline bool has_control_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

/// What is wrong with a channel's name, if anything: 1 to 200 bytes of UTF-8 without control characters; a
/// client, and an App too, has no use for those that start with '$'.
inline std::optional<ErrorCode> check_channel(std::string_view name) {
  if (name.empty()) return ErrorCode::channel_invalid;
  if (name.front() == '$') return ErrorCode::channel_reserved;
  if (name.size() > max_channel_size) return ErrorCode::channel_too_long;
  if (has_control_character(name) || !is_utf8(name)) return ErrorCode::channel_invalid;
  return std::nullopt;
}

/// A user id that can be addressed: not empty (that is an anonymous user), at most 200 bytes of UTF-8.
inline bool is_user_id(std::string_view id) {
  return !id.empty() && id.size() <= max_user_size && is_utf8(id);
}

/// The channel of a user's own, on which shards and nodes reach it.
inline std::string user_channel(std::string_view user) {
  return "$user:" + std::string(user);
}
/// What `user_channel` begins with.
inline constexpr std::string_view user_channel_prefix = "$user:";

/// The channel of a node's shard, on which the others ask it for sessions.
inline std::string node_channel(std::string_view node, unsigned shard) {
  return "$node:" + std::string(node) + ':' + std::to_string(shard);
}
/// What `node_channel` begins with.
inline constexpr std::string_view node_channel_prefix = "$node:";

}  // namespace switchboard::inline v1
