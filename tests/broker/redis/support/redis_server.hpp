// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
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
  explicit RedisServer(std::vector<std::string> flags = {})
      : program_(find_program("redis-server", "redis-server")), flags_(std::move(flags)) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      port_ = free_port();
      process_ = std::make_unique<ChildProcess>(arguments(), folder_ / "log");
      if (wait_until_up()) return;
      if (log().find("Address already in use") == std::string::npos) break;  // else: another was faster
    }
    throw std::runtime_error("redis-server did not start:\n" + log());
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
  std::vector<std::string> arguments() const {
    std::vector<std::string> all{
        program_,    "--port", std::to_string(port_),   "--bind", "127.0.0.1", "--unixsocket",
        unix_path(), "--dir",  folder_.path().string(), "--save", "",          "--appendonly",
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

}  // namespace redis_test
