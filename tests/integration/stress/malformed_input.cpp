// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/server_process.hpp"

namespace {

using namespace stress;

constexpr std::int64_t malformed_messages = 10'000, first_of_them = 1000;
constexpr std::uint64_t most_growth = std::uint64_t{is_sanitized ? 256 : 1} << 20;

/// One malformed message after the other, no two alike. Each is answered with exactly one error.
class Mischief {
 public:
  void send_one(Client& client) {
    const std::string n = std::to_string(number_++);
    const std::string junk(1 + static_cast<std::size_t>(number_ * 131 % 4000),
                           static_cast<char>('a' + number_ % 26));
    switch (number_ % 16) {
      case 0:
        return client.send_text(R"({"action":"subscribe","channel":")" + n);
      case 1:
        return client.send_text(junk);
      case 2:
        return client.send_text("[" + n + "]");
      case 3:
        return client.send_text(R"({"a":)" + nested(n) + "}");
      case 4:
        return client.send_text(R"({"action":"no such action )" + n + R"(","data":")" + junk + R"("})");
      case 5:
        return client.send_text(R"({"action":)" + n + "}");
      case 6:
        return client.send_text(R"({"action":"subscribe","id":")" + n + R"("})");
      case 7:
        return client.send_text(R"({"action":"subscribe","channel":"$)" + n + R"("})");
      case 8:
        return client.send_text(R"({"action":"subscribe","channel":")" + std::string(201, 'c') + junk +
                                R"("})");
      case 9:
        return client.send_text(R"({"action":"publish","channel":"room )" + n + R"("})");
      case 10:
        return client.send_text(R"({"action":"presence","channel":"not mine )" + n + R"("})");
      case 11:
        return client.send_text(R"({"action":"publish","channel":"a","data":"\ud800 )" + n + R"("})");
      case 12:
        return client.send_text(R"({"action":"publish","channel":"a","data":1,"id":")" + junk +
                                std::string(128, 'i') + R"("})");
      case 13:
        return client.send_binary(std::string(static_cast<std::size_t>(number_ % 4), 'b'));
      case 14:
        return client.send_binary("\x7f" + std::string(3, static_cast<char>(number_ % 256)) + junk);
      default:
        return client.send_text(R"({"action":"send","to":)" + n + R"(,"data":1})");
    }
  }
  std::int64_t sent() const { return number_; }

 private:
  static std::string nested(const std::string& inside) {
    return std::string(100, '[') + inside + std::string(100, ']');
  }
  std::int64_t number_ = 0;
};

}  // namespace

TEST_CASE("10,000 malformed messages are answered, leave other clients undisturbed, and no memory behind") {
  const std::string target = GENERATE("/ws?token=eve", "/ws?token=eve&last_seq=0");
  ServerProcess chat(example("chat"), {"--heartbeat-timeout-ms", "600000"});
  Loop loop;

  std::int64_t received = 0, published = 0;
  bool is_subscribed = false, is_disturbed = false;
  Client subscriber(loop, chat.port(), "/ws?token=bob&last_seq=0", [&](Client&, const ServerFrame& frame) {
    if (frame.payload.starts_with(R"({"status":"subscribed")")) is_subscribed = true;
    const std::int64_t number = number_after(frame.payload, R"("data":)");
    if (number < 0) return;
    is_disturbed |= number != received || number_after(frame.payload, R"({"seq":)") != number + 1;
    received = number + 1;
  });
  subscriber.send_text(R"({"action":"subscribe","channel":"quiet"})");
  Client publisher(loop, chat.port(), "/ws?token=ann", {});
  REQUIRE(loop.run_until([&] { return is_subscribed && publisher.is_open(); }));

  std::int64_t errors = 0;
  std::string strange;
  Client eve(loop, chat.port(), target, [&](Client&, const ServerFrame& frame) {
    if (frame.payload.starts_with(R"({"type":"error")"))
      ++errors;
    else if (!frame.payload.starts_with(R"({"type":"welcome")") && frame.payload != R"({"type":"ping"})")
      strange = frame.payload.empty() ? "an empty frame" : frame.payload;
  });

  Mischief mischief;
  auto next_publish = Clock::now();
  const auto send_until = [&](std::int64_t count) {
    return loop.run_until(
        [&] {
          while (mischief.sent() < count && mischief.sent() - errors < 200) mischief.send_one(eve);
          if (const auto now = Clock::now(); now >= next_publish) {
            next_publish = now + 2ms;
            publisher.send_text(R"({"action":"publish","channel":"quiet","data":)" +
                                std::to_string(published++) + "}");
          }
          return errors == count || eve.has_ended() || !strange.empty();
        },
        60s);
  };
  CHECK(send_until(first_of_them));
  const std::uint64_t before = chat.memory();
  const std::int64_t received_before = received;
  CHECK(send_until(malformed_messages));
  const std::uint64_t after = chat.memory();
  CHECK(loop.run_until([&] { return received == published; }));

  CHECK(errors == malformed_messages);
  CHECK(strange == "");
  CHECK_FALSE(eve.has_ended());
  CHECK_FALSE(is_disturbed);
  CHECK(received > received_before);
  CHECK(chat.metric("errors_sent_total") == static_cast<std::uint64_t>(malformed_messages));
  CHECK(after < before + most_growth);
  WARN("memory after " << first_of_them << ": " << before / 1024 << " KiB, after " << malformed_messages
                       << ": " << after / 1024 << " KiB; " << published << " deliveries meanwhile");
  chat.terminate();
  CHECK(chat.wait_for_exit(15s) == 0);
}
