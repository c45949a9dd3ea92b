// SPDX-License-Identifier: MIT
// Internal: what a hub keeps for each client: its session, or its plain connection.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/host.hpp>
#include <switchboard/hub/request_ids.hpp>
#include <switchboard/hub/session_id.hpp>
#include <switchboard/hub/shard.hpp>
#include <switchboard/hub/slot_table.hpp>
#include <switchboard/patterns/stateful_connection.hpp>
#include <switchboard/patterns/timer_wheel.hpp>

namespace switchboard::inline v1 {

/// What a hub's timers stand for.
enum class TimerKind : std::uint8_t { transport, session, presence, call, handover };

/// A channel that a session was taken off without having asked, until its client has been told.
struct Revocation {
  std::string channel;
  EncodedMessage::Ptr notice;  ///< as it was queued for the socket that the session has; else null
};

/// What makes a client stateful: it outlives its socket. The timer is its time to live while parked.
struct Session : Timer {
  explicit Session(ReplayOptions replay)
      : Timer(static_cast<std::uint8_t>(TimerKind::session)), log(replay) {}

  SessionId id;
  bool is_moving = false;  ///< it is being handed to another node: nobody may resume it here
  StatefulConnection<> log;
  std::unique_ptr<PublishIds> publish_ids;
  std::vector<Revocation> revoked;
  std::size_t subscription_bytes = 0;                 ///< about what its subscriptions take
  std::list<ConnectionId>::iterator parked_position;  ///< in the hub's list, while parked
  std::size_t parked_bytes = 0;  ///< what the hub has counted for it; its client is `owner`
};

/// One client of a hub: a plain client's connection or a stateful client's session.
template <class App>
struct Client {
  static constexpr std::uint32_t none = SlotTable<int>::none;

  /// How the client counts in the presence of its channels.
  enum class Presence : std::uint8_t {
    active,  ///< it is connected
    cut,     ///< it was cut off, and is still listed for a while
    gone,    ///< it closed
  };

  UserOf<App> user;
  [[no_unique_address]] StateOf<App> state{};
  std::unique_ptr<Session> session;  ///< none for a plain client
  WrittenIds written_ids;
  std::unique_ptr<std::string> subscribing;  ///< the channel it is asking for; none once that is taken back
  std::uint32_t transport = none;            ///< its socket's slot; none while parked
  std::uint32_t user_next = none;            ///< ring of the clients of one user, by slot; see UserIndex
  std::uint32_t user_previous = none;
  std::uint32_t user_chain = none;
  std::uint16_t busy = 0;               ///< handlers and broker calls that later requests wait for
  std::uint16_t publishes_pending = 0;  ///< not yet accepted by the broker
  Presence presence = Presence::active;
  bool has_ended = false;  ///< only its on_close is still under way
  bool is_erased = false;  ///< that is over, too, but a call may still refer to what is in here

  explicit Client(UserOf<App>&& who) : user(std::move(who)) {}
  bool is_attached() const { return transport != none; }
};

}  // namespace switchboard::inline v1
