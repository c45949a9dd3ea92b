// SPDX-License-Identifier: MIT
// World: what the App does, from outside and in the middle of a hub's calls.
#pragma once
#include "world.hpp"

namespace model {

template <class App>
void World<App>::publish(const Event& event, App& app, bool is_binary) {
  Message& message = new_message({.channel = channels[event.channel],
                                  .publisher = "hub " + std::to_string(app.place),
                                  .is_binary = is_binary},
                                 event.b % 300);
  model_.publish(message);
  if (is_binary)
    app.shard.publish_binary(message.channel, 7, std::as_bytes(std::span(message.body)));
  else
    app.shard.publish_json(message.channel, message.body);
}

template <class App>
void World<App>::command(const Event& event) {
  const unsigned place = event.place % config_.places();
  Message& message = new_message(
      {.channel = channels[event.channel], .publisher = "handle of node " + std::to_string(node_of(place))},
      event.b % 300);
  model_.publish(message);
  static_cast<void>(app_of(place).handle().publish_json(message.channel, message.body));
}

template <class App>
void World<App>::send_to_session(const Event& event, const sb::Shard<App>* shard) {
  Connection* connection = handle_of(event.client);
  if (connection == nullptr || (shard != nullptr && &connection->shard() != shard)) return;
  const bool is_binary = event.b % 2 != 0;
  const int key = newest_.at(event.client);
  Message& message = new_message({.session = key, .publisher = "App", .is_binary = is_binary}, event.b % 300);
  message.may_be_lost = message.is_partial = false;
  const bool sent = is_binary ? connection->send_binary(7, std::as_bytes(std::span(message.body)))
                              : connection->send_json(json::parse(message.body));
  message.is_partial = !sent;
  model_.publish(message);
}

template <class App>
void World<App>::perform(const Event& event, App& app) {
  const std::string user = users[event.client], channel = channels[event.channel];
  Connection* connection = handle_of(event.client);
  if (connection != nullptr && &connection->shard() != &app.shard) connection = nullptr;
  const bool is_outside = event.kind == Kind::act;  // no hub is at work
  if (is_outside) connection = handle_of(event.client);
  switch (event.act) {
    case Act::publish_text:
      return publish(event, app, false);
    case Act::publish_binary:
      return publish(event, app, true);
    case Act::send_to_user: {
      Message& message =
          new_message({.user = user, .publisher = "hub " + std::to_string(app.place)}, event.b % 300);
      model_.publish(message);
      app.shard.send_to_user(user, json::parse(message.body));
      return;
    }
    case Act::send_to_session:
      return send_to_session(event, is_outside ? nullptr : &app.shard);
    case Act::close_session:
      if (connection == nullptr || is_on_its_way(session_of(*connection).key)) return;  // see README.md
      doom(session_of(*connection), true);
      connection->close(sb::CloseCode::normal, "asked for");
      return;
    case Act::subscribe_session: {
      if (connection == nullptr) return;
      Session& session = session_of(*connection);
      const bool was_subscribed = model_.is_subscribed(session, channel);
      model_.subscribe(session, channel, false);  // the hub calls back while it does so
      session.unsure.insert(channel);
      if (!connection->subscribe(channel) && !was_subscribed) model_.unsubscribe(session, channel);
      return;
    }
    case Act::unsubscribe_session:
      if (connection == nullptr) return;
      session_of(*connection).leaving.insert(channel);
      session_of(*connection).unsure.insert(channel);
      connection->unsubscribe(channel);
      return;
    case Act::disconnect_user:
      for (auto& [key, session] : model_.sessions())
        if (session.user == user && session.life.to == never) doom(session, true);
      being_disconnected_.insert(user);
      return app.shard.disconnect_user(user);
    case Act::unsubscribe_user:
      being_taken_off_.emplace(user, channel);
      for (auto& [key, session] : model_.sessions())
        if (session.user == user) session.unsure.insert(channel);
      return app.shard.unsubscribe_user(user, channel);
    case Act::count:
      return;
  }
}

}  // namespace model
