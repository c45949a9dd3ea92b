// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/server_process.hpp"

namespace {

using namespace stress;

constexpr std::size_t descriptors = 64, clients_that_want_in = 100;

}  // namespace

TEST_CASE(
    "a server out of descriptors serves those it has, idles, and lets others in as soon as some have gone") {
  if (is_sanitized) return;
  ServerProcess chat(example("chat"), {"--heartbeat-timeout-ms", "600000"}, descriptors);
  Loop loop;
  std::int64_t received = 0;
  std::size_t subscribed = 0;
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < clients_that_want_in; ++i)
    clients.push_back(
        std::make_unique<Client>(loop, chat.port(), "/ws?token=ann", [&](Client&, const ServerFrame& frame) {
          subscribed += frame.payload.starts_with(R"({"status":"subscribed")") ? 1 : 0;
          received += frame.payload.starts_with(R"({"type":"message")") ? 1 : 0;
        }));
  const auto count_inside = [&] {
    return static_cast<std::size_t>(std::count_if(clients.begin(), clients.end(), [](const auto& client) {
      return client->is_open() && !client->has_ended();
    }));
  };

  // As many are let in as there are descriptors for; the others wait, and are not turned away.
  REQUIRE(loop.run_until([&] { return count_inside() >= descriptors - 20; }));
  loop.run_until([] { return false; }, 500ms);
  const std::size_t inside = count_inside();
  CHECK(inside < descriptors);
  for (const auto& client : clients) CHECK_FALSE(client->has_ended());

  // Those inside are served.
  for (auto& client : clients)
    if (client->is_open()) client->send_text(R"({"action":"subscribe","channel":"room"})");
  REQUIRE(loop.run_until([&] { return subscribed == inside; }));
  clients.front()->send_text(R"({"action":"publish","channel":"room","data":1})");
  CHECK(loop.run_until([&] { return received == static_cast<std::int64_t>(inside); }));

  // It waits without spinning.
  const auto cpu_before = chat.cpu_time();
  const auto began = Clock::now();
  std::this_thread::sleep_for(1s);  // what is measured is the time itself
  const double share = std::chrono::duration<double>(chat.cpu_time() - cpu_before) / (Clock::now() - began);
  CHECK(share < 0.2);

  // Whoever waits takes the place of one who goes: with a Close frame, or cut.
  const std::size_t leaving = 20;
  std::size_t left = 0;
  for (auto& client : clients) {
    if (left == leaving || !client->is_open()) continue;
    if (++left % 2 == 0)
      client->send_close(CloseCode::normal);
    else
      client->cut();
  }
  const auto left_at = Clock::now();
  CHECK(loop.run_until([&] { return count_inside() == inside; }));
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - left_at);

  // And when all of them have gone, a newcomer gets in at once.
  clients.clear();
  Client newcomer(loop, chat.port(), "/ws?token=bob", {});
  CHECK(loop.run_until([&] { return newcomer.is_open(); }));
  CHECK(chat.metric("accept_pauses_total") > 0);
  WARN(inside << " of " << clients_that_want_in << " were let in; idle CPU share " << share << "; " << leaving
              << " others got in within " << took.count() << " ms");
  chat.terminate();
  CHECK(chat.wait_for_exit(15s) == 0);
}
