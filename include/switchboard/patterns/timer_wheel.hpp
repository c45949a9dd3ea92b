// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

class Timer;
class TimerWheel;

namespace detail {

struct TimerLink {
  TimerLink* previous = this;
  TimerLink* next = this;

  TimerLink() = default;
  TimerLink(const TimerLink&) = delete;
  TimerLink& operator=(const TimerLink&) = delete;

  bool is_alone() const { return next == this; }
  void insert_before(TimerLink& place) {
    previous = place.previous;
    next = &place;
    previous->next = this;
    place.previous = this;
  }
  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
};

}  // namespace detail

/// One thing to be done later, at most once per `TimerWheel::schedule`. Belongs to whoever needs it (it is
/// the wheel's list node, so scheduling allocates nothing), stays where it is, and cancels itself when
/// destroyed.
class Timer : private detail::TimerLink {
 public:
  Timer() = default;
  /// With its owner's marks; it is scheduled by TimerWheel::schedule.
  explicit Timer(std::uint8_t its_kind, std::uint32_t its_owner = 0) : kind(its_kind), owner(its_owner) {}
  ~Timer() { cancel(); }

  /// False from just before it fires.
  bool is_scheduled() const { return wheel_ != nullptr; }
  /// What the latest `schedule` said; it stays when the timer has fired.
  TimePoint deadline() const { return deadline_; }
  /// Nothing happens when it is not scheduled. O(1).
  inline void cancel();

  std::uint8_t kind = 0;    ///< the user's: what the timer is for
  std::uint32_t owner = 0;  ///< the user's: whose it is

 private:
  friend class TimerWheel;
  TimerWheel* wheel_ = nullptr;
  TimePoint deadline_{};
};

/// Any number of timers, fired in order.
///
///     TimerWheel wheel(now);
///     Timer reminder;
///     wheel.schedule(reminder, now + std::chrono::seconds(30));
///     sleep_until(wheel.next_deadline());
///     wheel.advance(now, [](Timer& timer) { … });
///
/// Exact: a timer fires in the first `advance` whose `now` reaches its deadline, never before; within one
/// advance in order of deadline, those with the same deadline in order of scheduling. What is scheduled
/// during an advance waits for the next one, so that a timer which renews itself cannot hold it up.
///
/// `schedule` and `cancel` take O(1) and allocate nothing, and so does `advance` for each timer, amortized (a
/// timer moves down at most one level each time its distance shrinks 64-fold). One thread at a time.
class TimerWheel {
 public:
  /// `granularity` changes speed only: about as many timers as fall into one grain are sorted at a time.
  explicit TimerWheel(TimePoint now, Duration granularity = std::chrono::milliseconds(4))
      : origin_(now), now_(now), granularity_(granularity.count() < 1 ? 1 : granularity.count()) {}
  /// Timers still scheduled are cancelled.
  ~TimerWheel() {
    abandon(due_);
    abandon(later_);
    for (auto& level : slots_) {
      for (auto& slot : level) abandon(slot);
    }
  }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// Schedules, or schedules anew; a deadline in the past is due at once.
  void schedule(Timer& timer, TimePoint deadline) {
    cancel(timer);
    timer.wheel_ = this;
    timer.deadline_ = deadline;
    ++size_;
    if (earliest_known_ && (!earliest_ || deadline < *earliest_)) earliest_ = deadline;
    if (is_advancing_ && deadline <= now_) {
      timer.insert_before(later_);
    } else if (tick_of(deadline) <= cursor_) {
      insert_due(timer);
    } else {
      place(timer);
    }
  }

  /// Nothing happens when the timer is not scheduled.
  void cancel(Timer& timer) {
    if (timer.wheel_ == nullptr) return;
    if (timer.wheel_ == this) {
      take(timer);
    } else {
      timer.wheel_->take(timer);
    }
  }

  /// Calls `fire(timer)` for each timer whose deadline is not after `now`; returns how many there were. The
  /// timer is no longer scheduled then; `fire` may schedule, cancel and destroy any. Called from within
  /// `fire` it does nothing.
  template <class F>
  std::size_t advance(TimePoint now, F&& fire);

  /// The deadline of the timer that fires next, exactly.
  std::optional<TimePoint> next_deadline() const {
    if (!earliest_known_) {
      earliest_ = find_earliest();
      earliest_known_ = true;
    }
    return earliest_;
  }

  /// How many timers are scheduled.
  std::size_t size() const { return size_; }
  /// No timer is scheduled: there is no `next_deadline`.
  bool empty() const { return size_ == 0; }

 private:
  using Link = detail::TimerLink;
  // A tick is a grain's number since `origin_`. A timer of a later tick than the cursor's lies in the level
  // of the highest base-64 digit in which the two differ, in the slot of its own digit there. So everything
  // in a level comes before everything in the levels above, a slot of level 0 is one tick, and timers of one
  // tick are always together.
  static constexpr unsigned digit_bits = 6;
  static constexpr unsigned slot_count = 1U << digit_bits;
  static constexpr unsigned level_count = (64 + digit_bits - 1) / digit_bits;

  struct AdvanceGuard {
    TimerWheel& wheel;
    ~AdvanceGuard() {
      wheel.is_advancing_ = false;
      wheel.adopt_later();
    }
  };

  static Timer& timer_of(Link& link) { return static_cast<Timer&>(link); }
  static const Timer& timer_of(const Link& link) { return static_cast<const Timer&>(link); }

  std::uint64_t tick_of(TimePoint time) const {
    if (time <= origin_) return 0;
    const auto since =
        static_cast<std::uint64_t>(time.time_since_epoch().count()) -
        static_cast<std::uint64_t>(origin_.time_since_epoch().count());  // unsigned: cannot overflow
    return since / static_cast<std::uint64_t>(granularity_);
  }

  void take(Timer& timer) {
    Link* const neighbour = timer.previous;
    timer.unlink();
    timer.wheel_ = nullptr;
    --size_;
    if (neighbour->is_alone()) clear_bit(neighbour);
    if (earliest_known_ && earliest_ == timer.deadline_) earliest_known_ = false;
  }

  // `head` is all that is left of a list: if that list is a slot, the slot is empty now.
  void clear_bit(const Link* head) {
    const Link* const first = slots_.front().data();
    if (std::less<>{}(head, first) || !std::less<>{}(head, first + std::size_t{level_count} * slot_count))
      return;
    const auto index = static_cast<std::size_t>(head - first);
    const std::uint64_t bit = std::uint64_t{1} << (index % slot_count);
    occupied_[index / slot_count] &= ~bit;
    unsorted_[index / slot_count] &= ~bit;
  }

  void place(Timer& timer) {
    const std::uint64_t tick = tick_of(timer.deadline_);
    const auto level = (63U - static_cast<unsigned>(std::countl_zero(tick ^ cursor_))) / digit_bits;
    const auto slot = static_cast<unsigned>(tick >> (level * digit_bits)) % slot_count;
    Link& head = slots_[level][slot];
    const std::uint64_t bit = std::uint64_t{1} << slot;
    if (!head.is_alone() && timer.deadline_ < timer_of(*head.previous).deadline_) unsorted_[level] |= bit;
    timer.insert_before(head);
    occupied_[level] |= bit;
  }

  // Mostly at the end: what is scheduled later is usually due later.
  void insert_due(Timer& timer) {
    Link* place = &due_;
    if (!due_.is_alone() && timer.deadline_ < timer_of(*due_.next).deadline_) {
      place = due_.next;
    } else {
      while (place->previous != &due_ && timer.deadline_ < timer_of(*place->previous).deadline_)
        place = place->previous;
    }
    timer.insert_before(*place);
  }

  std::optional<TimePoint> find_earliest() const;
  bool move_cursor(std::uint64_t target);
  void adopt_later();
  static void abandon(Link& head);
  static void sort(Link& head);
  static Link* merge(Link* left, Link* right);

  TimePoint origin_;
  TimePoint now_;
  Duration::rep granularity_;
  std::uint64_t cursor_ = 0;
  std::size_t size_ = 0;
  bool is_advancing_ = false;
  mutable bool earliest_known_ = true;
  mutable std::optional<TimePoint> earliest_;
  Link due_;    // ticks up to the cursor's, sorted
  Link later_;  // scheduled during an advance for a time that it has reached already
  std::array<std::uint64_t, level_count> occupied_{};
  std::array<std::uint64_t, level_count> unsorted_{};
  std::array<std::array<Link, slot_count>, level_count> slots_;
};

inline void Timer::cancel() {
  if (wheel_ != nullptr) wheel_->cancel(*this);
}

template <class F>
std::size_t TimerWheel::advance(TimePoint now, F&& fire) {
  if (is_advancing_) return 0;
  now_ = now;
  is_advancing_ = true;
  AdvanceGuard guard{*this};
  const std::uint64_t target = tick_of(now);
  std::size_t fired = 0;
  do {
    while (!due_.is_alone() && timer_of(*due_.next).deadline_ <= now) {
      Timer& timer = timer_of(*due_.next);
      take(timer);
      ++fired;
      fire(timer);
    }
  } while (move_cursor(target));
  return fired;
}

// One step towards the target: to the next slot with timers in it, whose timers move down a level or become
// due. False when there is none on the way. `due_` is empty whenever the cursor has somewhere to go.
inline bool TimerWheel::move_cursor(std::uint64_t target) {
  if (cursor_ >= target) return false;
  for (unsigned level = 0; level < level_count; ++level) {
    if (occupied_[level] == 0) continue;
    const auto slot = static_cast<unsigned>(std::countr_zero(occupied_[level]));
    const unsigned shift = level * digit_bits;
    const std::uint64_t start = ((cursor_ >> shift) / slot_count * slot_count + slot) << shift;
    if (start > target) break;
    cursor_ = start;
    const std::uint64_t bit = std::uint64_t{1} << slot;
    bool is_sorted = (unsorted_[level] & bit) == 0;
    occupied_[level] &= ~bit;
    unsorted_[level] &= ~bit;
    Link& head = slots_[level][slot];
    while (!head.is_alone()) {
      Timer& timer = timer_of(*head.next);
      timer.unlink();
      if (tick_of(timer.deadline_) == start) {
        timer.insert_before(due_);
      } else {
        place(timer);
      }
    }
    if (!is_sorted) sort(due_);
    return true;
  }
  cursor_ = target;
  return false;
}

inline std::optional<TimePoint> TimerWheel::find_earliest() const {
  std::optional<TimePoint> earliest;
  const auto consider = [&](TimePoint deadline) {
    if (!earliest || deadline < *earliest) earliest = deadline;
  };
  for (const Link* link = later_.next; link != &later_; link = link->next)
    consider(timer_of(*link).deadline_);
  if (!due_.is_alone()) {
    consider(timer_of(*due_.next).deadline_);
    return earliest;
  }
  for (unsigned level = 0; level < level_count; ++level) {
    if (occupied_[level] == 0) continue;
    const auto slot = static_cast<unsigned>(std::countr_zero(occupied_[level]));
    const Link& head = slots_[level][slot];
    const bool is_sorted = (unsorted_[level] >> slot & 1) == 0;
    for (const Link* link = head.next; link != &head; link = link->next) {
      consider(timer_of(*link).deadline_);
      if (is_sorted) break;
    }
    break;
  }
  return earliest;
}

inline void TimerWheel::adopt_later() {
  while (!later_.is_alone()) {
    Timer& timer = timer_of(*later_.next);
    timer.unlink();
    if (tick_of(timer.deadline_) <= cursor_) {
      insert_due(timer);
    } else {  // `fire` threw before the cursor got here
      place(timer);
    }
  }
}

inline void TimerWheel::abandon(Link& head) {
  while (!head.is_alone()) {
    Timer& timer = timer_of(*head.next);
    timer.unlink();
    timer.wheel_ = nullptr;
  }
}

// A stable merge sort, bottom up: bins[i] is empty or a sorted run of 2^i timers, older ones in higher bins.
inline void TimerWheel::sort(Link& head) {
  if (head.is_alone()) return;
  std::array<Link*, std::numeric_limits<std::size_t>::digits> bins{};
  head.previous->next = nullptr;
  for (Link* rest = head.next; rest != nullptr;) {
    Link* run = rest;
    rest = rest->next;
    run->next = nullptr;
    std::size_t bin = 0;
    for (; bins[bin] != nullptr; ++bin) {
      run = merge(bins[bin], run);
      bins[bin] = nullptr;
    }
    bins[bin] = run;
  }
  Link* sorted = nullptr;
  for (Link* run : bins) {
    if (run != nullptr) sorted = sorted == nullptr ? run : merge(run, sorted);
  }
  Link* last = &head;
  for (Link* link = sorted; link != nullptr; link = link->next) {
    last->next = link;
    link->previous = last;
    last = link;
  }
  last->next = &head;
  head.previous = last;
}

// Of singly linked lists that end in null; of equals the left one comes first.
inline detail::TimerLink* TimerWheel::merge(Link* left, Link* right) {
  Link* first = nullptr;
  Link** end = &first;
  while (left != nullptr && right != nullptr) {
    Link*& earlier = timer_of(*right).deadline_ < timer_of(*left).deadline_ ? right : left;
    *end = earlier;
    end = &earlier->next;
    earlier = earlier->next;
  }
  *end = left != nullptr ? left : right;
  return first;
}

}  // namespace switchboard::inline v1
