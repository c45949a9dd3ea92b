// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <type_traits>

#include <switchboard/hub/app_types.hpp>
#include <switchboard/hub/detail/member_probe.hpp>
#include <switchboard/hub/fwd.hpp>
#include <switchboard/patterns/heartbeat.hpp>

namespace switchboard::inline v1 {

/// Which members a user's struct has, by name alone: whether one can be called is `check_app`'s to say.
/// Needs a complete App, and nothing else. Each `has_x` says that the App has a member `x`, be it private,
/// overloaded or a template.
template <class App>
struct AppTraits {
 private:
  using Names = detail::Probed<App, detail::MemberProbe>;

 public:
  static constexpr bool has_authenticate = !requires { &Names::authenticate; };  ///< required
  /// Required, without OpenAccess; refused in raw mode.
  static constexpr bool has_may_subscribe = !requires { &Names::may_subscribe; };
  static constexpr bool has_may_publish = !requires { &Names::may_publish; };  ///< likewise
  /// Optional; refused in raw mode.
  static constexpr bool has_presence_info = !requires { &Names::presence_info; };

  static constexpr bool has_on_open = !requires { &Names::on_open; };  ///< optional
  /// Optional; refused in raw mode, which has no sessions.
  static constexpr bool has_on_suspend = !requires { &Names::on_suspend; };
  static constexpr bool has_on_resume = !requires { &Names::on_resume; };  ///< likewise
  static constexpr bool has_on_close = !requires { &Names::on_close; };    ///< optional
  /// Optional; refused in raw mode, which has no channels for clients.
  static constexpr bool has_on_subscribe = !requires { &Names::on_subscribe; };
  static constexpr bool has_on_unsubscribe = !requires { &Names::on_unsubscribe; };  ///< likewise

  /// Optional; without it an action that is not built in is `action.unknown`.
  static constexpr bool has_on_message = !requires { &Names::on_message; };
  /// Optional; without it every binary message is `binary.unknown`.
  static constexpr bool has_binary = !requires { &Names::binary; };
  static constexpr bool has_on_text = !requires { &Names::on_text; };      ///< raw mode
  static constexpr bool has_on_binary = !requires { &Names::on_binary; };  ///< raw mode

  /// No JSON actions, no sessions, no JSON heartbeat: every message goes to the App as it came.
  static constexpr bool is_raw = has_on_text || has_on_binary;

  static constexpr bool has_user = requires { typename App::User; };  ///< required
  /// The App said `using Access = sb::OpenAccess;`.
  static constexpr bool has_open_access =
      requires { requires std::is_same_v<typename App::Access, OpenAccess>; };
};

namespace detail {

// Stands in for a missing User, so that check_app's sentence is the first error and not a missing type's.
struct MissingUser {
  std::string id;
};

// Asked about an App that is still being defined, `requires` would see no member and that answer would stay.
template <class App>
struct CompleteApp {
  static_assert(sizeof(App) != 0, "switchboard: the types of an App are known where its definition ends");
  using type = App;
};

template <class App>
struct SelectUser {
  using type = MissingUser;
};
template <class App>
  requires requires { typename CompleteApp<App>::type::User; }
struct SelectUser<App> {
  using type = typename App::User;
};

template <class App>
struct SelectState {
  using type = NoState;
};
template <class App>
  requires requires { typename CompleteApp<App>::type::State; }
struct SelectState<App> {
  using type = typename App::State;
};

template <class App>
struct SelectHeartbeat {
  using type = std::conditional_t<AppTraits<App>::is_raw, PingFrameHeartbeat, JsonHeartbeat>;
};
template <class App>
  requires requires { typename CompleteApp<App>::type::Heartbeat; }
struct SelectHeartbeat<App> {
  using type = typename App::Heartbeat;
};

template <class App>
struct SelectBroker {
  using type = InMemoryBroker;
};
template <class App>
  requires requires { typename CompleteApp<App>::type::Broker; }
struct SelectBroker<App> {
  using type = typename App::Broker;
};

}  // namespace detail

/// What `authenticate` makes and each connection keeps. Needs a complete App, as the other three do.
template <class App>
using UserOf = typename detail::SelectUser<App>::type;

/// The App's own data per session: its `State`, or an empty struct.
template <class App>
using StateOf = typename detail::SelectState<App>::type;

/// The App's `Heartbeat`; else JsonHeartbeat, and PingFrameHeartbeat in raw mode.
template <class App>
using HeartbeatOf = typename detail::SelectHeartbeat<App>::type;

/// The App's `Broker`, else InMemoryBroker.
template <class App>
using BrokerOf = typename detail::SelectBroker<App>::type;

}  // namespace switchboard::inline v1
