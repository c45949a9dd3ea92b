// SPDX-License-Identifier: MIT
// World: what the events of a schedule do.
#pragma once
#include "world.hpp"

namespace model {

template <class App>
void World<App>::apply(const Event& event) {
  Client& client = clients_[event.client];
  const unsigned place = event.place % config_.places();
  App& app = app_of(place).app(shard_of(place));
  read_welcome(client);
  switch (event.kind) {
    case Kind::connect:
      if (event.a % 4 == 1) read(client);
      return connect(client, place, event.a % 4 == 3, event.b);
    case Kind::forget:
      leave_peer(client, std::nullopt);
      for (OldPeer& old : old_peers_)
        if (attempts_.at(old.peer.attempt).client == client.index) old.peer.cut();
      client.session = 0;
      client.name.clear();
      return connect(client, place, false, event.b);
    case Kind::half_handshake:
      return half_handshake(event);
    case Kind::cut:
      return cut(client, event.a % 5);
    case Kind::stall:
      if (client.peer) client.peer->stall(event.a % 2 == 0 ? 0 : event.b);
      return;
    case Kind::wake:
      if (client.peer) client.peer->wake();
      servers_.run();
      return read(client);
    case Kind::read:
      servers_.run();
      return read(client);
    case Kind::subscribe:
    case Kind::unsubscribe:
    case Kind::ask:
      return request(client, event, static_cast<std::size_t>(&event - schedule_.events.data()));
    case Kind::publish:
      return publish_from_client(client, event);
    case Kind::send_binary:
      return send_binary(client, event);
    case Kind::acknowledge:
      client.acknowledged = client.last_seq;
      if (client.peer && has_session[client.index])
        send(client, event, sb::Opcode::text, json{{"type", "pong"}, {"seq", client.last_seq}}.dump());
      return;
    case Kind::ping:
      if (client.peer)
        send(client, event, event.a % 2 == 0 ? sb::Opcode::ping : sb::Opcode::text,
             event.a % 2 == 0 ? "are you there" : R"({"type":"ping"})");
      return;
    case Kind::act:
      return perform(event, app);
    case Kind::burst:
      for (unsigned i = 0; i < 2 + event.b % 6; ++i) publish(event, app, (event.a + i) % 3 == 0);
      return;
    case Kind::command:
      return command(event);
    case Kind::arm:
      armed_[hook_of(event)] = event;
      return;
    case Kind::deny: {
      const std::pair<std::string, std::string> both(users[event.client], channels[event.channel]);
      ever_denied_.insert(both);
      if (!denied_.erase(both)) denied_.insert(both);
      return;
    }
    case Kind::advance:
      return servers_.advance(std::chrono::milliseconds(milliseconds_of(event)));
    case Kind::expire:
      return servers_.advance(std::chrono::seconds(time_to_live_s + event.a % 10));
    case Kind::cut_node:
      if (cut_nodes_.insert(node_of(place)).second) servers_.cut(node_of(place));
      counts_.count(Counts::lost_links);
      return model_.may_be_lost();
    case Kind::restore_node:
      if (cut_nodes_.erase(node_of(place)) > 0) servers_.restore(node_of(place));
      return;
    case Kind::count:
      return;
  }
}

template <class App>
void World<App>::after_step() {
  servers_.run();
  if (wrong_) throw Failure(*wrong_);
  for (const auto& [number, key] : surely_published_)
    if (!is_disturbed_ && model_.session(key).life.to == never) model_.publish(model_.message(number));
  surely_published_.clear();
  is_disturbed_ = false;
  if (!cut_nodes_.empty()) model_.may_be_lost();
  if (!servers_.is_settled()) return;
  model_.settle();
  being_taken_off_.clear();
  for (Attempt& attempt : attempts_)  // who still waits for a session to come may have heard of it
    if (attempt.session == 0 && attempt.client < client_count)
      attempt.may_be_closed |= being_disconnected_.contains(users[attempt.client]);
  being_disconnected_.clear();
}

// Coming and going.

template <class App>
std::string World<App>::handshake(const Client& client, unsigned attempt, bool with_session) const {
  std::string target = "/ws?token=" + std::string(users[client.index]) + "." + std::to_string(attempt);
  if (with_session) {
    target += "&last_seq=" + std::to_string(client.asked_seq);
    if (client.session != 0) target += "&session=" + client.name;
  }
  return "GET " + target +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

template <class App>
void World<App>::accept(Peer& peer, unsigned place) {
  app_of(place).host(shard_of(place)).accept(peer.socket());
}

template <class App>
void World<App>::connect(Client& client, unsigned place, bool rolls_back, unsigned a) {
  const bool comes_back = has_session[client.index] && client.session != 0;
  const auto attempt = static_cast<unsigned>(attempts_.size());
  if (comes_back && !client.is_waiting)
    leave_peer(client, attempt);
  else
    leave_peer(client, std::nullopt);
  attempts_.push_back({client.index, comes_back ? client.session : 0, 0, servers_.now()});
  client.asked_seq = comes_back ? client.last_seq : 0;
  if (comes_back && rolls_back) {  // it has forgotten what it had last
    client.asked_seq -= std::min<std::uint64_t>(client.asked_seq - client.acknowledged, a % 5);
    client.unsure.insert(channels.begin(), channels.end());
  }
  client.peer.emplace(attempt);
  client.is_waiting = has_session[client.index];
  client.peer->send(handshake(client, attempt, has_session[client.index]));
  accept(*client.peer, place);
}

/// The client uses its socket no more. One that waits for its welcome gives that up first.
template <class App>
void World<App>::leave_peer(Client& client, std::optional<unsigned> replaced_by) {
  if (!client.peer) return;
  const bool must_be_told = !client.peer->is_gone() && !client.peer->is_closed() &&
                            !client.peer->is_stalled && client.peer->status() == 101 &&
                            !client.peer->has_rest();
  if (!replaced_by) client.peer->cut();
  old_peers_.push_back({std::move(*client.peer), must_be_told ? replaced_by : std::nullopt});
  lose_peer(client);
}

template <class App>
void World<App>::lose_peer(Client& client) {
  client.peer.reset();
  client.is_waiting = false;
  for (const Request& request : client.requests) {
    client.forgotten.push_back(request);
    if (!request.channel.empty()) client.unsure.insert(request.channel);
  }
  client.requests.clear();
  if (has_session[client.index]) return;
  client.session = 0;
  client.channels.clear();
  client.unsure.clear();
  client.forgotten.clear();
}

template <class App>
void World<App>::half_handshake(const Event& event) {
  const auto attempt = static_cast<unsigned>(attempts_.size());
  attempts_.push_back({event.client, 0, 0, servers_.now()});
  Peer peer(attempt);
  Client stranger;
  stranger.index = event.client;
  const std::string bytes = handshake(stranger, attempt, false);
  peer.send(bytes.substr(0, event.a % bytes.size()));
  accept(peer, event.place % config_.places());
  servers_.run();
  peer.cut();
  old_peers_.push_back({std::move(peer), std::nullopt});
}

template <class App>
void World<App>::cut(Client& client, unsigned how) {
  if (!client.peer) return;
  if (how == 1) read(client);
  if (!client.peer) return;
  if (how == 2) {
    if (client.is_waiting) waited_for_.insert(client.session);
    client.peer->cut_unnoticed();
  } else {
    if (how == 3) client.peer->send(sb::testing::encode_close(sb::CloseCode::normal));
    if (how == 3) servers_.run();
    client.peer->cut();
  }
  old_peers_.push_back({std::move(*client.peer), std::nullopt});
  lose_peer(client);
}

// What clients send.

template <class App>
bool World<App>::is_idle(const Client& client) const {
  if (!client.peer || client.is_waiting || client.peer->is_stalled || !client.peer->is_being_read())
    return false;
  if (!client.requests.empty() || !client.forgotten.empty() || client.session == 0) return false;
  const auto running = running_.find(client.session);
  return (running == running_.end() || running->second == 0) && being_disconnected_.empty();
}

/// True if all of it has been sent and read.
template <class App>
bool World<App>::send(Client& client, const Event& event, sb::Opcode opcode, std::string_view payload) {
  Peer& peer = *client.peer;
  peer.send_rest();
  const std::string bytes =
      encode_message(opcode, payload, is_control(opcode) ? Arrival::whole : event.arrival, event.a);
  switch (event.arrival) {
    case Arrival::whole:
    case Arrival::fragments:
    case Arrival::count:
      peer.send(bytes);
      servers_.run();
      return true;
    case Arrival::together:
      peer.send(bytes);
      return true;
    case Arrival::split: {
      const std::size_t at = event.a % bytes.size();
      peer.send(bytes.substr(0, at));
      servers_.run();
      peer.send(bytes.substr(at));
      servers_.run();
      return true;
    }
    case Arrival::by_byte:
      for (const char byte : bytes) {
        peer.send({&byte, 1});
        servers_.run();
      }
      return true;
    case Arrival::half:
      peer.send(bytes.substr(0, event.a % bytes.size()));
      servers_.run();
      peer.hold_back(bytes.substr(event.a % bytes.size()));
      return false;
    case Arrival::cut_short:
      peer.send(bytes.substr(0, event.a % (bytes.size() + 1)));
      servers_.run();
      cut(client, event.b % 4);
      return false;
  }
  return false;
}

template <class App>
void World<App>::request(Client& client, const Event& event, std::size_t index) {
  if (!client.peer || client.is_waiting || client.session == 0) return;
  const int id = static_cast<int>(index) + 1'000'000;
  json text{{"id", id}};
  Request request{Request::Kind::ask, {}, id};
  if (event.kind == Kind::ask) {
    text["do"] = index;
  } else {
    const bool joins = event.kind == Kind::subscribe;
    request.kind = joins ? Request::Kind::subscribe : Request::Kind::unsubscribe;
    text["channel"] = request.channel = channels[event.channel];
    text["action"] = joins ? "subscribe" : "unsubscribe";
    if (joins && config_.sessions_watch && event.b % 2 == 0) {
      text["presence"] = true;
      if (Session* session = session_of(client)) session->has_notices = true;
    }
    if (!joins)
      if (Session* session = session_of(client)) session->leaving.insert(request.channel);
  }
  client.requests.push_back(request);
  send(client, event, sb::Opcode::text, text.dump());
}

template <class App>
Message& World<App>::new_message(Message message, unsigned size) {
  Message& added = model_.add(std::move(message));
  if (added.is_binary) {
    for (int shift = 24; shift >= 0; shift -= 8)
      added.body += static_cast<char>(added.number >> shift & 0xff);
    added.body += std::string(size, static_cast<char>(added.number));
  } else {
    added.body =
        json{{"n", added.number}, {"pad", std::string(size, static_cast<char>('a' + added.number % 26))}}
            .dump();
  }
  if (!cut_nodes_.empty()) added.is_partial = added.may_be_lost = true;
  return added;
}

template <class App>
void World<App>::publish_from_client(Client& client, const Event& event) {
  if (!client.peer || client.is_waiting || client.session == 0) return;
  // A session, not its client: what a connection that has ended has left waiting is done beside the next one.
  Message& message = new_message(
      {.channel = channels[event.channel], .publisher = "session " + std::to_string(client.session)},
      event.b % 300);
  send_publish(client, event, message, event.a % 2 == 0);
}

template <class App>
void World<App>::send_publish(Client& client, const Event& event, const Message& message, bool has_id) {
  json text{{"action", "publish"}, {"channel", message.channel}, {"data", json::parse(message.body)}};
  if (has_id) text["id"] = message.number;
  const bool was_idle = is_idle(client);
  const int session = client.session;
  if (has_id) client.requests.push_back({Request::Kind::publish, message.channel, message.number});
  if (send(client, event, sb::Opcode::text, text.dump()) && was_idle)
    surely_published_.emplace_back(message.number, session);
}

template <class App>
void World<App>::send_binary(Client& client, const Event& event) {
  if (!client.peer || client.is_waiting || client.session == 0) return;
  const int id = static_cast<int>(binary_requests_.size()) + 1;
  std::string bytes{'\0', '\0', '\0', static_cast<char>(1 + event.b % 4)};
  std::string payload = std::to_string(id) + " " + channels[event.channel] + " ";
  for (unsigned i = 0; i < event.b; ++i) payload += static_cast<char>(i * 7);
  binary_requests_[id] = payload;
  send(client, event, sb::Opcode::binary, bytes + payload);
}

template <class App>
void World<App>::take_binary(std::string_view payload, App& app) {
  const int id = std::atoi(std::string(payload.substr(0, payload.find(' '))).c_str());
  const auto sent = binary_requests_.find(id);
  require(sent != binary_requests_.end() && sent->second == payload,
          "a binary message came to its handler altered");
  require(handled_.insert(id).second, "a binary message was handled twice");
  Event event;
  while (sent->second.find(channels[event.channel]) == std::string::npos) ++event.channel;
  event.b = static_cast<unsigned>(payload.size());
  counts_.count(Counts::binary_requests);
  publish(event, app, true);
}

}  // namespace model
