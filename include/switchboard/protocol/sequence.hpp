// SPDX-License-Identifier: MIT
#pragma once
#include <compare>
#include <cstdint>

namespace switchboard::inline v1 {

/// The number of a message within one session: the first is 1, each next one more; 0 means "none yet".
/// Text and binary messages share the counter. On the wire at most 2^53 - 1, the largest integer that
/// JavaScript keeps exactly.
struct Sequence {
  std::uint64_t value = 0;

  constexpr Sequence() = default;
  constexpr Sequence(std::uint64_t number) : value(number) {}  // NOLINT: a literal may stand for it

  static constexpr std::uint64_t max = (std::uint64_t{1} << 53) - 1;

  constexpr Sequence next() const { return value + 1; }
  friend constexpr auto operator<=>(const Sequence&, const Sequence&) = default;
};

}  // namespace switchboard::inline v1
