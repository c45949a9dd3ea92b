// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/detail/in_memory_port_state.hpp>

namespace switchboard::inline v1 {

/// The broker inside one process: it links the shards, and nothing else.
///
/// Each ordered pair of ports is linked by a lock-free ring, bounded in messages and bytes. Every port knows
/// which of the others want a channel, so a publish goes only where it is wanted, and a shard that sleeps is
/// woken once for all that is published in a tick. With a single port a publish touches nothing. See `Port`
/// for what holds beyond the contract.
///
/// A port's executor must be run by one thread at a time and outlive the port. The broker may go before its
/// ports.
class InMemoryBroker {
 public:
  /// The bounds of what is under way between shards. Every member has a default.
  struct Options {
    std::size_t ring_capacity = 4096;  ///< messages under way between two ports; rounded up to a power of two
    /// Of those messages; a single one may be larger than that.
    std::size_t max_link_bytes = std::size_t{64} << 20;
    std::size_t max_pending = 65536;  ///< publishes of one port that wait for room in a ring
    std::size_t max_pending_bytes = std::size_t{256} << 20;  ///< of those; likewise
  };
  class Port;

  /// With the default options.
  InMemoryBroker() : InMemoryBroker(Options{}) {}
  /// Throws std::invalid_argument for a ring without room.
  explicit InMemoryBroker(const Options& options) : exchange_(make_exchange(options)) {}
  InMemoryBroker(const InMemoryBroker&) = delete;
  InMemoryBroker& operator=(const InMemoryBroker&) = delete;

  /// Any thread, also while other ports are in use. `sink` must outlive the port.
  Port attach(asio::any_io_executor executor, BrokerSink& sink);

  /// Nothing is delivered from now on; every call, those that wait included, ends in
  /// `broker_errc::unavailable`. Any thread, any number of times.
  void stop() { in_memory::stop(*exchange_); }

  /// What the ports share, for a broker that links processes and serves its own shards this way. Throws as
  /// the constructor does.
  static std::shared_ptr<in_memory::Exchange> make_exchange(const Options& options) {
    constexpr std::size_t largest = std::size_t{1} << 30;
    if (options.ring_capacity == 0 || options.ring_capacity > largest)
      throw std::invalid_argument("InMemoryBroker: ring_capacity must be between 1 and 2^30");
    return std::make_shared<in_memory::Exchange>(in_memory::Bounds{
        options.ring_capacity, options.max_link_bytes, options.max_pending, options.max_pending_bytes});
  }

 private:
  std::shared_ptr<in_memory::Exchange> exchange_;
};

/// One shard's access to its `InMemoryBroker`, used on that shard's thread only.
///
/// Beyond the contract of `BrokerPort`:
/// - A message that is accepted is delivered, always: there is no `on_gap`. Where a ring is full the publish
///   waits, and with it `done`; beyond `Options::max_pending` or `max_pending_bytes` it goes to nobody and
///   ends in `broker_errc::queue_full`.
/// - `subscribe` is idempotent, and one `unsubscribe` ends it. `done` needs the other ports' threads to take
///   a turn.
/// - Callbacks of one tick share one post. They may call the port, and may destroy it.
/// - An empty `Done` is allowed and saves that post.
class InMemoryBroker::Port {
 public:
  Port(Port&&) noexcept = default;
  /// Leaves the broker with the port that was here.
  Port& operator=(Port&& other) noexcept {
    Port(std::move(other)).state_.swap(state_);
    return *this;
  }
  ~Port() {
    if (state_) state_->leave_exchange();
  }

  /// About 80 bytes a channel. O(1), and one more map operation at each other port.
  void subscribe(std::string_view channel, Done done) { state_->subscribe(channel, std::move(done)); }
  /// O(1), and one more map operation at each other port.
  void unsubscribe(std::string_view channel) { state_->unsubscribe(channel); }
  /// O(ports); one allocation if any of the others wants the channel.
  void publish(std::string_view channel, Payload message, Done done) {
    state_->publish(channel, std::move(message), std::move(done));
  }

  /// False: what is published now reaches nobody, so there is no need to build it.
  ///
  /// A port that attaches is a peer from this port's next turn on. Nothing is lost by that: until then no
  /// subscription of the newcomer is done.
  bool has_peers() const { return state_->has_peers(); }

  /// PresencePort: one table for all ports of the broker, behind a lock. O(log) but for `query`, which is
  /// O(users).
  void enter(std::string_view channel, std::string_view user, std::string info,
             std::function<void(std::error_code, PresenceChange)> changed) {
    state_->enter(channel, user, std::move(info), std::move(changed));
  }
  /// PresencePort: nothing happens where this port has not entered the user.
  void leave(std::string_view channel, std::string_view user,
             std::function<void(std::error_code, PresenceChange)> changed) {
    state_->leave(channel, user, std::move(changed));
  }
  /// PresencePort: the users in the order of their ids.
  void query(std::string_view channel,
             std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
    state_->query(channel, std::move(listed));
  }
  /// PresenceCountPort.
  void count(std::string_view channel, std::function<void(std::error_code, std::size_t)> counted) {
    state_->count(channel, std::move(counted));
  }

 private:
  friend class InMemoryBroker;
  explicit Port(std::shared_ptr<in_memory::PortState> state) : state_(std::move(state)) {}

  std::shared_ptr<in_memory::PortState> state_;
};

inline InMemoryBroker::Port InMemoryBroker::attach(asio::any_io_executor executor, BrokerSink& sink) {
  auto state = std::make_shared<in_memory::PortState>(exchange_, sink);
  state->join(std::move(executor));
  return Port(std::move(state));
}

}  // namespace switchboard::inline v1
