// SPDX-License-Identifier: MIT
// Internal: the header of a message in Redis.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What stands before a payload in Redis: version (1), u64 origin, u64 counter; integers big-endian. The
/// counter grows by one with each message of the origin on the channel, so that one that is sent again is
/// recognized. Readers drop versions that they do not know, so that nodes of two releases can run side by
/// side.
struct WireHeader {
  static constexpr std::size_t size = 17;
  static constexpr char version = 1;

  std::uint64_t origin = 0;
  std::uint64_t counter = 0;

  std::array<char, size> encode() const {
    std::array<char, size> bytes{version};
    for (std::size_t i = 0; i < 8; ++i) {
      bytes[1 + i] = static_cast<char>(origin >> (56 - 8 * i) & 0xff);
      bytes[9 + i] = static_cast<char>(counter >> (56 - 8 * i) & 0xff);
    }
    return bytes;
  }
  static std::optional<WireHeader> decode(std::string_view bytes) {
    if (bytes.size() < size || bytes[0] != version) return std::nullopt;
    WireHeader header;
    for (std::size_t i = 0; i < 8; ++i) {
      header.origin = header.origin << 8 | static_cast<unsigned char>(bytes[1 + i]);
      header.counter = header.counter << 8 | static_cast<unsigned char>(bytes[9 + i]);
    }
    return header;
  }
};

/// Origins of one node differ in these bits alone: it begins a new one where it forgets its counters.
inline constexpr std::uint64_t origin_epoch_mask = 0xffff;
constexpr bool is_same_node(std::uint64_t origin, std::uint64_t other) {
  return (origin & ~origin_epoch_mask) == (other & ~origin_epoch_mask);
}

/// The newest counter heard of each origin on one channel.
class HeardOrigins {
 public:
  /// False: it was heard before.
  bool is_new(std::uint64_t origin, std::uint64_t counter) {
    for (auto& [known, newest] : newest_) {
      if (known != origin) continue;
      if (counter <= newest) return false;
      newest = counter;
      return true;
    }
    constexpr std::size_t most = 1024;  // restarted nodes leave their old origins behind
    if (newest_.size() == most) newest_.erase(newest_.begin());
    newest_.emplace_back(origin, counter);
    return true;
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> newest_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
