// SPDX-License-Identifier: MIT
// Internal: one direction between two ports of an InMemoryBroker, and how they wake each other.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/broker/detail/post_function.hpp>
#include <switchboard/broker/presence_table.hpp>
#include <switchboard/broker/spsc_ring.hpp>
#include <switchboard/hub/broker_port.hpp>

namespace switchboard::inline v1 {
namespace in_memory {

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
};
template <class Value>
using ByName = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;

/// Makes a port look at its links, from any thread: at most one post is under way, however many ask.
///
/// Whoever writes to a link writes first and then wakes; the port calls `looks` first and then reads. Both
/// are read-modify-writes of one flag, so either the reader sees what was written or the writer sees that it
/// must post.
class Waker : public std::enable_shared_from_this<Waker> {
 public:
  Waker(asio::any_io_executor executor, std::function<void()> look)
      : executor_(std::move(executor)), look_(std::move(look)) {}

  void wake() {
    if (is_awake_.exchange(true, std::memory_order_acq_rel)) return;
    const std::lock_guard lock(mutex_);
    if (executor_)
      switchboard::detail::post_function(executor_, [self = shared_from_this()] { self->look_(); });
  }
  void looks() { is_awake_.exchange(false, std::memory_order_acq_rel); }

  /// After this returns nobody touches the executor any more, so its context may go.
  void close() {
    const std::lock_guard lock(mutex_);
    executor_ = {};
  }

 private:
  std::atomic<bool> is_awake_{false};
  std::mutex mutex_;  // against close(); taken once a hand-over, never once a message
  asio::any_io_executor executor_;
  const std::function<void()> look_;
};

/// A publish on its way; shared by all ports it goes to.
struct Message {
  std::string channel;
  Payload payload;
};
using MessagePtr = std::shared_ptr<const Message>;

inline std::size_t size_of(std::string_view channel, const Payload& payload) {
  return channel.size() + (payload ? payload->size() : 0);
}
inline std::size_t size_of(const Message& message) {
  return size_of(message.channel, message.payload);
}

/// How much may be under way, see InMemoryBroker::Options.
struct Bounds {
  std::size_t ring_capacity, link_bytes, pending, pending_bytes;
};

/// The messages under way between two ports: a ring that is full by bytes too. A single message is always
/// accepted.
///
/// Each side counts on a cache line of its own; the pushing one looks at the other's only when the ring seems
/// full, and the popping one shows its count once for many messages.
class MessageRing {
 public:
  explicit MessageRing(const Bounds& bounds) : ring_(bounds.ring_capacity), max_bytes_(bounds.link_bytes) {}

  /// Pushing thread: true means that a message of this size would not be taken now.
  bool is_full(std::size_t size) { return ring_.is_full() || !has_room(size); }
  /// Pushing thread: false when the ring is full.
  bool push(const MessagePtr& message) {
    const std::size_t size = size_of(*message);
    if (!has_room(size) || !ring_.push(message)) return false;
    pushed_bytes_ += size;
    return true;
  }

  /// Popping thread.
  bool is_empty() { return ring_.is_empty(); }
  bool pop(MessagePtr& message) {
    if (!ring_.pop(message)) return false;
    popped_bytes_ += size_of(*message);
    return true;
  }
  /// Popping thread: what was popped makes room from now on.
  void make_room() { popped_shown_.store(popped_bytes_, std::memory_order_release); }

 private:
  bool has_room(std::size_t size) {
    if (fits(size)) return true;
    popped_seen_ = popped_shown_.load(std::memory_order_acquire);
    return fits(size);
  }
  bool fits(std::size_t size) const {
    const std::size_t under_way = pushed_bytes_ - popped_seen_;
    return under_way == 0 || (under_way <= max_bytes_ && size <= max_bytes_ - under_way);
  }

  static constexpr std::size_t cache_line = 64;

  SpscRing<MessagePtr> ring_;
  const std::size_t max_bytes_;
  alignas(cache_line) std::size_t pushed_bytes_ = 0;
  std::size_t popped_seen_ = 0;
  alignas(cache_line) std::size_t popped_bytes_ = 0;
  std::atomic<std::size_t> popped_shown_{0};
};

/// What changed in what a port wants to hear.
struct Interest {
  ByName<bool> changes;       ///< channel: wanted or no longer
  std::uint64_t version = 0;  ///< of the interest once this is applied
  bool is_whole = false;      ///< starts from nothing: what is not in it is not wanted

  /// A port's changes of one channel alternate, so a second one undoes a first that nobody has seen yet.
  void add(std::string_view channel, bool is_wanted) {
    if (const auto found = changes.find(channel); found != changes.end())
      changes.erase(found);
    else
      changes.emplace(channel, is_wanted);
  }
};

/// One place for an Interest between two threads. The sender may take back what was not fetched yet and add
/// to it, so what waits here is never more than the difference between the two sides.
class InterestBox {
 public:
  InterestBox() = default;
  InterestBox(const InterestBox&) = delete;
  InterestBox& operator=(const InterestBox&) = delete;
  ~InterestBox() { take(); }

  std::unique_ptr<Interest> take() {
    return std::unique_ptr<Interest>(content_.exchange(nullptr, std::memory_order_acq_rel));
  }
  /// Only by the sender, after a `take`.
  void put(std::unique_ptr<Interest> interest) {
    content_.store(interest.release(), std::memory_order_release);
  }

 private:
  std::atomic<Interest*> content_{nullptr};
};

/// Everything one port has to say to one other.
struct Link {
  explicit Link(const Bounds& bounds) : messages(bounds) {}

  MessageRing messages;
  InterestBox interest;
  std::atomic<std::uint64_t> applied{0};  ///< the receiver knows the sender's interest up to this version
  std::atomic<bool> sender_waits{false};  ///< for room in `messages`
  std::atomic<bool> is_closed{false};     ///< one of the two ports is gone
};

/// A publish that is not yet in every ring it belongs in.
struct Waiting {
  Done done;
  std::size_t links = 0;
  std::size_t bytes = 0;
};
struct Held {
  MessagePtr message;
  std::shared_ptr<Waiting> waiting;
};

/// Another port, as a port sees it.
struct Peer {
  Peer(std::shared_ptr<Link> to, std::shared_ptr<Link> from, std::shared_ptr<Waker> its_waker)
      : out(std::move(to)), in(std::move(from)), waker(std::move(its_waker)) {}

  void hang_up() {
    out->is_closed.store(true, std::memory_order_release);
    in->is_closed.store(true, std::memory_order_release);
    waker->wake();
  }

  std::shared_ptr<Link> out, in;
  std::shared_ptr<Waker> waker;
  std::deque<Held> held;  ///< what did not fit into the ring, in order
  bool wants_everything = false;
  bool must_wake = false;
  bool is_gone = false;
};

class PortState;

/// What the ports of one broker share. No message touches any of it.
struct Exchange {
  explicit Exchange(const Bounds& of_the_broker) : bounds(of_the_broker) {}

  const Bounds bounds;
  std::atomic<bool> is_stopped{false};
  PresenceTable presence;

  std::mutex mutex;  ///< guards what follows, and every port's newcomers
  std::vector<PortState*> ports;
  PresenceTable::PortId last_id = 0;
};

}  // namespace in_memory
}  // namespace switchboard::inline v1
