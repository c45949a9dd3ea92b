// SPDX-License-Identifier: MIT
// Internal: the steady clock on this library's axis of time.
#pragma once
#include <chrono>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// The steady clock's time, for the parts that do I/O.
inline TimePoint steady_now() {
  return TimePoint{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

}  // namespace switchboard::inline v1
