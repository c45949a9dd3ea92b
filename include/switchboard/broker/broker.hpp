// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/hub/broker_port.hpp>

namespace switchboard::inline v1 {

/// Why a broker did not accept a call.
enum class broker_errc {
  unavailable = 1,  ///< out of reach for now
  queue_full,       ///< what may wait for it already waits
  too_large,        ///< the message is over the broker's limit
};

/// Named "switchboard.broker". One object per shared library; compare codes with `broker_errc` values.
inline const std::error_category& broker_category() {
  static const struct final : std::error_category {
    const char* name() const noexcept override { return "switchboard.broker"; }
    std::string message(int value) const override {
      switch (static_cast<broker_errc>(value)) {
        case broker_errc::unavailable:
          return "the broker is unavailable";
        case broker_errc::queue_full:
          return "the broker's queue is full";
        case broker_errc::too_large:
          return "the message is too large for the broker";
      }
      return "unknown broker error";
    }
  } category;
  return category;
}

/// So that a `broker_errc` converts to, and compares with, a std::error_code.
inline std::error_code make_error_code(broker_errc error) {
  return {static_cast<int>(error), broker_category()};
}

/// Links shards, and with a network behind it processes. One per process; `attach` and `stop` are
/// thread-safe.
///
/// - `B(options)` throws on bad options and does no I/O yet.
/// - `attach(executor, sink)` gives a shard its port; every callback of the port and its sink runs on
///   `executor`.
/// - `stop()` ends all I/O; ports that are still alive are harmless from then on.
template <class B>
concept Broker =
    requires(B& broker, const typename B::Options& options, asio::any_io_executor shard, BrokerSink& sink) {
      B(options);
      { broker.attach(shard, sink) } -> BrokerPort;
      broker.stop();
    };

/// A refinement of Broker: it links nodes, which are processes with a name each. With it sessions move from
/// node to node, over ordinary channels whose names begin with "$node:", and a server that stops waits for
/// that.
///
/// - `node()` never changes, and no two nodes in reach have the same; 1 to 200 bytes of UTF-8 without control
///   characters.
/// - A subscription that could not be made for now is made as soon as it can be, and `on_gap` tells of that.
/// - `publish` to a channel that has no subscriber anywhere may end in `broker_errc::unavailable`, but never
///   where there is one that gets it.
template <class B>
concept NodeBroker = Broker<B> && HasNode<B>;

/// A number of a broker's, as /metrics shows it.
struct BrokerMetric {
  /// Prometheus', without the "switchboard_"; what counts from the start on ends in _total.
  std::string_view name;
  std::string_view help;    ///< one line
  std::string_view labels;  ///< `kind="closed"`, or empty; those of one name stand together
  std::uint64_t value = 0;  ///< a count, or what there is now
};

/// A refinement of Broker: it says how it is. Both calls from any thread.
///
/// - `is_healthy()`: what is published here reaches other processes, and the reverse, as far as the broker
///   knows. While it does not, /readyz says 503.
/// - `metrics()`: see BrokerMetric; a range of them.
template <class B>
concept ObservableBroker = Broker<B> && requires(const B& broker) {
  { broker.is_healthy() } -> std::same_as<bool>;
  { broker.metrics() } -> std::convertible_to<std::vector<BrokerMetric>>;
};

}  // namespace switchboard::inline v1

template <>
struct std::is_error_code_enum<switchboard::broker_errc> : std::true_type {};
