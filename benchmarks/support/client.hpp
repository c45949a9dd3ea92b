// SPDX-License-Identifier: MIT
#pragma once
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace benchmark {

[[noreturn]] inline void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// Appends a client's frame: whole, masked (RFC 6455 §5.3). The mask is the same in each, which a server
/// cannot know.
inline void append_client_frame(std::string& out, unsigned char opcode, std::string_view payload) {
  constexpr std::array<char, 4> mask{'\x37', '\x5a', '\x21', '\x6d'};
  out += static_cast<char>(0x80 | opcode);
  const unsigned width = payload.size() < 126 ? 0 : payload.size() <= 0xffff ? 2 : 8;
  const std::size_t length = width == 0 ? payload.size() : width == 2 ? 126 : 127;
  out += static_cast<char>(0x80 | length);
  for (unsigned i = width; i > 0; --i) out += static_cast<char>(payload.size() >> (8 * (i - 1)) & 0xff);
  out.append(mask.data(), mask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
}

struct Endpoint {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

/// One connection: the least of a WebSocket client that a load generator needs. Whole server frames only, no
/// checks.
class Client {
 public:
  Client(std::size_t number, int epoll, const Endpoint& endpoint, std::string_view target)
      : number_(number),
        epoll_(epoll),
        socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (socket_ < 0) throw_errno("socket");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(endpoint.port);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &to.sin_addr) != 1)
      throw std::runtime_error("not an IPv4 address: " + endpoint.address);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
      const int error = errno;
      ::close(socket_);
      throw std::system_error(error, std::generic_category(), "connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = this;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event) != 0) throw_errno("epoll_ctl");
    send("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + endpoint.address + ":" +
         std::to_string(endpoint.port) +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bm90IHJhbmRvbSBhdCBhbA==\r\n\r\n");
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// A reset rather than a close: thousands of ports are not left in TIME_WAIT for the next round.
  ~Client() {
    const linger reset{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(socket_);
  }

  std::size_t number() const { return number_; }
  bool is_open() const { return is_open_; }

  void send(std::string_view bytes) {
    const std::size_t sent = unsent_.empty() ? write(bytes) : 0;
    if (sent == bytes.size()) return;
    if (unsent_.empty()) want(EPOLLIN | EPOLLOUT);
    unsent_ += bytes.substr(sent);
  }

  void send_frame(unsigned char opcode, std::string_view payload) {
    std::string frame;
    append_client_frame(frame, opcode, payload);
    send(frame);
  }

  void flush() {
    unsent_.erase(0, write(unsent_));
    if (unsent_.empty()) want(EPOLLIN);
  }

  /// Reads once and calls `on_frame(client, opcode, payload)` for each frame that is whole. False: the
  /// connection has ended, or was never made.
  template <class OnFrame>
  bool read(std::vector<char>& buffer, OnFrame& on_frame) {
    const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (size <= 0) return false;
    std::string_view input(buffer.data(), static_cast<std::size_t>(size));
    if (!partial_.empty()) {
      partial_ += input;
      input = partial_;
    }
    if (is_open_ || take_response(input))
      while (take_frame(input, on_frame)) {
      }
    keep(input);
    return true;
  }

 private:
  std::size_t write(std::string_view bytes) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == ECONNRESET || errno == EPIPE) return bytes.size();  // reading tells of the end
    if (errno != EAGAIN && errno != EINTR) throw_errno("send");
    return 0;
  }

  void want(std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = this;
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_, &event) != 0) throw_errno("epoll_ctl");
  }

  bool take_response(std::string_view& input) {
    const std::size_t end = input.find("\r\n\r\n");
    if (end == input.npos) return false;
    if (!input.starts_with("HTTP/1.1 101"))
      throw std::runtime_error("refused: " + std::string(input.substr(0, input.find('\r'))));
    input.remove_prefix(end + 4);
    return is_open_ = true;
  }

  template <class OnFrame>
  bool take_frame(std::string_view& input, OnFrame& on_frame) {
    if (input.size() < 2) return false;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
    const std::size_t short_length = byte(1) & 0x7fU;
    const std::size_t width = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
    if (input.size() < 2 + width) return false;
    std::size_t length = width == 0 ? short_length : 0;
    for (std::size_t i = 0; i < width; ++i) length = length << 8 | byte(2 + i);
    if (input.size() - 2 - width < length) return false;
    on_frame(*this, byte(0) & 0x0fU, input.substr(2 + width, length));
    input.remove_prefix(2 + width + length);
    return true;
  }

  void keep(std::string_view rest) {
    if (rest.empty() && partial_.empty()) return;
    partial_ = std::string(rest);
  }

  std::size_t number_;
  int epoll_;
  int socket_;
  bool is_open_ = false;
  std::string unsent_;
  std::string partial_;
};

/// Many clients on one epoll set and one thread.
class Swarm {
 public:
  explicit Swarm(Endpoint endpoint = {})
      : endpoint_(std::move(endpoint)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw_errno("epoll_create1");
  }
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;
  ~Swarm() {
    clients_.clear();
    ::close(epoll_);
  }

  std::vector<std::unique_ptr<Client>>& clients() { return clients_; }

  /// Opens `count` more and waits until each has its 101. `{n}` in `target` becomes the connection's number.
  template <class OnFrame>
  void open(std::size_t count, const std::string& target, OnFrame&& on_frame) {
    open(endpoint_, count, target, on_frame);
  }
  /// The same at another server than the swarm's own.
  template <class OnFrame>
  void open(const Endpoint& endpoint, std::size_t count, const std::string& target, OnFrame&& on_frame) {
    constexpr std::size_t at_once = 64;  // under any listen backlog
    const std::size_t end = clients_.size() + count;
    for (std::size_t opened = clients_.size(); opened < end;) {
      while (clients_.size() < end && clients_.size() - opened < at_once) {
        const std::size_t number = clients_.size();
        clients_.push_back(std::make_unique<Client>(number, epoll_, endpoint, numbered(target, number)));
      }
      if (poll(10'000, on_frame) == 0) throw std::runtime_error("the server does not answer the handshake");
      while (opened < clients_.size() && clients_[opened]->is_open()) ++opened;
    }
  }

  /// Waits once and handles what is ready; `after_read(client)` follows the frames of each. Returns how many
  /// were ready.
  template <class OnFrame, class AfterRead>
  std::size_t poll(int timeout_milliseconds, OnFrame&& on_frame, AfterRead&& after_read) {
    const int ready =
        ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout_milliseconds);
    if (ready < 0 && errno != EINTR) throw_errno("epoll_wait");
    const std::size_t count = ready < 0 ? 0 : static_cast<std::size_t>(ready);
    for (std::size_t i = 0; i < count; ++i) {
      Client& client = *static_cast<Client*>(events_[i].data.ptr);
      if ((events_[i].events & EPOLLOUT) != 0) client.flush();
      if ((events_[i].events & ~EPOLLOUT) == 0) continue;
      if (!client.read(buffer_, on_frame))
        throw std::runtime_error("the server closed connection " + std::to_string(client.number()));
      after_read(client);
    }
    return count;
  }
  template <class OnFrame>
  std::size_t poll(int timeout_milliseconds, OnFrame&& on_frame) {
    return poll(timeout_milliseconds, on_frame, [](Client&) {});
  }

  /// Waits until a client is ready or the time is over, more finely than `poll`'s milliseconds.
  void wait(std::chrono::nanoseconds time) {
    if (time.count() <= 0) return;
    pollfd set{epoll_, POLLIN, 0};
    const timespec limit{static_cast<time_t>(time.count() / 1'000'000'000),
                         static_cast<long>(time.count() % 1'000'000'000)};
    ::ppoll(&set, 1, &limit, nullptr);
  }

 private:
  static std::string numbered(std::string target, std::size_t number) {
    const std::size_t place = target.find("{n}");
    return place == target.npos ? target : target.replace(place, 3, std::to_string(number));
  }

  Endpoint endpoint_;
  int epoll_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<epoll_event> events_ = std::vector<epoll_event>(1024);
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
};

}  // namespace benchmark
