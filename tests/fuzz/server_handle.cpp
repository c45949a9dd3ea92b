// SPDX-License-Identifier: MIT
// What other threads ask of a server through its ServerHandle: any bytes as names and data, on their way
// through the inboxes into hubs.
#include <switchboard/server/command_inbox.hpp>
#include <switchboard/server/server_handle.hpp>

#include "support/world.hpp"

using namespace fuzz;

namespace {

using App = LocalRoom;

/// The inboxes and the router of a server, and hubs that empty them.
class Handled {
 public:
  explicit Handled(sb::SlowConsumer policy) : server_(small_limits<App>(2, policy)) {
    for (unsigned shard = 0; shard < 2; ++shard)
      inboxes_.push_back(std::make_shared<sb::CommandInbox>([this, shard] { is_woken_[shard] = true; }));
    handle_.emplace(std::make_shared<sb::CommandRouter>(inboxes_));
  }

  sb::testing::TestApp<App>& server() { return server_; }
  const sb::ServerHandle& handle() const { return *handle_; }

  void carry_out(std::size_t most) {
    for (unsigned shard = 0; shard < 2; ++shard) {
      bool has_more = std::exchange(is_woken_[shard], false);
      while (has_more) {
        std::vector<sb::Command> batch;
        has_more = inboxes_[shard]->take(batch, most);
        require(batch.size() <= most, "no more is taken than was asked for");
        for (sb::Command& command : batch) server_.hub(shard).execute(std::move(command));
        server_.run();
      }
    }
  }
  void close() {
    for (const auto& inbox : inboxes_) inbox->close();
    require(handle().publish("red", 1) == sb::errc::stopped, "a handle outlives its server harmlessly");
  }

 private:
  sb::testing::TestApp<App> server_;
  std::array<bool, 2> is_woken_{};
  std::vector<std::shared_ptr<sb::CommandInbox>> inboxes_;
  std::optional<sb::ServerHandle> handle_;
};

std::string name(Input& input) {
  const std::uint8_t which = input.u8();
  if (which < 8) return std::string(channels[which]);
  if (which < 16) return std::string(users[which & 7]);
  return std::string(input.text());
}

/// What a call may do to whoever is addressed must come of a call that is right.
void call(const sb::ServerHandle& handle, Input& input) {
  const std::uint8_t kind = input.u8();
  const std::string target = name(input);
  switch (kind % 6) {
    case 0:
      static_cast<void>(handle.publish_json(target, input.text()));
      return;
    case 1: {
      const Json data = Json::parse(input.text(), nullptr, false);
      if (!data.is_discarded()) static_cast<void>(handle.publish(target, data));
      return;
    }
    case 2: {
      const std::uint32_t type = input.u32();
      static_cast<void>(handle.publish_binary(target, type, std::as_bytes(std::span(input.text()))));
      return;
    }
    case 3: {
      const Json object = Json::parse(input.text(), nullptr, false);
      // A "type" would make it look like what the server itself has to say.
      if (object.is_discarded() || object.contains("type")) return;
      const std::error_code error = handle.send_to_user(target, object);
      require(!error == (object.is_object() && !object.contains("seq")), "an object without seq is sent");
      return;
    }
    case 4:
      static_cast<void>(handle.disconnect_user(target, static_cast<sb::CloseCode>(input.u16())));
      return;
    default:
      static_cast<void>(handle.unsubscribe_user(target, name(input)));
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint8_t how = input.u8();
  Handled handled(policies[how % policies.size()]);
  auto& server = handled.server();
  World<App> world(Trust::everything);
  const auto subscribe = [&](Client& client) {
    for (const char* channel : {"red", "green"}) {
      const std::string text = Json{{"action", "subscribe"}, {"channel", channel}, {"presence", true}}.dump();
      client.send(server, sb::testing::encode({.opcode = sb::Opcode::text, .payload = text}), 0);
    }
    server.run();
  };

  for (unsigned i = 0; i < 3; ++i) {  // ann with a session, ben and an anonymous one without
    world.begin(server, std::string(users[i]), i == 0 ? std::make_shared<SessionSeen>() : nullptr, 0, i);
    server.run();
    subscribe(world.clients().back());
  }
  for (int steps = 0; !input.is_empty() && steps < 200; ++steps) {
    switch (input.below(8)) {
      case 0:
        world.connect(server, input);
        server.run();
        if (!world.clients().empty()) subscribe(world.clients().back());
        break;
      case 1:
        world.resume(server, input);
        break;
      case 2:
        world.read_slowly(input);
        break;
      case 3:
        world.cut(input);
        break;
      case 4:
        server.advance(duration_of(input.u8()));
        break;
      case 5:
        handled.carry_out(1 + input.u8());
        break;
      default:
        call(handled.handle(), input);
    }
    if (input.flag()) server.run();
    world.note_sessions();
    world.forget_closed();
  }
  handled.carry_out(8192);
  handled.close();
  server.run();
  world.cut_all();
  server.advance(5min);
  require_empty(server);
  return 0;
}
