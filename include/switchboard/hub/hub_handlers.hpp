// SPDX-License-Identifier: MIT
// Internal, a part of Hub: how the App is called, and what timers do.
#pragma once
#include <exception>

#include <switchboard/hub/detail/awaited.hpp>
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

/// Calls the App through `call`, which owns whatever the handler is given, then `then` with what came of it:
/// for a handler without result whether it ended without an exception, else the result, or nothing if it
/// threw. While an awaitable one is suspended the client's later requests wait.
template <class App, class Host>
template <class Call, class Then>
void Hub<App, Host>::run(ConnectionId id, Call call, Then then) {
  using Result = std::invoke_result_t<Call&>;
  if constexpr (detail::Awaited<Result>::is_awaitable) {
    hold(id);
    host_.spawn(await_call(id, std::move(call), std::move(then)));
  } else if constexpr (std::is_void_v<Result>) {
    const KeepsClients keeps(*this);
    bool ok = false;
    try {
      call();
      ok = true;
    } catch (...) {
      report_current_exception();
    }
    then(ok);
  } else {
    const KeepsClients keeps(*this);
    std::optional<Result> result;
    try {
      result.emplace(call());
    } catch (...) {
      report_current_exception();
    }
    then(std::move(result));
  }
}

template <class App, class Host>
template <class Call, class Then>
asio::awaitable<void> Hub<App, Host>::await_call(ConnectionId id, Call call, Then then) {
  using Value = typename detail::Awaited<std::invoke_result_t<Call&>>::type;
  std::conditional_t<std::is_void_v<Value>, bool,
                     std::optional<std::conditional_t<std::is_void_v<Value>, bool, Value>>>
      result{};
  try {
    if constexpr (std::is_void_v<Value>) {
      co_await call();
      result = true;
    } else {
      result.emplace(co_await call());
    }
  } catch (...) {
    report_current_exception();
  }
  then(std::move(result));
  release(id);
}

template <class App, class Host>
void Hub<App, Host>::hold(ConnectionId id) {
  if (ClientType* client = clients_.find(id.slot, id.generation)) ++client->busy;
}

template <class App, class Host>
void Hub<App, Host>::release(ConnectionId id) {
  ClientType* client = clients_.find(id.slot, id.generation);
  if (client == nullptr || client->busy == 0 || --client->busy > 0) return;
  if (client->is_erased) return erase_client(id.slot);
  if (client->is_attached()) run_held(use_of(client->transport));
}

/// To be called in a `catch`.
template <class App, class Host>
void Hub<App, Host>::report_current_exception() {
  std::string what;
  try {
    throw;
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
    what = "not a std::exception";
  }
  metrics_.handler_exceptions.add();
  host_.log(LogLevel::error, "a handler threw: " + what);
}

template <class App, class Host>
void Hub<App, Host>::run_timers() {
  wheel_.advance(host_.now(), [this](Timer& timer) { fire(timer); });
  wake_at_.reset();
  schedule_wake_up();
}

/// Asks the host for a call at the earliest deadline, unless it is to come by then anyway.
template <class App, class Host>
void Hub<App, Host>::schedule_wake_up() {
  const std::optional<TimePoint> next = wheel_.next_deadline();
  if (!next || (wake_at_ && *wake_at_ <= *next)) return;
  wake_at_ = next;
  host_.wake_at(*next);
}

/// Asks the host for a call as soon as it can.
template <class App, class Host>
void Hub<App, Host>::wake_up_now() {
  wake_at_ = host_.now();
  host_.wake_at(*wake_at_);
}

template <class App, class Host>
void Hub<App, Host>::fire(Timer& timer) {
  switch (static_cast<TimerKind>(timer.kind)) {
    case TimerKind::transport: {
      const Phase phase = transports_[timer.owner].phase;
      if (phase == Phase::open) return beat(timer.owner);
      if (phase != Phase::request) return end_close(timer.owner);
      return refuse(use_of(timer.owner), refusals::handshake_timeout());
    }
    case TimerKind::session:
      metrics_.sessions_expired.add();
      return end(id_of(timer.owner), PresenceMode::cut,
                 {CloseCode::abnormal, "the session has expired", false});
    case TimerKind::handover:
      if constexpr (is_clustered) handover_.fire(timer);
      return;
    case TimerKind::presence: {
      const auto [channel, user] = roster_.expire(timer);
      return settle_presence(PresenceRoster::Effect::left, channel, user);
    }
    case TimerKind::call: {
      auto& call = static_cast<DelayedCall&>(timer);
      const std::function<void()> function = std::move(call.function);
      calls_.erase(call.position);
      return function();
    }
  }
}

template <class App, class Host>
void Hub<App, Host>::beat(std::uint32_t slot) {
  Transport& transport = transports_[slot];
  if (transport.held && transport.held->end)
    return act_on_end(use_of(slot), HeldInput::End(*transport.held->end));
  const auto action = heartbeat::poll(options_.heartbeat, transport.heartbeat, host_.now());
  if (action == HeartbeatAction::close) {
    if (transport.is_paused && takes_output(transport)) {
      heartbeat::on_inbound(transport.heartbeat, host_.now());
      return schedule_beat(transport);
    }
    metrics_.heartbeat_timeouts.add();
    const char* const why =
        transport.is_paused ? "nothing was taken for too long" : "nothing was heard for too long";
    return close_client(id_of(transport.client), heartbeat::close_code, why, false, PresenceMode::cut,
                        Fate::park);
  }
  if (action == HeartbeatAction::beat) {
    using Policy = HeartbeatOf<App>;
    if constexpr (Policy::beat == Beat::ping_frame) {
      push_frame(transport, EncodedMessage::frame(Opcode::ping, {}));
    } else if constexpr (Policy::beat == Beat::json_ping) {
      push_frame(transport, EncodedMessage::frame(Opcode::text, heartbeat::beat_text(options_.heartbeat)));
    }
  }
  schedule_beat(transport);
}

/// Whether the peer has taken any of what the kernel holds for it since this was last asked; the first time
/// there is nothing to compare with. A kernel with much to send takes no more of ours until a good part of it
/// is gone.
template <class App, class Host>
bool Hub<App, Host>::takes_output(Transport& transport) {
  if constexpr (requires { host_.unsent_bytes(TransportId{}); }) {
    const std::uint16_t now = kilobytes(host_.unsent_bytes(TransportId{transport.owner}));
    const std::uint16_t before = std::exchange(transport.unsent_kilobytes, now);
    return before == 0 || now < before;
  } else {
    return false;
  }
}

template <class App, class Host>
void Hub<App, Host>::schedule_beat(Transport& transport) {
  if (transport.phase != Phase::open) return;         // a close has its own bound
  if (transport.held && transport.held->end) return;  // its time is limited already
  const TimePoint next = heartbeat::next_deadline(options_.heartbeat, transport.heartbeat);
  if (next == TimePoint::max()) return wheel_.cancel(transport);
  wheel_.schedule(transport, next);
  schedule_wake_up();
}

template <class App, class Host>
void Hub<App, Host>::call_after(Duration delay, std::function<void()> function) {
  if (is_shut_down_) return;  // dropped: the coroutine that sleeps ends here
  calls_.emplace_back(static_cast<std::uint8_t>(TimerKind::call));
  DelayedCall& call = calls_.back();
  call.position = std::prev(calls_.end());
  call.function = std::move(function);
  wheel_.schedule(call, later(host_.now(), delay));
  schedule_wake_up();
}

}  // namespace switchboard::inline v1
