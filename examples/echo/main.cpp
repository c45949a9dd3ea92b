// SPDX-License-Identifier: MIT
// Raw mode: every text and binary message goes back as it came. No token, no JSON, RFC 6455 pings.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <switchboard/switchboard.hpp>

#include "support/command_line.hpp"
#include "support/serve.hpp"

namespace sb = switchboard;

struct Echo {
  using Heartbeat = sb::PingFrameHeartbeat;
  struct User {
    std::string id;
  };

  std::optional<User> authenticate(const sb::UpgradeRequest&) { return User{}; }

  void on_text(sb::Connection<Echo> connection, std::string_view text) { connection.send_text(text); }
  void on_binary(sb::Connection<Echo> connection, std::span<const std::byte> bytes) {
    connection.send_raw(bytes);
  }
};

int main(int argc, char** argv) {
  sb::Options<Echo> options{.address = "127.0.0.1"};
  support::CommandLine flags("A WebSocket server that sends back what it gets, at /ws.");
  flags.text("--address", "A", options.address, "listen here; 0.0.0.0 for every interface");
  flags.number("--port", options.port, "0 picks a free one");
  flags.number("--threads", options.threads, "shards; 0 for one per core");
  flags.number("--max-message-bytes", options.limits.max_message_bytes, "larger messages close with 1009");
  flags.parse_or_exit(argc, argv);
  return support::serve<Echo>(options);
}
