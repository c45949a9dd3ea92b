// SPDX-License-Identifier: MIT
// Internal: what broker_conformance checks of calls and their answers.
#pragma once
#include <array>
#include <atomic>
#include <charconv>
#include <map>

#include <switchboard/testing/detail/broker_world.hpp>

namespace switchboard::inline v1 {
namespace testing {
namespace conformance {

/// Two ports that use every call, once from outside their executors and once from inside.
template <class Fixture>
void use_every_call(World<Fixture>& world) {
  for (std::size_t i : {0u, 1u}) world.subscribe(world[i], "news");
  const auto use = [&world](std::size_t i) {
    auto& station = world[i];
    station.subscribe("news");
    station.subscribe("brief");
    station.publish("news", text("from " + std::to_string(i)));
    station.publish("nobody", text("unheard"));
    station.unsubscribe("brief");
    if constexpr (PresencePort<typename World<Fixture>::S::Port>) {
      station.inside([&station] {
        station.port->enter("news", "ann", "{}", [&station](auto, auto) { station.watch(); });
        station.port->query("news", [&station](auto, const auto&) { station.watch(); });
        station.port->leave("news", "ann", [&station](auto, auto) { station.watch(); });
      });
    }
  };
  for (std::size_t i : {0u, 1u}) {
    use(i);
    asio::post(world[i].context, [use, i] { use(i); });
  }
  world.until([&] { return world[0].received.size() >= 2 && world[1].received.size() >= 2; },
              "what two ports publish must reach the other");
  world.settle();
}

template <class Fixture>
void nothing_is_called_inside_a_call(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  use_every_call(world);
  require(world[0].called_inside + world[1].called_inside == 0,
          "a done or the sink must be called later, never inside a call on the port");
}

template <class Fixture>
void callbacks_run_on_the_executor(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  use_every_call(world);
  require(world[0].called_astray + world[1].called_astray == 0,
          "each done and the sink must be called on the executor that was given to attach");
}

template <class Fixture>
void done_is_called_once(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[1], "news");
  std::vector<OutcomePtr> outcomes;
  for (int i = 0; i < 100; ++i) {
    outcomes.push_back(world[0].publish(i % 2 ? "news" : "nobody", text("text")));
    outcomes.push_back(world[0].subscribe("channel " + std::to_string(i % 50)));
  }
  for (const OutcomePtr& outcome : outcomes)
    world.until([&] { return outcome->calls > 0; }, "each done must come");
  world.settle();
  for (const OutcomePtr& outcome : outcomes)
    require(outcome->calls == 1, "a done must be called exactly once");
}

template <class Fixture>
void a_port_may_go_with_calls_queued(Fixture& fixture) {
  World<Fixture> world(fixture, 3);
  auto& going = world[0];
  auto& staying = world[1];
  auto& publisher = world[2];
  world.subscribe(going, "news");
  world.subscribe(staying, "news");
  const std::vector<OutcomePtr> outcomes{going.subscribe("other"), going.publish("news", text("last words")),
                                         going.subscribe("more"), going.publish("nobody", text("unheard"))};
  for (int i = 0; i < 10; ++i) publisher.publish("news", text("to both"));
  if constexpr (PresencePort<typename World<Fixture>::S::Port>)
    going.port->enter("news", "ann", "", [&going](auto, auto) {
      going.watch();
      ++going.gaps;
    });
  going.port.reset();
  publisher.publish("news", text("to one"));
  world.until([&] { return staying.has("to one"); }, "the other ports must go on when one is destroyed");
  world.settle();
  require(going.received.empty() && going.gaps == 0, "after a port is destroyed its sink must hear nothing");
  for (const OutcomePtr& outcome : outcomes)
    require(outcome->calls == 0, "after a port is destroyed no done may be called");
  require(staying.count("news") >= 11, "what others published must arrive although a port was destroyed");
}

template <class Fixture>
void a_port_may_move(Fixture& fixture) {
  World<Fixture> world(fixture, 3);
  auto& mover = world[0];
  auto& other = world[1];
  auto& replaced = world[2];
  world.subscribe(mover, "news");
  world.subscribe(replaced, "news");
  other.publish("news", text("under way"));
  auto elsewhere = std::move(*mover.port);
  mover.port.reset();
  mover.port.emplace(std::move(elsewhere));
  world.until([&] { return mover.has("under way"); }, "a port that moves must miss nothing");
  world.settle();

  *replaced.port = other.broker().attach(replaced.context.get_executor(), replaced);
  const std::size_t before = replaced.received.size();
  other.publish("news", text("after"));
  world.until([&] { return mover.has("after"); }, "a port must go on after it was moved");
  world.settle();
  require(replaced.received.size() == before, "a port assigned to must detach what it was before");
}

template <class Fixture>
void stop_is_harmless(Fixture& fixture) {
  World<Fixture> world(fixture, 2);
  world.subscribe(world[0], "news");
  std::vector<OutcomePtr> outcomes{world[1].publish("news", text("before"))};
  for (std::size_t i = 0; i < world.broker_count(); ++i) {
    on_threads({[&] { world.broker(i).stop(); }});
    world.broker(i).stop();
  }
  for (std::size_t i : {0u, 1u}) {
    outcomes.push_back(world[i].subscribe("news"));
    outcomes.push_back(world[i].publish("news", text("after")));
    world[i].unsubscribe("news");
  }
  world.settle();
  for (const OutcomePtr& outcome : outcomes)
    require(outcome->calls <= 1, "a done must be called once, after stop too");
  world[0].port.reset();
  world.settle();
}

template <class Fixture>
void four_threads(Fixture& fixture) {
  constexpr int messages = 5000;
  std::atomic<int> done{0}, arrived{0};
  struct Publisher {
    int next = 0, under_way = 0, accepted = 0;
    std::map<std::string_view, std::size_t> accepted_on;  // by channel
    std::function<void()> pump;
  };
  std::array<Publisher, 2> publishers;
  World<Fixture> world(fixture, 4);  // last: its threads use what stands above
  for (std::size_t i : {2u, 3u})
    for (const char* channel : {"red", "blue"}) world.subscribe(world[i], channel);

  for (std::size_t i : {0u, 1u}) {
    world[i + 2].when_received = [&arrived](const Received&) { ++arrived; };
    publishers[i].pump = [&, i] {  // keeps 64 under way, as a hub does for a connection
      Publisher& me = publishers[i];
      for (; me.next < messages && me.under_way < 64; ++me.next) {
        ++me.under_way;
        const std::string bytes = std::to_string(i) + std::to_string(me.next);
        const std::string_view channel = me.next % 2 ? "red" : "blue";
        world[i].port->publish(channel, text(bytes), [&, i, channel](std::error_code error) {
          --publishers[i].under_way;
          publishers[i].accepted += !error;
          publishers[i].accepted_on[channel] += !error;
          ++done;
          publishers[i].pump();
        });
      }
    };
  }
  world.start_threads();
  for (std::size_t i : {0u, 1u}) asio::post(world[i].context, publishers[i].pump);
  world.wait_until([&] { return done == 2 * messages; }, "with four threads each done must come");
  const int accepted = world.call(world[0], [&] { return publishers[0].accepted; }) +
                       world.call(world[1], [&] { return publishers[1].accepted; });
  for (const auto deadline = world.deadline();
       arrived < 2 * accepted && std::chrono::steady_clock::now() < deadline;)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  world.join_threads();
  for (std::size_t i : {2u, 3u}) {
    for (const char* channel : {"red", "blue"})
      require(world[i].count(channel) >=
                      publishers[0].accepted_on[channel] + publishers[1].accepted_on[channel] ||
                  world[i].has_told(channel),
              "with four threads every accepted message must arrive, or on_gap must tell of its channel");
    std::map<std::pair<std::string, char>, int> last;
    for (const Received& message : world[i].received) {
      int number = 0;
      const std::string& bytes = *message.payload;
      std::from_chars(bytes.data() + 1, bytes.data() + bytes.size(), number);
      int& former = last.try_emplace({message.channel, bytes[0]}, -1).first->second;
      require(former < number,
              "with four threads messages of a port and channel must come once and in order");
      former = number;
    }
    require(world[i].called_astray == 0, "with four threads each callback must run on its port's executor");
  }
}

template <class Fixture>
void subscribed_is_a_promise_across_threads(Fixture& fixture) {
  std::atomic<int> arrived{0};
  World<Fixture> world(fixture, 3);
  world[0].when_received = [&](const Received&) { ++arrived; };
  world.start_threads();
  for (int round = 1; round <= 200; ++round) {
    const std::string channel = "round " + std::to_string(round);
    const auto subscribed = std::make_shared<std::promise<void>>();
    asio::post(world[0].context, [&world, channel, subscribed] {
      world[0].port->subscribe(channel, [subscribed](std::error_code) { subscribed->set_value(); });
    });
    require(subscribed->get_future().wait_until(world.deadline()) == std::future_status::ready,
            "the done of a subscribe must come while threads run the other ports");
    for (std::size_t i : {1u, 2u})
      asio::post(world[i].context,
                 [&world, channel, i] { world[i].port->publish(channel, text("now"), [](auto) {}); });
    world.wait_until([&] { return arrived >= 2 * round; },
                     "after a subscribe's done({}) a publish on another thread must arrive");
  }
}

template <class Fixture>
void ports_come_and_go_while_others_publish(Fixture& fixture) {
  using B = BrokerOfFixture<Fixture>;
  std::atomic<bool> is_over{false};
  std::array<std::function<void()>, 2> chatter;
  World<Fixture> world(fixture, 2);
  for (std::size_t i : {0u, 1u})
    chatter[i] = [&, i] {
      if (!is_over)
        world[i].port->publish("news", text("chatter"), [&, i](std::error_code) { chatter[i](); });
    };
  world.start_threads();
  for (std::size_t i : {0u, 1u}) asio::post(world[i].context, chatter[i]);

  std::atomic<int> deaf{0};
  const auto come_and_go = [&](std::size_t n) {
    for (int round = 0; round < 25; ++round) {
      Station<B> station(world.broker(n));
      station.subscribe("news");
      station.publish("news", text("passing"));
      const auto deadline = world.deadline();
      while (station.received.empty() && std::chrono::steady_clock::now() < deadline)
        if (station.poll() == 0) std::this_thread::yield();
      if (station.received.empty()) ++deaf;
      station.port.reset();
    }
  };
  on_threads({[&] { come_and_go(0); }, [&] { come_and_go(1); }});
  is_over = true;
  require(deaf == 0, "a port attached while others publish must hear them once it has subscribed");
  world.join_threads();
}

}  // namespace conformance
}  // namespace testing
}  // namespace switchboard::inline v1
