// SPDX-License-Identifier: MIT
// Internal: a listening socket.
#pragma once
#include <vector>

#include <switchboard/server/socket.hpp>

namespace switchboard::inline v1 {
namespace net {

/// What one accept came to.
struct AcceptResult {
  enum class Kind {
    socket,   ///< a connection
    none,     ///< nobody is waiting
    skipped,  ///< a connection that was gone before it was accepted, or a passing network error: try the next
    exhausted,  ///< no descriptor or memory left: trying again at once would only spin
  };
  Kind kind = Kind::none;
  FileDescriptor socket;
  Address peer;
};

/// A listening, non-blocking TCP socket.
class Listener {
 public:
  explicit Listener(FileDescriptor socket) : socket_(std::move(socket)) {}

  int descriptor() const { return socket_.get(); }
  std::uint16_t port() const { return local_address(socket_.get()).port(); }

  AcceptResult accept() const {
    AcceptResult result;
    NativeAddress peer;
#if defined(__linux__)
    const int accepted = ::accept4(socket_.get(), peer.data(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    const int accepted = ::accept(socket_.get(), peer.data(), &peer.length);
#endif
    if (accepted < 0) {
      result.kind = failure(errno);
      return result;
    }
    result.socket = FileDescriptor{accepted};
    result.peer = peer.to_address();
#if !defined(__linux__)
    if (!make_non_blocking(accepted)) {
      result.socket.reset();
      result.kind = AcceptResult::Kind::skipped;
      return result;
    }
#endif
    prepare_accepted(accepted);
    result.kind = AcceptResult::Kind::socket;
    return result;
  }

 private:
  static AcceptResult::Kind failure(int error) {
    switch (error) {
      case EAGAIN:
#if EAGAIN != EWOULDBLOCK
      case EWOULDBLOCK:
#endif
        return AcceptResult::Kind::none;
      // accept(2): errors of the new connection's network are passed on and are to be retried.
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case ENETDOWN:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case EOPNOTSUPP:
      case ENETUNREACH:
      case EPERM:
#if defined(ENONET)
      case ENONET:
#endif
        return AcceptResult::Kind::skipped;
      default:
        return AcceptResult::Kind::exhausted;
    }
  }

  FileDescriptor socket_;
};

/// The listeners of one address: one a shard, or a single one whose owner deals out the sockets.
struct ListenerSet {
  std::vector<Listener> listeners;
  std::uint16_t port = 0;
};

enum class PortSharing {
  one_listener_per_shard,  ///< SO_REUSEPORT: the kernel spreads connections
  single_listener,         ///< the shard that has it deals out what it accepts
};

#if defined(__linux__)
inline constexpr PortSharing default_port_sharing = PortSharing::one_listener_per_shard;
#else
// Elsewhere SO_REUSEPORT is missing or sends every connection to the newest listener.
inline constexpr PortSharing default_port_sharing = PortSharing::single_listener;
#endif

namespace detail {

inline FileDescriptor open_listening_socket(const NativeAddress& address, bool share_port, int& error) {
  FileDescriptor socket{::socket(address.storage.ss_family, SOCK_STREAM, 0)};
  const bool is_listening =
      socket.is_open() && make_non_blocking(socket.get()) &&
      set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
      (address.storage.ss_family != AF_INET6 || set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
#if defined(SO_REUSEPORT)
      (!share_port || set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1)) &&
#endif
      ::bind(socket.get(), address.data(), address.length) == 0 && ::listen(socket.get(), SOMAXCONN) == 0;
  error = is_listening ? 0 : errno;
  (void)share_port;
  return is_listening ? std::move(socket) : FileDescriptor{};
}

}  // namespace detail

/// Binds and listens; port 0 picks a free one. Throws std::system_error that names address and port.
///
/// With SO_REUSEPORT alone a second server would bind silently and take half of the clients. So the first
/// socket is bound and set to listen without it, which is the probe for the address and keeps it from then
/// on; only then is the option set on it, and the other shards' sockets join.
inline ListenerSet listen_on(const std::string& address, std::uint16_t port, std::size_t shards,
                             PortSharing sharing = default_port_sharing) {
  NativeAddress native = parse_address(address, port);
  int error = 0;
  FileDescriptor first = detail::open_listening_socket(native, false, error);
  if (!first.is_open())
    throw std::system_error(error, std::generic_category(),
                            "cannot listen on " + endpoint_text(address, port));

  ListenerSet set;
  set.port = local_address(first.get()).port();
  native.set_port(set.port);
  set.listeners.emplace_back(std::move(first));
  if (sharing == PortSharing::single_listener || shards <= 1) return set;
#if defined(SO_REUSEPORT)
  if (!set_option(set.listeners.front().descriptor(), SOL_SOCKET, SO_REUSEPORT, 1)) return set;
  while (set.listeners.size() < shards) {
    FileDescriptor next = detail::open_listening_socket(native, true, error);
    if (!next.is_open()) {  // a system that does not let others join: the single listener deals out
      set.listeners.erase(set.listeners.begin() + 1, set.listeners.end());
      break;
    }
    set.listeners.emplace_back(std::move(next));
  }
#endif
  return set;
}

}  // namespace net
}  // namespace switchboard::inline v1
