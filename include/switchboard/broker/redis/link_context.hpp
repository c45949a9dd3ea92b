// SPDX-License-Identifier: MIT
// Internal: what all links of a broker share.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include <asio/io_context.hpp>

#include <switchboard/broker/redis/publish_queue.hpp>
#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/broker/redis/redis_metrics.hpp>
#include <switchboard/broker/redis/redis_options.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What the links of one broker tell it.
class LinkEvents {
 public:
  virtual void on_message(std::string_view channel, Payload payload) = 0;
  virtual void on_result(CallId call, std::error_code error) = 0;
  virtual void on_error(redis_errc error, const std::string& server, const std::string& detail) = 0;
  /// In a cluster: a server has answered MOVED, or has let go of a channel (then `answer` is empty), or is
  /// away.
  virtual void on_moved(std::string_view answer) = 0;

 protected:
  ~LinkEvents() = default;
};

/// What the links of one broker share.
struct LinkContext {
  asio::io_context& io;
  const RedisOptions& options;
  std::string node;      ///< its unique name
  std::uint64_t origin;  ///< of its messages
  Counters& counters;
  LinkEvents& events;
  bool is_cluster = false;  ///< sharded publish and subscribe
  std::minstd_rand random{std::random_device{}()};

  /// In [0, 1).
  double uniform() { return std::uniform_real_distribution<double>()(random); }
};

}  // namespace redis
}  // namespace switchboard::inline v1
