// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <switchboard/broker/spsc_ring.hpp>

#include "support/catch.hpp"

using switchboard::SpscRing;

TEST_CASE("a ring gives back what was pushed, in order, and says when it is full or empty") {
  SpscRing<std::string> ring(3);
  CHECK(ring.capacity() == 4);
  std::string value;
  CHECK_FALSE(ring.pop(value));
  for (int lap = 0; lap < 3; ++lap) {
    for (const char* text : {"a", "b", "c", "d"}) CHECK(ring.push(std::string(text)));
    CHECK(ring.is_full());
    std::string refused = "kept by the caller when there is no room";
    CHECK_FALSE(ring.push(std::move(refused)));
    CHECK(refused == "kept by the caller when there is no room");
    for (const char* text : {"a", "b", "c", "d"}) {
      REQUIRE(ring.pop(value));
      CHECK(value == text);
    }
    CHECK(ring.is_empty());
  }
}

TEST_CASE("a ring of one holds one") {
  SpscRing<int> ring(1);
  CHECK(ring.push(1));
  CHECK_FALSE(ring.push(2));
  int value = 0;
  CHECK(ring.pop(value));
  CHECK(ring.push(2));
}

TEST_CASE("a ring lets go of what it holds, and of what was popped") {
  const auto counted = std::make_shared<int>(7);
  {
    SpscRing<std::shared_ptr<int>> ring(8);
    for (int i = 0; i < 5; ++i) ring.push(counted);
    std::shared_ptr<int> value;
    ring.pop(value);
    value.reset();
    CHECK(counted.use_count() == 5);
  }
  CHECK(counted.use_count() == 1);
}

TEST_CASE("a ring between two threads loses, doubles and reorders nothing") {
  constexpr int count = 200'000;
  SpscRing<std::unique_ptr<int>> ring(16);
  std::thread pushing([&] {
    for (int i = 0; i < count;) {
      auto value = std::make_unique<int>(i);
      if (ring.push(std::move(value)))
        ++i;
      else
        std::this_thread::yield();
    }
  });
  int expected = 0;
  bool is_in_order = true;
  for (std::unique_ptr<int> value; expected < count;) {
    if (!ring.pop(value)) {
      std::this_thread::yield();
      continue;
    }
    is_in_order = is_in_order && *value == expected;
    ++expected;
  }
  pushing.join();
  CHECK(is_in_order);
  CHECK(ring.is_empty());
}
