// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <string>
#include <type_traits>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/detail/app_calls.hpp>
#include <switchboard/hub/detail/member_probe.hpp>
#include <switchboard/hub/detail/part_checks.hpp>

// A static_assert takes its sentence as a literal only, hence the macros; none outlives this header.
#define SWITCHBOARD_SIGNATURE(member) SWITCHBOARD_SIGNATURE_##member
#define SWITCHBOARD_SIGNATURE_authenticate                                              \
  "std::optional<User> authenticate(const sb::UpgradeRequest&) (or std::variant<User, " \
  "sb::Refusal>, or sb::Accepted<User>, or an asio::awaitable of one)"
#define SWITCHBOARD_SIGNATURE_may_subscribe \
  "bool may_subscribe(const User&, std::string_view channel) (or asio::awaitable<bool>)"
#define SWITCHBOARD_SIGNATURE_may_publish \
  "bool may_publish(const User&, std::string_view channel) (or asio::awaitable<bool>)"
#define SWITCHBOARD_SIGNATURE_presence_info \
  "nlohmann::json presence_info(const User&, std::string_view channel)"
#define SWITCHBOARD_SIGNATURE_on_open "void on_open(sb::Connection<App>) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_suspend "void on_suspend(sb::Connection<App>) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_resume \
  "void on_resume(sb::Connection<App>, sb::Resume) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_close \
  "void on_close(sb::Connection<App>, sb::CloseReason) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_subscribe \
  "void on_subscribe(sb::Connection<App>, std::string_view channel) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_unsubscribe \
  "void on_unsubscribe(sb::Connection<App>, std::string_view channel) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_message \
  "void on_message(sb::Connection<App>, nlohmann::json) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_binary "void binary(sb::BinaryHandlers<App>&)"
#define SWITCHBOARD_SIGNATURE_on_text \
  "void on_text(sb::Connection<App>, std::string_view) (or asio::awaitable<void>)"
#define SWITCHBOARD_SIGNATURE_on_binary \
  "void on_binary(sb::Connection<App>, std::span<const std::byte>) (or asio::awaitable<void>)"

// clang-format off
// Names that are meant to be a member the library calls, and that it would never call. Left out is what may
// well be a function of the App's own: connect, disconnect, may_read, on_join, on_tick, handle_image …
#define SWITCHBOARD_NEAR_MISSES(near_miss) \
  near_miss(Authenticate, authenticate) near_miss(athenticate, authenticate) \
  near_miss(autenticate, authenticate) near_miss(authentcate, authenticate) \
  near_miss(authenicate, authenticate) near_miss(authenticated, authenticate) \
  near_miss(authenticate_user, authenticate) near_miss(authentificate, authenticate) \
  near_miss(autheticate, authenticate) near_miss(authorise, authenticate) \
  near_miss(authorize, authenticate) near_miss(onAuthenticate, authenticate) \
  near_miss(on_auth, authenticate) near_miss(on_authenticate, authenticate) \
  near_miss(on_handshake, authenticate) \
  near_miss(MaySubscribe, may_subscribe) near_miss(allowSubscribe, may_subscribe) \
  near_miss(allow_subscribe, may_subscribe) near_miss(allow_subscription, may_subscribe) \
  near_miss(allows_subscribe, may_subscribe) near_miss(authorize_subscribe, may_subscribe) \
  near_miss(authorize_subscription, may_subscribe) near_miss(canSubscribe, may_subscribe) \
  near_miss(can_subscribe, may_subscribe) near_miss(is_subscribe_allowed, may_subscribe) \
  near_miss(maySubscribe, may_subscribe) near_miss(may_subcribe, may_subscribe) \
  near_miss(may_subscibe, may_subscribe) near_miss(may_subscrbe, may_subscribe) \
  near_miss(may_subscrib, may_subscribe) near_miss(may_subscribe_to, may_subscribe) \
  near_miss(may_subsribe, may_subscribe) near_miss(may_suscribe, may_subscribe) \
  near_miss(maysubscribe, may_subscribe) \
  near_miss(MayPublish, may_publish) near_miss(allowPublish, may_publish) \
  near_miss(allow_publish, may_publish) near_miss(allows_publish, may_publish) \
  near_miss(authorize_publish, may_publish) near_miss(canPublish, may_publish) \
  near_miss(can_publish, may_publish) near_miss(is_publish_allowed, may_publish) \
  near_miss(mayPublish, may_publish) near_miss(may_plublish, may_publish) \
  near_miss(may_pubish, may_publish) near_miss(may_publich, may_publish) \
  near_miss(may_publis, may_publish) near_miss(may_publish_to, may_publish) \
  near_miss(may_publsh, may_publish) near_miss(may_pulish, may_publish) near_miss(maypublish, may_publish) \
  near_miss(onPublish, may_publish) near_miss(on_publish, may_publish) \
  near_miss(on_published, may_publish) \
  near_miss(PresenceInfo, presence_info) near_miss(getPresenceInfo, presence_info) \
  near_miss(get_presence_info, presence_info) near_miss(on_presence, presence_info) \
  near_miss(presenceInfo, presence_info) near_miss(presence_inf, presence_info) \
  near_miss(presense_info, presence_info) near_miss(presnce_info, presence_info) \
  near_miss(OnMessage, on_message) near_miss(handleMessage, on_message) \
  near_miss(handle_message, on_message) near_miss(onJson, on_message) near_miss(onMessage, on_message) \
  near_miss(on_json, on_message) near_miss(on_json_message, on_message) near_miss(on_massage, on_message) \
  near_miss(on_mesage, on_message) near_miss(on_mesasge, on_message) near_miss(on_messag, on_message) \
  near_miss(on_message_received, on_message) near_miss(on_messages, on_message) \
  near_miss(on_messsage, on_message) near_miss(on_msg, on_message) near_miss(on_receive, on_message) \
  near_miss(on_received, on_message) near_miss(onmessage, on_message) \
  near_miss(OnConnect, on_open) near_miss(OnOpen, on_open) near_miss(onConnect, on_open) \
  near_miss(onConnected, on_open) near_miss(onConnection, on_open) near_miss(onOpen, on_open) \
  near_miss(on_client_connected, on_open) near_miss(on_connect, on_open) near_miss(on_connected, on_open) \
  near_miss(on_connection, on_open) near_miss(on_conect, on_open) near_miss(on_new_connection, on_open) \
  near_miss(on_opened, on_open) near_miss(on_opne, on_open) near_miss(onopen, on_open) \
  near_miss(OnSuspend, on_suspend) near_miss(onSuspend, on_suspend) \
  near_miss(on_connection_lost, on_suspend) near_miss(on_supend, on_suspend) \
  near_miss(on_susped, on_suspend) near_miss(on_suspended, on_suspend) \
  near_miss(OnResume, on_resume) near_miss(onReconnect, on_resume) near_miss(onResume, on_resume) \
  near_miss(on_reconnect, on_resume) near_miss(on_reconnected, on_resume) near_miss(on_recover, on_resume) \
  near_miss(on_recovered, on_resume) near_miss(on_resum, on_resume) near_miss(on_resumed, on_resume) \
  near_miss(OnClose, on_close) near_miss(OnDisconnect, on_close) near_miss(onClose, on_close) \
  near_miss(onDisconnect, on_close) near_miss(onDisconnected, on_close) near_miss(onError, on_close) \
  near_miss(on_client_disconnected, on_close) near_miss(on_closed, on_close) \
  near_miss(on_closing, on_close) near_miss(on_clsoe, on_close) near_miss(on_colse, on_close) \
  near_miss(on_disconect, on_close) near_miss(on_disconnect, on_close) \
  near_miss(on_disconnected, on_close) near_miss(on_disconnection, on_close) near_miss(on_error, on_close) \
  near_miss(onclose, on_close) \
  near_miss(OnSubscribe, on_subscribe) near_miss(onSubscribe, on_subscribe) \
  near_miss(onSubscribed, on_subscribe) near_miss(on_subcribe, on_subscribe) \
  near_miss(on_subscibe, on_subscribe) near_miss(on_subscrib, on_subscribe) \
  near_miss(on_subscribed, on_subscribe) near_miss(on_subscription, on_subscribe) \
  near_miss(on_suscribe, on_subscribe) \
  near_miss(OnUnsubscribe, on_unsubscribe) near_miss(onUnsubscribe, on_unsubscribe) \
  near_miss(onUnsubscribed, on_unsubscribe) near_miss(on_unsub, on_unsubscribe) \
  near_miss(on_unsubcribe, on_unsubscribe) near_miss(on_unsubscibe, on_unsubscribe) \
  near_miss(on_unsubscrib, on_unsubscribe) near_miss(on_unsubscribed, on_unsubscribe) \
  near_miss(on_unsuscribe, on_unsubscribe) \
  near_miss(bind_binary, binary) near_miss(configure_binary, binary) near_miss(init_binary, binary) \
  near_miss(on_binary_message, binary) near_miss(register_binary, binary) \
  near_miss(register_binary_handlers, binary) near_miss(setup_binary, binary) \
  near_miss(OnText, on_text) near_miss(onText, on_text) near_miss(on_text_message, on_text) \
  near_miss(on_txt, on_text) \
  near_miss(OnBinary, on_binary) near_miss(onBinary, on_binary) near_miss(on_bin, on_binary) \
  near_miss(on_binary_data, on_binary) near_miss(on_bytes, on_binary)

// Nouns that may as well name data or a type of the App's own; only as a function are they a slip.
#define SWITCHBOARD_NEAR_MISS_NOUNS(near_miss) \
  near_miss(auth, authenticate) near_miss(authentication, authenticate) \
  near_miss(authorization, authenticate) \
  near_miss(presence, presence_info) near_miss(presence_data, presence_info) \
  near_miss(message_handler, on_message) \
  near_miss(Binary, binary) near_miss(binary_dispatcher, binary) near_miss(binary_handlers, binary)

// Types that nothing would look for.
#define SWITCHBOARD_NEAR_MISS_TYPES(near_miss) \
  near_miss(HeartBeat, "Heartbeat = sb::JsonHeartbeat") \
  near_miss(HeartbeatPolicy, "Heartbeat = sb::JsonHeartbeat") \
  near_miss(heartbeat, "Heartbeat = sb::JsonHeartbeat") \
  near_miss(BrokerType, "Broker = sb::InMemoryBroker") near_miss(broker, "Broker = sb::InMemoryBroker") \
  near_miss(AccessPolicy, "Access = sb::OpenAccess") near_miss(access, "Access = sb::OpenAccess")
// clang-format on

namespace switchboard::inline v1 {
namespace detail {

#define SWITCHBOARD_DECLARE(name, meant) int name;
struct NearMissProbe {
  SWITCHBOARD_NEAR_MISSES(SWITCHBOARD_DECLARE)
  SWITCHBOARD_NEAR_MISS_NOUNS(SWITCHBOARD_DECLARE)
};
#undef SWITCHBOARD_DECLARE

#define SWITCHBOARD_NEAR_MISS_TEXT(name, meant) \
  "switchboard: nothing calls a member " #name "; did you mean: " meant
#define SWITCHBOARD_REFUSE(name, meant) \
  static_assert(requires { &Names::name; }, SWITCHBOARD_NEAR_MISS_TEXT(name, SWITCHBOARD_SIGNATURE(meant)));
#define SWITCHBOARD_REFUSE_FUNCTION(name, meant)                                                         \
  static_assert(                                                                                         \
      requires { &Names::name; } || requires { sizeof(App::name); } || requires { typename App::name; }, \
      SWITCHBOARD_NEAR_MISS_TEXT(name, SWITCHBOARD_SIGNATURE(meant)));
#define SWITCHBOARD_REFUSE_TYPE(name, meant) \
  static_assert(                             \
      !requires { typename App::name; },     \
      "switchboard: nothing uses a type " #name "; did you mean: using " meant ";");

template <class App>
constexpr void refuse_near_misses() {
  using Names = Probed<App, NearMissProbe>;
  SWITCHBOARD_NEAR_MISSES(SWITCHBOARD_REFUSE)
  SWITCHBOARD_NEAR_MISS_NOUNS(SWITCHBOARD_REFUSE_FUNCTION)
  SWITCHBOARD_NEAR_MISS_TYPES(SWITCHBOARD_REFUSE_TYPE)
}

#undef SWITCHBOARD_NEAR_MISS_TEXT
#undef SWITCHBOARD_REFUSE
#undef SWITCHBOARD_REFUSE_FUNCTION
#undef SWITCHBOARD_REFUSE_TYPE

#define SWITCHBOARD_PUBLIC_TYPE(name)                                 \
  static_assert(                                                      \
      requires { &Names::name; } || requires { typename App::name; }, \
      "switchboard: " #name " must be a public type of the App")

// A private type would be passed over in silence.
template <class App>
constexpr void check_types_are_public() {
  using Names = Probed<App, MemberProbe>;
  SWITCHBOARD_PUBLIC_TYPE(User);
  SWITCHBOARD_PUBLIC_TYPE(State);
  SWITCHBOARD_PUBLIC_TYPE(Heartbeat);
  SWITCHBOARD_PUBLIC_TYPE(Broker);
  SWITCHBOARD_PUBLIC_TYPE(Access);
}

#undef SWITCHBOARD_PUBLIC_TYPE

template <class App>
constexpr void check_types() {
  static_assert(
      requires { requires std::same_as<decltype(App::User::id), std::string>; },
      "switchboard: an App needs a public type User with an id: struct User { std::string id; };");
  static_assert(std::movable<UserOf<App>>,
                "switchboard: User must be movable: struct User { std::string id; };");
  static_assert(std::default_initializable<StateOf<App>>,
                "switchboard: State must be default-constructible, each session begins with State{}");
  check_heartbeat<HeartbeatOf<App>>();
  // Ours is held to its concept where it is defined, and is only declared here.
  if constexpr (!std::same_as<BrokerOf<App>, InMemoryBroker>) {
    check_broker<BrokerOf<App>>();
    if constexpr (AppTraits<App>::has_presence_info) check_presence<BrokerOf<App>>();
  }
  if constexpr (requires { typename App::Access; }) {
    static_assert(AppTraits<App>::has_open_access,
                  "switchboard: Access can only be: using Access = sb::OpenAccess;");
  }
}

#define SWITCHBOARD_MUST_BE(member) \
  "switchboard: member " #member " must be callable as: " SWITCHBOARD_SIGNATURE(member)
#define SWITCHBOARD_REQUIRED(member) \
  "switchboard: an App needs a member " #member ": " SWITCHBOARD_SIGNATURE(member)
#define SWITCHBOARD_OR_OPEN " (or, to let everyone: using Access = sb::OpenAccess;)"

template <class App>
constexpr void check_access() {
  using Has = AppTraits<App>;
  constexpr bool is_open = Has::has_open_access || Has::is_raw;
  static_assert(Has::has_authenticate, SWITCHBOARD_REQUIRED(authenticate));
  static_assert(Has::has_may_subscribe || is_open, SWITCHBOARD_REQUIRED(may_subscribe) SWITCHBOARD_OR_OPEN);
  static_assert(Has::has_may_publish || is_open, SWITCHBOARD_REQUIRED(may_publish) SWITCHBOARD_OR_OPEN);

  static_assert(!Has::has_authenticate || Authenticates<App>, SWITCHBOARD_MUST_BE(authenticate));
  static_assert(!Has::has_may_subscribe || DecidesSubscribe<App>, SWITCHBOARD_MUST_BE(may_subscribe));
  static_assert(!Has::has_may_publish || DecidesPublish<App>, SWITCHBOARD_MUST_BE(may_publish));
  static_assert(!Has::has_presence_info || InformsPresence<App>, SWITCHBOARD_MUST_BE(presence_info));
}

template <class App>
constexpr void check_handlers() {
  using Has = AppTraits<App>;
  static_assert(!Has::has_on_open || HandlesOpen<App>, SWITCHBOARD_MUST_BE(on_open));
  static_assert(!Has::has_on_suspend || HandlesSuspend<App>, SWITCHBOARD_MUST_BE(on_suspend));
  static_assert(!Has::has_on_resume || HandlesResume<App>, SWITCHBOARD_MUST_BE(on_resume));
  static_assert(!Has::has_on_close || HandlesClose<App>, SWITCHBOARD_MUST_BE(on_close));
  static_assert(!Has::has_on_subscribe || HandlesSubscribe<App>, SWITCHBOARD_MUST_BE(on_subscribe));
  static_assert(!Has::has_on_unsubscribe || HandlesUnsubscribe<App>, SWITCHBOARD_MUST_BE(on_unsubscribe));
  static_assert(!Has::has_on_message || HandlesMessage<App>, SWITCHBOARD_MUST_BE(on_message));
  static_assert(!Has::has_binary || RegistersBinary<App>, SWITCHBOARD_MUST_BE(binary));
  static_assert(!Has::has_on_text || HandlesText<App>, SWITCHBOARD_MUST_BE(on_text));
  static_assert(!Has::has_on_binary || HandlesBinary<App>, SWITCHBOARD_MUST_BE(on_binary));
}

#undef SWITCHBOARD_MUST_BE
#undef SWITCHBOARD_REQUIRED
#undef SWITCHBOARD_OR_OPEN

#define SWITCHBOARD_NOT_RAW(member)                  \
  "switchboard: nothing calls " #member              \
  " in raw mode, which on_text and on_binary make; " \
  "take one or the other: " SWITCHBOARD_SIGNATURE(member)

template <class App>
constexpr void check_raw_mode() {
  using Has = AppTraits<App>;
  static_assert(!Has::has_on_message, SWITCHBOARD_NOT_RAW(on_message));
  static_assert(!Has::has_binary, SWITCHBOARD_NOT_RAW(binary));
  static_assert(!Has::has_may_subscribe, SWITCHBOARD_NOT_RAW(may_subscribe));
  static_assert(!Has::has_may_publish, SWITCHBOARD_NOT_RAW(may_publish));
  static_assert(!Has::has_on_suspend, SWITCHBOARD_NOT_RAW(on_suspend));
  static_assert(!Has::has_on_resume, SWITCHBOARD_NOT_RAW(on_resume));
  static_assert(!Has::has_on_subscribe, SWITCHBOARD_NOT_RAW(on_subscribe));
  static_assert(!Has::has_on_unsubscribe, SWITCHBOARD_NOT_RAW(on_unsubscribe));
  static_assert(!Has::has_presence_info, SWITCHBOARD_NOT_RAW(presence_info));
  static_assert(
      !requires { requires HeartbeatOf<App>::beat == Beat::json_ping; },
      "switchboard: raw mode has no JSON heartbeat: using Heartbeat = sb::PingFrameHeartbeat;");
}

#undef SWITCHBOARD_NOT_RAW

}  // namespace detail

/// Refuses, each by one readable compile error, an App that lacks a required member, has one with another
/// signature, or one under a name that nothing calls. Wants App and Connection<App> complete. Written as
/// `static_assert(check_app<App>());` it comes before whatever else the same mistake breaks.
template <class App>
constexpr bool check_app() {
  static_assert(std::is_class_v<App> && !std::is_const_v<App>, "switchboard: an App is a struct or a class");
  static_assert(!std::is_final_v<App>,
                "switchboard: an App must not be final, its members are found by deriving from it");
  if constexpr (detail::can_be_probed<App>) {
    static_assert(sizeof(Connection<App>) != 0);
    detail::refuse_near_misses<App>();
    detail::check_types_are_public<App>();
    detail::check_types<App>();
    detail::check_access<App>();
    detail::check_handlers<App>();
    if constexpr (AppTraits<App>::is_raw) detail::check_raw_mode<App>();
  }
  return true;
}

}  // namespace switchboard::inline v1

#undef SWITCHBOARD_NEAR_MISSES
#undef SWITCHBOARD_NEAR_MISS_NOUNS
#undef SWITCHBOARD_NEAR_MISS_TYPES
#undef SWITCHBOARD_SIGNATURE
#undef SWITCHBOARD_SIGNATURE_authenticate
#undef SWITCHBOARD_SIGNATURE_may_subscribe
#undef SWITCHBOARD_SIGNATURE_may_publish
#undef SWITCHBOARD_SIGNATURE_presence_info
#undef SWITCHBOARD_SIGNATURE_on_open
#undef SWITCHBOARD_SIGNATURE_on_suspend
#undef SWITCHBOARD_SIGNATURE_on_resume
#undef SWITCHBOARD_SIGNATURE_on_close
#undef SWITCHBOARD_SIGNATURE_on_subscribe
#undef SWITCHBOARD_SIGNATURE_on_unsubscribe
#undef SWITCHBOARD_SIGNATURE_on_message
#undef SWITCHBOARD_SIGNATURE_binary
#undef SWITCHBOARD_SIGNATURE_on_text
#undef SWITCHBOARD_SIGNATURE_on_binary
