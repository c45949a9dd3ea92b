// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/hub.hpp>
#include <switchboard/hub/options.hpp>
#include <switchboard/server/static_files.hpp>

namespace switchboard::inline v1 {

/// What a server is told at its start. Every member has a default.
template <class App>
struct Options {
  std::string address = "0.0.0.0";  ///< a numeric IPv4 or IPv6 address; "::" listens on both families
  std::uint16_t port = 8080;        ///< 0 picks a free one: see Server::port
  std::uint16_t admin_port = 0;     ///< /healthz, /readyz and /metrics are there alone; 0: they are on `port`
  std::string path = "/ws";         ///< of the WebSocket
  unsigned threads = 1;             ///< shards, each with an App of its own; 0: one per core
  /// `scheme://host[:port]`; empty: the request's own host and port. A request without Origin is let in.
  std::vector<std::string> allowed_origins{};
  HeartbeatOf<App> heartbeat{};              ///< JsonHeartbeat's: a beat every 30 s, 60 s of silence
  typename BrokerOf<App>::Options broker{};  ///< InMemoryBroker's: the bounds between two shards
  SessionOptions sessions{};                 ///< what is kept of a client that is away
  QueueOptions queue{};                      ///< what may wait for a slow client
  Limits limits{};                           ///< of the process, an address, a connection, a message
  LogSink log{};                             ///< called on every shard's thread
  std::vector<StaticFile> static_files{};    ///< answered on `port`: see also read_static_files
};

/// What of these options is the business of each hub.
template <class App>
HubOptions<App> hub_options(const Options<App>& options) {
  return {.path = options.path,
          .allowed_origins = options.allowed_origins,
          .heartbeat = options.heartbeat,
          .sessions = options.sessions,
          .queue = options.queue,
          .limits = options.limits};
}

}  // namespace switchboard::inline v1
