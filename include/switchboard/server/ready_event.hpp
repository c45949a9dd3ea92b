// SPDX-License-Identifier: MIT
// Internal: what a wait for sockets is told and tells.
#pragma once
#include <cstddef>
#include <cstdint>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace net {

/// What its owner calls a descriptor. It may be reused after remove(): an event for its former bearer can
/// then still arrive within the batch under way, so an event is a hint to try, never a promise.
using ReadyToken = std::uint32_t;

/// What a descriptor is watched for. A reset or hang-up is reported with either, and by epoll with neither.
struct Interest {
  bool read = false;
  bool write = false;
  friend bool operator==(const Interest&, const Interest&) = default;
};

/// One descriptor that is ready.
struct ReadyEvent {
  ReadyToken token = 0;
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  ///< reset, or closed in both directions
};

/// The most events one batch holds.
inline constexpr std::size_t max_ready_batch = 1024;

}  // namespace net
}  // namespace switchboard::inline v1
