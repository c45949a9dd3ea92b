// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <switchboard/hub/command.hpp>
#include <switchboard/hub/errc.hpp>

namespace switchboard::inline v1 {

/// A server as other threads see it: copyable, any thread, never waits for the server, outlives it
/// harmlessly.
///
/// A call returns before it has been carried out; calls of one thread with the same channel or user are
/// carried out in order. errc::would_block: too many calls wait, nothing was done. errc::stopped: the server
/// has ended.
class ServerHandle {
 public:
  /// For `Server::handle` and its like. Null: every call ends in errc::stopped.
  explicit ServerHandle(std::shared_ptr<CommandTarget> target) : target_(std::move(target)) {}

  /// To every subscriber of the channel, on every shard and node.
  std::error_code publish(std::string_view channel, const nlohmann::json& data) const {
    return publish_json(channel, data.dump());
  }
  /// The same with text that is JSON already, forwarded as it stands. Text that is not is dropped by the
  /// shard.
  std::error_code publish_json(std::string_view channel, std::string_view json_text) const {
    return post({Command::Kind::publish_json, std::string(channel), std::string(json_text)});
  }
  /// A binary message (protocol.md, "Binary") to every subscriber of the channel.
  std::error_code publish_binary(std::string_view channel, std::uint32_t type,
                                 std::span<const std::byte> payload) const {
    const std::string body(reinterpret_cast<const char*>(payload.data()), payload.size());
    return post({Command::Kind::publish_binary, std::string(channel), body, type});
  }
  /// To every connection and parked session of the user, everywhere. errc::invalid_json unless it is an
  /// object without "seq".
  std::error_code send_to_user(std::string_view user, const nlohmann::json& object) const {
    if (!object.is_object() || object.contains("seq")) return make_error_code(errc::invalid_json);
    return post({Command::Kind::send_to_user, std::string(user), object.dump()});
  }
  /// Ends every connection and session of the user, everywhere.
  std::error_code disconnect_user(std::string_view user, CloseCode code = CloseCode::disconnected) const {
    return post({Command::Kind::disconnect_user, std::string(user), {}, 0, code});
  }
  /// Takes the user off the channel, on all its connections and sessions, everywhere.
  std::error_code unsubscribe_user(std::string_view user, std::string_view channel) const {
    return post({Command::Kind::unsubscribe_user, std::string(user), std::string(channel)});
  }

 private:
  std::error_code post(Command command) const {
    return target_ ? target_->post(std::move(command)) : make_error_code(errc::stopped);
  }

  std::shared_ptr<CommandTarget> target_;
};

}  // namespace switchboard::inline v1
