// SPDX-License-Identifier: MIT
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <switchboard/patterns/heartbeat.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace switchboard;

namespace {

constexpr TimePoint zero{};

struct OwnText {
  static constexpr Beat beat = Beat::json_ping;
  std::chrono::milliseconds interval() const { return 250ms; }
  std::chrono::seconds timeout() const { return 1s; }
  std::string beat_text() const { return R"({"type":"alive?"})"; }
};
struct OwnFrame {
  static constexpr Beat beat = Beat::ping_frame;
  std::chrono::seconds interval{5};
  std::chrono::minutes timeout{1};
};
struct WithoutTimeout {
  static constexpr Beat beat = Beat::ping_frame;
  Duration interval{};
};
struct WithoutBeat {
  Duration interval{}, timeout{};
};
struct NumbersInsteadOfTime {
  static constexpr Beat beat = Beat::json_ping;
  int interval = 30, timeout = 60;
};

static_assert(HeartbeatPolicy<OwnText> && HeartbeatPolicy<OwnFrame>);
static_assert(!HeartbeatPolicy<WithoutTimeout> && !HeartbeatPolicy<WithoutBeat> &&
              !HeartbeatPolicy<NumbersInsteadOfTime>);
static_assert(!HeartbeatPolicy<int>);

// Goes from deadline to deadline until `end` or the close; returns when there was a beat. An inbound message
// comes at each time in `inbound`.
template <class Policy>
struct Run {
  std::vector<Duration> beats;
  std::optional<Duration> closed;

  Run(const Policy& policy, double spread, Duration end, std::set<Duration> inbound = {}) {
    HeartbeatState state;
    heartbeat::start(policy, state, zero, spread);
    while (!closed) {
      TimePoint now = heartbeat::next_deadline(policy, state);
      if (!inbound.empty() && zero + *inbound.begin() <= now) {
        heartbeat::on_inbound(state, zero + *inbound.begin());
        inbound.erase(inbound.begin());
        continue;
      }
      if (now - zero > end) return;
      if (now != zero) CHECK(poll(state, policy, now - 1ns) == HeartbeatAction::none);
      const HeartbeatAction action = heartbeat::poll(policy, state, now);
      REQUIRE(action != HeartbeatAction::none);
      if (action == HeartbeatAction::beat) {
        beats.push_back(now - zero);
      } else {
        closed = now - zero;
      }
    }
  }

  static HeartbeatAction poll(HeartbeatState copy, const Policy& policy, TimePoint now) {
    return heartbeat::poll(policy, copy, now);
  }
};

}  // namespace

TEST_CASE("the default heartbeat beats every 30 s and ends a connection after 60 s of silence") {
  const Run silent(JsonHeartbeat{}, 0.0, 10min);
  CHECK(silent.beats == std::vector<Duration>{30s});
  CHECK(silent.closed == Duration(60s));  // a beat and the end at the same time: the end
  CHECK(heartbeat::close_code == CloseCode{4002});
}

TEST_CASE("beats keep exactly their interval as long as the peer answers") {
  const Run answering(JsonHeartbeat{}, 0.5, 95s, {16s, 46s, 76s});
  CHECK(answering.beats == std::vector<Duration>{15s, 45s, 75s});
  CHECK_FALSE(answering.closed);
}

TEST_CASE("any inbound traffic counts as life, and the timeout runs from the last of it") {
  const Run talking(JsonHeartbeat{}, 0.5, 10min, {1s, 50s, 109s});
  CHECK(talking.beats == std::vector<Duration>{15s, 45s, 75s, 105s, 135s, 165s});
  CHECK(talking.closed == Duration(169s));
}

TEST_CASE("traffic one nanosecond before the timeout keeps the connection") {
  const PingFrameHeartbeat policy{.interval = 30s, .timeout = 60s};
  HeartbeatState state;
  heartbeat::start(policy, state, zero, 0.0);
  CHECK(heartbeat::silence_deadline(policy, state) == zero + 60s);
  heartbeat::on_inbound(state, zero + 60s - 1ns);
  CHECK(heartbeat::poll(policy, state, zero + 60s) == HeartbeatAction::beat);
  CHECK(heartbeat::silence_deadline(policy, state) == zero + 120s - 1ns);
}

TEST_CASE("first beats are spread over the interval, never at once and never after it") {
  const JsonHeartbeat policy{.interval = 30s, .timeout = 60s};
  const TimePoint now = zero + 1h;
  HeartbeatState state;
  Duration previous = Duration::max();
  for (int i = 0; i < 100; ++i) {
    heartbeat::start(policy, state, now, i / 100.0);
    const Duration first = state.next_beat - now;
    CHECK(first > 0s);
    CHECK(first <= 30s);
    CHECK(first < previous);
    previous = first;
  }
  heartbeat::start(policy, state, now, 0.0);
  CHECK(state.next_beat == now + 30s);
  heartbeat::start(policy, state, now, 0.75);
  CHECK(state.next_beat == now + 7500ms);
  heartbeat::start(policy, state, now, 1.0);  // out of range, and still not at once
  CHECK(state.next_beat > now);
}

TEST_CASE("beats that nobody polled for are one, and the rhythm stays") {
  const JsonHeartbeat policy{.interval = 10s, .timeout = 10min};
  HeartbeatState state;
  heartbeat::start(policy, state, zero, 0.0);
  CHECK(heartbeat::poll(policy, state, zero + 47s) == HeartbeatAction::beat);
  CHECK(heartbeat::poll(policy, state, zero + 47s) == HeartbeatAction::none);
  CHECK(state.next_beat == zero + 50s);
  CHECK(heartbeat::poll(policy, state, zero + 50s) == HeartbeatAction::beat);
  CHECK(state.next_beat == zero + 60s);
}

TEST_CASE("silence does not count while nothing is read, and the timeout begins anew after it") {
  const JsonHeartbeat policy;
  HeartbeatState state;
  heartbeat::start(policy, state, zero, 0.0);
  heartbeat::pause_silence(state);
  CHECK(heartbeat::poll(policy, state, zero + 29s) == HeartbeatAction::none);
  CHECK(heartbeat::poll(policy, state, zero + 1h) == HeartbeatAction::beat);  // beats go on
  heartbeat::on_inbound(state, zero + 1h);
  CHECK(heartbeat::silence_deadline(policy, state) == zero + 1h + 60s);
}

TEST_CASE("without a heartbeat nothing is ever due") {
  const NoHeartbeat policy;
  HeartbeatState state;
  heartbeat::start(policy, state, zero, 0.3);
  CHECK(heartbeat::next_deadline(policy, state) == TimePoint::max());
  CHECK(heartbeat::poll(policy, state, TimePoint::max()) == HeartbeatAction::none);
  CHECK(heartbeat::interval(policy) == 0s);
  CHECK(heartbeat::timeout(policy) == 0s);
}

TEST_CASE("zero switches beats or timeout off, one without the other") {
  const Run only_timeout(JsonHeartbeat{.interval = 0s, .timeout = 7s}, 0.5, 1h);
  CHECK(only_timeout.beats.empty());
  CHECK(only_timeout.closed == Duration(7s));
  const Run only_beats(JsonHeartbeat{.interval = 7s, .timeout = 0s}, 0.0, 20s);
  CHECK(only_beats.beats == std::vector<Duration>{7s, 14s});
  CHECK_FALSE(only_beats.closed);
  const Run negative(JsonHeartbeat{.interval = -1s, .timeout = -1s}, 0.5, 1h);
  CHECK((negative.beats.empty() && !negative.closed));
}

TEST_CASE("the longest times are never, without overflow") {
  const JsonHeartbeat policy{.interval = Duration::max(), .timeout = Duration::max()};
  HeartbeatState state;
  heartbeat::start(policy, state, zero + 1h, 0.5);
  CHECK(heartbeat::next_deadline(policy, state) == TimePoint::max());
  CHECK(heartbeat::poll(policy, state, TimePoint::max()) == HeartbeatAction::none);
}

TEST_CASE("a policy of the user's own may be made of functions in any unit, with a beat of its own") {
  const OwnText policy;
  const Run run(policy, 0.0, 1h);
  CHECK(run.beats == std::vector<Duration>{250ms, 500ms, 750ms});
  CHECK(run.closed == Duration(1s));
  CHECK(heartbeat::beat_text(policy) == R"({"type":"alive?"})");
  CHECK(heartbeat::beat_text(JsonHeartbeat{}) == R"({"type":"ping"})");
  CHECK(heartbeat::interval(OwnFrame{}) == 5s);
  CHECK(heartbeat::timeout(OwnFrame{}) == 1min);
}
