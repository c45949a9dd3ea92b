// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <system_error>

#include <switchboard/protocol/close_code.hpp>

namespace switchboard::inline v1 {

/// What a ServerHandle asks of a hub: a call with its arguments, on its way to the shard's thread.
struct Command {
  enum class Kind : std::uint8_t {
    publish_json,
    publish_binary,
    send_to_user,
    disconnect_user,
    unsubscribe_user
  };
  Kind kind = Kind::publish_json;
  std::string target;  ///< the channel or the user
  std::string body;    ///< JSON text, bytes, or for unsubscribe_user the channel
  std::uint32_t type = 0;
  CloseCode code = CloseCode::disconnected;
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
