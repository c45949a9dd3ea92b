// SPDX-License-Identifier: MIT
// Internal: which channels one server has been asked for, and which it has confirmed.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/publish_queue.hpp>
#include <switchboard/broker/redis/wire_message.hpp>
#include <switchboard/hub/text_map.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Which channels a node wants from one server, and which it has there. Decisions only: the caller sends what
/// `next_batch` says and reports what is confirmed.
///
/// A channel that nobody wants any more stays subscribed for a while, so that one that flaps costs Redis
/// nothing. At most one command about a channel is under way.
class Subscriptions {
 public:
  static constexpr std::size_t batch_size = 256;  ///< channels of one command

  /// Channels of one command must be of one group: in a cluster, of one slot.
  using GroupOf = std::function<std::uint16_t(std::string_view channel)>;

  explicit Subscriptions(Duration linger, GroupOf group_of = {})
      : linger_(linger), group_of_(std::move(group_of)) {}

  enum class Answer : std::uint8_t {
    confirmed,
    later,  ///< `call` is among the waiting until it is confirmed
    away,   ///< there is no connection; it is subscribed when there is
  };

  /// A port wants the channel, one more of them if it `is_new` there. `may_wait`: a connection that is not
  /// there yet is waited for.
  Answer add(const std::string& channel, CallId call, bool is_new, bool may_wait) {
    const auto found = channels_.try_emplace(channel).first;
    Channel& entry = found->second;
    if (is_new) ++entry.ports;
    if (entry.state == State::confirmed) return Answer::confirmed;
    if (is_connected_) enqueue(found->first, entry);
    if (!is_connected_ && !may_wait) return Answer::away;
    entry.waiting.push_back(call);
    return Answer::later;
  }

  /// One port less wants it.
  void remove(std::string_view channel, TimePoint now) {
    const auto found = channels_.find(channel);
    if (found == channels_.end() || found->second.ports == 0) return;
    if (--found->second.ports == 0) let_linger(found->first, found->second, now);
  }

  /// There is a connection without any subscription: all that is wanted is to be subscribed.
  void on_connected() {
    is_connected_ = true;
    for (auto& [name, entry] : channels_)
      if (entry.ports > 0 || !entry.waiting.empty()) enqueue(name, entry);
  }
  /// Nothing is subscribed any more. Returns the calls that waited.
  std::vector<CallId> on_connection_lost() {
    is_connected_ = false;
    to_subscribe_.clear();
    lingering_.clear();
    asked_ = 0;
    std::vector<CallId> waiting;
    for (auto at = channels_.begin(); at != channels_.end();) {
      Channel& entry = at->second;
      waiting.insert(waiting.end(), entry.waiting.begin(), entry.waiting.end());
      entry.waiting.clear();
      entry.state = State::absent;
      at = entry.ports == 0 ? channels_.erase(at) : std::next(at);
    }
    return waiting;
  }

  struct Batch {
    bool subscribes = true;
    std::vector<std::string> channels;  ///< empty: there is nothing to do
  };
  /// The channels of the next command; they count as asked for.
  Batch next_batch(TimePoint now) {
    Batch batch;
    if (!is_connected_) return batch;
    if (group_of_ && !std::exchange(is_sorted_, true)) std::sort(to_subscribe_.begin(), to_subscribe_.end());
    for (std::uint16_t group = 0; !to_subscribe_.empty() && batch.channels.size() < batch_size;) {
      if (!batch.channels.empty() && to_subscribe_.front().first != group) break;
      group = to_subscribe_.front().first;
      const auto found = channels_.find(to_subscribe_.front().second);
      if (found != channels_.end() && found->second.state == State::queued) {
        found->second.state = State::asked;
        ++asked_;
        batch.channels.push_back(found->first);
      }
      to_subscribe_.pop_front();
    }
    if (!batch.channels.empty()) return batch;
    batch.subscribes = false;
    while (!lingering_.empty() && lingering_.front().second <= now && batch.channels.size() < batch_size) {
      const auto found = channels_.find(lingering_.front().first);
      if (found != channels_.end() && found->second.ports == 0 && found->second.state == State::confirmed &&
          found->second.leave_at <= now) {
        if (group_of_ && !batch.channels.empty() &&
            group_of_(batch.channels.front()) != group_of_(found->first))
          break;
        batch.channels.push_back(found->first);
        channels_.erase(found);
      }
      lingering_.pop_front();
    }
    return batch;
  }

  struct Confirmed {
    std::vector<CallId> waiting;  ///< the calls that waited for it
    bool has_missed = false;  ///< the channel came from another server, where messages may have been missed
  };
  /// The server has confirmed a subscription.
  Confirmed on_subscribed(std::string_view channel, TimePoint now) {
    const auto found = channels_.find(channel);
    if (found == channels_.end() || found->second.state != State::asked) return {};
    found->second.state = State::confirmed;
    --asked_;
    if (found->second.ports == 0) let_linger(found->first, found->second, now);
    return {std::exchange(found->second.waiting, {}), std::exchange(found->second.has_missed, false)};
  }

  bool is_confirmed(std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found != channels_.end() && found->second.state == State::confirmed;
  }
  /// The server has refused a subscription, or ended it. It is not asked for again on this connection, unless
  /// a port does. Returns the calls that waited.
  std::vector<CallId> on_ended(std::string_view channel) {
    const auto found = channels_.find(channel);
    if (found == channels_.end()) return {};
    Channel& entry = found->second;
    if (entry.state == State::asked) --asked_;
    if (entry.state == State::confirmed) entry.has_missed = true;
    entry.state = State::absent;
    std::vector<CallId> waiting = std::exchange(entry.waiting, {});
    if (entry.ports == 0) channels_.erase(found);
    return waiting;
  }

  /// Asks again for those that the server has refused or ended.
  void retry() {
    if (!is_connected_) return;
    for (auto& [name, entry] : channels_)
      if (entry.ports > 0) enqueue(name, entry);
  }

  /// A channel on its way to another server, which has it now.
  struct Moved {
    std::string name;
    std::uint32_t ports = 0;
    std::vector<CallId> waiting;
    HeardOrigins heard;
    bool has_missed = false;
  };
  /// Takes out those for which `is_elsewhere(channel)` holds.
  template <class Predicate>
  std::vector<Moved> take_if(Predicate is_elsewhere) {
    std::vector<Moved> taken;
    for (auto at = channels_.begin(); at != channels_.end();) {
      Channel& entry = at->second;
      if (!is_elsewhere(at->first)) {
        ++at;
        continue;
      }
      if (entry.state == State::asked) --asked_;
      if (entry.ports > 0 || !entry.waiting.empty())
        taken.push_back({at->first, entry.ports, std::move(entry.waiting), std::move(entry.heard),
                         entry.has_missed || entry.state == State::confirmed});
      at = channels_.erase(at);
    }
    return taken;
  }
  void add(Moved moved) {
    const auto found = channels_.try_emplace(std::move(moved.name)).first;
    Channel& entry = found->second;
    entry.ports += moved.ports;
    entry.waiting.insert(entry.waiting.end(), moved.waiting.begin(), moved.waiting.end());
    entry.heard = std::move(moved.heard);
    entry.has_missed = moved.has_missed;
    if (is_connected_) enqueue(found->first, entry);
  }

  /// Where a message of the channel is noted; null: nobody wants it.
  HeardOrigins* find_wanted(std::string_view channel) {
    const auto found = channels_.find(channel);
    return found == channels_.end() || found->second.ports == 0 ? nullptr : &found->second.heard;
  }

  bool is_connected() const { return is_connected_; }
  /// All that is wanted is confirmed.
  bool is_complete() const { return is_connected_ && to_subscribe_.empty() && asked_ == 0; }
  std::size_t size() const { return channels_.size(); }
  /// Wanted ones.
  template <class Action>
  void for_each(Action action) const {
    for (const auto& [name, entry] : channels_)
      if (entry.ports > 0) action(name);
  }

 private:
  enum class State : std::uint8_t { absent, queued, asked, confirmed };
  struct Channel {
    std::uint32_t ports = 0;  // that want it
    bool has_missed = false;  // since it was confirmed somewhere
    State state = State::absent;
    TimePoint leave_at{};
    std::vector<CallId> waiting;
    HeardOrigins heard;
  };

  void enqueue(const std::string& name, Channel& entry) {
    if (entry.state != State::absent) return;
    entry.state = State::queued;
    to_subscribe_.emplace_back(group_of_ ? group_of_(name) : std::uint16_t{0}, name);
    is_sorted_ = false;
  }
  void let_linger(const std::string& name, Channel& entry, TimePoint now) {
    if (entry.state == State::confirmed) {
      entry.leave_at = now + linger_;
      lingering_.emplace_back(name, entry.leave_at);
    } else if (entry.state != State::asked && entry.waiting.empty()) {
      channels_.erase(channels_.find(name));
    }
  }

  Duration linger_;
  GroupOf group_of_;
  bool is_connected_ = false;
  TextMap<Channel> channels_;
  std::deque<std::pair<std::uint16_t, std::string>> to_subscribe_;  // group, channel
  bool is_sorted_ = true;
  std::deque<std::pair<std::string, TimePoint>> lingering_;
  std::size_t asked_ = 0;
};

}  // namespace redis
}  // namespace switchboard::inline v1
