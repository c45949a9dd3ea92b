// SPDX-License-Identifier: MIT
// Internal: which slot of a Redis Cluster a channel has, and who has the slot.
#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/endpoint.hpp>

namespace switchboard::inline v1 {
namespace redis {

inline constexpr std::size_t slot_count = 16384;

namespace detail {

/// CRC-16/XMODEM (polynomial 0x1021, from 0), one byte's contribution each.
inline constexpr std::array<std::uint16_t, 256> crc16_table = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

}  // namespace detail

/// CRC-16/XMODEM: the one of the Redis Cluster specification.
constexpr std::uint16_t crc16(std::string_view bytes) {
  unsigned crc = 0;
  for (const char byte : bytes)
    crc = (crc << 8 & 0xffff) ^ detail::crc16_table[(crc >> 8) ^ static_cast<unsigned char>(byte)];
  return static_cast<std::uint16_t>(crc);
}

/// What of a key or shard channel decides its slot: what stands in the first pair of braces, if that is not
/// empty; else all of it (Redis Cluster specification, "Hash tags").
constexpr std::string_view hash_tag(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open == key.npos) return key;
  const std::size_t close = key.find('}', open);
  if (close == key.npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

/// The slot of a key or shard channel, 0 to 16383.
///
/// All channels of one SSUBSCRIBE or SUNSUBSCRIBE must be of one slot, or Redis answers CROSSSLOT: to
/// subscribe to many at once, give them hash tags in common.
constexpr std::uint16_t key_slot(std::string_view key) {
  return crc16(hash_tag(key)) % slot_count;
}

/// Which master serves which slot, as far as one knows.
class SlotMap {
 public:
  SlotMap() : owners_(slot_count, nobody) {}

  /// Null where no master is known. Valid until the next change.
  const Endpoint* master_of(std::size_t slot) const {
    const std::uint16_t owner = owners_.at(slot);
    return owner == nobody ? nullptr : &masters_[owner];
  }

  /// The slots `first` to `last`, both included, are served by `master` from now on. A MOVED changes one.
  void assign(std::size_t first, std::size_t last, const Endpoint& master) {
    const std::uint16_t index = index_of(master);
    for (std::size_t slot = first; slot <= last && slot < slot_count; ++slot) owners_[slot] = index;
  }

  /// Each slot has a master.
  bool is_complete() const { return std::find(owners_.begin(), owners_.end(), nobody) == owners_.end(); }

  /// Those that serve a slot at least, each once.
  std::vector<Endpoint> masters() const {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < masters_.size(); ++i)
      if (std::find(owners_.begin(), owners_.end(), i) != owners_.end()) list.push_back(masters_[i]);
    return list;
  }

 private:
  static constexpr std::uint16_t nobody = 0xffff;

  std::uint16_t index_of(const Endpoint& master) {
    const auto place = std::find(masters_.begin(), masters_.end(), master);
    if (place != masters_.end()) return static_cast<std::uint16_t>(place - masters_.begin());
    masters_.push_back(master);
    return static_cast<std::uint16_t>(masters_.size() - 1);
  }

  std::vector<std::uint16_t> owners_;
  std::vector<Endpoint> masters_;
};

/// A parsed reply of whatever type: a tree of arrays, strings and integers. Calls of the wrong kind must be
/// harmless: what is no array has size 0, what is no string is empty, what is no integer is 0.
template <class R>
concept ReplyTree = requires(const R& reply, std::size_t index) {
  { reply.size() } -> std::convertible_to<std::size_t>;
  { reply[index] } -> std::convertible_to<const R&>;
  { reply.text() } -> std::convertible_to<std::string_view>;
  { reply.integer() } -> std::convertible_to<std::int64_t>;
};

/// Reads what CLUSTER SLOTS answers: `[[first, last, [host, port, …], replicas …], …]`.
///
/// A master without a host (nil or empty) is reached where it was `asked`. One called "?" has no name yet
/// that it could be reached by (`cluster-preferred-endpoint-type hostname`): its slots stay without a master,
/// as do those of an entry that makes no sense. Nothing: no slot is known from this.
template <ReplyTree Reply>
std::optional<SlotMap> parse_cluster_slots(const Reply& reply, const Endpoint& asked) {
  SlotMap map;
  bool knows_any = false;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const Reply& entry = reply[i];
    if (entry.size() < 3 || entry[2].size() < 2) continue;
    const std::int64_t first = entry[0].integer(), last = entry[1].integer(), port = entry[2][1].integer();
    const std::string_view host = entry[2][0].text();
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(slot_count)) continue;
    if (port < 1 || port > 65535 || host == "?") continue;
    map.assign(static_cast<std::size_t>(first), static_cast<std::size_t>(last),
               {host.empty() ? asked.host : std::string(host), static_cast<std::uint16_t>(port)});
    knows_any = true;
  }
  if (!knows_any) return std::nullopt;
  return map;
}

/// Where a cluster's node says that a slot is.
struct Redirect {
  bool is_ask = false;  ///< ASK: for the next command only, behind an ASKING; the map stays. Else MOVED
  std::uint16_t slot = 0;
  Endpoint endpoint;

  friend bool operator==(const Redirect&, const Redirect&) = default;
};

/// Reads an error `MOVED slot host:port` or `ASK slot host:port`; nothing if it is neither. An address
/// without host is at the host of `asked`, who answered.
inline std::optional<Redirect> parse_redirect(std::string_view error, const Endpoint& asked) {
  Redirect redirect;
  if (error.starts_with("ASK "))
    redirect.is_ask = true;
  else if (!error.starts_with("MOVED "))
    return std::nullopt;
  error.remove_prefix(redirect.is_ask ? 4 : 6);

  const auto read = [](std::string_view digits, std::uint16_t& number) {
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return failure == std::errc() && end == digits.data() + digits.size();
  };
  const std::size_t blank = error.find(' '), colon = error.rfind(':');
  if (blank == error.npos || colon == error.npos || colon < blank) return std::nullopt;
  if (!read(error.substr(0, blank), redirect.slot) || redirect.slot >= slot_count) return std::nullopt;
  if (!read(error.substr(colon + 1), redirect.endpoint.port) || redirect.endpoint.port == 0)
    return std::nullopt;
  std::string_view host = error.substr(blank + 1, colon - blank - 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "?") return std::nullopt;
  redirect.endpoint.host = host.empty() ? asked.host : std::string(host);
  return redirect;
}

}  // namespace redis
}  // namespace switchboard::inline v1
