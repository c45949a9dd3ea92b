// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What went wrong between a RedisBroker and one of its servers. Each is counted by itself in the metrics.
enum class redis_errc {
  unreachable = 1,  ///< no connection could be made; tried again
  closed,           ///< the server closed the connection: killed, restarted, or its output buffer was full
  timed_out,        ///< no answer in time; the connection is made anew
  protocol_error,   ///< what came is not Redis' protocol; the connection is made anew
  auth_required,    ///< NOAUTH: the URL lacks a password; tried again
  wrong_password,   ///< WRONGPASS: the URL's user or password is wrong; tried again
  no_permission,    ///< NOPERM: the user may not do this; that call ends as unavailable
  read_only,        ///< READONLY: a replica; the connection is made anew
  loading,          ///< LOADING: the server reads its data yet; tried again
  out_of_memory,    ///< OOM: the server takes no writes; that call ends as unavailable
  cluster_down,     ///< CLUSTERDOWN, MASTERDOWN or TRYAGAIN: the cluster is changing; tried again
  moved,            ///< MOVED or ASK: another server has the channel now
  not_delivering,   ///< a probe did not come back through pub/sub; the connections are made anew
  server_error,     ///< any other error that the server answered; that call ends as unavailable
  unknown_version,  ///< a message of a later release, or of someone else; dropped, told as a gap
};
/// How many there are; the first is 1.
inline constexpr std::size_t redis_errc_count = 15;

namespace redis {

struct ErrorDescription {
  redis_errc error;
  std::string_view name;    ///< its label in the metrics
  std::string_view answer;  ///< how the server's answer begins, if this is one
  std::string_view text;
};

inline constexpr std::array<ErrorDescription, redis_errc_count> error_descriptions{{
    {redis_errc::unreachable, "unreachable", "", "the Redis server cannot be reached"},
    {redis_errc::closed, "closed", "", "the Redis server closed the connection"},
    {redis_errc::timed_out, "timed_out", "", "the Redis server did not answer in time"},
    {redis_errc::protocol_error, "protocol_error", "", "what the server sent is not Redis' protocol"},
    {redis_errc::auth_required, "auth_required", "NOAUTH", "the Redis server asks for a password"},
    {redis_errc::wrong_password, "wrong_password", "WRONGPASS", "the Redis server refuses the password"},
    {redis_errc::no_permission, "no_permission", "NOPERM", "the Redis user may not do this"},
    {redis_errc::read_only, "read_only", "READONLY", "the Redis server is a replica"},
    {redis_errc::loading, "loading", "LOADING", "the Redis server is loading its data"},
    {redis_errc::out_of_memory, "out_of_memory", "OOM", "the Redis server is out of memory"},
    {redis_errc::cluster_down, "cluster_down", "CLUSTERDOWN", "the Redis cluster is changing"},
    {redis_errc::moved, "moved", "MOVED", "another Redis server has the channel"},
    {redis_errc::not_delivering, "not_delivering", "", "the Redis server does not deliver messages"},
    {redis_errc::server_error, "server_error", "", "the Redis server answered with an error"},
    {redis_errc::unknown_version, "unknown_version", "", "a message of an unknown version was dropped"},
}};

constexpr std::size_t index_of(redis_errc error) {
  return static_cast<std::size_t>(error) - 1;
}

/// What an error answer ("NOAUTH Authentication required.") means.
inline redis_errc classify(std::string_view answer) {
  const std::string_view word = answer.substr(0, answer.find(' '));
  for (const ErrorDescription& one : error_descriptions)
    if (!one.answer.empty() && word == one.answer) return one.error;
  if (word == "ASK") return redis_errc::moved;
  if (word == "MASTERDOWN" || word == "TRYAGAIN") return redis_errc::cluster_down;
  // Before Redis 6 a wrong password was an ERR.
  if (answer.starts_with("ERR invalid password") || answer.starts_with("ERR AUTH"))
    return redis_errc::wrong_password;
  return redis_errc::server_error;
}

/// Whether after this answer the connection is of no use: it is closed, and what was not answered is sent
/// again.
constexpr bool ends_connection(redis_errc error) {
  switch (error) {
    case redis_errc::auth_required:
    case redis_errc::wrong_password:
    case redis_errc::read_only:
    case redis_errc::loading:
    case redis_errc::cluster_down:
    case redis_errc::protocol_error:
      return true;
    default:
      return false;
  }
}

}  // namespace redis

/// Named "switchboard.redis"; its messages name no server and hold no secret.
inline const std::error_category& redis_category() {
  static const struct final : std::error_category {
    const char* name() const noexcept override { return "switchboard.redis"; }
    std::string message(int value) const override {
      for (const auto& one : redis::error_descriptions)
        if (static_cast<int>(one.error) == value) return std::string(one.text);
      return "unknown Redis error";
    }
  } category;
  return category;
}

/// So that a `redis_errc` converts to, and compares with, a std::error_code.
inline std::error_code make_error_code(redis_errc error) {
  return {static_cast<int>(error), redis_category()};
}

/// What `RedisBroker::Options::on_error` hears.
struct RedisError {
  std::error_code code;  ///< a redis_errc
  std::string server;    ///< its URL without credentials
  std::string detail;    ///< what the server or the system said; never a password
};

}  // namespace switchboard::inline v1

template <>
struct std::is_error_code_enum<switchboard::redis_errc> : std::true_type {};
