// SPDX-License-Identifier: MIT
// Internal: TCP, a Unix socket or TLS, as a URL says.
#pragma once
#include <memory>
#include <stdexcept>

#include <switchboard/broker/redis/link_context.hpp>
#include <switchboard/broker/redis/stream.hpp>
#include <switchboard/broker/redis/url.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What carries the bytes to the servers of a URL.
inline std::unique_ptr<Stream> make_stream(LinkContext& context, const Url& url) {
  if (!url.unix_path.empty())
    return std::make_unique<UnixStream>(context.io, context.counters, url.unix_path);
  if (url.is_tls) return context.options.tls(context.io, context.counters);
  return std::make_unique<TcpStream>(context.io, context.counters);
}

}  // namespace redis
}  // namespace switchboard::inline v1
