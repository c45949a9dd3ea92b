// SPDX-License-Identifier: MIT
#include "chat/clustered.hpp"

#include <iostream>

#if defined(CHAT_WITH_REDIS)
#include <switchboard/broker/redis_broker.hpp>

int serve_clustered(const LocalOptions& options, const std::vector<std::string>& brokers,
                    const std::string& node) {
  sb::RedisBroker::Options redis;
  redis.urls = brokers;
  redis.node = node;
  redis.on_error = [](const sb::RedisError& error) {
    std::cerr << error.server << ": " << error.code.message() << (error.detail.empty() ? "" : ": ")
              << error.detail << std::endl;
  };
  const sb::Options<Chat<sb::RedisBroker>> clustered{.address = options.address,
                                                     .port = options.port,
                                                     .threads = options.threads,
                                                     .allowed_origins = options.allowed_origins,
                                                     .heartbeat = options.heartbeat,
                                                     .broker = redis,
                                                     .sessions = options.sessions,
                                                     .queue = options.queue,
                                                     .limits = options.limits,
                                                     .static_files = options.static_files};
  return serve_chat(clustered, node);
}
#else
int serve_clustered(const LocalOptions&, const std::vector<std::string>&, const std::string&) {
  std::cerr << "--broker needs hiredis (Debian: libhiredis-dev), without which this chat was built\n";
  return 2;
}
#endif
