// SPDX-License-Identifier: MIT
// What an App hears when it asks its shard who is in a channel.
#include "hub/ask_presence.hpp"
#include "hub/cluster_apps.hpp"

using namespace cluster_apps;

TEST_CASE("an App is told who is in a channel, and how many, over all nodes") {
  Cluster cluster(3);
  CHECK(ask_presence_count(cluster.node(0), "red").users == 0);
  auto ann = cluster.subscriber(0, "ann", {"red"}), again = cluster.subscriber(1, "ann", {"red"});
  auto bob = cluster.subscriber(1, "bob", {"red", "blue"});
  for (const unsigned node : {0u, 1u, 2u}) {
    CAPTURE(node);
    const sb::Presence red = ask_presence(cluster.node(node), "red");
    CHECK_FALSE(red.error);
    REQUIRE(red.users.size() == 2);
    CHECK(red.users[0].user + red.users[1].user == "annbob");
    CHECK(ask_presence_count(cluster.node(node), "red").users == 2);
    CHECK(ask_presence_count(cluster.node(node), "blue").users == 1);
    CHECK_FALSE(ask_presence_count(cluster.node(node), "blue").error);
  }
  ann.close();
  CHECK(ask_presence_count(cluster.node(2), "red").users == 2);
  again.close();
  CHECK(ask_presence_count(cluster.node(2), "red").users == 1);
}

TEST_CASE("an App that asks while the broker is away is told so, rather than that nobody is there") {
  Cluster cluster(2);
  auto ann = cluster.subscriber(0, "ann", {"red"});
  cluster.network().cut("node0");
  CHECK(ask_presence_count(cluster.node(0), "red").error == sb::broker_errc::unavailable);
  CHECK(ask_presence(cluster.node(0), "red").error == sb::broker_errc::unavailable);
  CHECK(ask_presence_count(cluster.node(1), "red").users == 1);
}
