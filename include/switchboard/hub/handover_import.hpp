// SPDX-License-Identifier: MIT
// Handover: a session comes from another hub.
#pragma once
#include <algorithm>

#include <switchboard/hub/handover.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
bool Handover<App, Host>::import_session(TransportUse use, Handoff<App>& handoff, Sequence last_seq) {
  std::string_view node;
  const auto session = parse(handoff.request.query("session"), node);
  if (!session || !hub_.has_peers()) return false;
  if (Import* import = find_import(*session, handoff.user.id)) {
    import->waiting.push_back({use, std::move(handoff), last_seq});
    return true;
  }
  auto made = std::make_unique<Import>();
  Import& import = *made;
  import.kind = static_cast<std::uint8_t>(TimerKind::handover);
  import.session = *session;
  import.node = node;
  import.user = handoff.user.id;
  import.token = random_token();
  import.deadline = hub_.host_.now() + max_wait;
  import.waiting.push_back({use, std::move(handoff), last_seq});
  importing_[import.session].push_back(import.token);
  imports_.emplace(import.token, std::move(made));
  if (!import.user.empty()) link(import, user_channel(import.user));
  look(import);
  return true;
}

template <class App, class Host>
auto Handover<App, Host>::find_import(const SessionId& session, std::string_view user) -> Import* {
  const auto found = importing_.find(session);
  if (found == importing_.end()) return nullptr;
  for (const std::uint64_t token : found->second)
    if (Import* import = find_import(token); import != nullptr && import->user == user) return import;
  return nullptr;
}

/// Asks whoever holds sessions that began there for this one; again and again, since it may be on its way
/// from one to another, or back in this very hub.
template <class App, class Host>
void Handover<App, Host>::look(Import& import) {
  if (import.stage != Import::Stage::looking) return schedule(import);
  const Waiter& first = import.waiting.front();
  if (hub_.find_session(first.handoff, first.last_seq) != HubType::none) {
    const auto taken = take(import);
    for (Waiter& waiter : taken->waiting) finish_waiter(waiter);
    return;
  }
  HandoverMessage find{.step = Step::find, .token = import.token, .session = import.session};
  find.home = import.node;
  find.user = import.user;
  find.last_seq = first.last_seq.value;
  find.answer_to = own_channel();
  send(node_channel(import.node, import.session.shard), find,
       [this, token = import.token](std::error_code error) {
         Import* asking = find_import(token);
         if (error && asking != nullptr && asking->stage == Import::Stage::looking) fail(*asking);
       });
  schedule(import);
  import.retry *= 2;
}

template <class App, class Host>
void Handover<App, Host>::schedule(Import& import) {
  TimePoint next = import.deadline;
  if (import.stage == Import::Stage::looking) next = std::min(next, hub_.host_.now() + import.retry);
  hub_.wheel_.schedule(import, next);
  hub_.schedule_wake_up();
}

/// Whoever holds the session says in which channels it is; more may follow.
template <class App, class Host>
void Handover<App, Host>::receive_offer(Import& import, const HandoverMessage& offer) {
  if (import.stage != Import::Stage::looking && offer.answer_to != import.from) return;
  if (!offer.answer_to.starts_with(node_channel_prefix)) return;
  import.from = offer.answer_to;
  bool has_more = import.stage == Import::Stage::looking;
  for (const HandoverMessage::Channel& offered : offer.channels) {
    const auto is_same = [&](const auto& known) { return known.name == offered.name; };
    if (std::any_of(import.channels.begin(), import.channels.end(), is_same)) continue;
    if (check_channel(offered.name)) return fail(import);
    has_more = true;
  }
  if (!has_more) return;
  import.stage = Import::Stage::linking;
  ++import.links_missing;  // until all have been begun
  if (!std::exchange(import.holds_home, true)) {
    import.home = use_home(import.node, import.session.shard);
    Home& home = homes_[import.home];
    if (!home.is_confirmed && import.home != 0) {
      ++import.links_missing;
      home.waiting.push_back(
          [this, token = import.token](std::error_code error) { linked(token, {}, error); });
    }
  }
  const std::uint64_t token = import.token;
  for (const HandoverMessage::Channel& offered : offer.channels) {
    const auto is_same = [&](const auto& known) { return known.name == offered.name; };
    if (std::any_of(import.channels.begin(), import.channels.end(), is_same)) continue;
    link(import, offered.name);
    hub_.link_channel(offered.name, [this, token, name = offered.name](std::error_code error) {
      linked(token, name, error);
    });
    if (find_import(token) == nullptr) return;
  }
  linked(token, {}, {});
}

/// From now on what happens on the channel is buffered for the session.
template <class App, class Host>
void Handover<App, Host>::link(Import& import, const std::string& channel) {
  typename Import::Channel added{.name = channel, .is_linked = false, .is_marked = false, .first = {}};
  for (const auto& [origin, counter] : heard_on(channel))
    if (counter != ~std::uint64_t{0}) added.first.emplace_back(origin, counter + 1);
  if (channel.starts_with(user_channel_prefix))
    added.is_linked = true;  // as the user's channel was before its request got here
  else
    ++import.links_missing;
  import.channels.push_back(std::move(added));
  buffering_[channel].push_back(import.token);
}

/// The broker's word for a channel; an empty name: for something else that was waited for.
template <class App, class Host>
void Handover<App, Host>::linked(std::uint64_t token, const std::string& channel, std::error_code error) {
  Import* import = find_import(token);
  if (import == nullptr) return;
  if (error) return fail(*import);
  for (auto& known : import->channels)
    if (known.name == channel) known.is_linked = true;
  --import->links_missing;
  pull_when_linked(*import);
}

template <class App, class Host>
void Handover<App, Host>::pull_when_linked(Import& import) {
  if (import.links_missing > 0 || import.stage != Import::Stage::linking) return;
  import.stage = Import::Stage::pulling;
  schedule(import);
  const Done on_failure = [this, token = import.token](std::error_code error) {
    Import* asking = find_import(token);
    if (error && asking != nullptr) fail(*asking);
  };
  const auto marker = std::make_shared<const std::string>(
      Envelope{.kind = Envelope::Kind::marker, .counter = import.token}.encode());
  HandoverMessage pull{.step = Step::pull, .token = import.token};
  pull.answer_to = own_channel();
  for (auto& channel : import.channels) {
    if (!std::exchange(channel.is_marked, true)) hub_.port_->publish(channel.name, marker, on_failure);
    pull.channels.push_back({channel.name, channel.first});
  }
  send(import.from, pull, on_failure);
}

/// Keeps what happens on a channel for the sessions that are on their way here.
template <class App, class Host>
void Handover<App, Host>::buffer(std::string_view channel, const Envelope* envelope, const Payload& payload) {
  const auto keep = [&](std::uint64_t token, const std::string& name) {
    Import& import = *find_import(token);
    import.events.push_back({name, payload});
    import.event_bytes += sizeof(Event) + name.size() + (payload ? payload->size() : 0);
    if (envelope == nullptr) return;
    for (auto& known : import.channels)
      if (known.name == name && find_counter(known.first, envelope->origin) == nullptr)
        known.first.emplace_back(envelope->origin, envelope->counter);
  };
  if (channel.empty()) {  // a gap on every channel
    for (const auto& [token, import] : imports_) keep(token, {});
    return;
  }
  const auto found = buffering_.find(channel);
  if (found == buffering_.end()) return;
  std::vector<std::uint64_t> full;
  for (const std::uint64_t token : found->second) {
    keep(token, found->first);
    if (find_import(token)->event_bytes > max_event_bytes) full.push_back(token);
  }
  for (const std::uint64_t token : full)
    if (Import* import = find_import(token)) fail(*import);
}

/// The old hub has it no more: it has gone on to another, which is to be found.
template <class App, class Host>
void Handover<App, Host>::start_again(Import& import) {
  if (import.stage == Import::Stage::looking) return;
  import.stage = Import::Stage::looking;
  import.from.clear();
  import_bytes_ -= import.snapshot.size();
  import.snapshot = {};
  import.snapshot_size = import.next_chunk = 0;
  import.retry = first_retry;
  for (auto& channel : import.channels) channel.is_marked = false;
  look(import);
}

template <class App, class Host>
void Handover<App, Host>::receive_chunk(Import& import, const HandoverMessage& chunk) {
  if (import.stage != Import::Stage::pulling || chunk.index < import.next_chunk) return;  // sent twice
  const std::size_t size = import.snapshot.size() + chunk.piece.size();
  const bool fits = chunk.total <= max_snapshot_bytes && size <= chunk.total && !chunk.piece.empty() &&
                    import_bytes_ + chunk.piece.size() <= max_bytes;
  if (chunk.index != import.next_chunk || !fits) return fail(import);
  if (chunk.index > 0 && chunk.total != import.snapshot_size) return fail(import);
  if (chunk.index == 0) import.snapshot_size = chunk.total;
  ++import.next_chunk;
  import.snapshot += chunk.piece;
  import_bytes_ += chunk.piece.size();
  if (size == import.snapshot_size) install(import);
}

/// Ends the import; its place in the maps, and what it kept alive, is given up by the caller's letting it go.
template <class App, class Host>
auto Handover<App, Host>::take(Import& import) -> std::unique_ptr<Import> {
  const auto found = imports_.find(import.token);
  std::unique_ptr<Import> taken = std::move(found->second);
  imports_.erase(found);
  import_bytes_ -= taken->snapshot.size();
  const auto forget = [&](auto& map, const auto& key) {
    const auto place = map.find(key);
    if (place == map.end()) return;
    std::erase(place->second, taken->token);
    if (place->second.empty()) map.erase(place);
  };
  forget(importing_, taken->session);
  for (const auto& channel : taken->channels) forget(buffering_, channel.name);
  taken->cancel();
  return taken;
}

/// The clients that wait get what they would have got of an unknown session.
template <class App, class Host>
void Handover<App, Host>::fail(Import& import) {
  const auto taken = take(import);
  hub_.metrics_.sessions_not_found.add();
  if (!taken->from.empty()) send_step(taken->from, Step::cancel, taken->token);
  if (taken->holds_home) release_home(taken->home);
  for (const auto& channel : taken->channels)
    if (!channel.name.starts_with(user_channel_prefix)) hub_.unlink_channel_if_unused(channel.name);
  for (Waiter& waiter : taken->waiting) finish_waiter(waiter);
  hub_.unlink_user_if_unused(taken->user);
}

/// The client goes on in the session if that is here, else in a new one.
template <class App, class Host>
void Handover<App, Host>::finish_waiter(Waiter& waiter) {
  if (hub_.find(waiter.use) == nullptr) return;
  if (hub_.is_draining_) return hub_.refuse(waiter.use, refusals::server_draining());
  const std::uint32_t slot = hub_.find_session(waiter.handoff, waiter.last_seq);
  if (slot != HubType::none) return hub_.resume(waiter.use, std::move(waiter.handoff), slot, waiter.last_seq);
  hub_.connect_new(waiter.use, std::move(waiter.handoff), waiter.last_seq);
}

/// All of the snapshot is here.
template <class App, class Host>
void Handover<App, Host>::install(Import& import) {
  std::optional<SessionSnapshot> snapshot = SessionSnapshot::decode(import.snapshot);
  if (snapshot && hub_.sessions_.contains(import.session)) {
    // Left of an earlier move, whose last word got lost.
    const ConnectionId old = hub_.id_of(hub_.sessions_.find(import.session)->second);
    if (!hub_.find(old)->session->is_moving) return fail(import);
    hub_.end(old, HubType::PresenceMode::cut,
             {CloseCode::replaced, "the session has moved to another node", false});
  }
  if (!snapshot) return fail(import);
  const std::uint32_t slot = create(import, *snapshot);
  const ConnectionId id = hub_.id_of(slot);
  const auto taken = take(import);
  send_step(taken->from, Step::taken, taken->token);
  hub_.metrics_.sessions_taken_over.add();
  replay_events(*taken, *snapshot, id);
  for (const auto& channel : taken->channels)
    if (!channel.name.starts_with(user_channel_prefix)) hub_.unlink_channel_if_unused(channel.name);
  hub_.enforce_parked_bounds(id);
  connect_waiting(*taken, id);
  hub_.unlink_user_if_unused(taken->user);
}

/// Makes the session as if it had been parked here.
template <class App, class Host>
std::uint32_t Handover<App, Host>::create(Import& import, const SessionSnapshot& snapshot) {
  const auto is_here = [this](const Waiter& waiter) { return hub_.find(waiter.use) != nullptr; };
  const auto first = std::find_if(import.waiting.begin(), import.waiting.end(), is_here);
  if (first != import.waiting.end()) std::rotate(import.waiting.begin(), first, first + 1);

  const std::uint32_t slot = hub_.clients_.emplace(std::move(import.waiting.front().handoff.user));
  auto& client = hub_.clients_[slot];
  const auto& options = hub_.options_.sessions;
  client.session = std::make_unique<Session>(ReplayOptions{options.replay, options.replay_bytes});
  Session& session = *client.session;
  session.owner = slot;
  session.id = import.session;
  session.id.home = import.home;
  import.holds_home = false;  // the session's from here on
  hub_.sessions_.emplace(session.id, slot);
  restore_log(session, snapshot);
  if (!snapshot.publish_ids.empty()) session.publish_ids = std::make_unique<PublishIds>();
  for (const std::string& id : snapshot.publish_ids) session.publish_ids->insert(id);
  if constexpr (carries_state) {
    try {
      if (!snapshot.state.empty()) client.state = nlohmann::json::parse(snapshot.state).template get<State>();
    } catch (const std::exception& exception) {
      hub_.report_exception(exception.what());
    }
  }
  client.presence = HubType::PresenceMode::gone;  // until it is back, as far as this hub is concerned
  hub_.add_to_user(slot);
  const ConnectionId id = hub_.id_of(slot);
  for (const SessionSnapshot::Channel& channel : snapshot.channels) {
    if (!channel.is_subscribed || check_channel(channel.name)) continue;
    if (hub_.subscribers_.subscribe(id, channel.name)) hub_.metrics_.subscriptions.add();
    if (channel.wants_presence) hub_.watchers_.subscribe(id, channel.name);
  }
  hub_.shelve(id);
  return slot;
}

template <class App, class Host>
void Handover<App, Host>::restore_log(Session& session, const SessionSnapshot& snapshot) {
  using Entry = SessionSnapshot::Entry;
  std::vector<StatefulConnection<>::Entry> entries;
  entries.reserve(snapshot.entries.size());
  for (const Entry& entry : snapshot.entries) {
    StatefulConnection<>::Entry restored{{}, entry.sequence, entry.missed};
    const std::uint64_t key =
        entry.channel > 0 ? HubType::conflation_key(snapshot.channels[entry.channel - 1].name) : 0;
    if (entry.kind == Entry::Kind::json) {
      restored.message = EncodedMessage::json(entry.payload, key);
    } else if (entry.kind == Entry::Kind::binary) {
      ByteReader reader(entry.payload);
      const std::uint32_t type = reader.u32();
      restored.message = EncodedMessage::binary(type, reader.rest(), key);
    }
    entries.push_back(std::move(restored));
  }
  session.log.restore(std::move(entries), snapshot.newest_sequence);
}

/// What has happened since, but for what the old hub had heard.
template <class App, class Host>
void Handover<App, Host>::replay_events(Import& import, SessionSnapshot& snapshot, ConnectionId id) {
  const auto is_of_session = [](const SessionSnapshot::Channel& channel) {
    return channel.is_subscribed || channel.name.starts_with(user_channel_prefix);
  };
  for (const SessionSnapshot::Channel& channel : snapshot.channels)
    if (channel.is_unsure && is_of_session(channel)) hub_.tell_session_gap(id, channel.name);
  for (const Event& event : import.events) {
    if (event.channel.empty()) {
      hub_.tell_session_gap(id, {});
      continue;
    }
    for (SessionSnapshot::Channel& channel : snapshot.channels)
      if (channel.name == event.channel && is_of_session(channel)) {
        replay_event(event, channel, id, import);
        break;
      }
  }
  tell_unheard(snapshot, id);
  for (const SessionSnapshot::Channel& channel : snapshot.channels)
    if (ChannelLinks::Link* link = hub_.links_.find(channel.name))
      for (const auto& [user, version] : channel.presence_seen) ChannelLinks::is_newest(*link, user, version);
}

template <class App, class Host>
void Handover<App, Host>::replay_event(const Event& event, SessionSnapshot::Channel& channel, ConnectionId id,
                                       Import& import) {
  if (!event.payload) return hub_.tell_session_gap(id, event.channel);
  const std::optional<Envelope> envelope = Envelope::decode(*event.payload);
  if (!envelope) return;
  if (std::uint64_t* heard = find_counter(channel.heard, envelope->origin)) {
    if (envelope->counter <= *heard) return;
    if (envelope->counter != *heard + 1) hub_.tell_session_gap(id, event.channel);
    *heard = envelope->counter;
  } else {
    channel.heard.emplace_back(envelope->origin, envelope->counter);
  }
  apply(*envelope, channel, id, import);
}

template <class App, class Host>
void Handover<App, Host>::apply(const Envelope& envelope, SessionSnapshot::Channel& channel, ConnectionId id,
                                Import& import) {
  using Kind = Envelope::Kind;
  switch (envelope.kind) {
    case Kind::json:
      hub_.deliver(id, EncodedMessage::json(envelope.body, HubType::conflation_key(channel.name)));
      return;
    case Kind::binary:
      hub_.deliver(
          id, EncodedMessage::binary(envelope.number, envelope.body, HubType::conflation_key(channel.name)));
      return;
    case Kind::join:
    case Kind::leave: {
      if (!channel.wants_presence || envelope.text == import.user) return;
      ChannelLinks::Link seen;
      seen.presence_seen.swap(channel.presence_seen);
      const bool is_news = ChannelLinks::is_newest(seen, envelope.text, envelope.presence_version);
      channel.presence_seen.swap(seen.presence_seen);
      if (is_news)
        hub_.deliver(id, HubType::presence_message(envelope.kind == Kind::join, channel.name, envelope.text,
                                                   envelope.body));
      return;
    }
    case Kind::user_json:
      hub_.deliver(id, EncodedMessage::json(envelope.body));
      return;
    case Kind::disconnect:
      import.closing = static_cast<CloseCode>(envelope.number);  // once it has its socket
      return;
    case Kind::unsubscribe:
      if (hub_.find(id) != nullptr) hub_.leave_channel(id, envelope.text);
      return;
    case Kind::handover:
    case Kind::marker:
      return;
  }
}

/// What was heard here before buffering began, and never by the old hub, is lost: that must be told.
template <class App, class Host>
void Handover<App, Host>::tell_unheard(SessionSnapshot& snapshot, ConnectionId id) {
  for (SessionSnapshot::Channel& channel : snapshot.channels) {
    if (!channel.is_subscribed && !channel.name.starts_with(user_channel_prefix)) continue;
    bool is_missing = false;
    for (const auto& [origin, counter] : heard_on(channel.name)) {
      const std::uint64_t* heard = find_counter(channel.heard, origin);
      is_missing |= heard != nullptr && counter != ~std::uint64_t{0} && counter > *heard;
    }
    if (is_missing) hub_.tell_session_gap(id, channel.name);
  }
}

template <class App, class Host>
void Handover<App, Host>::connect_waiting(Import& import, ConnectionId id) {
  auto* client = hub_.find(id);
  Waiter& first = import.waiting.front();
  const bool is_here = hub_.find(first.use) != nullptr;
  if (is_here && client == nullptr) {
    hub_.refuse(first.use, refusals::internal_error());  // over a bound: its user has gone with the session
  } else if (is_here && hub_.is_draining_) {
    hub_.refuse(first.use, refusals::server_draining());
  } else if (is_here) {
    first.handoff.user = std::move(client->user);  // resume gives it back at once
    hub_.resume(first.use, std::move(first.handoff), id.slot, first.last_seq);
  }
  for (std::size_t i = 1; i < import.waiting.size(); ++i) finish_waiter(import.waiting[i]);
  if (import.closing) hub_.close(id, *import.closing, "disconnected by the server");
}

}  // namespace switchboard::inline v1
