// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <switchboard/broker/broker.hpp>
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

struct CounterDescription {
  Counter Counters::* counter;
  std::string_view name;
  std::string_view help;
};

inline constexpr auto counter_descriptions = std::to_array<CounterDescription>({
    {&Counters::healthy_servers, "redis_healthy_servers", "Redis servers that are known to deliver"},
    {&Counters::unhealthy_servers, "redis_unhealthy_servers",
     "Redis servers that are away or do not deliver"},
    {&Counters::channels, "redis_channels", "Channels subscribed at Redis, or about to be"},
    {&Counters::queued, "redis_queued", "Publishes that Redis has not confirmed yet"},
    {&Counters::reads, "redis_reads_total", "System calls that read from Redis sockets"},
    {&Counters::writes, "redis_writes_total", "System calls that wrote to Redis sockets"},
    {&Counters::bytes_received, "redis_received_bytes_total", "Bytes read from Redis"},
    {&Counters::bytes_sent, "redis_sent_bytes_total", "Bytes written to Redis"},
    {&Counters::published, "redis_published_total", "Publishes that Redis has accepted"},
    {&Counters::refused, "redis_refused_total", "Publishes that ended in an error"},
    {&Counters::repeated, "redis_repeated_total", "Publishes sent again after a connection was lost"},
    {&Counters::received, "redis_messages_received_total", "Messages of other nodes"},
    {&Counters::returned, "redis_messages_returned_total", "Own messages that came back, dropped"},
    {&Counters::duplicates, "redis_duplicates_total", "Messages that came twice, dropped"},
    {&Counters::gaps, "redis_gaps_total", "Times that messages of other nodes may have been missed"},
    {&Counters::reconnects, "redis_reconnects_total", "Connections to Redis made anew"},
    {&Counters::subscribe_commands, "redis_subscribe_commands_total",
     "Commands that subscribed or unsubscribed"},
});
static_assert((counter_descriptions.size() + redis_errc_count) * sizeof(Counter) == sizeof(Counters),
              "a number is missing here");

/// The labels of the errors, in the order of their numbers.
inline constexpr std::array<std::string_view, redis_errc_count> error_labels{
    R"(kind="unreachable")",    R"(kind="closed")",        R"(kind="timed_out")",
    R"(kind="protocol_error")", R"(kind="auth_required")", R"(kind="wrong_password")",
    R"(kind="no_permission")",  R"(kind="read_only")",     R"(kind="loading")",
    R"(kind="out_of_memory")",  R"(kind="cluster_down")",  R"(kind="moved")",
    R"(kind="not_delivering")", R"(kind="server_error")",  R"(kind="unknown_version")"};

inline std::vector<BrokerMetric> to_metrics(const Counters& counters) {
  std::vector<BrokerMetric> list;
  list.reserve(counter_descriptions.size() + redis_errc_count);
  for (const auto& one : counter_descriptions)
    list.push_back({one.name, one.help, {}, (counters.*one.counter).value()});
  for (std::size_t i = 0; i < redis_errc_count; ++i)
    list.push_back({"redis_errors_total", "Errors of and about Redis servers", error_labels[i],
                    counters.errors[i].value()});
  return list;
}

}  // namespace redis
}  // namespace switchboard::inline v1
