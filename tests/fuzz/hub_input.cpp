// SPDX-License-Identifier: MIT
// A hub, or two, under whatever clients do: their frames, their JSON, their cuts and returns, over time.
#include "support/world.hpp"

using namespace fuzz;

namespace {

using Server = sb::testing::TestApp<LocalRoom>;

/// What the App, or an operator, does meanwhile.
void act_as_app(Server& server, Input& input, std::size_t choice) {
  const std::uint8_t what = input.u8();
  auto& shard = server.shard((what >> 3 & 1) % server.shard_count());
  const std::string_view user = users[what & 7], channel = channels[what >> 4 & 7];
  switch (choice) {
    case 0:
      static_cast<void>(shard.publish(channel, std::string(std::size_t{input.u8()} * 4, 'y')));
      return;
    case 1:
      static_cast<void>(shard.send_to_user(user, {{"for", user}}));
      return;
    case 2:
      return shard.unsubscribe_user(user, channel);
    case 3:
      return shard.disconnect_user(user);
    default:
      if (what % 4 == 0) server.stop();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint8_t how = input.u8();
  Server server(small_limits<LocalRoom>(1 + (how & 1), policies[(how >> 1) % policies.size()]));
  World<LocalRoom> world(Trust::everything);

  for (int steps = 0; !input.is_empty() && steps < 200; ++steps) {
    const std::size_t choice = input.below(20);
    if (choice < 15)
      world.act(server, input, choice);
    else
      act_as_app(server, input, choice - 15);
    if (input.flag()) server.run();
    world.note_sessions();
    world.forget_closed();
  }
  server.run();
  world.cut_all();
  server.advance(5min);
  require_empty(server);
  return 0;
}
