// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>

#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/hub/metrics.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What a RedisBroker counts. Written on its thread, readable from any.
struct Counters {
  Counter reads;   ///< system calls that read from its sockets
  Counter writes;  ///< system calls that wrote to them
  Counter bytes_received;
  Counter bytes_sent;
  Counter published;           ///< messages that Redis has accepted
  Counter refused;             ///< publishes that ended in an error
  Counter repeated;            ///< publishes sent again after a connection was lost
  Counter received;            ///< messages of other nodes, delivered
  Counter returned;            ///< own messages that came back, dropped
  Counter duplicates;          ///< messages that came twice, dropped
  Counter gaps;                ///< times that messages of others may have been missed
  Counter reconnects;          ///< connections made anew
  Counter subscribe_commands;  ///< commands that subscribed or unsubscribed
  // now
  Counter channels;  ///< subscribed or about to be
  Counter queued;    ///< publishes that Redis has not confirmed
  Counter healthy_servers;
  Counter unhealthy_servers;
  std::array<Counter, redis_errc_count> errors;
};

}  // namespace redis
}  // namespace switchboard::inline v1
