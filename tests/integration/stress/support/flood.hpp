// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <thread>
#include <utility>
#include <vector>

#include "server/web_socket.hpp"

namespace stress {

/// Connections that send as much as the server takes and read whatever it answers, on a thread of their own.
class Flood {
 public:
  /// Client number i opens `target`, sends `first(i)`, and then `message(i)` for ever.
  template <class First, class Message>
  Flood(std::uint16_t port, std::string_view target, std::size_t count, First first, Message message)
      : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < count; ++i) {
      auto source = std::make_unique<Source>(port, target);
      if (const std::string text = first(i); !text.empty()) {
        source->socket.send(text);
        source->socket.receive();
      }
      const std::string frame = switchboard::testing::encode({.payload = message(i)});
      while (source->bytes.size() < 64 * 1024) source->bytes += frame;
      source->frame_bytes = frame.size();
      tcp::net::make_non_blocking(source->descriptor());
      epoll_event event{};
      event.events = EPOLLIN | EPOLLOUT;
      event.data.ptr = source.get();
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, source->descriptor(), &event);
      sources_.push_back(std::move(source));
    }
    thread_ = std::thread([this] { run(); });
  }
  ~Flood() {
    stops_ = true;
    thread_.join();
  }

  /// Messages that the kernel has taken so far.
  std::uint64_t sent() const { return sent_; }
  std::uint64_t bytes_received() const { return received_; }
  bool has_failed() const { return has_failed_; }

 private:
  struct Source {
    Source(std::uint16_t port, std::string_view target) : socket(port, target) {}
    int descriptor() { return socket.socket().descriptor(); }
    tcp::WebSocket socket;
    std::string bytes;
    std::size_t frame_bytes = 0, offset = 0;
  };

  void run() {
    std::array<epoll_event, 128> events;
    while (!stops_) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 20);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        Source& source = *static_cast<Source*>(event.data.ptr);
        if ((event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read(source);
        if ((event.events & EPOLLOUT) != 0) send(source);
      }
    }
  }

  void read(Source& source) {
    const ssize_t size = ::recv(source.descriptor(), waste_.data(), waste_.size(), 0);
    if (size > 0)
      received_ += static_cast<std::uint64_t>(size);
    else if (size == 0 || errno != EAGAIN)
      has_failed_ = stops_ = true;
  }

  void send(Source& source) {
    const std::string_view rest = std::string_view(source.bytes).substr(source.offset);
    const ssize_t size = ::send(source.descriptor(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (size <= 0) return;
    source.offset = (source.offset + static_cast<std::size_t>(size)) % source.bytes.size();
    sent_ += static_cast<std::uint64_t>(size) / source.frame_bytes;
  }

  tcp::net::FileDescriptor epoll_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<char> waste_ = std::vector<char>(256 * 1024);
  std::atomic<std::uint64_t> sent_{0}, received_{0};
  std::atomic<bool> stops_{false}, has_failed_{false};
  std::thread thread_;
};

}  // namespace stress
