// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/probe.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis::Probe;
using Action = Probe::Action;

namespace {
constexpr TimePoint start{};
}

TEST_CASE("a probe is sent at the start, and again a while after it came back") {
  Probe probe({.interval = 4s, .timeout = 3s});
  CHECK(probe.tick(start, 0) == Action::none);
  probe.start(start);
  CHECK(probe.tick(start, 0.5) == Action::send);
  CHECK(probe.tick(start + 1s, 0.5) == Action::none);
  CHECK_FALSE(probe.is_delivering());
  probe.on_delivery(probe.number(), start + 1s);
  CHECK(probe.is_delivering());
  CHECK(probe.tick(start + 4999ms, 0.5) == Action::none);
  CHECK(probe.tick(start + 5s, 0.5) == Action::send);
}

TEST_CASE("the pauses between probes are spread") {
  for (const auto& [random, pause] : {std::pair{0.0, 3s}, std::pair{1.0, 5s}}) {
    Probe probe({.interval = 4s, .timeout = 3s});
    probe.start(start);
    REQUIRE(probe.tick(start, random) == Action::send);
    probe.on_delivery(probe.number(), start);
    CHECK(probe.tick(start + pause - 1ms, 0) == Action::none);
    CHECK(probe.tick(start + pause, 0) == Action::send);
  }
}

TEST_CASE("a probe that does not come back in time fails, once") {
  Probe probe({.interval = 4s, .timeout = 3s});
  probe.start(start);
  REQUIRE(probe.tick(start, 0) == Action::send);
  CHECK(probe.tick(start + 2999ms, 0) == Action::none);
  CHECK(probe.tick(start + 3s, 0) == Action::fail);
  CHECK_FALSE(probe.is_delivering());
  CHECK(probe.tick(start + 9s, 0) == Action::none);
}

TEST_CASE("a probe of an earlier connection proves nothing") {
  Probe probe({.interval = 4s, .timeout = 3s});
  probe.start(start);
  REQUIRE(probe.tick(start, 0) == Action::send);
  const auto old = probe.number();
  probe.start(start + 1s);
  REQUIRE(probe.tick(start + 1s, 0) == Action::send);
  probe.on_delivery(old, start + 2s);
  CHECK(probe.tick(start + 4s, 0) == Action::fail);
}
