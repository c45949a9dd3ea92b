// SPDX-License-Identifier: MIT
#include <switchboard/broker/presence_table.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using Entries = std::vector<PresenceEntry>;

TEST_CASE("a user is listed once, by name, with the info that came last") {
  PresenceTable table;
  table.enter(1, "room", "bob", "");
  table.enter(1, "room", "ann", "old");
  table.enter(2, "room", "ann", "new");
  CHECK(table.query("room") == Entries{{"ann", "new"}, {"bob", ""}});
  table.enter(1, "room", "ann", "newest");
  CHECK(table.query("room") == Entries{{"ann", "newest"}, {"bob", ""}});
  table.leave(1, "room", "ann");
  CHECK(table.query("room") == Entries{{"ann", "new"}, {"bob", ""}});
  CHECK(table.query("elsewhere").empty());
}

TEST_CASE("only a user's first enter and last leave are changes") {
  PresenceTable table;
  CHECK(table.enter(1, "room", "ann", "").changed);
  CHECK_FALSE(table.enter(1, "room", "ann", "").changed);
  CHECK_FALSE(table.enter(2, "room", "ann", "").changed);
  CHECK_FALSE(table.leave(1, "room", "ann").changed);
  CHECK_FALSE(table.leave(1, "room", "ann").changed);
  CHECK(table.leave(2, "room", "ann").changed);
  CHECK_FALSE(table.leave(2, "room", "ann").changed);
  CHECK_FALSE(table.leave(2, "never", "ann").changed);
}

TEST_CASE("versions of a channel's changes grow") {
  PresenceTable table;
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    for (const PresenceChange change : {table.enter(1, "room", "ann", ""), table.leave(1, "room", "ann")}) {
      CHECK(change.changed);
      CHECK(change.version > last);
      last = change.version;
    }
  }
}

TEST_CASE("what a port entered is removed with it, and only that") {
  PresenceTable table;
  table.enter(1, "room", "ann", "");
  table.enter(1, "hall", "ann", "");
  table.enter(1, "room", "bob", "");
  table.enter(2, "room", "bob", "");
  table.remove(1);
  CHECK(table.query("room") == Entries{{"bob", ""}});
  CHECK(table.query("hall").empty());
  CHECK(table.enter(2, "room", "ann", "").changed);
}
