// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/publish_queue.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis::PendingPublish;
using redis::PublishQueue;

namespace {
constexpr TimePoint start{};
PendingPublish publish(std::uint64_t number, TimePoint accepted = start, std::size_t bytes = 1) {
  return {"news", std::make_shared<const std::string>(bytes, 'x'), {1, number}, {1, number}, accepted};
}
std::uint64_t number_of(const PendingPublish* next) {
  return next == nullptr ? 0 : next->header.counter;
}
}  // namespace

TEST_CASE("publishes are sent in order, each once") {
  PublishQueue queue({});
  for (std::uint64_t i : {1u, 2u, 3u}) REQUIRE(queue.push(publish(i)));
  CHECK(number_of(queue.send_next()) == 1);
  CHECK(number_of(queue.send_next()) == 2);
  CHECK(queue.pop_confirmed().header.counter == 1);
  CHECK(number_of(queue.send_next()) == 3);
  CHECK(queue.send_next() == nullptr);
  CHECK(queue.size() == 2);
}

TEST_CASE("what was not confirmed is sent again, in order and with its numbers") {
  PublishQueue queue({});
  for (std::uint64_t i : {1u, 2u, 3u, 4u}) REQUIRE(queue.push(publish(i)));
  for (int i = 0; i < 3; ++i) queue.send_next();
  CHECK(queue.pop_confirmed().header.counter == 1);
  queue.on_connection_lost();
  for (std::uint64_t i : {2u, 3u, 4u}) CHECK(number_of(queue.send_next()) == i);
}

TEST_CASE("a queue takes so many messages and bytes, and a single one of any size") {
  PublishQueue few({.max_messages = 2});
  CHECK(few.push(publish(1)));
  CHECK(few.push(publish(2)));
  CHECK_FALSE(few.push(publish(3)));
  few.send_next();
  few.pop_confirmed();
  CHECK(few.push(publish(3)));

  PublishQueue small({.max_bytes = 1000});
  CHECK(small.push(publish(1, start, 5000)));
  CHECK_FALSE(small.push(publish(2)));
}

TEST_CASE("what waits too long for a server that is away expires, the oldest first") {
  PublishQueue queue({.max_wait = 5s});
  REQUIRE(queue.push(publish(1, start)));
  REQUIRE(queue.push(publish(2, start + 2s)));
  CHECK_FALSE(queue.has_expired(start + 4999ms));
  REQUIRE(queue.has_expired(start + 5s));
  CHECK(queue.pop().header.counter == 1);
  CHECK_FALSE(queue.has_expired(start + 5s));
  queue.send_next();
  CHECK_FALSE(queue.has_expired(start + 1h));  // it was sent: its answer decides
}

TEST_CASE(
    "publishes that belong to another server are taken there in order, and their places wait for the "
    "answers") {
  PublishQueue queue({});
  for (std::uint64_t i : {1u, 2u, 3u, 4u}) {
    auto one = publish(i);
    one.channel = i % 2 ? "odd" : "even";
    REQUIRE(queue.push(std::move(one)));
  }
  for (int i = 0; i < 3; ++i) queue.send_next();
  const auto taken = queue.take_if([](std::string_view channel) { return channel == "odd"; });
  REQUIRE(taken.size() == 2);
  CHECK((taken[0].header.counter == 1 && taken[1].header.counter == 3));
  CHECK(queue.pop_confirmed().is_taken());
  CHECK(queue.pop_confirmed().header.counter == 2);
  CHECK(number_of(queue.send_next()) == 4);
  queue.on_connection_lost();
  CHECK(queue.size() == 1);
  CHECK(number_of(queue.send_next()) == 4);
}
