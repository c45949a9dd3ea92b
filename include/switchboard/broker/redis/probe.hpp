// SPDX-License-Identifier: MIT
// Internal: whether a server still delivers.
#pragma once
#include <cstdint>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

struct ProbeOptions {
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(3);
};

/// Whether a server still delivers: a node publishes a number to itself through it now and then, and waits
/// for it. Decisions only.
class Probe {
 public:
  enum class Action : std::uint8_t {
    none,
    send,  ///< publish `number()`
    fail,  ///< it did not come back: what was published since the last one that did may be lost
  };

  explicit Probe(const ProbeOptions& options) : options_(options) {}

  /// The channel of the probes is subscribed: the first goes out at once.
  void start(TimePoint now) {
    is_running_ = true;
    is_waiting_ = false;
    is_delivering_ = false;
    next_ = now;
  }
  void stop() {
    is_running_ = false;
    is_waiting_ = false;
    is_delivering_ = false;
  }

  /// `random` in [0, 1) spreads the probes of the nodes.
  Action tick(TimePoint now, double random) {
    if (!is_running_ || now < next_) return Action::none;
    if (is_waiting_) {
      stop();
      return Action::fail;
    }
    ++number_;
    is_waiting_ = true;
    next_ = now + options_.timeout;
    pause_ = std::chrono::duration_cast<Duration>(options_.interval * (0.75 + random / 2));
    return Action::send;
  }
  /// A probe has come back.
  void on_delivery(std::uint64_t number, TimePoint now) {
    if (!is_waiting_ || number != number_) return;  // of an earlier connection
    is_waiting_ = false;
    is_delivering_ = true;
    next_ = now + pause_;
  }

  std::uint64_t number() const { return number_; }
  /// Since it was started at least one has come back.
  bool is_delivering() const { return is_delivering_; }

 private:
  ProbeOptions options_;
  bool is_running_ = false;
  bool is_waiting_ = false;
  bool is_delivering_ = false;
  std::uint64_t number_ = 0;
  TimePoint next_{};
  Duration pause_{};
};

}  // namespace redis
}  // namespace switchboard::inline v1
