// SPDX-License-Identifier: MIT
// Internal: callbacks of a port that wait for its next turn.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace in_memory {

/// Callbacks that wait for their turn. What one of them adds is called the next time; what one of them throws
/// leaves the rest in place. No allocation once it has grown.
template <class Callback>
class CallbackQueue {
 public:
  void add(Callback callback) { added_.push_back(std::move(callback)); }

  template <class Condition>
  void call_while(Condition may_go_on) {
    if (next_ == calling_.size()) {
      calling_.clear();
      next_ = 0;
      calling_.swap(added_);
    }
    while (next_ < calling_.size() && may_go_on()) {
      Callback callback = std::move(calling_[next_++]);
      callback();
    }
    if (next_ == calling_.size()) shrink();
  }

 private:
  void shrink() {
    constexpr std::size_t kept = 4096;
    calling_.clear();
    next_ = 0;
    if (calling_.capacity() > kept) calling_ = {};  // after a flood
  }

  std::vector<Callback> added_, calling_;
  std::size_t next_ = 0;
};

}  // namespace in_memory
}  // namespace switchboard::inline v1
