// SPDX-License-Identifier: MIT
// Internal: finds a user's clients in a hub.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include <switchboard/hub/session.hpp>
#include <switchboard/hub/slot_table.hpp>

namespace switchboard::inline v1 {

/// The clients of each user. A hash table whose chains and rings run through the clients themselves, and
/// whose keys are their users' ids: a user costs 4 to 8 bytes, where a node of a map would cost a hundred.
template <class App>
class UserIndex {
 public:
  static constexpr std::uint32_t none = SlotTable<int>::none;

  explicit UserIndex(SlotTable<Client<App>>& clients) : clients_(clients) {}

  /// The user's first client; `none` if it has none.
  std::uint32_t find(std::string_view user) const {
    if (buckets_.empty()) return none;
    std::uint32_t slot = buckets_[bucket_of(user)];
    while (slot != none && clients_[slot].user.id != user) slot = clients_[slot].user_chain;
    return slot;
  }

  void insert(std::uint32_t slot) {
    Client<App>& client = clients_[slot];
    const std::uint32_t first = find(client.user.id);
    if (first != none) {
      Client<App>& head = clients_[first];
      client.user_next = first;
      client.user_previous = head.user_previous;
      clients_[head.user_previous].user_next = slot;
      head.user_previous = slot;
      return;
    }
    if (++count_ > buckets_.size()) grow();
    client.user_next = client.user_previous = slot;
    push(slot);
  }

  void erase(std::uint32_t slot) {
    Client<App>& client = clients_[slot];
    std::uint32_t* link = &buckets_[bucket_of(client.user.id)];
    while (*link != none && *link != slot && clients_[*link].user.id != client.user.id)
      link = &clients_[*link].user_chain;
    if (*link == slot) {
      const bool is_last = client.user_next == slot;
      if (is_last)
        --count_;
      else
        clients_[client.user_next].user_chain = client.user_chain;  // the next of the ring takes its place
      *link = is_last ? client.user_chain : client.user_next;
    }
    clients_[client.user_previous].user_next = client.user_next;
    clients_[client.user_next].user_previous = client.user_previous;
  }

  /// How many users there are.
  std::size_t size() const { return count_; }

 private:
  std::size_t bucket_of(std::string_view user) const {
    return std::hash<std::string_view>{}(user) & (buckets_.size() - 1);
  }

  void push(std::uint32_t slot) {
    std::uint32_t& bucket = buckets_[bucket_of(clients_[slot].user.id)];
    clients_[slot].user_chain = bucket;
    bucket = slot;
  }

  void grow() {
    const std::vector<std::uint32_t> old = std::move(buckets_);
    buckets_.assign(old.empty() ? 16 : old.size() * 2, none);
    for (std::uint32_t slot : old) {
      while (slot != none) {
        const std::uint32_t next = clients_[slot].user_chain;
        push(slot);
        slot = next;
      }
    }
  }

  SlotTable<Client<App>>& clients_;
  std::vector<std::uint32_t> buckets_;  // the first client of one user; a power of two of them
  std::size_t count_ = 0;
};

}  // namespace switchboard::inline v1
