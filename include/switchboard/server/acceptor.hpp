// SPDX-License-Identifier: MIT
// Internal: accepts the connections of one shard.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/server/alarm.hpp>
#include <switchboard/server/listener.hpp>
#include <switchboard/server/readiness.hpp>

namespace switchboard::inline v1 {

/// The listening sockets of one shard. Where descriptors or memory run out it stops listening for a while: a
/// listener that stays in the readiness set with a connection it cannot accept would spin.
template <class ReadinessType>
class Acceptor {
 public:
  static constexpr unsigned max_accepts_per_tick = 64;
  static constexpr Duration pause = std::chrono::milliseconds(100);

  /// `on_pause` is called once each time that accepting stops for want of resources.
  Acceptor(ReadinessType& readiness, net::ReadyToken first_token, const asio::any_io_executor& executor,
           std::function<void()> on_pause)
      : readiness_(readiness),
        first_token_(first_token),
        on_pause_(std::move(on_pause)),
        alarm_(executor, [this] { resume(); }) {}

  void add(net::Listener listener, bool is_admin) { listeners_.push_back({std::move(listener), is_admin}); }

  void start(std::weak_ptr<void> owner) {
    alarm_.start(std::move(owner));
    resume();
  }

  /// Accepts what waits at a listener, at most `max_accepts_per_tick`, and calls `on_socket(FileDescriptor,
  /// Address, is_admin)` for each.
  template <class OnSocket>
  void accept(std::uint32_t index, OnSocket&& on_socket) {
    for (unsigned i = 0; i < max_accepts_per_tick && index < listeners_.size() && is_listening_; ++i) {
      net::AcceptResult accepted = listeners_[index].listener.accept();
      switch (accepted.kind) {
        case net::AcceptResult::Kind::socket:
          on_socket(std::move(accepted.socket), accepted.peer, listeners_[index].is_admin);
          break;
        case net::AcceptResult::Kind::none:
          return;
        case net::AcceptResult::Kind::skipped:
          break;
        case net::AcceptResult::Kind::exhausted:
          pause_from(listeners_.size());
          return;
      }
    }
  }

  /// Something was closed: a pause may be over.
  void retry() {
    if (alarm_.is_set()) resume();
  }

  void close() {
    alarm_.stop();
    if (is_listening_) unwatch(listeners_.size());
    is_listening_ = false;
    listeners_.clear();
  }

 private:
  struct Entry {
    net::Listener listener;
    bool is_admin = false;
  };

  void resume() {
    alarm_.clear();
    is_listening_ = true;
    for (std::size_t i = 0; i < listeners_.size(); ++i)
      if (readiness_.add(listeners_[i].listener.descriptor(), token(i), {.read = true})) return pause_from(i);
  }

  void pause_from(std::size_t watched) {
    unwatch(watched);
    is_listening_ = false;
    alarm_.set(steady_now() + pause);
    on_pause_();
  }

  void unwatch(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) readiness_.remove(listeners_[i].listener.descriptor(), token(i));
  }

  net::ReadyToken token(std::size_t index) const {
    return first_token_ + static_cast<net::ReadyToken>(index);
  }

  ReadinessType& readiness_;
  const net::ReadyToken first_token_;
  std::vector<Entry> listeners_;
  std::function<void()> on_pause_;
  Alarm alarm_;
  bool is_listening_ = false;
};

}  // namespace switchboard::inline v1
