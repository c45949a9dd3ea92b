// SPDX-License-Identifier: MIT
// Internal: a host and a port.
#pragma once
#include <compare>
#include <cstdint>
#include <string>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Where a server listens: a name or an address (IPv6 without brackets), and a TCP port.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// `host:port`, or `[host]:port` for IPv6: what errors and logs call a server.
inline std::string to_string(const Endpoint& endpoint) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace redis
}  // namespace switchboard::inline v1
