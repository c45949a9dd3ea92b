// SPDX-License-Identifier: MIT
// Internal, a part of Handover: a session goes to another hub.
#pragma once
#include <algorithm>

#include <switchboard/hub/handover.hpp>

namespace switchboard::inline v1 {

/// Silence, unless the session is here and may go there: who asks for what it must not have learns nothing.
template <class App, class Host>
void Handover<App, Host>::receive_find(const HandoverMessage& find) {
  if (Export* known = find_export(find.token)) {
    if (known->is_pulled) return;
    // Who claimed less has gone, and may be here: to those who are left it is unknown.
    if (find.last_seq > hub_.find(known->client)->session->log.newest_sequence().value)
      return give_up(*known);
    return offer(*known);
  }
  const auto found = hub_.sessions_.find(find.session);
  if (found == hub_.sessions_.end() || !find.answer_to.starts_with(node_channel_prefix)) return;
  const auto& client = hub_.clients_[found->second];
  Session& session = *client.session;
  if (!is_home_of(session.id, find.home) || client.user.id != find.user ||
      find.last_seq > session.log.newest_sequence().value)
    return;
  if (session.is_moving) return remember_asking(found->second, find);
  auto made = std::make_unique<Export>();
  Export& export_ = *made;
  export_.kind = static_cast<std::uint8_t>(TimerKind::handover);
  export_.owner = export_owner;
  export_.client = hub_.id_of(found->second);
  export_.token = find.token;
  export_.to = find.answer_to;
  exports_.emplace(export_.token, std::move(made));
  exporting_[export_.client.slot] = export_.token;
  session.is_moving = true;  // one after the other: from here on nobody else may resume it
  hub_.wheel_.schedule(export_, hub_.host_.now() + max_wait);
  hub_.schedule_wake_up();
  add_missing_channels(export_);
  offer(export_);
}

/// The session is on its way to another hub, or perhaps not: this one is told when that is decided.
template <class App, class Host>
void Handover<App, Host>::remember_asking(std::uint32_t slot, const HandoverMessage& find) {
  const auto exporting = exporting_.find(slot);
  if (exporting == exporting_.end()) return;
  auto& asking = find_export(exporting->second)->asking;
  const bool is_known =
      std::any_of(asking.begin(), asking.end(), [&](const auto& one) { return one.second == find.token; });
  if (!is_known && asking.size() < max_asking) asking.emplace_back(find.answer_to, find.token);
}

/// The channels that the session is in, and its user's, of which a marker is to come. True if there were new
/// ones.
template <class App, class Host>
bool Handover<App, Host>::add_missing_channels(Export& export_) {
  const std::size_t before = export_.channels.size();
  const auto add = [&](std::string_view name) {
    const auto is_same = [&](const auto& channel) { return channel.name == name; };
    if (std::none_of(export_.channels.begin(), export_.channels.end(), is_same))
      export_.channels.push_back({std::string(name), false, {}});
  };
  const std::string& user = hub_.find(export_.client)->user.id;
  if (!user.empty()) add(user_channel(user));
  hub_.subscribers_.for_each_channel(export_.client, add);
  return export_.channels.size() > before;
}

template <class App, class Host>
void Handover<App, Host>::offer(Export& export_) {
  HandoverMessage message{.step = Step::offer, .token = export_.token};
  message.answer_to = own_channel();
  for (const auto& channel : export_.channels)
    if (!channel.name.starts_with(user_channel_prefix)) message.channels.push_back({channel.name, {}});
  send(export_.to, message, [this, token = export_.token](std::error_code error) {
    Export* offered = find_export(token);
    if (error && offered != nullptr) give_up(*offered);
  });
}

/// The new hub hears all the channels that it was offered. From here on the session can be resumed nowhere
/// else.
template <class App, class Host>
void Handover<App, Host>::receive_pull(Export& export_, const HandoverMessage& pull) {
  if (export_.is_frozen) return;
  for (const HandoverMessage::Channel& pulled : pull.channels)
    for (auto& channel : export_.channels)
      if (channel.name == pulled.name) channel.first = pulled.first;
  if (!std::exchange(export_.is_pulled, true)) export_.pulled_at = hub_.host_.now();
  freeze_when_ready(export_);
}

/// Its socket gets 4001. Nobody is to hear that the user is away, as it is not.
template <class App, class Host>
void Handover<App, Host>::detach(ConnectionId id) {
  auto& client = *hub_.find(id);
  if (!client.is_attached()) return;
  hub_.take_over(id);
  hub_.shelve(id);
}

template <class App, class Host>
void Handover<App, Host>::on_marker(std::string_view name, std::uint64_t token) {
  Export* export_ = find_export(token);
  if (export_ == nullptr) return;
  for (auto& channel : export_->channels)
    if (channel.name == name) channel.is_marked = true;
  if (export_->is_pulled && !export_->is_frozen) freeze_when_ready(*export_);
}

template <class App, class Host>
void Handover<App, Host>::freeze_when_ready(Export& export_) {
  const TimePoint now = hub_.host_.now();
  const auto& client = *hub_.find(export_.client);
  if (now - export_.pulled_at >= max_wait) return give_up(export_);
  const bool may_wait = now - export_.pulled_at < handler_patience;
  // What has come whole from its client is carried out first.
  if (may_wait && hub_.has_held_messages(client)) return poll(export_);
  detach(export_.client);
  switch (readiness(export_)) {
    case Readiness::has_more_channels:
      offer(export_);
      hub_.wheel_.schedule(export_, export_.pulled_at + max_wait);
      return hub_.schedule_wake_up();
    case Readiness::waiting:
      hub_.wheel_.schedule(export_, export_.pulled_at + patience);
      return hub_.schedule_wake_up();
    case Readiness::ready:
      break;
  }
  // What its handlers still send belongs to it, and so does what its publishes come to.
  const bool is_busy = client.busy > 0 && may_wait;
  const bool has_room = export_bytes_ == 0 || export_bytes_ + client.session->log.bytes() <= max_bytes;
  if (client.publishes_pending == 0 && !is_busy && has_room) return freeze(export_);
  poll(export_);
}

template <class App, class Host>
void Handover<App, Host>::poll(Export& export_) {
  hub_.wheel_.schedule(export_, hub_.host_.now() + poll_interval);
  hub_.schedule_wake_up();
}

template <class App, class Host>
auto Handover<App, Host>::readiness(Export& export_) -> Readiness {
  if (add_missing_channels(export_)) return Readiness::has_more_channels;
  if (hub_.host_.now() - export_.pulled_at >= patience) return Readiness::ready;
  for (const auto& channel : export_.channels) {
    if (has_heard(export_, channel)) continue;
    auto& awaiting = awaited_[channel.name];
    if (std::find(awaiting.begin(), awaiting.end(), export_.token) == awaiting.end())
      awaiting.push_back(export_.token);
    return Readiness::waiting;
  }
  return Readiness::ready;
}

/// How far the session has been, here or where it was before.
template <class App, class Host>
auto Handover<App, Host>::heard_by(ConnectionId session, std::string_view channel) const -> Counters {
  Counters heard = heard_on(channel);
  const auto inherited = inherited_.find(channel);
  if (inherited == inherited_.end()) return heard;
  for (const Inherited& one : inherited->second) {
    if (one.session != session) continue;
    for (const auto& [origin, counter] : one.channel.heard) {
      if (std::uint64_t* known = find_counter(heard, origin))
        *known = std::max(*known, counter);
      else
        heard.emplace_back(origin, counter);
    }
  }
  return heard;
}

/// Whether all that the new hub has not heard on the channel has been heard here.
template <class App, class Host>
bool Handover<App, Host>::has_heard(const Export& export_, const typename Export::Channel& channel) {
  const bool matters = channel.name.starts_with(user_channel_prefix) ||
                       hub_.subscribers_.is_subscribed(export_.client, channel.name);
  if (!matters) return true;
  if (!channel.is_marked) return false;
  Counters heard = heard_by(export_.client, channel.name);
  for (const auto& [origin, first] : channel.first) {
    const std::uint64_t* counter = find_counter(heard, origin);
    if (counter != nullptr && *counter < first - 1) return false;
  }
  return true;
}

/// Something was heard on the channel, for which exports may have waited.
template <class App, class Host>
void Handover<App, Host>::recheck_awaited(std::string_view channel) {
  const auto found = awaited_.find(channel);
  if (found == awaited_.end()) return;
  const std::vector<std::uint64_t> tokens = std::move(found->second);
  awaited_.erase(found);
  for (const std::uint64_t token : tokens) {
    Export* export_ = find_export(token);
    if (export_ != nullptr && export_->is_pulled && !export_->is_frozen) freeze_when_ready(*export_);
  }
}

template <class App, class Host>
void Handover<App, Host>::freeze(Export& export_) {
  export_.snapshot = snapshot_of(export_).encode();
  if (export_.snapshot.size() > max_snapshot_bytes) return give_up(export_);
  export_bytes_ += export_.snapshot.size();
  export_.is_frozen = true;
  hub_.wheel_.schedule(export_, hub_.host_.now() + export_time);
  hub_.schedule_wake_up();
  send_chunk(export_);
}

template <class App, class Host>
SessionSnapshot Handover<App, Host>::snapshot_of(const Export& export_) {
  using Entry = SessionSnapshot::Entry;
  const auto& client = *hub_.find(export_.client);
  const Session& session = *client.session;
  SessionSnapshot snapshot;
  snapshot.newest_sequence = session.log.newest_sequence().value;
  snapshot.extra = session.log.extra();
  snapshot.state = state_text(client.state);
  std::unordered_map<std::uint64_t, std::uint32_t> channel_of_key;
  for (const auto& channel : export_.channels) {
    SessionSnapshot::Channel& added = snapshot.channels.emplace_back();
    added.name = channel.name;
    added.is_subscribed = hub_.subscribers_.is_subscribed(export_.client, channel.name);
    added.wants_presence = hub_.watchers_.is_subscribed(export_.client, channel.name);
    added.is_unsure = !has_heard(export_, channel);
    added.heard = heard_by(export_.client, channel.name);
    if (const ChannelLinks::Link* link = hub_.links_.find(channel.name);
        link != nullptr && added.wants_presence)
      added.presence_seen = link->presence_seen;
    channel_of_key.emplace(HubType::conflation_key(channel.name),
                           static_cast<std::uint32_t>(snapshot.channels.size()));
  }
  if (session.publish_ids)
    session.publish_ids->for_each([&](const std::string& id) { snapshot.publish_ids.push_back(id); });
  for (const Revocation& one : session.revoked) snapshot.revoked.push_back(one.channel);
  session.log.for_each_kept([&](const StatefulConnection<>::Entry& kept) {
    Entry entry{Entry::Kind::gap, kept.sequence.value, kept.missed, 0, {}};
    if (kept.missed == 0) {
      const bool is_binary = kept.message->kind() == EncodedMessage::Kind::binary;
      entry.kind = is_binary ? Entry::Kind::binary : Entry::Kind::json;
      entry.payload = kept.message->payload();
      const auto channel = channel_of_key.find(kept.message->conflation_key());
      if (channel != channel_of_key.end()) entry.channel = channel->second;
    }
    snapshot.entries.push_back(entry);
  });
  return snapshot;
}

template <class App, class Host>
std::string Handover<App, Host>::state_text(const State& state) const {
  if constexpr (carries_state) {
    try {
      return nlohmann::json(state).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    } catch (...) {
      hub_.report_current_exception();
    }
  }
  static_cast<void>(state);
  return {};
}

/// One after the other, as the broker takes them.
template <class App, class Host>
void Handover<App, Host>::send_chunk(Export& export_) {
  const std::string_view rest = std::string_view(export_.snapshot).substr(export_.sent);
  HandoverMessage chunk{.step = Step::chunk, .token = export_.token};
  chunk.index = export_.chunks++;
  chunk.total = export_.snapshot.size();
  chunk.piece = rest.substr(0, chunk_size);
  export_.sent += chunk.piece.size();
  const bool is_last = export_.sent == export_.snapshot.size();
  send(export_.to, chunk, [this, is_last, token = export_.token](std::error_code error) {
    Export* sending = find_export(token);
    if (sending == nullptr) return;
    if (!error && !is_last) return send_chunk(*sending);
    // Whether the last one has arrived all the same is for the new hub to say.
    if (error && !is_last) give_up(*sending);
  });
}

/// The session is the new hub's.
template <class App, class Host>
void Handover<App, Host>::receive_taken(Export& export_) {
  if (!export_.is_frozen) return;
  const ConnectionId id = export_.client;
  erase(export_);
  hub_.metrics_.sessions_handed_over.add();
  overlap_presence(id);
  hub_.end(id, HubType::PresenceMode::gone,
           {CloseCode::replaced, "the session has moved to another node", false});
}

/// Nobody hears of a leave and a join when a session moves: its entry here outlasts that.
template <class App, class Host>
void Handover<App, Host>::overlap_presence(ConnectionId id) {
  auto& client = *hub_.find(id);
  if constexpr (HubType::keeps_presence()) {
    const std::string user = client.user.id;
    const TimePoint until = hub_.host_.now() + presence_overlap;
    for (const std::string& channel : hub_.subscribers_.channels_of(id)) {
      if (user.empty() || client.presence == HubType::PresenceMode::gone) break;
      if (client.presence == HubType::PresenceMode::cut) {
        if (!hub_.roster_.contains(channel, user)) continue;
        hub_.roster_.enter(channel, user, true);
      }
      hub_.roster_.cut(channel, user, until);
    }
    hub_.schedule_wake_up();
  }
  client.presence = HubType::PresenceMode::gone;
}

/// The new hub does not have it, and will not: the session goes on here.
template <class App, class Host>
void Handover<App, Host>::give_up(Export& export_) {
  const ConnectionId id = export_.client;
  const bool was_pulled = export_.is_pulled;
  const std::optional<CloseCode> closing = export_.closing;
  erase(export_);
  auto* client = hub_.find(id);
  if (client == nullptr) return;
  client->session->is_moving = false;
  if (closing) {
    hub_.close(id, *closing, HubType::disconnected_reason);
    return;
  }
  if (was_pulled && !client->is_attached() && client->presence == HubType::PresenceMode::active)
    hub_.suspend(id, HubType::PresenceMode::cut);
}

template <class App, class Host>
void Handover<App, Host>::erase(Export& export_) {
  const std::uint64_t token = export_.token;
  exporting_.erase(export_.client.slot);
  for (const auto& [channel, asking] : export_.asking) send_step(channel, Step::gone, asking);
  for (const auto& channel : export_.channels) {
    const auto awaiting = awaited_.find(channel.name);
    if (awaiting == awaited_.end()) continue;
    std::erase(awaiting->second, token);
    if (awaiting->second.empty()) awaited_.erase(awaiting);
  }
  if (export_.is_frozen) export_bytes_ -= export_.snapshot.size();
  exports_.erase(token);
}

template <class App, class Host>
void Handover<App, Host>::on_session_end(const Session& session, std::uint32_t slot) {
  release_home(session.id.home);
  const auto exporting = exporting_.find(slot);
  if (exporting == exporting_.end()) return;
  Export& export_ = *find_export(exporting->second);
  send_step(export_.to, Step::gone, export_.token);
  erase(export_);
}

}  // namespace switchboard::inline v1
