// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A growing queue in one block of memory. The first element lives inside; a block comes with the second and
/// goes with `clear`. So an idle connection owns none (an empty std::deque owns 576 bytes), and one that
/// answers message by message allocates nothing.
///
/// Indices count from the front. push_back is amortized O(1), erase O(min(i, size - i)).
template <class T>
class RingBuffer {
 public:
  RingBuffer() = default;
  /// `other` is empty afterwards.
  RingBuffer(RingBuffer&& other) noexcept { swap(other); }
  /// Likewise; what was here is destroyed.
  RingBuffer& operator=(RingBuffer&& other) noexcept {
    RingBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  RingBuffer(const RingBuffer&) = delete;
  RingBuffer& operator=(const RingBuffer&) = delete;
  ~RingBuffer() { clear(); }

  /// How many elements there are: at most 2^30.
  std::size_t size() const { return size_; }
  /// Whether `front`, `back` and `pop_front` must not be called.
  bool empty() const { return size_ == 0; }

  /// The element at `i`, counted from the front; unchecked. Valid until the next change.
  T& operator[](std::size_t i) { return slots()[wrap(i)]; }
  /// The same where the buffer is not to be changed.
  const T& operator[](std::size_t i) const { return slots()[wrap(i)]; }
  /// The oldest. Not while empty.
  T& front() { return (*this)[0]; }
  /// The same where the buffer is not to be changed.
  const T& front() const { return (*this)[0]; }
  /// The newest. Not while empty.
  T& back() { return (*this)[size_ - 1]; }
  /// The same where the buffer is not to be changed.
  const T& back() const { return (*this)[size_ - 1]; }

  /// Throws `std::bad_alloc`, with nothing changed.
  void push_back(T value) {
    if (size_ == capacity_) grow();
    slots()[wrap(size_)] = std::move(value);
    ++size_;
  }

  /// Destroys the oldest and keeps the memory. Not while empty. O(1).
  void pop_front() {
    slots()[first_] = T{};
    first_ = static_cast<std::uint32_t>(wrap(1));
    --size_;
  }

  /// Removes the element at `i`, moving the shorter side.
  void erase(std::size_t i) {
    if (i < size_ / 2) {
      for (; i > 0; --i) (*this)[i] = std::move((*this)[i - 1]);
      pop_front();
    } else {
      for (; i + 1 < size_; ++i) (*this)[i] = std::move((*this)[i + 1]);
      back() = T{};
      --size_;
    }
  }

  /// Removes everything and gives the memory back.
  void clear() {
    if (slots_ == nullptr && size_ > 0) inside_ = T{};
    slots_.reset();
    capacity_ = 1;
    size_ = first_ = 0;
  }

  /// Moves the one element that may live inside; everything else is O(1).
  void swap(RingBuffer& other) noexcept {
    std::swap(inside_, other.inside_);
    std::swap(slots_, other.slots_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    std::swap(first_, other.first_);
  }

 private:
  T* slots() { return slots_ ? slots_.get() : &inside_; }
  const T* slots() const { return slots_ ? slots_.get() : &inside_; }
  std::size_t wrap(std::size_t i) const { return (first_ + i) & (capacity_ - 1); }

  void grow() {
    if (capacity_ > UINT32_MAX / 4) throw std::bad_alloc();
    const std::uint32_t capacity = capacity_ * 4;
    auto slots = std::make_unique<T[]>(capacity);
    for (std::size_t i = 0; i < size_; ++i) slots[i] = std::move((*this)[i]);
    slots_ = std::move(slots);
    capacity_ = capacity;
    first_ = 0;
  }

  T inside_{};
  std::unique_ptr<T[]> slots_;  // none: `inside_` is the one slot
  std::uint32_t capacity_ = 1;  // a power of two
  std::uint32_t size_ = 0;
  std::uint32_t first_ = 0;
};

}  // namespace switchboard::inline v1
