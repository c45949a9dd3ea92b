// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

#include <switchboard/patterns/time.hpp>
#include <switchboard/protocol/close_code.hpp>

namespace switchboard::inline v1 {

/// What a beat is on the wire.
enum class Beat : std::uint8_t {
  none,        ///< nothing is ever sent
  json_ping,   ///< a text frame with `heartbeat::beat_text(policy)`: `{"type":"ping"}` unless the policy has
               ///< its own
  ping_frame,  ///< a Ping frame (RFC 6455 §5.5.2)
};

namespace detail {
template <class Policy>
concept HasInterval = requires(const Policy& policy) {
  { policy.interval() } -> std::convertible_to<Duration>;
} || requires(const Policy& policy) {
  { policy.interval } -> std::convertible_to<Duration>;
};
template <class Policy>
concept HasTimeout = requires(const Policy& policy) {
  { policy.timeout() } -> std::convertible_to<Duration>;
} || requires(const Policy& policy) {
  { policy.timeout } -> std::convertible_to<Duration>;
};
template <class Policy>
concept HasBeat = requires {
  { Policy::beat } -> std::convertible_to<Beat>;
  typename std::integral_constant<Beat, Policy::beat>;
};
template <class Policy>
constexpr bool is_silent() {
  if constexpr (HasBeat<Policy>) return Policy::beat == Beat::none;
  return false;
}
}  // namespace detail

/// How a connection shows that it lives, and when it counts as dead.
///
///     JsonHeartbeat policy;  HeartbeatState state;
///     heartbeat::start(policy, state, now, fraction);  // fraction: random, in [0, 1)
///     heartbeat::on_inbound(state, now);               // whenever anything has come in
///     auto action = heartbeat::poll(policy, state, now);     // beat: send one; close: close with 4002
///     wait_until(heartbeat::next_deadline(policy, state));
///
/// A policy is a copyable value with a constant `static constexpr Beat beat` and, unless that is
/// `Beat::none`, `interval` and `timeout`, as members or const member functions, in any unit of std::chrono;
/// optionally `std::string beat_text() const`, the text of a beat of its own. What the compiler cannot check:
/// - `interval` and `timeout` give the same answer throughout a connection's life, and are cheap: they are
///   asked with every poll. Zero or less switches the beats or the timeout off; Duration::max() is never.
/// - a `timeout` not above `interval` closes connections that had no chance to answer.
/// - `beat_text` is a JSON object in valid UTF-8 without a "seq"; a client that lives answers it with
///   something.
template <class Policy>
concept HeartbeatPolicy =
    std::copyable<Policy> && detail::HasBeat<Policy> &&
    (detail::is_silent<Policy>() || (detail::HasInterval<Policy> && detail::HasTimeout<Policy>));

/// Beats are `{"type":"ping"}`, which JavaScript sees and answers with `{"type":"pong"}`.
struct JsonHeartbeat {
  static constexpr Beat beat = Beat::json_ping;  ///< with `{"type":"ping"}` as its text
  Duration interval = std::chrono::seconds(30);  ///< from beat to beat; zero: no beats
  Duration timeout = std::chrono::seconds(60);   ///< of silence, then 4002; zero: never
};

/// Beats are Ping frames, which every WebSocket client answers by itself.
struct PingFrameHeartbeat {
  static constexpr Beat beat = Beat::ping_frame;  ///< without a payload
  Duration interval = std::chrono::seconds(30);   ///< from beat to beat; zero: no beats
  Duration timeout = std::chrono::seconds(60);    ///< of silence, then 4002; zero: never
};

/// No beats, and silence is no reason to close.
struct NoHeartbeat {
  static constexpr Beat beat = Beat::none;  ///< so there is neither an interval nor a timeout
};

/// Each connection's part; `heartbeat::start` fills it.
struct HeartbeatState {
  TimePoint last_inbound{};  ///< when something last came in; TimePoint::max() while that is not watched
  TimePoint next_beat{};     ///< TimePoint::max(): none
};

/// What `heartbeat::poll` wants done.
enum class HeartbeatAction : std::uint8_t {
  none,   ///< nothing before `heartbeat::next_deadline`
  beat,   ///< send one now
  close,  ///< the peer was silent for too long: close with `heartbeat::close_code`
};

namespace heartbeat {

/// What a silent peer is closed with: 4002.
inline constexpr CloseCode close_code = CloseCode::heartbeat_timeout;

/// Zero means that nothing is sent.
template <HeartbeatPolicy Policy>
constexpr Duration interval(const Policy& policy) {
  Duration every{};
  if constexpr (requires { policy.interval(); } && !detail::is_silent<Policy>()) {
    every = policy.interval();
  } else if constexpr (!detail::is_silent<Policy>()) {
    every = policy.interval;
  }
  return std::max(every, Duration{});
}

/// Zero means that silence never ends a connection.
template <HeartbeatPolicy Policy>
constexpr Duration timeout(const Policy& policy) {
  Duration after{};
  if constexpr (requires { policy.timeout(); } && !detail::is_silent<Policy>()) {
    after = policy.timeout();
  } else if constexpr (!detail::is_silent<Policy>()) {
    after = policy.timeout;
  }
  return std::max(after, Duration{});
}

/// The text of a `Beat::json_ping`.
template <HeartbeatPolicy Policy>
std::string beat_text(const Policy& policy) {
  if constexpr (requires {
                  { policy.beat_text() } -> std::convertible_to<std::string>;
                }) {
    return policy.beat_text();
  } else {
    return R"({"type":"ping"})";
  }
}

/// When silence alone ends the connection; TimePoint::max() is never.
template <HeartbeatPolicy Policy>
constexpr TimePoint silence_deadline(const Policy& policy, const HeartbeatState& state) {
  const Duration length = timeout(policy);
  return length == Duration{} ? TimePoint::max() : later(state.last_inbound, length);
}

/// A connection opens. Its first beat is due within (0, interval]: `spread`, a random number in [0, 1), puts
/// it there, so that connections which came together do not beat together.
template <HeartbeatPolicy Policy>
constexpr void start(const Policy& policy, HeartbeatState& state, TimePoint now, double spread) {
  const Duration every = interval(policy);
  state.last_inbound = now;
  if (every == Duration{} || every == Duration::max()) {
    state.next_beat = TimePoint::max();
    return;
  }
  const double fraction = std::clamp(spread, 0.0, 1.0);
  const auto skipped = Duration(static_cast<Duration::rep>(static_cast<double>(every.count()) * fraction));
  state.next_beat = later(now, std::max(every - skipped, Duration{1}));
}

/// Any bytes from the peer are a sign of life. Ends a pause.
constexpr void on_inbound(HeartbeatState& state, TimePoint now) {
  state.last_inbound = now;
}

/// Nothing is being read from the peer, so its silence says nothing. Beats go on; `on_inbound` ends the
/// pause, and the whole timeout begins anew.
constexpr void pause_silence(HeartbeatState& state) {
  state.last_inbound = TimePoint::max();
}

/// Since `pause_silence`, until something comes in.
constexpr bool is_silence_paused(const HeartbeatState& state) {
  return state.last_inbound == TimePoint::max();
}

/// What is due at `now`: a close from exactly `last_inbound + timeout` on, a beat from exactly `next_beat`
/// on. Beats keep their rhythm; those missed while nobody polled are one beat.
template <HeartbeatPolicy Policy>
constexpr HeartbeatAction poll(const Policy& policy, HeartbeatState& state, TimePoint now) {
  const TimePoint dead = silence_deadline(policy, state);
  if (dead != TimePoint::max() && now >= dead) return HeartbeatAction::close;
  if (state.next_beat == TimePoint::max() || now < state.next_beat) return HeartbeatAction::none;
  const Duration every = interval(policy);
  const Duration late = now - state.next_beat;
  state.next_beat = later(now - late % every, every);
  return HeartbeatAction::beat;
}

/// When `poll` has something to say at the earliest; TimePoint::max() is never. It moves
/// later when something comes in; to poll at the time it gave before does no harm.
template <HeartbeatPolicy Policy>
constexpr TimePoint next_deadline(const Policy& policy, const HeartbeatState& state) {
  return std::min(state.next_beat, silence_deadline(policy, state));
}

}  // namespace heartbeat

static_assert(HeartbeatPolicy<JsonHeartbeat> && HeartbeatPolicy<PingFrameHeartbeat> &&
              HeartbeatPolicy<NoHeartbeat>);

}  // namespace switchboard::inline v1
