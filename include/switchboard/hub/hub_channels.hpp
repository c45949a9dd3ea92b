// SPDX-License-Identifier: MIT
// Internal, a part of Hub: channels, their subscribers here, and the broker that links them to those
// elsewhere.
#pragma once
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
std::uint64_t Hub<App, Host>::conflation_key(std::string_view channel) {
  return std::hash<std::string_view>{}(channel) | 1;  // 0 means: belongs to no channel
}

template <class App, class Host>
void Hub<App, Host>::join_channel(ConnectionId id, const std::string& channel, bool wants_presence) {
  if (wants_presence) watchers_.subscribe(id, channel);
  if (!subscribers_.subscribe(id, channel)) return;
  metrics_.subscriptions.add();
  account_subscription(id, channel, true);
  if (Session* session = find(id)->session.get(); session != nullptr && !session->revoked.empty())
    std::erase_if(session->revoked, [&](const Revocation& one) { return one.channel == channel; });
  if (find(id)->presence == PresenceMode::active) enter_presence(id, channel, false);
}

/// False if the client was not subscribed.
template <class App, class Host>
bool Hub<App, Host>::leave_channel(ConnectionId id, std::string_view name) {
  const std::string channel(name);
  if (!subscribers_.unsubscribe(id, channel)) return false;
  metrics_.subscriptions.subtract();
  account_subscription(id, channel, false);
  watchers_.unsubscribe(id, channel);
  if constexpr (is_clustered) handover_.on_left(id, channel);
  const ClientType& client = *find(id);
  if (client.presence == PresenceMode::active)
    leave_presence(client, channel);
  else if (client.presence == PresenceMode::cut)
    forget_cut(client, channel);
  unlink_channel_if_unused(channel);
  if constexpr (AppTraits<App>::has_on_unsubscribe) {
    run(
        id,
        [this, channel, connection = Connection<App>(*this, id)]() mutable {
          return app_->on_unsubscribe(connection, std::string_view(channel));
        },
        [](bool) {});
  }
  return true;
}

/// The client was taken off the channel. A session keeps that until it is written to a socket.
template <class App, class Host>
void Hub<App, Host>::tell_unsubscribed(ConnectionId id, const std::string& channel, bool is_denied) {
  ClientType* client = find(id);
  if (client == nullptr) return;
  Message notice;
  if (client->is_attached()) {
    JsonObjectText text;
    text.string("status", "unsubscribed").string("channel", channel);
    if (is_denied) text.string("code", to_string(ErrorCode::subscribe_denied));
    notice = EncodedMessage::frame(Opcode::text, text.take());
    push_frame(transports_[client->transport], notice);
  }
  if (!client->session) return;
  std::vector<Revocation>& revoked = client->session->revoked;
  if (revoked.size() >= options_.limits.max_subscriptions && !revoked.empty()) revoked.erase(revoked.begin());
  revoked.push_back({channel, std::move(notice)});
  if (client->session->log.is_parked()) account_parked(*client);
}

/// The session has a new socket: what no other has taken is told on this one.
template <class App, class Host>
void Hub<App, Host>::repeat_unsubscribed(ConnectionId id) {
  for (const Revocation& one : std::exchange(find(id)->session->revoked, {}))
    tell_unsubscribed(id, one.channel, true);
}

/// The socket has taken this frame of its queue.
template <class App, class Host>
void Hub<App, Host>::note_told(const Transport& transport, const Message& frame) {
  if (transport.client == none || !clients_[transport.client].session) return;
  std::vector<Revocation>& revoked = clients_[transport.client].session->revoked;
  if (!revoked.empty() && revoked.front().notice == frame) revoked.erase(revoked.begin());
}

/// Calls `then` once the broker has confirmed the channel: from then on all that is published anywhere
/// arrives here.
template <class App, class Host>
void Hub<App, Host>::link_channel(const std::string& channel, std::function<void(std::error_code)> then) {
  if (is_shut_down_) return then(errc::stopped);
  ChannelLinks::Link* const link = links_.open(channel).first;
  if (link->is_confirmed) return then({});
  link->waiting.push_back(std::move(then));
  if (!std::exchange(link->is_asking, true)) {  // the first, or the first since the broker has refused
    port_->subscribe(channel, [this, channel, number = link->number](std::error_code error) {
      links_.confirm(channel, number, error);
    });
  }
}

template <class App, class Host>
void Hub<App, Host>::unlink_channel_if_unused(std::string_view channel) {
  const ChannelLinks::Link* link = links_.find(channel);
  if (link == nullptr || !link->waiting.empty() || subscribers_.has_subscribers(channel)) return;
  if constexpr (is_clustered)
    if (handover_.needs(channel)) return;
  const std::string name(channel);  // the view may point into what is erased
  if (!is_shut_down_) port_->unsubscribe(name);
  links_.erase(name);
}

/// To every subscriber `except` those.
template <class App, class Host>
void Hub<App, Host>::deliver_to_channel(std::string_view channel, const Message& message,
                                        std::span<const ConnectionId> except) {
  subscribers_.publish(channel, message, [&](ConnectionId id, const Message& shared) {
    if (!is_among(except, id)) deliver(id, shared);
  });
}

template <class App, class Host>
bool Hub<App, Host>::has_peers() const {
  if (is_shut_down_) return false;
  if constexpr (requires {
                  { port_->has_peers() } -> std::same_as<bool>;
                })
    return port_->has_peers();
  else
    return true;
}

/// Hands the broker what `make()` returns, an Envelope; without anyone to receive it, it is not even made.
template <class App, class Host>
template <class MakeEnvelope>
void Hub<App, Host>::send_to_peers(std::string_view channel, MakeEnvelope make, Done done) {
  if (!has_peers()) return done({});
  Envelope envelope = make();
  envelope.counter = counters_.next(channel, origin_);
  envelope.origin = origin_;
  Payload payload = std::make_shared<const std::string>(envelope.encode());
  port_->publish(channel, payload, std::move(done));
  // Last: it may come to a call of the App's, whose own publish must not go out before this one.
  if constexpr (is_clustered) handover_.on_envelope(channel, envelope, payload);
}

template <class App, class Host>
void Hub<App, Host>::on_message(std::string_view channel, const Payload& message) {
  const Delivers delivers(*this);
  const std::optional<Envelope> envelope = Envelope::decode(*message);
  if (!envelope) return host_.log(LogLevel::warning, "an envelope of an unknown version was dropped");
  if constexpr (is_clustered) {
    if (channel.starts_with(node_channel_prefix)) {
      if (envelope->kind == Envelope::Kind::handover) handover_.on_handover(envelope->body);
      return;
    }
    if (envelope->kind == Envelope::Kind::marker) return handover_.on_marker(channel, envelope->counter);
  }
  if (channel.starts_with(user_channel_prefix))
    receive_for_user(channel.substr(user_channel_prefix.size()), *envelope, message);
  else
    receive_on_channel(channel, *envelope, message);
}

template <class App, class Host>
void Hub<App, Host>::receive_on_channel(std::string_view channel, const Envelope& envelope,
                                        const Payload& payload) {
  if (envelope.kind == Envelope::Kind::marker || envelope.kind == Envelope::Kind::handover) return;
  ChannelLinks::Link* link = links_.find(channel);
  if (link == nullptr) return;
  const auto heard = ChannelLinks::hear(*link, envelope.origin, envelope.counter);
  if (heard == ChannelLinks::Heard::repeated) return;
  // Before the broker has confirmed the channel nothing was promised, and a hole is that of an earlier link.
  if (heard == ChannelLinks::Heard::after_gap && link->is_confirmed) tell_gap(channel);
  deliver_envelope(channel, envelope);
  // Last: a session that was waiting for this, to go to another node, may go with it.
  if constexpr (is_clustered) handover_.on_envelope(channel, envelope, payload);
}

template <class App, class Host>
void Hub<App, Host>::deliver_envelope(std::string_view channel, const Envelope& envelope) {
  std::vector<ConnectionId> had;
  if constexpr (is_clustered) had = handover_.those_who_had(channel, envelope);
  switch (envelope.kind) {
    case Envelope::Kind::json:
      return deliver_to_channel(channel, EncodedMessage::json(envelope.body, conflation_key(channel)), had);
    case Envelope::Kind::binary:
      return deliver_to_channel(
          channel, EncodedMessage::binary(envelope.number, envelope.body, conflation_key(channel)), had);
    case Envelope::Kind::join:
    case Envelope::Kind::leave:
      return deliver_presence(envelope.kind == Envelope::Kind::join, channel, envelope.text, envelope.body,
                              envelope.presence_version, had);
    default:
      return;  // of a user's channel
  }
}

template <class App, class Host>
void Hub<App, Host>::on_gap(std::string_view channel) {
  const Delivers delivers(*this);
  metrics_.broker_gaps.add();
  if constexpr (is_clustered) {
    handover_.on_gap(channel);
    if (channel.starts_with(user_channel_prefix))
      return tell_user_gap(channel.substr(user_channel_prefix.size()));
  }
  tell_gap(channel);
}

/// Tells every session that messages of others may be missing on the channel; an empty name means on all it
/// has.
template <class App, class Host>
void Hub<App, Host>::tell_gap(std::string_view channel) {
  if (!channel.empty()) {
    subscribers_.publish(channel, gap_message({std::string(channel)}),
                         [this](ConnectionId id, const Message& message) {
                           const ClientType* client = find(id);
                           if (client != nullptr && client->session) deliver(id, message);
                         });
    return;
  }
  std::vector<ConnectionId> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [session, slot] : sessions_) sessions.push_back(id_of(slot));
  for (const ConnectionId id : sessions)
    if (const auto names = subscribers_.channels_of(id);
        !names.empty() || (is_clustered && !clients_[id.slot].user.id.empty()))
      deliver(id, gap_message(names));
}

template <class App, class Host>
auto Hub<App, Host>::gap_message(const std::vector<std::string>& channels) -> Message {
  std::string list = "[";
  for (const std::string& name : channels) {
    if (list.size() > 1) list += ',';
    append_json_string(list, name);
  }
  return EncodedMessage::json(
      JsonObjectText().string("type", "gap").string("reason", "broker").raw("channels", list + "]").take());
}

/// Tells one session; of its user's own channel, which has no name for the client, without naming any.
template <class App, class Host>
void Hub<App, Host>::tell_session_gap(ConnectionId id, std::string_view channel) {
  std::vector<std::string> names;
  if (channel.empty())
    names = subscribers_.channels_of(id);
  else if (!channel.starts_with(user_channel_prefix))
    names.emplace_back(channel);
  deliver(id, gap_message(names));
}

/// To every subscriber, here at once; `done` says what became of it elsewhere. `data` is JSON text.
template <class App, class Host>
void Hub<App, Host>::publish_data(std::string_view channel, std::string_view data, Done done) {
  const std::string object =
      JsonObjectText().string("type", "message").string("channel", channel).raw("data", data).take();
  metrics_.publishes.add();
  const Delivers delivers(*this);
  deliver_to_channel(channel, EncodedMessage::json(object, conflation_key(channel)));
  send_to_peers(
      channel, [&] { return Envelope{.kind = Envelope::Kind::json, .body = object}; }, std::move(done));
}

template <class App, class Host>
std::error_code Hub<App, Host>::publish_json(std::string_view channel, std::string_view json_text) {
  const KeepsClients keeps(*this);
  if (check_channel(channel)) return errc::invalid_channel;
  if (!is_utf8(json_text) || !is_sendable_json(json_text)) return errc::invalid_json;
  publish_data(channel, json_text, [](std::error_code) {});
  return {};
}

template <class App, class Host>
std::error_code Hub<App, Host>::publish_binary(std::string_view channel, std::uint32_t type,
                                               std::span<const std::byte> payload) {
  const KeepsClients keeps(*this);
  if (check_channel(channel)) return errc::invalid_channel;
  const std::string_view bytes(reinterpret_cast<const char*>(payload.data()), payload.size());
  metrics_.publishes.add();
  const Delivers delivers(*this);
  deliver_to_channel(channel, EncodedMessage::binary(type, bytes, conflation_key(channel)));
  send_to_peers(
      channel, [&] { return Envelope{.kind = Envelope::Kind::binary, .number = type, .body = bytes}; },
      [](std::error_code) {});
  return {};
}

template <class App, class Host>
bool Hub<App, Host>::subscribe(ConnectionId id, std::string_view channel) {
  if (!may_change(id) || check_channel(channel)) return false;
  if (subscribers_.is_subscribed(id, channel)) return true;
  if (subscribers_.subscription_count(id) >= options_.limits.max_subscriptions) return false;
  const std::string name(channel);
  join_channel(id, name, false);
  link_channel(name, [this, name](std::error_code) { unlink_channel_if_unused(name); });
  return true;
}

template <class App, class Host>
bool Hub<App, Host>::unsubscribe(ConnectionId id, std::string_view channel) {
  return may_change(id) && leave_channel(id, channel);
}

}  // namespace switchboard::inline v1
