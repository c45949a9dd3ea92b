// SPDX-License-Identifier: MIT
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include <switchboard/patterns/ring_buffer.hpp>

#include "patterns/random.hpp"
#include "support/catch.hpp"

using namespace switchboard;

namespace {

template <class T>
std::vector<T> contents(const RingBuffer<T>& ring) {
  std::vector<T> values;
  for (std::size_t i = 0; i < ring.size(); ++i) values.push_back(ring[i]);
  return values;
}

RingBuffer<int> make_ring(int from, int to) {
  RingBuffer<int> ring;
  for (int i = from; i < to; ++i) ring.push_back(i);
  return ring;
}

}  // namespace

TEST_CASE("what is pushed at the back comes out at the front, in order") {
  RingBuffer<int> ring = make_ring(0, 100);
  CHECK(ring.size() == 100);
  CHECK(ring.back() == 99);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(ring.front() == i);
    ring.pop_front();
  }
  CHECK(ring.empty());
}

TEST_CASE("order survives growing while the contents wrap around the end of the block") {
  RingBuffer<int> ring = make_ring(0, 4);
  ring.pop_front();
  ring.pop_front();
  for (int i = 4; i < 12; ++i) ring.push_back(i);
  CHECK(contents(ring) == std::vector<int>{2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_CASE("an element may be erased anywhere") {
  for (std::size_t at = 0; at < 7; ++at) {
    CAPTURE(at);
    RingBuffer<int> ring = make_ring(-3, 7);
    for (int i = 0; i < 3; ++i) ring.pop_front();  // 0 to 6, not at the start of the block
    std::vector<int> expected{0, 1, 2, 3, 4, 5, 6};
    ring.erase(at);
    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK(contents(ring) == expected);
  }
}

TEST_CASE("what is popped, erased or cleared is destroyed at once") {
  const auto value = std::make_shared<int>(7);
  RingBuffer<std::shared_ptr<int>> ring;
  for (int i = 0; i < 9; ++i) ring.push_back(value);
  ring.pop_front();
  CHECK(value.use_count() == 9);
  ring.erase(1);
  ring.erase(6);
  CHECK(value.use_count() == 7);
  ring.clear();
  CHECK(value.use_count() == 1);
  ring.push_back(value);
  CHECK(ring.front() == value);
}

TEST_CASE("a moved ring takes the contents along, and what it held before goes") {
  const auto value = std::make_shared<int>(7);
  RingBuffer<std::shared_ptr<int>> from, to;
  from.push_back(value);
  to.push_back(std::make_shared<int>(8));
  to = std::move(from);
  CHECK(to.size() == 1);
  CHECK(to.front() == value);
  CHECK(value.use_count() == 2);
  RingBuffer<std::shared_ptr<int>> built(std::move(to));
  CHECK(built.front() == value);
  CHECK(value.use_count() == 2);
}

TEST_CASE("a ring does the same as a deque, whatever is done to it") {
  Random random(20240101);
  RingBuffer<std::uint32_t> ring;
  std::deque<std::uint32_t> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t choice = random() % 16;
    if (choice < 8) {
      const std::uint32_t value = random();
      ring.push_back(value);
      model.push_back(value);
    } else if (choice < 12 && !model.empty()) {
      ring.pop_front();
      model.pop_front();
    } else if (choice < 15 && !model.empty()) {
      const std::size_t at = random() % model.size();
      ring.erase(at);
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (choice == 15 && random() % 64 == 0) {
      ring.clear();
      model.clear();
    }
    REQUIRE(ring.size() == model.size());
    if (step % 16 == 0) REQUIRE(contents(ring) == std::vector<std::uint32_t>(model.begin(), model.end()));
  }
}
