// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/broker.hpp>
#include <switchboard/hub/metrics.hpp>

namespace switchboard::inline v1 {

/// What a shard counts about its sockets. Written on its thread, readable from any.
struct SocketMetrics {
  Counter sockets_accepted;  ///< whatever they turned out to want
  Counter accept_pauses;     ///< accepting stopped for a moment: descriptors or memory had run out
  Counter bytes_received;    ///< as read from sockets: HTTP and frame headers included
  Counter bytes_sent;        ///< as written to sockets, likewise
};

/// A server's numbers at one moment, summed over its shards; each as HubMetrics and SocketMetrics say.
struct Metrics {
  // now
  std::uint64_t connections = 0;        ///< WebSocket connections that are open
  std::uint64_t sessions_attached = 0;  ///< stateful sessions with a socket
  std::uint64_t sessions_parked = 0;    ///< stateful sessions that wait for their client
  std::uint64_t parked_bytes = 0;       ///< of their logs, with about what they take besides
  std::uint64_t subscriptions = 0;      ///< of all clients, a channel of each counted once
  // since the start
  std::uint64_t connections_opened = 0;    ///< upgrades answered with 101
  std::uint64_t handshakes_refused = 0;    ///< requests refused, with any status, be they no upgrade
  std::uint64_t messages_received = 0;     ///< text and binary, all clients
  std::uint64_t messages_delivered = 0;    ///< messages queued or logged for a client
  std::uint64_t publishes = 0;             ///< that began here, whether or not the broker then takes them
  std::uint64_t errors_sent = 0;           ///< error frames, those of `Connection::reject` included
  std::uint64_t rate_limited = 0;          ///< messages refused by the rate limit
  std::uint64_t sessions_created = 0;      ///< those that came from another node not counted
  std::uint64_t sessions_resumed = 0;      ///< takeovers included
  std::uint64_t sessions_moved = 0;        ///< sockets handed to the shard that holds their session
  std::uint64_t sessions_handed_over = 0;  ///< sessions that went to another node
  std::uint64_t sessions_taken_over = 0;   ///< sessions that came from another node
  std::uint64_t sessions_not_found = 0;    ///< asked of the other nodes, and not got
  std::uint64_t sessions_expired = 0;      ///< over their time to live
  std::uint64_t sessions_evicted = 0;      ///< over a bound
  std::uint64_t messages_missed = 0;       ///< told as missed in a welcome
  std::uint64_t messages_dropped = 0;      ///< told by a gap: the client was slow
  std::uint64_t slow_closed = 0;           ///< closed with 1013
  std::uint64_t heartbeat_timeouts = 0;    ///< closed with 4002
  std::uint64_t handler_exceptions = 0;    ///< members of the App that threw
  std::uint64_t broker_gaps = 0;           ///< times that the broker told of lost messages
  std::uint64_t sockets_accepted = 0;      ///< whatever they turned out to want
  std::uint64_t accept_pauses = 0;   ///< accepting stopped for a moment: descriptors or memory had run out
  std::uint64_t bytes_received = 0;  ///< as read from sockets: HTTP and frame headers included
  std::uint64_t bytes_sent = 0;      ///< as written to sockets, likewise
};

namespace detail {

template <class Source>
struct MetricDescription {
  Counter Source::* counter;
  std::uint64_t Metrics::* sum;
  std::string_view name;  // Prometheus': what counts from the start on ends in _total; the rest are gauges
  std::string_view help;

  constexpr bool is_total() const { return name.ends_with("_total"); }
};

using H = HubMetrics;  // the table below is read by column
using S = SocketMetrics;
using M = Metrics;

inline constexpr auto hub_metric_descriptions = std::to_array<MetricDescription<HubMetrics>>({
    {&H::connections, &M::connections, "connections", "WebSocket connections that are open"},
    {&H::sessions_attached, &M::sessions_attached, "sessions_attached", "Stateful sessions with a socket"},
    {&H::sessions_parked, &M::sessions_parked, "sessions_parked",
     "Stateful sessions that wait for their client"},
    {&H::parked_bytes, &M::parked_bytes, "parked_bytes", "Bytes kept for parked sessions"},
    {&H::subscriptions, &M::subscriptions, "subscriptions", "Subscriptions to channels"},
    {&H::connections_opened, &M::connections_opened, "connections_opened_total",
     "WebSocket connections opened"},
    {&H::handshakes_refused, &M::handshakes_refused, "handshakes_refused_total",
     "Upgrades that were refused"},
    {&H::messages_received, &M::messages_received, "messages_received_total", "Messages of clients"},
    {&H::messages_delivered, &M::messages_delivered, "messages_delivered_total",
     "Messages queued for clients"},
    {&H::publishes, &M::publishes, "publishes_total", "Publishes accepted"},
    {&H::errors_sent, &M::errors_sent, "errors_sent_total", "Error frames sent to clients"},
    {&H::rate_limited, &M::rate_limited, "rate_limited_total", "Messages refused by the rate limit"},
    {&H::sessions_created, &M::sessions_created, "sessions_created_total", "Stateful sessions begun"},
    {&H::sessions_resumed, &M::sessions_resumed, "sessions_resumed_total", "Stateful sessions resumed"},
    {&H::sessions_moved, &M::sessions_moved, "sessions_moved_total",
     "Sockets moved to their session's shard"},
    {&H::sessions_handed_over, &M::sessions_handed_over, "sessions_handed_over_total",
     "Sessions that went to another node"},
    {&H::sessions_taken_over, &M::sessions_taken_over, "sessions_taken_over_total",
     "Sessions that came from another node"},
    {&H::sessions_not_found, &M::sessions_not_found, "sessions_not_found_total",
     "Sessions that no other node had"},
    {&H::sessions_expired, &M::sessions_expired, "sessions_expired_total", "Sessions whose time was over"},
    {&H::sessions_evicted, &M::sessions_evicted, "sessions_evicted_total", "Parked sessions over a bound"},
    {&H::messages_missed, &M::messages_missed, "messages_missed_total",
     "Messages told as missed in a welcome"},
    {&H::messages_dropped, &M::messages_dropped, "messages_dropped_total",
     "Messages dropped for slow clients"},
    {&H::slow_closed, &M::slow_closed, "slow_closed_total", "Connections closed for being too slow"},
    {&H::heartbeat_timeouts, &M::heartbeat_timeouts, "heartbeat_timeouts_total",
     "Connections silent too long"},
    {&H::handler_exceptions, &M::handler_exceptions, "handler_exceptions_total", "Handlers that threw"},
    {&H::broker_gaps, &M::broker_gaps, "broker_gaps_total", "Times the broker told of lost messages"},
});
static_assert(hub_metric_descriptions.size() * sizeof(Counter) == sizeof(HubMetrics),
              "a number is missing here");

inline constexpr auto socket_metric_descriptions = std::to_array<MetricDescription<SocketMetrics>>({
    {&S::sockets_accepted, &M::sockets_accepted, "sockets_accepted_total", "Sockets accepted"},
    {&S::accept_pauses, &M::accept_pauses, "accept_pauses_total", "Times descriptors or memory ran out"},
    {&S::bytes_received, &M::bytes_received, "received_bytes_total", "Bytes read from sockets"},
    {&S::bytes_sent, &M::bytes_sent, "sent_bytes_total", "Bytes written to sockets"},
});
static_assert(socket_metric_descriptions.size() * sizeof(Counter) == sizeof(SocketMetrics),
              "a number is missing here");

template <class Descriptions, class Source>
void add_metrics(Metrics& sum, const Descriptions& descriptions, const Source& source) {
  for (const auto& description : descriptions) sum.*description.sum += (source.*description.counter).value();
}

template <class Descriptions>
void append_metrics(std::string& text, const Descriptions& descriptions, const Metrics& metrics) {
  for (const auto& description : descriptions) {
    const std::string name = "switchboard_" + std::string(description.name);
    text.append("# HELP ").append(name).append(" ").append(description.help).append("\n");
    text.append("# TYPE ").append(name).append(description.is_total() ? " counter\n" : " gauge\n");
    text.append(name).append(" ").append(std::to_string(metrics.*description.sum)).append("\n");
  }
}

}  // namespace detail

/// Adds one shard's numbers. Any thread.
inline void add_metrics(Metrics& sum, const HubMetrics& hub, const SocketMetrics& sockets) {
  detail::add_metrics(sum, detail::hub_metric_descriptions, hub);
  detail::add_metrics(sum, detail::socket_metric_descriptions, sockets);
}

/// In Prometheus' text format, version 0.0.4. Those of one name stand together.
inline std::string prometheus_text(const std::vector<BrokerMetric>& metrics) {
  std::string text;
  std::string_view last;
  for (const BrokerMetric& metric : metrics) {
    const std::string name = "switchboard_" + std::string(metric.name);
    if (std::exchange(last, metric.name) != metric.name) {
      text.append("# HELP ").append(name).append(" ").append(metric.help).append("\n");
      text.append("# TYPE ").append(name).append(metric.name.ends_with("_total") ? " counter\n" : " gauge\n");
    }
    text.append(name);
    if (!metric.labels.empty()) text.append("{").append(metric.labels).append("}");
    text.append(" ").append(std::to_string(metric.value)).append("\n");
  }
  return text;
}

/// In Prometheus' text format, version 0.0.4.
inline std::string prometheus_text(const Metrics& metrics) {
  std::string text;
  detail::append_metrics(text, detail::hub_metric_descriptions, metrics);
  detail::append_metrics(text, detail::socket_metric_descriptions, metrics);
  return text;
}

}  // namespace switchboard::inline v1
