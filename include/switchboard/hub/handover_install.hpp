// SPDX-License-Identifier: MIT
// Internal, a part of Handover: a session that has come from another hub becomes one of this.
#pragma once
#include <algorithm>

#include <switchboard/hub/handover.hpp>

namespace switchboard::inline v1 {

/// All of the snapshot is here.
template <class App, class Host>
void Handover<App, Host>::install(Import& import) {
  if (const auto found = hub_.sessions_.find(import.session); found != hub_.sessions_.end()) {
    // Left of an earlier move, whose last word got lost.
    const ConnectionId old = hub_.id_of(found->second);
    if (!hub_.find(old)->session->is_moving) return fail(import);
    const std::uint64_t token = import.token;
    hub_.end(old, HubType::PresenceMode::cut,
             {CloseCode::replaced, "the session has moved to another node", false});
    if (find_import(token) == nullptr) return;  // the App has been told of that, and may do anything
  }
  std::optional<SessionSnapshot> snapshot = SessionSnapshot::decode(import.snapshot);
  if (!snapshot || !choose_waiter(import, *snapshot)) return fail(import);
  const std::uint32_t slot = create(import, *snapshot);
  if (slot == HubType::none) {
    hub_.refuse(import.waiting.front().use, refusals::internal_error());
    import.waiting.erase(import.waiting.begin());
    return fail(import);
  }
  const ConnectionId id = hub_.id_of(slot);
  const auto taken = take(import);
  send_step(taken->from, Step::taken, taken->token);
  hub_.metrics_.sessions_taken_over.add();
  replay_events(*taken, *snapshot, id);
  for (const auto& channel : taken->channels)
    if (!channel.name.starts_with(user_channel_prefix)) hub_.unlink_channel_if_unused(channel.name);
  connect_waiting(*taken, id);
  if (const auto* client = hub_.find(id); client != nullptr && !client->is_attached())
    hub_.enforce_parked_bounds(id);
  hub_.unlink_user_if_unused(taken->user);
}

/// Puts to the front the client to whom the session goes: one that is still here if there is such a one, and
/// that claims to have seen no more than there is; if the user has been disconnected, which ends the session,
/// one that came before that. False if there is none: to them it is unknown.
template <class App, class Host>
bool Handover<App, Host>::choose_waiter(Import& import, const SessionSnapshot& snapshot) {
  const auto rank = [&](const Waiter& waiter) {
    if (waiter.last_seq.value > snapshot.newest_sequence) return 0;
    if (import.closing && !waiter.closing) return 0;
    return hub_.find(waiter.use) != nullptr ? 2 : 1;
  };
  const auto chosen = std::max_element(import.waiting.begin(), import.waiting.end(),
                                       [&](const Waiter& a, const Waiter& b) { return rank(a) < rank(b); });
  std::rotate(import.waiting.begin(), chosen, chosen + 1);
  return rank(import.waiting.front()) > 0;
}

/// Makes the session as if it had been parked here; `none` if the App's State cannot be made.
template <class App, class Host>
std::uint32_t Handover<App, Host>::create(Import& import, const SessionSnapshot& snapshot) {
  const std::uint32_t slot = hub_.create_client(std::move(import.waiting.front().handoff.user));
  if (slot == HubType::none) return slot;
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
  for (const std::string& channel : snapshot.revoked) session.revoked.push_back({channel, nullptr});
  if constexpr (carries_state) {
    try {
      if (!snapshot.state.empty()) client.state = nlohmann::json::parse(snapshot.state).template get<State>();
    } catch (...) {
      hub_.report_current_exception();
    }
  }
  client.presence = HubType::PresenceMode::gone;  // until it is back, as far as this hub is concerned
  hub_.add_to_user(slot);
  const ConnectionId id = hub_.id_of(slot);
  for (const SessionSnapshot::Channel& channel : snapshot.channels) {
    if (!channel.is_subscribed || check_channel(channel.name)) continue;
    if (hub_.subscribers_.subscribe(id, channel.name)) {
      hub_.metrics_.subscriptions.add();
      hub_.account_subscription(id, channel.name, true);
    }
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
  session.log.restore(std::move(entries), snapshot.newest_sequence, snapshot.extra);
}

/// What has happened since, but for what the old hub had heard.
template <class App, class Host>
void Handover<App, Host>::replay_events(Import& import, SessionSnapshot& snapshot, ConnectionId id) {
  // What it is taken off on the way it hears no more of.
  const auto is_of_session = [&](const SessionSnapshot::Channel& channel) {
    return channel.name.starts_with(user_channel_prefix) || hub_.subscribers_.is_subscribed(id, channel.name);
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
  inherit(snapshot, id);
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
      if (is_newest(channel, envelope))
        hub_.deliver(id, HubType::presence_message(envelope.kind == Kind::join, channel.name, envelope.text,
                                                   envelope.body));
      return;
    }
    case Kind::user_json:
      hub_.deliver(id, EncodedMessage::json(envelope.body));
      return;
    case Kind::disconnect:
      return;  // once it has its socket: `closing`
    case Kind::unsubscribe:
      if (hub_.find(id) != nullptr && hub_.leave_channel(id, envelope.text))
        hub_.tell_unsubscribed(id, std::string(envelope.text), false);
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
void Handover<App, Host>::inherit(SessionSnapshot& snapshot, ConnectionId id) {
  const TimePoint until = hub_.host_.now() + inheritance_time;
  for (SessionSnapshot::Channel& channel : snapshot.channels) {
    std::string name = channel.name;
    const bool has_left =
        !name.starts_with(user_channel_prefix) && !hub_.subscribers_.is_subscribed(id, name);
    inherited_[std::move(name)].push_back({id, std::move(channel), until, has_left});
  }
  if (inherited_.empty() || forgetting_.is_scheduled()) return;
  hub_.wheel_.schedule(forgetting_, until);
  hub_.schedule_wake_up();
}

template <class App, class Host>
std::vector<ConnectionId> Handover<App, Host>::find_those_who_had(std::string_view channel,
                                                                  const Envelope& envelope) {
  std::vector<ConnectionId> had;
  const auto found = inherited_.find(channel);
  if (found == inherited_.end()) return had;
  std::vector<ConnectionId> told;
  for (Inherited& one : found->second) {
    bool has_had = false;
    if (std::uint64_t* heard = find_counter(one.channel.heard, envelope.origin)) {
      has_had = envelope.counter <= *heard;
      if (!has_had && !one.has_left && envelope.counter != *heard + 1) told.push_back(one.session);
      *heard = std::max(*heard, envelope.counter);
    }
    const bool is_presence = envelope.kind == Envelope::Kind::join || envelope.kind == Envelope::Kind::leave;
    if (!has_had && is_presence) has_had = !is_newest(one.channel, envelope);
    if (has_had) had.push_back(one.session);
  }
  for (const ConnectionId id : told) hub_.tell_session_gap(id, channel);
  return had;
}

template <class App, class Host>
void Handover<App, Host>::forget_inherited() {
  std::optional<TimePoint> next;
  for (auto place = inherited_.begin(); place != inherited_.end();) {
    auto& of_channel = place->second;
    std::erase_if(of_channel, [&](const Inherited& one) { return one.until <= hub_.host_.now(); });
    for (const Inherited& one : of_channel) next = next ? std::min(*next, one.until) : one.until;
    place = of_channel.empty() ? inherited_.erase(place) : std::next(place);
  }
  if (!next) return;
  hub_.wheel_.schedule(forgetting_, *next);
  hub_.schedule_wake_up();
}

template <class App, class Host>
void Handover<App, Host>::connect_waiting(Import& import, ConnectionId id) {
  Waiter& first = import.waiting.front();
  const bool is_here = hub_.find(first.use) != nullptr;
  auto* const client = hub_.find(id);
  if (is_here && client == nullptr) {
    // The App has closed it as it heard what had happened meanwhile, and the User has gone with it.
    hub_.refuse(first.use, refusals::internal_error());
  } else if (is_here && hub_.is_draining_) {
    hub_.refuse(first.use, refusals::server_draining());
  } else if (is_here) {
    if (import.closing) hub_.transports_[first.use.slot].handshake->unread.clear();
    first.handoff.user = std::move(client->user);  // resume gives it back at once
    hub_.resume(first.use, std::move(first.handoff), id.slot, first.last_seq);
  }
  if (import.closing) hub_.close(id, *import.closing, HubType::disconnected_reason);
  for (std::size_t i = 1; i < import.waiting.size(); ++i) finish_waiter(import.waiting[i]);
}

}  // namespace switchboard::inline v1
