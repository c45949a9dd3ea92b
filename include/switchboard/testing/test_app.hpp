// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/post.hpp>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/hub/hub.hpp>
#include <switchboard/server/server_handle.hpp>
#include <switchboard/testing/test_host.hpp>
#include <switchboard/testing/test_world.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// What a TestApp is made of; the fields that Options has too mean the same.
template <class App>
struct TestOptions {
  unsigned shards = 1;                         ///< hubs, each with an App of its own
  std::uint64_t seed = 1;                      ///< of all randomness: session ids, the spread of heartbeats
  std::string path = "/ws";                    ///< of the WebSocket
  std::vector<std::string> allowed_origins{};  ///< empty: the request's own host and port
  HeartbeatOf<App> heartbeat{};                ///< beats take virtual time
  typename BrokerOf<App>::Options broker{};    ///< a broker that does I/O does it for real
  SessionOptions sessions{};                   ///< its times are virtual
  QueueOptions queue{};                        ///< see TestConnection::stop_reading for a slow client
  Limits limits{};                             ///< those of processes and addresses do not count here
  LogSink log{};                               ///< called on the test's thread
};

/// An App with its hubs, without sockets, threads or waiting: time stands still until `advance`, and
/// randomness comes from the seed, so that a test does the same every time.
///
///     TestApp<Chat> app;
///     WebSocketTestClient client{app, "ann"};
///     auto ws = client.connect();
///     app.advance(60s);
template <class App>
class TestApp final : private TestParticipant {
  static_assert(check_app<App>());

 public:
  /// What the hubs are given for a world.
  using Host = TestHost<App>;
  /// The very hub that a server runs.
  using HubType = Hub<App, Host>;
  /// Makes the App of a shard, as Server::Factory.
  using Factory = std::function<std::unique_ptr<App>(Shard<App>&)>;

  /// In a world of its own. Throws what the factory throws.
  explicit TestApp(TestOptions<App> options = {}, Factory factory = default_factory())
      : TestApp(nullptr, std::move(options), std::move(factory)) {}
  /// In a world that it shares with others: see TestCluster. `world` must outlive it, and be ended before it
  /// goes.
  TestApp(TestWorld& world, TestOptions<App> options, Factory factory = default_factory())
      : TestApp(&world, std::move(options), std::move(factory)) {}
  ~TestApp() {
    shut_down();
    if (world_ != own_world_.get()) world_->leave(*this);
    own_world_.reset();  // coroutines that are still suspended refer to the rest
  }
  TestApp(const TestApp&) = delete;
  TestApp& operator=(const TestApp&) = delete;

  /// The end of the process, without a word to anyone: for its clients the connections are reset.
  void shut_down() {
    commands_->app = nullptr;
    for (const auto& host : hosts_) host->close_all();
    for (const auto& hub : hubs_) hub->shut_down();
  }
  /// Server::stop: refuses whoever comes, and closes everyone with 1001.
  void stop() {
    for (const auto& hub : hubs_) hub->drain();
    run();
  }
  /// It has been stopped, and there is nothing to wait for any more.
  bool is_drained() const {
    for (const auto& hub : hubs_)
      if (!hub->is_drained()) return false;
    return true;
  }

  /// Does all that can be done without time passing.
  void run() { world_->run(); }
  /// Lets time pass, from timer to timer.
  void advance(Duration duration) { world_->advance(duration); }

  /// Waits, in real time, for handlers that are suspended outside virtual time. False if there is none, or
  /// none has done anything for `patience`.
  bool wait_for_real_io(std::chrono::steady_clock::duration patience = real_patience) {
    if (running_handlers() <= sleeping_handlers()) return false;
    world_->context().restart();
    return world_->context().run_one_for(patience) > 0;
  }
  /// `run`, and wait_for_real_io until it is so; `real_patience` is for all of it. False if it never was.
  template <class Condition>
  bool run_until(Condition is_so) {
    const auto deadline = std::chrono::steady_clock::now() + real_patience;
    run();
    while (!is_so()) {
      if (!wait_for_real_io(deadline - std::chrono::steady_clock::now())) return false;
      run();
    }
    return true;
  }
  /// How long a receive waits for what does not take virtual time.
  static constexpr std::chrono::seconds real_patience{5};
  /// Handlers that have not ended: those of all shards that are suspended.
  std::size_t running_handlers() const {
    std::size_t running = 0;
    for (const auto& host : hosts_) running += host->running_handlers();
    return running;
  }
  /// Those of them that wait for virtual time, in sleep_for.
  std::size_t sleeping_handlers() const {
    std::size_t sleeping = 0;
    for (const auto& hub : hubs_) sleeping += hub->sleeping_handlers();
    return sleeping;
  }

  /// The App of that shard; std::out_of_range beyond the last.
  App& app(unsigned shard = 0) { return hubs_.at(shard)->app(); }
  /// For what no client sees. Its calls may leave work for `run`.
  HubType& hub(unsigned shard = 0) { return *hubs_.at(shard); }
  /// What the App and a factory see of the hub.
  Shard<App>& shard(unsigned shard = 0) { return *hubs_.at(shard); }
  /// The hub's sockets.
  Host& host(unsigned shard = 0) { return *hosts_.at(shard); }
  /// What one shard's hub has counted.
  const HubMetrics& metrics(unsigned shard = 0) const { return hubs_.at(shard)->metrics(); }
  /// How many hubs there are.
  unsigned shard_count() const { return static_cast<unsigned>(hubs_.size()); }
  /// Virtual; begins an hour after zero.
  TimePoint now() const { return world_->now(); }
  /// TestOptions::path, for whoever writes requests.
  const std::string& path() const { return path_; }
  /// One for all shards, as in a server.
  BrokerOf<App>& broker() { return broker_; }
  /// Its calls are carried out with the next `run`.
  ServerHandle handle() { return ServerHandle(commands_); }

  /// App{shard} if that compiles, else App{}.
  static Factory default_factory() {
    return [](Shard<App>& shard) {
      if constexpr (std::is_constructible_v<App, Shard<App>&>)
        return std::make_unique<App>(shard);
      else
        return std::make_unique<App>();
    };
  }

 private:
  TestApp(TestWorld* world, TestOptions<App> options, Factory factory)
      : own_world_(world == nullptr ? std::make_unique<TestWorld>() : nullptr),
        world_(world == nullptr ? own_world_.get() : world),
        path_(options.path),
        broker_(options.broker),
        commands_(std::make_shared<Commands>(*this)) {
    const HubOptions<App> hub_options{options.path,     options.allowed_origins, options.heartbeat,
                                      options.sessions, options.queue,           options.limits};
    for (unsigned i = 0; i < options.shards; ++i) {
      hosts_.push_back(std::make_unique<Host>(world_->context(), world_->clock(), options.seed * 1000 + i));
      hosts_.back()->log_sink = options.log;
      hubs_.push_back(std::make_unique<HubType>(*hosts_.back(), hub_options, i, options.shards));
    }
    std::vector<Host*> hosts;
    hosts.reserve(hosts_.size());
    for (const auto& host : hosts_) hosts.push_back(host.get());
    for (unsigned i = 0; i < options.shards; ++i) {
      hosts_[i]->set_hub(*hubs_[i], hosts, commands_);
      hubs_[i]->attach(broker_);
    }
    for (const auto& hub : hubs_) hub->set_app(factory(*hub));  // which may use its shard at once
    world_->join(*this);
    run();
  }

  bool run_once() override {
    bool did_something = false;
    for (const auto& host : hosts_) {
      did_something |= wake_if_due(*host);
      did_something |= host->run_once();
    }
    return did_something;
  }
  std::optional<TimePoint> wake_time() const override {
    std::optional<TimePoint> next;
    for (const auto& host : hosts_)
      if (host->wake_time() && (!next || *host->wake_time() < *next)) next = host->wake_time();
    return next;
  }
  bool wake_if_due(Host& host) {
    if (!host.wake_time() || *host.wake_time() > world_->now()) return false;
    host.wake();
    return true;
  }

  struct Commands final : CommandTarget, std::enable_shared_from_this<Commands> {
    explicit Commands(TestApp& test_app) : app(&test_app) {}
    std::error_code post(Command&& command) override {
      if (app == nullptr) return errc::stopped;
      asio::post(app->world_->context(),
                 [self = this->shared_from_this(), moved = std::make_shared<Command>(std::move(command))] {
                   if (self->app != nullptr) self->app->hubs_.front()->execute(std::move(*moved));
                 });
      return {};
    }
    TestApp* app;
  };

  std::unique_ptr<TestWorld> own_world_;
  TestWorld* world_;
  const std::string path_;
  BrokerOf<App> broker_;
  std::shared_ptr<Commands> commands_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<HubType>> hubs_;
};

}  // namespace testing
}  // namespace switchboard::inline v1
