// SPDX-License-Identifier: MIT
// Internal: publishes that one server has yet to confirm.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/wire_message.hpp>
#include <switchboard/hub/broker_port.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// A call of a port that is to be answered.
struct CallId {
  std::uint64_t port = 0;    ///< 0: nobody asks
  std::uint64_t number = 0;  ///< of the port's calls
};

/// A publish that Redis has not confirmed.
struct PendingPublish {
  std::string channel;
  Payload payload;
  WireHeader header;
  CallId call;
  TimePoint accepted{};

  std::size_t bytes() const {
    return channel.size() + (payload ? payload->size() : 0) + sizeof(PendingPublish);
  }
  /// It has been taken elsewhere; only its place among those that were sent is left.
  bool is_taken() const { return payload == nullptr; }
};

struct QueueLimits {
  std::size_t max_messages = std::size_t{1} << 16;
  std::size_t max_bytes = std::size_t{64} << 20;
  Duration max_wait = std::chrono::seconds(5);  ///< of what cannot be sent
};

/// The publishes on their way to one server, in order: first those that were sent and not confirmed, then
/// those that wait. A lost connection makes the former wait again. Decisions only.
class PublishQueue {
 public:
  explicit PublishQueue(const QueueLimits& limits) : limits_(limits) {}

  /// False: it is full. A message is always taken by an empty queue.
  bool push(PendingPublish publish) {
    const std::size_t bytes = publish.bytes();
    if (!queue_.empty() && (queue_.size() >= limits_.max_messages || bytes_ + bytes > limits_.max_bytes))
      return false;
    bytes_ += bytes;
    queue_.push_back(std::move(publish));
    return true;
  }

  /// The next to be sent, which counts as sent from here on; null: nothing waits.
  const PendingPublish* send_next() { return sent_ < queue_.size() ? &queue_[sent_++] : nullptr; }

  /// The oldest that was sent is confirmed, or refused.
  PendingPublish pop_confirmed() {
    --sent_;
    return pop();
  }
  /// All that was not confirmed waits again.
  void on_connection_lost() {
    sent_ = 0;
    std::erase_if(queue_, [this](const PendingPublish& one) {
      if (one.is_taken()) bytes_ -= one.bytes();
      return one.is_taken();
    });
  }

  /// Takes out those for which `is_elsewhere(channel)` holds, in order. The place of one that was sent stays,
  /// for its answer.
  template <class Predicate>
  std::vector<PendingPublish> take_if(Predicate is_elsewhere) {
    std::vector<PendingPublish> taken;
    std::deque<PendingPublish> left;
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      PendingPublish& one = queue_[i];
      if (one.is_taken() || !is_elsewhere(one.channel)) {
        left.push_back(std::move(one));
        continue;
      }
      bytes_ -= one.bytes();
      taken.push_back(std::move(one));
      if (i >= sent_) continue;
      left.push_back({});
      bytes_ += left.back().bytes();
    }
    queue_ = std::move(left);
    return taken;
  }

  /// While there is no connection: the oldest, if it has waited too long.
  bool has_expired(TimePoint now) const {
    return sent_ == 0 && !queue_.empty() && now - queue_.front().accepted >= limits_.max_wait;
  }
  /// With nothing sent: the oldest is given up.
  PendingPublish pop() {
    PendingPublish first = std::move(queue_.front());
    bytes_ -= first.bytes();
    queue_.pop_front();
    return first;
  }

  bool is_empty() const { return queue_.empty(); }
  std::size_t size() const { return queue_.size(); }
  std::size_t sent() const { return sent_; }

 private:
  QueueLimits limits_;
  std::deque<PendingPublish> queue_;
  std::size_t sent_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace redis
}  // namespace switchboard::inline v1
