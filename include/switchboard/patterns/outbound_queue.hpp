// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>

#include <switchboard/patterns/ring_buffer.hpp>
#include <switchboard/protocol/encoded_message.hpp>
#include <switchboard/protocol/sequence.hpp>

namespace switchboard::inline v1 {

/// What happens to a client whose queue is over its bound.
enum class SlowConsumer : std::uint8_t {
  close,        ///< it is closed with 1013 and may come back
  drop_oldest,  ///< its oldest unwritten messages go, and a `gap` says how many
  conflate,     ///< of each channel only the newest message stays; if that is not enough, it is closed
};

/// The gap that stands for `missed` dropped messages (protocol.md).
inline EncodedMessage::Ptr make_gap_message(std::uint32_t missed) {
  return EncodedMessage::json(R"({"type":"gap","reason":"slow","missed":)" + std::to_string(missed) + "}");
}

/// The frames that wait for one socket, in order, as references to shared messages.
///
///     OutboundQueue queue;
///     queue.push_message(message);                 // may be dropped when the client is slow
///     queue.push(answer);                          // never dropped
///     while (!queue.empty()) { send(queue.front().message->plain()); queue.pop_front(); }
///
/// It owns no memory while empty.
class OutboundQueue {
 public:
  /// One frame that waits, or the gap that dropped messages have left.
  struct Item {
    EncodedMessage::Ptr message;  ///< null for a gap
    Sequence sequence;            ///< above 0: goes out behind a SequencedPrefix with this number
    Sequence after;               ///< for a stateful client: goes out once the log is written up to here
    std::uint32_t missed = 0;     ///< above 0: a gap, standing for this many dropped messages
    bool may_be_dropped = false;  ///< a message, not an answer: a slow client may lose it
  };

  /// Nothing waits; no memory is held then.
  bool empty() const { return items_.empty(); }
  /// How many items wait, gaps included.
  std::size_t size() const { return items_.size(); }
  /// Bytes of all waiting frames.
  std::size_t bytes() const { return bytes_; }
  /// The next to be written. Not while empty.
  const Item& front() const { return items_.front(); }
  /// The item at `i`, counted from the front; unchecked.
  const Item& operator[](std::size_t i) const { return items_[i]; }

  /// Appends a frame that must not be lost: an answer, a control frame.
  void push(EncodedMessage::Ptr frame, Sequence after = {}) {
    push_item({std::move(frame), {}, after, 0, false});
  }
  /// Appends a message that a slow client may lose.
  void push_message(EncodedMessage::Ptr message) { push_item({std::move(message), {}, {}, 0, true}); }
  /// Appends an item that another queue had: a gap, or a message with a number.
  void push_item(Item item) {
    bytes_ += item_size(item);
    items_.push_back(std::move(item));
  }

  /// The front is written. Not while empty.
  void pop_front() {
    bytes_ -= item_size(items_.front());
    items_.pop_front();
    if (items_.empty()) items_.clear();
  }

  /// Drops everything, answers too, and tells nobody.
  void clear() {
    items_.clear();
    bytes_ = 0;
  }

  /// Exchanges what waits; O(1).
  void swap(OutboundQueue& other) noexcept {
    items_.swap(other.items_);
    std::swap(bytes_, other.bytes_);
  }

  /// Drops the oldest message, leaving a gap in its place that merges with a gap right before it. The first
  /// `pinned` items (partly written) are left alone. False if there is none to drop.
  bool drop_oldest(std::size_t pinned) {
    for (std::size_t i = pinned; i < items_.size(); ++i) {
      if (!items_[i].may_be_dropped) continue;
      make_gap(items_[i]);
      if (i > pinned && items_[i - 1].missed > 0) {
        items_[i].missed += items_[i - 1].missed;
        items_.erase(i - 1);
      }
      return true;
    }
    return false;
  }

  /// Of the messages with the same conflation key keeps only the newest; each run of dropped ones becomes a
  /// gap. Leaves the first `pinned` items alone. Returns how many went. O(waiting).
  std::size_t conflate(std::size_t pinned) {
    std::unordered_set<std::uint64_t> newer;
    std::size_t dropped = 0;
    for (std::size_t i = items_.size(); i-- > pinned;) {
      Item& item = items_[i];
      if (!item.may_be_dropped || item.message->conflation_key() == 0) continue;
      if (newer.insert(item.message->conflation_key()).second) continue;
      make_gap(item);
      ++dropped;
    }
    RingBuffer<Item> kept;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (i > pinned && items_[i].missed > 0 && kept.back().missed > 0)
        kept.back().missed += items_[i].missed;
      else
        kept.push_back(std::move(items_[i]));
    }
    items_ = std::move(kept);
    return dropped;
  }

 private:
  static std::size_t item_size(const Item& item) { return item.message ? item.message->size() : 0; }

  void make_gap(Item& item) {
    bytes_ -= item_size(item);
    item.message.reset();
    item.may_be_dropped = false;
    item.missed = 1;
  }

  RingBuffer<Item> items_;
  std::size_t bytes_ = 0;
};

}  // namespace switchboard::inline v1
