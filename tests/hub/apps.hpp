// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/testing/websocket_test_client.hpp>

// The Apps that several tests of the hub share. Hub<…> of the first is compiled once, in apps.cpp.
namespace hub_tests {

using Json = nlohmann::json;
using switchboard::testing::ConnectOptions;
using switchboard::testing::TestApp;
using switchboard::testing::TestConnection;
using switchboard::testing::TestOptions;
using switchboard::testing::WebSocketTestClient;

inline const ConnectOptions plain{.last_seq = std::nullopt};

/// Its handlers return at once. Each is a hook that a test may set; the token is the user's id ("-":
/// anonymous).
template <class BrokerType = switchboard::InMemoryBroker>
struct HookedApp {
  using Broker = BrokerType;
  using Handle = switchboard::Connection<HookedApp>;
  struct User {
    std::string id;
  };
  struct State {
    int visits = 0;
  };

  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    if (authenticate_hook) authenticate_hook(request);
    if (request.token.empty()) return std::nullopt;
    return User{request.token == "-" ? "" : std::string(request.token)};
  }
  bool may_subscribe(const User& user, std::string_view channel) {
    return !may_subscribe_hook || may_subscribe_hook(user.id, channel);
  }
  bool may_publish(const User& user, std::string_view channel) {
    return !may_publish_hook || may_publish_hook(user.id, channel);
  }
  void on_message(Handle connection, Json message) {
    if (message_hook)
      message_hook(connection, std::move(message));
    else
      connection.answer(message, {{"status", "seen"}});
  }
  void on_open(Handle connection) {
    if (open_hook) open_hook(connection);
  }
  void on_close(Handle connection, switchboard::CloseReason reason) {
    if (close_hook) close_hook(connection, reason);
  }
  void on_subscribe(Handle connection, std::string_view channel) {
    if (subscribe_hook) subscribe_hook(connection, std::string(channel));
  }
  void on_unsubscribe(Handle connection, std::string_view channel) {
    if (unsubscribe_hook) unsubscribe_hook(connection, std::string(channel));
  }
  /// 1: to the hook, at most 16 bytes. 2: throws. 3: to the hook, 1 MiB. 4: to the hook, more than a message
  /// may have.
  void binary(switchboard::BinaryHandlers<HookedApp>& handlers) {
    const auto to_hook = [this](std::uint32_t type) {
      return [this, type](Handle connection, std::span<const std::byte> payload) {
        if (payload_hook) payload_hook(connection, payload);
        if (binary_hook)
          binary_hook(connection, type, {reinterpret_cast<const char*>(payload.data()), payload.size()});
      };
    };
    handlers.on(1, {.max_size = 16}, to_hook(1));
    handlers.on(2,
                [](Handle, std::span<const std::byte>) { throw std::runtime_error("type 2 is not liked"); });
    handlers.on(3, to_hook(3));
    handlers.on(4, {.max_size = std::size_t{1} << 30}, to_hook(4));
  }

  std::function<void(const switchboard::UpgradeRequest&)> authenticate_hook;
  std::function<bool(std::string_view user, std::string_view channel)> may_subscribe_hook, may_publish_hook;
  std::function<void(Handle, Json)> message_hook;
  std::function<void(Handle)> open_hook;
  std::function<void(Handle, switchboard::CloseReason)> close_hook;
  std::function<void(Handle, std::string)> subscribe_hook, unsubscribe_hook;
  std::function<void(Handle, std::uint32_t, std::string)> binary_hook;
  std::function<void(Handle, std::span<const std::byte>)> payload_hook;
};

/// What every test begins with: an App, and clients of it.
template <class App = HookedApp<>>
struct Bench {
  explicit Bench(TestOptions<App> options = {}) : test(std::move(options)), app(test.app()) {}

  TestConnection<App> connect(std::string user, const ConnectOptions& options = plain) {
    return WebSocketTestClient<App>(test, std::move(user)).connect(options);
  }
  TestConnection<App> subscriber(std::string user, std::string channel,
                                 const ConnectOptions& options = plain) {
    auto connection = connect(std::move(user), options);
    subscribe(connection, channel);
    return connection;
  }
  void subscribe(TestConnection<App>& connection, const std::string& channel) {
    connection.send_json({{"action", "subscribe"}, {"channel", channel}});
    const Json answer = connection.receive_json();
    if (answer.value("status", "") != "subscribed")
      throw std::runtime_error("not subscribed: " + answer.dump());
  }

  TestApp<App> test;
  App& app;
};

/// Sends the text and returns what comes back as it stands on the wire.
template <class App>
std::string ask(TestConnection<App>& connection, std::string_view text) {
  connection.send_text(text);
  return connection.receive_text();
}
/// Sends the text and returns the code and the "id" of the error that comes back, or what came instead.
template <class App>
std::string ask_error(TestConnection<App>& connection, std::string_view text) {
  const std::string answer = ask(connection, text);
  const Json error = Json::parse(answer);
  if (error.value("type", "") != "error" || !error.contains("message")) return answer;
  return error.at("code").template get<std::string>() +
         (error.contains("id") ? " " + error.at("id").dump() : "");
}

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace hub_tests

extern template class switchboard::Hub<hub_tests::HookedApp<>,
                                       switchboard::testing::TestHost<hub_tests::HookedApp<>>>;
