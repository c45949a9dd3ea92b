// SPDX-License-Identifier: MIT
#include <algorithm>
#include <random>

#include "hub/cluster_apps.hpp"

using namespace cluster_apps;

namespace {

constexpr unsigned nodes = 3;
const std::vector<std::string> channels{"red", "green", "blue"};

/// What one session is to get. Messages carry a number that is unique in the run, and who published it.
struct Client {
  std::string user;
  std::vector<std::string> channels;
  std::optional<Ws> ws;
  std::string session;
  bool is_waiting = false;            // for its welcome
  std::uint64_t last_seq = 0;         // the newest number it has seen
  std::set<int> expected;             // what was sent to the session
  std::set<int> got;                  // what has come
  std::map<std::string, int> newest;  // of each publisher and channel, for the order
  std::uint64_t missed = 0;           // told as missed
};

/// Clients that move between nodes in mid-stream, while messages of all nodes are under way, each of which
/// may be the next to arrive.
class Run {
 public:
  Run(unsigned seed, std::size_t replay, unsigned servers, unsigned shards)
      : random_(seed + 1),
        shards_(shards),
        cluster_(nodes, {.shards = shards, .seed = seed, .sessions = {.replay = replay}},
                 {.seed = seed, .servers = servers}),
        clients_(3) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      Client& client = clients_[i];
      client.user = i < 2 ? "ann" : "ben";
      client.channels.assign(channels.begin(), channels.begin() + 1 + static_cast<int>(i));
      client.ws =
          cluster_.subscriber(random(nodes), client.user, client.channels, false, {.shard = random(shards)});
      client.session = client.ws->session();
    }
    cluster_.network().set_manual(true);
  }

  void step() {
    Client& client = clients_[random(static_cast<unsigned>(clients_.size()))];
    switch (random(10)) {
      case 0:
        return move(client);
      case 1:
        return send_to_user();
      case 2:
      case 3:
        return publish();
      case 4:
        return read(client);
      default:
        for (unsigned i = random(6); i > 0; --i) {
          cluster_.network().step();
          cluster_.nodes.run();
        }
    }
  }

  void finish() {
    settle();
    for (Client& client : clients_) {
      read(client);
      REQUIRE(client.got.size() + client.missed == client.expected.size());
      REQUIRE(client.last_seq == client.expected.size());
      REQUIRE(std::includes(client.expected.begin(), client.expected.end(), client.got.begin(),
                            client.got.end()));
      REQUIRE_FALSE(client.ws->is_closed());
    }
    for (unsigned node = 0; node < nodes; ++node)
      for (unsigned shard = 0; shard < shards_; ++shard) shards_idle(cluster_.node(node).hub(shard));
  }
  std::uint64_t moved() { return cluster_.metric(&sb::HubMetrics::sessions_taken_over); }
  std::uint64_t missed() const {
    std::uint64_t sum = 0;
    for (const Client& client : clients_) sum += client.missed;
    return sum;
  }

 private:
  unsigned random(unsigned below) { return static_cast<unsigned>(random_() >> 8) % below; }

  template <class Hub>
  void shards_idle(Hub& hub) {
    REQUIRE(hub.metrics().sessions_not_found.value() == 0);
  }

  /// Everything arrives.
  void settle() {
    cluster_.network().set_manual(false);
    cluster_.nodes.advance(700ms);
    cluster_.network().set_manual(true);
    for (Client& client : clients_) read(client);
  }

  void publish() {
    const std::string& channel = channels[random(3)];
    const unsigned node = random(nodes), shard = random(shards_);
    for (unsigned burst = 1 + random(3); burst-- > 0;) {
      const int number = ++last_number_;
      for (Client& client : clients_)
        if (std::find(client.channels.begin(), client.channels.end(), channel) != client.channels.end())
          client.expected.insert(number);
      cluster_.node(node).shard(shard).publish(
          channel, {{"n", number}, {"by", channel + std::to_string(node * 10 + shard)}});
    }
    cluster_.nodes.run();
  }
  void send_to_user() {
    const std::string user = random(2) == 0 ? "ann" : "ben";
    const unsigned node = random(nodes), shard = random(shards_);
    const int number = ++last_number_;
    for (Client& client : clients_)
      if (client.user == user) client.expected.insert(number);
    cluster_.node(node).shard(shard).send_to_user(
        user, {{"n", number}, {"by", "$" + std::to_string(node * 10 + shard)}});
    cluster_.nodes.run();
  }

  /// Comes back on any node; mostly while its old socket is still there.
  void move(Client& client) {
    if (client.is_waiting) settle();
    REQUIRE_FALSE(client.is_waiting);
    if (random(2) == 0) read(client);
    if (random(3) == 0) {
      client.ws.reset();
      cluster_.nodes.run();
    }
    std::optional<Ws> old = std::move(client.ws);
    client.ws.emplace(
        cluster_.begin_resume(random(nodes), client.user, client.session, client.last_seq, random(shards_)));
    client.is_waiting = true;
    cluster_.nodes.run();
  }

  void read(Client& client) {
    if (!client.ws) return;
    for (const json& message : received(*client.ws)) {
      if (message.value("type", "") == "welcome") {
        REQUIRE(client.is_waiting);
        client.is_waiting = false;
        REQUIRE(message["session"] == client.session);
        const std::uint64_t missed = message["missed"];
        REQUIRE(message["recovered"] == (missed == 0));
        client.missed += missed;
        client.last_seq += missed;
        continue;
      }
      CAPTURE(message.dump());
      REQUIRE_FALSE(client.is_waiting);
      REQUIRE(message["seq"] == client.last_seq + 1);
      REQUIRE(message.value("type", "message") == "message");
      client.last_seq = message["seq"];
      const json& body = message.contains("data") ? message["data"] : message;
      const int number = body["n"];
      REQUIRE(client.expected.contains(number));
      REQUIRE(client.got.insert(number).second);
      int& newest = client.newest[body["by"]];
      REQUIRE(number > newest);
      newest = number;
    }
  }

  std::minstd_rand random_;
  unsigned shards_;
  Cluster cluster_;
  std::vector<Client> clients_;
  int last_number_ = 0;
};

}  // namespace

TEST_CASE("sessions that move in mid-stream lose nothing and get nothing twice, whatever arrives when") {
  std::uint64_t moved = 0;
  for (const unsigned servers : {1U, 3U}) {
    for (unsigned seed = 0; seed < 60; ++seed) {
      CAPTURE(servers, seed);
      Run run(seed, 10'000, servers, 1 + seed % 2);
      for (int step = 0; step < 250; ++step) run.step();
      run.finish();
      REQUIRE(run.missed() == 0);
      moved += run.moved();
    }
  }
  CHECK(moved > 1'000);
}

TEST_CASE("with a short log every loss is told, with its exact count") {
  std::uint64_t moved = 0, missed = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Run run(seed, 4, 1 + seed % 3, 1 + seed % 2);
    for (int step = 0; step < 250; ++step) run.step();
    run.finish();
    moved += run.moved();
    missed += run.missed();
  }
  CHECK(moved > 500);
  CHECK(missed > 500);
}
