// SPDX-License-Identifier: MIT
// Internal, a part of Hub: users and their connections, here and elsewhere.
#pragma once
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

/// Calls `then` once the user can be reached here from every shard and node, with the code if it was
/// disconnected meanwhile. Anonymous users cannot be reached.
template <class App, class Host>
void Hub<App, Host>::link_user(const std::string& user, Admitted then) {
  if (user.empty()) return then({});
  const auto linking = linking_users_.find(user);
  if (linking != linking_users_.end()) return linking->second.waiting.push_back({std::move(then), {}});
  if (users_.find(user) != none) return then({});
  const std::uint64_t number = ++last_user_number_;
  const bool must_wait = has_peers();
  if (must_wait) linking_users_[user] = {number, {}};
  port_->subscribe(user_channel(user), [this, user, number](std::error_code) { confirm_user(user, number); });
  if (must_wait)
    linking_users_[user].waiting.push_back({std::move(then), {}});
  else
    then({});
}

/// The broker's answer for this link of the user, which may have gone, or have been followed by another,
/// meanwhile.
template <class App, class Host>
void Hub<App, Host>::confirm_user(const std::string& user, std::uint64_t number) {
  // One by one: whoever is still waiting keeps the user from being taken for unused.
  for (auto found = linking_users_.find(user); found != linking_users_.end();
       found = linking_users_.find(user)) {
    if (found->second.number != number) return;
    auto& waiting = found->second.waiting;
    const auto [then, disconnected] = std::move(waiting.front());
    waiting.erase(waiting.begin());
    if (waiting.empty()) linking_users_.erase(found);
    then(disconnected);
  }
}

template <class App, class Host>
void Hub<App, Host>::unlink_user_if_unused(const std::string& user) {
  if (is_shut_down_ || user.empty() || users_.find(user) != none || linking_users_.contains(user)) return;
  if constexpr (is_clustered) {
    if (handover_.needs(user_channel(user))) return;
    handover_.on_user_unlinked(user);
  }
  port_->unsubscribe(user_channel(user));
}

template <class App, class Host>
void Hub<App, Host>::add_to_user(std::uint32_t slot) {
  if (!clients_[slot].user.id.empty()) users_.insert(slot);
}

template <class App, class Host>
void Hub<App, Host>::remove_from_user(std::uint32_t slot) {
  const std::string user = clients_[slot].user.id;
  if (user.empty()) return;
  users_.erase(slot);
  unlink_user_if_unused(user);
}

template <class App, class Host>
std::vector<ConnectionId> Hub<App, Host>::clients_of(std::string_view user) const {
  std::vector<ConnectionId> ids;
  const std::uint32_t first = users_.find(user);
  for (std::uint32_t slot = first; slot != none; slot = clients_[slot].user_next) {
    if (slot == first && !ids.empty()) break;
    ids.push_back(id_of(slot));
  }
  return ids;
}

template <class App, class Host>
void Hub<App, Host>::receive_for_user(std::string_view user, const Envelope& envelope,
                                      const Payload& payload) {
  std::vector<ConnectionId> had;
  if constexpr (is_clustered) {
    const auto heard = handover_.hear_for_user(std::string(user), envelope);
    if (heard == ChannelLinks::Heard::repeated) return;
    if (heard == ChannelLinks::Heard::after_gap) tell_user_gap(user);
    had = handover_.those_who_had(user_channel(user), envelope);
  }
  switch (envelope.kind) {
    case Envelope::Kind::user_json:
      send_locally(user, EncodedMessage::json(envelope.body), had);
      break;
    case Envelope::Kind::disconnect:
      disconnect_locally(user, static_cast<CloseCode>(envelope.number));
      break;
    case Envelope::Kind::unsubscribe:
      unsubscribe_locally(user, envelope.text);
      break;
    default:
      break;  // of a channel
  }
  // Last: a session that was waiting for this, to go to another node, may go with it.
  if constexpr (is_clustered) handover_.on_envelope(user_channel(user), envelope, payload);
}

/// Tells the user's sessions that something for the user may be missing.
template <class App, class Host>
void Hub<App, Host>::tell_user_gap(std::string_view user) {
  for (const ConnectionId id : clients_of(user))
    if (find(id)->session) tell_session_gap(id, user_channel(user));
}

template <class App, class Host>
void Hub<App, Host>::send_locally(std::string_view user, const Message& message,
                                  std::span<const ConnectionId> except) {
  for (const ConnectionId id : clients_of(user))
    if (!is_among(except, id)) deliver(id, message);
}

template <class App, class Host>
void Hub<App, Host>::disconnect_locally(std::string_view user, CloseCode code) {
  if (const auto linking = linking_users_.find(user); linking != linking_users_.end())
    for (auto& [then, disconnected] : linking->second.waiting) disconnected = code;
  for (const ConnectionId id : clients_of(user)) {
    const bool is_closed = close(id, code, disconnected_reason);
    if constexpr (is_clustered)
      if (!is_closed) handover_.close_if_it_stays(id.slot, code);
  }
}

template <class App, class Host>
void Hub<App, Host>::unsubscribe_locally(std::string_view user, std::string_view channel) {
  for (const ConnectionId id : clients_of(user)) {
    ClientType* client = find(id);
    if (client != nullptr && client->subscribing && *client->subscribing == channel)
      client->subscribing.reset();  // a subscribe under way comes to nothing
    if (client == nullptr || !leave_channel(id, channel)) continue;
    tell_unsubscribed(id, std::string(channel), false);
  }
}

template <class App, class Host>
std::error_code Hub<App, Host>::send_text_to_user(std::string_view user, std::string_view object) {
  const KeepsClients keeps(*this);
  if (!is_user_id(user)) return errc::invalid_user;
  if (!is_utf8(object) || !is_sendable_json(object, true)) return errc::invalid_json;
  const std::string_view trimmed = object.substr(object.find('{'));  // a frame begins with the brace
  const Delivers delivers(*this);
  send_locally(user, EncodedMessage::json(trimmed));
  send_to_peers(
      user_channel(user), [&] { return Envelope{.kind = Envelope::Kind::user_json, .body = trimmed}; },
      [](std::error_code) {});
  return {};
}

template <class App, class Host>
void Hub<App, Host>::disconnect_user(std::string_view user, CloseCode code) {
  const KeepsClients keeps(*this);
  if (!is_user_id(user)) return;
  disconnect_locally(user, code);
  send_to_peers(
      user_channel(user),
      [&] {
        return Envelope{.kind = Envelope::Kind::disconnect, .number = static_cast<std::uint32_t>(code)};
      },
      [](std::error_code) {});
}

template <class App, class Host>
void Hub<App, Host>::unsubscribe_user(std::string_view user, std::string_view channel) {
  const KeepsClients keeps(*this);
  if (!is_user_id(user) || check_channel(channel)) return;
  unsubscribe_locally(user, channel);
  send_to_peers(
      user_channel(user), [&] { return Envelope{.kind = Envelope::Kind::unsubscribe, .text = channel}; },
      [](std::error_code) {});
}

template <class App, class Host>
void Hub<App, Host>::execute(Command&& command) {
  switch (command.kind) {
    case Command::Kind::publish_json:
      static_cast<void>(publish_json(command.target, command.body));
      return;
    case Command::Kind::publish_binary:
      static_cast<void>(publish_binary(command.target, command.type, std::as_bytes(std::span(command.body))));
      return;
    case Command::Kind::send_to_user:
      static_cast<void>(send_text_to_user(command.target, command.body));
      return;
    case Command::Kind::disconnect_user:
      return disconnect_user(command.target, command.code);
    case Command::Kind::unsubscribe_user:
      return unsubscribe_user(command.target, command.body);
  }
}

}  // namespace switchboard::inline v1
