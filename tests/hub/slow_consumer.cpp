// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;
using sb::SlowConsumer;
using sb::testing::ConnectOptions;
using Ws = sb::testing::TestConnection<Room<>>;
using Metrics = sb::HubMetrics;

namespace {

constexpr std::size_t bound = 1000;

/// Data that makes the frame of a message in channel "c" 100 bytes for a plain client.
std::string hundred_bytes(char c = 'x', std::size_t size = 100) {
  const std::size_t rest = sb::EncodedMessage::json(R"({"type":"message","channel":"c","data":""})")->size();
  return std::string(size - rest, c);
}

struct Slow : Hall<> {
  explicit Slow(SlowConsumer policy, sb::SessionOptions sessions = {})
      : Hall<>({.sessions = sessions, .queue = {.max_bytes = bound, .slow_consumer = policy}}) {}
  Ws stalled(bool is_stateful, bool answer_pings = true) {
    auto ws = connect("ann", {.last_seq = is_stateful ? std::optional<std::uint64_t>(0) : std::nullopt,
                              .answer_pings = answer_pings});
    subscribe(ws, "c");
    ws.stop_reading();
    return ws;
  }
  void publish(int count, const std::string& channel = "c", std::size_t size = 100) {
    for (; count > 0; --count)
      REQUIRE_FALSE(
          app.shard().publish(channel, hundred_bytes(static_cast<char>('a' + published++ % 26), size)));
    app.run();
  }
  bool is_open() const { return metric(&Metrics::connections) == 1; }
  int published = 0;
};

json gap(std::uint64_t missed) {
  return {{"type", "gap"}, {"reason", "slow"}, {"missed", missed}};
}

/// A gap of `missed` first, then messages up to number `last`; numbered or not.
void require_gap_then(const std::vector<json>& messages, bool is_stateful, std::uint64_t missed,
                      std::uint64_t last) {
  REQUIRE(messages.size() == 1 + last - missed);
  json first = gap(missed);
  if (is_stateful) first["seq"] = missed;
  REQUIRE(messages[0] == first);
  for (std::size_t i = 1; i < messages.size(); ++i) {
    const std::uint64_t number = missed + i;
    REQUIRE(messages[i]["data"] == hundred_bytes(static_cast<char>('a' + (number - 1) % 26)));
    REQUIRE(messages[i].value("seq", std::uint64_t{0}) == (is_stateful ? number : 0));
  }
}

}  // namespace

TEST_CASE("a client over its bound is closed with 1013, by default") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(sb::QueueOptions{}.slow_consumer);
  auto ws = hall.stalled(is_stateful);
  hall.publish(10);
  REQUIRE(hall.is_open());
  hall.publish(1);
  REQUIRE_FALSE(hall.is_open());
  REQUIRE(hall.metric(&Metrics::slow_closed) == 1);
  ws.resume_reading();
  REQUIRE(ws.receive_close().code == sb::CloseCode::try_again_later);
  REQUIRE(ws.is_closed());
  REQUIRE_FALSE(ws.was_reset());
}

TEST_CASE("after a 1013 the session is replayed as far as its log reaches, and the rest told as missed") {
  Slow hall(SlowConsumer::close, {.replay = 5});
  auto ws = hall.stalled(true);
  hall.publish(11);
  SECTION("all that was unwritten is kept, and as much as a replay") {
    hall.publish(5);
    auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
    REQUIRE(terms(back.welcome()) == terms(16, true, 16, 0));
    REQUIRE(received(back).size() == 16);
  }
  SECTION("no more than that") {
    hall.publish(9);
    auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
    REQUIRE(terms(back.welcome()) == terms(20, false, 16, 4));
    const auto replayed = received(back);
    REQUIRE(replayed.size() == 16);
    REQUIRE(replayed.front()["seq"] == 5);
  }
}

TEST_CASE("with 1013 the Close frame follows what is partly written") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::close);
  auto ws = hall.stalled(is_stateful);
  const std::size_t taken = GENERATE(range(std::size_t{0}, std::size_t{230}));
  CAPTURE(taken);
  ws.resume_reading();
  ws.stop_reading_after(taken);
  hall.publish(14);
  REQUIRE_FALSE(hall.is_open());
  ws.resume_reading();
  const auto messages = received(ws);
  const std::size_t frame = is_stateful ? 108 : 100;  // {"seq":N, in front
  REQUIRE(messages.size() == (taken + frame - 1) / frame);
  REQUIRE(ws.receive_close().code == sb::CloseCode::try_again_later);
  if (!is_stateful) return;
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = ws.last_seq()});
  REQUIRE(terms(back.welcome()) == terms(14, true, 14 - messages.size(), 0));
}

TEST_CASE("with 4001 and 4002, too, only the rest of a partly written frame goes before the Close frame") {
  using Code = sb::CloseCode;
  const auto [code, is_stateful] = GENERATE(table<Code, bool>(
      {{Code::replaced, true}, {Code::heartbeat_timeout, false}, {Code::heartbeat_timeout, true}}));
  const bool is_replaced = code == Code::replaced;
  Slow hall(SlowConsumer::close);
  auto ws = hall.stalled(is_stateful, false);  // a ping that still came would be seen
  const std::size_t taken = GENERATE(range(std::size_t{0}, std::size_t{230}));
  CAPTURE(code, is_stateful, taken);
  ws.resume_reading();
  ws.stop_reading_after(taken);
  hall.publish(4);
  REQUIRE(hall.is_open());
  std::optional<Ws> other;
  if (is_replaced)
    other = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  else
    hall.app.advance(60s);
  REQUIRE(hall.is_open() == is_replaced);
  ws.resume_reading();
  const auto messages = received(ws);
  const std::size_t frame = is_stateful ? 108 : 100;  // {"seq":N, in front
  REQUIRE(messages.size() == (taken + frame - 1) / frame);
  REQUIRE(ws.receive_close().code == code);
  if (!is_stateful) return;
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = ws.last_seq()});
  REQUIRE(terms(back.welcome()) == terms(4, true, 4 - messages.size(), 0));
}

TEST_CASE("a single message is accepted into an empty queue, whatever its size") {
  const bool is_stateful = GENERATE(false, true);
  const auto policy = GENERATE(SlowConsumer::close, SlowConsumer::drop_oldest, SlowConsumer::conflate);
  Slow hall(policy);
  auto ws = hall.stalled(is_stateful);
  const bool is_partly_written = GENERATE(false, true);
  if (is_partly_written) {
    ws.resume_reading();
    ws.stop_reading_after(10);
  }
  hall.publish(1, "c", 5000);
  REQUIRE(hall.is_open());
  hall.publish(1, "c", 7000);
  // Of what is under way and the newest conflating drops neither.
  const bool is_closed =
      policy == SlowConsumer::close || (policy == SlowConsumer::conflate && is_partly_written);
  REQUIRE(hall.is_open() == !is_closed);
  ws.resume_reading();
  if (is_closed) return;
  // Not even then is more dropped than must be: what is under way goes on, else the newest stays.
  const auto messages = received(ws);
  REQUIRE(messages.size() == 2);
  REQUIRE(messages[0].contains("data") == is_partly_written);
  REQUIRE(messages[is_partly_written ? 1 : 0]["missed"] == 1);
}

TEST_CASE("drop_oldest drops no more than it must and tells how many, to plain and stateful clients") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::drop_oldest);
  auto ws = hall.stalled(is_stateful);
  hall.publish(10);
  REQUIRE(hall.metric(&Metrics::messages_dropped) == 0);
  hall.publish(5);
  REQUIRE(hall.is_open());
  REQUIRE(hall.metric(&Metrics::messages_dropped) == 5);
  SECTION("once it reads again") {
    ws.resume_reading();
    require_gap_then(received(ws), is_stateful, 5, 15);
    hall.publish(1);
    REQUIRE(ws.receive_json().value("seq", 0) == (is_stateful ? 16 : 0));
  }
  SECTION("after another thousand") {
    hall.publish(1000);
    ws.resume_reading();
    require_gap_then(received(ws), is_stateful, 1005, 1015);
  }
  if (is_stateful) {
    SECTION("and in a replay") {
      ws.cut();
      auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
      REQUIRE(terms(back.welcome()) == terms(15, false, 11, 4));  // the gap takes number 5
      const auto replayed = received(back);
      REQUIRE(replayed[0] == json{{"seq", 5}, {"type", "gap"}, {"reason", "slow"}, {"missed", 1}});
      REQUIRE(replayed.size() == 11);
    }
  }
}

TEST_CASE("what is partly written is not dropped") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::drop_oldest);
  auto ws = hall.stalled(is_stateful);
  ws.resume_reading();
  ws.stop_reading_after(150);  // one, and half of another
  hall.publish(14);
  ws.resume_reading();
  const auto messages = received(ws);
  // Of numbers 3 to 14, 9 fit beside number 2.
  REQUIRE(messages.size() == 12);
  REQUIRE(messages[2]["missed"] == 3);
  REQUIRE(messages[2].value("seq", 0) == (is_stateful ? 5 : 0));
  REQUIRE(messages[3]["data"] == hundred_bytes('f'));
}

TEST_CASE("drop_oldest keeps the answers, and their place") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::drop_oldest);
  auto ws = hall.stalled(is_stateful);
  ws.send_json({{"id", 1}});
  hall.app.run();
  hall.publish(3);
  ws.send_json({{"id", 2}});
  hall.app.run();
  hall.publish(12);
  ws.resume_reading();
  const auto messages = received(ws);
  REQUIRE(messages.front() == json{{"status", "heard"}, {"id", 1}});
  std::uint64_t missed = 0, messages_got = 0, answers = 0;
  for (const json& message : messages) {
    missed += message.value("missed", std::uint64_t{0});
    messages_got += message.contains("data");
    answers += message.value("status", "") == "heard";
    if (message.value("id", 0) == 2) REQUIRE(messages_got == 0);  // the three before it are gone
  }
  REQUIRE(answers == 2);
  REQUIRE(missed + messages_got == 15);
  REQUIRE(messages_got == 9);  // beside the answers
}

TEST_CASE("conflate keeps the newest message of each channel, and tells of the others") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::conflate);
  auto ws = hall.connect("ann", {.last_seq = is_stateful ? std::optional<std::uint64_t>(0) : std::nullopt});
  subscribe(ws, "a");
  subscribe(ws, "b");
  ws.stop_reading();
  for (int i = 0; i < 5; ++i) {
    hall.publish(1, "a");
    hall.publish(1, "b");
  }
  REQUIRE(hall.metric(&Metrics::messages_dropped) == 0);
  hall.publish(1, "a");
  REQUIRE(hall.is_open());
  REQUIRE(hall.metric(&Metrics::messages_dropped) == 9);
  ws.resume_reading();
  const auto messages = received(ws);
  REQUIRE(messages.size() == 3);
  REQUIRE(messages[0]["missed"] == 9);
  REQUIRE(messages[1]["channel"] == "b");
  REQUIRE(messages[2]["channel"] == "a");
  if (is_stateful) REQUIRE(messages[0]["seq"] == 9);
}

TEST_CASE("a client for which conflating is not enough is closed") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::conflate);
  auto ws = hall.stalled(is_stateful);
  if (GENERATE(false, true)) {
    for (int i = 0; i < 14; ++i) hall.app.shard().send_to_user("ann", {{"of_no_channel", hundred_bytes()}});
  } else {
    ws.resume_reading();
    for (int i = 0; i < 11; ++i) subscribe(ws, std::to_string(i));
    ws.stop_reading();
    for (int i = 0; i < 11; ++i) hall.publish(1, std::to_string(i));
  }
  REQUIRE_FALSE(hall.is_open());
  ws.resume_reading();
  REQUIRE(ws.receive_close().code == sb::CloseCode::try_again_later);
}

TEST_CASE("a burst within one tick makes nobody slow who reads") {
  Slow hall(GENERATE(SlowConsumer::close, SlowConsumer::drop_oldest, SlowConsumer::conflate));
  auto ws = hall.connect("ann");
  subscribe(ws, "c");
  for (int i = 0; i < 200; ++i) hall.app.shard().publish("c", hundred_bytes());
  REQUIRE(received(ws).size() == 200);
  for (int i = 0; i < 200; ++i)
    ws.send_json({{"action", "publish"}, {"channel", "c"}, {"data", hundred_bytes()}});
  REQUIRE(received(ws).size() == 200);
}

TEST_CASE("the input of a client with more than half its bound queued waits") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::close);
  auto ws = hall.stalled(is_stateful);
  hall.publish(6);
  for (int i = 0; i < 500; ++i) ws.send_json({{"id", i}});  // whose answers alone would be far over the bound
  hall.app.run();
  REQUIRE(hall.metric(&Metrics::messages_received) == 1);
  REQUIRE(hall.is_open());
  ws.resume_reading();
  const auto messages = received(ws);
  REQUIRE(messages.size() == 506);
  REQUIRE(messages.back()["id"] == 499);
  ws.stop_reading();
  for (int i = 0; i < 500; ++i) ws.send_json({{"id", i}});
  hall.app.run();
  REQUIRE(hall.is_open());  // it reads no faster than it is read
  ws.resume_reading();
  REQUIRE(received(ws).size() == 500);
}

TEST_CASE("a replay larger than the bound makes nobody slow, what comes behind it does") {
  const auto policy = GENERATE(SlowConsumer::close, SlowConsumer::drop_oldest, SlowConsumer::conflate);
  Slow hall(policy);
  auto ws = hall.stalled(true);
  ws.cut();
  hall.publish(50);
  const std::size_t window = GENERATE(std::size_t{0}, std::size_t{700}, std::size_t{1500});
  auto back = connect_by_hand(hall.app, "/ws?token=ann&last_seq=0&session=" + ws.session(), window);
  hall.publish(5);
  REQUIRE(hall.is_open());
  SECTION("all comes once it reads") {
    back.resume_reading();
    REQUIRE(terms(back.receive_json()) == terms(50, true, 50, 0));
    const auto messages = received(back);
    REQUIRE(messages.size() == 55);
    for (std::size_t i = 0; i < messages.size(); ++i) REQUIRE(messages[i]["seq"] == i + 1);
  }
  SECTION("the replay is not what goes") {
    hall.publish(8);
    REQUIRE(hall.is_open() == (policy != SlowConsumer::close));
    if (policy == SlowConsumer::close) return;
    back.resume_reading();
    REQUIRE(terms(back.receive_json()) == terms(50, true, 50, 0));
    const auto messages = received(back);
    for (std::size_t i = 0; i < 50; ++i) REQUIRE(messages[i]["seq"] == i + 1);
    REQUIRE(messages[50]["type"] == "gap");
    REQUIRE(messages[50]["seq"] == 50 + messages[50]["missed"].get<int>());
    REQUIRE(messages.back()["seq"] == 63);
  }
}

TEST_CASE("with drop_oldest a client is closed whose answers alone are over the bound") {
  const bool is_stateful = GENERATE(false, true);
  Slow hall(SlowConsumer::drop_oldest);
  auto ws = hall.stalled(is_stateful);
  ws.resume_reading();
  for (int i = 0; i < 40; ++i) subscribe(ws, std::to_string(i));
  ws.stop_reading();
  for (int i = 0; i < 40; ++i) hall.app.shard().unsubscribe_user("ann", std::to_string(i));
  hall.app.run();
  REQUIRE(hall.is_open());
  hall.publish(1);
  REQUIRE_FALSE(hall.is_open());
  REQUIRE(hall.metric(&Metrics::slow_closed) == 1);
  if (!is_stateful) return;
  auto back = hall.connect("ann", {.session = ws.session(), .last_seq = 0});
  json told = gap(1);
  told["seq"] = 1;
  REQUIRE(back.receive_json() == told);
}

TEST_CASE("a peer that takes nothing is reset 5 seconds after its close") {
  Slow hall(SlowConsumer::close);
  auto ws = hall.stalled(GENERATE(false, true));
  hall.publish(11);
  hall.app.advance(5s - 1ns);
  REQUIRE_FALSE(ws.is_closed());
  hall.app.advance(1ns);
  REQUIRE(ws.was_reset());
}

TEST_CASE("what the App publishes when a client is too slow for a message comes behind that, for everyone") {
  for (const bool is_private : {false, true}) {
    Hall<> hall({.shards = 2, .queue = {.max_bytes = 1500}});
    const auto send = [&](const json& data) {
      if (is_private)
        hall.app.shard().send_to_user("ann", {{"data", data}});
      else
        hall.app.shard().publish("room", data);
    };
    auto first = hall.connect("ann"), slow = hall.connect("ann"), last = hall.connect("ann"),
         other = hall.connect("ann", {.shard = 1});
    for (auto* ws : {&first, &slow, &last, &other}) subscribe(*ws, "room");
    slow.stop_reading();
    hall.world.at_suspend = [&] { send("too slow"); };
    for (int i = 0; i < 4; ++i) send(std::string(700, 'x'));
    for (auto* ws : {&first, &last, &other}) {
      std::vector<std::size_t> sizes;
      for (const json& message : received(*ws)) sizes.push_back(message["data"].get<std::string>().size());
      CHECK(sizes == std::vector<std::size_t>{700, 700, 700, 8, 700});
    }
  }
}
