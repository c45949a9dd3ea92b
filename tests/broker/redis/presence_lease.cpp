// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/presence_entries.hpp>
#include <switchboard/broker/redis/presence_lease.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis::PresenceEntries;
using redis::PresenceLease;

namespace {
constexpr TimePoint start{};
}

TEST_CASE("a lease is renewed three times in its length") {
  PresenceLease lease(9s);
  REQUIRE(lease.is_due(start));
  CHECK_FALSE(lease.is_due(start + 1h));  // one renewal at a time
  lease.on_renewed(start, false);
  CHECK_FALSE(lease.is_due(start + 2999ms));
  CHECK(lease.is_due(start + 3s));
}

TEST_CASE("a lease that is refused is asked for again after a second, and at once by who was away") {
  PresenceLease lease(9s);
  REQUIRE(lease.is_due(start));
  lease.on_refused(start);
  CHECK_FALSE(lease.is_due(start + 999ms));
  REQUIRE(lease.is_due(start + 1s));
  lease.on_refused(start + 1s);
  lease.on_lost();
  CHECK(lease.is_due(start + 1s));
}

TEST_CASE("who was away itself does not judge others until its own lease has held for the length of one") {
  PresenceLease lease(9s);
  lease.is_due(start);
  CHECK_FALSE(lease.on_renewed(start, false));
  CHECK_FALSE(lease.on_renewed(start + 8s, true));
  CHECK(lease.on_renewed(start + 9s, true));
  lease.on_lost();
  CHECK(lease.is_due(start + 10s));
  CHECK(lease.on_renewed(start + 10s, true));  // a short absence
  CHECK_FALSE(lease.on_renewed(start + 30s, false));
  CHECK_FALSE(lease.on_renewed(start + 38s, true));
  CHECK(lease.on_renewed(start + 39s, true));
}

TEST_CASE("a user is there through a node while one of its ports says so, with the newest info") {
  PresenceEntries entries;
  auto effect = entries.enter(1, "room", "ann", "a");
  CHECK((effect.is_there && effect.channel_is_new && effect.info == "a"));
  effect = entries.enter(2, "room", "ann", "b");
  CHECK((effect.is_there && !effect.channel_is_new && effect.info == "b"));
  effect = entries.leave(2, "room", "ann");
  CHECK((effect.is_there && effect.info == "a"));
  CHECK_FALSE(entries.leave(2, "room", "ann").had_entry);
  CHECK_FALSE(entries.leave(1, "room", "bob").had_entry);
  CHECK_FALSE(entries.leave(1, "elsewhere", "ann").had_entry);
  REQUIRE(entries.find("room", "ann") != nullptr);
  effect = entries.leave(1, "room", "ann");
  CHECK((!effect.is_there && effect.had_entry && effect.channel_is_gone));
  CHECK(entries.find("room", "ann") == nullptr);
  CHECK(entries.is_empty());
}

TEST_CASE("the entries of one port are known") {
  PresenceEntries entries;
  entries.enter(1, "room", "ann", "");
  entries.enter(2, "room", "bob", "");
  entries.enter(2, "hall", "ann", "");
  CHECK(entries.list().size() == 3);
  CHECK(entries.list(1) == PresenceEntries::Names{{"room", "ann"}});
  entries.mark("room", "ann");
  entries.mark("room", "ann");
  CHECK(entries.take_marked(10) == PresenceEntries::Names{{"room", "ann"}});
  CHECK_FALSE(entries.has_marked());
  entries.mark("hall", "gone");
  entries.mark_all();
  CHECK(entries.take_marked(3) == PresenceEntries::Names{{"hall", "ann"}, {"hall", "gone"}, {"room", "ann"}});
  CHECK(entries.take_marked(3) == PresenceEntries::Names{{"room", "bob"}});
}
