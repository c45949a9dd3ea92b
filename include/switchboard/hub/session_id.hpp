// SPDX-License-Identifier: MIT
// Internal: the name of a session.
#pragma once
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Names a session to its client: 128 random bits, then the shard, and where nodes are linked the node, that
/// it began on; a session that is moved keeps its name. Whoever knows it and has the user's token may resume
/// the session, so it is never logged.
struct SessionId {
  std::array<std::uint8_t, 16> random{};
  std::uint16_t shard = 0;
  std::uint16_t home = 0;  ///< the hub's number for where it began; 0: on this very shard

  /// 32 hexadecimal digits, '-', the shard, and with a node '-' and its name.
  std::string to_string(std::string_view node = {}) const {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(40);
    for (const std::uint8_t byte : random) {
      text += digits[byte >> 4];
      text += digits[byte & 15];
    }
    text += '-' + std::to_string(shard);
    if (!node.empty()) (text += '-') += node;
    return text;
  }

  /// With `node` there must be one, and it is told; without there must be none.
  static std::optional<SessionId> parse(std::string_view text, std::string_view* node = nullptr) {
    if (text.size() < 34 || text[32] != '-') return std::nullopt;
    SessionId id;
    for (std::size_t i = 0; i < 16; ++i) {
      const char* byte = text.data() + 2 * i;
      const auto [end, error] = std::from_chars(byte, byte + 2, id.random[i], 16);
      if (error != std::errc{} || end != byte + 2) return std::nullopt;
    }
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + 33, last, id.shard);
    if (error != std::errc{}) return std::nullopt;
    if (node == nullptr) return end == last ? std::optional(id) : std::nullopt;
    if (last - end < 2 || *end != '-') return std::nullopt;
    *node = text.substr(static_cast<std::size_t>(end + 1 - text.data()));
    return id;
  }

  /// Not by `home`, which is the hub's own: whoever looks a name up compares the node as well.
  friend bool operator==(const SessionId& a, const SessionId& b) {
    return a.random == b.random && a.shard == b.shard;
  }
};

}  // namespace switchboard::inline v1

template <>
struct std::hash<switchboard::SessionId> {
  std::size_t operator()(const switchboard::SessionId& id) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, id.random.data(), sizeof(value));
    return value;
  }
};
