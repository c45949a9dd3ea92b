// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <switchboard/protocol/close_code.hpp>

namespace switchboard::inline v1 {

/// What `authenticate` returns to let a user in and choose one of the client's subprotocols.
template <class User>
struct Accepted {
  User user;                ///< kept with the connection
  std::string subprotocol;  ///< one of the request's; empty: none is named in the answer
};

/// What a session that came back has got, as its welcome says it.
struct Resume {
  bool recovered = false;               ///< nothing is missing: all after the client's `last_seq` was kept
  std::uint64_t replayed = 0;           ///< messages sent again behind the welcome
  std::optional<std::uint64_t> missed;  ///< messages lost for good; none: it cannot be known
};

/// Why a connection, or a stateful client's session, has ended.
struct CloseReason {
  /// The Close frame's: of the peer where it closed, of this side where it did. `no_status`: the peer's had
  /// none. `abnormal`: there was no frame, or a session expired after its cut.
  CloseCode code = CloseCode::abnormal;
  std::string text;    ///< the Close frame's reason, UTF-8, at most 123 bytes
  bool clean = false;  ///< the client closed, with a Close frame; false for every close by this side
};

/// `using Access = sb::OpenAccess;` in an App: a missing `may_subscribe` or `may_publish` lets everyone in.
/// One that is there is still asked.
struct OpenAccess {};

/// The `State` of an App that declares none.
struct NoState {};

}  // namespace switchboard::inline v1
