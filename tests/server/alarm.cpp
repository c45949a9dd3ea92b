// SPDX-License-Identifier: MIT
#include <asio/io_context.hpp>

#include <switchboard/server/alarm.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
namespace sb = switchboard;

namespace {

struct Ringing {
  asio::io_context context;
  std::vector<sb::TimePoint> rung;
  sb::Alarm alarm{context.get_executor(), [this] { rung.push_back(sb::steady_now()); }};
  std::shared_ptr<int> owner = std::make_shared<int>();
  sb::TimePoint begin = sb::steady_now();
};

}  // namespace

TEST_CASE("an alarm rings once, not before its time") {
  Ringing test;
  test.alarm.start(test.owner);
  test.alarm.set(test.begin + 20ms);
  CHECK(test.alarm.is_set());
  test.context.run();
  REQUIRE(test.rung.size() == 1);
  CHECK(test.rung[0] >= test.begin + 20ms);
  CHECK_FALSE(test.alarm.is_set());
}

TEST_CASE("an alarm brought forward rings at the earlier time, one put off at the later") {
  Ringing test;
  test.alarm.start(test.owner);
  SECTION("forward") {
    test.alarm.set(test.begin + 1h);
    test.alarm.set(test.begin + 10ms);
    test.context.run();
    CHECK(test.rung.size() == 1);
  }
  SECTION("off") {
    test.alarm.set(test.begin + 5ms);
    test.alarm.set(test.begin + 40ms);
    test.context.run();
    REQUIRE(test.rung.size() == 1);
    CHECK(test.rung[0] >= test.begin + 40ms);
  }
}

TEST_CASE("an alarm set before it was started rings once it is") {
  Ringing test;
  test.alarm.set(test.begin);
  test.context.run();
  CHECK(test.rung.empty());
  test.alarm.start(test.owner);
  test.context.restart();
  test.context.run();
  CHECK(test.rung.size() == 1);
}

TEST_CASE("an alarm that is cleared or stopped does not ring") {
  Ringing test;
  test.alarm.start(test.owner);
  test.alarm.set(test.begin + 5ms);
  SECTION("cleared") {
    test.alarm.clear();
  }
  SECTION("stopped") {
    test.alarm.stop();
    test.alarm.set(test.begin);
  }
  test.context.run();
  CHECK(test.rung.empty());
}

TEST_CASE("an alarm's owner lives while it waits, and no longer") {
  Ringing test;
  test.alarm.start(test.owner);
  test.alarm.set(test.begin + 1h);
  const std::weak_ptr<int> watched = test.owner;
  test.owner.reset();
  CHECK_FALSE(watched.expired());
  test.alarm.stop();
  test.context.run();
  CHECK(watched.expired());
}
