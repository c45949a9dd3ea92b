// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <switchboard/server/listener.hpp>
#include <switchboard/server/readiness.hpp>

namespace switchboard::inline v1 {

/// The listening sockets of one shard. Where descriptors run out it stops listening for a while: a listener that
/// stays in the readiness set with a connection it cannot accept would spin.
template <class ReadinessType>
class Acceptor {
 public:
  static constexpr unsigned max_accepts_per_tick = 64;

  Acceptor(ReadinessType& readiness, net::ReadyToken first_token)
      : readiness_(readiness), first_token_(first_token) {}

  void add(net::Listener listener, bool is_admin) { listeners_.push_back({std::move(listener), is_admin}); }

  /// Starts listening, again after a pause too.
  void resume() {
    is_paused_ = false;
    for (std::size_t i = 0; i < listeners_.size(); ++i)
      // A set that has no room for it now (memory) is asked again after the pause.
      if (!is_paused_ && readiness_.add(listeners_[i].listener.descriptor(), token(i), {.read = true}))
        pause_from(i);
  }

  /// Accepts what waits at a listener, at most `max_accepts_per_tick`, and calls `on_socket(FileDescriptor, Address,
  /// is_admin)` for each. False: resources have run out and accepting is paused until resume().
  template <class OnSocket>
  bool accept(std::uint32_t index, OnSocket&& on_socket) {
    for (unsigned i = 0; i < max_accepts_per_tick && index < listeners_.size() && !is_paused_; ++i) {
      net::Accepted accepted = listeners_[index].listener.accept();
      switch (accepted.kind) {
        case net::Accepted::Kind::socket:
          on_socket(std::move(accepted.socket), accepted.peer, listeners_[index].is_admin);
          break;
        case net::Accepted::Kind::none: return true;
        case net::Accepted::Kind::skipped: break;
        case net::Accepted::Kind::exhausted: pause_from(listeners_.size()); return false;
      }
    }
    return true;
  }

  bool is_paused() const { return is_paused_; }

  void close() {
    if (!is_paused_) pause_from(listeners_.size());
    listeners_.clear();
  }

 private:
  struct Entry {
    net::Listener listener;
    bool is_admin = false;
  };

  net::ReadyToken token(std::size_t index) const { return first_token_ + static_cast<net::ReadyToken>(index); }

  void pause_from(std::size_t count) {
    is_paused_ = true;
    for (std::size_t i = 0; i < count; ++i) readiness_.remove(listeners_[i].listener.descriptor(), token(i));
  }

  ReadinessType& readiness_;
  const net::ReadyToken first_token_;
  std::vector<Entry> listeners_;
  bool is_paused_ = true;  // until resume()
};

}  // namespace switchboard::inline v1
