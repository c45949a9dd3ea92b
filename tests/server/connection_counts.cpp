// SPDX-License-Identifier: MIT
#include <thread>
#include <vector>

#include <switchboard/server/connection_counts.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::Admission;
using sb::net::Address;

TEST_CASE("connections are admitted up to the total and again when one is released") {
  sb::ConnectionCounts counts(2, 0);
  const Address peer = Address::v4(10, 0, 0, 1);
  CHECK(counts.admit(peer) == Admission::admitted);
  CHECK(counts.admit(peer) == Admission::admitted);
  CHECK(counts.admit(peer) == Admission::full);
  counts.release(peer);
  CHECK(counts.admit(peer) == Admission::admitted);
  CHECK(counts.admit(peer) == Admission::full);
}

TEST_CASE(
    "each address has a count of its own, whatever the port, and a refusal takes nothing of the total") {
  sb::ConnectionCounts counts(3, 1);
  CHECK(counts.admit(Address::v4(10, 0, 0, 1, 1000)) == Admission::admitted);
  for (int i = 0; i < 5; ++i)
    CHECK(counts.admit(Address::v4(10, 0, 0, 1, 1001)) == Admission::too_many_from_address);
  CHECK(counts.admit(Address::v4(10, 0, 0, 2)) == Admission::admitted);
  CHECK(counts.admit(Address::v4(10, 0, 0, 3)) == Admission::admitted);
  CHECK(counts.admit(Address::v4(10, 0, 0, 4)) == Admission::full);
  counts.release(Address::v4(10, 0, 0, 1));
  CHECK(counts.admit(Address::v4(10, 0, 0, 1)) == Admission::admitted);
}

TEST_CASE("over both limits means full") {
  sb::ConnectionCounts counts(1, 1);
  const Address peer = Address::v4(10, 0, 0, 1);
  CHECK(counts.admit(peer) == Admission::admitted);
  CHECK(counts.admit(peer) == Admission::full);
  counts.release(peer);
  CHECK(counts.admit(peer) == Admission::admitted);
}

TEST_CASE("without limits everyone is admitted") {
  sb::ConnectionCounts counts(0, 0);
  for (int i = 0; i < 1000; ++i) CHECK(counts.admit(Address::v4(10, 0, 0, 1)) == Admission::admitted);
}

TEST_CASE("threads that admit and release at once never exceed a limit") {
  sb::ConnectionCounts counts(8, 4);
  std::atomic<int> now{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Address peer = Address::v4(10, 0, 0, static_cast<std::uint8_t>(t % 2));
      for (int i = 0; i < 2000; ++i) {
        if (counts.admit(peer) != Admission::admitted) continue;
        const int count = ++now;
        for (int seen = most; count > seen && !most.compare_exchange_weak(seen, count);) {
        }
        --now;
        counts.release(peer);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(most <= 8);
  for (int i = 0; i < 4; ++i) CHECK(counts.admit(Address::v4(10, 0, 0, 0)) == Admission::admitted);
  CHECK(counts.admit(Address::v4(10, 0, 0, 0)) == Admission::too_many_from_address);
}
