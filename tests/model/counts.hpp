// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace model {

/// What runs have met, to see that schedules reach what they are for.
struct Counts {
  enum What : std::size_t {
    frames,
    binary_requests,
    resumes,
    moves,
    late_moves,
    losses_in_welcomes,
    slow_gaps,
    slow_closes,
    broker_gaps,
    lost_links,
    expired_sessions,
    evicted_sessions,
    ended_sessions,
    calls_in_hooks,
    size
  };
  static constexpr std::array<const char*, size> names{"frames",
                                                       "binary requests",
                                                       "resumes",
                                                       "moves",
                                                       "moves that came too late",
                                                       "losses told in welcomes",
                                                       "slow gaps",
                                                       "slow closes",
                                                       "gaps of a broker",
                                                       "lost links",
                                                       "expired sessions",
                                                       "evicted sessions",
                                                       "sessions ended on purpose",
                                                       "calls from inside a call"};

  std::array<std::uint64_t, size> values{};

  void count(What what) { ++values[what]; }
  void add(const Counts& other) {
    for (std::size_t i = 0; i < size; ++i) values[i] += other.values[i];
  }
};

}  // namespace model
