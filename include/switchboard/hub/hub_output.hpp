// SPDX-License-Identifier: MIT
// Internal, a part of Hub: what waits for a socket, in which order, and what happens when it is too much.
#pragma once
#include <algorithm>

#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

namespace detail {

/// One frame on its way out, wherever it waits.
struct Outgoing {
  const EncodedMessage::Ptr* message;
  Sequence sequence;     // above 0: behind a SequencedPrefix
  std::uint32_t missed;  // above 0: a gap instead of a message

  /// Of an item of the socket's queue, or an entry of the client's log.
  template <class Waiting>
  static Outgoing of(const Waiting& waiting) {
    return {&waiting.message, waiting.sequence, waiting.missed};
  }

  EncodedMessage::Ptr encoded() const { return missed > 0 ? make_gap_message(missed) : *message; }

  std::size_t wire_size() const {
    if (missed == 0 && sequence.value == 0) return (*message)->size();
    const EncodedMessage::Ptr frame = encoded();
    if (sequence.value == 0) return frame->size();
    return SequencedPrefix(*frame, sequence).view().size() + frame->sequenced_body().size();
  }

  /// Hands all but the first `skip` bytes to `out`; false when it wants no more.
  template <class Output>
  bool emit(std::size_t skip, Output& out) const {
    const EncodedMessage::Ptr frame = encoded();
    const auto put = [&](std::string_view bytes) { return missed > 0 ? out.copy(bytes) : out.add(bytes); };
    if (sequence.value == 0) return put(frame->plain().substr(skip));
    const SequencedPrefix prefix(*frame, sequence);
    const std::size_t prefix_size = prefix.view().size();
    if (skip >= prefix_size) return put(frame->sequenced_body().substr(skip - prefix_size));
    return out.copy(prefix.view().substr(skip)) && put(frame->sequenced_body());
  }
};

}  // namespace detail

template <class App, class Host>
void Hub<App, Host>::announce(Transport& transport) {
  if (transport.output_announced) return;
  transport.output_announced = true;
  host_.output_ready(TransportId{transport.owner});
}

/// The log of the socket's client; null for a plain client, and once the two are parted.
template <class App, class Host>
StatefulConnection<>* Hub<App, Host>::log_of(const Transport& transport) {
  if (transport.client == none || !clients_[transport.client].session) return nullptr;
  return &clients_[transport.client].session->log;
}

/// Two queues feed a stateful client's socket: its log, and the answers, each of which waits for the log to
/// be written up to where it was when the answer came.
template <class App, class Host>
bool Hub<App, Host>::is_queue_next(const Transport& transport, const StatefulConnection<>* log,
                                   std::size_t queued, std::size_t logged) {
  if (queued >= transport.queue.size()) return false;
  if (log == nullptr || logged >= log->unwritten_count()) return true;
  return log->unwritten(logged).sequence > transport.queue[queued].after;
}

/// Calls `visit(Outgoing)` for all that waits, in order, until it returns false.
template <class App, class Host>
template <class Visit>
void Hub<App, Host>::visit_output(const Transport& transport, Visit&& visit) const {
  const StatefulConnection<>* const log = log_of(transport);
  const std::size_t log_count = log != nullptr ? log->unwritten_count() : 0;
  for (std::size_t queued = 0, logged = 0; queued < transport.queue.size() || logged < log_count;) {
    const bool goes_on = is_queue_next(transport, log, queued, logged)
                             ? visit(detail::Outgoing::of(transport.queue[queued++]))
                             : visit(detail::Outgoing::of(log->unwritten(logged++)));
    if (!goes_on) return;
  }
}

template <class App, class Host>
template <class Output>
void Hub<App, Host>::gather(TransportId id, Output& out) {
  const Transport& transport = transports_[static_cast<std::uint32_t>(id)];
  if (transport.phase == Phase::open && is_broken(transport)) return;  // the log keeps it for the next socket
  std::size_t skip = transport.written_of_first;
  visit_output(transport,
               [&](const detail::Outgoing& outgoing) { return outgoing.emit(std::exchange(skip, 0), out); });
}

template <class App, class Host>
bool Hub<App, Host>::written(TransportId id, std::size_t bytes) {
  const TransportUse use = use_of(static_cast<std::uint32_t>(id));
  Transport& transport = transports_[use.slot];
  StatefulConnection<>* const log = log_of(transport);
  // While it is not read, what it takes is its sign of life.
  if (transport.is_paused && bytes > 0 && !heartbeat::is_silence_paused(transport.heartbeat))
    heartbeat::on_inbound(transport.heartbeat, host_.now());
  bytes += std::exchange(transport.written_of_first, 0);
  bool more = true;
  while (true) {
    const bool from_queue = is_queue_next(transport, log, 0, 0);
    more = from_queue || (log != nullptr && log->unwritten_count() > 0);
    if (!more) break;
    const std::size_t size =
        (from_queue ? detail::Outgoing::of(transport.queue.front()) : detail::Outgoing::of(log->unwritten(0)))
            .wire_size();
    if (bytes < size) {
      transport.written_of_first = bytes;
      break;
    }
    bytes -= size;
    if (from_queue) {
      note_told(transport, transport.queue.front().message);
      transport.queue.pop_front();
    } else {
      log->written(1);
    }
  }
  transport.is_blocked = more;
  if (!more) {
    transport.output_announced = false;
    if (transport.phase == Phase::finishing) {
      release_socket(use.slot, SocketClose::graceful);
      return false;
    }
  }
  if (transport.is_paused || transport.held) {
    if (is_flushing_) {
      continue_later(use);
    } else {
      run_held(use);
      if (find(use) == nullptr) return false;
    }
  }
  return more;
}

/// Writes now what waits for the socket. Handles no input and ends no connection.
template <class App, class Host>
void Hub<App, Host>::flush(std::uint32_t slot) {
  is_flushing_ = true;
  host_.flush(TransportId{slot});
  is_flushing_ = false;
}

/// Appends a frame that carries no number and is never replayed.
template <class App, class Host>
void Hub<App, Host>::push_frame(Transport& transport, Message frame) {
  if (is_broken(transport)) return;
  const StatefulConnection<>* const log = log_of(transport);
  transport.queue.push(std::move(frame), log != nullptr ? log->newest_sequence() : Sequence{});
  announce(transport);
}

/// False if the client is gone or away.
template <class App, class Host>
bool Hub<App, Host>::push_answer(ConnectionId id, std::string_view object) {
  ClientType* client = find(id);
  if (client == nullptr || !client->is_attached()) return false;
  push_frame(transports_[client->transport], EncodedMessage::frame(Opcode::text, object));
  return true;
}

template <class App, class Host>
void Hub<App, Host>::push_error(ConnectionId id, ErrorCode code, std::string_view text,
                                std::string_view request_id) {
  JsonObjectText error;
  error.string("type", "error").string("code", to_string(code)).string("message", text);
  if (!request_id.empty()) error.raw("id", request_id);
  metrics_.errors_sent.add();
  push_answer(id, error.take());
}

/// Queues a message for a client, or logs it while the client is away. False if the client is gone.
template <class App, class Host>
bool Hub<App, Host>::deliver(ConnectionId id, const Message& message) {
  ClientType* client = find(id);
  if (client == nullptr) return false;
  metrics_.messages_delivered.add();
  if (client->session) client->session->log.store_message(message);
  if (!client->is_attached()) {
    account_parked(*client);
    if (metrics_.parked_bytes.value() > options_.sessions.parked_bytes / shard_count_) {
      if (delivering_ > 0)
        overfull_.push_back(id);
      else
        enforce_parked_bounds(id);
    }
    return true;
  }
  Transport& transport = transports_[client->transport];
  if (!client->session && is_broken(transport)) return true;  // it ends as soon as its requests are handled
  if (!client->session) transport.queue.push_message(message);
  announce(transport);
  if (queued_bytes(transport) > options_.queue.max_bytes) enforce_queue_bound(id);
  return true;
}

template <class App, class Host>
std::size_t Hub<App, Host>::queued_bytes(const Transport& transport) const {
  const StatefulConnection<>* const log = log_of(transport);
  return transport.queue.bytes() + (log != nullptr ? log->unwritten_bytes() : 0);
}

/// Whether more than one frame waits, not counting gaps and what a welcome has promised.
template <class App, class Host>
bool Hub<App, Host>::has_several_queued(const Transport& transport) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < transport.queue.size() && count < 2; ++i)
    if (transport.queue[i].missed == 0) ++count;
  const StatefulConnection<>* const log = log_of(transport);
  if (log == nullptr) return count > 1;
  for (std::size_t i = log->replay_count(); i < log->unwritten_count() && count < 2; ++i)
    if (log->unwritten(i).missed == 0) ++count;
  return count > 1;
}

/// A client's queue has grown past its bound. A single message is always accepted.
template <class App, class Host>
void Hub<App, Host>::enforce_queue_bound(ConnectionId id) {
  const auto is_over = [this](const Transport& transport) {
    return queued_bytes(transport) > options_.queue.max_bytes && has_several_queued(transport);
  };
  Transport* transport = transport_of(*find(id));
  if (!is_over(*transport)) return;
  // Within a tick nothing is written: only a socket that then still does not take it is slow.
  if (!transport->is_blocked) {
    flush(transport->owner);
    const ClientType* client = find(id);
    if (client == nullptr || !client->is_attached()) return;
    transport = &transports_[client->transport];
    if (!is_over(*transport) || is_broken(*transport)) return;
  }
  metrics_.messages_dropped.add(drop_for_slow(*transport));
  if (!is_over(*transport)) return;
  if (delivering_ > 0) return overfull_.push_back(id);
  metrics_.slow_closed.add();
  close_client(id, CloseCode::try_again_later, "too slow", false, PresenceMode::cut, Fate::park);
}

/// Everyone has what was delivered: those for whom it was too much are closed, or ended.
template <class App, class Host>
void Hub<App, Host>::relieve_overfull() {
  for (const ConnectionId id : std::exchange(overfull_, {})) {
    const ClientType* client = find(id);
    if (client == nullptr) continue;
    if (client->is_attached())
      enforce_queue_bound(id);
    else
      enforce_parked_bounds(id);
  }
}

/// Makes room by the slow consumer policy; returns how many messages went.
template <class App, class Host>
std::size_t Hub<App, Host>::drop_for_slow(Transport& transport) {
  StatefulConnection<>* const log = log_of(transport);
  const bool is_partly_written = transport.written_of_first > 0;
  const bool is_queue_first = is_queue_next(transport, log, 0, 0);
  const std::size_t queue_pinned = is_partly_written && is_queue_first ? 1 : 0;
  std::size_t log_pinned = is_partly_written && !is_queue_first ? 1 : 0;
  if (log != nullptr) log_pinned = std::max(log_pinned, log->replay_count());  // promised by the welcome
  std::size_t dropped = 0;
  if (options_.queue.slow_consumer == SlowConsumer::drop_oldest) {
    while (queued_bytes(transport) > options_.queue.max_bytes && has_several_queued(transport)) {
      if (!(log != nullptr ? log->drop_oldest_unwritten(log_pinned)
                           : transport.queue.drop_oldest(queue_pinned)))
        break;
      ++dropped;
    }
  } else if (options_.queue.slow_consumer == SlowConsumer::conflate) {
    dropped = log != nullptr ? log->conflate_unwritten(log_pinned) : transport.queue.conflate(queue_pinned);
  }
  return dropped;
}

/// Before a socket is parted from its client: what is still to be written moves into the socket's own queue.
/// All of it, or only what the Close frame cannot do without: the rest of what is partly written, and the
/// upgrade's response with the welcome.
template <class App, class Host>
void Hub<App, Host>::keep_output(Transport& transport, bool all) {
  OutboundQueue kept;
  const bool is_stateful = log_of(transport) != nullptr;
  bool must_stay = transport.written_of_first > 0;
  visit_output(transport, [&](const detail::Outgoing& outgoing) {
    EncodedMessage::Ptr frame = outgoing.encoded();
    const bool is_response = frame->kind() == EncodedMessage::Kind::raw;
    if (!all && !must_stay && !is_response) return false;
    must_stay = is_response && is_stateful;  // the welcome follows, which is to be the first frame
    kept.push_item({std::move(frame), outgoing.sequence, {}, 0, false});
    return true;
  });
  transport.queue.swap(kept);
}

/// Queues our Close frame, behind all that waits if `flush` says so. The client must be told apart, by
/// lose_socket.
template <class App, class Host>
void Hub<App, Host>::begin_close(Transport& transport, CloseCode code, std::string_view reason, bool flush,
                                 Phase phase) {
  keep_output(transport, flush);
  transport.phase = phase;
  if (transport.held) {  // what is not decoded yet may hold the peer's Close frame
    transport.held->messages.clear();
    transport.held->message_bytes = 0;
    if (transport.held->end) transport.phase = Phase::finishing;  // there will be no answer to ours
    transport.held->end.reset();
  }
  transport.queue.push(EncodedMessage::frame(Opcode::close, close_payload(code, reason)));
  if (std::exchange(transport.is_paused, false)) host_.want_input(TransportId{transport.owner}, true);
  start_close_timer(transport);
  announce(transport);
}

/// Closes the client's connection from our side, then parks or ends the client.
template <class App, class Host>
void Hub<App, Host>::close_client(ConnectionId id, CloseCode code, std::string_view reason, bool flush,
                                  PresenceMode mode, Fate fate) {
  ClientType* client = find(id);
  if (client == nullptr) return;
  if (client->is_attached()) begin_close(transports_[client->transport], code, reason, flush, Phase::closing);
  lose_socket(id, mode, fate, {code, std::string(reason), false});
}

/// What the peer has yet to take, from our queue and, where the host knows that, on its way.
template <class App, class Host>
std::uint16_t Hub<App, Host>::unsent_kilobytes(const Transport& transport) const {
  std::size_t bytes = transport.queue.bytes();  // a session's log is not this socket's any more
  bytes -= std::min(bytes, transport.written_of_first);
  if constexpr (requires { host_.unsent_bytes(TransportId{}); })
    bytes += host_.unsent_bytes(TransportId{transport.owner});
  return kilobytes(bytes);
}

template <class App, class Host>
void Hub<App, Host>::start_close_timer(Transport& transport) {
  transport.unsent_kilobytes = unsent_kilobytes(transport);
  wheel_.schedule(transport, host_.now() + close_timeout);
  schedule_wake_up();
}

/// The time to close is over. One who still takes what is queued, if slowly, is given more of it, within
/// reason; one who has taken it all gets no reset, which could destroy what its system has not handed on yet.
template <class App, class Host>
void Hub<App, Host>::end_close(std::uint32_t slot) {
  Transport& transport = transports_[slot];
  const std::uint16_t unsent = unsent_kilobytes(transport);
  if (unsent == 0 && transport.queue.empty()) return release_socket(slot, SocketClose::graceful);
  if (unsent >= transport.unsent_kilobytes || transport.close_extensions == max_close_extensions)
    return release_socket(slot, SocketClose::abort);
  ++transport.close_extensions;
  start_close_timer(transport);
}

template <class App, class Host>
void Hub<App, Host>::release_socket(std::uint32_t slot, SocketClose how) {
  transports_.erase(slot);
  host_.close_socket(TransportId{slot}, how);
}

template <class App, class Host>
bool Hub<App, Host>::send_object(ConnectionId id, std::string_view object) {
  return may_change(id) && deliver(id, EncodedMessage::json(object));
}

template <class App, class Host>
bool Hub<App, Host>::send_typed(ConnectionId id, std::uint32_t type, std::span<const std::byte> payload) {
  const std::string_view bytes(reinterpret_cast<const char*>(payload.data()), payload.size());
  return may_change(id) && deliver(id, EncodedMessage::binary(type, bytes));
}

template <class App, class Host>
bool Hub<App, Host>::send_frame(ConnectionId id, bool text, std::string_view payload) {
  return find(id) != nullptr &&
         deliver(id, EncodedMessage::frame(text ? Opcode::text : Opcode::binary, payload));
}

template <class App, class Host>
std::string Hub<App, Host>::written_id(ConnectionId id, std::string parsed) {
  ClientType* client = find(id);
  return client != nullptr ? client->written_ids.take(std::move(parsed)) : parsed;
}

template <class App, class Host>
bool Hub<App, Host>::send_answer(ConnectionId id, std::string_view object) {
  return may_change(id) && push_answer(id, object);
}

}  // namespace switchboard::inline v1
