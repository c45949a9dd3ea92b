// SPDX-License-Identifier: MIT
// Internal: the search for the master that sentinels watch over, without I/O.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/endpoint.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Finds the master that sentinels watch over, as "Guidelines for Redis clients with support for Redis
/// Sentinel" asks for: the sentinels one after the other, then the master itself whether it is one. Decisions
/// only: the caller connects, asks, and reports what came of it.
///
/// Each call returns what to do next. One search goes once through the sentinels and ends in `use_master` or
/// `give_up`; the caller waits a while before the next `begin`. A sentinel whose master answered is asked
/// first from then on.
class SentinelSearch {
 public:
  enum class Action : std::uint8_t {
    ask_sentinel,  ///< connect to `endpoint()`; send `SENTINEL GET-MASTER-ADDR-BY-NAME name`; report
                   ///< on_master, on_unknown or on_failure
    check_role,    ///< connect to `endpoint()`, log in, send `ROLE`; report on_role or on_failure
    use_master,    ///< `endpoint()` is the master, and the connection that said so is good to go on with
    give_up,       ///< no sentinel led to a master; `why()` says what the last one came to
  };

  /// At least one sentinel.
  explicit SentinelSearch(std::vector<Endpoint> sentinels) : sentinels_(std::move(sentinels)) {}

  /// Starts anew, whatever was under way.
  Action begin() {
    asked_ = 0;
    why_.clear();
    return ask();
  }

  /// The server to connect to, by the action returned last.
  const Endpoint& endpoint() const { return is_at_master_ ? master_ : sentinels_[asked_]; }

  /// The sentinel named a master.
  Action on_master(Endpoint master) {
    master_ = std::move(master);
    is_at_master_ = true;
    return Action::check_role;
  }
  /// The sentinel watches over no master of that name.
  Action on_unknown() { return next("does not know a master of this name"); }

  /// The first element of ROLE's answer. In a failover a sentinel may name the old master for a while.
  Action on_role(std::string_view role) {
    if (role != "master") return next("is called the master, but says that its role is " + std::string(role));
    const auto place = sentinels_.begin() + static_cast<std::ptrdiff_t>(asked_);
    Endpoint sentinel = std::move(*place);
    sentinels_.erase(place);
    sentinels_.insert(sentinels_.begin(), std::move(sentinel));
    asked_ = 0;
    return Action::use_master;
  }

  /// The server asked last is out of reach, silent, or answers with an error.
  Action on_failure(std::string_view error) { return next(error); }

  /// "host:port: error" of the server that failed last. For errors and logs.
  const std::string& why() const { return why_; }

 private:
  Action ask() {
    is_at_master_ = false;
    return Action::ask_sentinel;
  }

  Action next(std::string_view error) {
    why_ = to_string(endpoint()) + ": " + std::string(error);
    if (++asked_ < sentinels_.size()) return ask();
    asked_ = 0;
    is_at_master_ = false;
    return Action::give_up;
  }

  std::vector<Endpoint> sentinels_;  // in the order in which they are asked
  std::size_t asked_ = 0;
  bool is_at_master_ = false;
  Endpoint master_;
  std::string why_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
