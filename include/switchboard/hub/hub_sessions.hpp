// SPDX-License-Identifier: MIT
// Internal, a part of Hub: clients that come, park and go.
#pragma once
#include <algorithm>

#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
Hub<App, Host>::Hub(Host& host, HubOptions<App> options, unsigned shard, unsigned shard_count)
    : host_(host),
      options_(std::move(options)),
      shard_(shard),
      shard_count_(shard_count),
      decoder_limits_{options_.limits.max_message_bytes, !is_raw},
      wheel_(host.now()),
      roster_(wheel_, static_cast<std::uint8_t>(TimerKind::presence)) {
  static_assert(check_app<App>());
  static_assert(HubHost<Host, App>, "switchboard: a hub's Host lacks one of the functions of HubHost");
  host_.random_bytes(std::as_writable_bytes(std::span(&origin_, 1)));
}

template <class App, class Host>
Hub<App, Host>::~Hub() = default;

template <class App, class Host>
void Hub<App, Host>::set_app(std::unique_ptr<App> app) {
  app_ = std::move(app);
  if constexpr (AppTraits<App>::has_binary) app_->binary(binary_handlers_);
}

/// A client that has not ended.
template <class App, class Host>
auto Hub<App, Host>::find(ConnectionId id) -> ClientType* {
  ClientType* client = clients_.find(id.slot, id.generation);
  return client != nullptr && !client->has_ended ? client : nullptr;
}

/// `none` if the App's State, or its User, throws.
template <class App, class Host>
std::uint32_t Hub<App, Host>::create_client(User user) {
  try {
    return clients_.emplace(std::move(user));
  } catch (...) {
    report_current_exception();
  }
  return none;
}

template <class App, class Host>
std::uint32_t Hub<App, Host>::create_session(User user) {
  const std::uint32_t slot = create_client(std::move(user));
  if (slot == none) return none;
  auto session =
      std::make_unique<Session>(ReplayOptions{options_.sessions.replay, options_.sessions.replay_bytes});
  session->owner = slot;
  session->id.shard = static_cast<std::uint16_t>(shard_);
  host_.random_bytes(std::as_writable_bytes(std::span(session->id.random)));
  sessions_.emplace(session->id, slot);
  clients_[slot].session = std::move(session);
  metrics_.sessions_created.add();
  return slot;
}

/// The client's socket is gone, or no longer its own.
template <class App, class Host>
void Hub<App, Host>::lose_socket(ConnectionId id, PresenceMode mode, Fate fate, const CloseReason& reason) {
  ClientType* client = find(id);
  if (client == nullptr) return;
  if (client->is_attached()) {
    transports_[client->transport].client = none;
    client->transport = none;
    metrics_.connections.subtract();
    if (client->session) metrics_.sessions_attached.subtract();
  }
  if (client->session && fate == Fate::park && options_.sessions.time_to_live > Duration{})
    park(id, mode);
  else
    end(id, mode, reason);
}

template <class App, class Host>
void Hub<App, Host>::park(ConnectionId id, PresenceMode mode) {
  find(id)->session->log.park();
#ifdef SWITCHBOARD_PLANTED_BUG
  if (SWITCHBOARD_PLANTED_BUG == 4 && subscribers_.subscription_count(id) > 0)
    subscribers_.unsubscribe(id, subscribers_.channels_of(id).front());
#endif
  shelve(id);
  suspend(id, mode);
}

/// The session, whose log is parked, waits for its client from now on.
template <class App, class Host>
void Hub<App, Host>::shelve(ConnectionId id) {
  ClientType& client = *find(id);
  Session& session = *client.session;
  session.parked_position = parked_.insert(parked_.end(), id);
  metrics_.sessions_parked.add();
  account_parked(client);
  wheel_.schedule(session, later(host_.now(), options_.sessions.time_to_live));
  schedule_wake_up();
}

/// And that shows.
template <class App, class Host>
void Hub<App, Host>::suspend(ConnectionId id, PresenceMode mode) {
  ClientType& client = *find(id);
  const PresenceMode before = std::exchange(client.presence, mode);
  for (const std::string& channel : subscribers_.channels_of(id)) lower_presence(client, before, channel);
  schedule_wake_up();
  enforce_parked_bounds(id);
  if constexpr (AppTraits<App>::has_on_suspend) {
    if (find(id) == nullptr) return;
    run(
        id,
        [this, connection = Connection<App>(*this, id)]() mutable { return app_->on_suspend(connection); },
        [](bool) {});
  }
}

/// A socket has come for a parked session.
template <class App, class Host>
void Hub<App, Host>::unpark(ClientType& client) {
  Session& session = *client.session;
  wheel_.cancel(session);
  parked_.erase(session.parked_position);
  metrics_.sessions_parked.subtract();
  metrics_.parked_bytes.subtract(session.parked_bytes);
  session.parked_bytes = 0;
}

template <class App, class Host>
void Hub<App, Host>::account_parked(ClientType& client) {
  Session& session = *client.session;
  metrics_.parked_bytes.subtract(session.parked_bytes);
  const std::size_t ids =
      (session.publish_ids ? session.publish_ids->size() : 0) + 2 * client.written_ids.size();
  session.parked_bytes = session_cost + session.log.bytes() + session.subscription_bytes +
                         session.revoked.size() * subscription_cost({}) + ids * request_id_cost;
  metrics_.parked_bytes.add(session.parked_bytes);
}

template <class App, class Host>
void Hub<App, Host>::account_subscription(ConnectionId id, std::string_view channel, bool is_new) {
  ClientType& client = *find(id);
  if (!client.session) return;
  Session& session = *client.session;
  if (is_new)
    session.subscription_bytes += subscription_cost(channel);
  else
    session.subscription_bytes -= subscription_cost(channel);
  if (session.log.is_parked()) account_parked(client);
}

/// Ends the longest parked sessions, of this user and then of all, until they are within their bounds.
template <class App, class Host>
void Hub<App, Host>::enforce_parked_bounds(ConnectionId newest) {
  const auto evict = [this](ConnectionId id) {
    metrics_.sessions_evicted.add();
    end(id, PresenceMode::cut, {CloseCode::abnormal, "too many sessions are parked", false});
  };
  if (const ClientType* client = find(newest); client != nullptr && !client->user.id.empty()) {
    std::vector<ConnectionId> own = clients_of(client->user.id);
    std::erase_if(own, [this](ConnectionId id) { return find(id)->is_attached(); });
    if (own.size() > options_.sessions.per_user) {
      const auto is_earlier = [this](ConnectionId a, ConnectionId b) {
        return find(a)->session->deadline() < find(b)->session->deadline();
      };
      std::erase(own, newest);
      own.push_back(newest);  // of those parked at the same moment it is the last to go
      std::vector<ConnectionId> surplus;
      while (own.size() > options_.sessions.per_user) {
        const auto oldest = std::min_element(own.begin(), own.end(), is_earlier);
        surplus.push_back(*oldest);
        own.erase(oldest);
      }
      for (const ConnectionId id : surplus) evict(id);
    }
  }
  const std::size_t max_bytes = options_.sessions.parked_bytes / shard_count_;
  const std::size_t max_sessions = options_.sessions.max_sessions / shard_count_ +
                                   (options_.sessions.max_sessions % shard_count_ != 0 ? 1 : 0);
  while ((metrics_.parked_bytes.value() > max_bytes || parked_.size() > max_sessions) && !parked_.empty())
    evict(parked_.front());
}

/// The end of a plain client's connection, or of a session.
template <class App, class Host>
void Hub<App, Host>::end(ConnectionId id, PresenceMode mode, CloseReason reason) {
  ClientType* client = find(id);
  if (client == nullptr) return;
  if (client->session) {
    if (client->session->is_scheduled() || client->session->log.is_parked()) unpark(*client);
    sessions_.erase(client->session->id);
    if constexpr (is_clustered) {
      handover_.on_session_end(*client->session, id.slot);
      if (is_draining_) wake_up_now();  // the host may be waiting for the last one
    }
  }
  // A parked session that was cut stays listed for its grace time, unless it is ended on purpose.
  const PresenceMode before = std::exchange(client->presence, mode);
  for (const std::string& channel : subscribers_.channels_of(id)) {
    lower_presence(*client, before, channel);
    subscribers_.unsubscribe(id, channel);
    metrics_.subscriptions.subtract();
    watchers_.unsubscribe(id, channel);
    unlink_channel_if_unused(channel);
  }
  schedule_wake_up();
  remove_from_user(id.slot);
  client->has_ended = true;
  if constexpr (AppTraits<App>::has_on_close) {
    run(
        id,
        [this, connection = Connection<App>(*this, id), reason]() mutable {
          return app_->on_close(connection, std::move(reason));
        },
        [this, id](bool) { erase_client(id.slot); });
  } else {
    erase_client(id.slot);
  }
}

/// At once, or when nothing refers to what is in it any more.
template <class App, class Host>
void Hub<App, Host>::erase_client(std::uint32_t slot) {
  ClientType& client = clients_[slot];
  if (keeping_clients_ == 0 && client.busy == 0) return clients_.erase(slot);
  client.is_erased = true;
  if (keeping_clients_ > 0)
    kept_clients_.push_back(id_of(slot));
  else
    client.session.reset();  // a handler knows its User and State, not its log
}

template <class App, class Host>
void Hub<App, Host>::erase_kept_clients() {
  // What a User or State does at its end may end others.
  for (const ConnectionId id : std::exchange(kept_clients_, {}))
    if (clients_.find(id.slot, id.generation) != nullptr) erase_client(id.slot);
}

template <class App, class Host>
auto Hub<App, Host>::view(ConnectionId id) const -> ConnectionView {
  const ClientType* client = clients_.find(id.slot, id.generation);
  if (client == nullptr || client->is_erased) return {};
  return {&client->user, const_cast<StateOf<App>*>(&client->state), !client->has_ended,
          !client->has_ended && client->is_attached(), client->session != nullptr};
}

template <class App, class Host>
bool Hub<App, Host>::close(ConnectionId id, CloseCode code, std::string_view reason) {
  const KeepsClients keeps(*this);
  ClientType* client = find(id);
  if (!may_change(id)) return false;
  if (client->is_attached())
    close_client(id, code, reason, true, PresenceMode::gone, Fate::destroy);
  else
    end(id, PresenceMode::gone, {code, std::string(reason), false});
  return true;
}

}  // namespace switchboard::inline v1
