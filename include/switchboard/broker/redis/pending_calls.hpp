// SPDX-License-Identifier: MIT
// Internal: calls of a port whose answers are to come.
#pragma once
#include <cstdint>
#include <deque>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/hub/broker_port.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// The calls of a port whose `Done` is still to come, numbered. They end mostly in the order of their
/// numbers.
class PendingCalls {
 public:
  /// `parts`: how many results make up the call's.
  std::uint64_t add(Done done, std::uint8_t parts) {
    calls_.push_back({std::move(done), {}, parts});
    return first_ + calls_.size() - 1;
  }
  /// Another result is to come.
  void add_part(std::uint64_t number) { ++calls_[number - first_].parts; }

  struct Ended {
    Done done;  ///< empty: the call goes on
    std::error_code error;
  };
  /// One result has come. The first error is the call's.
  Ended finish_part(std::uint64_t number, std::error_code error) {
    if (number < first_ || number - first_ >= calls_.size()) return {};
    Pending& call = calls_[number - first_];
    if (call.parts == 0) return {};
    if (error && !call.error) call.error = error;
    if (--call.parts > 0) return {};
    Ended ended{std::move(call.done), call.error};
    while (!calls_.empty() && calls_.front().parts == 0) {
      calls_.pop_front();
      ++first_;
    }
    return ended;
  }
  /// All that are left, in order.
  std::vector<Done> take_all() {
    std::vector<Done> all;
    for (Pending& call : calls_)
      if (call.parts > 0) all.push_back(std::move(call.done));
    first_ += calls_.size();
    calls_.clear();
    return all;
  }
  std::size_t size() const { return calls_.size(); }

 private:
  struct Pending {
    Done done;
    std::error_code error;
    std::uint8_t parts = 0;
  };

  std::deque<Pending> calls_;
  std::uint64_t first_ = 1;
};

}  // namespace redis
}  // namespace switchboard::inline v1
