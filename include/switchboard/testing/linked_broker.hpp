// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/presence_table.hpp>
#include <switchboard/testing/test_world.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// A message on its way from one port to another, as a test's `fate` function sees it.
struct TestMessage {
  std::string_view channel;    ///< those of users and nodes included
  const std::string& payload;  ///< a hub's envelope
  std::string_view from;       ///< the node that published it
  std::string_view to;         ///< the node that is to get it
};
/// What becomes of a message on its way to one receiver.
enum class TestFate : std::uint8_t {
  arrive,         ///< in its order
  lose,           ///< and the receiver is told, by on_gap
  lose_silently,  ///< as by a broker that breaks its promise, or by a node that knows no such message
};

/// What a TestNetwork is like.
struct NetworkOptions {
  std::uint64_t seed = 1;       ///< of delays and of the order of what happens at the same moment
  unsigned servers = 1;         ///< channels are dealt out among so many, each with an order of its own
  Duration max_delay{};         ///< each message takes a random time up to this, to the server and from it
  std::size_t max_payload = 0;  ///< above 0: what is larger ends in too_large
};

/// What links the nodes of a test, in virtual time: servers that do what Redis does, and connections to them
/// on which messages take their time, keep their order, and get lost if the test says so.
///
/// Whatever is under way at the same moment arrives in a random order, that of the seed.
class TestNetwork final : public TestParticipant {
 public:
  /// `world` keeps its time and runs it; without one, nothing takes time.
  explicit TestNetwork(TestWorld* world = nullptr, NetworkOptions options = {})
      : world_(world), options_(options), random_(options.seed) {
    if (world_ != nullptr) world_->join(*this);
  }
  ~TestNetwork() {
    if (world_ != nullptr) world_->leave(*this);
  }
  TestNetwork(const TestNetwork&) = delete;
  TestNetwork& operator=(const TestNetwork&) = delete;

  /// May be changed while it runs; not the number of servers.
  NetworkOptions& options() { return options_; }
  /// Asked of each message for each receiver. It may cut and restore nodes.
  std::function<TestFate(const TestMessage&)> fate;
  /// Nothing moves by itself any more, only by `step`.
  void set_manual(bool is_manual) { is_manual_ = is_manual; }
  /// One thing arrives, any of those that are due; false if there is none.
  bool step();

  /// The node has lost its servers: calls end in `unavailable`, and nothing more is sent to it, until it is
  /// linked again and told of the gap. What is under way still arrives.
  void cut(std::string_view node) { set_away(node, true); }
  /// Ends `cut`: subscriptions and presence are made up for, and the node is told of a gap.
  void restore(std::string_view node) { set_away(node, false); }

  bool run_once() override { return !is_manual_ && step(); }
  std::optional<TimePoint> wake_time() const override;

  /// Someone in a channel.
  using ChannelAndUser = std::pair<std::string, std::string>;
  /// A port's end of its connections, for LinkedBroker.
  struct Port {
    std::string node;                               ///< the name of its process
    BrokerSink* sink = nullptr;                     ///< the hub
    std::uint64_t id = 0;                           ///< of no other port of this network
    bool is_away = false;                           ///< since `cut`
    unsigned cuts = 0;                              ///< how often it was cut
    bool is_closed = false;                         ///< since `detach`: nothing reaches its sink
    std::set<std::string, std::less<>> channels;    ///< what it wants, confirmed or not
    std::map<ChannelAndUser, std::string> present;  ///< whom it has entered, with the `info`

   private:
    friend class TestNetwork;
    std::set<ChannelAndUser> refused;  // changes of presence that the servers have not heard of
    struct Step {
      TimePoint due;
      std::function<void()> action;
    };
    std::vector<std::deque<Step>> to_server, from_server;  // by server
  };
  /// What is under way holds on to its port.
  using PortPtr = std::shared_ptr<Port>;

  // What LinkedBroker's ports do; answers come later, in virtual time.

  /// A new port, linked at once.
  PortPtr attach(std::string node, BrokerSink& sink);
  /// The port's end, and that of all it has entered.
  void detach(const PortPtr& port);
  /// As BrokerPort says.
  void subscribe(const PortPtr& port, std::string_view channel, Done done);
  /// As BrokerPort says.
  void unsubscribe(const PortPtr& port, std::string_view channel);
  /// As BrokerPort says.
  void publish(const PortPtr& port, std::string_view channel, Payload payload, Done done);
  /// The answer to a change of presence.
  using Changed = std::function<void(std::error_code, PresenceChange)>;
  /// PresencePort's enter, with an `info`, and leave, without.
  void change_presence(const PortPtr& port, std::string_view channel, std::string_view user,
                       std::optional<std::string> info, Changed changed);
  /// As PresencePort says.
  void query(const PortPtr& port, std::string_view channel,
             std::function<void(std::error_code, std::vector<PresenceEntry>)> listed);
  /// PresenceCountPort's.
  void count(const PortPtr& port, std::string_view channel,
             std::function<void(std::error_code, std::size_t)> counted);

 private:
  using Queue = std::deque<Port::Step>;

  TimePoint now() const { return world_ != nullptr ? world_->now() : TimePoint{}; }
  std::size_t server_of(std::string_view channel) const {
    return std::hash<std::string_view>{}(channel) % options_.servers;
  }
  void push(Queue& queue, std::function<void()> action);
  void to_server(const PortPtr& port, std::string_view channel, std::function<void()> action) {
    push(port->to_server[server_of(channel)], std::move(action));
  }
  void from_server(const PortPtr& port, std::string_view channel, std::function<void()> action) {
    if (port->is_closed) return;
    push(port->from_server[server_of(channel)], [port, action = std::move(action)] {
      if (!port->is_closed) action();
    });
  }
  /// Whether the port is away, in which case `answer` is to come.
  template <class Answer>
  bool refuse_if_away(const PortPtr& port, std::string_view channel, Answer answer) {
    if (port->is_away)
      from_server(port, channel, [answer] { answer(make_error_code(broker_errc::unavailable)); });
    return port->is_away;
  }
  void deliver(const PortPtr& from, const PortPtr& to, const std::string& channel, const Payload& payload);
  void set_away(std::string_view node, bool is_away);
  void make_up_presence(const PortPtr& port);

  TestWorld* world_;
  NetworkOptions options_;
  std::mt19937_64 random_;
  bool is_manual_ = false;
  std::uint64_t last_id_ = 0;
  std::vector<PortPtr> ports_;
  std::map<std::string, std::vector<PortPtr>, std::less<>> subscribers_;  // as the servers know them
  PresenceTable presence_;
};

/// The broker of a TestCluster's Apps: it links the nodes of one TestNetwork. For one thread, in virtual
/// time.
class LinkedBroker {
 public:
  /// Set by TestCluster for each node.
  struct Options {
    std::shared_ptr<TestNetwork> network{};  ///< needed
    std::string node = "node";               ///< of no other node of the network
  };

  /// One shard's access to the network; see BrokerPort and PresencePort.
  class Port {
   public:
    /// What `attach` makes of its network and its end of the connections.
    Port(std::shared_ptr<TestNetwork> network, TestNetwork::PortPtr port)
        : network_(std::move(network)), port_(std::move(port)) {}
    Port(Port&&) noexcept = default;
    /// What was here is detached.
    Port& operator=(Port&& other) noexcept {
      Port taken(std::move(other));
      std::swap(network_, taken.network_);
      std::swap(port_, taken.port_);
      return *this;
    }
    ~Port() {
      if (port_) network_->detach(port_);
    }
    /// `done` comes once the channel's server has it.
    void subscribe(std::string_view channel, Done done) {
      network_->subscribe(port_, channel, std::move(done));
    }
    /// The sink hears no more of it at once, the server later.
    void unsubscribe(std::string_view channel) { network_->unsubscribe(port_, channel); }
    /// `done` comes once the channel's server has it; TestNetwork::fate decides what becomes of it then.
    void publish(std::string_view channel, Payload payload, Done done) {
      network_->publish(port_, channel, std::move(payload), std::move(done));
    }
    /// PresencePort: in the network's one table.
    void enter(std::string_view channel, std::string_view user, std::string info,
               TestNetwork::Changed changed) {
      network_->change_presence(port_, channel, user, std::move(info), std::move(changed));
    }
    /// PresencePort: in the network's one table.
    void leave(std::string_view channel, std::string_view user, TestNetwork::Changed changed) {
      network_->change_presence(port_, channel, user, std::nullopt, std::move(changed));
    }
    /// PresencePort: from the network's one table.
    void query(std::string_view channel,
               std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
      network_->query(port_, channel, std::move(listed));
    }
    /// PresenceCountPort: likewise.
    void count(std::string_view channel, std::function<void(std::error_code, std::size_t)> counted) {
      network_->count(port_, channel, std::move(counted));
    }

   private:
    std::shared_ptr<TestNetwork> network_;
    TestNetwork::PortPtr port_;
  };

  /// Throws std::invalid_argument without a network.
  explicit LinkedBroker(const Options& options) : network_(options.network), node_(options.node) {
    if (!network_)
      throw std::invalid_argument("a LinkedBroker needs a TestNetwork: test its App in a TestCluster");
  }

  /// The executor is not used: everything happens in TestWorld::run.
  Port attach(asio::any_io_executor, BrokerSink& sink) { return {network_, network_->attach(node_, sink)}; }
  /// Nothing: the ports end with their hubs.
  void stop() {}
  /// The name that Options gave this node.
  std::string_view node() const { return node_; }

 private:
  std::shared_ptr<TestNetwork> network_;
  std::string node_;
};

inline void TestNetwork::push(Queue& queue, std::function<void()> action) {
  TimePoint due = now();
  if (options_.max_delay > Duration{})
    due += Duration(
        static_cast<Duration::rep>(random_() % static_cast<std::uint64_t>(options_.max_delay.count())));
  if (!queue.empty()) due = std::max(due, queue.back().due);
  queue.push_back({due, std::move(action)});
}

inline bool TestNetwork::step() {
  std::vector<Queue*> ready;
  for (const PortPtr& port : ports_)
    for (auto* queues : {&port->to_server, &port->from_server})
      for (Queue& queue : *queues)
        if (!queue.empty() && queue.front().due <= now()) ready.push_back(&queue);
  if (ready.empty()) return false;
  Queue& queue = *ready[random_() % ready.size()];
  const std::function<void()> action = std::move(queue.front().action);
  queue.pop_front();
  action();
  return true;
}

inline std::optional<TimePoint> TestNetwork::wake_time() const {
  std::optional<TimePoint> next;
  if (is_manual_) return next;
  for (const PortPtr& port : ports_)
    for (const auto* queues : {&port->to_server, &port->from_server})
      for (const Queue& queue : *queues)
        if (!queue.empty() && (!next || queue.front().due < *next)) next = queue.front().due;
  return next;
}

inline auto TestNetwork::attach(std::string node, BrokerSink& sink) -> PortPtr {
  auto port = std::make_shared<Port>();
  port->node = std::move(node);
  port->sink = &sink;
  port->id = ++last_id_;
  port->to_server.resize(options_.servers);
  port->from_server.resize(options_.servers);
  ports_.push_back(port);
  return port;
}

inline void TestNetwork::detach(const PortPtr& port) {
  port->is_closed = true;
  for (auto* queues : {&port->to_server, &port->from_server})
    for (Queue& queue : *queues) queue.clear();  // they hold the port
  for (auto& [channel, subscribers] : subscribers_) std::erase(subscribers, port);
  std::erase(ports_, port);
  // And those whose leave was refused while the node was away.
  for (const auto& [channel, user] : port->refused) port->present.try_emplace({channel, user});
  for (const auto& [entry, info] : port->present) {
    const auto& [channel, user] = entry;
    const PresenceChange change = presence_.leave(port->id, channel, user);
    if (!change.changed || ports_.empty()) continue;
    const PortPtr& told = ports_.front();
    from_server(told, channel, [told, name = channel, who = user, change] {
      told->sink->on_presence_lost(name, who, change.version);
    });
  }
}

inline void TestNetwork::subscribe(const PortPtr& port, std::string_view channel, Done done) {
  port->channels.emplace(channel);
  if (refuse_if_away(port, channel, done)) return;
  to_server(port, channel, [this, port, name = std::string(channel), done = std::move(done)] {
    if (!port->is_closed && !port->is_away && port->channels.contains(name)) {
      auto& subscribers = subscribers_[name];
      if (std::find(subscribers.begin(), subscribers.end(), port) == subscribers.end())
        subscribers.push_back(port);
    }
    from_server(port, name, [done] { done({}); });
  });
}

inline void TestNetwork::unsubscribe(const PortPtr& port, std::string_view channel) {
  const auto found = port->channels.find(channel);
  if (found == port->channels.end()) return;
  port->channels.erase(found);
  if (port->is_away) return;  // the cut has unsubscribed it
  to_server(port, channel, [this, port, name = std::string(channel), cuts = port->cuts] {
    if (port->cuts != cuts) return;  // it has been unsubscribed by the cut, and since then perhaps subscribed
    const auto subscribers = subscribers_.find(name);
    if (subscribers == subscribers_.end()) return;
    std::erase(subscribers->second, port);
    if (subscribers->second.empty()) subscribers_.erase(subscribers);
  });
}

inline void TestNetwork::publish(const PortPtr& port, std::string_view channel, Payload payload, Done done) {
  if (refuse_if_away(port, channel, done)) return;
  if (options_.max_payload > 0 && payload->size() > options_.max_payload)
    return from_server(port, channel, [done] { done(make_error_code(broker_errc::too_large)); });
  to_server(port, channel,
            [this, port, name = std::string(channel), payload = std::move(payload), done = std::move(done)] {
              const auto subscribers = subscribers_.find(name);
              if (subscribers != subscribers_.end())
                for (const PortPtr& to : std::vector<PortPtr>(subscribers->second))  // `fate` may cut some
                  if (to != port) deliver(port, to, name, payload);
              from_server(port, name, [done] { done({}); });
            });
}

inline void TestNetwork::deliver(const PortPtr& from, const PortPtr& to, const std::string& channel,
                                 const Payload& payload) {
  const TestFate what = fate ? fate({channel, *payload, from->node, to->node}) : TestFate::arrive;
  if (what == TestFate::lose_silently || to->is_away) return;
  from_server(to, channel, [to, channel, payload, what] {
    if (!to->channels.contains(channel)) return;
    if (what == TestFate::lose) return to->sink->on_gap(channel);
    to->sink->on_message(channel, payload);
  });
}

inline void TestNetwork::change_presence(const PortPtr& port, std::string_view channel, std::string_view user,
                                         std::optional<std::string> info, Changed changed) {
  const auto refuse = [changed](std::error_code error) { changed(error, {}); };
  const ChannelAndUser entry(channel, user);
  if (info)
    port->present.insert_or_assign(entry, *info);
  else
    port->present.erase(entry);
  if (port->is_away) port->refused.insert(entry);
  if (refuse_if_away(port, channel, refuse)) return;
  to_server(
      port, channel,
      [this, port, name = std::string(channel), who = std::string(user), info = std::move(info), changed] {
        if (port->is_closed) return;
        const PresenceChange change =
            info ? presence_.enter(port->id, name, who, *info) : presence_.leave(port->id, name, who);
        from_server(port, name, [changed, change] { changed({}, change); });
      });
}

inline void TestNetwork::query(const PortPtr& port, std::string_view channel,
                               std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
  const auto refuse = [listed](std::error_code error) { listed(error, {}); };
  if (refuse_if_away(port, channel, refuse)) return;
  to_server(port, channel, [this, port, name = std::string(channel), listed] {
    from_server(port, name, [listed, users = presence_.query(name)] { listed({}, users); });
  });
}

inline void TestNetwork::count(const PortPtr& port, std::string_view channel,
                               std::function<void(std::error_code, std::size_t)> counted) {
  const auto refuse = [counted](std::error_code error) { counted(error, 0); };
  if (refuse_if_away(port, channel, refuse)) return;
  to_server(port, channel, [this, port, name = std::string(channel), counted] {
    from_server(port, name, [counted, users = presence_.count(name)] { counted({}, users); });
  });
}

inline void TestNetwork::set_away(std::string_view node, bool is_away) {
  for (const PortPtr& port : std::vector<PortPtr>(ports_)) {
    if (port->node != node || port->is_away == is_away) continue;
    port->is_away = is_away;
    if (is_away) {
      ++port->cuts;
      for (auto& [channel, subscribers] : subscribers_) std::erase(subscribers, port);
      continue;
    }
    for (const std::string& channel : port->channels) subscribers_[channel].push_back(port);
    make_up_presence(port);
    from_server(port, {}, [port] { port->sink->on_gap({}); });
  }
}

/// Nobody was told of those who left meanwhile: they count as lost.
inline void TestNetwork::make_up_presence(const PortPtr& port) {
  for (const auto& entry : std::exchange(port->refused, {})) {
    const auto& [channel, user] = entry;
    const auto found = port->present.find(entry);
    if (found != port->present.end()) {
      change_presence(port, channel, user, found->second, [](std::error_code, PresenceChange) {});
      continue;
    }
    change_presence(port, channel, user, std::nullopt,
                    [port, entry](std::error_code error, PresenceChange change) {
                      if (!error && change.changed)
                        port->sink->on_presence_lost(entry.first, entry.second, change.version);
                    });
  }
}

}  // namespace testing
}  // namespace switchboard::inline v1
