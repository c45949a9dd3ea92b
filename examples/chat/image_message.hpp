// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

/// Binary type 1 of the chat: an image for a room, relayed as it came.
struct ImageMessage {
  static constexpr std::uint32_t type = 1;

  std::string_view room;
  std::span<const std::byte> image;

  /// A big-endian u16 length of the room's name, the name, the image; nothing where that is not what it is.
  static std::optional<ImageMessage> parse(std::span<const std::byte> payload) {
    if (payload.size() < 2) return std::nullopt;
    const std::size_t name_size =
        std::to_integer<std::size_t>(payload[0]) << 8 | std::to_integer<std::size_t>(payload[1]);
    const auto rest = payload.subspan(2);
    if (name_size == 0 || rest.size() <= name_size) return std::nullopt;  // no name, or no image behind it
    return ImageMessage{{reinterpret_cast<const char*>(rest.data()), name_size}, rest.subspan(name_size)};
  }
};
