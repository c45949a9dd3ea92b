// SPDX-License-Identifier: MIT
// Internal: how a shard waits for its sockets, with epoll or with Asio.
#pragma once
#if defined(__linux__)
#include <switchboard/server/epoll_readiness.hpp>
#else
#include <switchboard/server/asio_readiness.hpp>
#endif

namespace switchboard::inline v1 {
namespace net {

/// How a shard waits for its sockets. The other way is not even included, since it takes long to compile.
#if defined(__linux__)
using Readiness = EpollReadiness;
#else
using Readiness = AsioReadiness;
#endif

}  // namespace net
}  // namespace switchboard::inline v1
