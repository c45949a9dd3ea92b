// SPDX-License-Identifier: MIT
// Internal: a hash table of indices, for PubSubManager.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1::detail {

/// Spreads a hash over 32 bits; `std::hash` of a number is often the number itself.
constexpr std::uint32_t mix_hash(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  return static_cast<std::uint32_t>(hash >> 32);
}

/// A hash table of indices into a container that the owner keeps: 8 bytes a slot, no node per element.
/// Open addressing with linear probing; erasing shifts back, so there are no tombstones.
class IndexTable {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;

  std::size_t size() const { return size_; }

  /// Makes room, so that the next `insert` cannot throw.
  void reserve_one() {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  }

  /// The index with this hash for which `is_wanted(index)` holds, or `none`.
  template <class Predicate>
  std::uint32_t find(std::uint32_t hash, Predicate&& is_wanted) const {
    if (slots_.empty()) return none;
    for (std::size_t at = hash & mask(); slots_[at].index != none; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && is_wanted(slots_[at].index)) return slots_[at].index;
    }
    return none;
  }

  /// Needs `reserve_one` first, and an index that is not in the table.
  void insert(std::uint32_t hash, std::uint32_t index) noexcept {
    std::size_t at = hash & mask();
    while (slots_[at].index != none) at = (at + 1) & mask();
    slots_[at] = {index, hash};
    ++size_;
  }

  /// Puts `to` where `from` is; nothing happens when `from` is not in the table.
  void replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept {
    const std::size_t at = position_of(hash, from);
    if (slots_[at].index == from) slots_[at].index = to;
  }

  /// Nothing happens when the index is not in the table.
  void erase(std::uint32_t hash, std::uint32_t index) noexcept {
    std::size_t hole = position_of(hash, index);
    if (slots_[hole].index == none) return;
    for (std::size_t at = (hole + 1) & mask(); slots_[at].index != none; at = (at + 1) & mask()) {
      const std::size_t home = slots_[at].hash & mask();
      // What lies cyclically in (hole, at] is reached from its home without crossing the hole: it stays.
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --size_;
  }

 private:
  struct Slot {
    std::uint32_t index = none;
    std::uint32_t hash = 0;
  };

  std::size_t mask() const { return slots_.size() - 1; }

  std::size_t position_of(std::uint32_t hash, std::uint32_t index) const {
    std::size_t at = hash & mask();
    while (slots_[at].index != none && slots_[at].index != index) at = (at + 1) & mask();
    return at;
  }

  void grow() {
    std::vector<Slot> larger(slots_.empty() ? 16 : slots_.size() * 2);
    slots_.swap(larger);
    size_ = 0;
    for (const Slot& slot : larger) {
      if (slot.index != none) insert(slot.hash, slot.index);
    }
  }

  std::vector<Slot> slots_;  // a power of two, never more than three quarters full
  std::size_t size_ = 0;
};

}  // namespace switchboard::inline v1::detail
