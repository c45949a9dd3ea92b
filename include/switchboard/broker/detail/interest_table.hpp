// SPDX-License-Identifier: MIT
// Internal: which port of an InMemoryBroker wants which channel.
#pragma once
#include <bitset>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include <switchboard/broker/detail/in_memory_link.hpp>

namespace switchboard::inline v1 {
namespace in_memory {

/// Which channels a port is subscribed to, and which of its peers are, as far as it has heard. A peer is its
/// place in the port's list.
///
/// One map for both, so that a publish is one lookup for any number of peers. 128 bits keep a subscription at
/// about 80 bytes in all; peers beyond that are not tracked: they count as wanting everything, and filter for
/// themselves.
class InterestTable {
 public:
  static constexpr std::size_t tracked_peers = 127;
  using Ports = std::bitset<tracked_peers + 1>;

  /// Whether that peer is to be sent a message, given what `wanted_by` said of the channel.
  static bool includes(const Ports& ports, std::size_t peer) {
    return peer >= tracked_peers || ports.test(peer);
  }

  Ports wanted_by(std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found == channels_.end() ? Ports{} : found->second;
  }
  bool is_subscribed(std::string_view channel) const {
    const auto found = channels_.find(channel);
    return found != channels_.end() && found->second.test(self);
  }

  /// False if it was subscribed already.
  bool subscribe(std::string_view channel) { return add(channel, self); }
  /// False if it was not subscribed.
  bool unsubscribe(std::string_view channel) { return remove(channel, self); }

  void set_peer(std::string_view channel, std::size_t peer, bool is_wanted) {
    if (peer >= tracked_peers) return;
    if (is_wanted)
      add(channel, peer);
    else
      remove(channel, peer);
  }
  /// O(channels).
  void forget_peer(std::size_t peer) {
    if (peer >= tracked_peers) return;
    for (auto channel = channels_.begin(); channel != channels_.end();)
      channel = channel->second.reset(peer).none() ? channels_.erase(channel) : std::next(channel);
  }

  template <class Action>
  void for_each_subscribed(Action action) const {
    for (const auto& [channel, ports] : channels_)
      if (ports.test(self)) action(channel);
  }

 private:
  static constexpr std::size_t self = tracked_peers;  // the last bit is the port's own

  bool add(std::string_view channel, std::size_t place) {
    auto found = channels_.find(channel);
    if (found == channels_.end()) found = channels_.try_emplace(std::string(channel)).first;
    const bool is_new = !found->second.test(place);
    found->second.set(place);
    return is_new;
  }
  bool remove(std::string_view channel, std::size_t place) {
    const auto found = channels_.find(channel);
    if (found == channels_.end() || !found->second.test(place)) return false;
    if (found->second.reset(place).none()) channels_.erase(found);
    return true;
  }

  ByName<Ports> channels_;
};

}  // namespace in_memory
}  // namespace switchboard::inline v1
