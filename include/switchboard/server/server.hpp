// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <switchboard/broker/in_memory_broker.hpp>  // the Broker of an App that names none
#include <switchboard/hub/hub.hpp>
#include <switchboard/server/options.hpp>
#include <switchboard/server/server_handle.hpp>
#include <switchboard/server/shard_group.hpp>

namespace switchboard::inline v1 {

/// Makes an App from its shard if it can be, else from nothing.
template <class App>
std::unique_ptr<App> default_factory(Shard<App>& shard) {
  if constexpr (requires { App{shard}; }) {
    return std::unique_ptr<App>(new App{shard});
  } else {
    (void)shard;
    return std::unique_ptr<App>(new App{});
  }
}

/// A WebSocket server for an App.
///
/// Each shard has a thread and an App of its own; the constructor makes the Apps, in order, on the thread
/// that calls it, and calls their `binary` there. Every other member of an App is called on its shard's
/// thread. What several Apps share is the factory's to hand out, and its thread safety the user's.
template <class App>
class Server {
  static_assert(check_app<App>());  // before anything else that the same mistake would break

 public:
  /// Called once for each shard, by the constructor; must not give null.
  using Factory = std::function<std::unique_ptr<App>(Shard<App>&)>;

  /// `options.threads` shards, the first of them on the thread that calls run(). Binds and listens: port() is
  /// valid from here. Throws std::system_error, naming address and port, where it cannot,
  /// std::invalid_argument for bad options, and whatever the factory throws.
  explicit Server(Options<App> options = {}, Factory factory = default_factory<App>)
      : group_(thread_count(options.threads)) {
    set_up(std::move(options), factory);
  }

  /// One shard on a context of the user's, which exactly one thread runs, and which outlives the server. To
  /// be destroyed on that thread, or when it does not run.
  Server(asio::io_context& context, Options<App> options, Factory factory = default_factory<App>)
      : group_(context) {
    set_up(std::move(options), factory);
  }

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The port listened on. Any thread.
  std::uint16_t port() const { return port_; }

  /// Blocks until stop() was called and all connections have ended; then every thread of the server's has,
  /// too. Installs no signal handlers. Once. Throws std::logic_error on a context of the user's.
  void run() { group_.run(); }

  /// Begins to serve, on a context of the user's. On its thread, or before it runs.
  void start() { group_.start(); }

  /// What stop() takes without being told: where the broker links nodes, time for their clients to come back
  /// elsewhere.
  static constexpr Duration default_drain = std::chrono::seconds(HasNode<BrokerOf<App>> ? 30 : 10);

  /// Begins to end: /readyz says 503, whoever comes is refused, and each connection is closed with 1001
  /// behind what is queued for it; those left after `drain` are cut. Where the broker links nodes it also
  /// stays, within that time, until the others have taken over all sessions. The port is closed when all have
  /// gone. Any thread, any number of times, before run() too; of several deadlines the earliest counts.
  void stop(Duration drain = default_drain) {
    state_->http.set_draining();
    group_.stop(drain);
  }

  /// For other threads; outlives the server harmlessly.
  ServerHandle handle() const { return ServerHandle(state_->commands); }

  /// What all shards have counted, summed up. Any thread.
  Metrics metrics() const { return sum(group_.loops()); }

 private:
  using Loop = ShardLoop<App, Hub>;

  static unsigned thread_count(unsigned wanted) {
    return wanted != 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
  }

  template <class Loops>
  static Metrics sum(const Loops& loops) {
    Metrics metrics;
    for (const auto& loop : loops) add_metrics(metrics, loop->hub().metrics(), loop->socket_metrics());
    return metrics;
  }

  void set_up(Options<App> options, const Factory& factory) {
    net::ListenerSet listeners = net::listen_on(options.address, options.port, group_.size());
    port_ = listeners.port;
    state_ = std::make_shared<ServerState>(options.limits, options.log);
    make_shards(options, factory);
    group_.add_listeners(std::move(listeners));
    if (options.admin_port != 0) {
      net::ListenerSet admin = net::listen_on(options.address, options.admin_port, 1);
      group_.loops().front()->add_listener(std::move(admin.listeners.front()), true);
    }
    state_->http.set_admin_only(options.admin_port != 0);
    state_->http.add_files(std::move(options.static_files));
    state_->http.set_metrics(metrics_text());
    if constexpr (ObservableBroker<BrokerOf<App>>)
      state_->http.set_health([broker = broker_] { return broker->is_healthy(); });
  }

  void make_shards(const Options<App>& options, const Factory& factory) {
    broker_ = std::make_shared<BrokerOf<App>>(options.broker);
    state_->keep_alive = broker_;
    group_.on_end([broker = broker_] { broker->stop(); });
    state_->commands = group_.make_loops([&](asio::io_context& context, unsigned shard, unsigned count) {
      return std::make_shared<Loop>(context, state_, hub_options(options), shard, count);
    });
    // All before the first App, which may publish as it is made.
    for (const auto& loop : group_.loops()) loop->hub().attach(*broker_);
    for (const auto& loop : group_.loops()) loop->hub().set_app(factory(loop->hub()));
  }

  // Without a hold on the shards, which hold the state that this becomes a part of.
  std::function<std::string()> metrics_text() const {
    return [broker = broker_,
            loops = std::vector<std::weak_ptr<Loop>>(group_.loops().begin(), group_.loops().end())] {
      std::vector<std::shared_ptr<Loop>> alive;
      for (const auto& loop : loops)
        if (auto held = loop.lock()) alive.push_back(std::move(held));
      std::string text = prometheus_text(sum(alive));
      if constexpr (ObservableBroker<BrokerOf<App>>) text += prometheus_text(broker->metrics());
      return text;
    };
  }

  std::shared_ptr<ServerState> state_;
  std::shared_ptr<BrokerOf<App>> broker_;
  ShardGroup<Loop> group_;
  std::uint16_t port_ = 0;
};

}  // namespace switchboard::inline v1
