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

#include <asio/io_context.hpp>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/hub/hub.hpp>
#include <switchboard/server/server_handle.hpp>
#include <switchboard/testing/test_host.hpp>
#include <switchboard/testing/virtual_clock.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// What a TestApp is made of; the fields that Options has too mean the same.
template <class App>
struct TestOptions {
  unsigned shards = 1;
  std::uint64_t seed = 1;
  std::string path = "/ws";
  std::vector<std::string> allowed_origins{};
  HeartbeatOf<App> heartbeat{};
  typename BrokerOf<App>::Options broker{};
  SessionOptions sessions{};
  QueueOptions queue{};
  Limits limits{};
  LogSink log{};
};

/// An App with its hubs, without sockets, threads or waiting: time stands still until `advance`, and
/// randomness comes from the seed, so that a test does the same every time.
///
///     TestApp<Chat> app;
///     WebSocketTestClient client{app, "ann"};
///     auto ws = client.connect();
///     app.advance(60s);
template <class App>
class TestApp {
  static_assert(check_app<App>());

 public:
  using Host = TestHost<App>;
  using HubType = Hub<App, Host>;
  using Factory = std::function<std::unique_ptr<App>(Shard<App>&)>;

  explicit TestApp(TestOptions<App> options = {}, Factory factory = default_factory())
      : path_(options.path), broker_(options.broker), commands_(std::make_shared<Commands>(*this)) {
    const HubOptions<App> hub_options{options.path,     options.allowed_origins, options.heartbeat,
                                      options.sessions, options.queue,           options.limits};
    for (unsigned i = 0; i < options.shards; ++i) {
      hosts_.push_back(std::make_unique<Host>(context_, clock_, options.seed * 1000 + i));
      hosts_.back()->log_sink = options.log;
      hubs_.push_back(std::make_unique<HubType>(*hosts_.back(), hub_options, i, options.shards));
    }
    std::vector<Host*> hosts;
    for (const auto& host : hosts_) hosts.push_back(host.get());
    for (unsigned i = 0; i < options.shards; ++i) {
      hosts_[i]->set_hub(*hubs_[i], hosts, commands_);
      hubs_[i]->attach(broker_);
    }
    for (const auto& hub : hubs_) hub->set_app(factory(*hub));  // which may use its shard at once
    run();
  }
  ~TestApp() {
    commands_->app = nullptr;
    for (const auto& hub : hubs_) hub->shut_down();
  }
  TestApp(const TestApp&) = delete;
  TestApp& operator=(const TestApp&) = delete;

  /// Does all that can be done without time passing.
  void run() {
    bool did_something = true;
    while (did_something) {
      did_something = false;
      for (const auto& host : hosts_) {
        did_something |= wake_if_due(*host);
        did_something |= host->run_once();
      }
      context_.restart();
      did_something |= context_.poll() > 0;
    }
  }

  /// Lets time pass, from timer to timer.
  void advance(Duration duration) {
    const TimePoint end = later(clock_.now(), duration);
    run();
    while (true) {
      std::optional<TimePoint> next;
      for (const auto& host : hosts_)
        if (host->wake_time() && (!next || *host->wake_time() < *next)) next = host->wake_time();
      if (!next || *next > end) break;
      clock_.advance_to(*next);
      run();
    }
    clock_.advance_to(end);
  }

  /// Waits, in real time, for handlers that are suspended outside virtual time. False if there is none, or
  /// none has done anything for `patience`.
  bool wait_for_real_io(std::chrono::steady_clock::duration patience = std::chrono::seconds(5)) {
    std::size_t running = 0, sleeping = 0;
    for (const auto& host : hosts_) running += host->running_handlers();
    for (const auto& hub : hubs_) sleeping += hub->sleeping_handlers();
    if (running <= sleeping) return false;
    context_.restart();
    return context_.run_one_for(patience) > 0;
  }

  App& app(unsigned shard = 0) { return hubs_.at(shard)->app(); }
  HubType& hub(unsigned shard = 0) { return *hubs_.at(shard); }
  Shard<App>& shard(unsigned shard = 0) { return *hubs_.at(shard); }
  Host& host(unsigned shard = 0) { return *hosts_.at(shard); }
  const HubMetrics& metrics(unsigned shard = 0) const { return hubs_.at(shard)->metrics(); }
  unsigned shard_count() const { return static_cast<unsigned>(hubs_.size()); }
  TimePoint now() const { return clock_.now(); }
  /// The WebSocket endpoint's.
  const std::string& path() const { return path_; }
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
  bool wake_if_due(Host& host) {
    if (!host.wake_time() || *host.wake_time() > clock_.now()) return false;
    host.wake();
    return true;
  }

  struct Commands final : CommandTarget {
    explicit Commands(TestApp& test_app) : app(&test_app) {}
    std::error_code post(Command&& command) override {
      if (app == nullptr) return errc::stopped;
      asio::post(app->context_, [this, moved = std::make_shared<Command>(std::move(command))] {
        app->hubs_.front()->execute(std::move(*moved));
      });
      return {};
    }
    TestApp* app;
  };

  const std::string path_;
  VirtualClock clock_;
  BrokerOf<App> broker_;
  std::shared_ptr<Commands> commands_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<HubType>> hubs_;
  asio::io_context
      context_;  // first to go, once the hubs are shut down: coroutines still suspended refer to the rest
};

}  // namespace testing
}  // namespace switchboard::inline v1
