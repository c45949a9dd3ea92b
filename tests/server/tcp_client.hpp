// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <functional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <switchboard/server/socket.hpp>

namespace tcp {

namespace net = switchboard::net;

inline constexpr std::chrono::seconds patience{10};

/// True as soon as the condition holds; false if it does not within the time.
inline bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = patience) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between two looks, not instead of one
  }
  return true;
}

/// A blocking TCP client whose reads give up after a while, so that a test fails instead of hanging.
class Client {
 public:
  explicit Client(std::uint16_t port, const std::string& address = "127.0.0.1") {
    const net::NativeAddress server = net::parse_address(address, port);
    socket_ = net::FileDescriptor{::socket(server.storage.ss_family, SOCK_STREAM, 0)};
    net::set_option(socket_.get(), SOL_SOCKET, SO_RCVTIMEO,
                    timeval{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0});
    if (::connect(socket_.get(), server.data(), server.length) != 0)
      throw std::system_error(errno, std::generic_category(), "connect");
    net::set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  }

  int descriptor() const { return socket_.get(); }

  Client& send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::system_error(errno, std::generic_category(), "send");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return *this;
  }

  std::string read(std::size_t count) {
    while (buffer_.size() < count)
      if (!read_more()) throw std::runtime_error("the connection ended early, with: " + buffer_);
    return take(count);
  }

  std::string read_line() {
    std::size_t end = 0;
    while ((end = buffer_.find('\n')) == std::string::npos)
      if (!read_more()) throw std::runtime_error("the connection ended early, with: " + buffer_);
    std::string line = take(end + 1);
    line.pop_back();
    return line;
  }

  /// What is left up to the end; throws if there is a reset instead of an end.
  std::string read_to_end() {
    while (read_more()) {
    }
    return take(buffer_.size());
  }

  /// True if the next thing to come is a reset.
  bool is_reset() {
    char byte;
    return ::recv(socket_.get(), &byte, 1, 0) < 0 && errno == ECONNRESET;
  }

  void shut_down() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }
  void reset() { net::close_with_reset(std::move(socket_)); }

 private:
  bool read_more() {
    char bytes[64 * 1024];
    ssize_t count = 0;
    do count = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    while (count < 0 && errno == EINTR);  // a process that is stopped and goes on, where there is a timeout
    if (count < 0) throw std::system_error(errno, std::generic_category(), "read");
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  std::string take(std::size_t count) {
    std::string result = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return result;
  }

  net::FileDescriptor socket_;
  std::string buffer_;
};

}  // namespace tcp
