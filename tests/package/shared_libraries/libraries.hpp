// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <switchboard/server/server_handle.hpp>

/// A server with one client in the channel "news". Of the library rooms.
class Rooms {
 public:
  virtual ~Rooms() = default;
  virtual switchboard::ServerHandle handle() = 0;
  /// The next message that the client gets.
  virtual std::string receive() = 0;
};
std::unique_ptr<Rooms> open_rooms();

// Of the library announcer, which has a server of its own too.

/// Publishes to "news" of anyone's server.
std::error_code announce(switchboard::ServerHandle handle, std::string_view json_text);
bool means_stopped(std::error_code error);
/// Announces something to a client of its own server and returns what that client got.
std::string announce_at_home(std::string_view json_text);
