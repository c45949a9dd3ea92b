// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <asio/any_io_executor.hpp>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/awaitable.hpp>
#include <switchboard/hub/command.hpp>
#include <switchboard/hub/options.hpp>
#include <switchboard/patterns/time.hpp>
#include <switchboard/protocol/http_response.hpp>
#include <switchboard/protocol/upgrade_request.hpp>

namespace switchboard::inline v1 {

/// A socket's slot in its hub: small and dense, used again once the socket is closed or moved.
enum class TransportId : std::uint32_t {};

/// How a new socket is received.
enum class Admission : std::uint8_t {
  admitted,               ///< an upgrade, or a request for an HTTP endpoint, on the public port
  full,                   ///< its upgrade is refused with 503
  too_many_from_address,  ///< its upgrade is refused with 429
  admin,                  ///< the admin port: HTTP endpoints only
};

/// How a hub wants a socket to end.
enum class SocketClose : std::uint8_t {
  graceful,  ///< everything is written: shut down the sending side, discard what comes until the peer closes
             ///< (at most 5 s)
  abort,     ///< reset
};

/// A connection on its way to the shard that holds its session: everything but the socket.
template <class App>
struct Handoff {
  UpgradeRequest request;   ///< to be answered by the other shard
  UserOf<App> user;         ///< what authenticate made of the request
  std::string subprotocol;  ///< what authenticate chose; empty: none
  std::string unread;       ///< bytes that came behind the request
};

/// What a hub asks of the world. The server models it with sockets and a clock, tests with neither.
///
/// A hub calls these on its shard's thread, also from inside calls made to it. `spawn` starts the coroutine
/// at once or soon, on the executor. `output_ready` is called at most once until gather and written have
/// emptied the queue; the host flushes once a tick. `flush` asks for it now; it may call written and
/// receive_eof. `serve_http` answers what is not for the WebSocket path, and on the admin port everything;
/// nothing is a 404. `wake_at` replaces the time asked for before. After close_socket and move_socket the id
/// is free for the next `open`. A host that knows how many of the bytes it took are still on their way to the
/// peer may say so with `unsent_bytes(id)`.
template <class H, class App>
concept HubHost = requires(H& host, TransportId id, std::span<std::byte> bytes, TimePoint time) {
  host.spawn(std::declval<asio::awaitable<void>>());
  host.output_ready(id);
  host.flush(id);
  host.want_input(id, true);
  host.close_socket(id, SocketClose::graceful);
  host.move_socket(id, 0u, std::declval<Handoff<App>>());
  host.wake_at(time);
  host.random_bytes(bytes);
  { host.now() } -> std::same_as<TimePoint>;
  { host.executor() } -> std::convertible_to<asio::any_io_executor>;
  { host.command_target() } -> std::same_as<std::shared_ptr<CommandTarget>>;
  {
    host.serve_http(std::declval<const UpgradeRequest&>(), true)
  } -> std::same_as<std::optional<HttpResponse>>;
  host.log(LogLevel::info, std::string_view{});
};

}  // namespace switchboard::inline v1
