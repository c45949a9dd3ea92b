// SPDX-License-Identifier: MIT
#include <switchboard/server/read_budget.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using namespace std::chrono_literals;
using sb::ReadBudget;

namespace {

/// The length of a tick after many of them, when so many sockets never run dry and a byte takes so long to
/// handle.
sb::Duration settled_tick(ReadBudget& budget, std::size_t sockets,
                          std::chrono::duration<double, std::nano> per_byte) {
  sb::Duration spent{};
  for (int tick = 0; tick < 50; ++tick) {
    const std::size_t limit = budget.per_socket(sockets);
    spent = std::chrono::duration_cast<sb::Duration>(per_byte * static_cast<double>(limit * sockets));
    budget.adapt(limit * sockets, limit, spent);
  }
  return spent;
}

}  // namespace

TEST_CASE("a socket alone is read in large pieces") {
  CHECK(ReadBudget().per_socket(1) == ReadBudget::max_read);
  CHECK(ReadBudget().per_socket(0) == ReadBudget::max_read);
}

TEST_CASE("the more sockets are ready, the less is read of each") {
  const ReadBudget budget;
  CHECK(budget.per_socket(64) * 64 <= 4 * ReadBudget::max_read);
  CHECK(budget.per_socket(64) > ReadBudget::min_read);
  CHECK(budget.per_socket(1024) == ReadBudget::min_read);
}

TEST_CASE("when many send without pause, a tick settles at about its goal, whatever a byte costs to handle") {
  for (const double nanoseconds : {2.0, 20.0, 50.0}) {
    ReadBudget budget;
    const sb::Duration spent =
        settled_tick(budget, 64, std::chrono::duration<double, std::nano>(nanoseconds));
    INFO(nanoseconds << " ns a byte: " << spent.count() << " ns");
    CHECK(spent <= ReadBudget::goal * 11 / 10);
    CHECK(spent >= ReadBudget::goal / 2 * 9 / 10);
  }
}

TEST_CASE("one tick that took too long is enough: the next reads less by as much") {
  ReadBudget budget;
  const std::size_t limit = budget.per_socket(16);
  budget.adapt(16 * limit, limit, 4 * ReadBudget::goal);
  CHECK(budget.per_socket(16) == limit / 4);
}

TEST_CASE("handlers that are slow beyond measure still leave each socket its least") {
  ReadBudget budget;
  budget.adapt(64 * ReadBudget::min_read, ReadBudget::min_read, 10s);
  CHECK(budget.per_socket(64) == ReadBudget::min_read);
  CHECK(budget.per_socket(1) == ReadBudget::min_read);
}

TEST_CASE("once handling is cheap again, reads grow again, up to where they were") {
  ReadBudget budget;
  settled_tick(budget, 64, 200ns);
  REQUIRE(budget.per_socket(64) == ReadBudget::min_read);
  settled_tick(budget, 64, std::chrono::duration<double, std::nano>(0.1));
  CHECK(budget.per_socket(64) == ReadBudget::max_read);
}

TEST_CASE("reads that the budget does not bind say nothing about it") {
  ReadBudget budget;
  const std::size_t before = budget.per_socket(64);
  for (int tick = 0; tick < 50; ++tick) budget.adapt(ReadBudget::max_read, ReadBudget::max_read, 1us);
  CHECK(budget.per_socket(64) == before);
}
