// SPDX-License-Identifier: MIT
#include <map>

#include <switchboard/patterns/detail/index_table.hpp>

#include "patterns/random.hpp"
#include "support/catch.hpp"

using switchboard::detail::IndexTable;

TEST_CASE("an empty index table finds nothing") {
  const IndexTable table;
  CHECK(table.size() == 0);
  CHECK(table.find(7, [](std::uint32_t) { return true; }) == IndexTable::none);
}

TEST_CASE("an index table agrees with a map, colliding and wrapping hashes included") {
  for (const std::uint32_t distinct_hashes : {3U, 40U, 100'000U}) {
    Random random(distinct_hashes);
    std::map<std::uint32_t, std::uint32_t> hash_of;  // by index
    IndexTable table;
    for (int step = 0; step < 20'000; ++step) {
      const std::uint32_t index = random() % 300;
      const auto found = hash_of.find(index);
      if (found == hash_of.end()) {
        // Near the top of every power of two, so that runs cross the end of the array.
        const std::uint32_t hash = 0xffff'fff0U + random() % distinct_hashes;
        table.reserve_one();
        table.insert(hash, index);
        hash_of[index] = hash;
      } else if (random() % 3 == 0) {
        const std::uint32_t other = 1000 + index;
        table.replace(found->second, index, other);
        REQUIRE(table.find(found->second, [&](std::uint32_t i) { return i == other; }) == other);
        table.replace(found->second, other, index);
      } else {
        table.erase(found->second, index);
        hash_of.erase(found);
      }
      REQUIRE(table.size() == hash_of.size());
      if (step % 50 != 0) continue;
      for (std::uint32_t i = 0; i < 300; ++i) {
        const auto known = hash_of.find(i);
        const std::uint32_t hash = known == hash_of.end() ? 0xffff'fff0U : known->second;
        const std::uint32_t expected = known == hash_of.end() ? IndexTable::none : i;
        REQUIRE(table.find(hash, [&](std::uint32_t candidate) { return candidate == i; }) == expected);
      }
    }
  }
}

TEST_CASE("erasing or replacing what is not in an index table changes nothing") {
  IndexTable table;
  table.reserve_one();
  table.insert(5, 1);
  table.erase(5, 2);
  table.replace(5, 2, 3);
  table.erase(6, 1);
  CHECK(table.size() == 1);
  CHECK(table.find(5, [](std::uint32_t index) { return index == 1; }) == 1);
}

TEST_CASE("mixing spreads ids that differ in any one bit") {
  for (unsigned bit = 0; bit < 64; ++bit) {
    CHECK((switchboard::detail::mix_hash(std::uint64_t{1} << bit) & 0xffff) !=
          (switchboard::detail::mix_hash(0) & 0xffff));
  }
}
