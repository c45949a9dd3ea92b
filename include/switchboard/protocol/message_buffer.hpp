// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Where a message that does not arrive at once is put together. It at least doubles when it grows, so that
/// filling it is linear, and is never larger than twice what it holds. `realloc` lets the kernel move large
/// ones by remapping their pages instead of copying them.
class MessageBuffer {
 public:
  /// Appends a copy of `bytes` and returns where it lies now. `ceiling` is a size the message will not
  /// outgrow. Throws `std::bad_alloc`.
  std::span<char> append(std::span<const char> bytes, std::size_t ceiling) {
    if (bytes.empty()) return {};
    const std::size_t needed = size_ + bytes.size();
    if (needed > capacity_) grow(std::max(needed, std::min(2 * needed, ceiling)));
    char* const place = data_.get() + size_;
    std::memcpy(place, bytes.data(), bytes.size());
    size_ = needed;
    return {place, bytes.size()};
  }

  /// All that was appended; valid until the next `append`.
  std::span<char> bytes() { return {data_.get(), size_}; }
  /// Bytes of memory that it holds.
  std::size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(char* data) const { std::free(data); }
  };

  void grow(std::size_t capacity) {
    auto* const moved = static_cast<char*>(std::realloc(data_.get(), capacity));
    if (moved == nullptr) throw std::bad_alloc();
    static_cast<void>(data_.release());
    data_.reset(moved);
    capacity_ = capacity;
  }

  std::unique_ptr<char, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace switchboard::inline v1
