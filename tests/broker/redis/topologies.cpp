// SPDX-License-Identifier: MIT
// RedisBroker with more than one server: independent ones, clusters, sentinels; and by TLS.
#include <cctype>
#include <optional>

#include <switchboard/broker/redis/cluster_slots.hpp>
#include <switchboard/broker/redis_tls.hpp>

#include "broker/redis/support/node.hpp"
#include "broker/redis/support/redis_cluster.hpp"
#include "broker/redis/support/redis_sentinels.hpp"
#include "broker/redis/support/tls_certificates.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis_test::Node;
using redis_test::quick_options;
using redis_test::RedisCluster;
using redis_test::RedisSentinels;
using redis_test::subscribe;
using redis_test::text;
using redis_test::until;

namespace {

std::string name(int i) {
  return "channel " + std::to_string(i);
}
bool are_healthy(Node& one, Node& two) {
  return one.broker().is_healthy() && two.broker().is_healthy();
}
/// In order, each at most once; without a gap told also each of them.
void check_numbers(const redis_test::Station& station, std::string_view channel, int count) {
  int former = -1, seen = 0;
  for (const auto& message : station.received) {
    if (message.channel != channel || !std::isdigit(message.payload->front())) continue;
    CHECK(std::stoi(*message.payload) > former);
    former = std::stoi(*message.payload);
    ++seen;
  }
  if (station.gaps == 0) CHECK(seen == count);
}

}  // namespace

TEST_CASE("channels are spread over independent servers, and one that is away takes only its own along") {
  auto servers = redis_test::several_redis_servers(3);
  std::vector<std::string> urls;
  for (const auto& server : servers) urls.push_back(server->url());
  Node one(quick_options(urls)), two(quick_options(urls));
  for (int i = 0; i < 60; ++i) subscribe({&one, &two}, two[0], name(i));
  std::vector<int> mine;
  for (int i = 0; i < 60; ++i)
    if (servers[0]->client().command({"PUBSUB", "NUMSUB", "switchboard:" + name(i)})[1].integer == 1)
      mine.push_back(i);
  CHECK(mine.size() > 5);
  CHECK(mine.size() < 40);
  until({&one, &two}, "both must be healthy", [&] { return are_healthy(one, two); });
  servers[0]->kill();
  until({&one, &two}, "a dead server must be noticed", [&] { return !are_healthy(one, two); });
  until({&one, &two}, "the gap must be told for the server's channels",
        [&] { return two[0].gaps >= mine.size(); });
  for (int i = 0; i < 60; ++i) one[0].publish(name(i), text("x"));
  until({&one, &two}, "the other servers must go on",
        [&] { return two[0].received.size() == 60 - mine.size(); });
  servers[0]->start();
  until({&one, &two}, "what waited must arrive or be told",
        [&] { return two[0].received.size() == 60 || two[0].gaps >= 2 * mine.size(); });
}

TEST_CASE("a cluster's master that fails is replaced, and nothing is lost untold") {
  RedisCluster cluster;
  Node one(quick_options({cluster.url()})), two(quick_options({cluster.url()}));
  constexpr int channels = 30;
  for (int i = 0; i < channels; ++i) subscribe({&one, &two}, two[0], name(i));
  until({&one, &two}, "both must be healthy", [&] { return are_healthy(one, two); });
  for (int i = 0; i < channels; ++i) one[0].publish(name(i), text("0"));
  until({&one, &two}, "messages must arrive", [&] { return two[0].received.size() == channels; });
  CHECK(two[0].gaps == 0);

  cluster.fail_over(0);
  for (int n = 1; n < 10; ++n)
    for (int i = 0; i < channels; ++i) one[0].publish(name(i), text(std::to_string(n)));
  until({&one, &two}, "both must be healthy again", [&] { return are_healthy(one, two); });
  std::vector<testing::conformance::OutcomePtr> outcomes;
  for (int i = 0; i < channels; ++i) outcomes.push_back(one[0].publish(name(i), text("last")));
  until({&one, &two}, "every channel must go on", [&] {
    std::size_t last = 0;
    for (const auto& message : two[0].received) last += *message.payload == "last";
    return last == channels;
  });
  CHECK(two[0].gaps > 0);
  for (int i = 0; i < channels; ++i) check_numbers(two[0], name(i), 10);
}

TEST_CASE("a slot that moves takes its channel along: each message once, in order, or a gap") {
  RedisCluster cluster(3, false);
  Node one(quick_options({cluster.url()})), two(quick_options({cluster.url()}));
  const std::string channel = "news";
  subscribe({&one, &two}, two[0], channel);
  const auto slot = redis::key_slot("switchboard:" + channel);
  int n = 0;
  const auto publish = [&] {
    for (int i = 0; i < 100; ++i) one[0].publish(channel, text(std::to_string(n++)));
    one.poll(), two.poll();
  };
  publish();
  const std::size_t from = cluster.master_of(slot);
  for (const std::size_t to : {(from + 1) % 3, (from + 2) % 3}) {
    const std::size_t before = two[0].gaps;
    cluster.migrate(slot, to, publish);
    publish();
    until({&one, &two}, "the move must be told as a gap", [&] { return two[0].gaps > before; });
  }
  publish();
  one[0].publish(channel, text("last"));
  until({&one, &two}, "the channel must go on", [&] { return two[0].has("last"); });
  check_numbers(two[0], channel, n);
}

TEST_CASE("presence works in a cluster, and across a failover") {
  RedisCluster cluster;
  Node one(quick_options({cluster.url()})), two(quick_options({cluster.url()}));
  const auto count = [&](const std::string& channel) {
    std::optional<std::size_t> result;
    two[0].port->query(channel, [&](std::error_code error, std::vector<PresenceEntry> list) {
      result = error ? 1000 : list.size();
    });
    until({&one, &two}, "a query must be answered", [&] { return result.has_value(); });
    return *result;
  };
  int entered = 0;
  for (int i = 0; i < 30; ++i)
    one[0].port->enter(name(i), "ann", "", [&](std::error_code error, PresenceChange change) {
      entered += !error && change.changed;
    });
  until({&one, &two}, "every enter must be answered", [&] { return entered == 30; });
  for (int i = 0; i < 30; ++i) CHECK(count(name(i)) == 1);
  cluster.fail_over(1);
  for (int i = 0; i < 30; ++i)
    until({&one, &two}, "presence must be there again", [&] { return count(name(i)) == 1; });
}

TEST_CASE("a node that asks sentinels follows a failover") {
  RedisSentinels sentinels;
  Node one(quick_options({sentinels.url()})), two(quick_options({sentinels.url()}));
  subscribe({&one, &two}, two[0], "news");
  until({&one, &two}, "both must be healthy", [&] { return are_healthy(one, two); });
  const std::size_t master = sentinels.fail_over();
  one[0].publish("news", text("after"));
  until({&one, &two}, "both must be healthy again", [&] { return are_healthy(one, two); });
  until({&one, &two}, "the gap must be told", [&] { return two[0].gaps > 0; });
  one[0].publish("news", text("last"));
  until({&one, &two}, "publishing must go on", [&] { return two[0].has("last"); });
  CHECK(sentinels.server(master)("PUBSUB NUMSUB switchboard:news")[1].integer == 1);
}

TEST_CASE("a node speaks TLS, and not to whom it does not know") {
  const redis_test::TlsCertificates certificates, others;
  const redis_test::TlsRedisServer server(certificates);
  auto options = quick_options({server.tls_url()});
  CHECK_THROWS_AS(RedisBroker(options), std::invalid_argument);
  options.tls = redis_tls({.authority_file = certificates.authority()});
  Node one(options), two(options);
  subscribe({&one, &two}, two[0], "news");
  one[0].publish("news", text(std::string(1'000'000, 'x')));
  until({&one, &two}, "a message must arrive", [&] { return two[0].received.size() == 1; });

  options.tls = redis_tls({.authority_file = others.authority()});
  Node wrong(options);
  until({&wrong}, "an unknown authority must be told",
        [&] { return wrong.errors().has(redis_errc::unreachable); });
}

TEST_CASE("a cluster stands alone") {
  CHECK_THROWS_AS(RedisBroker(RedisOptions{.urls = {"redis+cluster://a", "redis://b"}}),
                  std::invalid_argument);
}
