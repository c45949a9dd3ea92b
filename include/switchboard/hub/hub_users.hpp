// SPDX-License-Identifier: MIT
// Hub: users and their connections, here and elsewhere.
#pragma once
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

/// Calls `then` once the user can be reached here from every shard and node. Anonymous users cannot be.
template <class App, class Host>
void Hub<App, Host>::link_user(const std::string& user, std::function<void()> then) {
  if (user.empty()) return then();
  const auto [place, is_new] = users_.try_emplace(user);
  UserEntry& entry = place->second;
  if (is_new) {
    entry.is_linked = !has_peers();
    entry.number = ++last_user_number_;
    port_->subscribe(user_channel(user), [this, user, number = entry.number](std::error_code) {
      confirm_user(user, number);
    });
  }
  if (entry.is_linked) return then();
  if (!entry.waiting) entry.waiting = std::make_unique<std::vector<std::function<void()>>>();
  entry.waiting->push_back(std::move(then));
}

/// The broker's answer for this link of the user, which may have gone, or have been followed by another, meanwhile.
template <class App, class Host>
void Hub<App, Host>::confirm_user(const std::string& user, std::uint32_t number) {
  auto found = users_.find(user);
  if (found == users_.end() || found->second.number != number) return;
  found->second.is_linked = true;
  // One by one: whoever is still waiting keeps the entry from being taken for unused.
  for (; found != users_.end() && found->second.waiting; found = users_.find(user)) {
    auto& waiting = *found->second.waiting;
    const std::function<void()> then = std::move(waiting.front());
    waiting.erase(waiting.begin());
    if (waiting.empty()) found->second.waiting.reset();
    then();
  }
}

template <class App, class Host>
void Hub<App, Host>::unlink_user_if_unused(const std::string& user) {
  const auto found = users_.find(user);
  if (found == users_.end() || found->second.first != none || found->second.waiting) return;
  port_->unsubscribe(user_channel(user));
  users_.erase(found);
}

/// Puts the client into the ring of its user's.
template <class App, class Host>
void Hub<App, Host>::add_to_user(std::uint32_t slot) {
  ClientType& client = clients_[slot];
  if (client.user.id.empty()) return;
  UserEntry& entry = users_.find(client.user.id)->second;
  if (entry.first == none) {
    entry.first = client.user_next = client.user_previous = slot;
    return;
  }
  ClientType& first = clients_[entry.first];
  client.user_next = entry.first;
  client.user_previous = first.user_previous;
  clients_[first.user_previous].user_next = slot;
  first.user_previous = slot;
}

template <class App, class Host>
void Hub<App, Host>::remove_from_user(std::uint32_t slot) {
  ClientType& client = clients_[slot];
  if (client.user.id.empty()) return;
  UserEntry& entry = users_.find(client.user.id)->second;
  clients_[client.user_previous].user_next = client.user_next;
  clients_[client.user_next].user_previous = client.user_previous;
  if (entry.first == slot) entry.first = client.user_next == slot ? none : client.user_next;
  const std::string user = client.user.id;
  unlink_user_if_unused(user);
}

template <class App, class Host>
std::vector<ConnectionId> Hub<App, Host>::clients_of(std::string_view user) const {
  std::vector<ConnectionId> ids;
  const auto found = users_.find(user);
  if (found == users_.end() || found->second.first == none) return ids;
  std::uint32_t slot = found->second.first;
  do {
    ids.push_back(id_of(slot));
    slot = clients_[slot].user_next;
  } while (slot != found->second.first);
  return ids;
}

template <class App, class Host>
void Hub<App, Host>::receive_for_user(std::string_view user, const Envelope& envelope) {
  switch (envelope.kind) {
    case Envelope::Kind::user_json: return send_locally(user, EncodedMessage::json(envelope.body));
    case Envelope::Kind::disconnect: return disconnect_locally(user, static_cast<CloseCode>(envelope.number));
    case Envelope::Kind::unsubscribe: return unsubscribe_locally(user, envelope.text);
    default: return;  // of a channel
  }
}

template <class App, class Host>
void Hub<App, Host>::send_locally(std::string_view user, const Message& message) {
  for (const ConnectionId id : clients_of(user)) deliver(id, message);
}

template <class App, class Host>
void Hub<App, Host>::disconnect_locally(std::string_view user, CloseCode code) {
  for (const ConnectionId id : clients_of(user)) close(id, code, "disconnected by the server");
}

template <class App, class Host>
void Hub<App, Host>::unsubscribe_locally(std::string_view user, std::string_view channel) {
  for (const ConnectionId id : clients_of(user)) {
    if (find(id) == nullptr || !leave_channel(id, channel)) continue;
    push_answer(id, JsonObjectText().string("status", "unsubscribed").string("channel", channel).take());
  }
}

template <class App, class Host>
std::error_code Hub<App, Host>::send_text_to_user(std::string_view user, std::string_view object) {
  if (!is_user_id(user)) return errc::invalid_user;
  if (!is_utf8(object) || !is_sendable_json(object, true)) return errc::invalid_json;
  const std::string_view trimmed = object.substr(object.find('{'));  // a frame begins with the brace
  send_locally(user, EncodedMessage::json(trimmed));
  send_to_peers(user_channel(user), [&] { return Envelope{.kind = Envelope::Kind::user_json, .body = trimmed}; },
                [](std::error_code) {});
  return {};
}

template <class App, class Host>
void Hub<App, Host>::disconnect_user(std::string_view user, CloseCode code) {
  if (!is_user_id(user)) return;
  const std::string name(user);  // the view may be of the user that goes
  disconnect_locally(name, code);
  send_to_peers(user_channel(name),
                [&] { return Envelope{.kind = Envelope::Kind::disconnect, .number = static_cast<std::uint32_t>(code)}; },
                [](std::error_code) {});
}

template <class App, class Host>
void Hub<App, Host>::unsubscribe_user(std::string_view user, std::string_view channel) {
  if (!is_user_id(user) || check_channel(channel)) return;
  const std::string name(user);
  unsubscribe_locally(name, channel);
  send_to_peers(user_channel(name), [&] { return Envelope{.kind = Envelope::Kind::unsubscribe, .text = channel}; },
                [](std::error_code) {});
}

template <class App, class Host>
void Hub<App, Host>::execute(Command&& command) {
  switch (command.kind) {
    case Command::Kind::publish_json: static_cast<void>(publish_json(command.target, command.body)); return;
    case Command::Kind::publish_binary:
      static_cast<void>(publish_binary(command.target, command.type, std::as_bytes(std::span(command.body))));
      return;
    case Command::Kind::send_to_user: static_cast<void>(send_text_to_user(command.target, command.body)); return;
    case Command::Kind::disconnect_user: return disconnect_user(command.target, command.code);
    case Command::Kind::unsubscribe_user: return unsubscribe_user(command.target, command.body);
  }
}

}  // namespace switchboard::inline v1
