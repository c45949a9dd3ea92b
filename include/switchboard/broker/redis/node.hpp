// SPDX-License-Identifier: MIT
// Internal: the broker's thread, which serves all ports of the process.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <switchboard/broker/detail/in_memory_port_state.hpp>
#include <switchboard/broker/redis/cluster.hpp>
#include <switchboard/broker/redis/port_channel.hpp>
#include <switchboard/broker/redis/port_state.hpp>
#include <switchboard/broker/redis/topology.hpp>
#include <switchboard/hub/channel_links.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// The broker's thread: it alone talks to the servers, for all shards of the process.
///
/// A server then has two connections of a process, however many shards that has; a shard that is busy or
/// blocked holds up nobody else; and what several shards do in one moment goes out in one write. Each shard
/// is woken once for all that came in one read.
class Node final : public LinkEvents {
 public:
  /// `exchange` links the shards of this process; the node is one more port of it.
  Node(const RedisOptions& options, std::string name, const std::vector<Url>& urls,
       std::shared_ptr<in_memory::Exchange> exchange)
      : options_(options),
        origin_(random_origin()),
        context_{io_, options_, std::move(name), origin_, counters_, *this},
        bridge_(std::make_shared<in_memory::PortState>(std::move(exchange), nobody_)),
        waker_(std::make_shared<in_memory::Waker>(io_.get_executor(), [this] { look(); })),
        timer_(io_) {
    const auto gap = [this](std::string_view channel) { tell_gap(channel); };
    const auto lost = [this](const std::string& channel, std::string_view user, std::uint64_t version) {
      tell_lost(channel, user, version);
    };
    if (urls.front().mode == Url::Mode::cluster)
      topology_ = std::make_unique<Cluster>(context_, urls.front(), gap, lost);
    else
      topology_ = std::make_unique<IndependentServers>(context_, urls, gap, lost);
    bridge_->join(io_.get_executor());
  }
  ~Node() {
    stop();
    if (thread_.joinable()) thread_.join();
    bridge_->leave_exchange();
    waker_->close();
  }

  /// Any thread: one more port. The first starts the thread.
  void attach(const std::shared_ptr<PortChannel>& port) {
    port->node_waker = waker_;
    const std::lock_guard lock(mutex_);
    if (is_stopped_) return tell_end(*port);
    asio::post(io_, [this, port] { add(port); });
    if (thread_.joinable()) return;
    asio::post(io_, [this] { tick(); });
    thread_ = std::thread([this] { io_.run(); });
  }

  /// Any thread, any number of times. What was accepted still goes out if the servers take it at once.
  void stop() {
    std::thread ending;
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(is_stopped_, true)) asio::post(io_, [this] { begin_stop(); });
      if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) ending = std::move(thread_);
    }
    if (ending.joinable()) ending.join();
  }

  // For the tasks of ports, which run on this thread: each ends in PortState::answer_presence(number).
  void enter(std::uint64_t port, std::uint64_t number, const std::string& channel, const std::string& user,
             std::string info) {
    topology_->presence_of(channel).enter(port, channel, user, std::move(info), answer_change(port, number));
  }
  void leave(std::uint64_t port, std::uint64_t number, const std::string& channel, const std::string& user) {
    topology_->presence_of(channel).leave(port, channel, user, answer_change(port, number));
  }
  void query(std::uint64_t port, std::uint64_t number, const std::string& channel) {
    topology_->presence_of(channel).query(
        channel, [this, port, number](std::error_code error, std::vector<PresenceEntry> list) {
          answer(port, number, error, {.list = std::move(list)});
        });
  }
  void count(std::uint64_t port, std::uint64_t number, const std::string& channel) {
    topology_->presence_of(channel).count(channel,
                                          [this, port, number](std::error_code error, std::size_t users) {
                                            answer(port, number, error, {.count = users});
                                          });
  }

  const Counters& counters() const { return counters_; }
  std::uint64_t next_port_id() { return last_port_.fetch_add(1) + 1; }
  bool is_healthy() const { return is_healthy_.load(std::memory_order_relaxed); }

 private:
  struct Nobody final : BrokerSink {
    void on_message(std::string_view, const Payload&) override {}
    void on_gap(std::string_view) override {}
  };
  struct Port {
    std::shared_ptr<PortChannel> channel;
    std::vector<PortEvent> events;  // since the last delivery
  };

  static std::uint64_t random_origin() {
    std::random_device random;
    return ((std::uint64_t{random()} << 32) | random()) & ~origin_epoch_mask;
  }

  PresenceKeeper::Changed answer_change(std::uint64_t port, std::uint64_t number) {
    return [this, port, number](std::error_code error, PresenceChange change) {
      answer(port, number, error, {.change = change});
    };
  }
  void answer(std::uint64_t port, std::uint64_t number, std::error_code error,
              PortState::PresenceAnswer answer) {
    add_task(port, [number, error, answer = std::move(answer)](PortState& state) {
      state.answer_presence(number, error, answer);
    });
  }
  void add_task(std::uint64_t port, std::function<void(PortState&)> task) {
    if (const auto found = ports_.find(port); found != ports_.end())
      found->second.events.push_back({.kind = PortEvent::Kind::task, .task = std::move(task)});
    schedule_delivery();
  }
  /// One port tells the others, as it does of a user of its own who leaves.
  void tell_lost(const std::string& channel, std::string_view user, std::uint64_t version) {
    if (ports_.empty()) return;
    add_task(ports_.begin()->first, [channel, user = std::string(user), version](PortState& state) {
      state.sink().on_presence_lost(channel, user, version);
    });
  }

  void add(const std::shared_ptr<PortChannel>& port) {
    ports_.try_emplace(port->id, Port{port, {}});
    if (has_ended_) tell_end(*port);
  }

  void look() {
    waker_->looks();
    if (!topology_->is_settled()) return;  // the tick looks again
    for (auto at = ports_.begin(); at != ports_.end();) {
      at->second.channel->calls.take(calls_);
      bool is_gone = false;
      for (Call& call : calls_) is_gone |= carry_out(*at->second.channel, call);
      at = is_gone ? ports_.erase(at) : std::next(at);
    }
    if (has_ended_) return;
    const TimePoint now = steady_now();
    for (const auto& server : topology_->servers()) server->flush(now);
    deliver();
  }

  /// Whether the port is gone.
  bool carry_out(const PortChannel& port, Call& call) {
    const CallId id{port.id, call.number};
    switch (call.kind) {
      case Call::Kind::subscribe:
      case Call::Kind::subscribe_again:
        topology_->server_of(call.channel)
            .subscriber()
            .subscribe(call.channel, id, call.kind == Call::Kind::subscribe);
        return false;
      case Call::Kind::unsubscribe:
        topology_->server_of(call.channel).subscriber().subscriptions().remove(call.channel, steady_now());
        return false;
      case Call::Kind::publish:
        publish(id, call);
        return false;
      case Call::Kind::task:
        call.task(*this);
        return false;
      case Call::Kind::detach:
        for (const auto& presence : topology_->presence()) presence->forget(port.id);
        return true;
    }
    return false;
  }

  void publish(CallId id, Call& call) {
    const std::uint64_t counter = numbers_.next(call.channel, origin_);
    ServerLink& server = topology_->server_of(call.channel);
    server.commands().publish(
        {std::move(call.channel), std::move(call.payload), {origin_, counter}, id, steady_now()});
  }

  void on_message(std::string_view channel, Payload payload) override {
    const auto ended = bridge_->offer(channel, std::move(payload), [] { return Done(); });
    if (ended && *ended) tell_gap(channel);  // a shard is too far behind
  }
  void on_result(CallId call, std::error_code error) override {
    if (const auto port = ports_.find(call.port); port != ports_.end())
      port->second.events.push_back({.kind = PortEvent::Kind::result, .number = call.number, .error = error});
    schedule_delivery();
  }
  void on_error(redis_errc error, const std::string& server, const std::string& detail) override {
    counters_.errors[index_of(error)].add();
    if (options_.on_error) options_.on_error({error, server, detail});
  }
  void on_moved(std::string_view answer) override { topology_->on_moved(answer); }

  void tell_gap(std::string_view channel) {
    counters_.gaps.add();
    for (auto& [id, port] : ports_)
      port.events.push_back({.kind = PortEvent::Kind::gap, .channel = std::string(channel)});
    schedule_delivery();
  }

  void schedule_delivery() {
    if (!std::exchange(is_delivery_scheduled_, true)) asio::post(io_, [this] { deliver(); });
  }
  void deliver() {
    is_delivery_scheduled_ = false;
    for (auto& [id, port] : ports_) {
      if (port.events.empty()) continue;
      port.channel->events.add_all(port.events);
      port.channel->port_waker->wake();
    }
  }

  void tick() {
    constexpr auto period = std::chrono::milliseconds(50);
    if (is_ending_) return;
    const TimePoint now = steady_now();
    topology_->tick(now);
    for (std::size_t i = 0; i < topology_->servers().size(); ++i)
      topology_->servers()[i]->tick(now);  // may add some
    for (const auto& presence : topology_->presence()) presence->tick(now);
    if (topology_->is_settled() && !std::exchange(was_settled_, true)) look();
    for (std::size_t i = 0; i < topology_->servers().size(); ++i) topology_->servers()[i]->flush(now);
    note_health();
    deliver();
    timer_.expires_after(period);
    timer_.async_wait([this](std::error_code error) {
      if (!error) tick();
    });
  }

  void note_health() {
    std::uint64_t healthy = 0, channels = 0;
    const auto& servers = topology_->servers();
    for (const auto& server : servers) {
      healthy += server->is_healthy();
      channels += server->subscriber().subscriptions().size();
    }
    set(counters_.healthy_servers, healthy);
    set(counters_.unhealthy_servers, servers.size() - healthy);
    set(counters_.channels, channels);
    is_healthy_.store(healthy == servers.size() && topology_->is_complete(), std::memory_order_relaxed);
  }
  static void set(Counter& counter, std::uint64_t value) { counter.add(value - counter.value()); }

  void begin_stop() {
    is_ending_ = true;  // the timer is drain's from here on
    for (const auto& presence : topology_->presence()) presence->stop();
    look();
    const TimePoint deadline = steady_now() + std::chrono::milliseconds(500);
    drain(deadline);
  }
  void drain(TimePoint deadline) {
    bool has_work = false;
    for (const auto& server : topology_->servers())
      has_work |= server->commands().is_ready() && server->commands().has_work();
    if (!has_work || steady_now() >= deadline) return end();
    timer_.expires_after(std::chrono::milliseconds(1));
    timer_.async_wait([this, deadline](std::error_code error) {
      if (!error) drain(deadline);
    });
  }
  void end() {
    has_ended_ = true;
    is_healthy_.store(false, std::memory_order_relaxed);
    topology_->close();
    deliver();
    for (auto& [id, port] : ports_) tell_end(*port.channel);
    work_.reset();
    timer_.cancel();
  }
  static void tell_end(PortChannel& port) {
    port.events.add({.kind = PortEvent::Kind::stopped});
    port.port_waker->wake();
  }

  const RedisOptions options_;
  asio::io_context io_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{asio::make_work_guard(io_)};
  Counters counters_;
  std::uint64_t origin_;
  LinkContext context_;
  Nobody nobody_;
  const std::shared_ptr<in_memory::PortState> bridge_;
  const std::shared_ptr<in_memory::Waker> waker_;
  asio::steady_timer timer_;
  std::unique_ptr<Topology> topology_;
  EnvelopeCounters numbers_;
  std::unordered_map<std::uint64_t, Port> ports_;
  std::vector<Call> calls_;
  bool is_delivery_scheduled_ = false;
  bool was_settled_ = false;
  bool is_ending_ = false;
  bool has_ended_ = false;
  std::atomic<std::uint64_t> last_port_{0};
  std::atomic<bool> is_healthy_{false};

  std::mutex mutex_;  // guards what follows
  bool is_stopped_ = false;
  std::thread thread_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
