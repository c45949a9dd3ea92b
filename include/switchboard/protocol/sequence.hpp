// SPDX-License-Identifier: MIT
#pragma once
#include <compare>
#include <cstdint>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// The number of a message within one session: the first is 1, each next one more; 0 means "none yet".
/// Text and binary messages share the counter. On the wire at most 2^53 - 1, the largest integer that
/// JavaScript keeps exactly.
struct Sequence {
  std::uint64_t value = 0;  ///< 0: before the first message

  constexpr Sequence() = default;
  /// Implicit, so that a literal may stand for it.
  constexpr Sequence(std::uint64_t number) : value(number) {}  // NOLINT: a literal may stand for it

  /// The largest that is sent: 2^53 - 1.
  static constexpr std::uint64_t max = (std::uint64_t{1} << 53) - 1;

  /// One more. Not checked against `max`.
  constexpr Sequence next() const { return value + 1; }
  friend constexpr auto operator<=>(const Sequence&, const Sequence&) = default;
};

}  // namespace switchboard::inline v1
