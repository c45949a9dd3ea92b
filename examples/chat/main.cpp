// SPDX-License-Identifier: MIT
// Rooms, who is in them, direct messages, images, and a page to try it all with. A DEMO: the token is the
// user's name, and whoever says a name is believed.
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/redis_broker.hpp>
#include <switchboard/switchboard.hpp>

#include "chat/image_message.hpp"
#include "chat/page.hpp"
#include "support/command_line.hpp"
#include "support/serve.hpp"

namespace sb = switchboard;

struct Chat {
  using Broker = sb::RedisBroker;  // without a URL, the shards of this process alone
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

  void binary(sb::BinaryHandlers<Chat>& handlers) { handlers.on(ImageMessage::type, &Chat::relay_image); }

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
  /// be.
  static void relay_image(sb::Connection<Chat> connection, std::span<const std::byte> payload) {
    const auto message = ImageMessage::parse(payload);
    if (!message) {
      connection.reject({}, "image.invalid",
                        "an image is a u16 length of the room's name, the name, and the image");
      return;
    }
    const auto error = connection.shard().publish_binary(message->room, ImageMessage::type, payload);
    if (const auto bad_name = sb::check_channel(message->room))
      connection.reject({}, sb::to_string(*bad_name), "the image names no room");
    else if (error)
      connection.reject({}, "publish.unavailable", error.message());
  }
};

std::vector<sb::StaticFile> page() {
  std::vector<sb::StaticFile> files;
  for (const PageFile& file : page_files()) {
    sb::StaticFile served{std::string(file.path), std::string(sb::content_type_of(file.path)),
                          std::string(file.body)};
    if (file.path == "/index.html") served.path = "/";
    files.push_back(std::move(served));
  }
  return files;
}

int main(int argc, char** argv) {
  sb::Options<Chat> options{.address = "127.0.0.1", .static_files = page()};
  support::CommandLine flags(
      "A chat with rooms, direct messages and images, and its page. A demo: a token is a name, and is "
      "believed.");
  flags.text("--address", "A", options.address, "listen here; 0.0.0.0 for every interface");
  flags.number("--port", options.port, "0 picks a free one");
  flags.list("--broker", "URL", options.broker.urls,
             "link with other chats by Redis there: redis://host, rediss://, unix:///path, "
             "redis+cluster://a,b, redis+sentinel://a,b/master; several servers share the channels");
  flags.text("--node", "NAME", options.broker.node,
             "what this one is called among them; none: host and a number");
  flags.number("--threads", options.threads, "shards; 0 for one per core");
  flags.milliseconds("--heartbeat-interval-ms", options.heartbeat.interval, "a ping that often", 1);
  flags.milliseconds("--heartbeat-timeout-ms", options.heartbeat.timeout, "silence that ends a connection",
                     1);
  flags.milliseconds("--session-ttl-ms", options.sessions.time_to_live,
                     "a session outlives its socket so long");
  flags.milliseconds("--presence-grace-ms", options.sessions.presence_grace,
                     "one who was cut is listed so long");
  flags.number("--replay", options.sessions.replay, "messages kept for one who comes back");
  flags.number("--max-message-bytes", options.limits.max_message_bytes, "larger messages close with 1009");
  flags.number("--max-queue-bytes", options.queue.max_bytes, "what may wait for a slow reader");
  flags.choice<sb::SlowConsumer>("--slow-consumer", options.queue.slow_consumer,
                                 {{"close", sb::SlowConsumer::close},
                                  {"drop-oldest", sb::SlowConsumer::drop_oldest},
                                  {"conflate", sb::SlowConsumer::conflate}},
                                 "what happens beyond");
  flags.number("--rate-limit", options.limits.messages_per_second,
               "messages a second per connection; 0: off");
  flags.list("--allow-origin", "URL", options.allowed_origins,
             "pages from there may connect; none: the server's own");
  flags.parse_or_exit(argc, argv);
  options.broker.on_error = [](const sb::RedisError& error) {
    std::cerr << error.server << ": " << error.code.message() << (error.detail.empty() ? "" : ": ")
              << error.detail << std::endl;
  };
  const std::string node = options.broker.node;
  return support::serve<Chat>(options, [node](sb::Shard<Chat>&) {
    auto chat = std::make_unique<Chat>();
    chat->node = node;
    return chat;
  });
}
