// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/io_context.hpp>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/broker/redis/stream.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// What a RedisBroker is told at its start. Every member has a default.
struct RedisOptions {
  /// Makes the streams of rediss:// URLs.
  using TlsStreams = std::function<std::unique_ptr<redis::Stream>(asio::io_context&, redis::Counters&)>;

  /// docs/redis.md has their forms. None: this process alone. Several: independent servers, with the
  /// channels spread over them.
  std::vector<std::string> urls{};
  std::string prefix = "switchboard:";  ///< of every channel and key, so that products can share a Redis
  std::string node{};                   ///< unique name of this process; empty: host name and a random part
  std::size_t max_queue = std::size_t{1} << 16;         ///< publishes to one server that wait for its answer
  std::size_t max_queue_bytes = std::size_t{64} << 20;  ///< of them
  Duration max_queue_time = std::chrono::seconds(5);    ///< how long they wait for a server that is away
  std::size_t max_message_bytes = std::size_t{64} << 20;  ///< of one publish; beyond: broker_errc::too_large
  Duration connect_timeout = std::chrono::seconds(3);     ///< of one attempt, its handshakes included
  Duration answer_timeout = std::chrono::seconds(3);      ///< a server silent for so long is taken for dead
  Duration probe_interval = std::chrono::seconds(5);      ///< between messages to itself through each server
  Duration probe_timeout = std::chrono::seconds(3);  ///< one not back by then: the connections are made anew
  /// Before a second attempt to connect; doubled with each.
  Duration backoff = std::chrono::milliseconds(100);
  Duration max_backoff = std::chrono::seconds(5);  ///< what doubling ends at
  /// A channel that is wanted again by then stays subscribed.
  Duration unsubscribe_delay = std::chrono::seconds(1);
  Duration presence_lease = std::chrono::seconds(9);  ///< presence of a node that dies ends by 4/3 of this
  TlsStreams tls{};  ///< for rediss:// URLs: `redis_tls(…)` of <switchboard/broker/redis_tls.hpp>
  InMemoryBroker::Options local{};                    ///< of the exchange between the shards of this process
  std::function<void(const RedisError&)> on_error{};  ///< called on the broker's thread; must not block it
};

}  // namespace switchboard::inline v1
