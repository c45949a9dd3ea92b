// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/broker_port.hpp>

namespace switchboard::inline v1 {

/// Who is in which channel, entered by any number of ports. Every member may be called from any thread.
///
/// It takes a lock: people come and go rarely, and no message ever asks it.
class PresenceTable {
 public:
  /// Chosen by the caller; one port, one number.
  using PortId = std::uint64_t;

  /// `changed` when the user was in the channel through no port yet; entering again replaces the `info`.
  PresenceChange enter(PortId port, std::string_view channel, std::string_view user, std::string info) {
    const std::lock_guard lock(mutex_);
    Entries& entries = channels_.try_emplace(std::string(channel)).first->second[std::string(user)];
    const bool is_new = entries.empty();
    erase_port(entries, port);
    entries.push_back({port, std::move(info)});
    return {is_new, ++version_};
  }

  /// `changed` when the user is now in the channel through no port at all.
  PresenceChange leave(PortId port, std::string_view channel, std::string_view user) {
    const std::lock_guard lock(mutex_);
    const auto users = channels_.find(channel);
    if (users == channels_.end()) return {false, version_};
    const auto entries = users->second.find(user);
    if (entries == users->second.end()) return {false, version_};
    const bool was_there = erase_port(entries->second, port);
    const bool is_gone = entries->second.empty();
    if (is_gone) users->second.erase(entries);
    if (users->second.empty()) channels_.erase(users);
    return {was_there && is_gone, ++version_};
  }

  /// The users of a channel in the order of their names, each once, with the `info` entered last.
  std::vector<PresenceEntry> query(std::string_view channel) const {
    const std::lock_guard lock(mutex_);
    std::vector<PresenceEntry> list;
    const auto users = channels_.find(channel);
    if (users == channels_.end()) return list;
    list.reserve(users->second.size());
    for (const auto& [user, entries] : users->second) list.push_back({user, entries.back().info});
    return list;
  }

  /// How many users are in a channel.
  std::size_t count(std::string_view channel) const {
    const std::lock_guard lock(mutex_);
    const auto users = channels_.find(channel);
    return users == channels_.end() ? 0 : users->second.size();
  }

  /// Everything this port entered leaves. O(all entries).
  void remove(PortId port) {
    const std::lock_guard lock(mutex_);
    for (auto& [channel, users] : channels_) {
      for (auto& [user, entries] : users) erase_port(entries, port);
      std::erase_if(users, [](const auto& user) { return user.second.empty(); });
    }
    std::erase_if(channels_, [](const auto& channel) { return channel.second.empty(); });
    ++version_;
  }

 private:
  struct Entry {
    PortId port;
    std::string info;
  };
  using Entries = std::vector<Entry>;
  using Users = std::map<std::string, Entries, std::less<>>;

  static bool erase_port(Entries& entries, PortId port) {
    return std::erase_if(entries, [port](const Entry& entry) { return entry.port == port; }) > 0;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Users, std::less<>> channels_;
  std::uint64_t version_ = 0;
};

}  // namespace switchboard::inline v1
