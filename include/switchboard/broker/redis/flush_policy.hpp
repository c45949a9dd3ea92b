// SPDX-License-Identifier: MIT
// Internal: when a connection writes what it has collected.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// When to write what waits for a connection: at once while little is unanswered, else with the next answer
/// or in a large piece. Under load the pieces grow to what the server takes in one turn, and cost one system
/// call each; without load nothing waits.
class FlushPolicy {
 public:
  static constexpr std::size_t unanswered_writes = 2;
  static constexpr std::size_t large = std::size_t{16} << 10;

  void reset() { *this = {}; }

  /// `commands` more wait to be written.
  void add(std::uint64_t commands = 1) { added_ += commands; }
  bool may_flush(std::size_t waiting_bytes) const {
    return waiting_bytes > 0 && (ends_.size() < unanswered_writes || waiting_bytes >= large);
  }
  /// All that waited is being written.
  void on_flush() {
    if (ends_.empty() || ends_.back() != added_) ends_.push_back(added_);
  }
  void on_reply() {
    ++answered_;
    while (!ends_.empty() && ends_.front() <= answered_) ends_.pop_front();
  }
  std::uint64_t unanswered() const { return added_ - answered_; }

 private:
  std::uint64_t added_ = 0, answered_ = 0;
  std::deque<std::uint64_t> ends_;  // of the writes that are not answered whole, in commands
};

}  // namespace redis
}  // namespace switchboard::inline v1
