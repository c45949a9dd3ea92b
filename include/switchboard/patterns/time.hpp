// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A length of time. Never a bare integer in this library's interfaces.
using Duration = std::chrono::nanoseconds;

/// The axis that time points lie on: monotonic, its zero chosen by whoever keeps the time
/// (the server: the steady clock; tests: a number that only they advance). Nothing here reads a clock.
struct TimeAxis {
  /// What lies between two moments: nanoseconds.
  using duration = Duration;
  /// As std::chrono asks of a clock; 64 bits, good for 292 years.
  using rep = duration::rep;
  /// The unit of `rep`: nanoseconds.
  using period = duration::period;
  /// A moment; TimePoint is its short name.
  using time_point = std::chrono::time_point<TimeAxis, duration>;
  /// Time never goes back.
  static constexpr bool is_steady = true;
};

/// A moment on that axis.
using TimePoint = TimeAxis::time_point;

/// `time + length`, but TimePoint::max() where that would overflow: far enough is never.
constexpr TimePoint later(TimePoint time, Duration length) {
  if (time.time_since_epoch().count() > 0 && length > TimePoint::max() - time) return TimePoint::max();
  return time + length;
}

}  // namespace switchboard::inline v1
