// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <vector>

#include <switchboard/hub/host.hpp>
#include <switchboard/protocol/address.hpp>

namespace switchboard::inline v1 {

/// What a shard keeps for each socket of its hub.
struct SocketState {
  int descriptor = -1;
  net::Address peer;
  bool is_counted = false;      ///< against the limits; released when it closes
  bool is_watched = false;      ///< in the readiness set
  bool is_read_armed = false;   ///< the set reports input
  bool is_write_armed = false;  ///< the set reports room for output; the last write was not taken whole
  bool wants_input = false;     ///< the hub does
  bool has_output = false;      ///< the hub has said so, and it has not been asked since
  bool has_ended = false;       ///< the peer sends no more, and the hub knows
  bool is_broken = false;       ///< nor takes any
};
static_assert(sizeof(SocketState) <= 48, "an idle connection is to cost little");

/// The sockets of one shard by the small numbers its hub gives them.
class SocketTable {
 public:
  /// The place for `id`, whether or not a socket is in it. Valid until the next call with a larger id.
  SocketState& at(TransportId id) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= sockets_.size()) sockets_.resize(index + 1);
    return sockets_[index];
  }

  /// Null when there is no socket.
  SocketState* find(TransportId id) {
    const auto index = static_cast<std::size_t>(id);
    return index < sockets_.size() && sockets_[index].descriptor >= 0 ? &sockets_[index] : nullptr;
  }

  template <class Visit>
  void for_each_open(Visit&& visit) {
    for (std::size_t i = 0; i < sockets_.size(); ++i)
      if (sockets_[i].descriptor >= 0) visit(TransportId{static_cast<std::uint32_t>(i)}, sockets_[i]);
  }

 private:
  std::vector<SocketState> sockets_;
};

}  // namespace switchboard::inline v1
