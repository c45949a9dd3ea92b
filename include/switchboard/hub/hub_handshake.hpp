// SPDX-License-Identifier: MIT
// Internal, a part of Hub: from a socket's first byte to an open WebSocket (protocol.md, "Refused at the
// door" and "Sequence, replay, resume").
#pragma once
#include <algorithm>

#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
TransportId Hub<App, Host>::open(const net::Address& peer, Admission admission) {
  const std::uint32_t slot = transports_.emplace();
  Transport& transport = transports_[slot];
  transport.owner = slot;
  transport.handshake = std::make_unique<Transport::Handshake>(
      Transport::Handshake{peer, admission, RequestParser(options_.limits.max_header_bytes), {}});
  wheel_.schedule(transport, later(host_.now(), options_.limits.handshake_timeout));
  schedule_wake_up();
  return TransportId{slot};
}

template <class App, class Host>
TransportId Hub<App, Host>::adopt(Handoff<App>&& handoff) {
  const TransportId id = open(handoff.request.peer);
  const TransportUse use = use_of(static_cast<std::uint32_t>(id));
  Transport& transport = transports_[use.slot];
  wheel_.cancel(transport);
  transport.phase = Phase::authenticating;
  transport.handshake->unread = std::exchange(handoff.unread, {});
  admit(use, std::move(handoff));
  return id;
}

template <class App, class Host>
void Hub<App, Host>::receive_request(TransportUse use, std::span<char> bytes) {
  Transport& transport = transports_[use.slot];
  Transport::Handshake& handshake = *transport.handshake;
  const auto [status, consumed] = handshake.parser.consume(bytes);
  if (status == RequestParser::Status::need_more) return;
  if (status == RequestParser::Status::refused) return refuse(use, Refusal(handshake.parser.refusal()));
  handshake.unread.assign(bytes.data() + consumed, bytes.size() - consumed);
  wheel_.cancel(transport);
  transport.phase = Phase::authenticating;
  answer_request(use, handshake.parser.take(handshake.peer));
}

template <class App, class Host>
void Hub<App, Host>::answer_request(TransportUse use, UpgradeRequest request) {
  const Admission admission = transports_[use.slot].handshake->admission;
  const bool is_admin = admission == Admission::admin;
  const bool is_head = request.method() == "HEAD";
  if (is_admin || request.path() != options_.path) {
    const std::optional<HttpResponse> response = host_.serve_http(request, is_admin);
    if (!response) return refuse(use, refusals::not_found(), is_head);
    return respond(use, http_response(*response, is_head));
  }
  if (const auto refusal = check_admission(request, admission)) return refuse(use, *refusal, is_head);
  authenticate(use, request);
}

template <class App, class Host>
std::optional<Refusal> Hub<App, Host>::check_admission(const UpgradeRequest& request,
                                                       Admission admission) const {
  if (auto refusal = check_upgrade(request, {options_.path, options_.allowed_origins})) return refusal;
  if (is_draining_) return refusals::server_draining();
  if (admission == Admission::full) return refusals::server_full();
  if (admission == Admission::too_many_from_address) return refusals::too_many_from_address();
  return std::nullopt;
}

template <class App, class Host>
void Hub<App, Host>::authenticate(TransportUse use, const UpgradeRequest& request) {
  run(
      ConnectionId{none, 0}, [this, request]() { return app_->authenticate(request); },
      [this, use, request](auto verdict) {
        this->conclude_authentication(use, request, std::move(verdict));
      });
}

/// `verdict` is one of what authenticate may return; nothing: it threw.
template <class App, class Host>
template <class Verdict>
void Hub<App, Host>::conclude_authentication(TransportUse use, const UpgradeRequest& request,
                                             std::optional<Verdict> verdict) {
  if (find(use) == nullptr) return;
  if (!verdict) return refuse(use, refusals::internal_error());
  const auto enter = [&](auto& accepted) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(accepted)>, User>)
      admit(use, {request, std::move(accepted), {}, {}});
    else
      admit(use, {request, std::move(accepted.user), std::move(accepted.subprotocol), {}});
  };
  if constexpr (requires { std::get<Refusal>(*verdict); }) {
    if (const Refusal* refusal = std::get_if<Refusal>(&*verdict)) return refuse(use, *refusal);
    enter(std::get<0>(*verdict));
  } else if constexpr (requires { verdict->has_value(); }) {
    if (!verdict->has_value()) return refuse(use, refusals::unauthorized());
    enter(**verdict);
  } else {
    enter(*verdict);
  }
}

/// The user may come in. It does so on the shard that holds its session, and once others can reach it.
template <class App, class Host>
void Hub<App, Host>::admit(TransportUse use, Handoff<App> handoff) {
  if (!handoff.user.id.empty() && !is_user_id(handoff.user.id)) return refuse(use, refusals::unauthorized());
  if (is_draining_) return refuse(use, refusals::server_draining());
  if constexpr (!is_raw) {
    const LastSequence last = LastSequence::of(handoff.request);
    if (last.state == LastSequence::State::malformed) return refuse(use, refusals::invalid_last_sequence());
    const auto session = parse_session(handoff);
    const bool is_elsewhere = session && session->shard != shard_ && session->shard < shard_count_;
    if (last.state == LastSequence::State::present && is_elsewhere) {
      handoff.unread = std::move(transports_[use.slot].handshake->unread);
      transports_.erase(use.slot);
      metrics_.sessions_moved.add();
      return host_.move_socket(TransportId{use.slot}, session->shard, std::move(handoff));
    }
  }
  const std::string user = handoff.user.id;
  auto waiting = std::make_shared<Handoff<App>>(std::move(handoff));
  link_user(user, [this, use, user, waiting](std::optional<CloseCode> code) {
    if (find(use) == nullptr) return unlink_user_if_unused(user);  // it has gone meanwhile
    if (is_draining_) {
      refuse(use, refusals::server_draining());
      return unlink_user_if_unused(user);
    }
    if (code) transports_[use.slot].handshake->unread.clear();  // it is let in to be told why not
    connect(use, std::move(*waiting));
    if (code) disconnect(use, *code);
    unlink_user_if_unused(user);  // it may not have come in after all
  });
}

/// Closes whoever has just come in on the socket.
template <class App, class Host>
void Hub<App, Host>::disconnect(TransportUse use, CloseCode code) {
  if (const Transport* transport = find(use); transport != nullptr && transport->client != none)
    close(id_of(transport->client), code, disconnected_reason);
}

template <class App, class Host>
void Hub<App, Host>::connect(TransportUse use, Handoff<App> handoff) {
  if constexpr (is_raw) {
    connect_new(use, std::move(handoff), std::nullopt);
  } else {
    const LastSequence last = LastSequence::of(handoff.request);
    if (last.state == LastSequence::State::absent) return connect_new(use, std::move(handoff), std::nullopt);
    const std::uint32_t session = find_session(handoff, last.value);
    if (session != none) return resume(use, std::move(handoff), session, last.value);
    if constexpr (is_clustered)
      if (handover_.import_session(use, handoff, last.value)) return;
    connect_new(use, std::move(handoff), last.value);
  }
}

/// The session asked for, if it began in this process.
template <class App, class Host>
std::optional<SessionId> Hub<App, Host>::parse_session(const Handoff<App>& handoff) const {
  const std::string_view name = handoff.request.query("session");
  if constexpr (is_clustered) {
    std::string_view node;
    const auto id = SessionId::parse(name, &node);
    return id && handover_.is_own_node(node) ? id : std::nullopt;
  } else {
    return SessionId::parse(name);
  }
}

/// The client that holds the session asked for; `none` where it is unknown, another user's, or younger than
/// `last_seq`: cases that the client must not be able to tell apart.
template <class App, class Host>
std::uint32_t Hub<App, Host>::find_session(const Handoff<App>& handoff, Sequence last_seq) const {
  std::string_view node;
  const std::string_view name = handoff.request.query("session");
  const auto id = SessionId::parse(name, is_clustered ? &node : nullptr);
  if (!id) return none;
  const auto found = sessions_.find(*id);
  if (found == sessions_.end()) return none;
  const ClientType& client = clients_[found->second];
  if constexpr (is_clustered)
    if (client.session->is_moving || !handover_.is_home_of(client.session->id, node)) return none;
  if (client.user.id != handoff.user.id || last_seq > client.session->log.newest_sequence()) return none;
  return found->second;
}

/// A plain client (without `last_seq`), or a new session.
template <class App, class Host>
void Hub<App, Host>::connect_new(TransportUse use, Handoff<App> handoff, std::optional<Sequence> last_seq) {
  const std::uint32_t slot =
      last_seq ? create_session(std::move(handoff.user)) : create_client(std::move(handoff.user));
  if (slot == none) return refuse(use, refusals::internal_error());
  const ConnectionId id = id_of(slot);
  add_to_user(slot);
  Transport& transport = transports_[use.slot];
  std::string early = std::move(transport.handshake->unread);
  open_websocket(transport, slot, handoff);
  if (last_seq) {
    // What a client has seen of a session that is not there (any more) nobody can count.
    const bool is_fresh = last_seq->value == 0 && handoff.request.query("session").empty();
    welcome(slot, false, 0, is_fresh ? std::optional<std::uint64_t>(0) : std::nullopt);
  }
  if constexpr (AppTraits<App>::has_on_open)
    run(
        id, [this, connection = Connection<App>(*this, id)]() mutable { return app_->on_open(connection); },
        [](bool) {});
  decode_early(use, early);
}

/// The client is back: same session, another socket.
template <class App, class Host>
void Hub<App, Host>::resume(TransportUse use, Handoff<App> handoff, std::uint32_t slot, Sequence last_seq) {
  ClientType& client = clients_[slot];
  const ConnectionId id = id_of(slot);
  auto& log = client.session->log;
  std::unique_ptr<HeldInput> held;
  if (client.is_attached()) {
    held = take_held_messages(transports_[client.transport]);
    take_over(id);
  } else {
    unpark(client);
  }
  const auto missed = log.get_missed_messages(last_seq);
  log.resume(last_seq);
  client.user = std::move(handoff.user);
  metrics_.sessions_resumed.add();
  metrics_.messages_missed.add(missed.missed);

  Transport& transport = transports_[use.slot];
  std::string early = std::move(transport.handshake->unread);
  open_websocket(transport, slot, handoff);
  transport.held = std::move(held);
  welcome(slot, missed.complete, missed.messages.size(), missed.missed);
  repeat_unsubscribed(id);

  recheck_subscriptions(id, use);
  if constexpr (AppTraits<App>::has_on_resume) {
    const Resume how{missed.complete, missed.messages.size(), missed.missed};
    if (find(id) != nullptr)
      run(
          id,
          [this, how, connection = Connection<App>(*this, id)]() mutable {
            return app_->on_resume(connection, Resume(how));
          },
          [](bool) {});
  }
  run_held(use);
  decode_early(use, early);
}

/// Parts a session from the socket that it still has.
template <class App, class Host>
void Hub<App, Host>::take_over(ConnectionId id) {
  ClientType& client = *find(id);
  Transport& old = transports_[client.transport];
#ifdef SWITCHBOARD_PLANTED_BUG
  if (SWITCHBOARD_PLANTED_BUG == 3)
    old.phase = Phase::finishing;
  else
#endif
    begin_close(old, CloseCode::replaced, "another connection has taken the session over", false,
                Phase::closing);
  client.session->log.park();  // for a moment, so that what is not written yet adds up no further
  old.client = none;
  client.transport = none;
  metrics_.connections.subtract();
  metrics_.sessions_attached.subtract();
}

template <class App, class Host>
void Hub<App, Host>::open_websocket(Transport& transport, std::uint32_t client, const Handoff<App>& handoff) {
  transport.handshake.reset();
  transport.phase = Phase::open;
  transport.client = client;
  transport.rate = RateLimiter(static_cast<std::uint32_t>(options_.limits.messages_per_second));
  clients_[client].transport = transport.owner;
  transport.queue.push(EncodedMessage::raw(upgrade_response(handoff.request, handoff.subprotocol)));
  announce(transport);
  if (std::exchange(transport.is_paused, false)) host_.want_input(TransportId{transport.owner}, true);

  metrics_.connections.add();
  metrics_.connections_opened.add();
  if (clients_[client].session) metrics_.sessions_attached.add();
  std::uint32_t random = 0;
  host_.random_bytes(std::as_writable_bytes(std::span(&random, 1)));
  heartbeat::start(options_.heartbeat, transport.heartbeat, host_.now(),
                   static_cast<double>(random) / 4294967296.0);
  schedule_beat(transport);
}

/// A stateful client's first frame. It goes before all that waits in the log.
template <class App, class Host>
void Hub<App, Host>::welcome(std::uint32_t client, bool recovered, std::uint64_t replayed,
                             std::optional<std::uint64_t> missed) {
  const auto milliseconds = [](Duration duration) {
    if (duration == Duration::max()) duration = {};  // never, which is 0 on the wire
    return static_cast<unsigned long long>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  const Session& session = *clients_[client].session;
  JsonObjectText heartbeat_text;
  heartbeat_text.number("interval_ms", milliseconds(heartbeat::interval(options_.heartbeat)))
      .number("timeout_ms", milliseconds(heartbeat::timeout(options_.heartbeat)));
  JsonObjectText text;
  text.string("type", "welcome")
      .string("session", session_name(session.id))
      .number("seq", session.log.newest_sequence().value)
      .boolean("recovered", recovered)
      .number("replayed", replayed)
      .raw("missed", missed ? std::to_string(*missed) : "null")
      .raw("heartbeat", heartbeat_text.take());
  transports_[clients_[client].transport].queue.push(EncodedMessage::frame(Opcode::text, text.take()));
}

template <class App, class Host>
std::string Hub<App, Host>::session_name(const SessionId& id) const {
  if constexpr (is_clustered)
    return handover_.name_of(id);
  else
    return id.to_string();
}

/// Frames that came behind the request, before it was answered.
template <class App, class Host>
void Hub<App, Host>::decode_early(TransportUse use, std::string& bytes) {
  Transport* transport = find(use);
  if (transport != nullptr && !bytes.empty()) decode(use, bytes);
}

/// The resumed client may have other rights now than it had: what it may no longer hear it is taken off. Then
/// it counts as present in the rest; nobody sees it come back to where it may not be.
template <class App, class Host>
void Hub<App, Host>::recheck_subscriptions(ConnectionId id, TransportUse use) {
  if constexpr (AppTraits<App>::has_may_subscribe) {
    const std::vector<std::string> channels = subscribers_.channels_of(id);
    const auto answered = [this, id, use, missing = std::make_shared<std::size_t>(channels.size() + 1)] {
      if (--*missing == 0) return_to_presence(id, use);
    };
    for (const std::string& channel : channels) {
      if (find(id) == nullptr) return;  // the App has ended it meanwhile
      ask_may_subscribe(id, channel, [this, id, channel, answered](bool allowed) {
        if (!allowed && find(id) != nullptr && leave_channel(id, channel))
          tell_unsubscribed(id, channel, true);
        answered();
      });
    }
    answered();
  } else {
    return_to_presence(id, use);
  }
}

template <class App, class Host>
void Hub<App, Host>::refuse(TransportUse use, const Refusal& refusal, bool head_only) {
  metrics_.handshakes_refused.add();
  respond(use, http_response(refusal, head_only));
}

/// Answers over HTTP and closes behind it.
template <class App, class Host>
void Hub<App, Host>::respond(TransportUse use, std::string response) {
  Transport* transport = find(use);
  if (transport == nullptr) return;
  transport->handshake.reset();
  transport->phase = Phase::finishing;
  transport->queue.push(EncodedMessage::raw(response));
  if (std::exchange(transport->is_paused, false)) host_.want_input(TransportId{use.slot}, true);
  start_close_timer(*transport);
  announce(*transport);
}

template <class App, class Host>
void Hub<App, Host>::drain() {
  is_draining_ = true;
  for (std::uint32_t slot = 0; slot < transports_.slot_count(); ++slot) {
    if (!transports_.is_in_use(slot)) continue;
    Transport& transport = transports_[slot];
    if (transport.phase == Phase::open)
      close_client(id_of(transport.client), CloseCode::going_away, "the server is stopping", true,
                   PresenceMode::cut, Fate::park);
    else if (transport.phase == Phase::request)
      refuse(use_of(slot), refusals::server_draining());
  }
}

template <class App, class Host>
void Hub<App, Host>::abort_all() {
  for (std::uint32_t slot = 0; slot < transports_.slot_count(); ++slot) {
    if (!transports_.is_in_use(slot)) continue;
    if (transports_[slot].client != none)
      lose_socket(id_of(transports_[slot].client), PresenceMode::cut, Fate::park,
                  {CloseCode::abnormal, {}, false});
    if (transports_.is_in_use(slot)) release_socket(slot, SocketClose::abort);
  }
}

template <class App, class Host>
void Hub<App, Host>::shut_down() {
  is_draining_ = is_shut_down_ = true;
  for (std::uint32_t slot = 0; slot < transports_.slot_count(); ++slot) {
    if (!transports_.is_in_use(slot)) continue;
    if (transports_[slot].client != none) {
      ClientType& client = clients_[transports_[slot].client];
      client.transport = none;
      client.has_ended = !client.session;  // without on_close: the App may be on its way out already
      metrics_.connections.subtract();
      if (client.session) metrics_.sessions_attached.subtract();
    }
    transports_.erase(slot);
  }
  port_.reset();
  calls_.clear();
  if constexpr (is_clustered) handover_.clear();
}

}  // namespace switchboard::inline v1
