// SPDX-License-Identifier: MIT
// Internal: whom a node has entered, and what Redis has yet to learn of it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/text_map.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Whom the ports of one node have entered: what Redis should hold under this node's name, and what is known
/// to differ there. Decisions only.
class PresenceEntries {
 public:
  /// What is to be told to Redis.
  struct Effect {
    bool is_there = false;         ///< the user is in the channel through this node; `info` is the newest
    bool had_entry = true;         ///< false: nothing has changed
    bool channel_is_new = false;   ///< the first user of the channel here
    bool channel_is_gone = false;  ///< that was the last one
    std::string info{};
  };

  Effect enter(std::uint64_t port, std::string_view channel, std::string_view user, std::string info) {
    Effect effect{.is_there = true, .info = info};
    const auto [users, is_new] = channels_.try_emplace(std::string(channel));
    effect.channel_is_new = is_new;
    Ports& ports = users->second.try_emplace(std::string(user)).first->second;
    std::erase_if(ports, [port](const auto& one) { return one.first == port; });
    ports.emplace_back(port, std::move(info));
    return effect;
  }

  Effect leave(std::uint64_t port, std::string_view channel, std::string_view user) {
    const auto users = channels_.find(channel);
    if (users == channels_.end()) return {.had_entry = false};
    const auto ports = users->second.find(user);
    if (ports == users->second.end()) return {.had_entry = false};
    if (std::erase_if(ports->second, [port](const auto& one) { return one.first == port; }) == 0)
      return {.had_entry = false};
    if (!ports->second.empty()) return {.is_there = true, .info = ports->second.back().second};
    users->second.erase(ports);
    Effect effect;
    effect.channel_is_gone = users->second.empty();
    if (effect.channel_is_gone) channels_.erase(users);
    return effect;
  }

  /// Null: the user is not there through this node.
  const std::string* find(std::string_view channel, std::string_view user) const {
    const auto users = channels_.find(channel);
    if (users == channels_.end()) return nullptr;
    const auto ports = users->second.find(user);
    return ports == users->second.end() ? nullptr : &ports->second.back().second;
  }

  using Names = std::vector<std::pair<std::string, std::string>>;  ///< channel, user
  /// All, or only those of one port.
  Names list(std::uint64_t port = 0) const {
    Names names;
    for (const auto& [channel, users] : channels_)
      for (const auto& [user, ports] : users)
        if (port == 0 ||
            std::any_of(ports.begin(), ports.end(), [&](const auto& one) { return one.first == port; }))
          names.emplace_back(channel, user);
    return names;
  }
  bool is_empty() const { return channels_.empty(); }

  /// What Redis holds of this user in this channel may be something else.
  void mark(std::string_view channel, std::string_view user) { differing_.emplace(channel, user); }
  /// Nor may Redis hold anything of what is there.
  void mark_all() {
    for (auto& name : list()) differing_.insert(std::move(name));
  }
  /// At most so many, those of a channel one after the other.
  Names take_marked(std::size_t limit) {
    Names taken;
    while (!differing_.empty() && taken.size() < limit)
      taken.push_back(std::move(differing_.extract(differing_.begin()).value()));
    return taken;
  }
  bool has_marked() const { return !differing_.empty(); }

 private:
  using Ports = std::vector<std::pair<std::uint64_t, std::string>>;  // port, info; entered last at the end

  TextMap<TextMap<Ports>> channels_;
  std::set<std::pair<std::string, std::string>> differing_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
