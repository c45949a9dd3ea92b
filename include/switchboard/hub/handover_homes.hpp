// SPDX-License-Identifier: MIT
// Internal, a part of Handover: where this hub's sessions began, and listening for those who look for them
// there.
#pragma once
#include <switchboard/hub/handover.hpp>

namespace switchboard::inline v1 {

/// Listens, or again listens, on a home's channel.
template <class App, class Host>
void Handover<App, Host>::listen(std::size_t index) {
  Home& home = homes_[index];
  home.is_asking = true;
  home.number = ++last_home_number_;
  const auto confirm = [this, index, number = home.number](std::error_code error) {
    Home& asked = homes_[index];
    if (asked.number != number) return;
    asked.is_asking = false;
    asked.is_confirmed = !error;
    for (const auto& waiting : std::exchange(asked.waiting, {})) waiting(error);
  };
  hub_.port_->subscribe(node_channel(home.node, home.shard), confirm);
}

/// A session that began there is here, or is to come.
template <class App, class Host>
std::uint16_t Handover<App, Host>::use_home(std::string_view node, std::uint16_t shard) {
  std::size_t free = homes_.size();
  for (std::size_t i = 0; i < homes_.size(); ++i) {
    if (homes_[i].node == node && homes_[i].shard == shard) {
      ++homes_[i].uses;
      return static_cast<std::uint16_t>(i);
    }
    if (homes_[i].node.empty()) free = i;
  }
  if (free == homes_.size()) homes_.emplace_back();
  homes_[free].node = node;
  homes_[free].shard = shard;
  homes_[free].uses = 1;
  listen(free);
  return static_cast<std::uint16_t>(free);
}

template <class App, class Host>
void Handover<App, Host>::release_home(std::uint16_t index) {
  if (index == 0) return;
  Home& home = homes_[index];
  if (--home.uses > 0) return;
  if (!hub_.is_shut_down_) hub_.port_->unsubscribe(node_channel(home.node, home.shard));
  home = Home{};
}

}  // namespace switchboard::inline v1
