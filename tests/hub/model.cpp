// SPDX-License-Identifier: MIT
#include <algorithm>
#include <deque>
#include <random>

#include "session_apps.hpp"

using namespace session_apps;
using Ws = sb::testing::TestConnection<Room<>>;

namespace {

constexpr unsigned shards = 2;
constexpr std::size_t replay = 6;
const std::vector<std::string> channels{"red", "green", "blue"};

/// What one session must get: every message of its, in the order of its numbers, once, or told as missed.
///
/// Messages carry a number that is unique in the run. What two shards publish may reach a session in either
/// order, so the model compares sets of messages, and order for each publisher.
struct Client {
  std::string user;
  std::set<std::string> subscribed;
  std::optional<Ws> ws;
  std::string session;
  std::uint64_t last_seq = 0;    // the newest number it has seen
  std::vector<int> expected;     // what was sent to the session since it began, in order of sending
  std::vector<int> got;          // what has come, in order
  std::uint64_t missed = 0;      // told as missed
  sb::TimePoint parked_until{};  // while it has no socket
};

class Run {
 public:
  Run(unsigned seed, sb::SlowConsumer policy)
      : random_(seed + 1),
        policy_(policy),
        hall_({.shards = shards,
               .seed = seed,
               .sessions = {.replay = replay},
               .queue = {.max_bytes = 1500, .slow_consumer = policy}}),
        watcher_(hall_.connect("wat", {.last_seq = std::nullopt})),
        clients_(4) {
    for (const std::string& channel : channels) subscribe(watcher_, channel, true);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].user = i < 2 ? "ann" : "ben";
      begin(clients_[i]);
    }
  }

  void step() {
    Client& client = clients_[random(static_cast<unsigned>(clients_.size()))];
    switch (random(12)) {
      case 0:
        return toggle(client);
      case 1:
      case 2:
      case 3:
        return publish();
      case 4:
        return send_to_user();
      case 5:
        return cut(client);
      case 6:
      case 7:
        return connect(client);
      case 8:
        return stall(client);
      case 9:
        return read(client);
      case 10:
        return expire(client);
      default:
        hall_.app.advance(std::chrono::milliseconds(random(3000)));
    }
  }

  /// Everyone comes back and reads all there is; then the sums must be right.
  void finish() {
    for (Client& client : clients_) {
      if (client.ws) client.ws->resume_reading();
      read(client);  // it may have been too slow, and hear of that only now
      if (!client.ws) connect(client);
      read(client);
      check(client);
    }
    check_presence();
    for (Client& client : clients_) client.ws.reset();
    watcher_.close();
    hall_.app.advance(2min);
    hall_.require_empty();
  }

 private:
  unsigned random(unsigned below) { return static_cast<unsigned>(random_() >> 8) % below; }
  bool is_attached(const Client& client) const { return client.ws && !client.ws->is_closed(); }

  void begin(Client& client) {
    client.ws.emplace(hall_.connect(client.user, {.last_seq = 0, .shard = random(shards)}));
    REQUIRE(terms(client.ws->welcome()) == terms(0, false, 0, 0));
    client.session = client.ws->session();
    client.last_seq = client.missed = 0;
    client.expected.clear();
    client.got.clear();
    client.subscribed.clear();
  }

  void toggle(Client& client) {
    if (!client.ws) return;
    const std::string& channel = channels[random(3)];
    client.ws->resume_reading();
    read(client);
    if (!is_attached(client)) return;
    const bool subscribes = !client.subscribed.contains(channel);
    client.ws->send_json({{"action", subscribes ? "subscribe" : "unsubscribe"}, {"channel", channel}});
    read(client);
    if (subscribes)
      client.subscribed.insert(channel);
    else
      client.subscribed.erase(channel);
  }

  // Delivered at once: then what was sent when is beyond doubt.
  void publish() {
    const std::string& channel = channels[random(3)];
    for (unsigned burst = 1 + random(4); burst-- > 0;) {
      const int number = ++last_number_;
      for (Client& client : clients_)
        if (client.subscribed.contains(channel)) client.expected.push_back(number);
      hall_.app.shard(random(shards))
          .publish(channel, {{"n", number}, {"pad", std::string(random(200), 'x')}});
      hall_.app.run();
    }
  }
  void send_to_user() {
    const std::string user = random(2) == 0 ? "ann" : "ben";
    const int number = ++last_number_;
    for (Client& client : clients_)
      if (client.user == user) client.expected.push_back(number);
    hall_.app.shard(random(shards)).send_to_user(user, {{"n", number}});
    hall_.app.run();
  }

  void cut(Client& client) {
    if (!client.ws) return;
    if (random(3) != 0) read(client);  // else what was on its way is lost
    client.ws.reset();
    hall_.app.run();
    client.parked_until = hall_.app.now() + 2min;
  }

  /// Comes back, or takes its own session over; on any shard, sometimes without what it had been sent.
  void connect(Client& client) {
    if (client.ws && random(3) != 0) read(client);
    const std::uint64_t newest = client.expected.size();
    const auto before = client.last_seq;
    std::optional<Ws> old = std::move(client.ws);
    client.ws.emplace(
        hall_.connect(client.user, {.session = client.session, .last_seq = before, .shard = random(shards)}));
    const json& welcome = client.ws->welcome();
    REQUIRE(welcome["session"] == client.session);
    REQUIRE(welcome["seq"] == newest);
    const std::uint64_t missed = welcome["missed"];
    REQUIRE(welcome["recovered"] == (missed == 0));
    client.missed += missed;
    client.last_seq = before + missed;
    if (policy_ == sb::SlowConsumer::close) REQUIRE(welcome["replayed"] == newest - before - missed);
    // The newest are kept, as many as a replay is long.
    if (policy_ == sb::SlowConsumer::close) REQUIRE((missed == 0 || newest - before - missed >= replay));
    if (random(2) == 0) read(client);
  }

  void stall(Client& client) {
    if (!client.ws) return;
    if (random(2) == 0)
      client.ws->stop_reading();
    else
      client.ws->stop_reading_after(random(600));
  }

  void read(Client& client) {
    if (!client.ws) return;
    for (const json& message : received(*client.ws)) {
      if (!message.contains("seq")) {
        REQUIRE((message.contains("status") && message["status"] != "error"));
        continue;
      }
      const std::uint64_t seq = message["seq"];
      if (message.value("type", "") == "gap") {
        REQUIRE(policy_ != sb::SlowConsumer::close);
        const std::uint64_t missed = message["missed"];
        REQUIRE(seq == client.last_seq + missed);
        client.missed += missed;
      } else {
        REQUIRE(seq == client.last_seq + 1);
        client.got.push_back(message.contains("data") ? message["data"]["n"] : message["n"]);
        REQUIRE(client.got.back() == client.expected.at(seq - 1));
      }
      client.last_seq = seq;
    }
    // The close itself ends the reading.
    if (client.ws->is_closed()) {
      client.ws.reset();
      client.parked_until = hall_.app.now() + 2min;
    }
  }

  /// The session of a client that stays away for too long is gone, and it is told that nothing is known.
  void expire(Client& client) {
    if (random(4) != 0) return;
    if (client.ws) cut(client);
    hall_.app.advance(2min);
    for (Client& other : clients_) {
      if (&other == &client || !other.ws) continue;
      read(other);
    }
    for (Client& one : clients_) {
      if (one.ws) continue;
      const Ws late = hall_.connect(
          one.user, {.session = one.session, .last_seq = one.last_seq, .shard = random(shards)});
      if (late.session() == one.session) {  // closed by the server only now
        REQUIRE(one.parked_until > hall_.app.now());
      } else {
        REQUIRE(terms(late.welcome()) == terms(0, false, 0, nullptr));
      }
    }
    for (Client& one : clients_)
      if (!one.ws) begin(one);
  }

  void check(const Client& client) {
    REQUIRE(client.got.size() + client.missed == client.expected.size());
    REQUIRE(client.last_seq == client.expected.size());
    REQUIRE(
        std::includes(client.expected.begin(), client.expected.end(), client.got.begin(), client.got.end()));
  }

  void check_presence() {
    hall_.app.advance(10s);
    std::map<std::string, std::set<std::string>> told;
    for (const json& notice : received(watcher_)) {
      if (notice.value("type", "") == "join") told[notice["channel"]].insert(notice["user"]);
      if (notice.value("type", "") == "leave") told[notice["channel"]].erase(notice["user"]);
    }
    for (const std::string& channel : channels) {
      std::set<std::string> present{"wat"};
      for (const Client& client : clients_)
        if (client.subscribed.contains(channel)) present.insert(client.user);
      told[channel].insert("wat");
      CAPTURE(channel);
      REQUIRE(told[channel] == present);
      watcher_.send_json({{"action", "presence"}, {"channel", channel}});
      std::set<std::string> listed;
      const json answer = watcher_.receive_json();
      REQUIRE(answer.value("status", "") == "presence");
      for (const json& user : answer.at("users")) listed.insert(user.at("user"));
      REQUIRE(listed == present);
    }
  }

  std::minstd_rand random_;
  sb::SlowConsumer policy_;
  Hall<> hall_;
  Ws watcher_;
  std::vector<Client> clients_;
  int last_number_ = 0;
};

}  // namespace

TEST_CASE("whatever happens to a session, its client gets or is told of every message once, in order") {
  for (const auto policy :
       {sb::SlowConsumer::close, sb::SlowConsumer::drop_oldest, sb::SlowConsumer::conflate}) {
    for (unsigned seed = 0; seed < 150; ++seed) {
      CAPTURE(static_cast<int>(policy), seed);
      Run run(seed, policy);
      for (int step = 0; step < 80; ++step) run.step();
      run.finish();
    }
  }
}
