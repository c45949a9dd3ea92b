// SPDX-License-Identifier: MIT
// Loads the nodes of a cluster for benchmarks/cluster, which measures their processes meanwhile: one thread,
// one epoll set. Prints a line when something begins, and one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <vector>

#include "support/client.hpp"
#include "support/command_line.hpp"
#include "support/histogram.hpp"
#include "support/messages.hpp"

namespace {

using benchmark::Client;
using benchmark::count_of;
using benchmark::Histogram;
using benchmark::now;
using benchmark::Swarm;
using benchmark::text;
using namespace std::chrono_literals;

constexpr std::string_view target = "/ws?token=user{n}";

enum class Mode { saturate, paced, channels };

struct Settings {
  Mode mode = Mode::saturate;
  std::vector<std::string> ports;
  std::vector<benchmark::Endpoint> nodes;
  std::size_t channels = 64;
  std::size_t in_flight = 32;
  std::size_t message_bytes = 64;
  std::size_t rate = 5000;
  std::chrono::milliseconds warm_up = 1s, measured = 5s;
};

void say(std::string_view line) {
  std::cout << line << std::endl;
}

/// What is no message of a channel: a Close ends the measurement, a ping of either kind is answered.
bool is_delivery(Client& client, unsigned opcode, std::string_view payload) {
  if (benchmark::is_control(client, opcode, payload) || benchmark::is_json_ping(client, payload))
    return false;
  return opcode == text && payload.starts_with(benchmark::delivery);
}

/// Subscribes each client to its channel and waits for all the answers.
template <class ChannelOf>
void subscribe_all(Swarm& swarm, ChannelOf channel_of) {
  std::size_t missing = 0;
  for (auto& client : swarm.clients()) {
    const std::string channel = channel_of(client->number());
    if (channel.empty()) continue;
    client->send_frame(text, R"({"action":"subscribe","channel":")" + channel + R"("})");
    ++missing;
  }
  while (missing > 0) {
    const std::size_t ready = swarm.poll(10'000, [&](Client&, unsigned, std::string_view payload) {
      if (!payload.starts_with(R"({"status":"subscribed")")) return;
      if (payload.find(R"("local":true)") != payload.npos)
        throw std::runtime_error("a node is not linked with the others");
      --missing;
    });
    if (ready == 0) throw std::runtime_error("a node does not answer a subscribe");
  }
}

/// Each channel has one subscriber on each node, with a connection of its own; one of them, on another node
/// from channel to channel, publishes too, and keeps `in_flight` publishes under way until all nodes have
/// them.
void run_saturate(const Settings& settings) {
  Swarm swarm;
  for (const auto& node : settings.nodes)
    swarm.open(node, settings.channels, std::string(target), [](auto&&...) {});
  const auto channel_of = [&](std::size_t client) { return client % settings.channels; };
  const auto name_of = [&](std::size_t client) { return "c" + std::to_string(channel_of(client)); };
  subscribe_all(swarm, name_of);
  struct Channel {
    std::size_t published = 0, delivered = 0;
    std::string publish{};
  };
  std::vector<Channel> channels(settings.channels);
  for (std::size_t i = 0; i < channels.size(); ++i)
    channels[i].publish = benchmark::publish_frame(name_of(i), settings.message_bytes);
  std::string batch;
  const auto publish_more = [&](std::size_t number) {
    Channel& channel = channels[number];
    const std::size_t done = channel.delivered / settings.nodes.size();
    for (batch.clear(); channel.published - done < settings.in_flight; ++channel.published)
      batch += channel.publish;
    const std::size_t publisher = number % settings.nodes.size() * settings.channels + number;
    if (!batch.empty()) swarm.clients()[publisher]->send(batch);
  };
  std::size_t delivered = 0;
  const auto on_frame = [&](Client& client, unsigned opcode, std::string_view payload) {
    if (!is_delivery(client, opcode, payload)) return;
    ++channels[channel_of(client.number())].delivered;
    ++delivered;
  };
  const auto run_for = [&](std::uint64_t time) {
    for (const std::uint64_t end = now() + time; now() < end;)
      swarm.poll(100, on_frame, [&](Client& client) { publish_more(channel_of(client.number())); });
  };
  for (std::size_t i = 0; i < channels.size(); ++i) publish_more(i);
  run_for(count_of(settings.warm_up));
  say("measuring");
  delivered = 0;
  const std::uint64_t began = now();
  run_for(count_of(settings.measured));
  const double seconds = static_cast<double>(now() - began) / 1e9;
  const double published = static_cast<double>(delivered) / static_cast<double>(settings.nodes.size());
  std::cout << R"({"published_per_second":)" << static_cast<std::uint64_t>(published / seconds)
            << R"(,"delivered_per_second":)"
            << static_cast<std::uint64_t>(static_cast<double>(delivered) / seconds) << "}" << std::endl;
}

/// Publishes at the first node at a fixed rate, whatever comes back; a subscriber at the last node. A latency
/// runs from the moment at which the publish was due, so that a stall counts for all that it delays.
void run_paced(const Settings& settings) {
  ::prctl(PR_SET_TIMERSLACK, 1000);
  Swarm swarm;
  swarm.open(settings.nodes.front(), 1, "/ws?token=publisher", [](auto&&...) {});
  swarm.open(settings.nodes.back(), 1, "/ws?token=subscriber", [](auto&&...) {});
  subscribe_all(swarm, [](std::size_t client) { return client == 1 ? "paced" : ""; });
  Client& publisher = *swarm.clients().front();
  const std::string publish = benchmark::publish_frame("paced", settings.message_bytes);
  const std::uint64_t interval = 1'000'000'000 / settings.rate;
  const std::uint64_t unmeasured = count_of(settings.warm_up) / interval;
  const std::uint64_t all = unmeasured + count_of(settings.measured) / interval;
  std::uint64_t published = 0, received = 0, late = 0;
  Histogram latencies;
  const std::uint64_t began = now();
  const auto due = [&](std::uint64_t number) { return began + number * interval; };
  const auto on_frame = [&](Client& client, unsigned opcode, std::string_view payload) {
    if (!is_delivery(client, opcode, payload)) return;
    if (received >= unmeasured) latencies.add(now() - due(received));
    ++received;
  };
  const std::uint64_t give_up = due(all) + count_of(10s);
  while (received < all) {
    const std::uint64_t time = now();
    if (time > give_up)
      throw std::runtime_error(std::to_string(published - received) + " messages have not arrived");
    std::string batch;
    for (; published < all && due(published) <= time; ++published) {
      batch += publish;
      late += time - due(published) > interval;
    }
    if (!batch.empty()) publisher.send(batch);
    const std::uint64_t next = published < all ? due(published) : time + count_of(10ms);
    swarm.wait(std::chrono::nanoseconds(static_cast<std::int64_t>(next - std::min(next, now()))));
    swarm.poll(0, on_frame);
  }
  std::cout << R"({"messages":)" << all - unmeasured << R"(,"p50_us":)"
            << static_cast<double>(latencies.percentile(0.50)) / 1e3 << R"(,"p99_us":)"
            << static_cast<double>(latencies.percentile(0.99)) / 1e3 << R"(,"late":)" << late << "}"
            << std::endl;
}

/// Subscribes many channels on one node, as many on each connection as it may have, and keeps them until
/// standard input ends.
void run_channels(const Settings& settings) {
  constexpr std::size_t each = 1000;
  Swarm swarm;
  swarm.open(settings.nodes.front(), (settings.channels + each - 1) / each, std::string(target),
             [](auto&&...) {});
  std::size_t asked = 0, subscribed = 0;
  say("measuring");
  const std::uint64_t began = now();
  for (auto& client : swarm.clients()) {
    std::string batch;
    for (std::size_t i = 0; i < each && asked < settings.channels; ++i, ++asked)
      benchmark::append_client_frame(
          batch, text, R"({"action":"subscribe","channel":"channel-)" + std::to_string(asked) + R"("})");
    client->send(batch);
  }
  while (subscribed < settings.channels) {
    const std::size_t ready = swarm.poll(30'000, [&](Client& client, unsigned opcode,
                                                     std::string_view payload) {
      is_delivery(client, opcode, payload);
      if (payload.starts_with(R"({"status":"subscribed")") && payload.find(R"("local":true)") == payload.npos)
        ++subscribed;
    });
    if (ready == 0) throw std::runtime_error("only " + std::to_string(subscribed) + " are subscribed");
  }
  std::cout << R"({"seconds":)" << static_cast<double>(now() - began) / 1e9 << "}" << std::endl;
  for (pollfd input{0, POLLIN, 0}; ::poll(&input, 1, 0) == 0;)
    swarm.poll(50, [](Client& client, unsigned opcode, std::string_view payload) {
      is_delivery(client, opcode, payload);
    });
}

Settings parse(int argc, char** argv) {
  Settings settings;
  support::CommandLine flags("Loads the nodes of a cluster.");
  flags.choice<Mode>("--mode", settings.mode,
                     {{"saturate", Mode::saturate}, {"paced", Mode::paced}, {"channels", Mode::channels}},
                     "what to do");
  flags.list("--port", "N", settings.ports, "a node's, on 127.0.0.1");
  flags.number<std::size_t>("--channels", settings.channels, "saturate, channels: how many", 1, 10'000'000);
  flags.number<std::size_t>("--in-flight", settings.in_flight, "saturate: publishes on each channel", 1,
                            10'000);
  flags.number<std::size_t>("--message-bytes", settings.message_bytes, "size of data", 1, 16U << 20U);
  flags.number<std::size_t>("--rate", settings.rate, "paced: publishes a second", 1, 1'000'000);
  flags.milliseconds("--warm-up", settings.warm_up, "not measured");
  flags.milliseconds("--measure", settings.measured, "measured", 1);
  flags.parse_or_exit(argc, argv);
  for (const std::string& port : settings.ports)
    settings.nodes.push_back({"127.0.0.1", static_cast<std::uint16_t>(std::stoul(port))});
  if (settings.nodes.empty()) throw std::runtime_error("--port is needed");
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Settings settings = parse(argc, argv);
    switch (settings.mode) {
      case Mode::saturate:
        run_saturate(settings);
        break;
      case Mode::paced:
        run_paced(settings);
        break;
      case Mode::channels:
        run_channels(settings);
        break;
    }
  } catch (const std::exception& error) {
    std::cerr << "cluster_load: " << error.what() << '\n';
    return 1;
  }
}
