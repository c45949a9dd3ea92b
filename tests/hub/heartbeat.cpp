// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;
using sb::testing::ConnectOptions;

namespace {

/// A policy of an App's own, with its own words.
struct Drum {
  static constexpr sb::Beat beat = sb::Beat::json_ping;
  std::chrono::milliseconds interval() const { return 500ms; }
  std::chrono::seconds timeout() const { return 2s; }
  std::string beat_text() const { return R"({"type":"drum"})"; }
};

template <class Policy>
struct Quiet {
  using Heartbeat = Policy;
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{"ann"}; }
};

template <class Policy>
struct Beats {
  sb::testing::TestApp<Quiet<Policy>> app;
  explicit Beats(Policy policy = {}) : app({.heartbeat = policy}) {}
  auto connect(ConnectOptions options = {.answer_pings = false}) {
    return sb::testing::WebSocketTestClient(app, "ann").connect(options);
  }
};

const json ping{{"type", "ping"}};

/// When each beat comes, up to `end`, in a client that answers none but lives.
template <class Policy, class Receive>
std::vector<sb::Duration> beat_times(Beats<Policy>& beats, sb::Duration end, sb::Duration grain,
                                     Receive receive) {
  auto ws = beats.connect();
  std::vector<sb::Duration> times;
  const auto start = beats.app.now();
  for (auto time = grain; time <= end; time += grain) {
    beats.app.advance(grain);
    while (!ws.is_idle()) {
      receive(ws);
      times.push_back(beats.app.now() - start);
    }
    ws.send_frame({.opcode = sb::Opcode::pong});
  }
  return times;
}

}  // namespace

TEST_CASE("a JSON ping comes at every interval exactly, the first within it") {
  Beats<sb::JsonHeartbeat> beats({.interval = 30s, .timeout = 60s});
  const auto times = beat_times(beats, 5min, 10ms, [](auto& ws) { REQUIRE(ws.receive_json() == ping); });
  REQUIRE(times.size() == 10);
  REQUIRE(times.front() <= 30s);
  for (std::size_t i = 1; i < times.size(); ++i) REQUIRE(times[i] - times[i - 1] == 30s);
}

TEST_CASE("a Ping frame is the beat of PingFrameHeartbeat") {
  Beats<sb::PingFrameHeartbeat> beats({.interval = 30s, .timeout = 60s});
  const auto times = beat_times(beats, 5min, 10ms, [](auto& ws) { REQUIRE(ws.receive_ping().empty()); });
  REQUIRE(times.size() == 10);
  auto silent = beats.connect();
  beats.app.advance(60s);
  silent.receive_ping();
  silent.receive_ping();
  REQUIRE(silent.receive_close().code == sb::CloseCode::heartbeat_timeout);
  auto alive = beats.connect({});  // answers with Pong frames
  beats.app.advance(10min);
  REQUIRE_FALSE(alive.is_closed());
}

TEST_CASE("a policy of one's own has its own times and its own words") {
  Beats<Drum> beats;
  const auto times =
      beat_times(beats, 10s, 10ms, [](auto& ws) { REQUIRE(ws.receive_json() == json{{"type", "drum"}}); });
  REQUIRE(times.size() == 20);
  auto silent = beats.connect();
  REQUIRE(silent.welcome()["heartbeat"] == json{{"interval_ms", 500}, {"timeout_ms", 2000}});
  beats.app.advance(2s);
  received(silent);
  REQUIRE(silent.receive_close().code == sb::CloseCode::heartbeat_timeout);
}

TEST_CASE("without a heartbeat nothing is sent, and silence closes nothing") {
  Beats<sb::NoHeartbeat> beats;
  auto ws = beats.connect();
  REQUIRE(ws.welcome()["heartbeat"] == json{{"interval_ms", 0}, {"timeout_ms", 0}});
  beats.app.advance(24h);
  REQUIRE(ws.is_idle());
  REQUIRE_FALSE(ws.is_closed());
}

TEST_CASE("a heartbeat that never beats or ends anything says so with 0") {
  Beats<sb::JsonHeartbeat> beats({.interval = sb::Duration::max(), .timeout = sb::Duration::max()});
  auto ws = beats.connect();
  REQUIRE(ws.welcome()["heartbeat"] == json{{"interval_ms", 0}, {"timeout_ms", 0}});
  beats.app.advance(24h);
  REQUIRE(ws.is_idle());
  REQUIRE_FALSE(ws.is_closed());
}

TEST_CASE("a client that is silent is closed with 4002 at the timeout, not before, and may come back") {
  Hall<> hall({.heartbeat = {.interval = 30s, .timeout = 60s}});
  auto ws = hall.connect("ann", {.answer_pings = false});
  hall.app.advance(60s - 1ns);
  REQUIRE(received(ws) == std::vector<json>{ping, ping});
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  hall.app.advance(1ns);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
  REQUIRE(ws.receive_close().code == sb::CloseCode::heartbeat_timeout);
  REQUIRE(hall.metric(&sb::HubMetrics::heartbeat_timeouts) == 1);
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_parked) == 1);
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  REQUIRE(back.session() == ws.session());
}

TEST_CASE("whatever comes in keeps a connection alive") {
  Hall<> hall;
  auto ws = hall.connect("ann", {.answer_pings = false});
  const std::string frame = encode(sb::testing::ClientFrame{.payload = R"({"a":1})"});
  std::size_t half = 0;
  const std::vector<std::pair<const char*, std::function<void()>>> signs{
      {"a JSON pong", [&] { ws.send_json({{"type", "pong"}}); }},
      {"a JSON ping", [&] { ws.send_json(ping); }},
      {"a Pong frame", [&] { ws.send_frame({.opcode = sb::Opcode::pong}); }},
      {"a Ping frame", [&] { ws.send_frame({.opcode = sb::Opcode::ping}); }},
      {"nonsense", [&] { ws.send_text("nonsense"); }},
      {"binary", [&] { ws.send_binary(1, "x"); }},
      {"one byte of a frame", [&] { ws.send_bytes(frame.substr(half++, 1)); }},
  };
  const auto& [what, send] = signs[GENERATE_COPY(range(std::size_t{0}, signs.size()))];
  CAPTURE(what);
  for (int i = 0; i < 5; ++i) {
    hall.app.advance(60s - 1ns);
    REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
    send();
    hall.app.run();
  }
  hall.app.advance(60s - 1ns);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  hall.app.advance(1ns);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
}

TEST_CASE("what the server sends is no sign of life") {
  Hall<> hall;
  auto ws = hall.connect("ann", {.answer_pings = false});
  for (int i = 0; i < 60; ++i) {
    REQUIRE(hall.world.send["ann"]({{"n", i}}));
    hall.app.advance(1s);
  }
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
}

TEST_CASE("connections that came together do not beat together") {
  Hall<> hall({.heartbeat = {.interval = 30s, .timeout = 60s}});
  std::vector<sb::testing::TestConnection<Room<>>> crowd;
  for (int i = 0; i < 100; ++i)
    crowd.push_back(hall.connect("ann", {.last_seq = std::nullopt, .answer_pings = false}));
  std::vector<int> beats;
  for (int tenth = 0; tenth < 10; ++tenth) {
    hall.app.advance(3s);
    beats.push_back(0);
    for (auto& ws : crowd) beats.back() += static_cast<int>(received(ws).size());
  }
  CAPTURE(beats);
  int sum = 0;
  for (const int count : beats) {
    sum += count;
    REQUIRE(count >= 1);
    REQUIRE(count <= 30);
  }
  REQUIRE(sum == 100);
}

TEST_CASE("a client that is not read because it does not read lives as long as it takes something") {
  Hall<> hall({.queue = {.max_bytes = 10'000}});
  auto ws = hall.connect("ann", {.answer_pings = false});
  subscribe(ws, "news");
  ws.stop_reading_after(0);
  hall.app.shard().publish("news", std::string(6'000, 'x'));  // over half the bound: its input is not read
  ws.send_json({{"a", 1}});
  hall.app.advance(30s);
  REQUIRE_FALSE(ws.is_being_read());
  const auto lives_on = [&](sb::Duration time) {
    hall.app.advance(time - 1ns);
    REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  };
  lives_on(30s);  // from when reading stopped
  SECTION("nothing") {}
  SECTION("a byte a minute") {
    for (int i = 0; i < 10; ++i) {
      ws.stop_reading_after(1);
      hall.app.run();
      lives_on(60s);
    }
  }
  SECTION("all of it") {
    ws.resume_reading();
    REQUIRE(ws.receive_json()["data"].get<std::string>().size() == 6'000);
    REQUIRE(received(ws).back() == json{{"status", "heard"}});
    lives_on(60s);  // and now it is silent
  }
  hall.app.advance(1ns);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
  REQUIRE(hall.metric(&sb::HubMetrics::heartbeat_timeouts) == 1);
}
