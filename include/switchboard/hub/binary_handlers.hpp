// SPDX-License-Identifier: MIT
#pragma once
#include <optional>

#include <switchboard/hub/awaitable.hpp>
#include <switchboard/hub/connection.hpp>
#include <switchboard/patterns/binary_dispatcher.hpp>

namespace switchboard::inline v1 {

/// Where an App registers its handlers of binary messages:
///
///     void binary(sb::BinaryHandlers<Chat>& handlers) {
///       handlers.on(1, {.max_size = 5 << 20},
///                   [this](sb::Connection<Chat> sender, std::span<const std::byte> image) { … });
///     }
///
/// A handler returns void or asio::awaitable<void>. The payload lives until it ends.
template <class App>
class BinaryHandlers : public BasicBinaryDispatcher<std::optional<asio::awaitable<void>>, Connection<App>> {};

}  // namespace switchboard::inline v1
