// SPDX-License-Identifier: MIT
// Internal: when a node renews its lease, and when others count as dead.
#pragma once
#include <algorithm>
#include <chrono>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// When a node renews its lease, and when it may call others dead whose lease has ended. Decisions only.
///
/// After an outage every lease has ended, and whoever is back first must not bury the others: a node judges
/// only once its own lease has held for the length of one.
class PresenceLease {
 public:
  explicit PresenceLease(Duration length) : length_(length) {}

  Duration length() const { return length_; }

  /// Whether to renew now; `on_renewed` or `on_lost` follows.
  bool is_due(TimePoint now) {
    if (is_renewing_ || now < next_) return false;
    is_renewing_ = true;
    return true;
  }
  /// `had_lease`: it had not ended. Returns whether the ended leases of others are to be taken for dead
  /// nodes.
  bool on_renewed(TimePoint now, bool had_lease) {
    is_renewing_ = false;
    next_ = now + length_ / 3;
    if (!had_lease) held_since_ = now;
    return now - held_since_ >= length_;
  }
  /// It was not taken: again in a while.
  void on_refused(TimePoint now) {
    is_renewing_ = false;
    next_ = now + std::min(length_ / 3, Duration(std::chrono::seconds(1)));
  }
  /// The server is away; the next renewal is due as soon as it is back.
  void on_lost() {
    is_renewing_ = false;
    next_ = TimePoint::min();
  }

 private:
  Duration length_;
  TimePoint next_ = TimePoint::min();
  TimePoint held_since_{};
  bool is_renewing_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
