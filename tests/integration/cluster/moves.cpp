// SPDX-License-Identifier: MIT
// Sessions that move from node to node while messages go on.
#include <iostream>

#include "broker/redis/support/redis_server.hpp"
#include "support/catch.hpp"
#include "support/world.hpp"

namespace {

using namespace chaos;
constexpr unsigned messages_a_second = 1000;

}  // namespace

TEST_CASE("three nodes are deployed one after the other, and nobody misses, doubles or is told anything") {
  redis_test::RedisServer redis;
  World world({redis.url()}, 1);
  world.publish_rate(messages_a_second);
  world.run(2s);
  for (std::size_t node = 0; node < World::node_count; ++node) {
    INFO("node " << node);
    REQUIRE(world.deploy(node) == "");
    world.run(1s);
  }
  const std::string wrong = world.recover();
  std::cerr << "deploys: " << world.summary() << std::endl;
  REQUIRE(wrong == "");
  REQUIRE(world.losses() == 0);
  REQUIRE(world.wrong_count() == "");
}

TEST_CASE("clients move between nodes in mid-stream a thousand times, and miss and double nothing") {
  redis_test::RedisServer redis;
  World world({redis.url()}, 1);
  world.publish_rate(messages_a_second);
  world.run(1s);
  REQUIRE(world.roam(1000) == "");
  const std::string wrong = world.recover();
  std::cerr << "moves: " << world.summary() << std::endl;
  REQUIRE(wrong == "");
  REQUIRE(world.losses() == 0);
  REQUIRE(world.wrong_count() == "");
}

TEST_CASE(
    "clients that stay away for longer than is kept for them are told the exact count of what they missed") {
  redis_test::RedisServer redis;
  World world({redis.url()}, 1, 100);
  world.publish_rate(messages_a_second);
  world.run(1s);
  REQUIRE(world.roam(1000, 3s) == "");
  const std::string wrong = world.recover();
  std::cerr << "long moves: " << world.summary() << ", " << world.missed() << " missed" << std::endl;
  REQUIRE(wrong == "");
  REQUIRE(world.missed() > 0);
  REQUIRE(world.wrong_count() == "");
}
