// SPDX-License-Identifier: MIT
// Internal: when to connect again.
#pragma once
#include <algorithm>
#include <cstdint>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

struct BackoffOptions {
  Duration initial = std::chrono::milliseconds(100);
  Duration longest = std::chrono::seconds(5);
};

/// When to connect, and when to give up on connecting. Decisions only: the caller connects and reports.
///
/// The wait doubles with each failure up to the longest one, and each is spread over its upper half; the
/// first after a long good time is short and spread from zero, so that the nodes of a restarted server do not
/// come all at once.
class Reconnector {
 public:
  enum class State : std::uint8_t { waiting, connecting, ready };

  Reconnector(const BackoffOptions& options, Duration connect_timeout)
      : options_(options), connect_timeout_(connect_timeout) {}

  State state() const { return state_; }
  bool is_ready() const { return state_ == State::ready; }

  /// Whether to connect now; if so, it is under way from here on.
  bool begins(TimePoint now) {
    if (state_ != State::waiting || now < next_) return false;
    state_ = State::connecting;
    next_ = now + connect_timeout_;
    return true;
  }
  /// Connecting takes too long: report it as failed.
  bool is_overdue(TimePoint now) const { return state_ == State::connecting && now >= next_; }

  /// It is known only now where to connect to.
  void extend(TimePoint now) { next_ = now + connect_timeout_; }

  void on_ready(TimePoint now) {
    state_ = State::ready;
    ready_since_ = now;
  }
  /// `random` in [0, 1). From any state.
  void on_failure(TimePoint now, double random) {
    if (state_ == State::ready && now - ready_since_ >= options_.longest) failures_ = 0;
    const Duration wait =
        std::min(options_.longest, options_.initial * (std::int64_t{1} << std::min(failures_, 20u)));
    const double share = failures_ == 0 ? random : 0.5 + random / 2;
    next_ = now + std::chrono::duration_cast<Duration>(wait * share);
    ++failures_;
    state_ = State::waiting;
  }
  /// Failures since the last good time.
  unsigned failures() const { return failures_; }

 private:
  BackoffOptions options_;
  Duration connect_timeout_;
  State state_ = State::waiting;
  TimePoint next_ = TimePoint::min();
  TimePoint ready_since_{};
  unsigned failures_ = 0;
};

}  // namespace redis
}  // namespace switchboard::inline v1
