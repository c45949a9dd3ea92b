// SPDX-License-Identifier: MIT
// Internal: what a hub knows of its channels at the broker and at other hubs.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/hub/text_map.hpp>

namespace switchboard::inline v1 {

/// What a hub knows of the channels that it has, or is about to have, subscribers for: whether the broker has
/// confirmed them, and how far it has heard each other hub there.
class ChannelLinks {
 public:
  using Confirmed = std::function<void(std::error_code)>;
  /// Users, each with its newest change of presence; the newest last.
  using Changes = std::vector<std::pair<std::string, std::uint64_t>>;
  /// How far each other hub has been heard: its origin, and its newest counter.
  using Counters = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

  struct Link {
    std::uint64_t number = 0;  ///< tells a link from an earlier one of the same name
    bool is_confirmed = false;
    bool is_asking = false;  ///< the broker has not answered yet
    std::vector<Confirmed> waiting;
    Counters heard;
    Changes presence_seen;
  };

  Link* find(std::string_view channel) {
    const auto found = links_.find(channel);
    return found == links_.end() ? nullptr : &found->second;
  }
  /// The link, and whether it is new.
  std::pair<Link*, bool> open(const std::string& channel) {
    const auto [place, is_new] = links_.try_emplace(channel);
    if (is_new) place->second.number = ++last_number_;
    return {&place->second, is_new};
  }
  void erase(std::string_view channel) {
    const auto found = links_.find(channel);
    if (found != links_.end()) links_.erase(found);
  }

  /// The broker's answer for the link with this number. Those who waited are called; they may do anything.
  void confirm(std::string_view channel, std::uint64_t number, std::error_code error) {
    Link* link = find(channel);
    if (link == nullptr || link->number != number) return;
    link->is_asking = false;
    link->is_confirmed = !error;
    link->heard.clear();  // whatever came before may have been of an earlier link, with a hole behind it
    // One by one: whoever is still waiting keeps the link from being taken for unused.
    while (link != nullptr && link->number == number && !link->waiting.empty()) {
      const Confirmed waiting = std::move(link->waiting.front());
      link->waiting.erase(link->waiting.begin());
      waiting(error);
      link = find(channel);
    }
  }

  enum class Heard : std::uint8_t { next, repeated, after_gap };

  /// An envelope of `origin` with this counter has come. The first of an origin sets its beginning.
  static Heard hear(Link& link, std::uint64_t origin, std::uint64_t counter) {
    return hear(link.heard, origin, counter);
  }
  static Heard hear(Counters& heard, std::uint64_t origin, std::uint64_t counter) {
    for (auto& [known, newest] : heard) {
      if (known != origin) continue;
      if (counter <= newest) return Heard::repeated;
      const bool is_next = counter == newest + 1;
      newest = counter;
      return is_next ? Heard::next : Heard::after_gap;
    }
    // Restarted peers leave their old origins behind.
    if (heard.size() == max_origins) heard.erase(heard.begin());
    heard.emplace_back(origin, counter);
    return Heard::next;
  }

  /// Whether this change of a user's presence is news: notices of different hubs may overtake each other.
  static bool is_newest(Link& link, std::string_view user, std::uint64_t version) {
    return is_newest(link.presence_seen, user, version);
  }
  static bool is_newest(Changes& seen, std::string_view user, std::uint64_t version) {
    const auto known =
        std::find_if(seen.begin(), seen.end(), [&](const auto& one) { return one.first == user; });
    if (known != seen.end()) {
      if (version <= known->second) return false;
      seen.erase(known);
    } else if (seen.size() == max_presence_seen) {
      seen.erase(seen.begin());
    }
    seen.emplace_back(user, version);
    return true;
  }

  std::size_t size() const { return links_.size(); }

 private:
  static constexpr std::size_t max_origins = 1024;
  static constexpr std::size_t max_presence_seen = 64;  // overtaking is a matter of moments

  TextMap<Link> links_;
  std::uint64_t last_number_ = 0;
};

/// Numbers the envelopes that a hub sends, per channel. Bounded: when too many channels are known all are
/// forgotten and a new origin begins, which receivers take for another hub.
class EnvelopeCounters {
 public:
  explicit EnvelopeCounters(std::size_t max_channels = std::size_t{1} << 16) : max_channels_(max_channels) {}

  /// The next number on the channel, from 1. `origin` is changed where numbering starts anew.
  std::uint64_t next(std::string_view channel, std::uint64_t& origin) {
    auto found = newest_.find(channel);
    if (found == newest_.end()) {
      if (newest_.size() >= max_channels_) {
        newest_.clear();
        ++origin;
      }
      found = newest_.emplace(channel, 0).first;
    }
    return ++found->second;
  }
  /// The last number given out on the channel; 0: none.
  std::uint64_t newest(std::string_view channel) const {
    const auto found = newest_.find(channel);
    return found == newest_.end() ? 0 : found->second;
  }

 private:
  TextMap<std::uint64_t> newest_;
  std::size_t max_channels_;
};

}  // namespace switchboard::inline v1
