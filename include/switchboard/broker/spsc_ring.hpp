// SPDX-License-Identifier: MIT
// Internal: the ring between two ports of an InMemoryBroker.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A bounded queue between exactly one pushing and one popping thread. Neither ever waits or locks.
///
/// The slots are raw memory until used, so a ring that carries little touches few pages.
template <class T>
class SpscRing {
 public:
  /// Holds at least `capacity` values (rounded up to a power of two).
  explicit SpscRing(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), slots_(Allocator{}.allocate(mask_ + 1)) {}

  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  ~SpscRing() {
    for (auto at = popped_.load(); at != pushed_.load(); ++at) std::destroy_at(slot(at));
    Allocator{}.deallocate(slots_, mask_ + 1);
  }

  std::size_t capacity() const { return mask_ + 1; }

  /// Pushing thread: false, and `value` untouched, when the ring is full.
  template <class U>
  bool push(U&& value) {
    if (is_full()) return false;
    const std::size_t at = pushed_.load(std::memory_order_relaxed);
    std::construct_at(slot(at), std::forward<U>(value));
    pushed_.store(at + 1, std::memory_order_release);
    return true;
  }

  /// Pushing thread: true means that a push would fail now.
  bool is_full() {
    const std::size_t at = pushed_.load(std::memory_order_relaxed);
    if (at - popped_seen_ <= mask_) return false;
    popped_seen_ = popped_.load(std::memory_order_acquire);
    return at - popped_seen_ > mask_;
  }

  /// Popping thread: false when there is nothing.
  bool pop(T& value) {
    if (is_empty()) return false;
    const std::size_t at = popped_.load(std::memory_order_relaxed);
    value = std::move(*slot(at));
    std::destroy_at(slot(at));
    popped_.store(at + 1, std::memory_order_release);
    return true;
  }

  /// Popping thread: true means that a pop would fail now.
  bool is_empty() {
    const std::size_t at = popped_.load(std::memory_order_relaxed);
    if (at != pushed_seen_) return false;
    pushed_seen_ = pushed_.load(std::memory_order_acquire);
    return at == pushed_seen_;
  }

 private:
  using Allocator = std::allocator<T>;
  static constexpr std::size_t cache_line = 64;

  T* slot(std::size_t at) const { return slots_ + (at & mask_); }

  const std::size_t mask_;
  T* const slots_;
  // Each thread's own index, and what it last saw of the other's, on a cache line that only it writes.
  alignas(cache_line) std::atomic<std::size_t> pushed_{0};
  std::size_t popped_seen_ = 0;
  alignas(cache_line) std::atomic<std::size_t> popped_{0};
  std::size_t pushed_seen_ = 0;
};

}  // namespace switchboard::inline v1
