// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <system_error>

#include <switchboard/protocol/close_code.hpp>

namespace switchboard::inline v1 {

/// What a ServerHandle asks of a hub: a call with its arguments, on its way to the shard's thread.
struct Command {
  /// Which member of ServerHandle was called.
  enum class Kind : std::uint8_t {
    publish_json,      ///< `publish` too, with its data as text
    publish_binary,    ///< with a `type`
    send_to_user,      ///< with the object as text
    disconnect_user,   ///< with a `code`
    unsubscribe_user,  ///< with the channel as `body`
  };
  Kind kind = Kind::publish_json;            ///< which of the rest is used
  std::string target;                        ///< the channel or the user
  std::string body;                          ///< JSON text, bytes, or for unsubscribe_user the channel
  std::uint32_t type = 0;                    ///< for publish_binary
  CloseCode code = CloseCode::disconnected;  ///< for disconnect_user
};

/// Where commands from other threads go.
class CommandTarget {
 public:
  virtual ~CommandTarget() = default;
  /// Any thread. Commands of one thread with one target are executed in order.
  /// errc::would_block: too many wait. errc::stopped: the server has ended.
  virtual std::error_code post(Command&& command) = 0;
};

}  // namespace switchboard::inline v1
