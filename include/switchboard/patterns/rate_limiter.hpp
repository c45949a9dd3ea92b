// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// At most N a second on average, and N at once.
///
///     RateLimiter limiter(10);                          // 10 a second, a burst of 10; 0 is no limit
///     if (limiter.allow(now)) return handle(message);
///     refuse(message);
///     if (limiter.is_exhausted()) close();              // N refusals in a row
///
/// What is refused costs nothing: N allowed at once are allowed again a second later. The time between two is
/// rounded down to nanoseconds, so that the rate is exceeded by less than one part in 10^9/N. 16 bytes.
class RateLimiter {
 public:
  /// At most `per_second` a second, with a burst of as many; 0: no limit.
  explicit RateLimiter(std::uint32_t per_second = 0) : per_second_(per_second) {}

  /// Whether one more may be done at this time; counts it if so.
  bool allow(TimePoint now) {
    if (per_second_ == 0) return true;
    // The bucket as the time at which it is full again (the "virtual scheduling" form of GCRA, ITU-T I.371).
    const Duration each = std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second_;
    const TimePoint full = std::max(full_at_, now);
    if (full - now > each * (per_second_ - 1)) {
      if (refused_in_a_row_ != std::numeric_limits<std::uint32_t>::max()) ++refused_in_a_row_;
      return false;
    }
    full_at_ = full + each;
    refused_in_a_row_ = 0;
    return true;
  }

  /// Refusals since the last time that something was allowed.
  std::uint32_t refused_in_a_row() const { return refused_in_a_row_; }
  /// As many refusals in a row as are allowed in a second: this peer does not listen.
  bool is_exhausted() const { return per_second_ != 0 && refused_in_a_row_ >= per_second_; }
  /// The N that it was made with; 0: no limit.
  std::uint32_t per_second() const { return per_second_; }

 private:
  TimePoint full_at_ = TimePoint::min();
  std::uint32_t per_second_;
  std::uint32_t refused_in_a_row_ = 0;
};

}  // namespace switchboard::inline v1
