// SPDX-License-Identifier: MIT
// A load generator: one thread, one epoll set. It measures the *server's* CPU time and memory from outside,
// so that any WebSocket server can be compared. Prints one JSON object.
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/client.hpp"
#include "support/command_line.hpp"
#include "support/histogram.hpp"
#include "support/messages.hpp"
#include "support/process_usage.hpp"

namespace {

using benchmark::Client;
using benchmark::delivery;
using benchmark::Histogram;
using benchmark::is_control;
using benchmark::now;
using benchmark::Swarm;
using benchmark::text;
using namespace std::chrono_literals;

enum class Mode { echo, fanout, idle };
enum class Window { own, all };

struct Settings {
  Mode mode = Mode::echo;
  benchmark::Endpoint server;
  pid_t pid = 0;
  std::string target = "/ws";
  std::size_t connections = 100;
  std::size_t in_flight = 1;
  std::size_t message_bytes = 64;
  Window window = Window::own;
  std::chrono::milliseconds warm_up = 500ms, measured = 2s, hold = 0ms;
};

/// What happened between `start` and `stop`: messages, latencies, and the server's CPU time.
class Measurement {
 public:
  explicit Measurement(pid_t server) : server_(server) {}

  void message(std::uint64_t latency) {
    if (!is_running_) return;
    ++messages_;
    latencies_.add(latency);
  }

  /// Calls `step` for the warm-up, then for the measured time.
  template <class Step>
  void run(const Settings& settings, Step step) {
    const auto run_for = [&](std::chrono::nanoseconds time) {
      const std::uint64_t end = now() + static_cast<std::uint64_t>(time.count());
      while (now() < end) step();
    };
    run_for(settings.warm_up);
    is_running_ = true;
    const std::uint64_t began = now(), cpu = benchmark::cpu_nanoseconds(server_);
    run_for(settings.measured);
    cpu_ = benchmark::cpu_nanoseconds(server_) - cpu;
    elapsed_ = now() - began;
  }

  void print(std::string_view mode) const {
    if (messages_ == 0) throw std::runtime_error("no message arrived in the measured time");
    const double messages = static_cast<double>(messages_), elapsed = static_cast<double>(elapsed_);
    std::cout << R"({"mode":")" << mode << R"(","messages":)" << messages_ << R"(,"per_second":)"
              << static_cast<std::uint64_t>(messages / elapsed * 1e9) << R"(,"cpu_us":)"
              << static_cast<double>(cpu_) / messages / 1e3 << R"(,"cpu_share":)"
              << static_cast<double>(cpu_) / elapsed << R"(,"p50_us":)"
              << static_cast<double>(latencies_.percentile(0.50)) / 1e3 << R"(,"p99_us":)"
              << static_cast<double>(latencies_.percentile(0.99)) / 1e3 << "}\n";
  }

 private:
  pid_t server_;
  bool is_running_ = false;
  std::uint64_t messages_ = 0, cpu_ = 0, elapsed_ = 0;
  Histogram latencies_;
};

/// Each connection keeps `in_flight` messages under way; what one read brought back is sent again in one
/// write.
void run_echo(const Settings& settings) {
  Swarm swarm(settings.server);
  swarm.open(settings.connections, settings.target, [](auto&&...) {});
  std::string frame;
  benchmark::append_client_frame(frame, text, std::string(settings.message_bytes, 'x'));
  struct Flight {  // when each message under way was sent; echoes come back in order
    std::vector<std::uint64_t> sent;
    std::size_t oldest = 0, returned = 0;
  };
  std::vector<Flight> flights(settings.connections, Flight{std::vector<std::uint64_t>(settings.in_flight)});
  Measurement measurement(settings.pid);
  std::string batch;
  const auto send = [&](Client& client, std::size_t count) {
    Flight& flight = flights[client.number()];
    batch.clear();
    const std::uint64_t time = now();
    for (std::size_t i = 0; i < count; ++i) {
      batch += frame;
      flight.sent[(flight.oldest + settings.in_flight - count + i) % settings.in_flight] = time;
    }
    client.send(batch);
  };
  const auto on_frame = [&](Client& client, unsigned opcode, std::string_view payload) {
    if (is_control(client, opcode, payload)) return;
    if (payload.size() != settings.message_bytes) throw std::runtime_error("that is no echo");
    Flight& flight = flights[client.number()];
    measurement.message(now() - flight.sent[flight.oldest]);
    flight.oldest = (flight.oldest + 1) % settings.in_flight;
    ++flight.returned;
  };
  const auto after_read = [&](Client& client) {
    if (const std::size_t count = std::exchange(flights[client.number()].returned, 0)) send(client, count);
  };
  for (auto& client : swarm.clients()) send(*client, settings.in_flight);
  measurement.run(settings, [&] { swarm.poll(100, on_frame, after_read); });
  measurement.print("echo");
}

/// One of the subscribers publishes, and keeps `in_flight` publishes under way. One is under way until the
/// publisher has it back (`own`), or until all have it (`all`): with one in flight the publisher's place in
/// the server's order would otherwise decide how the publishes overlap.
void run_fanout(const Settings& settings) {
  Swarm swarm(settings.server);
  swarm.open(settings.connections, settings.target, [](auto&&...) {});
  auto& clients = swarm.clients();
  std::size_t subscribed = 0;
  for (auto& client : clients) {  // one after the other, so that the order is the same in every run
    client->send_frame(text, R"({"action":"subscribe","channel":"benchmark"})");
    for (const std::size_t before = subscribed; subscribed == before;) {
      const std::size_t ready =
          swarm.poll(10'000, [&](Client& from, unsigned opcode, std::string_view payload) {
            if (!is_control(from, opcode, payload) && payload.find(R"("subscribed")") != payload.npos)
              ++subscribed;
          });
      if (ready == 0) throw std::runtime_error("the server does not answer a subscribe");
    }
  }
  Client& publisher = *clients[clients.size() / 2];
  const std::string publish = benchmark::publish_frame("benchmark", settings.message_bytes);
  std::vector<std::uint64_t> published;  // when
  std::vector<std::size_t> received(clients.size());
  std::uint64_t delivered = 0, time = 0;
  Measurement measurement(settings.pid);
  const auto publish_more = [&] {
    const std::size_t done =
        settings.window == Window::own ? received[publisher.number()] : delivered / clients.size();
    std::string batch;
    for (; published.size() - done < settings.in_flight; batch += publish) published.push_back(now());
    if (!batch.empty()) publisher.send(batch);
  };
  const auto on_frame = [&](Client& client, unsigned opcode, std::string_view payload) {
    if (is_control(client, opcode, payload) || !payload.starts_with(delivery)) return;
    if (time == 0) time = now();  // once a read
    measurement.message(time - published.at(received[client.number()]++));
    ++delivered;
  };
  const auto after_read = [&](Client& client) {
    time = 0;
    if (&client == &publisher || settings.window == Window::all) publish_more();
  };
  publish_more();
  measurement.run(settings, [&] { swarm.poll(100, on_frame, after_read); });
  measurement.print("fanout");
}

/// Memory that many open connections take, over that of a server which has some already.
void run_idle(const Settings& settings) {
  constexpr std::size_t some = 100;
  Swarm swarm(settings.server);
  const auto on_frame = [](Client& client, unsigned opcode, std::string_view payload) {
    if (!is_control(client, opcode, payload)) benchmark::is_json_ping(client, payload);
  };
  const auto settle = [&](std::chrono::milliseconds time) {
    for (const auto end = now() + static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
         now() < end;)
      swarm.poll(50, on_frame);
  };
  swarm.open(some, settings.target, on_frame);
  settle(300ms);
  const benchmark::Memory before = benchmark::memory_of(settings.pid);
  swarm.open(settings.connections, settings.target, on_frame);
  settle(500ms);
  const benchmark::Memory after = benchmark::memory_of(settings.pid);
  const auto each = [&](std::uint64_t from, std::uint64_t to) {
    return (static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(settings.connections);
  };
  std::cout << R"({"mode":"idle","connections":)" << settings.connections << R"(,"bytes":)"
            << each(before.anonymous, after.anonymous) << R"(,"resident_bytes":)"
            << each(before.resident, after.resident) << "}" << std::endl;
  settle(settings.hold);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  std::uint64_t pid = 0;
  support::CommandLine flags("Loads a WebSocket server and measures the CPU time and memory it takes.");
  flags.choice<Mode>("--mode", settings.mode,
                     {{"echo", Mode::echo}, {"fanout", Mode::fanout}, {"idle", Mode::idle}}, "what to do");
  flags.text("--address", "A", settings.server.address, "the server's IPv4 address");
  flags.number<std::uint16_t>("--port", settings.server.port, "the server's port", 1);
  flags.number<std::uint64_t>("--pid", pid, "the server's process, on this machine", 1, 1U << 22U);
  flags.text("--target", "PATH", settings.target, "path and query; {n} becomes the connection's number");
  flags.number<std::size_t>("--connections", settings.connections,
                            "echo, idle: connections; fanout: subscribers", 1, 19'000);
  flags.number<std::size_t>("--in-flight", settings.in_flight,
                            "echo: messages a connection; fanout: publishes", 1, 10'000);
  flags.number<std::size_t>("--message-bytes", settings.message_bytes, "size of a message, or of data", 1,
                            16U << 20U);
  flags.choice<Window>("--window", settings.window, {{"own", Window::own}, {"all", Window::all}},
                       "fanout: a publish is under way until its sender, or all, have it");
  flags.milliseconds("--warm-up", settings.warm_up, "not measured");
  flags.milliseconds("--measure", settings.measured, "measured", 1);
  flags.milliseconds("--hold", settings.hold, "idle: stay so long after the measurement");
  flags.parse_or_exit(argc, argv);
  settings.pid = static_cast<pid_t>(pid);
  if (settings.server.port == 0 || pid == 0) {
    std::cerr << "--port and --pid are needed\n";
    std::exit(2);
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  try {
    switch (settings.mode) {
      case Mode::echo:
        run_echo(settings);
        break;
      case Mode::fanout:
        run_fanout(settings);
        break;
      case Mode::idle:
        run_idle(settings);
        break;
    }
  } catch (const std::exception& error) {
    std::cerr << "load: " << error.what() << '\n';
    return 1;
  }
}
