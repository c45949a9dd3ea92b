// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/sentinel.hpp>

#include "broker/redis/support/redis_sentinels.hpp"
#include "support/catch.hpp"

using switchboard::redis::Endpoint;
using switchboard::redis::SentinelSearch;
using Action = SentinelSearch::Action;

namespace {

const Endpoint first{"s1", 1}, second{"s2", 2}, third{"s3", 3}, master{"m", 4}, other{"n", 5};
SentinelSearch search() {
  return SentinelSearch({first, second, third});
}

/// One whole search with real servers.
Action run(SentinelSearch& search) {
  for (Action action = search.begin();;) {
    try {
      switch (action) {
        case Action::ask_sentinel: {
          redis_test::RespClient client(search.endpoint().port);
          const auto reply = client("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster");
          action =
              reply.elements.size() == 2
                  ? search.on_master({reply[0].text, static_cast<std::uint16_t>(std::stoi(reply[1].text))})
                  : search.on_unknown();
          break;
        }
        case Action::check_role:
          action = search.on_role(redis_test::RespClient(search.endpoint().port)("ROLE")[0].text);
          break;
        default:
          return action;
      }
    } catch (const std::runtime_error& error) {
      action = search.on_failure(error.what());
    }
  }
}

}  // namespace

TEST_CASE("the first sentinel is asked, and the master that it names, whether it is one") {
  auto s = search();
  REQUIRE(s.begin() == Action::ask_sentinel);
  REQUIRE(s.endpoint() == first);
  REQUIRE(s.on_master(master) == Action::check_role);
  REQUIRE(s.endpoint() == master);
  REQUIRE(s.on_role("master") == Action::use_master);
  REQUIRE(s.endpoint() == master);
}

TEST_CASE("a sentinel that is away, or knows nothing, or names a master that is none, is passed over") {
  auto s = search();
  s.begin();
  REQUIRE(s.on_failure("refused") == Action::ask_sentinel);
  REQUIRE(s.endpoint() == second);
  REQUIRE(s.why() == "s1:1: refused");
  REQUIRE(s.on_unknown() == Action::ask_sentinel);
  REQUIRE(s.endpoint() == third);
  s.on_master(master);
  REQUIRE(s.on_role("slave") == Action::give_up);
  REQUIRE(s.why() == "m:4: is called the master, but says that its role is slave");
}

TEST_CASE("a master out of reach is asked for at the next sentinel") {
  auto s = search();
  s.begin();
  s.on_master(master);
  REQUIRE(s.on_failure("refused") == Action::ask_sentinel);
  REQUIRE(s.why() == "m:4: refused");
  REQUIRE(s.endpoint() == second);
  REQUIRE(s.on_master(other) == Action::check_role);
  REQUIRE(s.on_role("master") == Action::use_master);
  REQUIRE(s.endpoint() == other);
}

TEST_CASE("the sentinel that led to the master is asked first the next time, the others keep their order") {
  auto s = search();
  s.begin();
  s.on_failure("refused");
  s.on_failure("refused");
  s.on_master(master);
  REQUIRE(s.on_role("master") == Action::use_master);

  REQUIRE(s.begin() == Action::ask_sentinel);
  CHECK(s.endpoint() == third);
  s.on_failure("refused");
  CHECK(s.endpoint() == first);
  s.on_failure("refused");
  CHECK(s.endpoint() == second);
  CHECK(s.on_failure("refused") == Action::give_up);
}

TEST_CASE("a search may begin anew at any point, and after giving up") {
  auto s = search();
  s.begin();
  s.on_failure("refused");
  s.on_master(master);
  REQUIRE(s.begin() == Action::ask_sentinel);
  REQUIRE(s.endpoint() == first);
  SentinelSearch alone({first});
  for (int i = 0; i < 3; ++i) {
    REQUIRE(alone.begin() == Action::ask_sentinel);
    REQUIRE(alone.on_failure("refused") == Action::give_up);
  }
}

TEST_CASE(
    "a search among real sentinels finds the master, and the next one after a failover, past a dead "
    "sentinel") {
  redis_test::RedisSentinels servers;
  std::vector<Endpoint> sentinels;
  for (std::size_t i = 0; i < 3; ++i) sentinels.push_back({"127.0.0.1", servers.sentinel(i).port()});
  SentinelSearch s(sentinels);
  REQUIRE(run(s) == Action::use_master);
  REQUIRE(s.endpoint().port == servers.server(0).port());

  servers.fail_over();
  servers.sentinel(0).kill();
  REQUIRE(run(s) == Action::use_master);
  REQUIRE(s.endpoint().port == servers.server(1).port());
}
