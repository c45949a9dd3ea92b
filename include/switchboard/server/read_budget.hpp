// SPDX-License-Identifier: MIT
// Internal: how much a tick reads of one socket.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// How much a tick reads of each socket. When many send without pause, a tick is as long as all that it reads
/// takes to be handled, and whoever has just one message waits for it. What a byte costs to handle is the
/// App's affair and is measured: a tick is to take about `goal`, shared evenly by those who send.
class ReadBudget {
 public:
  static constexpr std::size_t max_read = std::size_t{64} << 10;
  static constexpr std::size_t min_read = 1024;  ///< less would cost more in system calls than in handling
  static constexpr Duration goal = std::chrono::milliseconds(5);

  /// Bytes to read of each of so many sockets that are ready.
  std::size_t per_socket(std::size_t ready) const {
    return std::clamp(bytes_ / std::max<std::size_t>(ready, 1), min_read, max_read);
  }

  /// A tick at whose end some socket may have had more to read: how much it read of all, at most `limit` of
  /// each, and how long that took to be handled.
  void adapt(std::size_t bytes, std::size_t limit, Duration spent) {
    if (spent > goal) {
      bytes_ =
          std::max(min_read, static_cast<std::size_t>(static_cast<double>(bytes) * (goal / (spent * 1.0))));
    } else if (spent < goal / 2 && limit < max_read) {
      bytes_ = std::min(2 * bytes_, max_bytes);
    }
  }

 private:
  static constexpr std::size_t max_bytes = 64 * max_read;

  std::size_t bytes_ = 4 * max_read;
};

}  // namespace switchboard::inline v1
