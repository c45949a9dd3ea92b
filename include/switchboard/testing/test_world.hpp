// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include <asio/io_context.hpp>

#include <switchboard/testing/virtual_clock.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// Something that a TestWorld runs.
class TestParticipant {
 public:
  /// Does what can be done now; false if there was nothing.
  virtual bool run_once() = 0;
  /// When it has something to do, if nothing happens before.
  virtual std::optional<TimePoint> wake_time() const = 0;

 protected:
  ~TestParticipant() = default;
};

/// Virtual time, and all that happens in it: the hubs of one TestApp, or those of several and the network
/// between them.
class TestWorld {
 public:
  TestWorld() = default;
  TestWorld(const TestWorld&) = delete;
  TestWorld& operator=(const TestWorld&) = delete;

  /// `participant` must leave before it goes.
  void join(TestParticipant& participant) { participants_.push_back(&participant); }
  /// Nothing happens where it has not joined.
  void leave(TestParticipant& participant) { std::erase(participants_, &participant); }

  /// Begins an hour after zero.
  TimePoint now() const { return clock_.now(); }
  /// To be read; `advance` moves it and runs what is due on the way.
  VirtualClock& clock() { return clock_; }
  /// Where coroutines run. Not after `end`.
  asio::io_context& context() { return *context_; }

  /// Does all that can be done without time passing.
  void run() {
    bool did_something = true;
    while (did_something) {
      did_something = false;
      for (std::size_t i = 0; i < participants_.size(); ++i) did_something |= participants_[i]->run_once();
      context_->restart();
      did_something |= context_->poll() > 0;
    }
  }

  /// Lets time pass, from timer to timer.
  void advance(Duration duration) {
    const TimePoint end = later(clock_.now(), duration);
    run();
    while (true) {
      std::optional<TimePoint> next;
      for (const TestParticipant* participant : participants_)
        if (const auto time = participant->wake_time(); time && (!next || *time < *next)) next = time;
      if (!next || *next > end) break;
      clock_.advance_to(*next);
      run();
    }
    clock_.advance_to(end);
  }

  /// Nothing runs any more; what was suspended is let go, while those it refers to are still there.
  void end() {
    participants_.clear();
    context_.reset();
  }

 private:
  VirtualClock clock_;
  std::vector<TestParticipant*> participants_;
  std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>();
};

}  // namespace testing
}  // namespace switchboard::inline v1
