// SPDX-License-Identifier: MIT
#pragma once
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/line_hub.hpp"

namespace line_hub {

struct LineServerOptions {
  unsigned shards = 1;
  sb::Limits limits{};
  sb::net::PortSharing sharing = sb::net::default_port_sharing;
  bool with_admin = false;
  bool runs = true;  ///< at once, on a thread of its own
};

/// A server of LineHubs on a free port.
template <class Readiness = sb::net::Readiness>
class LineServer {
 public:
  using Loop = sb::ShardLoop<NoApp, LineHub, Readiness>;

  explicit LineServer(const LineServerOptions& options = {}) : group_(options.shards) { set_up(options); }
  LineServer(asio::io_context& context, LineServerOptions options = {}) : group_(context) {
    options.runs = false;
    set_up(options);
  }
  ~LineServer() {
    group_.stop({});
    if (thread_.joinable()) thread_.join();
  }

  void run_on_thread() {
    ended_ = end_.get_future();
    thread_ = std::thread([this] {
      std::string failure;
      try {
        group_.run();
      } catch (const std::exception& error) {
        failure = error.what();
      }
      end_.set_value(failure);
    });
  }

  /// Waits for run() to return; what it threw, if it did, is in failure().
  bool has_ended_within(std::chrono::milliseconds limit) {
    if (ended_.wait_for(limit) != std::future_status::ready) return false;
    failure_ = ended_.get();
    return true;
  }
  const std::string& failure() const { return failure_; }

  sb::ShardGroup<Loop>& group() { return group_; }
  Loop& loop(unsigned shard = 0) { return *group_.loops().at(shard); }
  std::uint16_t port() const { return port_; }
  std::uint16_t admin_port() const { return admin_port_; }
  Journal& journal() { return *journal_; }
  sb::CommandTarget& commands() { return *state_->commands; }
  std::shared_ptr<sb::CommandTarget> shared_commands() { return state_->commands; }
  std::vector<std::string> log_lines() {
    const std::lock_guard lock(*log_mutex_);
    return *log_;
  }

 private:
  void set_up(const LineServerOptions& options) {
    auto sink = [lines = log_, mutex = log_mutex_](sb::LogLevel, std::string_view text) {
      const std::lock_guard lock(*mutex);
      lines->emplace_back(text);
    };
    state_ = std::make_shared<sb::ServerState>(options.limits, std::move(sink));
    state_->commands = group_.make_loops([&](asio::io_context& context, unsigned shard, unsigned count) {
      return std::make_shared<Loop>(context, state_, journal_, shard, count);
    });
    sb::net::ListenerSet set = sb::net::listen_on("127.0.0.1", 0, options.shards, options.sharing);
    port_ = set.port;
    group_.add_listeners(std::move(set));
    if (options.with_admin) {
      sb::net::ListenerSet admin = sb::net::listen_on("127.0.0.1", 0, 1);
      admin_port_ = admin.port;
      loop().add_listener(std::move(admin.listeners.front()), true);
    }
    if (options.runs) run_on_thread();
  }

  std::shared_ptr<Journal> journal_ = std::make_shared<Journal>();
  std::shared_ptr<std::vector<std::string>> log_ = std::make_shared<std::vector<std::string>>();
  std::shared_ptr<std::mutex> log_mutex_ = std::make_shared<std::mutex>();
  std::shared_ptr<sb::ServerState> state_;
  sb::ShardGroup<Loop> group_;
  std::uint16_t port_ = 0, admin_port_ = 0;
  std::promise<std::string> end_;
  std::future<std::string> ended_;
  std::string failure_;
  std::thread thread_;
};

}  // namespace line_hub
