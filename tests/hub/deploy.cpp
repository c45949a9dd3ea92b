// SPDX-License-Identifier: MIT
// Nodes that stop, one after the other, and their clients, who go on.
#include <random>

#include "hub/cluster_apps.hpp"

using namespace cluster_apps;

namespace {

/// A client with the policy of ours: wherever its node says 1001, it comes back to another one.
struct Client {
  std::string user, session;
  std::optional<Ws> ws;
  std::uint64_t last_seq = 0;
  int newest = 0, recovered = 0;

  void read() {
    while (auto message = ws->try_receive_json()) {
      if ((*message)["type"] == "welcome") {
        REQUIRE((*message)["session"] == session);
        REQUIRE((*message)["recovered"] == true);
        ++recovered;
        continue;
      }
      if (message->contains("status")) continue;
      REQUIRE((*message)["seq"] == last_seq + 1);
      REQUIRE((*message)["data"] == newest + 1);
      ++last_seq;
      ++newest;
    }
  }
};

}  // namespace

TEST_CASE("three nodes are restarted one after another under load, and every client is recovered") {
  for (unsigned seed = 0; seed < 2; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed + 1);
    Cluster cluster(3, {.seed = seed, .sessions = {.replay = 10'000}},
                    {.seed = seed, .servers = 2, .max_delay = 3ms});
    std::vector<Client> clients(30);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      Client& client = clients[i];
      client.user = "user" + std::to_string(i % 7);
      client.ws.emplace(cluster.begin_resume(static_cast<unsigned>(i % 3), client.user, "", 0));
      cluster.nodes.advance(20ms);
      client.session = client.ws->receive_json()["session"];
      client.ws->send_json({{"action", "subscribe"}, {"channel", "red"}});
    }
    cluster.nodes.advance(20ms);

    int published = 0;
    std::vector<unsigned> running{0, 1, 2};
    const auto go_on = [&](sb::Duration time, unsigned publisher) {
      for (const auto end = cluster.nodes.world().now() + time; cluster.nodes.world().now() < end;) {
        cluster.shard(publisher).publish("red", ++published);
        cluster.nodes.advance(1ms);
        for (Client& client : clients) {
          client.read();
          if (client.ws->is_idle()) continue;
          REQUIRE(client.ws->receive_close().code == sb::CloseCode::going_away);
          const unsigned other = running[random() % running.size()];
          client.ws.emplace(cluster.begin_resume(other, client.user, client.session, client.last_seq));
        }
      }
      cluster.nodes.advance(10ms);  // another publisher's messages could overtake the last ones
    };
    go_on(50ms, 2);
    for (const unsigned old : {0U, 1U, 2U}) {
      CAPTURE(old);
      std::erase(running, old);
      const unsigned publisher = running.back();
      cluster.nodes.stop(old);
      go_on(300ms, publisher);
      REQUIRE(cluster.node(old).is_drained());
      cluster.nodes.kill(old);
      running.push_back(cluster.nodes.start());
      go_on(100ms, publisher);
    }
    cluster.nodes.advance(100ms);
    int recovered = 0;
    for (Client& client : clients) {
      client.read();
      CHECK(client.newest == published);
      recovered += client.recovered;
    }
    CHECK(recovered >= 30);
    CHECK(cluster.metric(&sb::HubMetrics::sessions_not_found) == 0);
    CHECK(cluster.metric(&sb::HubMetrics::sessions_handed_over) >= 30);
  }
}

TEST_CASE("a node that stops refuses whoever comes, and stays for its sessions until all are gone") {
  Cluster cluster(2);
  auto one = cluster.subscriber(0, "ann", {"red"}), two = cluster.subscriber(0, "bob", {"red"});
  auto plain = cluster.connect(0, "cid", {.last_seq = std::nullopt});
  cluster.nodes.stop(0);
  for (Ws* ws : {&one, &two, &plain}) CHECK(ws->receive_close().code == sb::CloseCode::going_away);
  cluster.nodes.run();
  CHECK_FALSE(cluster.node(0).is_drained());
  try {
    cluster.resume(0, "ann", one);
    CHECK(false);
  } catch (const sb::testing::Refused& refused) {
    CHECK(refused.status == 503);
  }
  cluster.publish(1, "red", 1);
  auto back = cluster.resume(1, "ann", one);
  CHECK(terms(back.welcome()) == terms(1, true, 1, 0));
  CHECK_FALSE(cluster.node(0).is_drained());
  back = cluster.resume(1, "bob", two);
  CHECK(terms(back.welcome()) == terms(1, true, 1, 0));
  cluster.nodes.run();
  CHECK(cluster.node(0).is_drained());
}

TEST_CASE("a node that stops does not wait for sessions whose time is over") {
  Cluster cluster(2, {.sessions = {.time_to_live = 20s}});
  auto ws = cluster.connect(0, "ann");
  cluster.nodes.stop(0);
  cluster.nodes.advance(19s);
  CHECK_FALSE(cluster.node(0).is_drained());
  cluster.nodes.advance(1s);
  CHECK(cluster.node(0).is_drained());
}

TEST_CASE("a session that is on its way to a node that stops ends up there, and goes on from there") {
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    Cluster cluster(3);
    auto ws = cluster.subscriber(0, "ann", {"red"});
    cluster.network().set_manual(true);
    auto moving = cluster.begin_resume(1, "ann", ws.session(), 0);
    cluster.steps(steps);
    cluster.nodes.stop(1);
    cluster.network().set_manual(false);
    cluster.publish(0, "red", 1);
    cluster.nodes.advance(1s);
    auto back = cluster.resume(2, "ann", ws);
    CHECK(terms(back.welcome()) == terms(1, true, 1, 0));
    cluster.nodes.advance(10s);
    CHECK(cluster.node(1).is_drained());
  }
}
