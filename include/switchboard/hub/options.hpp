// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/patterns/outbound_queue.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {

/// How long and how much of a session is kept after its socket is gone, and how presence sees it.
///
/// Each shard keeps its sessions within its own share of the bounds of a process, so that with several shards
/// one may go before the process as a whole has reached them.
struct SessionOptions {
  Duration time_to_live = std::chrono::minutes(2);  ///< how long a session waits for its client
  std::size_t replay = 100;                         ///< messages kept for a client that comes back
  std::size_t replay_bytes = std::size_t{4} << 20;  ///< and at most this many bytes of them
  std::size_t per_user = 16;  ///< parked sessions of one user in one shard; beyond, the oldest goes
  /// Parked in the process, shared out equally among its shards; beyond its share a shard's oldest goes.
  std::size_t max_sessions = 100'000;
  /// Logs, subscriptions and the rest of parked sessions in the process, shared out likewise.
  std::size_t parked_bytes = std::size_t{256} << 20;
  Duration presence_grace = std::chrono::seconds(10);  ///< how long a user who was cut off is still listed
};

/// How much may wait for one connection, and what happens beyond.
struct QueueOptions {
  std::size_t max_bytes = std::size_t{1} << 20;      ///< unwritten; a single message may be larger than that
  SlowConsumer slow_consumer = SlowConsumer::close;  ///< what is done beyond
};

/// What one server, address, connection or message may use up. 0 means no limit where it says so.
struct Limits {
  /// One WebSocket message, all its fragments together; beyond: 1009.
  std::size_t max_message_bytes = std::size_t{16} << 20;
  std::size_t max_connections = 0;              ///< in the process; 0: as many as there are descriptors
  std::size_t max_connections_per_address = 0;  ///< 0: no limit
  std::size_t max_subscriptions = 1024;         ///< channels of one connection
  std::size_t messages_per_second = 0;          ///< of one connection, with a burst of as many; 0: no limit
  Duration handshake_timeout = std::chrono::seconds(10);  ///< from accept to the end of the HTTP request
  std::size_t max_header_bytes = std::size_t{16} << 10;   ///< of the HTTP request
};

/// How much a line of the log matters.
enum class LogLevel {
  info,     ///< nothing is wrong; the library itself says nothing at it
  warning,  ///< something was lost or refused, and the server goes on
  error,    ///< something failed that someone should look at: a handler that threw
};

/// Receives what the library has to say, on any shard's thread. Empty: nothing is said. Never sees tokens or
/// session ids.
using LogSink = std::function<void(LogLevel, std::string_view)>;

}  // namespace switchboard::inline v1
