// SPDX-License-Identifier: MIT
// Internal: the first commands of a connection.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/command.hpp>
#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/broker/redis/reply_reader.hpp>
#include <switchboard/broker/redis/url.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What is said on a new connection before it is of use: who we are, which database, and whether anyone is
/// there. All commands go out at once.
class Handshake {
 public:
  enum class Result : std::uint8_t { more, done, failed };

  Handshake(Credentials credentials, std::uint32_t database, std::string client_name)
      : credentials_(std::move(credentials)), database_(database), client_name_(std::move(client_name)) {}

  /// The commands, for one connection.
  std::string begin() {
    std::string out;
    steps_.clear();
    answered_ = 0;
    if (!credentials_.password.empty()) {
      if (credentials_.user.empty())
        append_command(out, {"AUTH", credentials_.password});
      else
        append_command(out, {"AUTH", credentials_.user, credentials_.password});
      steps_.push_back(Step::needed);
    }
    if (database_ != 0) {
      append_command(out, {"SELECT", std::to_string(database_)});
      steps_.push_back(Step::needed);
    }
    append_command(out, {"CLIENT", "SETNAME", client_name_});  // for whoever looks at CLIENT LIST
    steps_.push_back(Step::wanted);
    append_command(out, {"PING"});
    steps_.push_back(Step::needed);
    return out;
  }

  Result on_reply(const Reply& reply) {
    const Step step = steps_[answered_++];
    if (reply.is_error() && step == Step::needed) {
      error_ = classify(reply.text);
      return Result::failed;
    }
    return answered_ == steps_.size() ? Result::done : Result::more;
  }
  /// Why it failed.
  redis_errc error() const { return error_; }

 private:
  enum class Step : std::uint8_t { needed, wanted };

  Credentials credentials_;
  std::uint32_t database_;
  std::string client_name_;
  std::vector<Step> steps_;
  std::size_t answered_ = 0;
  redis_errc error_ = redis_errc::server_error;
};

}  // namespace redis
}  // namespace switchboard::inline v1
