// SPDX-License-Identifier: MIT
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/server_process.hpp"

namespace {

using namespace stress;

constexpr std::size_t in_flight = 32;

/// Has at most `in_flight` publishes that are not answered yet, until it is told that the server stops.
class Publisher {
 public:
  Publisher(Loop& loop, std::uint16_t port, std::string channel, std::size_t message_bytes)
      : channel_(std::move(channel)),
        filling_(message_bytes, 'x'),
        client_(loop, port, "/ws?token=ann", [this](Client& from, const ServerFrame& frame) {
          if (frame.payload == R"({"type":"ping"})") return from.send_text(R"({"type":"pong"})");
          if (frame.opcode == Opcode::close) return from.send_close(CloseCode::going_away);
          if (frame.payload.starts_with(R"({"status":"published")")) ++accepted_;
        }) {}

  void publish_up_to(std::int64_t count) {
    while (client_.is_open() && client_.close_code() == 0 && published_ < count &&
           published_ - accepted_ < static_cast<std::int64_t>(in_flight)) {
      const std::string number = std::to_string(published_++);
      client_.send_text(R"({"action":"publish","channel":")" + channel_ + R"(","id":)" + number +
                        R"(,"data":{"number":)" + number + R"(,"text":")" + filling_ + R"("}})");
    }
  }
  std::int64_t accepted() const { return accepted_; }
  const Client& client() const { return client_; }

 private:
  std::string channel_, filling_;
  std::int64_t published_ = 0, accepted_ = 0;
  Client client_;
};

/// Reads so much every 10 ms, and no more.
class SlowSubscriber {
 public:
  SlowSubscriber(Loop& loop, std::uint16_t port, const std::string& target, const std::string& channel,
                 std::size_t bytes_per_turn)
      : bytes_per_turn_(bytes_per_turn),
        client_(loop, port, target, [this](Client& from, const ServerFrame& frame) { on_frame(from, frame); },
                {.receive_buffer = 16 * 1024, .reads_by_itself = false}) {
    client_.send_text(R"({"action":"subscribe","channel":")" + channel + R"("})");
  }

  void take_turn() { client_.read_some(bytes_per_turn_); }
  bool is_subscribed() const { return is_subscribed_; }
  std::int64_t received() const { return received_; }
  const std::string& fault() const { return fault_; }
  const Client& client() const { return client_; }

 private:
  void on_frame(Client& from, const ServerFrame& frame) {
    if (frame.opcode == Opcode::close) return from.send_close(CloseCode::going_away);
    if (frame.payload.starts_with(R"({"status":"subscribed")")) is_subscribed_ = true;
    const std::int64_t number = number_after(frame.payload, R"("number":)");
    if (number < 0) return;
    if (number != received_ && fault_.empty())
      fault_ = "instead of number " + std::to_string(received_) + " came " + std::to_string(number);
    received_ = number + 1;
  }

  std::size_t bytes_per_turn_;
  bool is_subscribed_ = false;
  std::int64_t received_ = 0;
  std::string fault_;
  Client client_;
};

using Subscribers = std::vector<std::unique_ptr<SlowSubscriber>>;

/// Runs the loop, and gives each subscriber a turn every 10 ms, until the condition holds.
template <class Condition>
bool run_slowly(Loop& loop, std::initializer_list<Subscribers*> groups, Condition condition,
                Milliseconds limit) {
  auto next_turn = Clock::now();
  return loop.run_until(
      [&] {
        if (const auto now = Clock::now(); now >= next_turn) {
          next_turn += 10ms;
          for (Subscribers* group : groups)
            for (auto& subscriber : *group) subscriber->take_turn();
        }
        return condition();
      },
      limit);
}

Subscribers subscribe(Loop& loop, std::uint16_t port, std::size_t count, const std::string& target,
                      const std::string& channel, std::size_t bytes_per_turn) {
  Subscribers group;
  for (std::size_t i = 0; i < count; ++i)
    group.push_back(std::make_unique<SlowSubscriber>(loop, port, target, channel, bytes_per_turn));
  const bool done = run_slowly(
      loop, {&group},
      [&] { return std::all_of(group.begin(), group.end(), [](auto& one) { return one->is_subscribed(); }); },
      20s);
  REQUIRE(done);
  return group;
}

void check_drained(const Subscribers& group, const Publisher& publisher) {
  std::int64_t most = 0;
  for (const auto& one : group) most = std::max(most, one->received());
  CHECK(most >= publisher.accepted());
  for (const auto& one : group) {
    INFO("received " << one->received() << " of " << publisher.accepted() << " accepted; another got "
                     << most);
    CHECK(one->fault() == "");
    CHECK(one->received() == most);  // what one was queued, all were
    CHECK(one->client().close_code() == 1001);
    CHECK(one->client().has_ended());
    CHECK_FALSE(one->client().was_reset());
  }
}

}  // namespace

TEST_CASE(
    "SIGTERM under load: all slow readers get what was queued for them, then 1001, and the exit code is 0") {
  const auto [target, threads] =
      GENERATE(table<std::string, std::string>({{"/ws?token=bob", "1"}, {"/ws?token=bob&last_seq=0", "2"}}));
  ServerProcess chat(example("chat"), {"--threads", threads, "--max-queue-bytes", "8388608",
                                       "--heartbeat-timeout-ms", "600000"});
  Loop loop;
  // The kernel holds the first two or three megabytes for a reader: what the many wait for is there, what the
  // few wait for is in the server's own queues too.
  Subscribers many = subscribe(loop, chat.port(), 190, target, "many", 1024);
  Subscribers few = subscribe(loop, chat.port(), 10, target, "few", 8 * 1024);
  Publisher to_many(loop, chat.port(), "many", 1000), to_few(loop, chat.port(), "few", 1000);

  // So much is ahead of the readers that they need about six seconds for it: longer than a peer that takes
  // nothing is given.
  const auto publish = [&] {
    to_many.publish_up_to(many.front()->received() + 620);
    to_few.publish_up_to(few.front()->received() + 4700);
  };
  const bool is_loaded = run_slowly(
      loop, {&many, &few},
      [&] {
        publish();
        return to_many.accepted() >= many.front()->received() + 570 &&
               to_few.accepted() >= few.front()->received() + 4500;
      },
      30s);
  REQUIRE(is_loaded);
  const std::int64_t read_before = few.front()->received();

  chat.terminate();
  const auto began = Clock::now();
  const bool all_ended = run_slowly(
      loop, {&many, &few},
      [&] {
        publish();  // until each publisher, too, is told
        return chat.has_ended() && to_many.client().has_ended() && to_few.client().has_ended() &&
               std::all_of(many.begin(), many.end(), [](auto& one) { return one->client().has_ended(); }) &&
               std::all_of(few.begin(), few.end(), [](auto& one) { return one->client().has_ended(); });
      },
      20s);
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - began);
  CHECK(all_ended);
  CHECK(chat.wait_for_exit(0ms) == 0);
  CHECK(took < 11s);  // the bound is 10 s
  CHECK(to_many.client().close_code() == 1001);
  CHECK(to_few.client().close_code() == 1001);
  check_drained(many, to_many);
  check_drained(few, to_few);
  WARN("accepted " << to_many.accepted() << " for the many and " << to_few.accepted()
                   << " for the few, of which " << read_before << " were read before the end began; it took "
                   << took.count() << " ms");
}

TEST_CASE("SIGTERM: what a shard has accepted reaches the clients of the other before their 1001") {
  for (int round = 0; round < 10; ++round) {  // it is a matter of microseconds, so more than once
    ServerProcess chat(example("chat"), {"--threads", "2"});
    Loop loop;
    Subscribers all = subscribe(loop, chat.port(), 16, "/ws?token=bob", "room", 64 * 1024);
    Publisher publisher(loop, chat.port(), "room", 10);
    const auto run = [&](auto condition) {
      return loop.run_until([&] {
        publisher.publish_up_to(1'000'000);
        for (auto& one : all) one->take_turn();
        return condition();
      });
    };
    REQUIRE(run([&] { return publisher.accepted() > 200 + 20 * round; }));
    chat.terminate();
    CHECK(run([&] {
      return chat.has_ended() && publisher.client().has_ended() &&
             std::all_of(all.begin(), all.end(), [](auto& one) { return one->client().has_ended(); });
    }));
    CHECK(chat.wait_for_exit(0ms) == 0);
    check_drained(all, publisher);
  }
}

TEST_CASE("SIGTERM: clients that read nothing at all keep the process no longer than the bound") {
  ServerProcess chat(example("chat"), {"--max-queue-bytes", "8388608", "--heartbeat-timeout-ms", "600000"});
  Loop loop;
  Subscribers stuck = subscribe(loop, chat.port(), 5, "/ws?token=bob", "room", 1024);
  Publisher publisher(loop, chat.port(), "room", 1000);
  const bool is_loaded = loop.run_until([&] {
    publisher.publish_up_to(6000);
    return publisher.accepted() == 6000;
  });
  REQUIRE(is_loaded);
  chat.terminate();
  const auto began = Clock::now();
  CHECK(loop.run_until([&] { return chat.has_ended(); }, 15s));
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - began);
  CHECK(chat.wait_for_exit(0ms) == 0);
  CHECK(took < 11s);
  WARN("it took " << took.count() << " ms");
}
