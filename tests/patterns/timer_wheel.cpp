// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include <switchboard/patterns/timer_wheel.hpp>

#include "patterns/random.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using switchboard::Duration;
using switchboard::TimePoint;
using switchboard::Timer;
using switchboard::TimerWheel;

namespace {

TimePoint at(Duration since_zero) {
  return TimePoint(since_zero);
}

std::vector<std::uint32_t> fired_by(TimerWheel& wheel, TimePoint now) {
  std::vector<std::uint32_t> owners;
  const std::size_t count = wheel.advance(now, [&](Timer& timer) { owners.push_back(timer.owner); });
  CHECK(count == owners.size());
  return owners;
}

using Owners = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("a timer fires exactly at its deadline, once, and not a nanosecond before") {
  TimerWheel wheel(at(5s));
  Timer timer(7, 42);
  wheel.schedule(timer, at(35s));
  CHECK(timer.is_scheduled());
  CHECK(timer.deadline() == at(35s));
  CHECK(fired_by(wheel, at(35s - 1ns)).empty());
  CHECK(wheel.next_deadline() == at(35s));
  wheel.advance(at(35s), [&](Timer& fired) {
    CHECK(&fired == &timer);
    CHECK(fired.kind == 7);
    CHECK_FALSE(fired.is_scheduled());
  });
  CHECK(wheel.empty());
  CHECK(fired_by(wheel, at(1h)).empty());
}

TEST_CASE("a deadline in the past is due at the next advance, however small its time") {
  TimerWheel wheel(at(5s));
  Timer timer(0, 1), before_everything(0, 2);
  wheel.schedule(timer, at(4s));
  wheel.schedule(before_everything, TimePoint::min());
  CHECK(wheel.next_deadline() == TimePoint::min());
  CHECK(fired_by(wheel, at(5s)) == Owners{2, 1});
}

TEST_CASE("timers fire in order of deadline, equal ones in order of scheduling") {
  TimerWheel wheel(at(0s), 16ms);
  Timer a(0, 1), b(0, 2), c(0, 3), d(0, 4), e(0, 5);
  wheel.schedule(a, at(70s));
  wheel.schedule(b, at(10ms));
  wheel.schedule(c, at(9ms));
  wheel.schedule(d, at(70s));
  CHECK(fired_by(wheel, at(69s)) == Owners{3, 2});
  wheel.schedule(e, at(70s));  // nearer by now, yet behind those that came before it
  CHECK(fired_by(wheel, at(2min)) == Owners{1, 4, 5});
}

TEST_CASE("a cancelled timer does not fire") {
  TimerWheel wheel(at(0s));
  Timer a(0, 1), b(0, 2), near(0, 3);
  wheel.schedule(a, at(10s));
  wheel.schedule(b, at(20s));
  wheel.schedule(near, at(0s));
  a.cancel();
  wheel.cancel(near);
  wheel.cancel(near);
  CHECK_FALSE(a.is_scheduled());
  CHECK(wheel.size() == 1);
  CHECK(wheel.next_deadline() == at(20s));
  CHECK(fired_by(wheel, at(30s)) == Owners{2});
}

TEST_CASE("scheduling again replaces the deadline, on another wheel too") {
  TimerWheel wheel(at(0s)), other(at(0s));
  Timer timer(0, 1);
  wheel.schedule(timer, at(10s));
  wheel.schedule(timer, at(20s));
  CHECK(wheel.size() == 1);
  CHECK(fired_by(wheel, at(15s)).empty());
  other.schedule(timer, at(16s));
  CHECK(wheel.empty());
  CHECK_FALSE(wheel.next_deadline());
  wheel.cancel(timer);  // through any wheel
  CHECK(other.empty());
}

TEST_CASE("the next deadline is exact at any distance") {
  TimerWheel wheel(at(0s), 4ms);
  CHECK_FALSE(wheel.next_deadline());
  const std::vector<Duration> distances{1ns, 3999999ns, 4ms, 255ms,     256ms + 1ns,
                                        16s, 17min,     20h, 24h * 365, 24h * 36500};
  std::vector<std::unique_ptr<Timer>> timers;
  for (auto distance = distances.rbegin(); distance != distances.rend(); ++distance) {
    timers.push_back(std::make_unique<Timer>());
    wheel.schedule(*timers.back(), at(*distance));
    CHECK(wheel.next_deadline() == at(*distance));
  }
  for (const Duration distance : distances) {
    REQUIRE(wheel.next_deadline() == at(distance));
    CHECK(fired_by(wheel, at(distance) - 1ns).empty());
    CHECK(fired_by(wheel, at(distance)).size() == 1);
  }
  CHECK(wheel.empty());
}

TEST_CASE("the ends of the time axis do not overflow") {
  TimerWheel wheel(TimePoint::min(), 1ns);
  Timer never(0, 1), soon(0, 2);
  wheel.schedule(never, TimePoint::max());
  wheel.schedule(soon, at(0s));
  CHECK(wheel.next_deadline() == at(0s));
  CHECK(fired_by(wheel, at(0s)) == Owners{2});
  CHECK(fired_by(wheel, TimePoint::max()) == Owners{1});
}

TEST_CASE("time that goes back fires nothing early") {
  TimerWheel wheel(at(0s));
  Timer timer(0, 1);
  fired_by(wheel, at(100s));
  wheel.schedule(timer, at(50s));
  CHECK(wheel.next_deadline() == at(50s));
  CHECK(fired_by(wheel, at(49s)).empty());
  CHECK(fired_by(wheel, at(50s)) == Owners{1});
}

TEST_CASE("a timer that renews itself fires once in an advance, even when it is due again") {
  TimerWheel wheel(at(0s));
  Timer timer;
  wheel.schedule(timer, at(1s));
  const auto renew = [&](Timer& fired) { wheel.schedule(fired, fired.deadline() + 1s); };
  CHECK(wheel.advance(at(10s), renew) == 1);
  CHECK(wheel.next_deadline() == at(2s));
  CHECK(wheel.advance(at(10s), renew) == 1);
  CHECK(wheel.next_deadline() == at(3s));
}

TEST_CASE("what is scheduled during an advance for a time it has reached can be cancelled and asked for") {
  TimerWheel wheel(at(0s));
  Timer trigger(0, 1), added(0, 2), cancelled(0, 3);
  wheel.schedule(trigger, at(1s));
  CHECK(wheel.advance(at(10s), [&](Timer&) {
    wheel.schedule(cancelled, at(2s));
    wheel.schedule(added, at(3s));
    CHECK(wheel.next_deadline() == at(2s));
    cancelled.cancel();
    CHECK(wheel.next_deadline() == at(3s));
  }) == 1);
  CHECK(wheel.next_deadline() == at(3s));
  CHECK(fired_by(wheel, at(10s)) == Owners{2});
}

TEST_CASE("a fired timer may cancel and destroy others, itself included") {
  TimerWheel wheel(at(0s));
  auto first = std::make_unique<Timer>(std::uint8_t{0}, 1U);
  auto second = std::make_unique<Timer>(std::uint8_t{0}, 2U);
  Timer third(0, 3), fourth(0, 4);
  wheel.schedule(*first, at(1s));
  wheel.schedule(*second, at(1s));
  wheel.schedule(third, at(1s));
  wheel.schedule(fourth, at(9s));
  Owners owners;
  wheel.advance(at(10s), [&](Timer& timer) {
    owners.push_back(timer.owner);
    if (&timer != first.get()) return;
    first.reset();
    second.reset();
    third.cancel();
  });
  CHECK(owners == Owners{1, 4});
  CHECK(wheel.empty());
}

TEST_CASE("timers and wheel may be destroyed in either order") {
  auto wheel = std::make_unique<TimerWheel>(at(0s));
  Timer survivor;
  {
    Timer brief;
    wheel->schedule(brief, at(1s));
    wheel->schedule(survivor, at(2h));
    CHECK(wheel->next_deadline() == at(1s));
  }
  CHECK(wheel->size() == 1);
  CHECK(wheel->next_deadline() == at(2h));
  wheel.reset();
  CHECK_FALSE(survivor.is_scheduled());
  survivor.cancel();
}

TEST_CASE("an advance from within an advance does nothing") {
  TimerWheel wheel(at(0s));
  Timer a, b;
  wheel.schedule(a, at(1s));
  wheel.schedule(b, at(2s));
  std::size_t fired = 0;
  CHECK(wheel.advance(at(3s), [&](Timer&) {
    ++fired;
    CHECK(wheel.advance(at(1h), [&](Timer&) { ++fired; }) == 0);
  }) == 2);
  CHECK(fired == 2);
}

TEST_CASE("a callback that throws loses no other timer") {
  TimerWheel wheel(at(0s));
  Timer thrower(0, 1), added(0, 2), later(0, 3);
  wheel.schedule(thrower, at(1s));
  wheel.schedule(later, at(5min));
  CHECK_THROWS_AS(wheel.advance(at(10min),
                                [&](Timer&) {
                                  wheel.schedule(added, at(4min));
                                  throw std::runtime_error("on purpose");
                                }),
                  std::runtime_error);
  CHECK(wheel.next_deadline() == at(4min));
  CHECK(fired_by(wheel, at(10min)) == Owners{2, 3});
}

TEST_CASE("a timer is five words at most") {
  CHECK(sizeof(Timer) <= 5 * sizeof(void*));
}

namespace {

// A multimap keyed by deadline fires in order, equal ones in order of insertion.
class RandomTimers {
 public:
  RandomTimers(unsigned seed, Duration granularity, Duration reach)
      : random_(seed), reach_(reach), now_(at(Duration(random_() % 1000))), wheel_(now_, granularity) {
    for (std::uint32_t i = 0; i < 60; ++i) timers_.push_back(std::make_unique<Timer>(std::uint8_t{0}, i));
  }

  void step() {
    const std::uint32_t i = random_() % 60;
    switch (random_() % 6) {
      case 0:
      case 1:
      case 2:
        schedule(i);
        break;
      case 3:
        cancel(i);
        break;
      case 4:
        advance(now_ + Duration(random_() % 4 == 0 ? distance() : distance() / 64));
        break;
      default:
        if (!model_.empty()) advance(std::max(now_, model_.begin()->first - Duration(random_() % 2)));
    }
    check();
  }

  std::size_t fired() const { return fired_; }

 private:
  using Model = std::multimap<TimePoint, std::uint32_t>;

  // All orders of magnitude alike, so that every level of the wheel is used.
  Duration::rep distance() {
    const auto limit = static_cast<std::uint64_t>(reach_.count());
    return static_cast<Duration::rep>((std::uint64_t{random_()} << 32 | random_()) % limit >>
                                      (random_() % 40));
  }
  Model::iterator find(Model& model, std::uint32_t i) {
    return std::find_if(model.begin(), model.end(), [&](const auto& entry) { return entry.second == i; });
  }
  void schedule(std::uint32_t i) {
    erase(i);
    // Coarse ones make many equal deadlines; a few lie in the past.
    const Duration coarse = reach_ / 50 + 1ns;
    TimePoint deadline = now_ + Duration(distance());
    if (random_() % 3 == 0) deadline = at(deadline.time_since_epoch() / coarse * coarse);
    if (random_() % 10 == 0) deadline = now_ - Duration(random_() % 5000);
    wheel_.schedule(*timers_[i], deadline);
    (is_advancing_ && deadline <= now_ ? later_ : model_).emplace(deadline, i);
  }
  void cancel(std::uint32_t i) {
    erase(i);
    if (random_() % 2 == 0) {
      timers_[i]->cancel();
    } else {
      timers_[i] = std::make_unique<Timer>(std::uint8_t{0}, i);
    }
  }
  void erase(std::uint32_t i) {
    if (const auto found = find(model_, i); found != model_.end()) model_.erase(found);
    if (const auto found = find(later_, i); found != later_.end()) later_.erase(found);
  }
  void advance(TimePoint now) {
    now_ = now;
    is_advancing_ = true;
    wheel_.advance(now, [&](Timer& timer) {
      ++fired_;
      REQUIRE_FALSE(model_.empty());
      REQUIRE(model_.begin()->first <= now);
      REQUIRE(model_.begin()->second == timer.owner);
      model_.erase(model_.begin());
      for (unsigned i = random_() % 3; i > 0; --i)
        random_() % 3 == 0 ? cancel(random_() % 60) : schedule(random_() % 60);
      check();
    });
    is_advancing_ = false;
    if (!model_.empty()) REQUIRE(model_.begin()->first > now);
    model_.merge(later_);
    REQUIRE(later_.empty());
  }
  void check() {
    std::optional<TimePoint> earliest;
    for (const Model* model : {&model_, &later_}) {
      if (!model->empty() && (!earliest || model->begin()->first < *earliest))
        earliest = model->begin()->first;
    }
    REQUIRE(wheel_.next_deadline() == earliest);
    REQUIRE(wheel_.size() == model_.size() + later_.size());
  }

  Random random_;
  Duration reach_;
  TimePoint now_;
  TimerWheel wheel_;
  std::vector<std::unique_ptr<Timer>> timers_;
  Model model_, later_;
  bool is_advancing_ = false;
  std::size_t fired_ = 0;
};

}  // namespace

TEST_CASE("random timers agree with a multimap at every granularity and reach") {
  unsigned seed = 0;
  for (const Duration granularity : {Duration(1ns), Duration(977ns), Duration(4ms)}) {
    for (const Duration reach : {Duration(300ns), Duration(100ms), Duration(70s), Duration(24h * 400)}) {
      for (int round = 0; round < 6; ++round) {
        CAPTURE(++seed, granularity.count(), reach.count());
        RandomTimers timers(seed, granularity, reach);
        for (int i = 0; i < 1500; ++i) timers.step();
        REQUIRE(timers.fired() > 100);
      }
    }
  }
}
