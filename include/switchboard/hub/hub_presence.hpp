// SPDX-License-Identifier: MIT
// Internal, a part of Hub: who is in a channel, and telling those who asked to be told.
#pragma once
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

/// The client counts in the channel from now on; `was_cut`: it is back there.
template <class App, class Host>
void Hub<App, Host>::enter_presence(ConnectionId id, std::string_view name, bool was_cut) {
  if constexpr (keeps_presence()) {
    const ClientType* client = find(id);
    if (client->user.id.empty()) return;
    const std::string channel(name);
    std::string info;
    if constexpr (AppTraits<App>::has_presence_info) {
      if (!roster_.contains(channel, client->user.id)) info = presence_info(client->user, channel);
      client = find(id);  // the App may have done anything to it
      if (client == nullptr || client->presence != PresenceMode::active ||
          !subscribers_.is_subscribed(id, channel))
        return;
    }
    const std::string user = client->user.id;
    settle_presence(roster_.enter(channel, user, was_cut), channel, user, info);
  }
}

/// The client counts there no more, or, if it was cut off, only for its grace time.
template <class App, class Host>
void Hub<App, Host>::leave_presence(const ClientType& client, const std::string& channel) {
  if constexpr (keeps_presence()) {
    if (client.user.id.empty()) return;
    const Duration grace = options_.sessions.presence_grace;
    const bool has_grace = client.presence == PresenceMode::cut && grace > Duration{};
    const auto effect = has_grace ? roster_.cut(channel, client.user.id, later(host_.now(), grace))
                                  : roster_.leave(channel, client.user.id, host_.now());
    settle_presence(effect, channel, client.user.id);
  }
}

template <class App, class Host>
void Hub<App, Host>::forget_cut(const ClientType& client, const std::string& channel) {
  if constexpr (keeps_presence()) {
    if (client.user.id.empty()) return;
    settle_presence(roster_.forget_cut(channel, client.user.id, host_.now()), channel, client.user.id);
  }
}

/// The client is back, on this socket, and allowed all the channels that it still has.
template <class App, class Host>
void Hub<App, Host>::return_to_presence(ConnectionId id, TransportUse use) {
  ClientType* client = find(id);
  if (client == nullptr || find(use) == nullptr || client->transport != use.slot) return;  // gone again
  const PresenceMode before = std::exchange(client->presence, PresenceMode::active);
  if (before == PresenceMode::active) return;
  for (const std::string& channel : subscribers_.channels_of(id))
    if (find(id) != nullptr) enter_presence(id, channel, before == PresenceMode::cut);
}

/// The client counts less than `before`: a connection is gone, or a cut one will not come back.
template <class App, class Host>
void Hub<App, Host>::lower_presence(const ClientType& client, PresenceMode before,
                                    const std::string& channel) {
  if (before == PresenceMode::active)
    leave_presence(client, channel);
  else if (before == PresenceMode::cut && client.presence == PresenceMode::gone)
    forget_cut(client, channel);
}

/// What became of the user here is told to the broker; if that makes a difference over all shards and nodes,
/// to the channel's subscribers.
template <class App, class Host>
void Hub<App, Host>::settle_presence(PresenceRoster::Effect effect, const std::string& channel,
                                     const std::string& user, const std::string& info) {
  if constexpr (keeps_presence()) {
    if (effect == PresenceRoster::Effect::nothing || is_shut_down_) return;
    const bool joined = effect == PresenceRoster::Effect::entered;
    const auto changed = [this, joined, channel, user, info](std::error_code error, PresenceChange change) {
      if (!error && change.changed) tell_presence(joined, channel, user, info, change.version);
    };
    if (joined)
      port_->enter(channel, user, info, changed);
    else
      port_->leave(channel, user, changed);
  }
}

template <class App, class Host>
void Hub<App, Host>::tell_presence(bool joined, const std::string& channel, const std::string& user,
                                   const std::string& info, std::uint64_t version) {
  const Delivers delivers(*this);
  deliver_presence(joined, channel, user, info, version);
  const auto kind = joined ? Envelope::Kind::join : Envelope::Kind::leave;
  send_to_peers(
      channel,
      [&] { return Envelope{.kind = kind, .presence_version = version, .text = user, .body = info}; },
      [](std::error_code) {});
}

template <class App, class Host>
void Hub<App, Host>::deliver_presence(bool joined, std::string_view channel, std::string_view user,
                                      std::string_view info, std::uint64_t version,
                                      std::span<const ConnectionId> except) {
  ChannelLinks::Link* link = links_.find(channel);
  if (link == nullptr || !ChannelLinks::is_newest(*link, user, version)) return;
  const Message notice = presence_message(joined, channel, user, info);
  watchers_.publish(channel, notice, [&](ConnectionId id, const Message& message) {
    const ClientType* client = find(id);
    if (client == nullptr || client->user.id == user) return;  // nobody hears of its own
    if (!is_among(except, id)) deliver(id, message);
  });
}

template <class App, class Host>
auto Hub<App, Host>::presence_message(bool joined, std::string_view channel, std::string_view user,
                                      std::string_view info) -> Message {
  JsonObjectText text;
  text.string("type", joined ? "join" : "leave").string("channel", channel).string("user", user);
  if (joined && !info.empty()) text.raw("info", info);
  return EncodedMessage::json(text.take());
}

template <class App, class Host>
void Hub<App, Host>::on_presence_lost(std::string_view channel, std::string_view user,
                                      std::uint64_t version) {
  if constexpr (keeps_presence()) tell_presence(false, std::string(channel), std::string(user), {}, version);
}

template <class App, class Host>
std::string Hub<App, Host>::presence_info(const User& user, std::string_view channel) {
  std::string info;
  if constexpr (AppTraits<App>::has_presence_info) {
    run(
        ConnectionId{none, 0}, [&] { return app_->presence_info(user, std::string_view(channel)); },
        [&](std::optional<nlohmann::json> result) {
          if (result && !result->is_null())
            info = result->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        });
  }
  return info;
}

template <class App, class Host>
void Hub<App, Host>::query_presence(const std::string& channel, std::function<void(Presence)> done) {
  if (is_shut_down_) return done({errc::stopped, {}});
  if constexpr (keeps_presence())
    port_->query(channel, [done = std::move(done)](std::error_code error, std::vector<PresenceEntry> users) {
      done({error, std::move(users)});
    });
  else
    done({std::make_error_code(std::errc::not_supported), {}});
}

template <class App, class Host>
void Hub<App, Host>::count_presence(const std::string& channel, std::function<void(PresenceCount)> done) {
  if constexpr (keeps_presence() && PresenceCountPort<BrokerPortType>) {
    if (is_shut_down_) return done({errc::stopped, 0});
    port_->count(channel, [done = std::move(done)](std::error_code error, std::size_t users) {
      done({error, users});
    });
  } else {
    query_presence(channel, [done = std::move(done)](const Presence& presence) {
      done({presence.error, presence.users.size()});
    });
  }
}

}  // namespace switchboard::inline v1
