// SPDX-License-Identifier: MIT
#include <memory>
#include <vector>

#include <switchboard/hub/slot_table.hpp>

#include "support/catch.hpp"

using namespace switchboard;

TEST_CASE("slots are small and dense, and used again under a new generation") {
  SlotTable<int> table;
  CHECK(table.emplace(10) == 0);
  CHECK(table.emplace(11) == 1);
  CHECK(table.emplace(12) == 2);
  const std::uint32_t generation = table.generation(1);
  table.erase(1);
  CHECK(table.size() == 2);
  CHECK_FALSE(table.is_in_use(1));
  CHECK(table.find(1, generation) == nullptr);
  CHECK(table.emplace(13) == 1);
  CHECK(table.slot_count() == 3);
  CHECK(table.find(1, generation) == nullptr);
  REQUIRE(table.find(1, table.generation(1)) != nullptr);
  CHECK(*table.find(1, table.generation(1)) == 13);
  CHECK(table[0] == 10);
  CHECK(table[2] == 12);
}

TEST_CASE("an object that cannot be made takes no slot") {
  struct Refusing {
    explicit Refusing(int number) : value(number) {
      if (number < 0) throw number;
    }
    std::int64_t value;
  };
  SlotTable<Refusing> table;
  CHECK_THROWS_AS(table.emplace(-1), int);
  CHECK(table.size() == 0);
  for (std::uint32_t slot = 0; slot < 3; ++slot) CHECK(table.emplace(10) == slot);
  table.erase(0);
  table.erase(1);
  CHECK_THROWS_AS(table.emplace(-1), int);
  CHECK(table.size() == 1);
  CHECK(table.emplace(11) == 1);
  CHECK(table.emplace(12) == 0);
  CHECK(table.emplace(13) == 3);
  CHECK(table[0].value == 12);
  CHECK(table[1].value == 11);
}

TEST_CASE("a slot that never was is in no use") {
  SlotTable<int> table;
  CHECK_FALSE(table.is_in_use(0));
  CHECK(table.find(0, 0) == nullptr);
  CHECK(table.find(SlotTable<int>::none, 0) == nullptr);
}

TEST_CASE("an object stays where it is while others come and go") {
  SlotTable<int> table;
  std::vector<const int*> places;
  for (int i = 0; i < 1000; ++i) places.push_back(&table[table.emplace(i)]);
  for (std::uint32_t slot = 0; slot < 1000; slot += 2) table.erase(slot);
  for (int i = 0; i < 700; ++i) table.emplace(i);
  CHECK(table.size() == 1200);
  for (std::uint32_t slot = 1; slot < 1000; slot += 2) {
    REQUIRE(&table[slot] == places[slot]);
    REQUIRE(table[slot] == static_cast<int>(slot));
  }
}

TEST_CASE("objects are destroyed when they are erased, and the rest with the table") {
  const auto value = std::make_shared<int>(1);
  {
    SlotTable<std::shared_ptr<int>> table;
    for (int i = 0; i < 100; ++i) table.emplace(value);
    CHECK(value.use_count() == 101);
    for (std::uint32_t slot = 0; slot < 50; ++slot) table.erase(slot);
    CHECK(value.use_count() == 51);
    for (int i = 0; i < 10; ++i) table.emplace(value);
    CHECK(value.use_count() == 61);
  }
  CHECK(value.use_count() == 1);
}

namespace {
struct Reenters {
  SlotTable<Reenters>* table = nullptr;
  std::uint32_t* made = nullptr;
  ~Reenters() {
    if (made != nullptr) *made = table->emplace();
  }
};
}  // namespace

TEST_CASE("a destructor may make another object in the table, in another slot than its own") {
  SlotTable<Reenters> table;
  std::uint32_t made = 77;
  const std::uint32_t slot = table.emplace(&table, &made);
  table.erase(slot);
  CHECK(made == slot + 1);
  CHECK(table.emplace() == slot);
}
