// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <switchboard/patterns/ring_buffer.hpp>
#include <switchboard/protocol/encoded_message.hpp>
#include <switchboard/protocol/sequence.hpp>

namespace switchboard::inline v1 {

/// How a log sees its messages. Specialize it to keep messages of a type of your own.
template <class Message>
struct MessageTraits {
  /// What it counts for against `ReplayOptions::max_bytes`.
  static std::size_t size(const Message& message) { return message.size(); }
  /// Of messages with one key only the newest is kept by `conflate_unwritten`; 0: not to be conflated.
  static std::uint64_t conflation_key(const Message&) { return 0; }
};
/// Of the messages that a hub sends. None is null.
template <>
struct MessageTraits<EncodedMessage::Ptr> {
  /// EncodedMessage::size.
  static std::size_t size(const EncodedMessage::Ptr& message) { return message->size(); }
  /// EncodedMessage::conflation_key.
  static std::uint64_t conflation_key(const EncodedMessage::Ptr& message) {
    return message->conflation_key();
  }
};

/// How much a session keeps for a client that comes back.
struct ReplayOptions {
  std::size_t max_messages = 100;                ///< the newest; what is unwritten is kept besides
  std::size_t max_bytes = std::size_t{4} << 20;  ///< of those messages, as MessageTraits counts them
};

/// The messages of one session: numbered, kept for replay, and at once the queue of those not yet written to
/// a socket.
///
///     StatefulConnection<std::string> connection;
///     connection.store_message("one");                             // gets number 1
///     connection.store_message("two");                             // 2
///     auto missed = connection.get_missed_messages(1);             // the client had seen 1
///     assert(missed.complete && missed.messages.front().message == "two");
///
/// It keeps the newest `max_messages` (at most `max_bytes` of them) and everything that is not written yet;
/// `written` moves the boundary between the two. While parked (no socket) the bound is what it was plus what
/// was unwritten then; a replay that was cut off again counts once, however often it is tried. The messages
/// themselves are shared, never copied, where `Message` is a pointer. No thread may use it beside another.
template <class Message = EncodedMessage::Ptr>
class StatefulConnection {
  using Traits = MessageTraits<Message>;

 public:
  /// A message with its number, or a gap in the place of dropped ones.
  struct Entry {
    Message message{};  ///< `Message{}` for a gap
    Sequence sequence;  ///< rises by one from entry to entry, and over a gap by `missed`
    /// Above 0: no message but a gap, standing for this many dropped ones, the last of them `sequence`.
    std::uint32_t missed = 0;
  };

  /// What a client that has seen `last_seq` is still to get.
  struct Missed {
    bool known = false;  ///< false: `last_seq` is above every number given out, so it is not of this session
    bool complete = false;        ///< everything after `last_seq` is kept
    std::uint64_t missed = 0;     ///< how many messages between `last_seq` and the first kept one are gone
    std::vector<Entry> messages;  ///< what is kept of them, in order
  };

  /// What a parked log keeps beyond its ReplayOptions.
  struct Extra {
    std::size_t messages = 0;  ///< beyond `max_messages`
    std::size_t bytes = 0;     ///< beyond `max_bytes`
  };

  /// Owns no memory until the first message.
  explicit StatefulConnection(ReplayOptions options = {}) : options_(options) {}

  /// The number of the newest message; 0 before the first.
  Sequence newest_sequence() const { return newest_; }
  /// The number that the next stored message gets.
  Sequence next_sequence() const { return newest_.next(); }

  /// Appends a message and returns its number. Never refuses: bounding what is unwritten is the caller's
  /// decision.
  Sequence store_message(Message message) {
    const std::size_t size = Traits::size(message);
    entries_.push_back({std::move(message), newest_.next()});  // which may throw: no number without an entry
    newest_ = newest_.next();
    bytes_ += size;
    if (!parked_) unwritten_bytes_ += size;
#ifdef SWITCHBOARD_PLANTED_BUG
    if (SWITCHBOARD_PLANTED_BUG == 1 && !parked_ && replay_count() > 0)
      for (std::size_t i = entries_.size() - 1; i > written_; --i) std::swap(entries_[i], entries_[i - 1]);
#endif
    trim();
    return newest_;
  }

  /// What a client that has seen `last_seq` is still to get. O(kept). Does not change the log.
  Missed get_missed_messages(Sequence last_seq) const {
    Missed result;
    if (last_seq > newest_) return result;
    result.known = true;
    const std::size_t first = index_after(last_seq);
    const Sequence oldest = first < entries_.size() ? entries_[first].sequence : newest_.next();
    result.missed = oldest.value - 1 - last_seq.value;
    result.complete = result.missed == 0;
    result.messages.reserve(entries_.size() - first);
    for (std::size_t i = first; i < entries_.size(); ++i) result.messages.push_back(entries_[i]);
    for (std::size_t i = 0; i < result.messages.size(); ++i)
      recount_gap(result.messages[i], i == 0 ? nullptr : &result.messages[i - 1]);
    return result;
  }

  // The log as the queue of a socket.

  /// How many entries wait to be written; `unwritten(0)` is the next.
  std::size_t unwritten_count() const { return entries_.size() - written_; }
  /// The entry at `i` of those that wait; unchecked. Valid until the next change.
  const Entry& unwritten(std::size_t i) const { return entries_[written_ + i]; }
  /// Bytes that wait, without what a resume replays: that was promised by the welcome and must not make a
  /// client "slow".
  std::size_t unwritten_bytes() const { return unwritten_bytes_; }

  /// How many of the unwritten entries are such a replay; they come first.
  std::size_t replay_count() const {
    const std::size_t end = index_after(replayed_until_);
    return end > written_ ? end - written_ : 0;
  }

  /// The first `count` unwritten entries have been handed to the socket.
  void written(std::size_t count) {
    for (; count > 0; --count) {
      const Entry& entry = entries_[written_++];
      if (entry.sequence > replayed_until_) unwritten_bytes_ -= size_of(entry);
    }
    trim();
  }

  /// The client says that it has everything up to `sequence`: what is written and no newer may go.
  void acknowledge(Sequence sequence) {
    while (written_ > 0 && entries_.front().sequence <= sequence) pop_front();
    release_if_empty();
  }

  /// The socket is gone. From now on the bound is the replay bound plus what is unwritten at this moment. Of
  /// a replay that is unwritten again no more counts than was beyond the replay bound before: a client that
  /// comes back again and again without reading makes the log no larger. Nothing, if it is parked already.
  void park() {
    if (parked_) return;
    parked_ = true;
    std::size_t replay_bytes = 0;
    const std::size_t replay = replay_count();
    for (std::size_t i = 0; i < replay; ++i) replay_bytes += size_of(unwritten(i));
    const std::size_t newer = unwritten_count() - replay;
    extra_.messages = std::min(replay + newer, std::max(extra_.messages, newer));
    extra_.bytes = std::min(replay_bytes + unwritten_bytes_, std::max(extra_.bytes, unwritten_bytes_));
    unwritten_bytes_ = 0;
    written_ = 0;
    trim();
  }

  /// A new socket, whose client has seen `last_seq`: everything newer is unwritten again.
  /// Call get_missed_messages first; `last_seq` must be known.
  void resume(Sequence last_seq) {
    parked_ = false;
    written_ = index_after(last_seq);
#ifdef SWITCHBOARD_PLANTED_BUG
    if (SWITCHBOARD_PLANTED_BUG == 2 && written_ < entries_.size()) ++written_;
#endif
    replayed_until_ = newest_;
    unwritten_bytes_ = 0;
    for (std::size_t i = written_; i < entries_.size(); ++i)
      recount_gap(entries_[i], i == written_ ? nullptr : &entries_[i - 1]);
    trim();
  }

  /// Between `park` and `resume`, and after `restore`.
  bool is_parked() const { return parked_; }
  /// Bytes of all kept messages.
  std::size_t bytes() const { return bytes_; }
  /// Entries kept, written or not, gaps included.
  std::size_t kept_count() const { return entries_.size(); }

  // The log on its way to another place.

  /// Calls `visit(entry)` for all that is kept, written or not, in order.
  template <class Visit>
  void for_each_kept(Visit&& visit) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) visit(entries_[i]);
  }

  /// What was unwritten when it was parked last, as far as that counts: see `park`.
  Extra extra() const { return extra_; }

  /// Makes an empty log what another was: parked, with these entries, `newest` the number of the last message
  /// it ever had, and its `extra`. Numbers must rise, and none be above `newest`. What is given is kept, also
  /// where it is more than `ReplayOptions` and `extra` allow.
  void restore(std::vector<Entry> entries, Sequence newest, Extra extra = {}) {
    for (Entry& entry : entries) {
      bytes_ += size_of(entry);
      entries_.push_back(std::move(entry));
    }
    newest_ = newest;
    parked_ = true;
    const auto at_most = [](std::size_t given, std::size_t kept, std::size_t bound) {
      return std::max(std::min(given, kept), kept - std::min(kept, bound));
    };
    extra_ = {at_most(extra.messages, entries_.size(), options_.max_messages),
              at_most(extra.bytes, bytes_, options_.max_bytes)};
  }

  // What a slow consumer loses.

  /// Drops the oldest unwritten message, leaving a gap in its place that merges with the gap before it.
  /// `pinned` entries at the head (partly written) are left alone. False if there is none to drop.
  bool drop_oldest_unwritten(std::size_t pinned) {
    for (std::size_t i = written_ + pinned; i < entries_.size(); ++i) {
      if (entries_[i].missed > 0) continue;
      drop(i, written_ + pinned);
      return true;
    }
    return false;
  }

  /// Of the unwritten messages with the same conflation key keeps only the newest; each run of dropped ones
  /// becomes a gap. O(unwritten).
  std::size_t conflate_unwritten(std::size_t pinned) {
    const std::size_t begin = written_ + pinned;
    std::unordered_set<std::uint64_t> newer;
    std::size_t dropped = 0;
    for (std::size_t i = entries_.size(); i-- > begin;) {
      Entry& entry = entries_[i];
      if (entry.missed > 0) continue;
      const std::uint64_t key = Traits::conflation_key(entry.message);
      if (key == 0 || newer.insert(key).second) continue;
      make_gap(entry, 1);
      ++dropped;
    }
    RingBuffer<Entry> kept;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      if (i > begin && entry.missed > 0 && kept.back().missed > 0) {
        kept.back().missed += entry.missed;
        kept.back().sequence = entry.sequence;
      } else {
        kept.push_back(std::move(entry));
      }
    }
    entries_ = std::move(kept);
    return dropped;
  }

 private:
  /// A gap counts nothing.
  static std::size_t size_of(const Entry& entry) {
    return entry.missed > 0 ? 0 : Traits::size(entry.message);
  }

  std::size_t index_after(Sequence last_seq) const {
    std::size_t low = 0, high = entries_.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (entries_[middle].sequence <= last_seq)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  // A gap stands for all between what goes out before it and its own number. Before the first of a replay
  // that is told as `missed` already, all but that number itself.
  static void recount_gap(Entry& entry, const Entry* before) {
    if (entry.missed == 0) return;
    entry.missed =
        before == nullptr ? 1 : static_cast<std::uint32_t>(entry.sequence.value - before->sequence.value);
  }

  void make_gap(Entry& entry, std::uint32_t missed) {
    const std::size_t size = Traits::size(entry.message);
    bytes_ -= size;
    if (!parked_ && entry.sequence > replayed_until_) unwritten_bytes_ -= size;
    entry.message = Message{};
    entry.missed = missed;
  }

  void drop(std::size_t i, std::size_t begin) {
    make_gap(entries_[i], 1);
    if (i > begin && entries_[i - 1].missed > 0) {
      entries_[i].missed += entries_[i - 1].missed;
      entries_.erase(i - 1);
    }
  }

  void trim() {
    if (parked_) {
      while (is_over(entries_.size(), options_.max_messages, extra_.messages) ||
             is_over(bytes_, options_.max_bytes, extra_.bytes))
        pop_front();
    } else {
      while (written_ > 0 && (entries_.size() > options_.max_messages || bytes_ > options_.max_bytes))
        pop_front();
    }
    release_if_empty();
  }

  static bool is_over(std::size_t kept, std::size_t bound, std::size_t extra) {
    return kept > extra && kept - extra > bound;  // the bound may be the largest number there is
  }

  void pop_front() {
    bytes_ -= size_of(entries_.front());
    entries_.pop_front();
    if (written_ > 0) --written_;
  }

  void release_if_empty() {
    if (entries_.empty()) entries_.clear();
  }

  ReplayOptions options_;
  RingBuffer<Entry> entries_;
  Sequence newest_;
  Sequence replayed_until_;  // unwritten entries up to here are a replay and do not count as queued
  std::size_t written_ = 0;  // entries at the front that a socket has taken
  std::size_t bytes_ = 0;
  std::size_t unwritten_bytes_ = 0;
  Extra extra_;
  bool parked_ = false;
};

}  // namespace switchboard::inline v1
