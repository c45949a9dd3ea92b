// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "broker/redis/support/redis_server.hpp"

namespace redis_test {

/// A master ("mymaster") with a replica, watched by three sentinels. Start and failover take about a second
/// each.
class RedisSentinels {
 public:
  /// `flags` go to both servers.
  explicit RedisSentinels(const std::vector<std::string>& flags = {}) {
    servers_.push_back(std::make_unique<RedisServer>(with_quick_sync(flags)));
    servers_.push_back(std::make_unique<RedisServer>(with_quick_sync(flags)));
    server(1)("REPLICAOF 127.0.0.1 " + std::to_string(server(0).port()));
    wait_until("a replica in step with its master", [&] { return is_replica_in_step(1); });
    for (int i = 0; i < 3; ++i) {
      sentinels_.push_back(RedisServer::sentinel(configuration(i)));
      hasten(*sentinels_.back());
    }
    wait_until("sentinels that know each other and the replica", [&] {
      for (const auto& sentinel : sentinels_)
        if (master_field(*sentinel, "num-slaves") != "1" ||
            master_field(*sentinel, "num-other-sentinels") != "2")
          return false;
      return true;
    });
  }

  RedisServer& server(std::size_t index) { return *servers_.at(index); }
  RedisServer& sentinel(std::size_t index) { return *sentinels_.at(index); }

  std::string url() const {
    std::string text = "redis+sentinel://";
    for (const auto& sentinel : sentinels_) text += (text.back() == '/' ? "" : ",") + sentinel->address();
    return text + "/mymaster";
  }

  /// The index of the server that a sentinel calls the master.
  std::size_t master(std::size_t sentinel_index = 0) {
    const Reply reply = sentinel(sentinel_index)("SENTINEL get-master-addr-by-name mymaster");
    for (std::size_t i = 0; i < servers_.size(); ++i)
      if (std::to_string(server(i).port()) == reply[1].text) return i;
    throw std::runtime_error("the sentinels know another master: " + reply[1].text);
  }

  /// SIGKILL of the master, and waits until all sentinels agree on the other, which is then a master. Returns
  /// its index.
  std::size_t fail_over() {
    const std::size_t old = master();
    server(old).kill();
    wait_until("a new master", [&] {
      for (std::size_t i = 0; i < sentinels_.size(); ++i)
        if (master(i) == old) return false;
      return server(1 - old)("ROLE")[0].text == "master";
    });
    return 1 - old;
  }

 private:
  static std::vector<std::string> with_quick_sync(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--repl-diskless-sync-delay", "0"});
    return flags;
  }

  /// Makes it look every 100 ms where it would look every one to ten seconds.
  static void hasten(RedisServer& sentinel) {
    const Reply reply = sentinel(
        "SENTINEL DEBUG info-period 100 ping-period 300 ask-period 100 publish-period 100 "
        "min-link-reconnect-period 100 "
        "election-timeout 1000");
    if (reply.text != "OK") throw std::runtime_error("the sentinel answered: " + reply.text);
  }

  bool is_replica_in_step(std::size_t index) {
    return field_of(server(index)("INFO replication").text, "master_link_status") == "up";
  }

  /// Each waits a little longer than the one before: two that stand for election at once take each other's
  /// votes, and the next election is a second later.
  std::string configuration(int index) {
    const std::string milliseconds = std::to_string(500 + 300 * index);
    return "sentinel monitor mymaster 127.0.0.1 " + std::to_string(server(0).port()) +
           " 2\nsentinel down-after-milliseconds mymaster " + milliseconds +
           "\nsentinel failover-timeout mymaster 1000\n";
  }

  static std::string master_field(RedisServer& sentinel, const std::string& name) {
    const Reply fields = sentinel("SENTINEL MASTER mymaster");
    for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2)
      if (fields[i].text == name) return fields[i + 1].text;
    return {};
  }

  std::vector<std::unique_ptr<RedisServer>> servers_, sentinels_;
};

}  // namespace redis_test
