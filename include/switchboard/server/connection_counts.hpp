// SPDX-License-Identifier: MIT
// Internal: counts connections against the limits, over all shards.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include <switchboard/hub/host.hpp>
#include <switchboard/protocol/address.hpp>

namespace switchboard::inline v1 {

/// Counts the connections of all shards, in total and per address, against their limits. Any thread.
class ConnectionCounts {
 public:
  /// 0 means no limit.
  ConnectionCounts(std::size_t max_connections, std::size_t max_per_address)
      : max_connections_(max_connections), max_per_address_(max_per_address) {}

  /// Counts a new connection if it is within the limits. What was admitted is to be released.
  Admission admit(const net::Address& peer) {
    if (max_connections_ != 0 && total_.fetch_add(1, std::memory_order_relaxed) >= max_connections_) {
      total_.fetch_sub(1, std::memory_order_relaxed);
      return Admission::full;
    }
    if (max_per_address_ == 0 || count_address(peer)) return Admission::admitted;
    if (max_connections_ != 0) total_.fetch_sub(1, std::memory_order_relaxed);
    return Admission::too_many_from_address;
  }

  void release(const net::Address& peer) {
    if (max_connections_ != 0) total_.fetch_sub(1, std::memory_order_relaxed);
    if (max_per_address_ == 0) return;
    const std::lock_guard lock(mutex_);
    const auto found = per_address_.find(peer.bytes);
    if (found != per_address_.end() && --found->second == 0) per_address_.erase(found);
  }

 private:
  using AddressBytes = std::array<std::uint8_t, 16>;
  struct Hash {
    std::size_t operator()(const AddressBytes& bytes) const noexcept {
      std::uint64_t halves[2];
      std::memcpy(halves, bytes.data(), sizeof halves);
      return std::hash<std::uint64_t>{}(halves[0] * 0x9e3779b97f4a7c15u ^ halves[1]);
    }
  };

  bool count_address(const net::Address& peer) {
    const std::lock_guard lock(mutex_);
    std::size_t& count = per_address_[peer.bytes];
    if (count >= max_per_address_) return false;
    ++count;
    return true;
  }

  const std::size_t max_connections_, max_per_address_;
  std::atomic<std::size_t> total_{0};
  std::mutex mutex_;
  std::unordered_map<AddressBytes, std::size_t, Hash> per_address_;
};

}  // namespace switchboard::inline v1
