// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <switchboard/patterns/detail/index_table.hpp>

namespace switchboard::inline v1 {

/// Who is subscribed to what, and who gets a message.
///
///     PubSubManager<int> rooms{[](int id, std::string_view channel, std::string_view message) { … }};
///     rooms.subscribe(1, "news");
///     rooms.publish("news", "hello");   // one call of the function for each subscriber
///     rooms.unsubscribe(1, "news");
///     rooms.cleanup_user(1);            // leaves whatever it is still subscribed to
///
/// A callback may call anything here while a publish is under way, a nested publish included: whoever is
/// removed gets no more of it, whoever is added gets messages from the next publish on. The id that a
/// callback is given stays valid until that callback returns. The order of delivery is unspecified but
/// repeatable.
///
/// Subscribe and unsubscribe take O(1), cleanup O(own channels), publish O(subscribers), all amortized. An id
/// without subscriptions costs nothing, a subscription 24 bytes plus an `Id` and about 30 bytes of index.
/// `Id` is copyable, has == and moves without throwing. One thread at a time.
template <class Id, class Message = std::string_view, class Hash = std::hash<Id>>
class PubSubManager {
  static_assert(std::is_nothrow_move_constructible_v<Id> && std::is_nothrow_move_assignable_v<Id>,
                "an Id must move without throwing");

 public:
  /// Gives one subscriber a message. What it throws ends the publish and passes through.
  using Deliver = std::function<void(const Id& id, std::string_view channel, const Message& message)>;

  /// `deliver` serves the `publish` that is given no function of its own, and may be empty if that is unused.
  explicit PubSubManager(Deliver deliver = {}) : deliver_(std::move(deliver)) {}
  PubSubManager(const PubSubManager&) = delete;
  PubSubManager& operator=(const PubSubManager&) = delete;

  /// Returns false when it was subscribed already.
  bool subscribe(const Id& id, std::string_view channel);

  /// Returns false when it was not subscribed.
  bool unsubscribe(const Id& id, std::string_view channel);

  /// Leaves all channels of this id; returns how many those were.
  std::size_t cleanup_user(const Id& id) {
    return cleanup_user(id, [](std::string_view) {});
  }

  /// Likewise, and calls `left(channel)` after each has been left. It may change anything but this id.
  template <class Left>
  std::size_t cleanup_user(const Id& id, Left&& left);

  /// Calls the constructor's function for each subscriber; returns how many there were.
  std::size_t publish(std::string_view channel, const Message& message) {
    return for_each_subscriber(channel, [&](const Id& id) { deliver_(id, channel, message); });
  }

  /// Calls `deliver(id, message)` for each subscriber, inlined; returns how many there were.
  template <class F>
  std::size_t publish(std::string_view channel, const Message& message, F&& deliver) {
    return for_each_subscriber(channel, [&](const Id& id) { deliver(id, message); });
  }

  /// Calls `visit(id)` for each subscriber, under the rules of a publish; returns how many there were.
  template <class F>
  std::size_t for_each_subscriber(std::string_view channel, F&& visit);

  /// Calls `visit(channel)` for each channel of this id, in the order of subscribing. It must change nothing
  /// here.
  template <class F>
  void for_each_channel(const Id& id, F&& visit) const;

  /// Calls `visit(channel)` for each channel that has subscribers. It must change nothing here.
  template <class F>
  void for_each_channel(F&& visit) const;

  /// The channels of this id in the order of subscribing, copied so that they may be changed meanwhile.
  std::vector<std::string> channels_of(const Id& id) const {
    std::vector<std::string> names;
    names.reserve(subscription_count(id));
    for_each_channel(id, [&](std::string_view name) { names.emplace_back(name); });
    return names;
  }

  /// Whether this id gets what is published to the channel; O(1).
  bool is_subscribed(const Id& id, std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found != channels_.end() && find(hash_of(id), id, *found) != none;
  }
  /// Whether anyone would get a publish; O(1).
  bool has_subscribers(std::string_view channel) const { return subscriber_count(channel) != 0; }
  /// How many would get a publish; O(1).
  std::size_t subscriber_count(std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found == channels_.end() ? 0 : found->second.live();
  }
  /// How many channels have at least one subscriber.
  std::size_t channel_count() const { return live_channels_; }
  /// How many subscriptions there are, of all ids together; O(1).
  std::size_t subscription_count() const { return by_pair_.size(); }
  /// How many channels this id is subscribed to; O(1).
  std::size_t subscription_count(const Id& id) const {
    const std::uint32_t first = first_of(hash_of(id), id);
    return first == none ? 0 : records_[first].siblings;
  }

 private:
  static constexpr std::uint32_t none = detail::IndexTable::none;

  struct Subscriber {
    Id id;
    std::uint32_t record;  // `none`: removed while a visit is under way
  };
  // Exists on the stack of the outermost visit to a channel. Until it ends nothing in the channel's array
  // moves.
  struct Visit {
    std::size_t removed = 0;
    std::vector<std::vector<Subscriber>> outgrown;  // callbacks may hold references to ids in these
  };
  struct Channel {
    std::vector<Subscriber> subscribers;
    Visit* visit = nullptr;
    std::size_t live() const { return subscribers.size() - (visit != nullptr ? visit->removed : 0); }
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };
  using Channels = std::unordered_map<std::string, Channel, NameHash, std::equal_to<>>;
  using NamedChannel = typename Channels::value_type;  // its address is the channel's identity

  // One subscription. The records of an id form a ring in the order of subscribing; `by_id_` has the first.
  struct Record {
    NamedChannel* channel;
    std::uint32_t position;  // in the channel's array
    std::uint32_t previous;
    std::uint32_t next;
    std::uint32_t siblings;  // how many the ring has; kept in its first record only
  };

  class VisitGuard {
   public:
    VisitGuard(PubSubManager& manager, NamedChannel& channel) : manager_(manager), channel_(channel) {
      if (channel.second.visit == nullptr) channel.second.visit = &visit_;
    }
    ~VisitGuard() {
      if (channel_.second.visit == &visit_) manager_.end_visit(channel_);
    }
    VisitGuard(const VisitGuard&) = delete;
    VisitGuard& operator=(const VisitGuard&) = delete;

   private:
    PubSubManager& manager_;
    NamedChannel& channel_;
    Visit visit_;
  };

  std::uint64_t hash_of(const Id& id) const { return static_cast<std::uint64_t>(hash_(id)); }
  static std::uint32_t pair_hash(std::uint64_t id_hash, const NamedChannel& channel) {
    const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&channel));
    return detail::mix_hash(id_hash * 0x9e3779b97f4a7c15ULL + address);
  }
  const Id& id_of(std::uint32_t record) const {
    return records_[record].channel->second.subscribers[records_[record].position].id;
  }
  std::uint32_t find(std::uint64_t id_hash, const Id& id, const NamedChannel& channel) const {
    return by_pair_.find(pair_hash(id_hash, channel), [&](std::uint32_t record) {
      return records_[record].channel == &channel && id_of(record) == id;
    });
  }
  std::uint32_t first_of(std::uint64_t id_hash, const Id& id) const {
    return by_id_.find(detail::mix_hash(id_hash), [&](std::uint32_t record) { return id_of(record) == id; });
  }

  std::uint32_t free_record();
  void append(Channel& channel, const Id& id, std::uint32_t record);
  void link(std::uint64_t id_hash, std::uint32_t first, std::uint32_t record) noexcept;
  void unlink(std::uint64_t id_hash, std::uint32_t record) noexcept;
  void remove(std::uint64_t id_hash, std::uint32_t record);
  void take_out(Channel& channel, std::size_t position);
  void end_visit(NamedChannel& channel);
  void erase_if_empty(NamedChannel& channel) {
    if (channel.second.visit == nullptr && channel.second.subscribers.empty()) {
      channels_.erase(channels_.find(channel.first));
    }
  }

  Channels channels_;
  std::deque<Record> records_;  // grows without moving what it has; free ones are chained through `next`
  std::uint32_t free_ = none;
  detail::IndexTable by_id_;
  detail::IndexTable by_pair_;
  std::size_t live_channels_ = 0;
  [[no_unique_address]] Hash hash_;
  Deliver deliver_;
};

template <class Id, class Message, class Hash>
bool PubSubManager<Id, Message, Hash>::subscribe(const Id& id, std::string_view channel) {
  const std::uint64_t hash = hash_of(id);
  auto found = channels_.find(channel);
  if (found != channels_.end() && find(hash, id, *found) != none) return false;

  // All that can throw comes first.
  by_id_.reserve_one();
  by_pair_.reserve_one();
  const std::uint32_t record = free_record();
  if (found == channels_.end()) found = channels_.try_emplace(std::string(channel)).first;
  const std::uint32_t first = first_of(hash, id);
  try {
    append(found->second, id, record);
  } catch (...) {
    erase_if_empty(*found);
    throw;
  }
  free_ = records_[record].next;
  records_[record].channel = &*found;
  records_[record].position = static_cast<std::uint32_t>(found->second.subscribers.size() - 1);
  link(hash, first, record);
  by_pair_.insert(pair_hash(hash, *found), record);
  if (found->second.live() == 1) ++live_channels_;
  return true;
}

template <class Id, class Message, class Hash>
bool PubSubManager<Id, Message, Hash>::unsubscribe(const Id& id, std::string_view channel) {
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return false;
  const std::uint64_t hash = hash_of(id);
  const std::uint32_t record = find(hash, id, *found);
  if (record == none) return false;
  remove(hash, record);
  erase_if_empty(*found);
  return true;
}

template <class Id, class Message, class Hash>
template <class Left>
std::size_t PubSubManager<Id, Message, Hash>::cleanup_user(const Id& id, Left&& left) {
  const std::uint64_t hash = hash_of(id);
  const std::size_t count = subscription_count(id);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t record = first_of(hash, id);
    if (record == none) return i;
    NamedChannel& channel = *records_[record].channel;
    remove(hash, record);
    VisitGuard guard(*this, channel);  // keeps the name alive for the callback
    left(std::string_view(channel.first));
  }
  return count;
}

template <class Id, class Message, class Hash>
template <class F>
std::size_t PubSubManager<Id, Message, Hash>::for_each_subscriber(std::string_view channel, F&& visit) {
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return 0;
  VisitGuard guard(*this, *found);
  const std::vector<Subscriber>& subscribers = found->second.subscribers;
  const std::size_t end = subscribers.size();  // whoever is added from here on stands behind it
  std::size_t visited = 0;
  for (std::size_t i = 0; i < end; ++i) {
    const Subscriber& subscriber = subscribers[i];
    if (subscriber.record == none) continue;
    ++visited;
    visit(subscriber.id);
  }
  return visited;
}

template <class Id, class Message, class Hash>
template <class F>
void PubSubManager<Id, Message, Hash>::for_each_channel(const Id& id, F&& visit) const {
  const std::uint32_t first = first_of(hash_of(id), id);
  if (first == none) return;
  std::uint32_t record = first;
  do {
    visit(std::string_view(records_[record].channel->first));
    record = records_[record].next;
  } while (record != first);
}

template <class Id, class Message, class Hash>
template <class F>
void PubSubManager<Id, Message, Hash>::for_each_channel(F&& visit) const {
  for (const auto& [name, channel] : channels_) {
    if (channel.live() != 0) visit(std::string_view(name));
  }
}

// The record stays on the free list until the subscription is certain.
template <class Id, class Message, class Hash>
std::uint32_t PubSubManager<Id, Message, Hash>::free_record() {
  if (free_ == none) {
    records_.push_back({nullptr, 0, none, none, 0});
    free_ = static_cast<std::uint32_t>(records_.size() - 1);
  }
  return free_;
}

template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::append(Channel& channel, const Id& id, std::uint32_t record) {
  std::vector<Subscriber>& subscribers = channel.subscribers;
  if (channel.visit != nullptr && subscribers.size() == subscribers.capacity()) {
    std::vector<Subscriber> larger;
    larger.reserve(std::max<std::size_t>(4, subscribers.size() * 2));
    larger.insert(larger.end(), subscribers.begin(), subscribers.end());
    larger.push_back({id, record});
    channel.visit->outgrown.push_back(std::move(subscribers));
    subscribers = std::move(larger);
    return;
  }
  subscribers.push_back({id, record});
}

template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::link(std::uint64_t id_hash, std::uint32_t first,
                                            std::uint32_t record) noexcept {
  Record& added = records_[record];
  if (first == none) {
    added.previous = added.next = record;
    added.siblings = 1;
    by_id_.insert(detail::mix_hash(id_hash), record);
    return;
  }
  added.previous = records_[first].previous;
  added.next = first;
  records_[added.previous].next = record;
  records_[first].previous = record;
  ++records_[first].siblings;
}

template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::unlink(std::uint64_t id_hash, std::uint32_t record) noexcept {
  const std::uint32_t tag = detail::mix_hash(id_hash);
  const Record& leaving = records_[record];
  if (leaving.next == record) {
    by_id_.erase(tag, record);
    return;
  }
  const std::uint32_t first = first_of(id_hash, id_of(record));
  if (first == record) {
    by_id_.replace(tag, record, leaving.next);
    records_[leaving.next].siblings = leaving.siblings - 1;
  } else {
    --records_[first].siblings;
  }
  records_[leaving.previous].next = leaving.next;
  records_[leaving.next].previous = leaving.previous;
}

// Leaves the channel in the map even if nobody is left in it.
template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::remove(std::uint64_t id_hash, std::uint32_t record) {
  Record& removed = records_[record];
  NamedChannel& channel = *removed.channel;
  unlink(id_hash, record);
  by_pair_.erase(pair_hash(id_hash, channel), record);
  const std::size_t position = removed.position;
  removed.next = free_;
  free_ = record;
  if (channel.second.live() == 1) --live_channels_;
  take_out(channel.second, position);
}

template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::take_out(Channel& channel, std::size_t position) {
  std::vector<Subscriber>& subscribers = channel.subscribers;
  if (channel.visit != nullptr) {
    subscribers[position].record = none;
    ++channel.visit->removed;
    return;
  }
  if (position + 1 != subscribers.size()) {
    subscribers[position] = std::move(subscribers.back());
    records_[subscribers[position].record].position = static_cast<std::uint32_t>(position);
  }
  subscribers.pop_back();
  // A channel that was crowded once does not keep the memory for it.
  if (subscribers.capacity() > 64 && subscribers.size() * 4 <= subscribers.capacity())
    subscribers.shrink_to_fit();
}

template <class Id, class Message, class Hash>
void PubSubManager<Id, Message, Hash>::end_visit(NamedChannel& channel) {
  std::vector<Subscriber>& subscribers = channel.second.subscribers;
  if (channel.second.visit->removed != 0) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < subscribers.size(); ++i) {
      if (subscribers[i].record == none) continue;
      if (kept != i) subscribers[kept] = std::move(subscribers[i]);
      records_[subscribers[kept].record].position = static_cast<std::uint32_t>(kept);
      ++kept;
    }
    subscribers.erase(subscribers.begin() + static_cast<std::ptrdiff_t>(kept), subscribers.end());
  }
  channel.second.visit = nullptr;
  erase_if_empty(channel);
}

}  // namespace switchboard::inline v1
