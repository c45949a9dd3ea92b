// SPDX-License-Identifier: MIT
// The chat's command line, and the page to try it with.
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat.hpp"
#include "chat/clustered.hpp"
#include "chat/page.hpp"
#include "support/command_line.hpp"

std::vector<sb::StaticFile> page() {
  std::vector<sb::StaticFile> files;
  for (const PageFile& file : page_files()) {
    sb::StaticFile served{std::string(file.path), std::string(sb::content_type_of(file.path)),
                          std::string(file.body)};
    if (file.path == "/index.html") served.path = "/";
    files.push_back(std::move(served));
  }
  return files;
}

int main(int argc, char** argv) {
  LocalOptions options{.address = "127.0.0.1", .static_files = page()};
  std::vector<std::string> brokers;
  std::string node;
  support::CommandLine flags(
      "A chat with rooms, direct messages and images, and its page. A demo: a token is a name, and is "
      "believed.");
  flags.text("--address", "A", options.address, "listen here; 0.0.0.0 for every interface");
  flags.number("--port", options.port, "0 picks a free one");
  flags.list("--broker", "URL", brokers,
             "link with other chats by Redis there: redis://host, rediss://, unix:///path, "
             "redis+cluster://a,b, redis+sentinel://a,b/master; several servers share the channels");
  flags.text("--node", "NAME", node, "what this one is called among them; none: host and a number");
  flags.number("--threads", options.threads, "shards; 0 for one per core");
  flags.milliseconds("--heartbeat-interval-ms", options.heartbeat.interval, "a ping that often", 1);
  flags.milliseconds("--heartbeat-timeout-ms", options.heartbeat.timeout, "silence that ends a connection",
                     1);
  flags.milliseconds("--session-ttl-ms", options.sessions.time_to_live,
                     "a session outlives its socket so long");
  flags.milliseconds("--presence-grace-ms", options.sessions.presence_grace,
                     "one who was cut is listed so long");
  flags.number("--replay", options.sessions.replay, "messages kept for one who comes back");
  flags.number("--max-message-bytes", options.limits.max_message_bytes, "larger messages close with 1009");
  flags.number("--max-queue-bytes", options.queue.max_bytes, "what may wait for a slow reader");
  flags.choice<sb::SlowConsumer>("--slow-consumer", options.queue.slow_consumer,
                                 {{"close", sb::SlowConsumer::close},
                                  {"drop-oldest", sb::SlowConsumer::drop_oldest},
                                  {"conflate", sb::SlowConsumer::conflate}},
                                 "what happens beyond");
  flags.number("--rate-limit", options.limits.messages_per_second,
               "messages a second per connection; 0: off");
  flags.list("--allow-origin", "URL", options.allowed_origins,
             "pages from there may connect; none: the server's own");
  flags.parse_or_exit(argc, argv);
  return brokers.empty() ? serve_chat(options, node) : serve_clustered(options, brokers, node);
}
