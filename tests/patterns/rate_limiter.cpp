// SPDX-License-Identifier: MIT
#include <switchboard/patterns/rate_limiter.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace switchboard;

namespace {

int allowed_at_once(RateLimiter& limiter, TimePoint now) {
  int count = 0;
  while (count < 5'000'000 && limiter.allow(now)) ++count;
  return count;
}

constexpr TimePoint start{1h};

}  // namespace

TEST_CASE("N at once are allowed, the next is not, and a second later N again") {
  for (const std::uint32_t rate : {1U, 2U, 3U, 7U, 10U, 999U, 30'000U, 1'000'000U}) {
    CAPTURE(rate);
    RateLimiter limiter(rate);
    CHECK(allowed_at_once(limiter, start) == static_cast<int>(rate));
    CHECK(allowed_at_once(limiter, start + 1s) == static_cast<int>(rate));
    CHECK(allowed_at_once(limiter, start + 10h) == static_cast<int>(rate));  // never more than a burst
  }
}

TEST_CASE("one more is allowed exactly when a share of the second has passed") {
  RateLimiter limiter(10);
  allowed_at_once(limiter, start);
  CHECK_FALSE(limiter.allow(start + 100ms - 1ns));
  CHECK(limiter.allow(start + 100ms));
  CHECK_FALSE(limiter.allow(start + 100ms));
  CHECK(allowed_at_once(limiter, start + 450ms) == 3);
}

TEST_CASE("a peer that keeps to the rate is never refused, one that sends twice as much gets half through") {
  RateLimiter steady(50), greedy(50);
  int allowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(steady.allow(start + i * 20ms));
    if (greedy.allow(start + i * 10ms)) ++allowed;
  }
  CHECK(allowed >= 5'000);
  CHECK(allowed <= 5'000 + 50);
}

TEST_CASE("refusals are counted in a row, and N of them are enough") {
  RateLimiter limiter(3);
  allowed_at_once(limiter, start);  // ends with one refusal
  CHECK(limiter.refused_in_a_row() == 1);
  CHECK_FALSE(limiter.allow(start));
  CHECK_FALSE(limiter.is_exhausted());
  CHECK_FALSE(limiter.allow(start));
  CHECK(limiter.refused_in_a_row() == 3);
  CHECK(limiter.is_exhausted());
  CHECK(limiter.allow(start + 400ms));
  CHECK(limiter.refused_in_a_row() == 0);
  CHECK_FALSE(limiter.is_exhausted());
}

TEST_CASE("refusals cost nothing: whoever keeps trying gets as much as whoever waits") {
  RateLimiter limiter(5);
  allowed_at_once(limiter, start);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(limiter.allow(start + 1ms));
  CHECK(allowed_at_once(limiter, start + 1s) == 5);
}

TEST_CASE("a rate of zero is no limit") {
  RateLimiter limiter;
  for (int i = 0; i < 10'000; ++i) REQUIRE(limiter.allow(start));
  CHECK(limiter.refused_in_a_row() == 0);
  CHECK_FALSE(limiter.is_exhausted());
  CHECK(limiter.per_second() == 0);
}

TEST_CASE("time that goes back allows nothing extra") {
  RateLimiter limiter(2);
  allowed_at_once(limiter, start);
  CHECK_FALSE(limiter.allow(start - 10min));
  CHECK(limiter.allow(start + 500ms));
}

TEST_CASE("a rate limiter is two words") {
  CHECK(sizeof(RateLimiter) == 16);
}
