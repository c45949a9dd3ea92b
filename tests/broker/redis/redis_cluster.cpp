// SPDX-License-Identifier: MIT
#include "broker/redis/support/redis_cluster.hpp"

#include <switchboard/broker/redis/cluster_slots.hpp>

#include "support/catch.hpp"

using redis_test::RedisCluster;
using redis_test::Reply;
namespace redis = switchboard::redis;

namespace {

struct Tree {
  const Reply* reply;
  std::size_t size() const { return reply->elements.size(); }
  Tree operator[](std::size_t index) const { return {&(*reply)[index]}; }
  std::string_view text() const { return reply->text; }
  std::int64_t integer() const { return reply->integer; }
};

redis::Endpoint endpoint_of(const redis_test::RedisServer& server) {
  return {"127.0.0.1", server.port()};
}

}  // namespace

TEST_CASE("the fixture's cluster serves all slots, moves one, and replaces a master that is killed") {
  RedisCluster cluster;
  REQUIRE(cluster.size() == 6);
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(redis_test::field_of(cluster.node(i)("CLUSTER INFO").text, "cluster_state") == "ok");

  const Reply slots = cluster.node(0)("CLUSTER SLOTS");
  const auto map = redis::parse_cluster_slots(Tree{&slots}, endpoint_of(cluster.node(0)));
  REQUIRE(map);
  CHECK(map->is_complete());
  CHECK(map->masters().size() == 3);
  for (const std::string channel : {"updates", "{a}b", "room:1", "{}x", "a{b"}) {
    CHECK(redis::key_slot(channel) == cluster.slot_of(channel));
    CHECK(*map->master_of(redis::key_slot(channel)) ==
          endpoint_of(cluster.node(cluster.master_of(redis::key_slot(channel)))));
  }

  const std::uint16_t slot = redis::key_slot("updates");
  const std::size_t owner = cluster.master_of(slot), other = (owner + 1) % 3;
  const auto error = cluster.node(other)("SPUBLISH updates x");
  const auto redirect = redis::parse_redirect(error.text, endpoint_of(cluster.node(other)));
  REQUIRE(redirect);
  CHECK(*redirect == redis::Redirect{false, slot, endpoint_of(cluster.node(owner))});

  auto subscriber = cluster.node(owner).client();
  REQUIRE(subscriber("SSUBSCRIBE updates")[0].text == "ssubscribe");
  CHECK(cluster.node(owner)("SPUBLISH updates x").integer == 1);
  CHECK(subscriber.receive()[2].text == "x");
  cluster.migrate(slot, other);
  CHECK(subscriber.receive()[0].text == "sunsubscribe");
  CHECK(cluster.node(other)("SPUBLISH updates x").integer == 0);

  const std::size_t replacement = cluster.fail_over(other);
  CHECK(replacement == other + 3);
  CHECK(cluster.node(replacement)("SPUBLISH updates x").integer == 0);
}
