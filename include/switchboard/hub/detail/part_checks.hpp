// SPDX-License-Identifier: MIT
// Internal: the sentences for a Heartbeat, Broker or State that is none.
#pragma once
#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include <asio/any_io_executor.hpp>

#include <switchboard/hub/broker_port.hpp>
#include <switchboard/patterns/heartbeat.hpp>

// The types an App names for its parts, call by call: a violated concept would only say that it is violated.
namespace switchboard::inline v1::detail {

template <class Policy>
constexpr void check_heartbeat() {
  static_assert(std::copyable<Policy> && std::default_initializable<Policy>,
                "switchboard: Heartbeat must be copyable and default-constructible, as sb::JsonHeartbeat is");
  static_assert(HasBeat<Policy>,
                "switchboard: Heartbeat must say what a beat is: static constexpr sb::Beat beat = ...;");
  static_assert(
      is_silent<Policy>() || HasInterval<Policy>,
      "switchboard: Heartbeat needs an interval: sb::Duration interval; (or a const member function)");
  static_assert(is_silent<Policy>() || HasTimeout<Policy>,
                "switchboard: Heartbeat needs a timeout: sb::Duration timeout; (or a const member function)");
  if constexpr (requires { &Policy::beat_text; }) {
    static_assert(
        requires(const Policy& policy) {
          { policy.beat_text() } -> std::convertible_to<std::string>;
        }, "switchboard: Heartbeat's beat_text must be callable as: std::string beat_text() const");
  }
}

template <class Port>
constexpr void check_broker_port() {
  static_assert(std::movable<Port>, "switchboard: what a Broker's attach returns, its port, must be movable");
  static_assert(
      requires(Port& port, std::string_view channel, Done done) { port.subscribe(channel, done); },
      "switchboard: a Broker's port needs: void subscribe(std::string_view channel, sb::Done)");
  static_assert(
      requires(Port& port, std::string_view channel) { port.unsubscribe(channel); },
      "switchboard: a Broker's port needs: void unsubscribe(std::string_view channel)");
  static_assert(
      requires(Port& port, std::string_view channel, Payload message, Done done) {
        port.publish(channel, message, done);
      }, "switchboard: a Broker's port needs: void publish(std::string_view channel, sb::Payload, sb::Done)");
}

template <class B>
constexpr void check_broker() {
  constexpr bool has_options = requires { requires std::default_initializable<typename B::Options>; };
  static_assert(has_options,
                "switchboard: Broker needs a default-constructible type: struct Options { ... };");
  if constexpr (has_options) {
    static_assert(std::constructible_from<B, const typename B::Options&>,
                  "switchboard: Broker needs a constructor: explicit Broker(const Options&)");
  }
  static_assert(requires(B& broker) { broker.stop(); }, "switchboard: Broker needs: void stop()");

  constexpr bool attaches =
      requires(B& broker, asio::any_io_executor shard, BrokerSink& sink) { broker.attach(shard, sink); };
  static_assert(attaches,
                "switchboard: Broker needs: Port attach(asio::any_io_executor shard, sb::BrokerSink&)");
  if constexpr (attaches) {
    using Port = decltype(std::declval<B&>().attach(std::declval<asio::any_io_executor&>(),
                                                    std::declval<BrokerSink&>()));
    check_broker_port<Port>();
  }
}

/// Only for an App with presence_info.
template <class B>
constexpr void check_presence() {
  if constexpr (requires(B& broker, asio::any_io_executor shard, BrokerSink& sink) {
                  broker.attach(shard, sink);
                }) {
    using Port = decltype(std::declval<B&>().attach(std::declval<asio::any_io_executor&>(),
                                                    std::declval<BrokerSink&>()));
    static_assert(PresencePort<Port>,
                  "switchboard: nothing calls presence_info, as the Broker keeps no presence: its port is no "
                  "sb::PresencePort");
  }
}

}  // namespace switchboard::inline v1::detail
