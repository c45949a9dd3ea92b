// SPDX-License-Identifier: MIT
#include "broker/redis/support/redis_sentinels.hpp"

#include "support/catch.hpp"

TEST_CASE(
    "the fixture's sentinels elect a new master when theirs is killed, and the old one comes back as "
    "replica") {
  redis_test::RedisSentinels sentinels;
  REQUIRE(sentinels.master() == 0);
  sentinels.server(0)("SET a 1");

  REQUIRE(sentinels.fail_over() == 1);
  for (std::size_t i = 0; i < 3; ++i) CHECK(sentinels.master(i) == 1);
  CHECK(sentinels.server(1)("SET a 2").text == "OK");

  sentinels.server(0).start();
  redis_test::wait_until("the old master as replica",
                         [&] { return sentinels.server(0)("ROLE")[0].text == "slave"; });
}
