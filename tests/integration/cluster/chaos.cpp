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
#include "broker/redis/support/redis_sentinels.hpp"
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

TEST_CASE("a Redis cluster: masters fail over, slots migrate, nodes die, and every loss is told") {
  const unsigned chosen = seed();
  INFO("SWITCHBOARD_SEED=" << chosen);
  redis_test::RedisCluster cluster;
  World world({cluster.url()}, chosen);
  const std::size_t node = world.random_node();
  strike(world, {{"SIGKILL of a node", [&] { kill_and_restart(world, node); }},
                 {"a master's failover",
                  [&] {
                    const std::size_t master = cluster.master_of(cluster.slot_of("any"));
                    cluster.node(master).kill();
                    world.run(4s);  // its replica takes over meanwhile
                    cluster.wait_until_ok();
                    cluster.node(master).start();
                  }},
                 {"slots that migrate",
                  [&] {
                    const auto channels = cluster.shard_channels();
                    REQUIRE(channels.size() >= World::channel_count);
                    for (const std::string& channel : channels) {
                      const std::uint16_t slot = cluster.slot_of(channel);
                      cluster.migrate(slot, cluster.other_master(cluster.master_of(slot)));
                      world.run(20ms);
                    }
                  }},
                 {"CLIENT KILL of the subscribers at every server", [&] {
                    for (std::size_t i = 0; i < cluster.size(); ++i)
                      cluster.node(i)("CLIENT KILL TYPE pubsub");
                  }}});
}

TEST_CASE("three independent servers: one dies, another hangs, and every loss is told") {
  const unsigned chosen = seed();
  INFO("SWITCHBOARD_SEED=" << chosen);
  const auto servers = redis_test::several_redis_servers(3);
  World world({servers[0]->url(), servers[1]->url(), servers[2]->url()}, chosen);
  const std::size_t node = world.random_node();
  strike(world, {{"SIGKILL of a node", [&] { kill_and_restart(world, node); }},
                 {"SIGKILL and restart of a server",
                  [&] {
                    servers[0]->kill();
                    world.run(2s);
                    servers[0]->start();
                  }},
                 {"SIGSTOP of a server for ten seconds",
                  [&] {
                    servers[1]->suspend();
                    world.run(10s);
                    servers[1]->resume();
                  }},
                 {"CLIENT KILL at all of them", [&] {
                    for (const auto& server : servers) (*server)("CLIENT KILL TYPE pubsub");
                  }}});
}

TEST_CASE("sentinels: the master dies, its replica takes over, and every loss is told") {
  const unsigned chosen = seed();
  INFO("SWITCHBOARD_SEED=" << chosen);
  redis_test::RedisSentinels sentinels;
  World world({sentinels.url()}, chosen);
  strike(world, {{"SIGKILL of a node", [&] { kill_and_restart(world, world.random_node()); }},
                 {"SIGKILL of the master", [&] {
                    const std::size_t master = sentinels.master();
                    sentinels.server(master).kill();
                    world.run(5s);  // the other is made the master meanwhile
                    sentinels.server(master).start();
                  }}});
}
