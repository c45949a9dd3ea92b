// SPDX-License-Identifier: MIT
#include <set>

#include <switchboard/broker/redis/subscriptions.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis::Subscriptions;
using Answer = Subscriptions::Answer;

namespace {

constexpr TimePoint start{};

std::vector<std::uint64_t> numbers(const std::vector<redis::CallId>& calls) {
  std::vector<std::uint64_t> result;
  for (const auto& call : calls) result.push_back(call.number);
  return result;
}
/// What would be sent now: "+" or "-" and the channels of one command.
std::string next(Subscriptions& subscriptions, TimePoint now = start) {
  const auto batch = subscriptions.next_batch(now);
  std::string text;
  for (const std::string& name : batch.channels) text += (batch.subscribes ? "+" : "-") + name;
  return text;
}
Subscriptions connected() {
  Subscriptions subscriptions(1s);
  subscriptions.on_connected();
  return subscriptions;
}

}  // namespace

TEST_CASE("a channel is subscribed once for all ports, and each waits for the confirmation") {
  auto subscriptions = connected();
  CHECK(subscriptions.add("news", {1, 10}, true, true) == Answer::later);
  CHECK(subscriptions.add("news", {2, 20}, true, true) == Answer::later);
  CHECK(next(subscriptions) == "+news");
  CHECK(next(subscriptions) == "");
  CHECK_FALSE(subscriptions.is_complete());
  CHECK(numbers(subscriptions.on_subscribed("news", start).waiting) == std::vector<std::uint64_t>{10, 20});
  CHECK(subscriptions.is_complete());
  CHECK(subscriptions.add("news", {3, 30}, true, true) == Answer::confirmed);
}

TEST_CASE("100000 channels take one command per 256") {
  auto subscriptions = connected();
  for (int i = 0; i < 100'000; ++i) subscriptions.add(std::to_string(i), {1, 1}, true, true);
  std::size_t commands = 0, channels = 0;
  for (auto batch = subscriptions.next_batch(start); !batch.channels.empty();
       batch = subscriptions.next_batch(start)) {
    CHECK(batch.channels.size() <= 256);
    ++commands;
    channels += batch.channels.size();
  }
  CHECK(commands == 391);
  CHECK(channels == 100'000);
}

TEST_CASE("a channel that flaps costs no commands") {
  auto subscriptions = connected();
  subscriptions.add("news", {1, 1}, true, true);
  REQUIRE(next(subscriptions) == "+news");
  subscriptions.on_subscribed("news", start);
  for (int i = 0; i < 100; ++i) {
    subscriptions.remove("news", start + i * 900ms);
    CHECK(next(subscriptions, start + i * 900ms + 800ms) == "");
    CHECK(subscriptions.add("news", {1, 2}, true, true) == Answer::confirmed);
  }
  CHECK(next(subscriptions, start + 1h) == "");
}

TEST_CASE("a channel that stays unwanted is unsubscribed after a while") {
  auto subscriptions = connected();
  subscriptions.add("news", {1, 1}, true, true);
  next(subscriptions);
  subscriptions.on_subscribed("news", start);
  subscriptions.remove("news", start);
  CHECK(subscriptions.find_wanted("news") == nullptr);
  CHECK(next(subscriptions, start + 999ms) == "");
  CHECK(next(subscriptions, start + 1s) == "-news");
  CHECK(subscriptions.size() == 0);
  CHECK(subscriptions.add("news", {1, 2}, true, true) == Answer::later);
  CHECK(next(subscriptions, start + 1s) == "+news");
}

TEST_CASE("a channel unwanted before it was asked for is never asked for, unless someone waits") {
  auto subscriptions = connected();
  subscriptions.add("news", {1, 1}, true, true);
  subscriptions.remove("news", start);
  CHECK(next(subscriptions) == "+news");  // its call must be answered
  CHECK(numbers(subscriptions.on_subscribed("news", start).waiting) == std::vector<std::uint64_t>{1});
  CHECK(next(subscriptions, start + 1s) == "-news");

  Subscriptions away(1s);
  away.add("news", {1, 1}, true, false);
  away.remove("news", start);
  away.on_connected();
  CHECK(next(away) == "");
}

TEST_CASE("while the connection is lost a subscribe is answered at once and made up for later") {
  auto subscriptions = connected();
  subscriptions.add("old", {1, 1}, true, true);
  next(subscriptions);
  subscriptions.on_subscribed("old", start);
  subscriptions.add("asked", {1, 2}, true, true);
  next(subscriptions);
  CHECK(numbers(subscriptions.on_connection_lost()) == std::vector<std::uint64_t>{2});
  CHECK(subscriptions.add("new", {1, 3}, true, false) == Answer::away);
  CHECK(subscriptions.add("old", {1, 4}, false, false) == Answer::away);
  CHECK(next(subscriptions) == "");

  subscriptions.on_connected();
  CHECK_FALSE(subscriptions.is_complete());
  std::set<std::string> again;
  for (const std::string& name : subscriptions.next_batch(start).channels) again.insert(name);
  CHECK(again == std::set<std::string>{"old", "asked", "new"});
  for (const std::string& name : again) CHECK(subscriptions.on_subscribed(name, start).waiting.empty());
  CHECK(subscriptions.is_complete());
}

TEST_CASE("before the first connection a subscribe waits for it") {
  Subscriptions subscriptions(1s);
  CHECK(subscriptions.add("news", {1, 1}, true, true) == Answer::later);
  subscriptions.on_connected();
  CHECK(next(subscriptions) == "+news");
}

TEST_CASE("what was heard of an origin outlives a lost connection") {
  auto subscriptions = connected();
  subscriptions.add("news", {1, 1}, true, true);
  REQUIRE(subscriptions.find_wanted("news") != nullptr);
  CHECK(subscriptions.find_wanted("news")->is_new(7, 1));
  CHECK(subscriptions.find_wanted("news")->is_new(7, 2));
  subscriptions.on_connection_lost();
  subscriptions.on_connected();
  CHECK_FALSE(subscriptions.find_wanted("news")->is_new(7, 1));
  CHECK_FALSE(subscriptions.find_wanted("news")->is_new(7, 2));
  CHECK(subscriptions.find_wanted("news")->is_new(8, 1));
  CHECK(subscriptions.find_wanted("news")->is_new(7, 4));
}

TEST_CASE("in a cluster a command holds channels of one slot only, whatever the order in which they came") {
  Subscriptions subscriptions(
      1s, [](std::string_view channel) { return static_cast<std::uint16_t>(channel[0]); });
  subscriptions.on_connected();
  for (const char* name : {"a1", "b1", "a2", "b2"}) subscriptions.add(name, {1, 1}, true, true);
  CHECK(next(subscriptions) == "+a1+a2");
  CHECK(next(subscriptions) == "+b1+b2");
  for (const char* name : {"a1", "a2", "b1"}) {
    subscriptions.on_subscribed(name, start);
    subscriptions.remove(name, start);
  }
  CHECK(next(subscriptions, start + 1s) == "-a1-a2");
  CHECK(next(subscriptions, start + 1s) == "-b1");
}

TEST_CASE("a channel that moves to another server takes along who waits, who wants it, and what was heard") {
  auto from = connected(), to = connected();
  from.add("news", {1, 1}, true, true);
  next(from);
  from.on_subscribed("news", start);
  from.find_wanted("news")->is_new(7, 5);
  from.add("asked", {1, 2}, true, true);
  from.add("stays", {1, 3}, true, true);
  for (auto& moved : from.take_if([](std::string_view name) { return name != "stays"; }))
    to.add(std::move(moved));
  CHECK(next(from) == "+stays");
  CHECK(from.find_wanted("news") == nullptr);
  CHECK(to.next_batch(start).channels.size() == 2);
  CHECK_FALSE(to.find_wanted("news")->is_new(7, 5));
  const auto news = to.on_subscribed("news", start), asked = to.on_subscribed("asked", start);
  CHECK(news.has_missed);
  CHECK_FALSE(asked.has_missed);
  CHECK(numbers(asked.waiting) == std::vector<std::uint64_t>{2});
}

TEST_CASE(
    "a subscription that the server ends is asked for again when it is told to, and has missed something") {
  auto subscriptions = connected();
  subscriptions.add("news", {1, 1}, true, true);
  next(subscriptions);
  subscriptions.on_subscribed("news", start);
  CHECK(subscriptions.is_confirmed("news"));
  CHECK(subscriptions.on_ended("news").empty());
  CHECK(next(subscriptions) == "");
  subscriptions.retry();
  CHECK(next(subscriptions) == "+news");
  CHECK(subscriptions.on_subscribed("news", start).has_missed);
}
