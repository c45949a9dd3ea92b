// SPDX-License-Identifier: MIT
// Internal, a part of Handover: a session comes from another hub.
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

/// The least that a client claims to have seen of those that asked for the session and are still there: one
/// of them may claim more than there is, and the others are not to be refused for that. One that has gone may
/// be back at its old node, or at a third, and must not lose the session to where it is not: it does not
/// count.
template <class App, class Host>
std::optional<Sequence> Handover<App, Host>::lowest_claim(const Import& import) const {
  std::optional<Sequence> lowest;
  for (const Waiter& waiter : import.waiting)
    if (hub_.find(waiter.use) != nullptr && (!lowest || waiter.last_seq < *lowest)) lowest = waiter.last_seq;
  return lowest;
}

/// Asks whoever holds sessions that began there for this one; again and again, since it may be on its way
/// from one to another, or back in this very hub.
template <class App, class Host>
void Handover<App, Host>::look(Import& import) {
  if (import.stage != Import::Stage::looking) return schedule(import);
  const std::optional<Sequence> claim = lowest_claim(import);
  if (!claim) return fail(import);
  const auto is_back = [this](const Waiter& waiter) {
    return hub_.find(waiter.use) != nullptr &&
           hub_.find_session(waiter.handoff, waiter.last_seq) != HubType::none;
  };
  if (std::any_of(import.waiting.begin(), import.waiting.end(), is_back)) {
    const auto taken = take(import);
    for (Waiter& waiter : taken->waiting) finish_waiter(waiter);
    return;
  }
  HandoverMessage find{.step = Step::find, .token = import.token, .session = import.session};
  find.home = import.node;
  find.user = import.user;
  import.claim = *claim;
  find.last_seq = claim->value;
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
  if (import.stage == Import::Stage::looking) {
    const std::optional<Sequence> claim = lowest_claim(import);
    if (!claim || *claim > import.claim) {  // who claimed less has gone; for the others it is asked for again
      send_step(offer.answer_to, Step::cancel, offer.token);
      if (!claim) fail(import);
      return;
    }
  }
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
  if (import == nullptr) return hub_.unlink_channel_if_unused(channel);  // nobody needs it any more
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
    if (envelope->kind == Envelope::Kind::disconnect) {
      import.closing = static_cast<CloseCode>(envelope->number);
      for (Waiter& waiter : import.waiting) waiter.closing = import.closing;  // not those who come later
    }
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

/// A hub has it no more: it has gone on to another, which is to be found. If it has been found, that may be
/// the word, come late, of a hub that had it before.
template <class App, class Host>
void Handover<App, Host>::receive_gone(Import& import, const HandoverMessage& gone) {
  if (!import.from.empty() && import.from != gone.answer_to) return;
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

/// The client goes on in the session if that is here, else in a new one; or is let in to be told that its
/// user was disconnected meanwhile.
template <class App, class Host>
void Handover<App, Host>::finish_waiter(Waiter& waiter) {
  if (hub_.find(waiter.use) == nullptr) return;
  if (hub_.is_draining_) return hub_.refuse(waiter.use, refusals::server_draining());
  if (waiter.closing) hub_.transports_[waiter.use.slot].handshake->unread.clear();
  const std::uint32_t slot = hub_.find_session(waiter.handoff, waiter.last_seq);
  if (slot != HubType::none)
    hub_.resume(waiter.use, std::move(waiter.handoff), slot, waiter.last_seq);
  else
    hub_.connect_new(waiter.use, std::move(waiter.handoff), waiter.last_seq);
  if (waiter.closing) hub_.disconnect(waiter.use, *waiter.closing);
}

}  // namespace switchboard::inline v1
