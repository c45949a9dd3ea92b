// SPDX-License-Identifier: MIT
#include <optional>
#include <string>

#include <switchboard/hub/presence_roster.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using Effect = PresenceRoster::Effect;

namespace {

struct Fixture {
  static constexpr TimePoint start{1h};
  TimerWheel wheel{start};
  PresenceRoster roster{wheel, 5};
  TimePoint now = start;

  /// Who leaves by `time`, "channel/user", or "nobody".
  std::string left_by(TimePoint time) {
    std::string who;
    now = time;
    wheel.advance(time, [&](Timer& timer) {
      CHECK(timer.kind == 5);
      const auto [channel, user] = roster.expire(timer);
      who += (who.empty() ? "" : " ") + channel + "/" + user;
    });
    return who.empty() ? "nobody" : who;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a user enters with its first connection and leaves with its last") {
  CHECK(roster.enter("c", "ann") == Effect::entered);
  CHECK(roster.enter("c", "ann") == Effect::nothing);
  CHECK(roster.enter("d", "ann") == Effect::entered);
  CHECK(roster.enter("c", "bob") == Effect::entered);
  CHECK(roster.leave("c", "ann", now) == Effect::nothing);
  CHECK(roster.contains("c", "ann"));
  CHECK(roster.leave("c", "ann", now) == Effect::left);
  CHECK_FALSE(roster.contains("c", "ann"));
  CHECK(roster.contains("d", "ann"));
  CHECK(roster.channel_count() == 2);
  CHECK(roster.leave("c", "bob", now) == Effect::left);
  CHECK(roster.channel_count() == 1);
}

TEST_CASE_METHOD(Fixture, "leaving where one is not does nothing") {
  CHECK(roster.leave("c", "ann", now) == Effect::nothing);
  CHECK(roster.cut("c", "ann", start + 10s) == Effect::nothing);
  CHECK(roster.forget_cut("c", "ann", now) == Effect::nothing);
  roster.enter("c", "bob");
  CHECK(roster.leave("c", "ann", now) == Effect::nothing);
  CHECK(roster.forget_cut("c", "bob", now) == Effect::nothing);
  CHECK_FALSE(wheel.next_deadline());
}

TEST_CASE_METHOD(Fixture, "a user who was cut off leaves when the grace time is over, not before") {
  roster.enter("c", "ann");
  CHECK(roster.cut("c", "ann", start + 10s) == Effect::nothing);
  CHECK(left_by(start + 10s - 1ns) == "nobody");
  CHECK(roster.contains("c", "ann"));
  CHECK(left_by(start + 10s) == "c/ann");
  CHECK_FALSE(roster.contains("c", "ann"));
  CHECK(roster.channel_count() == 0);
}

TEST_CASE_METHOD(Fixture, "back within the grace time, nobody hears of it") {
  roster.enter("c", "ann");
  roster.cut("c", "ann", start + 10s);
  CHECK(roster.enter("c", "ann", true) == Effect::nothing);
  CHECK(left_by(start + 1h) == "nobody");
  CHECK(roster.leave("c", "ann", now) == Effect::left);
}

TEST_CASE_METHOD(
    Fixture, "while another connection is there a cut one is no reason to leave, and none to stay after") {
  roster.enter("c", "ann");
  roster.enter("c", "ann");
  CHECK(roster.cut("c", "ann", start + 10s) == Effect::nothing);
  CHECK(left_by(start + 5s) == "nobody");
  CHECK(roster.leave("c", "ann", now) == Effect::nothing);  // the cut one still has its grace time
  CHECK(left_by(start + 10s) == "c/ann");
}

TEST_CASE_METHOD(
    Fixture, "a grace time that ended while another connection was there counts no more when that leaves") {
  roster.enter("c", "ann");
  roster.enter("c", "ann");
  roster.cut("c", "ann", start + 10s);
  CHECK(left_by(start + 10s) == "nobody");
  CHECK(roster.leave("c", "ann", now) == Effect::left);
  CHECK(left_by(start + 1h) == "nobody");
}

TEST_CASE_METHOD(Fixture, "the last to be cut decides how long a user is listed") {
  roster.enter("c", "ann");
  roster.enter("c", "ann");
  roster.cut("c", "ann", start + 10s);
  roster.cut("c", "ann", start + 14s);
  CHECK(left_by(start + 13s) == "nobody");
  CHECK(left_by(start + 14s) == "c/ann");
}

TEST_CASE_METHOD(Fixture, "a cut connection that will not come back is forgotten at once") {
  roster.enter("c", "ann");
  roster.cut("c", "ann", start + 10s);
  CHECK(roster.forget_cut("c", "ann", now) == Effect::left);
  CHECK(left_by(start + 1h) == "nobody");
  CHECK(roster.enter("c", "ann") == Effect::entered);
}

TEST_CASE_METHOD(Fixture, "several leave in the order of their times") {
  for (const char* user : {"ann", "bob", "cid"}) roster.enter("c", user);
  roster.cut("c", "bob", start + 3s);
  roster.cut("c", "ann", start + 2s);
  roster.cut("c", "cid", start + 9s);
  CHECK(left_by(start + 5s) == "c/ann c/bob");
  CHECK(roster.contains("c", "cid"));
}
