// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <switchboard/testing/test_cluster.hpp>

#include "schedule.hpp"

// What a run has for servers: the shards of one process, or several nodes.
namespace model {

namespace sb = switchboard;

template <class App>
sb::testing::TestOptions<App> options_of(const Config& config) {
  sb::testing::TestOptions<App> options;
  options.shards = config.shards;
  options.seed = config.seed + 1;
  options.sessions.time_to_live = std::chrono::seconds(time_to_live_s);
  options.sessions.presence_grace = std::chrono::seconds(presence_grace_s);
  options.sessions.replay = config.replay;
  options.sessions.per_user = sessions_per_user;
  if (config.is_cramped) options.sessions.parked_bytes = config.shards * std::size_t{6000};
  options.queue.max_bytes = config.queue_bytes;
  options.queue.slow_consumer = config.policy;
  return options;
}

template <class App>
class Shards {
 public:
  using Factory = typename sb::testing::TestApp<App>::Factory;
  Shards(const Config& config, Factory factory) : app_(options_of<App>(config), std::move(factory)) {}

  sb::testing::TestApp<App>& app_of(unsigned) { return app_; }
  void run() { app_.run(); }
  void advance(sb::Duration time) { app_.advance(time); }
  sb::TimePoint now() const { return app_.now(); }
  bool is_settled() const { return true; }
  void cut(unsigned) {}
  void restore(unsigned) {}

 private:
  sb::testing::TestApp<App> app_;
};

template <class App>
class Nodes {
 public:
  using Factory = typename sb::testing::TestApp<App>::Factory;
  Nodes(const Config& config, Factory factory)
      : cluster_(config.nodes, options_of<App>(config),
                 {.seed = config.seed + 1,
                  .servers = config.servers,
                  .max_delay = std::chrono::milliseconds(config.max_delay_ms)},
                 std::move(factory)) {}

  sb::testing::TestApp<App>& app_of(unsigned node) { return cluster_.node(node); }
  void run() { cluster_.run(); }
  void advance(sb::Duration time) { cluster_.advance(time); }
  sb::TimePoint now() { return cluster_.world().now(); }
  bool is_settled() { return !cluster_.network().wake_time(); }
  void cut(unsigned node) { cluster_.network().cut(cluster_.name_of(node)); }
  void restore(unsigned node) { cluster_.network().restore(cluster_.name_of(node)); }

 private:
  sb::testing::TestCluster<App> cluster_;
};

}  // namespace model
