// SPDX-License-Identifier: MIT
// Internal: a shard's sockets by the numbers that its hub gives them.
#pragma once
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/hub/host.hpp>
#include <switchboard/protocol/address.hpp>
#include <switchboard/server/readiness.hpp>
#include <switchboard/server/socket.hpp>

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

/// The sockets of one shard, by the small numbers that its hub gives them, and what the readiness set reports
/// of each.
template <class ReadinessType>
class SocketTable {
 public:
  explicit SocketTable(ReadinessType& readiness) : readiness_(readiness) {}
  SocketTable(const SocketTable&) = delete;
  ~SocketTable() { close_all(); }

  /// A socket that `name()` will name. The hub may use the name before it has returned it, even close or move
  /// the socket: it is bound to the first name without a socket that at() is asked for.
  template <class Name>
  void enter(net::FileDescriptor socket, const net::Address& peer, bool is_counted, Name&& name) {
    entering_ = std::move(socket);
    entering_peer_ = peer;
    is_entering_counted_ = is_counted;
    const TransportId id = name();
    if (entering_.is_open()) at(id);
  }

  /// The place of `id`, with a socket or without. Valid until a larger id comes.
  SocketState& at(TransportId id) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= sockets_.size()) sockets_.resize(index + 1);
    if (sockets_[index].descriptor < 0 && entering_.is_open()) bind(id, sockets_[index]);
    return sockets_[index];
  }

  /// Null when there is no socket.
  SocketState* find(TransportId id) {
    const auto index = static_cast<std::size_t>(id);
    return index < sockets_.size() && sockets_[index].descriptor >= 0 ? &sockets_[index] : nullptr;
  }

  void report_input(TransportId id, SocketState& socket, bool wanted) {
    if (std::exchange(socket.is_read_armed, wanted) != wanted) rearm(id, socket);
  }
  /// Of all sockets that the hub wants input of.
  void report_wanted_input() {
    for (std::uint32_t i = 0; i < sockets_.size(); ++i)
      if (SocketState& socket = sockets_[i];
          socket.descriptor >= 0 && socket.wants_input && !socket.has_ended)
        report_input(TransportId{i}, socket, true);
  }
  void report_output_room(TransportId id, SocketState& socket, bool wanted) {
    if (std::exchange(socket.is_write_armed, wanted) != wanted) rearm(id, socket);
  }
  void unwatch(TransportId id, SocketState& socket) {
    if (std::exchange(socket.is_watched, false)) readiness_.remove(socket.descriptor, token(id));
  }

  /// Gives the socket away; its place is free.
  net::FileDescriptor take(TransportId id) {
    SocketState& socket = at(id);
    unwatch(id, socket);
    socket.has_output = false;
    return net::FileDescriptor{std::exchange(socket.descriptor, -1)};
  }

  void close_all() {
    for (std::uint32_t i = 0; i < sockets_.size(); ++i)
      if (sockets_[i].descriptor >= 0) take(TransportId{i});
  }

 private:
  static net::ReadyToken token(TransportId id) { return static_cast<net::ReadyToken>(id); }

  void bind(TransportId id, SocketState& socket) {
    socket = {.descriptor = entering_.release(),
              .peer = entering_peer_,
              .is_counted = is_entering_counted_,
              .is_watched = true,
              .is_read_armed = true,
              .wants_input = true};
    // Where the kernel has no memory to watch it, it is as good as silent: the hub's time for a handshake
    // ends it.
    if (readiness_.add(socket.descriptor, token(id), {.read = true})) socket.is_watched = false;
  }

  void rearm(TransportId id, const SocketState& socket) {
    if (socket.is_watched)
      readiness_.change(socket.descriptor, token(id), {socket.is_read_armed, socket.is_write_armed});
  }

  ReadinessType& readiness_;
  std::vector<SocketState> sockets_;
  net::FileDescriptor entering_;
  net::Address entering_peer_;
  bool is_entering_counted_ = false;
};

}  // namespace switchboard::inline v1
