// SPDX-License-Identifier: MIT
// Internal: whether an App has a member of some name.
#pragma once
#include <type_traits>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1::detail {

// Beside an App that has a member of the same name, naming one of these is ambiguous, and so ill-formed: this
// finds a name whatever stands behind it. A template, an overload set or a private member is found too, where
// `&App::name` alone would be ill-formed just as it is for no member at all.
struct MemberProbe {
  int authenticate, may_subscribe, may_publish, presence_info;
  int on_open, on_suspend, on_resume, on_close, on_subscribe, on_unsubscribe;
  int on_message, binary, on_text, on_binary;
  int User, State, Heartbeat, Broker, Access;
};

// One cannot look into what cannot be derived from; check_app says so.
template <class App>
inline constexpr bool can_be_probed = std::is_class_v<App> && !std::is_final_v<App>;

struct NoMembers {};

template <class App, class Probe>
struct Probed : std::conditional_t<can_be_probed<App>, App, NoMembers>, Probe {};

}  // namespace switchboard::inline v1::detail
