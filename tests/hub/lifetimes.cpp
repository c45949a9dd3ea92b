// SPDX-License-Identifier: MIT
// Arguments of a call may lie in the very client that ends during that call.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using switchboard::CloseCode;

namespace {

/// A text that is no longer what it was once its owner is gone, whatever the allocator does.
struct Text {
  std::string text;
  Text(std::string_view from) : text(from) {}
  Text(const Text&) = default;
  Text(Text&&) = default;
  Text& operator=(const Text&) = default;
  Text& operator=(Text&&) = default;
  ~Text() { text.assign(text.size(), '!'); }
};

constexpr std::string_view room = "a room whose name is too long to be kept without an allocation";
const std::string document = "\"" + std::string(3'000, 'x') + "\"";

/// Does what the message says with arguments out of its own client.
struct Careless {
  using Handle = switchboard::Connection<Careless>;
  struct User {
    std::string id;
    Text role{"a role that is too long to be kept without an allocation"};
  };
  struct State {
    Text room{::room}, json{document}, bytes{document};
  };

  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User& user, std::string_view) {
    if (disconnects) shard->disconnect_user(user.id);
    role_seen = user.role.text;
    return true;
  }
  void on_message(Handle connection, Json message) {
    const std::string does = message.at("do");
    const std::string padding(message.value("bytes", std::size_t{0}), 'x');
    auto& state = connection.state();
    if (does == "fill") connection.send_json({{"padding", padding}});
    if (does == "send") shard->send_to_user(connection.user().id, {{"sent", padding}});
    if (does == "publish") shard->publish(state.room.text, padding);
    if (does == "publish_json") shard->publish_json(state.room.text, state.json.text);
    if (does == "publish_binary")
      shard->publish_binary(state.room.text, 1, std::as_bytes(std::span(state.bytes.text)));
    if (does == "unsubscribe") shard->unsubscribe_user(connection.user().id, state.room.text);
    was_open = connection.is_open();
    CHECK((does == "fill" || !was_open));
    if (!was_open) CHECK_THROWS_AS(connection.user(), std::logic_error);
  }
  void on_unsubscribe(Handle connection, std::string_view) { connection.close(CloseCode::normal); }
  asio::awaitable<void> on_subscribe(Handle connection, std::string_view) {
    if (!closes_at_subscribe) co_return;
    const auto& user = connection.user();
    const auto& state = connection.state();
    connection.close(CloseCode::normal);
    role_seen = user.role.text;
    room_seen = state.room.text;
  }
  Json presence_info(const User& user, std::string_view) {
    if (disconnects) shard->disconnect_user(user.id);
    role_seen = user.role.text;
    return nullptr;
  }

  explicit Careless(switchboard::Shard<Careless>& its_shard) : shard(&its_shard) {}
  switchboard::Shard<Careless>* shard;
  bool disconnects = false;
  bool closes_at_subscribe = false;
  bool was_open = true;
  std::string role_seen, room_seen;
};

const std::string ann = "a user whose id is too long to be kept without an allocation";

}  // namespace

TEST_CASE("a slow client that a call closes may hold the arguments of that call") {
  Bench<Careless> bench({.shards = 2, .queue = {.max_bytes = 4'000}});
  auto ws = bench.subscriber(ann, std::string(room));
  auto other = bench.connect(ann, {.last_seq = std::nullopt, .shard = 1});
  bench.subscribe(other, std::string(room));
  ws.stop_reading();
  ws.send_json({{"do", "fill"}, {"bytes", 1'900}});
  bench.test.run();
  REQUIRE(bench.app.was_open);
  SECTION("the user's id") {
    ws.send_json({{"do", "send"}, {"bytes", 3'000}});
    CHECK(other.receive_json()["sent"] == std::string(3'000, 'x'));
  }
  SECTION("the channel") {
    ws.send_json({{"do", "publish"}, {"bytes", 3'000}});
    CHECK(other.receive_json() ==
          Json{{"type", "message"}, {"channel", room}, {"data", std::string(3'000, 'x')}});
  }
  SECTION("the channel and what is published") {
    ws.send_json({{"do", "publish_json"}});
    CHECK(other.receive_json()["data"] == Json::parse(document));
  }
  SECTION("the channel and the bytes that are published") {
    ws.send_json({{"do", "publish_binary"}});
    CHECK(other.receive_binary().payload == document);
  }
  bench.test.run();
  CHECK_FALSE(bench.app.was_open);
}

TEST_CASE("a client that ends as it is unsubscribed may hold the channel's name") {
  Bench<Careless> bench({.shards = 2});
  auto ws = bench.subscriber(ann, std::string(room));
  auto other = bench.connect(ann, {.last_seq = std::nullopt, .shard = 1});
  bench.subscribe(other, std::string(room));
  ws.send_json({{"do", "unsubscribe"}});
  CHECK(other.receive_close().code == CloseCode::normal);
  CHECK_FALSE(bench.app.was_open);
}

TEST_CASE("a coroutine may go on with the user and the state of a client that it has ended") {
  Bench<Careless> bench;
  bench.app.closes_at_subscribe = true;
  auto ws = bench.connect(ann, GENERATE(ConnectOptions{}, plain));
  ws.send_json({{"action", "subscribe"}, {"channel", "c"}});
  CHECK(ws.receive_json()["status"] == "subscribed");
  CHECK(ws.receive_close().code == CloseCode::normal);
  CHECK(bench.app.role_seen == Careless::User{}.role.text);
  CHECK(bench.app.room_seen == room);
  bench.test.run();
  CHECK(bench.test.hub().holds_nothing());
}

TEST_CASE("a handler keeps the user that it is given, even one that it disconnects") {
  Bench<Careless> bench;
  auto ws = bench.connect(ann);
  SECTION("in may_publish") {
    bench.app.disconnects = true;
    ws.send_json({{"action", "publish"}, {"channel", "c"}, {"data", 1}});
  }
  SECTION("in presence_info") {
    bench.app.disconnects = true;
    ws.send_json({{"action", "subscribe"}, {"channel", "c"}, {"presence", true}});
    ws.receive_json();
  }
  CHECK(ws.receive_close().code == CloseCode::disconnected);
  CHECK(bench.app.role_seen == Careless::User{}.role.text);
  bench.test.run();
  CHECK(bench.test.hub().holds_nothing());
}
