// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/reconnector.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis::Reconnector;

namespace {
constexpr TimePoint start{};
Reconnector reconnector() {
  return Reconnector({.initial = 100ms, .longest = 5s}, 3s);
}
}  // namespace

TEST_CASE("a reconnector begins at once, and once") {
  auto one = reconnector();
  CHECK(one.begins(start));
  CHECK_FALSE(one.begins(start));
  CHECK(one.state() == Reconnector::State::connecting);
}

TEST_CASE("a reconnector waits twice as long after each failure, up to the longest wait") {
  auto one = reconnector();
  TimePoint now = start;
  for (const Duration wait : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    REQUIRE(one.begins(now));
    one.on_failure(now, 0.999999);
    CHECK_FALSE(one.begins(now + wait * 9 / 10));
    now += wait;
  }
}

TEST_CASE("the first wait is spread from zero, the others over their upper half") {
  auto one = reconnector();
  REQUIRE(one.begins(start));
  one.on_failure(start, 0);
  REQUIRE(one.begins(start));
  one.on_failure(start, 0);
  CHECK_FALSE(one.begins(start + 99ms));
  CHECK(one.begins(start + 100ms));
}

TEST_CASE("a connection that takes too long is overdue") {
  auto one = reconnector();
  REQUIRE(one.begins(start));
  CHECK_FALSE(one.is_overdue(start + 2999ms));
  CHECK(one.is_overdue(start + 3s));
  one.on_ready(start + 2s);
  CHECK_FALSE(one.is_overdue(start + 1h));
}

TEST_CASE("only a connection that lasted makes the waits short again") {
  auto one = reconnector();
  TimePoint now = start;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(one.begins(now));
    one.on_ready(now);
    one.on_failure(now + 1s, 0.999999);  // it is killed again and again
    now += 1h;
  }
  CHECK(one.failures() == 5);
  REQUIRE(one.begins(now));
  one.on_ready(now);
  one.on_failure(now + 5s, 0.999999);
  CHECK(one.failures() == 1);
  CHECK(one.begins(now + 5s + 100ms));
}
