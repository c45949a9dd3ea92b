// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/server_process.hpp"

namespace {

using namespace stress;

constexpr std::size_t first_of_them = 10'000, all_of_them = 100'000;
// What counts is what is left behind, not the heap's high-water mark, which comes and goes with how many
// there were at the same moment. So that it does not decide, there are more at once in the beginning than
// later.
constexpr std::size_t at_once_first = 200, at_once_later = 100;

/// One connection from beginning to end, in one of six ways.
class Visit {
 public:
  Visit(Loop& loop, std::uint16_t port, std::size_t number)
      : way_(static_cast<Way>(number % 6)),
        client_(loop, port, target(number), [this](Client&, const ServerFrame& frame) { on_frame(frame); },
                {.source = "127.0.0." + std::to_string(2 + number % 200)}) {}

  /// True when it is over.
  bool run() {
    if (client_.has_ended()) return true;
    if (client_.status() != 0 && !client_.is_open()) is_right_ = false;
    if (!client_.is_open() || is_leaving_) return false;
    switch (way_) {
      case Way::cut_at_once:
        client_.cut();
        return true;
      case Way::end_at_once:
        client_.cut(false);
        return true;
      case Way::stateful_cut:
        if (!is_welcome_) return false;
        client_.cut();
        return true;
      case Way::close:
      case Way::stateful_close:
        if (way_ == Way::stateful_close && !is_welcome_) return false;
        client_.send_close(CloseCode::normal);
        is_leaving_ = true;
        return false;
      case Way::subscribe_and_close:
        if (!std::exchange(has_asked_, true))
          client_.send_text(R"({"action":"subscribe","channel":"lobby","presence":true})");
        if (!is_subscribed_) return false;
        client_.send_close(CloseCode::normal);
        is_leaving_ = true;
        return false;
    }
    return true;
  }
  /// It was let in, and where it closed it was answered and not reset.
  bool went_right() const {
    const bool is_closed = !is_leaving_ || (client_.close_code() == 1000 && !client_.was_reset());
    return is_right_ && client_.is_open() && is_closed;
  }

 private:
  enum class Way { close, cut_at_once, stateful_close, stateful_cut, subscribe_and_close, end_at_once };

  std::string target(std::size_t number) const {
    const bool is_stateful = way_ == Way::stateful_close || way_ == Way::stateful_cut;
    return "/ws?token=user" + std::to_string(number % 5000) + (is_stateful ? "&last_seq=0" : "");
  }

  void on_frame(const ServerFrame& frame) {
    if (frame.payload.starts_with(R"({"type":"welcome")")) is_welcome_ = true;
    if (frame.payload.starts_with(R"({"status":"subscribed")")) is_subscribed_ = true;
  }

  Way way_;
  bool is_right_ = true, is_welcome_ = false, is_subscribed_ = false, has_asked_ = false, is_leaving_ = false;
  Client client_;
};

}  // namespace

TEST_CASE("100,000 connects and closes leave the server with the memory that it had after the first 10,000") {
  ServerProcess chat(example("chat"), {"--session-ttl-ms", "50", "--presence-grace-ms", "50"});
  Loop loop;
  std::vector<std::unique_ptr<Visit>> visits;
  std::size_t begun = 0, wrong = 0;
  const auto visit_until = [&](std::size_t count) {
    return loop.run_until(
        [&] {
          std::erase_if(visits, [&](const std::unique_ptr<Visit>& visit) {
            if (!visit->run()) return false;
            wrong += visit->went_right() ? 0 : 1;
            return true;
          });
          const std::size_t at_once = begun < first_of_them ? at_once_first : at_once_later;
          while (begun < count && visits.size() < at_once)
            visits.push_back(std::make_unique<Visit>(loop, chat.port(), begun++));
          return visits.empty() && begun == count;
        },
        240s);
  };
  // Quiet again: every connection is gone, every session has expired.
  const auto quiet_memory = [&] {
    CHECK(tcp::eventually(
        [&] { return chat.metric("connections") == 0 && chat.metric("sessions_parked") == 0; }));
    return chat.memory();
  };

  const auto began = Clock::now();
  REQUIRE(visit_until(first_of_them));
  const std::uint64_t before = quiet_memory();
  REQUIRE(visit_until(all_of_them));
  const std::uint64_t after = quiet_memory();
  CHECK(wrong == 0);
  CHECK(chat.metric("connections_opened_total") == all_of_them);
  if (!is_sanitized) CHECK(static_cast<double>(after) <= static_cast<double>(before) * 1.05);
  WARN("memory after " << first_of_them << ": " << before / 1024 << " KiB, after " << all_of_them << ": "
                       << after / 1024 << " KiB; "
                       << std::chrono::duration_cast<Milliseconds>(Clock::now() - began).count() << " ms");
  chat.terminate();
  CHECK(chat.wait_for_exit(15s) == 0);
}
