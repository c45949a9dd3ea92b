// SPDX-License-Identifier: MIT
// Rooms, who is in them, direct messages and images. A DEMO: the token is the user's name, and whoever says a
// name is believed; in a room also whom a message says that it is from, as the page writes it. A direct
// message has its sender from the server: where users must not speak for others let rooms work likewise
// (docs/from_socket_io.md).
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/switchboard.hpp>

#include "chat/image_message.hpp"
#include "support/serve.hpp"

namespace sb = switchboard;

/// `BrokerType` links it with others: InMemoryBroker the shards of this process, RedisBroker other processes
/// too.
template <class BrokerType>
struct Chat {
  using Broker = BrokerType;
  using Heartbeat = sb::JsonHeartbeat;
  struct User {
    std::string id;
  };

  /// Which of several that work together this is; the page shows it.
  std::string node;

  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token.empty()) return std::nullopt;
    return User{std::string(request.token)};  // DEMO ONLY: look the token up, do not believe it
  }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User&, std::string_view) { return true; }

  void on_message(sb::Connection<Chat> connection, nlohmann::json message) {
    const auto action = message.find("action");
    if (action != message.end() && *action == "send") return send_direct(connection, message);
    if (action != message.end() && *action == "node")
      return void(connection.answer(message, {{"status", "node"}, {"node", node}}));
    connection.reject(message, "action.unknown",
                      "this server knows subscribe, unsubscribe, publish, presence, send and node");
  }

  void binary(sb::BinaryHandlers<Chat>& handlers) {
    handlers.on(ImageMessage::type,
                [this](sb::Connection<Chat> connection, std::span<const std::byte> payload) {
                  relay_image(connection, payload);
                });
  }

 private:
  /// {"action":"send","to":"bob","data":…}: each of bob's connections gets
  /// {"type":"direct","from":"ann","data":…}.
  static void send_direct(sb::Connection<Chat> connection, const nlohmann::json& message) {
    const auto to = message.find("to"), data = message.find("data");
    if (to == message.end() || data == message.end()) {
      connection.reject(message, "field.missing", "send needs \"to\" and \"data\"");
      return;
    }
    if (!to->is_string()) {
      connection.reject(message, "field.invalid", "\"to\" must be a string");
      return;
    }
    const auto error = connection.shard().send_to_user(
        to->get_ref<const std::string&>(),
        {{"type", "direct"}, {"from", connection.user().id}, {"data", *data}});
    if (error == sb::errc::invalid_user)
      connection.reject(message, "field.invalid", "\"to\" is no user's name");
    else if (error)
      connection.reject(message, "publish.unavailable", error.message());
    else if (message.contains("id"))
      connection.answer(message, {{"status", "sent"}});
  }

  /// Goes to all who are subscribed to the room, the sender included if it is. As with publish, it need not
  /// be; and as the library asks may_publish for a client's own publish only, this does.
  void relay_image(sb::Connection<Chat> connection, std::span<const std::byte> payload) {
    const auto message = ImageMessage::parse(payload);
    if (!message) {
      connection.reject({}, "image.invalid",
                        "an image is a u16 length of the room's name, the name, and the image");
      return;
    }
    if (const auto bad_name = sb::check_channel(message->room))
      return void(connection.reject({}, sb::to_string(*bad_name), "the image names no room"));
    if (!may_publish(connection.user(), message->room))
      return void(connection.reject({}, "publish.denied", "you may not publish to this room"));
    if (const auto error = connection.shard().publish_binary(message->room, ImageMessage::type, payload))
      connection.reject({}, "publish.unavailable", error.message());
  }
};

template <class BrokerType>
int serve_chat(sb::Options<Chat<BrokerType>> options, const std::string& node) {
  return support::serve<Chat<BrokerType>>(std::move(options), [node](sb::Shard<Chat<BrokerType>>&) {
    auto chat = std::make_unique<Chat<BrokerType>>();
    chat->node = node;
    return chat;
  });
}
