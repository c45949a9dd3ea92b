// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <utility>
#include <vector>

#include <switchboard/testing/client_frames.hpp>

#include "server/tcp_client.hpp"

namespace stress {

namespace net = switchboard::net;
using switchboard::CloseCode;
using switchboard::Opcode;
using switchboard::testing::ServerFrame;
using Clock = std::chrono::steady_clock;

class Client;

/// An epoll set for many clients on one thread.
class Loop {
 public:
  Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  /// Waits at most so long, and lets the clients that are ready have their turn.
  void run_once(std::chrono::milliseconds at_most = std::chrono::milliseconds(1));

  /// Runs until the condition holds; false if it does not within the time.
  template <class Condition>
  bool run_until(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    for (const auto end = Clock::now() + limit; !condition(); run_once())
      if (Clock::now() > end) return false;
    return true;
  }

 private:
  friend Client;
  void watch(int operation, int socket, Client* client, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = client;
    if (::epoll_ctl(epoll_.get(), operation, socket, &event) != 0)
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  /// The rest of the batch must not call a client that is gone.
  void forget(const Client* client) {
    for (epoll_event& event : events_)
      if (event.data.ptr == client) event.data.ptr = nullptr;
  }

  net::FileDescriptor epoll_;
  std::vector<epoll_event> events_ = std::vector<epoll_event>(256);
};

struct ClientOptions {
  std::string source = "127.0.0.1";     ///< the client's address: each has ephemeral ports of its own
  std::optional<int> receive_buffer{};  ///< SO_RCVBUF
  std::string behind_request{};         ///< bytes sent right behind the HTTP request
  bool reads_by_itself = true;          ///< else only when read_some() is called
};

/// A WebSocket client that never blocks. Not to be destroyed inside its own callback.
class Client {
 public:
  using OnFrame = std::function<void(Client&, const ServerFrame&)>;

  Client(Loop& loop, std::uint16_t port, std::string_view target, OnFrame on_frame,
         ClientOptions options = {})
      : loop_(loop), on_frame_(std::move(on_frame)), reads_(options.reads_by_itself) {
    socket_ = net::FileDescriptor{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket_.is_open()) throw std::system_error(errno, std::generic_category(), "socket");
    net::set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.receive_buffer)
      net::set_option(socket_.get(), SOL_SOCKET, SO_RCVBUF, *options.receive_buffer);
    if (options.source != "127.0.0.1") {
      net::set_option(socket_.get(), IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
      const net::NativeAddress source = net::parse_address(options.source, 0);
      if (::bind(socket_.get(), source.data(), source.length) != 0)
        throw std::system_error(errno, std::generic_category(), "bind");
    }
    const net::NativeAddress server = net::parse_address("127.0.0.1", port);
    if (::connect(socket_.get(), server.data(), server.length) != 0 && errno != EINPROGRESS)
      throw std::system_error(errno, std::generic_category(), "connect");
    unsent_ = "GET " + std::string(target) +
              " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
              options.behind_request;
    watched_ = interest();
    loop_.watch(EPOLL_CTL_ADD, socket_.get(), this, watched_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close_socket(true); }

  // -- What is said
  // ---------------------------------------------------------------------------------------------

  void send_text(std::string_view text) { send(switchboard::testing::encode({.payload = text})); }
  void send_binary(std::string_view bytes) {
    send(switchboard::testing::encode({.opcode = Opcode::binary, .payload = bytes}));
  }
  void send_close(CloseCode code) { send(switchboard::testing::encode_close(code)); }
  void send(std::string_view bytes) {
    if (!socket_.is_open()) return;
    const bool was_idle = unsent_.empty();
    unsent_ += bytes;
    if (was_idle) flush();
  }

  // -- How it ends
  // ----------------------------------------------------------------------------------------------

  /// Without a Close frame: with a reset, or with a FIN.
  void cut(bool with_reset = true) { close_socket(with_reset); }

  // -- What has come
  // --------------------------------------------------------------------------------------------

  bool is_open() const { return status_ == 101; }
  int status() const { return status_; }          ///< of the HTTP answer; 0 before it
  int close_code() const { return close_code_; }  ///< of the Close frame that came; 0 before it
  bool has_ended() const { return !socket_.is_open(); }
  bool was_reset() const { return was_reset_; }  ///< ended by a reset of the server's
  std::size_t bytes_unsent() const { return unsent_.size(); }

  /// Reads once, at most so much.
  void read_some(std::size_t at_most) {
    if (!socket_.is_open()) return;
    static thread_local std::vector<char> buffer(256 * 1024);
    const ssize_t size = ::recv(socket_.get(), buffer.data(), std::min(at_most, buffer.size()), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      was_reset_ = size < 0;
      return close_socket(true);
    }
    take({buffer.data(), static_cast<std::size_t>(size)});
  }

 private:
  friend Loop;

  std::uint32_t interest() const { return (reads_ ? EPOLLIN : 0u) | (unsent_.empty() ? 0u : EPOLLOUT); }

  void on_ready(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush();
    if (reads_ && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0)
      read_some(256 * 1024);
    else if ((events & EPOLLERR) != 0 && socket_.is_open()) {
      was_reset_ = true;
      close_socket(true);
    }
  }

  void flush() {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent > 0)
      unsent_.erase(0, static_cast<std::size_t>(sent));
    else if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
      unsent_.clear();  // the end is seen when reading
    if (const std::uint32_t wanted = interest(); wanted != std::exchange(watched_, wanted))
      loop_.watch(EPOLL_CTL_MOD, socket_.get(), this, wanted);
  }

  void take(std::string_view bytes) {
    if (status_ == 0) {
      head_ += bytes;
      const std::size_t end = head_.find("\r\n\r\n");
      if (end == head_.npos) return;
      status_ = std::stoi(head_.substr(head_.find(' ') + 1));
      frames_.feed(std::string_view(head_).substr(end + 4));
      head_ = {};
    } else {
      frames_.feed(bytes);
    }
    while (is_open() && socket_.is_open()) {
      const auto frame = frames_.next();
      if (!frame) return;
      if (frame->opcode == Opcode::close && frame->payload.size() >= 2)
        close_code_ = static_cast<unsigned char>(frame->payload[0]) << 8 |
                      static_cast<unsigned char>(frame->payload[1]);
      if (on_frame_) on_frame_(*this, *frame);
    }
  }

  void close_socket(bool with_reset) {
    if (!socket_.is_open()) return;
    loop_.forget(this);
    if (with_reset)
      net::close_with_reset(std::move(socket_));  // leaves no port in TIME_WAIT
    else
      socket_.reset();
  }

  Loop& loop_;
  net::FileDescriptor socket_;
  OnFrame on_frame_;
  bool reads_;
  std::uint32_t watched_ = 0;
  std::string unsent_, head_;
  switchboard::testing::ServerFrameDecoder frames_;
  int status_ = 0, close_code_ = 0;
  bool was_reset_ = false;
};

inline void Loop::run_once(std::chrono::milliseconds at_most) {
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                 static_cast<int>(at_most.count()));
  for (int i = 0; i < count; ++i) {
    const epoll_event event = events_[static_cast<std::size_t>(i)];
    if (event.data.ptr != nullptr) static_cast<Client*>(event.data.ptr)->on_ready(event.events);
  }
}

/// The number behind `name` in a message of the server's; −1 where there is none. The name comes as it is
/// written, quotes and colon included. Much quicker than a JSON parser in a build without optimization.
inline std::int64_t number_after(std::string_view text, std::string_view name) {
  const std::size_t place = text.find(name);
  std::int64_t number = -1;
  if (place != text.npos)
    std::from_chars(text.data() + place + name.size(), text.data() + text.size(), number);
  return number;
}

}  // namespace stress
