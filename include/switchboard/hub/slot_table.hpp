// SPDX-License-Identifier: MIT
// Internal: objects at small numbers that are used again, with generations.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Objects at small dense numbers that are used again, each use under a new generation. Addresses never
/// change. `T` is default-constructible; `emplace` makes it anew in its slot and `erase` destroys what it
/// holds.
template <class T>
class SlotTable {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  SlotTable() = default;
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;
  ~SlotTable() {
    for (std::uint32_t slot = 0; slot < count_; ++slot)
      if (cell(slot).in_use) std::destroy_at(&cell(slot).value);
  }

  /// Returns the slot of a fresh object. Nothing has changed if its constructor throws.
  template <class... Arguments>
  std::uint32_t emplace(Arguments&&... arguments) {
    const std::uint32_t slot = free_ != none ? free_ : count_;
    if (slot == count_) {
      if (slot % chunk_size == 0) chunks_.push_back(std::make_unique<Cell[]>(chunk_size));
      ++count_;
      cell(slot).next_free = none;
    }
    const std::uint32_t next_free = cell(slot).next_free;  // shares its bytes with the value
    try {
      std::construct_at(&cell(slot).value, std::forward<Arguments>(arguments)...);
    } catch (...) {
      cell(slot).next_free = next_free;
      free_ = slot;
      throw;
    }
    free_ = next_free;
    cell(slot).in_use = true;
    ++size_;
    return slot;
  }

  void erase(std::uint32_t slot) {
    Cell& cell = this->cell(slot);
    cell.in_use = false;
    ++cell.generation;
    --size_;
    std::destroy_at(&cell.value);
    cell.next_free = free_;
    free_ = slot;
  }

  T& operator[](std::uint32_t slot) { return cell(slot).value; }
  const T& operator[](std::uint32_t slot) const { return cell(slot).value; }
  std::uint32_t generation(std::uint32_t slot) const { return cell(slot).generation; }

  /// The object, if that use of its slot still lasts.
  T* find(std::uint32_t slot, std::uint32_t generation) {
    if (slot >= count_) return nullptr;
    Cell& cell = this->cell(slot);
    return cell.in_use && cell.generation == generation ? &cell.value : nullptr;
  }
  const T* find(std::uint32_t slot, std::uint32_t generation) const {
    return const_cast<SlotTable*>(this)->find(slot, generation);
  }
  bool is_in_use(std::uint32_t slot) const { return slot < count_ && cell(slot).in_use; }

  std::size_t size() const { return size_; }
  /// One more than the highest slot ever used.
  std::uint32_t slot_count() const { return count_; }

 private:
  static constexpr std::uint32_t chunk_size = 64;

  struct Cell {
    Cell() : next_free(none) {}
    Cell(const Cell&) = delete;
    Cell& operator=(const Cell&) = delete;
    ~Cell() {}  // `value` is destroyed by its owner

    union {
      T value;
      std::uint32_t next_free;
    };
    std::uint32_t generation = 0;
    bool in_use = false;
  };

  Cell& cell(std::uint32_t slot) { return chunks_[slot / chunk_size][slot % chunk_size]; }
  const Cell& cell(std::uint32_t slot) const { return chunks_[slot / chunk_size][slot % chunk_size]; }

  std::vector<std::unique_ptr<Cell[]>> chunks_;
  std::uint32_t count_ = 0;
  std::uint32_t free_ = none;
  std::size_t size_ = 0;
};

}  // namespace switchboard::inline v1
