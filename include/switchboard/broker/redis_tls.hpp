// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <utility>

#include <switchboard/broker/redis/redis_options.hpp>
#include <switchboard/broker/redis/tls.hpp>

namespace switchboard::inline v1 {
/// For `RedisBroker::Options::tls`, so that rediss:// URLs work: `{.urls = {"rediss://host"}, .tls =
/// redis_tls({})}`. Needs OpenSSL (CMake: switchboard::tls). Throws std::invalid_argument with the file that
/// cannot be used.
inline RedisOptions::TlsStreams redis_tls(TlsOptions options) {
  return [tls = std::make_shared<redis::TlsContext>(std::move(options))](
             asio::io_context& context, redis::Counters& counters) -> std::unique_ptr<redis::Stream> {
    return std::make_unique<redis::TlsStream>(context, counters, tls);
  };
}

}  // namespace switchboard::inline v1
