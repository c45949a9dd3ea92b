// SPDX-License-Identifier: MIT
// Internal: what broker_conformance checks of messages and gaps.
#pragma once
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <switchboard/testing/detail/broker_world.hpp>

namespace switchboard::inline v1 {
namespace testing {
namespace conformance {

template <class Fixture>
void other_subscribers_get_a_publish(Fixture& fixture) {
  World<Fixture> world(fixture, 4);
  world.subscribe(world[1], "news");
  world.subscribe(world[2], "news");
  world.subscribe(world[3], "other");
  const OutcomePtr outcome = world[0].publish("news", text("hello"));
  world.until([&] { return outcome->calls > 0; }, "the done of a publish must come");
  require(!outcome->error, "a publish must be accepted, but: " + outcome->error.message());
  for (std::size_t i : {1u, 2u}) {
    world.until([&] { return world[i].received.size() == 1; }, "every subscribed port must get the message");
    require(world[i].received[0].channel == "news", "a message must come with the name of its channel");
    require(*world[i].received[0].payload == "hello", "a payload must arrive as it was published");
  }
}

template <class Fixture>
void others_get_nothing(Fixture& fixture) {
  World<Fixture> world(fixture, 4);
  world.subscribe(world[1], "news");
  world.subscribe(world[2], "other");
  world[0].publish("news", text("hello"));
  world.until([&] { return world[1].received.size() == 1; }, "the subscribed port must get the message");
  world.settle();
  require(world[2].received.empty(), "a port subscribed to another channel must get nothing");
  require(world[3].received.empty(), "a port without subscriptions must get nothing");
}

template <class Fixture>
void nothing_comes_back(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[0], "news");
  world.subscribe(world[1], "news");
  for (int i = 0; i < 10; ++i) world[0].publish("news", text("mine"));
  world.until([&] { return world[1].received.size() == 10; }, "the other port must get the messages");
  world[1].publish("news", text("theirs"));
  world.until([&] { return world[0].has("theirs"); }, "a publish of the other port must arrive");
  world.settle();
  require(!world[0].has("mine"), "a message must never come back to the port that published it");
}

template <class Fixture>
void subscribed_is_a_promise(Fixture& fixture) {
  World<Fixture> world(fixture, 4);
  for (std::size_t round = 0; round < 40; ++round) {
    auto& subscriber = world[round % 4];
    const std::string channel = "round " + std::to_string(round);
    const OutcomePtr outcome = subscriber.subscribe(channel, [&] {
      for (std::size_t i = 0; i < 4; ++i)
        if (i != round % 4) world[i].publish(channel, text("now"));
    });
    world.until([&] { return outcome->calls > 0; }, "the done of a subscribe must come");
    world.until([&] { return subscriber.count(channel) >= 3; },
                "after a subscribe's done({}) a publish of any other port must arrive");
  }
}

template <class Fixture>
void a_newcomer_reaches_old_subscribers(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[0], "news");
  for (std::size_t n = 1; n <= 10; ++n) {
    world.add().publish("news", text("first words"));
    world.until([&] { return world[0].received.size() == n; },
                "the very first publish of a port must reach whoever had subscribed before");
  }
}

template <class Fixture>
void unsubscribe_is_immediate(Fixture& fixture) {
  World<Fixture> world(fixture, 3);
  auto& subscriber = world[1];
  for (int turns : {0, 1, 2, 3}) {  // messages under way at different places
    const std::string channel = "after " + std::to_string(turns) + " turns";
    world.subscribe(subscriber, channel);
    for (int i = 0; i < 10; ++i) world[0].publish(channel, text("late"));
    for (int turn = 0; turn < turns; ++turn) world[0].poll();
    subscriber.unsubscribe(channel);
    world.settle();
    require(subscriber.count(channel) == 0, "once unsubscribe has returned, nothing of the channel may come");
  }
  world.subscribe(subscriber, "first only");
  subscriber.when_received = [&](const Received&) { subscriber.unsubscribe("first only"); };
  for (int i = 0; i < 10; ++i) world[0].publish("first only", text("again"));
  world.settle();
  require(subscriber.count("first only") == 1,
          "unsubscribe inside on_message must hold for the very next message");
}

template <class Fixture>
void resubscribing_without_yielding(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  auto& publisher = world[0];
  auto& subscriber = world[1];
  std::vector<OutcomePtr> outcomes{subscriber.subscribe("on"), subscriber.subscribe("off")};
  subscriber.unsubscribe("on");
  subscriber.unsubscribe("off");
  outcomes.push_back(subscriber.subscribe("on"));
  for (int round = 1; round <= 2; ++round) {
    world.until([&] { return outcomes.back()->calls > 0; }, "the done of a subscribe must come");
    publisher.publish("on", text("wanted"));
    publisher.publish("off", text("unwanted"));
    const auto wanted = static_cast<std::size_t>(round);
    world.until([&] { return subscriber.count("on") == wanted; },
                "subscribe, unsubscribe, subscribe must end subscribed");
    world.settle();
    require(subscriber.count("on") == wanted, "subscribing again must not double messages");
    require(subscriber.count("off") == 0, "subscribe, unsubscribe must end unsubscribed");
    subscriber.unsubscribe("on");  // the same again for a channel that all ports know by now
    outcomes.push_back(subscriber.subscribe("on"));
  }
  for (const OutcomePtr& outcome : outcomes) require(outcome->calls <= 1, "a done must not be called twice");
}

template <class Fixture>
void a_second_subscribe_changes_nothing(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[1], "news");
  world.subscribe(world[1], "news");
  world[0].publish("news", text("one"));
  world.until([&] { return world[1].received.size() == 1; }, "the subscribed port must get the message");
  world[1].unsubscribe("news");
  world[0].publish("news", text("two"));
  world.settle();
  require(!world[1].has("two"), "one unsubscribe must end a subscription, however often it was asked for");
  require(world[1].received.size() == 1, "a channel subscribed twice must not double messages");
}

/// Numbers published by one port over three channels, and what became of them.
struct Traffic {
  std::size_t accepted = 0, received = 0;
  std::string lossy_channel;  // one that has lost messages without an on_gap of it, or of every channel
  bool is_in_order = true, is_doubled = false;
};

template <class Fixture>
Traffic send_numbers(Fixture& fixture, int messages, int without_yielding) {
  World<Fixture> world(fixture, 2);
  auto& publisher = world[0];
  auto& subscriber = world[1];
  const std::vector<std::string> channels{"red", "green", "blue"};
  for (const std::string& channel : channels) world.subscribe(subscriber, channel);

  std::vector<OutcomePtr> outcomes;
  for (int n = 0; n < messages; ++n) {
    outcomes.push_back(publisher.publish(channels[static_cast<std::size_t>(n) % 3], text(std::to_string(n))));
    if ((n + 1) % without_yielding != 0) continue;
    world.until([&] { return outcomes.back()->calls > 0; }, "the done of a publish must come");
  }
  const auto is_done = [](const OutcomePtr& outcome) { return outcome->calls > 0; };
  world.until([&] { return std::all_of(outcomes.begin(), outcomes.end(), is_done); }, "each done must come");
  Traffic traffic;
  std::map<std::string, std::size_t> accepted;
  for (std::size_t n = 0; n < outcomes.size(); ++n) {
    traffic.accepted += outcomes[n]->is_accepted();
    accepted[channels[n % 3]] += outcomes[n]->is_accepted();
  }
  const auto lossy_channel = [&]() -> std::string {
    for (const auto& [channel, count] : accepted)
      if (!subscriber.has_told(channel) && subscriber.count(channel) < count) return channel;
    return {};
  };
  world.settle([&] { return subscriber.received.size() >= traffic.accepted || lossy_channel().empty(); });
  traffic.lossy_channel = lossy_channel();
  traffic.received = subscriber.received.size();
  std::map<std::string, int> last;
  std::set<int> seen;
  for (const Received& message : subscriber.received) {
    int number = 0;
    std::from_chars(message.payload->data(), message.payload->data() + message.payload->size(), number);
    if (const auto found = last.find(message.channel); found != last.end() && found->second > number)
      traffic.is_in_order = false;
    last[message.channel] = number;
    if (!seen.insert(number).second) traffic.is_doubled = true;
  }
  return traffic;
}

template <class Fixture>
void order_holds(Fixture& fixture) {
  require(send_numbers(fixture, 5000, 50).is_in_order,
          "messages of one port and channel must arrive in the order of the calls");
}

template <class Fixture>
void at_most_once(Fixture& fixture) {
  require(!send_numbers(fixture, 5000, 50).is_doubled, "a message must arrive at most once");
}

template <class Fixture>
void a_loss_is_told(Fixture& fixture) {
  const Traffic traffic = send_numbers(fixture, 5000, 50);
  require(traffic.lossy_channel.empty(), std::to_string(traffic.accepted) + " messages were accepted and " +
                                             std::to_string(traffic.received) +
                                             " arrived: a loss must be told by on_gap of its channel (" +
                                             traffic.lossy_channel + "), or of every one");
}

template <class Fixture>
void a_flood_is_survived(Fixture& fixture) {
  constexpr int messages = 100'000;
  const Traffic traffic = send_numbers(fixture, messages, messages);
  require(traffic.is_in_order && !traffic.is_doubled,
          "a flood must arrive in order, each message at most once");
  require(traffic.lossy_channel.empty(),
          "of a flood, what was accepted must arrive, or on_gap must tell of it");
}

template <class Fixture>
void any_bytes_may_be_in_names_and_payloads(Fixture& fixture) {
  using namespace std::string_literals;
  World<Fixture> world(fixture, 2);
  const std::vector<std::string> names{"a",          "a\0b"s,     "a\0"s,   "\0"s,   "grüße/日本語/🙂",
                                       "with space", "$user:ann", "%7B*?[", "a\r\nb"};
  for (const std::string& name : names) world.subscribe(world[1], name);
  for (const std::string& name : names) {
    world[0].publish(name, text("to " + name + "\0end"s));
    world[0].publish(name, text(""));
  }
  const auto all = 2 * names.size();
  world.until([&] { return world[1].received.size() >= all; },
              "a message must arrive whatever its channel is called");
  for (const std::string& name : names) {
    require(world[1].count(name) == 2, "channels must be told apart by all their bytes, NUL included");
    require(world[1].has("to " + name + "\0end"s), "a payload must arrive with all its bytes, NUL included");
  }
  require(world[1].has(""), "an empty payload must arrive");
}

template <class Fixture>
void a_large_payload_arrives(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[1], "large");
  std::string bytes(std::size_t{16} << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
  const OutcomePtr outcome = world[0].publish("large", text(bytes));
  world[0].publish("large", text("small"));
  world.until([&] { return world[1].received.size() == 2; },
              "a payload of 16 MiB, and the next, must arrive");
  require(!outcome->error, "a payload of 16 MiB must be accepted");
  require(*world[1].received[0].payload == bytes,
          "a payload of 16 MiB must arrive unchanged, and in its turn");
}

template <class Fixture>
void many_channels(Fixture& fixture) {
  constexpr std::size_t channels = 100'000;
  World<Fixture> world(fixture, 2);
  const auto name = [](std::size_t n) { return "channel " + std::to_string(n); };
  std::size_t done = 0;
  for (std::size_t n = 0; n < channels; ++n) world[1].subscribe(name(n), [&] { ++done; });
  world.until([&] { return done == channels; }, "each of 100000 subscribes must be done");

  const auto publish_to_all = [&](std::size_t step, const std::string& sentence) {
    world[1].received.clear();
    std::size_t accepted = 0;  // of those that are wanted
    std::vector<OutcomePtr> under_way;
    for (std::size_t n = 0; n < channels; ++n) {
      under_way.push_back(world[0].publish(name(n), text(std::to_string(n))));
      if (under_way.size() < 50) continue;
      for (std::size_t i = 0; i < 50; ++i) {
        world.until([&] { return under_way[i]->calls > 0; }, "the done of a publish must come");
        accepted += (n - 49 + i) % step == 0 && under_way[i]->is_accepted();
      }
      under_way.clear();
    }
    world.until([&] { return world[1].received.size() >= accepted || world[1].gaps > 0; }, sentence);
  };
  publish_to_all(1, "a message on each of 100000 channels must arrive");
  for (std::size_t n = 1; n < channels; n += 2) world[1].unsubscribe(name(n));
  publish_to_all(2, "a message on each channel that is still subscribed must arrive");
  world.settle();
  require(world[1].received.size() <= channels / 2,
          "unsubscribing 50000 of 100000 channels must end just those");
}

}  // namespace conformance
}  // namespace testing
}  // namespace switchboard::inline v1
