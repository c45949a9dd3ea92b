// SPDX-License-Identifier: MIT
// Internal, a part of Hub: what a client's bytes mean, and when they must wait.
#pragma once
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
void Hub<App, Host>::receive(TransportId id, std::span<char> bytes) {
  const TransportUse use = use_of(static_cast<std::uint32_t>(id));
  Transport& transport = transports_[use.slot];
  switch (transport.phase) {
    case Phase::request:
      return receive_request(use, bytes);
    case Phase::authenticating: {
      std::string& unread = transport.handshake->unread;
      unread.append(bytes.data(), bytes.size());
      if (unread.size() >= max_held_bytes && !std::exchange(transport.is_paused, true))
        host_.want_input(id, false);
      return;
    }
    case Phase::open:
      if (!transport.is_paused) heartbeat::on_inbound(transport.heartbeat, host_.now());
      return decode(use, bytes);
    case Phase::closing:
      if (!transport.held || transport.held->raw.empty()) return decode(use, bytes);
      transport.held->raw.append(bytes.data(), bytes.size());
      return update_input(use);
    case Phase::finishing:
      return;  // nothing that comes can matter any more
  }
}

template <class App, class Host>
void Hub<App, Host>::receive_eof(TransportId id, bool is_broken) {
  const TransportUse use = use_of(static_cast<std::uint32_t>(id));
  Transport& transport = transports_[use.slot];
  if (transport.phase == Phase::open) return handle_end(use, {.is_broken = is_broken});
  // An HTTP answer, or our Close frame, is still read by a peer that has only ended its own side.
  const bool has_last_words = transport.phase == Phase::closing || transport.phase == Phase::finishing;
  if (has_last_words && !transport.queue.empty())
    transport.phase = Phase::finishing;
  else
    release_socket(use.slot, SocketClose::graceful);
}

template <class App, class Host>
void Hub<App, Host>::decode(TransportUse use, std::span<char> bytes) {
  transports_[use.slot].is_handling = true;
  while (true) {
    Transport* transport = find(use);
    if (transport == nullptr) return;
    if (transport->phase == Phase::finishing) break;
    if (transport->is_paused || must_pause(*transport)) {
      if (!transport->held) transport->held = std::make_unique<HeldInput>();
      transport->held->raw.append(bytes.data(), bytes.size());
      break;
    }
    const Decoded event = transport->decoder.next(bytes, decoder_limits_);
    if (event.kind == Decoded::Kind::need_more) break;
    handle_event(use, *transport, event);
  }
  if (Transport* transport = find(use)) {
    transport->is_handling = false;
    update_input(use);
  }
}

template <class App, class Host>
void Hub<App, Host>::handle_event(TransportUse use, Transport& transport, const Decoded& event) {
  const std::string_view payload(event.payload.data(), event.payload.size());
  const bool is_open = transport.phase == Phase::open;
  switch (event.kind) {
    case Decoded::Kind::need_more:
    case Decoded::Kind::pong:
      return;
    case Decoded::Kind::ping:
      if (is_open) push_frame(transport, EncodedMessage::frame(Opcode::pong, payload));
      return;
    case Decoded::Kind::text:
    case Decoded::Kind::binary:
      if (is_open) handle_message(use, event.kind == Decoded::Kind::text, payload);
      return;
    case Decoded::Kind::binary_type:
      if (is_open) limit_binary(transport, event.type);
      return;
    case Decoded::Kind::oversized:
      if (!is_open || !admit_by_rate(use, false, {})) return;
      if (binary_handlers_.find(transport.binary_type) == nullptr)
        return push_error(id_of(transport.client), ErrorCode::binary_unknown,
                          "no binary messages of this type are taken");
      return push_error(id_of(transport.client), ErrorCode::binary_too_large, "too large for its type");
    case Decoded::Kind::close:
    case Decoded::Kind::error: {
      if (!is_open) return finish_close(use, transport);  // of the peer's answer to ours nothing more matters
      const bool is_close = event.kind == Decoded::Kind::close;
      return handle_end(use, {is_close ? HeldInput::End::Kind::close_frame : HeldInput::End::Kind::breach,
                              event.code, std::string(event.reason)});
    }
  }
}

/// A whole message. It is handled at once, or waits its turn while the client is busy; what keeps a
/// connection alive does not wait.
template <class App, class Host>
void Hub<App, Host>::handle_message(TransportUse use, bool is_text, std::string_view payload) {
  metrics_.messages_received.add();
  Transport& transport = *find(use);
  if constexpr (!is_raw) {
    if (is_text && handle_json_heartbeat(transport, payload)) return;
  }
  if (!admit_by_rate(use, is_text, payload)) return;
  if (must_wait(transport))
    hold_message(transport, is_text, payload);
  else
    handle_now(use, is_text, payload);
}

template <class App, class Host>
void Hub<App, Host>::handle_now(TransportUse use, bool is_text, std::string_view payload) {
  const ConnectionId id = id_of(find(use)->client);
  if constexpr (is_raw) {
    handle_raw(id, is_text, payload);
  } else {
    if (is_text)
      handle_text(id, payload);
    else
      handle_binary(id, payload);
  }
}

/// Whether something that came earlier is still to be handled, or under way.
template <class App, class Host>
bool Hub<App, Host>::must_wait(const Transport& transport) const {
  return clients_[transport.client].busy > 0 || (transport.held && !transport.held->messages.empty());
}

/// The last thing that an open connection says. It waits its turn, but not for ever: a handler may well run
/// until its connection ends.
template <class App, class Host>
void Hub<App, Host>::handle_end(TransportUse use, HeldInput::End end) {
  Transport& transport = *find(use);
  const bool has_raw = transport.held && !transport.held->raw.empty();
  // Found out by a flush: a handler up the stack may be reading a message that lies in the decoder.
  if (is_flushing_)
    continue_later(use);
  else if (!must_wait(transport) && !has_raw)
    return act_on_end(use, std::move(end));
  transport.is_blocked |= end.is_broken;
  if (!transport.held) transport.held = std::make_unique<HeldInput>();
  if (transport.held->end) {  // a Close frame, and now the end of the stream
    transport.held->end->is_broken |= end.is_broken;
  } else {
    transport.held->end = std::move(end);
    wheel_.schedule(transport, host_.now() + close_timeout);
    schedule_wake_up();
  }
  if (!is_flushing_) run_held(use);  // there need be no room any more for what a broken connection waits for
}

/// A Close frame is answered with the same code behind what is queued (RFC 6455 §5.5.1).
template <class App, class Host>
void Hub<App, Host>::act_on_end(TransportUse use, HeldInput::End end) {
  Transport& transport = *find(use);
  const ConnectionId client = id_of(transport.client);
  switch (end.kind) {
    case HeldInput::End::Kind::close_frame:
      begin_close(transport, end.code, {}, true, Phase::finishing);
      return lose_socket(client, PresenceMode::gone, Fate::park, {end.code, std::move(end.reason), true});
    case HeldInput::End::Kind::breach:
      begin_close(transport, end.code, end.reason, true, Phase::finishing);
      return lose_socket(client, PresenceMode::cut, Fate::park, {end.code, std::move(end.reason), false});
    case HeldInput::End::Kind::cut:
      lose_socket(client, PresenceMode::cut, Fate::park, {CloseCode::abnormal, {}, false});
      return release_socket(use.slot, SocketClose::graceful);
  }
}

/// Our Close frame is queued and the peer's is here, or will never be: what is queued is the last.
template <class App, class Host>
void Hub<App, Host>::finish_close(TransportUse use, Transport& transport) {
  transport.phase = Phase::finishing;
  if (transport.queue.empty()) release_socket(use.slot, SocketClose::graceful);
}

/// Whether the text is a small `{"type":"ping"}` or `{"type":"pong"}`, which is handled whatever else is
/// under way.
template <class App, class Host>
bool Hub<App, Host>::handle_json_heartbeat(Transport& transport, std::string_view text) {
  if (text.size() > 256 ||
      (text.find("\"ping\"") == std::string_view::npos && text.find("\"pong\"") == std::string_view::npos))
    return false;
  const JsonRequest request = read_json_request(text);
  if (request.error || !request.is_heartbeat()) return false;
  if (request.type.string == "pong" || admit_by_rate(use_of(transport.owner), true, text))
    answer_heartbeat(id_of(transport.client), request);
  return true;
}

/// A ping is answered; a pong may acknowledge messages.
template <class App, class Host>
void Hub<App, Host>::answer_heartbeat(ConnectionId id, const JsonRequest& request) {
  if (request.type.string == "ping") {
    push_answer(id, R"({"type":"pong"})");
    return;
  }
  std::uint64_t sequence = 0;
  const std::string_view number = request.seq.written;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), sequence);
  const bool is_number = error == std::errc{} && end == number.data() + number.size() && !number.empty();
  ClientType* client = find(id);
  if (client != nullptr && client->session && is_number) client->session->log.acknowledge(sequence);
}

/// The rate limit. What is over it is answered, and after as many refusals in a row as a second allows,
/// closed.
template <class App, class Host>
bool Hub<App, Host>::admit_by_rate(TransportUse use, bool is_text, std::string_view payload) {
  Transport& transport = *find(use);
  if (transport.rate.allow(host_.now())) return true;
  metrics_.rate_limited.add();
  const ConnectionId id = id_of(transport.client);
  if constexpr (!is_raw) {
    std::string request_id;
    if (is_text) {
      const JsonRequest request = read_json_request(payload);
      if (!request.error && is_request_id(request.id)) request_id = request.id.written;
    }
    push_error(id, ErrorCode::rate_limited, "too many messages a second", request_id);
  }
  if (transport.rate.is_exhausted())
    close_client(id, CloseCode::policy_violation, "too many messages a second", true, PresenceMode::gone,
                 Fate::destroy);
  return false;
}

/// Called as soon as a binary message's type is known, before the rest has come.
template <class App, class Host>
void Hub<App, Host>::limit_binary(Transport& transport, std::uint32_t type) {
  transport.binary_type = type;
  const auto* entry = binary_handlers_.find(type);
  const std::size_t max_payload = entry != nullptr ? entry->max_size : 0;
  constexpr std::size_t type_size = BinaryFraming::type_size;
  if (max_payload < decoder_limits_.max_message_bytes)
    transport.decoder.limit_message(type_size + max_payload);
}

template <class App, class Host>
void Hub<App, Host>::hold_message(Transport& transport, bool is_text, std::string_view payload) {
  if (!transport.held) transport.held = std::make_unique<HeldInput>();
  transport.held->message_bytes += HeldInput::cost(payload);
  transport.held->messages.push_back({is_text, std::string(payload)});
}

/// What a flush has found out or made possible is acted on from the top of the stack: an App publishes inside
/// its handlers, and each publish may flush many.
template <class App, class Host>
void Hub<App, Host>::continue_later(TransportUse use) {
  continued_later_.push_back(use);
  if (continued_later_.size() > 1) return;
  call_after(Duration{}, [this] {
    for (const TransportUse each : std::exchange(continued_later_, {})) run_held(each);
  });
}

/// For the socket that takes over: what is whole is handled, whichever socket it came from.
template <class App, class Host>
std::unique_ptr<HeldInput> Hub<App, Host>::take_held_messages(Transport& transport) {
  if (!transport.held || transport.held->messages.empty()) return nullptr;
  auto taken = std::make_unique<HeldInput>();
  std::swap(taken->messages, transport.held->messages);
  std::swap(taken->message_bytes, transport.held->message_bytes);
  return taken;
}

/// The client is no longer busy, or has taken output: what was held is handled, in order, as far as it goes.
template <class App, class Host>
void Hub<App, Host>::run_held(TransportUse use) {
  Transport* transport = find(use);
  if (transport == nullptr || transport->is_handling) return;
  transport->is_handling = true;
  while (transport != nullptr && transport->phase == Phase::open && clients_[transport->client].busy == 0 &&
         transport->held && !transport->held->messages.empty() && !is_backed_up(*transport)) {
    HeldInput::Message message = std::move(transport->held->messages.front());
    transport->held->messages.pop_front();
    transport->held->message_bytes -= HeldInput::cost(message.payload);
    handle_now(use, message.is_text, message.payload);
    transport = find(use);
  }
  if (transport == nullptr) return;
  transport->is_handling = false;
  update_input(use);
}

template <class App, class Host>
bool Hub<App, Host>::must_pause(const Transport& transport) const {
  if (transport.phase != Phase::open) return false;
  if (transport.held && transport.held->message_bytes >= max_held_bytes) return true;
  return is_backed_up(transport);
}

/// Whether the client has requested more than can be passed on: to the broker, or back to itself.
template <class App, class Host>
bool Hub<App, Host>::is_backed_up(const Transport& transport) const {
  return clients_[transport.client].publishes_pending >= max_publishes_pending || is_output_full(transport);
}

template <class App, class Host>
bool Hub<App, Host>::is_output_full(const Transport& transport) const {
  if (is_broken(transport)) return false;  // nobody waits for it
  return transport.queue.size() >= max_queued_frames ||
         queued_bytes(transport) > options_.queue.max_bytes / 2;
}

/// Tells the host to stop or go on reading, as the connection's state now demands, and decodes what was left
/// over.
template <class App, class Host>
void Hub<App, Host>::update_input(TransportUse use) {
  Transport* transport = find(use);
  if (transport == nullptr || transport->is_handling) return;
  if (transport->phase != Phase::open && transport->phase != Phase::closing) return;
  const bool pause = must_pause(*transport);
  const bool has_raw = transport->held && !transport->held->raw.empty();
  if (pause != transport->is_paused) {
    transport->is_paused = pause;
    transport->unsent_kilobytes = 0;
    host_.want_input(TransportId{use.slot}, !pause);
    heartbeat::pause_silence(transport->heartbeat);
  }
  // Not read for our own reasons it owes no sign of life. Not read because it does not read, it does.
  if (!pause || is_output_full(*transport)) {
    if (heartbeat::is_silence_paused(transport->heartbeat)) {
      heartbeat::on_inbound(transport->heartbeat, host_.now());
      schedule_beat(*transport);
    }
  } else {
    heartbeat::pause_silence(transport->heartbeat);
  }
  if (!pause && has_raw) {
    std::string raw = std::exchange(transport->held->raw, {});
    return decode(use, raw);
  }
  if (!transport->held || !transport->held->messages.empty() || !transport->held->raw.empty()) return;
  if (!transport->held->end)
    transport->held.reset();
  else if (!must_wait(*transport))
    act_on_end(use, HeldInput::End(*transport->held->end));
}

}  // namespace switchboard::inline v1
