// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/broker/redis/node.hpp>
#include <switchboard/broker/redis/port_state.hpp>
#include <switchboard/broker/redis/redis_options.hpp>

namespace switchboard::inline v1 {

/// Links the shards of this process and, through Redis' publish and subscribe, those of other processes: the
/// nodes of a cluster. Needs hiredis (CMake: switchboard::redis).
///
/// The shards of a process reach each other without Redis, as with InMemoryBroker. One thread of the broker's
/// talks to Redis for all of them, with two connections to each server. While a server is away:
/// - the shards of this process go on reaching each other;
/// - publishes wait, within `max_queue` and `max_queue_time`, and go out in order when it is back; beyond,
///   they end in `broker_errc::unavailable`. One whose answer was lost is repeated, and receivers drop what
///   they have had;
/// - a subscribe ends in `broker_errc::unavailable` and is made up for later;
/// - `on_gap` tells when messages of other nodes may have been missed.
///
/// Without a URL it is an InMemoryBroker.
class RedisBroker {
 public:
  /// As the Broker concept names them.
  using Options = RedisOptions;
  class Port;

  /// Without a URL, and so an InMemoryBroker.
  RedisBroker() : RedisBroker(Options{}) {}
  /// Throws std::invalid_argument for a bad URL, in one sentence without the password, and for bad options.
  explicit RedisBroker(const Options& options)
      : exchange_(InMemoryBroker::make_exchange(options.local)),
        name_(options.node.empty() ? random_name() : options.node),
        max_message_bytes_(options.max_message_bytes) {
    const std::vector<redis::Url> urls = parse(options);
    if (!urls.empty()) node_ = std::make_unique<redis::Node>(options, name_, urls, exchange_);
  }
  RedisBroker(const RedisBroker&) = delete;
  RedisBroker& operator=(const RedisBroker&) = delete;
  ~RedisBroker() { stop(); }

  /// Any thread, also while other ports are in use. The first starts the broker's thread. `sink` must outlive
  /// the port.
  Port attach(asio::any_io_executor executor, BrokerSink& sink);

  /// What was accepted still goes out, if the servers take it within half a second. Then nothing is delivered
  /// any more, and every call, those that wait included, ends in `broker_errc::unavailable`. Any thread, any
  /// number of times.
  void stop() {
    if (node_) node_->stop();
    in_memory::stop(*exchange_);
  }

  /// Unique among the nodes that use the same Redis.
  std::string_view node() const { return name_; }

  /// Any thread: every server is connected, subscribed to all that is wanted here, and known to deliver.
  bool is_healthy() const { return !node_ || node_->is_healthy(); }
  /// Any thread. Nothing without a URL.
  std::vector<BrokerMetric> metrics() const {
    return node_ ? redis::to_metrics(node_->counters()) : std::vector<BrokerMetric>{};
  }

 private:
  static std::vector<redis::Url> parse(const Options& options) {
    std::vector<redis::Url> urls;
    for (const std::string& text : options.urls) {
      urls.push_back(redis::Url::parse(text));
      const redis::Url& url = urls.back();
      if (url.is_tls && !options.tls)
        throw std::invalid_argument(
            url.name() + ": TLS needs Options::tls, made by redis_tls() of switchboard/broker/redis_tls.hpp");
      if (url.mode == redis::Url::Mode::cluster && options.urls.size() > 1)
        throw std::invalid_argument(url.name() +
                                    ": a cluster is the only URL, with its nodes parted by commas");
    }
    return urls;
  }
  static std::string random_name() {
    char host[256] = "node";
    if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    return std::string(host) + "-" + std::to_string(std::random_device{}());
  }

  const std::shared_ptr<in_memory::Exchange> exchange_;
  const std::string name_;
  const std::size_t max_message_bytes_;
  std::unique_ptr<redis::Node> node_;
};

/// One shard's access to its `RedisBroker`, used on that shard's thread only; see `BrokerPort` and
/// `PresencePort`.
class RedisBroker::Port {
 public:
  Port(Port&&) noexcept = default;
  /// Leaves the broker with the port that was here.
  Port& operator=(Port&& other) noexcept {
    Port old(std::move(*this));
    local_ = std::move(other.local_);
    remote_ = std::move(other.remote_);
    return *this;
  }
  ~Port() {
    if (remote_)
      remote_->detach();
    else if (local_)
      local_->leave_exchange();
  }

  /// `done` comes when the process's other shards and the channel's server have confirmed.
  void subscribe(std::string_view channel, Done done) {
    remote_ ? remote_->subscribe(channel, std::move(done)) : local_->subscribe(channel, std::move(done));
  }
  /// Redis hears of it after `RedisOptions::unsubscribe_delay`.
  void unsubscribe(std::string_view channel) {
    remote_ ? remote_->unsubscribe(channel) : local_->unsubscribe(channel);
  }
  /// `done` comes when Redis has accepted it. `broker_errc::too_large` over `max_message_bytes`.
  void publish(std::string_view channel, Payload message, Done done) {
    if (remote_) return remote_->publish(channel, std::move(message), std::move(done));
    local_->publish(channel, std::move(message), std::move(done));
  }

  /// False: what is published now reaches nobody, so there is no need to build it.
  bool has_peers() const { return remote_ || local_->has_peers(); }

  /// PresencePort: in Redis, under this node's name. Entries of a node that dies are gone after
  /// `presence_lease`, which one of those that are left tells by `on_presence_lost`; those of a broker that
  /// is stopped likewise, so that a user who is back on another node by then has never left. An error means
  /// that Redis is away: it is told of the change when it is back.
  void enter(std::string_view channel, std::string_view user, std::string info,
             std::function<void(std::error_code, PresenceChange)> changed) {
    if (!remote_) return local_->enter(channel, user, std::move(info), std::move(changed));
    remote_->ask_presence(change_answer(std::move(changed)),
                          [port = remote_->id(), channel = std::string(channel), user = std::string(user),
                           info = std::move(info)](redis::Node& node, std::uint64_t number) {
                            node.enter(port, number, channel, user, info);
                          });
  }
  /// PresencePort: in Redis, as `enter`.
  void leave(std::string_view channel, std::string_view user,
             std::function<void(std::error_code, PresenceChange)> changed) {
    if (!remote_) return local_->leave(channel, user, std::move(changed));
    remote_->ask_presence(
        change_answer(std::move(changed)),
        [port = remote_->id(), channel = std::string(channel), user = std::string(user)](
            redis::Node& node, std::uint64_t number) { node.leave(port, number, channel, user); });
  }
  /// PresencePort: asks Redis, each time.
  void query(std::string_view channel,
             std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
    if (!remote_) return local_->query(channel, std::move(listed));
    remote_->ask_presence(
        [listed = std::move(listed)](std::error_code error, redis::PortState::PresenceAnswer& answer) {
          listed(error, std::move(answer.list));
        },
        [port = remote_->id(), channel = std::string(channel)](redis::Node& node, std::uint64_t number) {
          node.query(port, number, channel);
        });
  }
  /// PresenceCountPort: one HLEN, whatever the number of users.
  void count(std::string_view channel, std::function<void(std::error_code, std::size_t)> counted) {
    if (!remote_) return local_->count(channel, std::move(counted));
    remote_->ask_presence(
        [counted = std::move(counted)](std::error_code error, redis::PortState::PresenceAnswer& answer) {
          counted(error, answer.count);
        },
        [port = remote_->id(), channel = std::string(channel)](redis::Node& node, std::uint64_t number) {
          node.count(port, number, channel);
        });
  }

 private:
  friend class RedisBroker;
  static redis::PortState::Answered change_answer(
      std::function<void(std::error_code, PresenceChange)> changed) {
    return [changed = std::move(changed)](std::error_code error, redis::PortState::PresenceAnswer& answer) {
      changed(error, answer.change);
    };
  }
  Port(std::shared_ptr<in_memory::PortState> local, std::shared_ptr<redis::PortState> remote)
      : local_(std::move(local)), remote_(std::move(remote)) {}

  std::shared_ptr<in_memory::PortState> local_;
  std::shared_ptr<redis::PortState> remote_;
};

inline RedisBroker::Port RedisBroker::attach(asio::any_io_executor executor, BrokerSink& sink) {
  auto local = std::make_shared<in_memory::PortState>(exchange_, sink);
  local->join(executor);
  if (!node_) return Port(std::move(local), nullptr);
  auto remote = std::make_shared<redis::PortState>(
      local, std::make_shared<redis::PortChannel>(node_->next_port_id()), sink, max_message_bytes_);
  remote->join(std::move(executor));
  node_->attach(remote->channel());
  return Port(std::move(local), std::move(remote));
}

}  // namespace switchboard::inline v1
