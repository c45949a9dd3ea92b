// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "broker/redis/support/child_process.hpp"
#include "broker/redis/support/resp_client.hpp"

namespace redis_test {

/// A redis-server of its own on a free loopback port and a Unix socket, in a folder of its own, without
/// persistence: it is empty after a restart.
class RedisServer {
 public:
  /// `flags` as redis-server takes them: {"--requirepass", "secret"}. Returns when it answers; throws with
  /// its log where it does not.
  explicit RedisServer(std::vector<std::string> flags = {}) : RedisServer(std::move(flags), "") {}

  /// A sentinel instead, which writes down in its configuration file what it learns.
  static std::unique_ptr<RedisServer> sentinel(std::string configuration) {
    return std::unique_ptr<RedisServer>(new RedisServer({}, std::move(configuration)));
  }

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return process_->pid(); }
  std::string unix_path() const { return folder_ / "socket"; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "redis://" + address(); }
  std::string unix_url() const { return "unix://" + unix_path(); }
  std::string log() const { return process_->log(); }
  const TemporaryFolder& folder() const { return folder_; }

  RespClient client() const { return RespClient(port_); }
  /// One command on a connection of its own.
  Reply operator()(std::string_view words) const { return client()(words); }

  void kill() { process_->kill(); }
  bool is_running() { return process_->is_running(); }
  /// On the port it had. Returns when it answers.
  void start() {
    process_->start();
    if (!wait_until_up()) throw std::runtime_error("redis-server did not start again:\n" + log());
  }
  void restart() {
    kill();
    start();
  }
  /// SIGSTOP: connections stay open, nothing is answered.
  void suspend() { process_->suspend(); }
  void resume() { process_->resume(); }

 private:
  RedisServer(std::vector<std::string> flags, std::string sentinel_configuration)
      : program_(find_program("redis-server", "redis-server")),
        flags_(std::move(flags)),
        sentinel_configuration_(std::move(sentinel_configuration)) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      port_ = free_port();
      process_ = std::make_unique<ChildProcess>(arguments(), folder_ / "log");
      if (wait_until_up()) return;
      if (log().find("Address already in use") == std::string::npos) break;  // else: another was faster
    }
    throw std::runtime_error("redis-server did not start:\n" + log());
  }

  std::vector<std::string> arguments() const {
    const std::string folder = folder_.path().string(), port = std::to_string(port_);
    if (!sentinel_configuration_.empty()) {
      std::ofstream(folder_ / "sentinel.conf")
          << "port " << port << "\nbind 127.0.0.1\ndir " << folder << '\n'
          << sentinel_configuration_;
      return {program_, folder_ / "sentinel.conf", "--sentinel"};
    }
    std::vector<std::string> all{program_,    "--port", port,   "--bind", "127.0.0.1", "--unixsocket",
                                 unix_path(), "--dir",  folder, "--save", "",          "--appendonly",
                                 "no"};
    all.insert(all.end(), flags_.begin(), flags_.end());
    return all;
  }

  bool wait_until_up() {
    bool is_up = false;
    tcp::eventually([&] {
      if (!process_->is_running()) return true;
      try {
        const Reply reply = client()("PING");
        is_up = !reply.is_error() || !reply.text.starts_with("LOADING");  // NOAUTH is an answer too
      } catch (const std::system_error&) {
      }
      return is_up;
    });
    return is_up;
  }

  std::string program_;
  std::vector<std::string> flags_;
  std::string sentinel_configuration_;  // empty for an ordinary server
  TemporaryFolder folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

/// `count` servers that know nothing of each other.
inline std::vector<std::unique_ptr<RedisServer>> several_redis_servers(
    std::size_t count, const std::vector<std::string>& flags = {}) {
  std::vector<std::unique_ptr<RedisServer>> servers;
  for (std::size_t i = 0; i < count; ++i) servers.push_back(std::make_unique<RedisServer>(flags));
  return servers;
}

/// The value of `name` in an INFO-like text of lines "name:value"; empty where there is none.
inline std::string field_of(const std::string& info, const std::string& name) {
  const std::string text = "\n" + info;
  const std::size_t place = text.find("\n" + name + ":");
  if (place == text.npos) return {};
  const std::size_t start = place + name.size() + 2;
  return text.substr(start, text.find_first_of("\r\n", start) - start);
}

/// Throws with `what` if the condition does not come true in time. A condition that throws is not true yet: a
/// server that changes its role cuts its clients off.
inline void wait_until(const std::string& what, const std::function<bool()>& condition) {
  std::string obstacle;
  const auto holds = [&] {
    try {
      obstacle.clear();
      return condition();
    } catch (const std::runtime_error& error) {
      obstacle = error.what();
      return false;
    }
  };
  if (!tcp::eventually(holds, std::chrono::seconds(30)))
    throw std::runtime_error("waited in vain for: " + what + (obstacle.empty() ? "" : "; last: " + obstacle));
}

}  // namespace redis_test
