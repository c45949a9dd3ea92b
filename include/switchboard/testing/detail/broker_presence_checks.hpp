// SPDX-License-Identifier: MIT
// Internal: what broker_conformance checks of presence.
#pragma once
#include <algorithm>

#include <switchboard/testing/detail/broker_world.hpp>

namespace switchboard::inline v1 {
namespace testing {
namespace conformance {

/// The calls of PresencePort, each waited for.
template <class Fixture>
class PresenceWorld : public World<Fixture> {
 public:
  using World<Fixture>::World;

  PresenceChange enter(std::size_t i, std::string_view channel, std::string_view user,
                       std::string info = {}) {
    return answer<PresenceChange>([&](auto done) { (*this)[i].port->enter(channel, user, info, done); });
  }
  PresenceChange leave(std::size_t i, std::string_view channel, std::string_view user) {
    return answer<PresenceChange>([&](auto done) { (*this)[i].port->leave(channel, user, done); });
  }
  std::vector<PresenceEntry> query(std::size_t i, std::string_view channel) {
    auto list = answer<std::vector<PresenceEntry>>([&](auto done) { (*this)[i].port->query(channel, done); });
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.user < b.user; });
    return list;
  }
  std::size_t count(std::size_t i, std::string_view channel) {
    return answer<std::size_t>([&](auto done) { (*this)[i].port->count(channel, done); });
  }

 private:
  template <class Answer, class Call>
  Answer answer(Call call) {
    auto result = std::make_shared<std::optional<Answer>>();
    auto failure = std::make_shared<std::error_code>();
    call([result, failure](std::error_code error, Answer given) {
      *failure = error;
      *result = std::move(given);
    });
    this->until([&] { return result->has_value(); }, "a presence call must be answered");
    require(!*failure, "a presence call must succeed, but: " + failure->message());
    return std::move(**result);
  }
};

using PresenceList = std::vector<PresenceEntry>;

template <class Fixture>
void a_user_is_listed_once(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 3);
  require(world.query(0, "room").empty(), "a channel that nobody entered must be empty");
  world.enter(0, "room", "ann");
  world.enter(1, "room", "ann");
  world.enter(1, "room", "bob");
  world.enter(2, "elsewhere", "cid");
  const PresenceList expected{{"ann", ""}, {"bob", ""}};
  for (std::size_t i : {0u, 1u, 2u})
    require(world.query(i, "room") == expected, "every port must see each user of a channel, each once");
}

template <class Fixture>
void only_the_first_and_the_last_change_presence(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 2);
  require(world.enter(0, "room", "ann").changed, "the first enter of a user must be a change");
  require(!world.enter(1, "room", "ann").changed, "the enter of a user through a second port must be none");
  require(!world.enter(1, "room", "ann").changed, "entering again must be none");
  require(world.enter(1, "other", "ann").changed,
          "a user's first enter into another channel must be a change");
  require(!world.leave(0, "room", "ann").changed,
          "the leave of a user who is there through another port must be none");
  require(world.query(0, "room").size() == 1, "a user who is there through another port must stay listed");
  require(world.leave(1, "room", "ann").changed, "the leave of a user's last port must be a change");
  require(world.query(0, "room").empty(), "a user whose last port has left must not be listed");
  require(!world.leave(0, "room", "ann").changed, "the leave of a user who is not there must be no change");
  require(world.query(1, "other").size() == 1, "a leave must be about its own channel only");
}

template <class Fixture>
void entering_again_replaces_the_info(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 2);
  world.enter(0, "room", "ann", R"({"mood":"good"})");
  require(world.query(1, "room") == PresenceList{{"ann", R"({"mood":"good"})"}},
          "a user's info must be listed");
  world.enter(0, "room", "ann", R"({"mood":"better"})");
  require(world.query(1, "room") == PresenceList{{"ann", R"({"mood":"better"})"}},
          "entering again by the same port must replace the info");
  require(world.leave(0, "room", "ann").changed, "a user entered twice by one port must leave by one leave");
}

template <class Fixture>
void a_count_is_that_of_the_list(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 2);
  const auto counts = [&](std::size_t expected) { return world.count(0, "room") == expected; };
  require(counts(0), "a channel that nobody entered must count none");
  world.enter(0, "room", "ann");
  world.enter(1, "room", "ann");
  require(counts(1), "a user who is there through two ports must count once");
  world.enter(1, "room", "bob");
  world.enter(1, "other", "cid");
  require(counts(2), "every user of the channel must count, and nobody else");
  world.leave(0, "room", "ann");
  require(counts(2), "a user who is there through another port must still count");
  world.leave(1, "room", "ann");
  world.leave(1, "room", "bob");
  require(counts(0), "users who have left must not count");
}

template <class Fixture>
void presence_versions_grow(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 2);
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i : {0u, 1u}) {
      const PresenceChange entered = world.enter(i, "room", "ann");
      const PresenceChange left = world.leave(i, "room", "ann");
      require(entered.version > last && left.version > entered.version,
              "each change must have a larger version");
      last = left.version;
    }
  }
}

template <class Fixture>
void entries_leave_with_their_port(Fixture& fixture) {
  PresenceWorld<Fixture> world(fixture, 3);
  world.enter(0, "room", "ann");
  world.enter(0, "room", "bob");
  world.enter(1, "room", "bob");
  world[0].port.reset();
  const PresenceList expected{{"bob", ""}};
  world.until([&] { return world.query(2, "room") == expected; },
              "what a port entered must leave when the port is destroyed, and nothing else");
}

}  // namespace conformance
}  // namespace testing
}  // namespace switchboard::inline v1
