// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// A number that one thread counts and any thread may read. No locked instruction: it has a single writer.
class Counter {
 public:
  /// Counts up. On the writing thread only.
  void add(std::uint64_t count = 1) { value_.store(value() + count, std::memory_order_relaxed); }
  /// Counts down, for what there is now. On the writing thread only.
  void subtract(std::uint64_t count = 1) { value_.store(value() - count, std::memory_order_relaxed); }
  /// As it was a moment ago. Any thread.
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// What a hub counts. Written on its shard's thread, readable from any.
struct HubMetrics {
  // now
  Counter connections;        ///< WebSocket connections that are open
  Counter sessions_attached;  ///< stateful sessions with a socket
  Counter sessions_parked;    ///< stateful sessions that wait for their client
  Counter parked_bytes;       ///< of their logs, with about what they and their subscriptions take besides
  Counter subscriptions;      ///< of all clients, a channel of each counted once
  // since the start
  Counter connections_opened;    ///< upgrades answered with 101
  Counter handshakes_refused;    ///< requests refused, with any status, be they no upgrade: a 404, say
  Counter messages_received;     ///< text and binary, all clients
  Counter messages_delivered;    ///< messages queued or logged for a client
  Counter publishes;             ///< that began here, whether or not the broker then takes them
  Counter errors_sent;           ///< error frames, those of `Connection::reject` included
  Counter rate_limited;          ///< messages refused by the rate limit
  Counter sessions_created;      ///< those that came from another node not counted
  Counter sessions_resumed;      ///< takeovers included
  Counter sessions_moved;        ///< sockets handed to the shard that holds their session
  Counter sessions_handed_over;  ///< sessions that went to another node
  Counter sessions_taken_over;   ///< sessions that came from another node
  Counter sessions_not_found;    ///< asked of the other nodes, and not got
  Counter sessions_expired;      ///< over their time to live
  Counter sessions_evicted;      ///< over a bound
  Counter messages_missed;       ///< told as missed in a welcome
  Counter messages_dropped;      ///< told by a gap: the client was slow
  Counter slow_closed;           ///< closed with 1013
  Counter heartbeat_timeouts;    ///< closed with 4002
  Counter handler_exceptions;    ///< members of the App that threw
  Counter broker_gaps;           ///< times that the broker told of lost messages
};

}  // namespace switchboard::inline v1
