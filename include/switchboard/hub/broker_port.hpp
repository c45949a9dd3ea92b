// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What travels between shards and nodes: opaque to a broker, immutable, shared by threads. Any bytes, NUL
/// included.
using Payload = std::shared_ptr<const std::string>;

/// Called once, later, on the shard's executor: never inside the call it was given to, never after its port
/// is gone.
using Done = std::function<void(std::error_code)>;

/// The receiving side of a port: the hub. Called on its shard's executor only.
class BrokerSink {
 public:
  /// A message that another port published to a channel this port is subscribed to.
  virtual void on_message(std::string_view channel, const Payload& message) = 0;
  /// Messages of others may be missing on this channel; an empty name means every channel.
  virtual void on_gap(std::string_view channel) = 0;
  /// A node has died, and with it the last entry of this user in the channel. Told to one port, which tells
  /// the channel's subscribers everywhere; telling several does no harm.
  virtual void on_presence_lost(std::string_view channel, std::string_view user, std::uint64_t version) {
    static_cast<void>(channel), static_cast<void>(user), static_cast<void>(version);
  }

 protected:
  ~BrokerSink() = default;
};

/// One shard's access to its broker, used on that shard's thread only.
///
/// What the compiler cannot check:
/// - `subscribe(channel, done)`: after `done({})` every publish begun at any port in reach arrives here.
/// - `unsubscribe(channel)`: once it returns, the sink hears nothing more of the channel.
/// - `publish(channel, message, done)`: goes to every *other* subscribed port, at most once, in call order
///   per port and channel; a loss is always told by `on_gap`. `done({})` means accepted; a late `done` is
///   backpressure. Errors: `broker_errc::unavailable`, `queue_full`, `too_large`.
/// - The destructor detaches; queued calls and their `done` vanish.
template <class P>
concept BrokerPort =
    std::movable<P> && requires(P& port, std::string_view channel, Payload message, Done done) {
      port.subscribe(channel, done);
      port.unsubscribe(channel);
      port.publish(channel, message, done);
    };

/// One user in a channel, as presence lists it.
struct PresenceEntry {
  std::string user;  ///< its id
  std::string info;  ///< the App's presence_info as JSON text; empty if it has none
  friend bool operator==(const PresenceEntry&, const PresenceEntry&) = default;
};

/// Whether an enter or leave changed who is in the channel, over all ports in reach.
struct PresenceChange {
  bool changed = false;  ///< the first entry of this user in the channel, or its last to go
  /// Grows with every change of the channel: of two notices the larger is the newer.
  std::uint64_t version = 0;
};

/// A refinement of BrokerPort: the broker knows who is in a channel, over all ports in reach.
///
/// - A port enters a user at most once per channel before it leaves it again; users of several ports are
///   listed once.
/// - `enter` again by the same port only replaces the `info`.
/// - `done` gets an error while the broker is away (`broker_errc::unavailable`); same rules as `Done`.
/// - What a port entered leaves with it: when the port is destroyed, or its node dies.
template <class P>
concept PresencePort =
    BrokerPort<P> && requires(P& port, std::string_view channel, std::string_view user, std::string info,
                              std::function<void(std::error_code, PresenceChange)> changed,
                              std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
      port.enter(channel, user, info, changed);
      port.leave(channel, user, changed);
      port.query(channel, listed);
    };

/// A refinement of PresencePort: it can say how many users are in a channel without listing them. Same rules
/// as `query`; where a port lacks it, the hub counts the list.
template <class P>
concept PresenceCountPort =
    PresencePort<P> &&
    requires(P& port, std::string_view channel, std::function<void(std::error_code, std::size_t)> counted) {
      port.count(channel, counted);
    };

/// A broker that links processes names the one it is in: among all that run at the same time no two have the
/// same `node()`, 1 to 200 bytes of UTF-8 without control characters. See NodeBroker.
template <class B>
concept HasNode = requires(const B& broker) {
  { broker.node() } -> std::convertible_to<std::string_view>;
};

}  // namespace switchboard::inline v1
