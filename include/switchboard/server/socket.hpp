// SPDX-License-Identifier: MIT
// Internal: system calls on sockets, with errors as values.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/sockios.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <switchboard/protocol/address.hpp>

namespace switchboard::inline v1 {
namespace net {

/// Owns a file descriptor and closes it.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const { return value_; }
  bool is_open() const { return value_ >= 0; }
  int release() { return std::exchange(value_, -1); }
  void reset(int value = -1) {
    if (value_ >= 0) ::close(value_);
    value_ = value;
  }

 private:
  int value_ = -1;
};

/// What one non-blocking read or write came to.
struct Transfer {
  enum class Kind {
    some,         ///< `bytes` were moved
    would_block,  ///< nothing for now
    end,          ///< the peer has finished sending (reads only)
    broken,       ///< reset or otherwise beyond use
  };
  Kind kind = Kind::would_block;
  std::size_t bytes = 0;
};

inline Transfer transferred(ssize_t result, bool is_read) {
  if (result > 0) return {Transfer::Kind::some, static_cast<std::size_t>(result)};
  if (result == 0) return {is_read ? Transfer::Kind::end : Transfer::Kind::would_block};
  // Memory that is short for a moment is no reason to cut a connection: readiness will call again.
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
    return {Transfer::Kind::would_block};
  return {Transfer::Kind::broken};
}

/// One non-blocking read.
inline Transfer read_some(int socket, std::span<char> into) {
  return transferred(::recv(socket, into.data(), into.size(), 0), true);
}

/// One non-blocking, gathered write; never raises SIGPIPE.
inline Transfer write_some(int socket, std::span<iovec> pieces) {
#if defined(MSG_NOSIGNAL)
  constexpr int flags = MSG_NOSIGNAL;
#else
  constexpr int flags = 0;  // prepare_accepted() has set SO_NOSIGPIPE
#endif
  if (pieces.size() == 1)
    return transferred(::send(socket, pieces[0].iov_base, pieces[0].iov_len, flags), false);
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(pieces.size());
  return transferred(::sendmsg(socket, &message, flags), false);
}

/// Reads once and forgets what came.
inline Transfer discard_some(int socket) {
  char waste[16 * 1024];
  return read_some(socket, waste);
}

/// Whether it was reset, or is closed in both directions.
inline bool has_hung_up(int socket) {
  pollfd asked{.fd = socket, .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) > 0;
}

/// Bytes the kernel still holds for the peer; 0 where it cannot tell.
inline std::size_t unsent_bytes(int socket) {
#if defined(SIOCOUTQ)
  int unsent = 0;
  if (::ioctl(socket, SIOCOUTQ, &unsent) == 0 && unsent > 0) return static_cast<std::size_t>(unsent);
#else
  (void)socket;
#endif
  return 0;
}

template <class Value>
bool set_option(int socket, int level, int name, Value value) {
  return ::setsockopt(socket, level, name, &value, sizeof value) == 0;
}

/// Closes with a reset: what is queued in the kernel is dropped, and the peer sees it at once.
inline void close_with_reset(FileDescriptor socket) {
  set_option(socket.get(), SOL_SOCKET, SO_LINGER, linger{1, 0});
}

inline bool make_non_blocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL, 0);
  return flags >= 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
         ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0;
}

/// What every accepted socket gets: small frames leave at once, and a dead peer raises no signal.
inline void prepare_accepted(int socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
#if defined(SO_NOSIGPIPE)
  set_option(socket, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

/// A socket address as the system calls want it.
struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }

  std::uint16_t port() const {
    if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
    return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  }
  void set_port(std::uint16_t port) {
    if (storage.ss_family == AF_INET6)
      reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
    else
      reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
  }

  Address to_address() const {
    Address address;
    address.port = port();
    if (storage.ss_family == AF_INET6) {
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 16);
    } else {
      address.bytes[10] = address.bytes[11] = 0xff;
      std::memcpy(address.bytes.data() + 12, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    }
    return address;
  }
};

/// `address:port` for people: an IPv6 address in brackets.
inline std::string endpoint_text(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

/// Parses a numeric IPv4 or IPv6 address; throws std::system_error for anything else.
inline NativeAddress parse_address(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;  // no name service: binding must not depend on one
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), nullptr, &hints, &found) != 0 || found == nullptr)
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            "cannot listen on " + endpoint_text(address, port) + ": not a numeric address");
  NativeAddress result;
  result.length = found->ai_addrlen;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  result.set_port(port);
  return result;
}

/// The address a socket is bound to.
inline NativeAddress local_address(int socket) {
  NativeAddress result;
  ::getsockname(socket, result.data(), &result.length);
  return result;
}

}  // namespace net
}  // namespace switchboard::inline v1
