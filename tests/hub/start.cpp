// SPDX-License-Identifier: MIT
// What an App may do while it is made, and options at the end of their range.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;
using namespace std::chrono_literals;
using switchboard::Duration;

namespace {

/// Speaks up as soon as it is there.
struct Eager {
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
  explicit Eager(switchboard::Shard<Eager>& shard) {
    result = shard.publish("status", "up");
    shard.send_to_user("ann", {{"status", "up"}});
    shard.unsubscribe_user("ann", "status");
    shard.disconnect_user("ann");
  }
  std::error_code result = switchboard::errc::stopped;
};

}  // namespace

TEST_CASE("an App may publish in its constructor") {
  for (const unsigned shards : {1U, 3U}) {
    Bench<Eager> bench({.shards = shards});
    for (unsigned shard = 0; shard < shards; ++shard) CHECK_FALSE(bench.test.app(shard).result);
    auto ws = bench.subscriber("ann", "status");
    bench.test.shard(shards - 1).publish("status", "still up");
    CHECK(ws.receive_json()["data"] == "still up");
  }
}

TEST_CASE("a shard tells the time of its host") {
  Bench<> bench;
  const auto before = bench.test.shard().now();
  bench.test.advance(90s);
  CHECK(bench.test.shard().now() == before + 90s);
}

TEST_CASE("times without end are never") {
  Bench<> bench({.sessions = {.time_to_live = Duration::max(), .presence_grace = Duration::max()},
                 .limits = {.handshake_timeout = Duration::max()}});
  auto watcher = bench.connect("bob");
  watcher.send_json({{"action", "subscribe"}, {"channel", "c"}, {"presence", true}});
  CHECK(watcher.receive_json()["status"] == "subscribed");
  auto ws = bench.subscriber("ann", "c", {});
  CHECK(watcher.receive_json()["type"] == "join");
  bench.test.advance(1s);
  ws.cut();
  bench.test.advance(24h * 365);
  auto back = bench.connect("ann", {.session = ws.session(), .last_seq = 0});
  CHECK(back.session() == ws.session());
  CHECK(watcher.is_idle());  // never left
}
