// SPDX-License-Identifier: MIT
// Internal: sockets that wait for their peer to close.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <switchboard/patterns/time.hpp>
#include <switchboard/server/readiness.hpp>
#include <switchboard/server/socket.hpp>

namespace switchboard::inline v1 {

/// Sockets that have been written to the end and shut down, on their way out: what still comes in is
/// discarded until the peer closes too. Closing at once would answer unread input with a reset, and a reset
/// makes the peer throw away the last bytes it was sent.
template <class ReadinessType>
class Lingering {
 public:
  static constexpr Duration patience = std::chrono::seconds(5);
  /// A peer that still takes what the kernel holds for it is given more time, so often.
  static constexpr unsigned max_extensions = 11;

  Lingering(ReadinessType& readiness, net::ReadyToken first_token)
      : readiness_(readiness), first_token_(first_token) {}

  /// Shuts down the sending side of a socket that is not in the readiness set.
  void add(net::FileDescriptor socket, TimePoint now) {
    ::shutdown(socket.get(), SHUT_WR);
    if (has_ended(socket.get())) return;
    const std::uint32_t slot = take_slot();
    if (readiness_.add(socket.get(), first_token_ + slot, {.read = true})) {
      free_.push_back(slot);
      return;
    }
    entries_[slot] = {std::move(socket), now + patience, 0, 0};
    entries_[slot].unsent = net::unsent_bytes(entries_[slot].socket.get());
    ++count_;
  }

  void on_ready(std::uint32_t slot) {
    if (slot < entries_.size() && entries_[slot].socket.is_open() && has_ended(entries_[slot].socket.get()))
      close(slot);
  }

  /// Ends those whose time is up. A peer that has taken nothing since is reset.
  void expire(TimePoint now) {
    for (std::uint32_t slot = 0; slot < entries_.size() && count_ > 0; ++slot) {
      Entry& entry = entries_[slot];
      // Those due within the next moment go too, or a crowd would cost a pass each.
      if (!entry.socket.is_open() || entry.deadline > now + std::chrono::milliseconds(50)) continue;
      const std::size_t unsent = net::unsent_bytes(entry.socket.get());
      if (unsent > 0 && unsent < entry.unsent && entry.extensions < max_extensions) {
        entry.unsent = unsent;
        entry.deadline = now + patience;
        ++entry.extensions;
      } else {
        close(slot, unsent > 0);
      }
    }
  }

  void close_all() {
    for (std::uint32_t slot = 0; slot < entries_.size(); ++slot)
      if (entries_[slot].socket.is_open()) close(slot);
  }

  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }

  /// TimePoint::max() when there is none.
  TimePoint next_deadline() const {
    TimePoint next = TimePoint::max();
    for (const Entry& entry : entries_)
      if (entry.socket.is_open()) next = std::min(next, entry.deadline);
    return next;
  }

 private:
  struct Entry {
    net::FileDescriptor socket;
    TimePoint deadline;
    std::size_t unsent = 0;
    unsigned extensions = 0;
  };

  static bool has_ended(int socket) {
    const net::Transfer::Kind kind = net::discard_some(socket).kind;
    return kind == net::Transfer::Kind::end || kind == net::Transfer::Kind::broken;
  }

  std::uint32_t take_slot() {
    if (free_.empty()) {
      entries_.emplace_back();
      return static_cast<std::uint32_t>(entries_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void close(std::uint32_t slot, bool with_reset = false) {
    net::FileDescriptor socket = std::move(entries_[slot].socket);
    readiness_.remove(socket.get(), first_token_ + slot);
    if (with_reset) net::close_with_reset(std::move(socket));
    free_.push_back(slot);
    --count_;
  }

  ReadinessType& readiness_;
  const net::ReadyToken first_token_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::size_t count_ = 0;
};

}  // namespace switchboard::inline v1
