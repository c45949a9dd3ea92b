// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../stress/support/server_process.hpp"
#include "support/chaos_client.hpp"

namespace chaos {

using namespace std::chrono_literals;

/// Three chat nodes as processes, and hundreds of stateful clients spread over them, some of which publish.
class World {
 public:
  static constexpr std::size_t node_count = 3, client_count = 240, channel_count = 30;

  World(std::vector<std::string> broker_urls, unsigned seed, unsigned replay = 10000)
      : urls_(std::move(broker_urls)), replay_(replay), random_(seed) {
    for (std::size_t i = 0; i < node_count; ++i) start_node(i);
    for (std::size_t i = 0; i < channel_count; ++i) publishers_[i];
    for (std::size_t i = 0; i < client_count; ++i) add_client();
    must_settle();
  }

  void kill_node(std::size_t index) { nodes_[index].reset(); }
  void start_node(std::size_t index) {
    std::vector<std::string> flags{
        "--node",   "node-" + std::to_string(index), "--presence-grace-ms", "2000",
        "--replay", std::to_string(replay_),         "--max-queue-bytes",   "16000000"};
    for (const std::string& url : urls_) flags.insert(flags.end(), {"--broker", url});
    nodes_[index] = std::make_unique<stress::ServerProcess>(stress::example("chat"), flags);
    memory_[index] = 0;
  }
  /// SIGTERM, and everybody goes on until it has ended; then the next release starts. What was wrong, or
  /// nothing.
  std::string deploy(std::size_t index) {
    is_leaving_[index] = true;
    nodes_[index]->terminate();
    const bool has_ended = run_until([&] { return nodes_[index]->has_ended(); }, 40s, true);
    if (!has_ended) return "node " + std::to_string(index) + " does not end";
    if (const int code = nodes_[index]->wait_for_exit(1s); code != 0)
      return "node " + std::to_string(index) + " ended with " + std::to_string(code);
    is_leaving_[index] = false;
    start_node(index);
    return {};
  }
  bool is_running(std::size_t index) { return nodes_[index] && !nodes_[index]->has_ended(); }
  std::size_t random_node() { return random_() % node_count; }
  std::minstd_rand& random() { return random_; }

  /// Lets everybody go on for so long.
  void run(std::chrono::milliseconds duration, bool may_publish = true) {
    for (const auto end = Clock::now() + duration; Clock::now() < end;) step(may_publish);
  }
  bool run_until(const std::function<bool()>& condition, std::chrono::milliseconds limit, bool may_publish) {
    for (const auto end = Clock::now() + limit; !condition(); step(may_publish))
      if (Clock::now() > end) return false;
    return true;
  }

  /// Some users who come, and are cut for good when `strike` does its work.
  void with_visitors(const std::function<void()>& strike) {
    std::vector<std::unique_ptr<ChaosClient>> visitors;
    for (int i = 0; i < 10; ++i) visitors.push_back(make_client(next_user_++));
    for (auto& visitor : visitors) clients_.push_back(std::move(visitor));
    must_settle();
    strike();
    for (int i = 0; i < 10; ++i) {
      clients_.back()->vanish();
      clients_.pop_back();
    }
  }

  /// Empty once everything is as it must be after a blow; else what is not.
  std::string recover() {
    if (!run_until([this] { return all_ready(); }, 30s, true)) return "a node does not become ready";
    run(2s);
    if (!run_until([this] { return all_settled(); }, 30s, false))
      return "a client does not come to rest: " + unsettled();
    std::string wrong;
    if (!run_until([&] { return (wrong = untold()).empty(); }, 10s, false)) return wrong;
    if (!run_until([&] { return (wrong = wrong_presence()).empty(); }, 20s, false)) return wrong;
    for (std::size_t i = 0; i < node_count; ++i)
      if (!is_running(i)) return "node " + std::to_string(i) + " has ended by itself";
    for (const auto& client : clients_)
      if (!client->fault().empty()) return client->fault();
    return wrong_memory();
  }

  /// Messages a second of all publishers together.
  void publish_rate(unsigned rate) {
    for (const auto& client : clients_)
      client->publish_every(std::chrono::milliseconds(1000 * publishers_.size() / rate));
  }

  /// Cuts clients that are at rest, one every few milliseconds, until their sessions have moved so often.
  std::string roam(std::uint64_t moves, std::chrono::milliseconds away = {}) {
    const auto moved = [this] {
      std::uint64_t sum = 0;
      for (const auto& client : clients_) sum += client->moves();
      return sum;
    };
    const std::uint64_t goal = moved() + moves;
    const auto end = Clock::now() + 120s;
    while (moved() < goal) {
      if (Clock::now() > end) return "the clients do not move";
      ChaosClient& client = *clients_[random_() % clients_.size()];
      if (client.is_welcome()) client.cut(away);
      run(5ms);
    }
    return {};
  }

  /// Where sessions outlive all cuts: each client has had what was accepted in its channels, but for as many
  /// messages as it was told to have missed.
  std::string wrong_count() {
    using Outcome = Outcomes::Outcome;
    for (const auto& client : clients_) {
      std::int64_t accepted = 0, received = 0;
      for (const std::string& name : client->channels()) {
        received += client->ledger(name).received();
        for (const auto& [publisher, outcomes] : publishers_)
          if (channel(publisher) == name) accepted += outcomes.count(Outcome::accepted);
      }
      if (accepted != received + client->missed())
        return client->user() + " should have had " + std::to_string(accepted) + " messages, has had " +
               std::to_string(received) + ", and was told to have missed " + std::to_string(client->missed());
    }
    return {};
  }
  std::int64_t missed() const {
    std::int64_t sum = 0;
    for (const auto& client : clients_) sum += client->missed();
    return sum;
  }

  /// Gaps told, and sessions that did not outlive a cut.
  std::uint64_t losses() const {
    std::uint64_t sum = 0;
    for (const auto& client : clients_) {
      sum += client->new_sessions();
      for (const std::string& channel : client->channels()) sum += client->ledger(channel).told();
    }
    return sum;
  }

  std::string summary() {
    std::int64_t received = 0;
    std::uint64_t told = 0, new_sessions = 0;
    for (const auto& client : clients_) {
      new_sessions += client->new_sessions();
      for (const std::string& channel : client->channels()) {
        received += client->ledger(channel).received();
        told += client->ledger(channel).told();
      }
    }
    std::array<std::int64_t, 4> outcomes{};
    for (const auto& [number, all] : publishers_)
      for (std::size_t i = 0; i < 4; ++i) outcomes[i] += all.count(static_cast<Outcomes::Outcome>(i));
    return std::to_string(received) + " deliveries, " + std::to_string(told) + " gaps told, " +
           std::to_string(new_sessions) + " new sessions; publishes accepted " + std::to_string(outcomes[1]) +
           ", refused " + std::to_string(outcomes[2]) + ", unknown " + std::to_string(outcomes[3]);
  }

 private:
  void step(bool may_publish) {
    loop_.run_once();
    const auto now = Clock::now();
    for (const auto& client : clients_) client->tick(now, may_publish);
  }

  std::unique_ptr<ChaosClient> make_client(std::size_t number) {
    std::vector<std::string> channels{channel(number % channel_count)};
    if (const std::string other = channel((number * 7 + 3) % channel_count); other != channels[0])
      channels.push_back(other);
    return std::make_unique<ChaosClient>(
        loop_, number, std::move(channels), [this] { return some_port(); }, publishers_,
        static_cast<unsigned>(random_()));
  }
  void add_client() { clients_.push_back(make_client(next_user_++)); }
  static std::string channel(std::size_t number) { return "room:" + std::to_string(number); }

  std::uint16_t some_port() {
    for (std::size_t i = random_(), tries = 0; tries < node_count; ++tries)
      if (is_running((i + tries) % node_count) && !is_leaving_[(i + tries) % node_count])
        return nodes_[(i + tries) % node_count]->port();
    return 1;
  }

  void must_settle() {
    if (!run_until([this] { return all_settled(); }, 30s, false))
      throw std::runtime_error("the clients do not come to rest: " + unsettled());
  }
  bool all_settled() {
    for (const auto& client : clients_)
      if (!client->is_settled()) return false;
    return true;
  }
  std::string unsettled() {
    for (const auto& client : clients_)
      if (!client->is_settled()) return client->state();
    return {};
  }

  bool all_ready() {
    if (Clock::now() < next_look_) return false;
    next_look_ = Clock::now() + 100ms;
    for (std::size_t i = 0; i < node_count; ++i)
      if (!is_running(i) || !tcp::get(nodes_[i]->port(), "/readyz").starts_with("HTTP/1.1 200")) return false;
    return true;
  }

  std::string untold() {
    for (const auto& client : clients_)
      for (const std::string& name : client->channels())
        for (const auto& [publisher, outcomes] : publishers_)
          if (channel(publisher % channel_count) == name)
            if (const std::string wrong = client->ledger(name).untold(publisher, outcomes); !wrong.empty())
              return client->user() + ", " + name + ": " + wrong;
    return {};
  }

  /// Each channel is asked for on each node in turn.
  std::string wrong_presence() {
    std::map<std::string, std::int64_t> expected;
    std::map<std::string, std::map<std::uint16_t, ChaosClient*>> askers;
    for (const auto& client : clients_)
      for (const std::string& name : client->channels()) {
        ++expected[name];
        askers[name][client->port()] = client.get();
      }
    for (const auto& [name, by_node] : askers)
      for (const auto& [port, asker] : by_node) {
        asker->ask_presence(name);
        run_until([asker] { return asker->presence_count() >= 0; }, 2s, false);
        if (asker->presence_count() != expected[name])
          return name + " has " + std::to_string(asker->presence_count()) + " users by presence, and " +
                 std::to_string(expected[name]) + " in truth";
      }
    return {};
  }

  /// A node's memory is compared with what it was after its first recovery.
  std::string wrong_memory() {
    if (stress::is_sanitized) return {};
    for (std::size_t i = 0; i < node_count; ++i) {
      const std::uint64_t now = nodes_[i]->memory();
      if (memory_[i] == 0) memory_[i] = now;
      if (now > memory_[i] * 3 / 2 + (std::uint64_t{16} << 20))
        return "node " + std::to_string(i) + " has grown from " + std::to_string(memory_[i]) + " to " +
               std::to_string(now) + " bytes";
    }
    return {};
  }

  const std::vector<std::string> urls_;
  const unsigned replay_;
  std::minstd_rand random_;
  stress::Loop loop_;
  std::array<std::unique_ptr<stress::ServerProcess>, node_count> nodes_;
  std::array<std::uint64_t, node_count> memory_{};
  std::array<bool, node_count> is_leaving_{};
  std::map<std::size_t, Outcomes> publishers_;
  std::vector<std::unique_ptr<ChaosClient>> clients_;
  std::size_t next_user_ = 0;
  Clock::time_point next_look_{};
};

}  // namespace chaos
