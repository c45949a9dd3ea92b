// SPDX-License-Identifier: MIT
// Internal: one timer that is often put off.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <switchboard/broker/detail/steady_now.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// One timer whose time is moved often and rarely reached. Putting it off costs nothing: it then goes off
/// once in vain and looks again. One thread.
class Alarm {
 public:
  Alarm(const asio::any_io_executor& executor, std::function<void()> ring)
      : timer_(executor), ring_(std::move(ring)) {}

  /// From here on the alarm runs; `owner` lives as long as a wait is under way.
  void start(std::weak_ptr<void> owner) {
    owner_ = std::move(owner);
    is_started_ = true;
    arm();
  }

  /// Rings once at or soon after `time`, which replaces the former. TimePoint::max(): never.
  void set(TimePoint time) {
    wanted_ = time;
    arm();
  }
  void clear() { wanted_ = TimePoint::max(); }
  bool is_set() const { return wanted_ != TimePoint::max(); }

  /// Ends a wait under way; it will not ring.
  void stop() {
    is_started_ = false;
    wanted_ = TimePoint::max();
    timer_.cancel();  // does not fail, though newer Asio only has the form that might throw
  }

 private:
  void arm() {
    if (!is_started_ || wanted_ >= armed_) return;
    armed_ = wanted_;
    timer_.expires_at(std::chrono::steady_clock::time_point{
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(wanted_.time_since_epoch())});
    timer_.async_wait([this, keep = owner_.lock()](const std::error_code& error) {
      if (!error) on_time();
    });
  }

  void on_time() {
    armed_ = TimePoint::max();
    if (wanted_ > steady_now()) return arm();
    if (std::exchange(wanted_, TimePoint::max()) != TimePoint::max()) ring_();
  }

  asio::steady_timer timer_;
  std::function<void()> ring_;
  std::weak_ptr<void> owner_;
  TimePoint wanted_ = TimePoint::max(), armed_ = TimePoint::max();
  bool is_started_ = false;
};

}  // namespace switchboard::inline v1
