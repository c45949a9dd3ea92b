// SPDX-License-Identifier: MIT
// What an App hears when it asks its shard who is in a channel.
#include <optional>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "hub/cluster_apps.hpp"

using namespace cluster_apps;

namespace {

template <class Answer>
asio::awaitable<void> keep(asio::awaitable<Answer> asked, std::optional<Answer>& answer) {
  answer = co_await std::move(asked);
}

sb::PresenceCount count(Cluster& cluster, unsigned node, std::string_view channel) {
  std::optional<sb::PresenceCount> answer;
  sb::Shard<Member>& shard = cluster.shard(node);
  asio::co_spawn(shard.executor(), keep(shard.presence_count(channel), answer), asio::detached);
  cluster.nodes.run();
  REQUIRE(answer);
  return *answer;
}

sb::Presence list(Cluster& cluster, unsigned node, std::string_view channel) {
  std::optional<sb::Presence> answer;
  sb::Shard<Member>& shard = cluster.shard(node);
  asio::co_spawn(shard.executor(), keep(shard.presence(channel), answer), asio::detached);
  cluster.nodes.run();
  REQUIRE(answer);
  return *answer;
}

}  // namespace

TEST_CASE("an App is told who is in a channel, and how many, over all nodes") {
  Cluster cluster(3);
  CHECK(count(cluster, 0, "red").users == 0);
  auto ann = cluster.subscriber(0, "ann", {"red"}), again = cluster.subscriber(1, "ann", {"red"});
  auto bob = cluster.subscriber(1, "bob", {"red", "blue"});
  for (const unsigned node : {0u, 1u, 2u}) {
    CAPTURE(node);
    const sb::Presence red = list(cluster, node, "red");
    CHECK_FALSE(red.error);
    REQUIRE(red.users.size() == 2);
    CHECK(red.users[0].user + red.users[1].user == "annbob");
    CHECK(count(cluster, node, "red").users == 2);
    CHECK(count(cluster, node, "blue").users == 1);
    CHECK_FALSE(count(cluster, node, "blue").error);
  }
  ann.close();
  CHECK(count(cluster, 2, "red").users == 2);
  again.close();
  CHECK(count(cluster, 2, "red").users == 1);
}

TEST_CASE("an App that asks while the broker is away is told so, rather than that nobody is there") {
  Cluster cluster(2);
  auto ann = cluster.subscriber(0, "ann", {"red"});
  cluster.network().cut("node0");
  CHECK(count(cluster, 0, "red").error == sb::broker_errc::unavailable);
  CHECK(list(cluster, 0, "red").error == sb::broker_errc::unavailable);
  CHECK(count(cluster, 1, "red").users == 1);
}
