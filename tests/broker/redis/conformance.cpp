// SPDX-License-Identifier: MIT
#include <memory>

#include <switchboard/broker/redis_broker.hpp>
#include <switchboard/testing/broker_conformance.hpp>

#include "broker/redis/support/redis_cluster.hpp"
#include "broker/redis/support/redis_sentinels.hpp"
#include "broker/redis/support/redis_server.hpp"
#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;

static_assert(Broker<RedisBroker>);
static_assert(NodeBroker<RedisBroker>);

namespace {

/// Several RedisBrokers are several nodes.
struct RedisFixture {
  std::vector<std::string> urls{};
  std::size_t brokers = 2;
  std::chrono::milliseconds patience{20'000}, quiet{50};

  std::unique_ptr<RedisBroker> make_broker() {
    return std::make_unique<RedisBroker>(RedisBroker::Options{.urls = urls});
  }
};

void require_conformance(RedisFixture fixture) {
  for (const auto& failure : testing::run_broker_conformance(fixture))
    FAIL_CHECK(failure.check << ": " << failure.message);
}

}  // namespace

TEST_CASE("RedisBroker conforms with two nodes on one server", "[conformance]") {
  const redis_test::RedisServer server;
  require_conformance({.urls = {server.url()}});
}

TEST_CASE("RedisBroker conforms with all ports on one node", "[conformance]") {
  const redis_test::RedisServer server;
  require_conformance({.urls = {server.unix_url()}, .brokers = 1});
}

TEST_CASE("RedisBroker conforms without a server, in one process", "[conformance]") {
  require_conformance({.brokers = 1});
}

TEST_CASE("RedisBroker conforms with two nodes on three independent servers", "[conformance]") {
  const auto servers = redis_test::several_redis_servers(3);
  RedisFixture fixture;
  for (const auto& server : servers) fixture.urls.push_back(server->url());
  require_conformance(fixture);
}

TEST_CASE("RedisBroker conforms with two nodes on a cluster of six", "[conformance]") {
  const redis_test::RedisCluster cluster;
  require_conformance({.urls = {cluster.url()}});
}

TEST_CASE("RedisBroker conforms with two nodes that ask sentinels", "[conformance]") {
  const redis_test::RedisSentinels sentinels;
  require_conformance({.urls = {sentinels.url()}});
}
