// SPDX-License-Identifier: MIT
// World: what must be true when all is over.
#pragma once
#include "support/what_is_left.hpp"
#include "world.hpp"

namespace model {

/// A plain client that hears of all comings and goings.
template <class App>
void World<App>::watch() {
  const auto attempt = static_cast<unsigned>(attempts_.size());
  attempts_.push_back({client_count, 0, 0, servers_.now()});
  watcher_.emplace();
  watcher_->peer.emplace(attempt);
  watcher_->peer->send("GET /ws?token=wat." + std::to_string(attempt) +
                       " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  accept(*watcher_->peer, 0);
  for (const char* channel : channels)
    watcher_->peer->send(sb::testing::encode(
        {.opcode = sb::Opcode::text,
         .payload = json{{"action", "subscribe"}, {"channel", channel}, {"presence", true}}.dump()}));
  servers_.advance(std::chrono::seconds(1));
  read_watcher();
}

template <class App>
void World<App>::read_watcher() {
  require(watcher_->peer->breach().empty(), "the server broke RFC 6455: " + watcher_->peer->breach());
  while (const auto frame = watcher_->peer->next()) {
    if (frame->opcode != sb::Opcode::text) continue;
    const json object = json::parse(frame->payload);
    const std::string type = object.value("type", "");
    if (type == "join")
      require(told_[object["channel"]].insert(object["user"]).second,
              "a join of one who is there: " + object.dump());
    if (type == "leave")
      require(told_[object["channel"]].erase(object["user"]) == 1,
              "a leave of one who is not there: " + object.dump());
  }
}

template <class App>
void World<App>::finish() {
  ++model_.now;
  armed_.clear();
  for (const unsigned node : std::exchange(cut_nodes_, {})) servers_.restore(node);
  after_step();
  // Everyone reads, comes back, and reads. What is found out late, such as a close, may need a second round.
  for (int round = 0; round < 3; ++round) {
    for (Client& client : clients_) {
      ++model_.now;
      if (client.peer) client.peer->wake();
      if (client.peer) client.peer->send_rest();
      servers_.run();
      read(client);
      if (!client.peer) connect(client, client.index % config_.places(), false, 0);
      after_step();
      servers_.advance(std::chrono::seconds(6));
      read(client);
      after_step();
    }
  }
  ++model_.now;
  servers_.advance(std::chrono::seconds(presence_grace_s + 3));
  for (Client& client : clients_) read(client);
  after_step();
  for (Client& client : clients_) {
    const std::string who = std::string(users[client.index]) + std::to_string(client.index) + ": ";
    require(client.peer && !client.is_waiting && client.session != 0, who + "it cannot come back");
    require(client.requests.empty(), who + "a request was never answered");
    const Session& session = *session_of(client);
    require(session.life.to == never, who + "it has a socket and no session");
    require(config_.is_lossy || !session.must_end, who + "it was to be disconnected and is there");
    try {
      model_.check(session, client.last_seq);
    } catch (const Failure& failure) {
      throw Failure(who + failure.what());
    }
  }
  for (const auto& [key, count] : running_) require(count == 0, "a handler has not ended");
  check_presence();
  check_old_peers();
  check_empty();
}

/// Who is subscribed, and has a socket.
template <class App>
std::map<std::string, std::set<std::string>> World<App>::present() const {
  std::map<std::string, std::set<std::string>> present;
  for (const char* channel : channels) {
    present[channel];
    if (watcher_) present[channel].insert("wat");
    for (const Client& client : clients_)
      if (model_.is_subscribed(const_cast<Model&>(model_).session(client.session), channel))
        present[channel].insert(users[client.index]);
  }
  return present;
}

inline std::string list_of(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& one : names) text += " " + one;
  return text;
}

template <class App>
void World<App>::check_presence() {
  const auto expected = present();
  if (watcher_ && !config_.is_lossy) {
    read_watcher();
    for (const char* channel : channels) {
      told_[channel].insert("wat");
      require(told_[channel] == expected.at(channel), std::string("of ") + channel + " the watcher was told" +
                                                          list_of(told_[channel]) + ", and there are" +
                                                          list_of(expected.at(channel)));
    }
  }
  // The server may not know yet that the clients of these have gone.
  std::set<std::string> possible;
  for (const int key : lost_) possible.insert(model_.session(key).user);
  for (const auto& [channel, listed] : list_presence()) {
    auto surplus = listed;
    for (const std::string& user : possible)
      if (!expected.at(channel).contains(user)) surplus.erase(user);
    require(surplus == expected.at(channel), "in " + channel + " are listed" + list_of(listed) +
                                                 ", and there are" + list_of(expected.at(channel)));
  }
}

/// What somebody new is told of each channel, but for itself.
template <class App>
std::map<std::string, std::set<std::string>> World<App>::list_presence() {
  const auto attempt = static_cast<unsigned>(attempts_.size());
  attempts_.push_back({client_count, 0, 0, servers_.now()});
  Peer guest(attempt);
  guest.send("GET /ws?token=guest." + std::to_string(attempt) +
             " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  accept(guest, config_.places() - 1);
  for (const char* channel : channels)
    for (const char* action : {"subscribe", "presence"})
      guest.send(sb::testing::encode(
          {.opcode = sb::Opcode::text, .payload = json{{"action", action}, {"channel", channel}}.dump()}));
  servers_.advance(std::chrono::seconds(1));
  std::map<std::string, std::set<std::string>> lists;
  while (const auto frame = guest.next()) {
    const json object = json::parse(frame->payload);
    if (object.value("status", "") != "presence") continue;
    std::set<std::string>& listed = lists[object["channel"]];
    for (const json& user : object["users"])
      require(listed.insert(user["user"]).second, "a user is listed twice");
    require(listed.erase("guest") == 1, "one who asks is not listed");
  }
  require(lists.size() == channel_count, "presence was not told");
  guest.cut();
  old_peers_.push_back({std::move(guest), std::nullopt});
  return lists;
}

template <class App>
void World<App>::check_old_peers() {
  for (const OldPeer& old : old_peers_) {
    require(old.peer.breach().empty(), "the server broke RFC 6455: " + old.peer.breach());
    if (!old.replaced_by || attempts_.at(old.peer.attempt).session == 0) continue;
    if (attempts_.at(*old.replaced_by).session != attempts_.at(old.peer.attempt).session) continue;
    require(old.peer.is_closed(), "a socket was left behind when its session was taken over");
    require(old.peer.close_code().has_value(), "a socket was not told why its session has left it");
  }
}

/// Nothing is left of any client.
template <class App>
void World<App>::check_empty() {
  ++model_.now;
  for (auto& [key, session] : model_.sessions()) doom(session, false);
  for (Client& client : clients_)
    if (client.peer) cut(client, 0);
  if (watcher_) {
    watcher_->peer->cut();
    old_peers_.push_back({std::move(*watcher_->peer), std::nullopt});
  }
  for (OldPeer& old : old_peers_) {
    old.peer.wake();
    old.peer.cut();
  }
  servers_.advance(std::chrono::seconds(10));
  for (const OldPeer& old : old_peers_) require(old.peer.is_closed(), "a socket was never closed");
  servers_.advance(std::chrono::seconds(2 * time_to_live_s + 40));
  for (const auto& [channel, listed] : list_presence())
    require(listed.empty(), "everybody is gone, and in " + channel + " are listed" + list_of(listed));
  servers_.advance(std::chrono::seconds(presence_grace_s + 10));
  for (unsigned node = 0; node < config_.nodes; ++node) {
    const std::string left = what_is_left(servers_.app_of(node));
    require(left.empty(), left);
  }
  for (const auto& [key, session] : model_.sessions())
    require(session.life.to != never || config_.is_lossy || config_.nodes > 1,
            "the App was not told of a session's end");
}

}  // namespace model
