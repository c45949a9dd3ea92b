// SPDX-License-Identifier: MIT
// Blows to a cluster of processes, in a random order. SWITCHBOARD_SEED repeats one.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "broker/redis/support/redis_cluster.hpp"
#include "broker/redis/support/redis_server.hpp"
#include "support/catch.hpp"
#include "support/muting_relay.hpp"
#include "support/world.hpp"

namespace {

using namespace chaos;

using Blows = std::vector<std::pair<std::string, std::function<void()>>>;

unsigned seed() {
  const char* given = std::getenv("SWITCHBOARD_SEED");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
}

void kill_and_restart(World& world, std::size_t node) {
  world.kill_node(node);
  world.run(1s);
  world.start_node(node);
}

/// Each in turn; after each everything must be right again.
void strike(World& world, Blows blows) {
  std::shuffle(blows.begin(), blows.end(), world.random());
  world.run(1s);
  REQUIRE(world.recover() == "");
  for (const auto& [name, blow] : blows) {
    INFO("after: " << name);
    world.with_visitors([&] {
      world.run(1s);
      blow();
    });
    const std::string wrong = world.recover();
    std::cerr << name << ": " << world.summary() << std::endl;
    REQUIRE(wrong == "");
  }
}

}  // namespace

TEST_CASE("one Redis: whatever dies, hangs, cuts or goes dumb, nobody misses a message without being told") {
  const unsigned chosen = seed();
  INFO("SWITCHBOARD_SEED=" << chosen);
  redis_test::RedisServer redis;
  MutingRelay relay(redis.port());
  World world({relay.url()}, chosen);
  const std::size_t node = world.random_node();
  strike(world,
         {{"SIGKILL of a node", [&] { kill_and_restart(world, node); }},
          {"SIGKILL of another node", [&] { kill_and_restart(world, (node + 1) % World::node_count); }},
          {"SIGKILL and restart of Redis",
           [&] {
             redis.kill();
             world.run(2s);
             redis.start();
           }},
          {"SIGSTOP of Redis for ten seconds",
           [&] {
             redis.suspend();
             world.run(10s);
             redis.resume();
           }},
          {"CLIENT KILL of the subscribers", [&] { redis("CLIENT KILL TYPE pubsub"); }},
          {"CLIENT KILL of the publishers", [&] { redis("CLIENT KILL TYPE normal"); }},
          {"a server that answers and delivers nothing", [&] {
             relay.mute(true);
             world.run(12s);
             relay.mute(false);
             REQUIRE(relay.dropped() > 0);
           }}});
}
