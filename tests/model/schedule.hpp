// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <switchboard/patterns/outbound_queue.hpp>

// What happens in a run of the model test, all of it decided by a seed before anything happens.
namespace model {

/// What an App does, in a handler or from outside.
enum class Act : std::uint8_t {
  publish_text,
  publish_binary,
  send_to_user,
  send_to_session,
  close_session,
  subscribe_session,
  unsubscribe_session,
  disconnect_user,
  unsubscribe_user,
  count
};

enum class Kind : std::uint8_t {
  connect,         // comes, comes back, or takes its own session over
  forget,          // comes without its old session, which stays behind
  half_handshake,  // sends `a` bytes of a request, then is gone
  cut,
  stall,  // takes `a` bytes more, then none
  wake,
  read,
  subscribe,
  unsubscribe,
  publish,
  send_binary,
  ask,  // has the App do something, in a handler that may suspend first, and throw behind it
  acknowledge,
  ping,
  act,      // the App does something
  burst,    // the App publishes `b` messages before anything is written
  command,  // another thread's publish
  arm,      // the next call of hook `a` does something
  deny,     // may_subscribe changes its mind on a user and a channel
  advance,
  expire,  // time enough for parked sessions to end
  cut_node,
  restore_node,
  count
};

/// The App's members that can do something in the middle of a call of the hub.
enum class Hook : std::uint8_t {
  authenticate,
  may_subscribe,
  may_publish,
  on_open,
  on_suspend,
  on_resume,
  on_close,
  on_subscribe,
  on_unsubscribe,
  presence_info,
  binary,
  count
};

/// How a client's bytes arrive.
enum class Arrival : std::uint8_t { whole, together, split, by_byte, fragments, half, cut_short, count };

struct Event {
  Kind kind = Kind::read;
  unsigned client = 0, place = 0, channel = 0;
  Act act = Act::publish_text;
  Arrival arrival = Arrival::whole;
  unsigned a = 0, b = 0;
};

struct Config {
  std::uint64_t seed = 0;
  bool is_linked = false;  // a TestCluster; else shards of one TestApp
  unsigned nodes = 1, shards = 1, servers = 1;
  unsigned max_delay_ms = 0;
  bool is_lossy = false;  // nodes lose their link
  switchboard::SlowConsumer policy = switchboard::SlowConsumer::close;
  std::size_t queue_bytes = 1 << 20, replay = 10'000;
  bool sessions_watch = false;  // presence notices are numbered too, and nobody can say how many there are
  bool has_watcher = false;
  bool is_cramped = false;  // parked sessions have little room

  unsigned places() const { return nodes * shards; }
};

struct Schedule {
  Config config;
  std::vector<Event> events;
};

constexpr unsigned client_count = 6, channel_count = 3;
constexpr std::array<const char*, client_count> users{"ann", "ann", "ben", "cat", "ben", "ann"};
constexpr std::array<bool, client_count> has_session{true, true, true, true, false, false};
constexpr std::array<const char*, channel_count> channels{"red", "green", "blue"};
constexpr unsigned time_to_live_s = 30, presence_grace_s = 5, sessions_per_user = 3;

/// How long an `advance` is: mostly so short that what is under way between nodes stays under way.
constexpr unsigned milliseconds_of(const Event& event) {
  return event.b % 3 == 0 ? event.a * 5 : event.a % 40;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed * 2 + 1) {}
  unsigned below(unsigned bound) { return static_cast<unsigned>(engine_() % bound); }
  bool one_in(unsigned n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

inline Config make_config(std::uint64_t seed, Random& random) {
  Config config{.seed = seed};
  config.is_linked = seed % 2 == 1;
  const unsigned hubs = seed % 4 < 2 ? 1 : 3;
  if (config.is_linked) {
    config.nodes = hubs;
    config.shards = random.one_in(4) ? 2 : 1;
    config.servers = random.one_in(2) ? 3 : 1;
    config.max_delay_ms = random.one_in(3) ? 0 : random.one_in(2) ? 5 : 40;
    config.is_lossy = random.one_in(4);
  } else {
    config.shards = hubs;
  }
  config.policy = static_cast<switchboard::SlowConsumer>(random.below(3));
  if (random.one_in(2)) config.queue_bytes = 1500;
  if (random.one_in(2)) config.replay = 6;
  config.sessions_watch = random.one_in(4);
  config.has_watcher = random.one_in(2);
  config.is_cramped = config.nodes == 1 && random.one_in(5);
  return config;
}

inline Event make_event(const Config& config, Random& random) {
  using enum Kind;
  constexpr std::array<std::pair<Kind, unsigned>, 24> weights{
      {{connect, 30},    {forget, 2},     {half_handshake, 1}, {cut, 12},     {stall, 8},        {wake, 6},
       {read, 16},       {subscribe, 30}, {unsubscribe, 6},    {publish, 20}, {send_binary, 10}, {ask, 14},
       {acknowledge, 3}, {ping, 3},       {act, 40},           {burst, 20},   {command, 4},      {arm, 12},
       {deny, 3},        {advance, 24},   {expire, 1},         {cut_node, 0}, {restore_node, 0}, {count, 0}}};
  unsigned sum = 0;
  for (const auto& [kind, weight] : weights) sum += weight;
  const unsigned links = config.is_lossy ? 12 : 0;
  Event event;
  unsigned at = random.below(sum + links);
  if (at >= sum) {
    event.kind = random.one_in(3) ? cut_node : restore_node;
  } else {
    for (const auto& [kind, weight] : weights) {
      event.kind = kind;
      if (at < weight) break;
      at -= weight;
    }
  }
  event.client = random.below(client_count);
  event.place = random.below(config.places());
  event.channel = random.below(channel_count);
  // What ends things is to be rarer than what makes them.
  event.act = static_cast<Act>(random.below(static_cast<unsigned>(Act::count)));
  if (event.act >= Act::close_session && !random.one_in(4))
    event.act = static_cast<Act>(random.below(static_cast<unsigned>(Act::close_session)));
  event.arrival = random.one_in(2)
                      ? Arrival::whole
                      : static_cast<Arrival>(random.below(static_cast<unsigned>(Arrival::count)));
  event.a = random.below(600);
  event.b = random.below(600);
  return event;
}

inline Schedule make_schedule(std::uint64_t seed) {
  Random random(seed);
  Schedule schedule{make_config(seed, random), {}};
  const auto add = [&](std::optional<Kind> kind, unsigned client) {
    Event event = make_event(schedule.config, random);
    if (kind) {
      event.kind = *kind;
      event.client = client;
    }
    schedule.events.push_back(event);
  };
  for (unsigned client = 0; client < client_count; ++client)
    for (const Kind kind : {Kind::connect, Kind::subscribe, Kind::subscribe}) add(kind, client);
  const unsigned length = 40 + random.below(160);
  for (unsigned i = 0; i < length; ++i) add(std::nullopt, 0);
  return schedule;
}

}  // namespace model
