// SPDX-License-Identifier: MIT
// Internal: calls of a ServerHandle on their way to a shard.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/hub/command.hpp>
#include <switchboard/hub/errc.hpp>

namespace switchboard::inline v1 {

/// Commands from any thread on their way to one shard, bounded in number and bytes.
class CommandInbox {
 public:
  static constexpr std::size_t max_commands = 8192;
  /// Of targets and bodies. One command of any size is let into an empty inbox.
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;

  /// `wake` makes the shard call take(); it is called on the posting thread and must not block.
  explicit CommandInbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Any thread. errc::would_block, errc::stopped; the command is untouched then.
  std::error_code post(Command&& command) {
    const std::lock_guard lock(mutex_);
    if (!wake_) return make_error_code(errc::stopped);
    const std::size_t size = size_of(command);
    if (commands_.size() >= max_commands || (bytes_ > 0 && bytes_ + size > max_bytes))
      return make_error_code(errc::would_block);
    const bool was_empty = commands_.empty();
    commands_.push_back(std::move(command));
    bytes_ += size;
    // Under the lock: after close() has returned, the shard's context may be gone.
    if (was_empty) wake_();
    return {};
  }

  /// The shard's thread: moves the oldest commands into `batch`; true while more wait, without a further
  /// wake-up.
  bool take(std::vector<Command>& batch, std::size_t most) {
    const std::lock_guard lock(mutex_);
    while (!commands_.empty() && batch.size() < most) {
      bytes_ -= size_of(commands_.front());
      batch.push_back(std::move(commands_.front()));
      commands_.pop_front();
    }
    return !commands_.empty();
  }

  /// From here on every post is errc::stopped; what waits is dropped.
  void close() {
    const std::lock_guard lock(mutex_);
    wake_ = nullptr;
    commands_.clear();
    bytes_ = 0;
  }

 private:
  static std::size_t size_of(const Command& command) { return command.target.size() + command.body.size(); }

  std::mutex mutex_;
  std::function<void()> wake_;
  std::deque<Command> commands_;
  std::size_t bytes_ = 0;
};

/// Sends each command to the shard that its target's hash names, so that commands of one thread with one
/// target keep their order. What a ServerHandle holds; outlives the server.
class CommandRouter final : public CommandTarget {
 public:
  explicit CommandRouter(std::vector<std::shared_ptr<CommandInbox>> inboxes) : inboxes_(std::move(inboxes)) {}

  std::error_code post(Command&& command) override {
    const std::size_t shard = std::hash<std::string>{}(command.target) % inboxes_.size();
    return inboxes_[shard]->post(std::move(command));
  }

 private:
  std::vector<std::shared_ptr<CommandInbox>> inboxes_;
};

}  // namespace switchboard::inline v1
