// SPDX-License-Identifier: MIT
#pragma once
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// Time that passes only when a test says so.
class VirtualClock {
 public:
  /// Begins an hour after zero.
  TimePoint now() const { return now_; }
  /// Nothing happens for a time that has passed.
  void advance_to(TimePoint time) {
    if (time > now_) now_ = time;
  }

 private:
  TimePoint now_{std::chrono::hours(1)};  // not 0, so that a forgotten initialization shows
};

}  // namespace testing
}  // namespace switchboard::inline v1
