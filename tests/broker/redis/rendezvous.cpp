// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/rendezvous.hpp>

#include "support/catch.hpp"

using switchboard::redis::Rendezvous;

namespace {

const std::vector<std::string> three{"redis://a:6379", "redis://b:6379", "redis://c:6379"};
std::string channel(int number) {
  return "room:" + std::to_string(number);
}

}  // namespace

TEST_CASE("channels are spread evenly over the servers") {
  const Rendezvous servers(three);
  std::vector<int> counts(3);
  for (int i = 0; i < 30000; ++i) ++counts[servers(channel(i))];
  for (const int count : counts) {
    CHECK(count > 9600);
    CHECK(count < 10400);
  }
}

TEST_CASE("a server more takes channels from the others and moves none between them") {
  const Rendezvous before(three);
  auto names = three;
  names.push_back("redis://d:6379");
  const Rendezvous after(names);
  int moved = 0;
  for (int i = 0; i < 30000; ++i) {
    const auto now = after(channel(i));
    if (now == before(channel(i))) continue;
    ++moved;
    REQUIRE(now == 3);
  }
  CHECK(moved > 7000);
  CHECK(moved < 8000);
}

TEST_CASE("the order in which servers are named does not matter") {
  const Rendezvous one(three), other({three[2], three[0], three[1]});
  constexpr std::size_t place_in_other[] = {1, 2, 0};
  for (int i = 0; i < 1000; ++i) REQUIRE(other(channel(i)) == place_in_other[one(channel(i))]);
}

// The expected values were computed by another implementation of the same formula.
TEST_CASE("nodes of any build agree on where a channel belongs") {
  const Rendezvous servers(three);
  CHECK(servers("updates") == 2);
  CHECK(servers("room:1") == 1);
  CHECK(servers("$user:ann") == 2);
  CHECK(servers("") == 1);
}

TEST_CASE("no server, and one server twice, are mistakes") {
  CHECK_THROWS_WITH(Rendezvous({}), "there must be at least one Redis server");
  CHECK_THROWS_WITH(Rendezvous({"redis://a:1", "redis://b:1", "redis://a:1"}), "redis://a:1 is given twice");
  CHECK(Rendezvous({"redis://a:1"})("any") == 0);
}
