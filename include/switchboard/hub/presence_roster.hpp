// SPDX-License-Identifier: MIT
// Internal: who of one hub's users is in which channel.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/hub/text_map.hpp>
#include <switchboard/patterns/time.hpp>
#include <switchboard/patterns/timer_wheel.hpp>

namespace switchboard::inline v1 {

/// Who of one hub's users is in which channel, with how many connections, and since when only by grace.
///
/// A user who closes leaves at once; one who was cut off leaves when the grace time is over, unless it comes
/// back. Decisions only: telling the broker and the other subscribers is the caller's part.
class PresenceRoster {
 public:
  enum class Effect : std::uint8_t {
    nothing,
    entered,  ///< the user is new in the channel
    left,     ///< the user is gone from it
  };

  struct Entry : Timer {
    using Timer::Timer;
    std::string_view channel, user;  // the keys under which it is stored
    std::uint32_t connected = 0;     // connections that are there
    std::uint32_t cut = 0;           // connections that were cut off, within the grace time
    TimePoint cut_until{};
  };

  /// `timer_kind` marks the roster's timers in `wheel`; when one fires, call `expire`.
  PresenceRoster(TimerWheel& wheel, std::uint8_t timer_kind) : wheel_(&wheel), timer_kind_(timer_kind) {}

  /// A connection of the user has subscribed, or one that was cut (`was_cut`) is back.
  Effect enter(std::string_view channel, std::string_view user, bool was_cut = false) {
    auto [users, is_new_channel] = channels_.try_emplace(std::string(channel));
    auto [place, is_new] = users->second.try_emplace(std::string(user));
    if (is_new) {
      place->second = std::make_unique<Entry>(timer_kind_);
      place->second->channel = users->first;
      place->second->user = place->first;
    }
    Entry& entry = *place->second;
    // Whoever comes while only a cut connection is listed is that one, back on another socket.
    if (entry.connected == 0)
      entry.cut = 0;
    else if (was_cut && entry.cut > 0)
      --entry.cut;
    ++entry.connected;
    wheel_->cancel(entry);
    return is_new ? Effect::entered : Effect::nothing;
  }

  /// A connection of the user has unsubscribed, or closed with a Close frame.
  Effect leave(std::string_view channel, std::string_view user, TimePoint now) {
    Entry* entry = find(channel, user);
    if (entry == nullptr || entry->connected == 0) return Effect::nothing;
    --entry->connected;
    return settle(*entry, now);
  }

  /// A connection of the user was cut off; it counts until `until`.
  Effect cut(std::string_view channel, std::string_view user, TimePoint until) {
    Entry* entry = find(channel, user);
    if (entry == nullptr || entry->connected == 0) return Effect::nothing;
    --entry->connected;
    ++entry->cut;
    entry->cut_until = until;
    return settle(*entry, TimePoint::min());
  }

  /// A connection that was cut off will not come back.
  Effect forget_cut(std::string_view channel, std::string_view user, TimePoint now) {
    Entry* entry = find(channel, user);
    if (entry == nullptr || entry->cut == 0) return Effect::nothing;
    --entry->cut;
    return settle(*entry, now);
  }

  /// The entry's timer has fired: the user has left. Returns its channel and user; the entry is gone.
  std::pair<std::string, std::string> expire(Timer& timer) {
    auto& entry = static_cast<Entry&>(timer);
    std::pair<std::string, std::string> gone(entry.channel, entry.user);
    erase(entry);
    return gone;
  }

  bool contains(std::string_view channel, std::string_view user) const {
    return const_cast<PresenceRoster*>(this)->find(channel, user) != nullptr;
  }
  std::size_t channel_count() const { return channels_.size(); }

 private:
  using Users = TextMap<std::unique_ptr<Entry>>;

  Entry* find(std::string_view channel, std::string_view user) {
    const auto users = channels_.find(channel);
    if (users == channels_.end()) return nullptr;
    const auto place = users->second.find(user);
    return place == users->second.end() ? nullptr : place->second.get();
  }

  Effect settle(Entry& entry, TimePoint now) {
    if (entry.connected > 0) return Effect::nothing;
    if (entry.cut > 0 && entry.cut_until > now) {
      wheel_->schedule(entry, entry.cut_until);
      return Effect::nothing;
    }
    erase(entry);
    return Effect::left;
  }

  void erase(Entry& entry) {
    const auto users = channels_.find(entry.channel);
    users->second.erase(users->second.find(entry.user));
    if (users->second.empty()) channels_.erase(users);
  }

  TimerWheel* wheel_;
  TextMap<Users> channels_;
  std::uint8_t timer_kind_;
};

}  // namespace switchboard::inline v1
