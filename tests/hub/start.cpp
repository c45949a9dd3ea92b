// SPDX-License-Identifier: MIT
// What an App may do while it is made.
#include "hub/apps.hpp"
#include "support/catch.hpp"

using namespace hub_tests;

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
