// SPDX-License-Identifier: MIT
// Structs that pass check_app and structs that must not. Above a case stands what its first error line
// must say (run.py, which makes a case of every near-miss in the header as well):
//   compiles         nothing
//   wrong: m         member m must be callable as, and its signature
//   missing: m       an App needs a member m, and its signature
//   not raw: m       nothing calls m in raw mode
//   says: text       that text
#include "well_formed.hpp"

// compiles
CASE(baseline)
struct App : WellFormed<App> {};
END

// compiles
CASE(raw_baseline)
struct App : WellFormedRaw<App> {};
END

// compiles
CASE(parts_of_its_own)
struct App : WellFormed<App> {
  using Broker = WellFormedBroker;
  using Heartbeat = sb::NoHeartbeat;
  using Access = sb::OpenAccess;
  struct State {};
};
END

// says: nothing calls a member can_subscribe; did you mean: bool may_subscribe(const User&
CASE(a_near_miss_is_private)
class App : public WellFormed<App> {
  bool can_subscribe(const User&, std::string_view);
};
END

// says: nothing calls a member on_connect; did you mean: void on_open(sb::Connection<App>)
CASE(a_near_miss_is_a_template)
struct App : WellFormed<App> {
  void on_connect(auto connection);
};
END

// says: nothing calls a member onMessage; did you mean: void on_message(sb::Connection<App>, nlohmann::json)
CASE(a_near_miss_is_a_function_object)
struct App : WellFormed<App> {
  std::function<void(sb::Connection<App>, json)> onMessage;
};
END

// says: nothing calls a member auth; did you mean: std::optional<User> authenticate(
CASE(a_near_miss_noun_is_static)
struct App : WellFormed<App> {
  static std::optional<User> auth(const sb::UpgradeRequest&);
};
END

// says: nothing calls a member may_subscibe; did you mean: bool may_subscribe(const User&
CASE(a_near_miss_instead_of_the_member)
struct App : Identified {
  bool may_subscibe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// says: an App is a struct or a class
CASE(app_is_no_class)
using App = int;
END

// says: an App must not be final
CASE(app_is_final)
struct App final : WellFormed<App> {};
END

// says: an App needs a public type User with an id: struct User { std::string id; };
CASE(user_is_missing)
struct App {
  struct Person {
    std::string id;
  };
  std::optional<Person> authenticate(const sb::UpgradeRequest&);
  bool may_subscribe(const Person&, std::string_view);
  bool may_publish(const Person&, std::string_view);
};
END

// says: an App needs a public type User with an id: struct User { std::string id; };
CASE(user_without_id)
struct App {
  struct User {
    std::string name;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&);
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// says: an App needs a public type User with an id: struct User { std::string id; };
CASE(user_id_is_a_number)
struct App {
  struct User {
    int id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&);
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// says: User must be a public type of the App
CASE(user_is_private)
class App {
  struct User {
    std::string id;
  };

 public:
  std::optional<User> authenticate(const sb::UpgradeRequest&);
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// says: User must be movable: struct User { std::string id; };
CASE(user_cannot_move)
struct App {
  struct User {
    User(const User&) = delete;
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&);
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// says: State must be default-constructible
CASE(state_without_default)
struct App : WellFormed<App> {
  struct State {
    explicit State(int);
  };
};
END

// says: State must be a public type of the App
CASE(state_is_private)
class App : public WellFormed<App> {
  struct State {};
};
END

// says: Heartbeat must be a public type of the App
CASE(heartbeat_is_private)
class App : public WellFormed<App> {
  using Heartbeat = sb::NoHeartbeat;
};
END

// says: Broker must be a public type of the App
CASE(broker_is_private)
class App : public WellFormed<App> {
  using Broker = WellFormedBroker;
};
END

// says: Access must be a public type of the App
CASE(access_is_private)
class App : public WellFormed<App> {
  using Access = sb::OpenAccess;
};
END

// says: Access can only be: using Access = sb::OpenAccess;
CASE(access_is_something_else)
struct App : WellFormed<App> {
  using Access = int;
};
END

// missing: authenticate
CASE(authenticate_is_missing)
struct App {
  struct User {
    std::string id;
  };
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};
END

// missing: authenticate
CASE(authenticate_is_missing_in_raw_mode)
struct App {
  struct User {
    std::string id;
  };
  void on_text(sb::Connection<App>, std::string_view);
};
END

// wrong: authenticate
CASE(authenticate_returns_bool)
struct App : WellFormed<App> {
  bool authenticate(const sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_returns_a_user)
struct App : WellFormed<App> {
  User authenticate(const sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_returns_another_type)
struct App : WellFormed<App> {
  std::optional<std::string> authenticate(const sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_returns_a_pointer)
struct App : WellFormed<App> {
  std::unique_ptr<User> authenticate(const sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_takes_the_token)
struct App : WellFormed<App> {
  std::optional<User> authenticate(std::string_view token);
};
END

// wrong: authenticate
CASE(authenticate_takes_a_mutable_request)
struct App : WellFormed<App> {
  std::optional<User> authenticate(sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_takes_nothing)
struct App : WellFormed<App> {
  std::optional<User> authenticate();
};
END

// wrong: authenticate
CASE(authenticate_is_private)
class App : public WellFormed<App> {
  std::optional<User> authenticate(const sb::UpgradeRequest&);
};
END

// wrong: authenticate
CASE(authenticate_is_a_private_template)
class App : public WellFormed<App> {
  std::optional<User> authenticate(const auto&);
};
END

// wrong: authenticate
CASE(authenticate_is_a_type)
struct App : WellFormed<App> {
  struct authenticate {};
};
END

// missing: may_subscribe
CASE(may_subscribe_is_missing)
struct App : Identified {
  bool may_publish(const User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_takes_a_string)
struct App : WellFormed<App> {
  bool may_subscribe(const User&, std::string);
};
END

// wrong: may_subscribe
CASE(may_subscribe_takes_a_mutable_user)
struct App : WellFormed<App> {
  bool may_subscribe(User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_takes_the_channel_first)
struct App : WellFormed<App> {
  bool may_subscribe(std::string_view, const User&);
};
END

// wrong: may_subscribe
CASE(may_subscribe_takes_the_connection)
struct App : WellFormed<App> {
  bool may_subscribe(sb::Connection<App>, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_takes_no_user)
struct App : WellFormed<App> {
  bool may_subscribe(std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_returns_int)
struct App : WellFormed<App> {
  int may_subscribe(const User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_returns_void)
struct App : WellFormed<App> {
  void may_subscribe(const User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_awaits_nothing)
struct App : WellFormed<App> {
  asio::awaitable<void> may_subscribe(const User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_is_private)
class App : public WellFormed<App> {
  bool may_subscribe(const User&, std::string_view);
};
END

// wrong: may_subscribe
CASE(may_subscribe_is_wrong_beside_open_access)
struct App : Identified {
  using Access = sb::OpenAccess;
  bool may_subscribe(const User&);
};
END

// missing: may_publish
CASE(may_publish_is_missing)
struct App : Identified {
  bool may_subscribe(const User&, std::string_view);
};
END

// wrong: may_publish
CASE(may_publish_takes_data)
struct App : WellFormed<App> {
  bool may_publish(const User&, std::string_view, json);
};
END

// wrong: may_publish
CASE(may_publish_takes_a_string)
struct App : WellFormed<App> {
  bool may_publish(const User&, const std::string&);
};
END

// wrong: may_publish
CASE(may_publish_returns_optional)
struct App : WellFormed<App> {
  std::optional<bool> may_publish(const User&, std::string_view);
};
END

// wrong: may_publish
CASE(may_publish_is_private)
class App : public WellFormed<App> {
  bool may_publish(const User&, std::string_view);
};
END

// wrong: may_publish
CASE(may_publish_is_data)
struct App : WellFormed<App> {
  bool may_publish = true;
};
END

// wrong: presence_info
CASE(presence_info_returns_text)
struct App : WellFormed<App> {
  std::string presence_info(const User&, std::string_view);
};
END

// wrong: presence_info
CASE(presence_info_takes_no_channel)
struct App : WellFormed<App> {
  json presence_info(const User&);
};
END

// wrong: presence_info
CASE(presence_info_takes_the_connection)
struct App : WellFormed<App> {
  json presence_info(sb::Connection<App>, std::string_view);
};
END

// wrong: presence_info
CASE(presence_info_is_awaitable)
struct App : WellFormed<App> {
  asio::awaitable<json> presence_info(const User&, std::string_view);
};
END

// wrong: presence_info
CASE(presence_info_is_private)
class App : public WellFormed<App> {
  json presence_info(const User&, std::string_view);
};
END

// wrong: on_open
CASE(on_open_takes_nothing)
struct App : WellFormed<App> {
  void on_open();
};
END

// wrong: on_open
CASE(on_open_takes_the_user)
struct App : WellFormed<App> {
  void on_open(const User&);
};
END

// wrong: on_open
CASE(on_open_takes_a_pointer)
struct App : WellFormed<App> {
  void on_open(sb::Connection<App>*);
};
END

// wrong: on_open
CASE(on_open_takes_another_apps_connection)
struct Other : WellFormed<Other> {};
struct App : WellFormed<App> {
  void on_open(sb::Connection<Other>);
};
END

// wrong: on_open
CASE(on_open_takes_the_request_too)
struct App : WellFormed<App> {
  void on_open(sb::Connection<App>, const sb::UpgradeRequest&);
};
END

// wrong: on_open
CASE(on_open_returns_bool)
struct App : WellFormed<App> {
  bool on_open(sb::Connection<App>);
};
END

// wrong: on_open
CASE(on_open_awaits_bool)
struct App : WellFormed<App> {
  asio::awaitable<bool> on_open(sb::Connection<App>);
};
END

// wrong: on_open
CASE(on_open_is_private)
class App : public WellFormed<App> {
  void on_open(sb::Connection<App>);
};
END

// wrong: on_open
CASE(on_open_is_overloaded_without_a_match)
struct App : WellFormed<App> {
  void on_open();
  void on_open(int);
};
END

// wrong: on_suspend
CASE(on_suspend_takes_nothing)
struct App : WellFormed<App> {
  void on_suspend();
};
END

// wrong: on_suspend
CASE(on_suspend_takes_a_reason)
struct App : WellFormed<App> {
  void on_suspend(sb::Connection<App>, sb::CloseReason);
};
END

// wrong: on_suspend
CASE(on_suspend_returns_bool)
struct App : WellFormed<App> {
  bool on_suspend(sb::Connection<App>);
};
END

// wrong: on_suspend
CASE(on_suspend_is_private)
class App : public WellFormed<App> {
  void on_suspend(sb::Connection<App>);
};
END

// wrong: on_resume
CASE(on_resume_takes_no_resume)
struct App : WellFormed<App> {
  void on_resume(sb::Connection<App>);
};
END

// wrong: on_resume
CASE(on_resume_takes_bool)
struct App : WellFormed<App> {
  void on_resume(sb::Connection<App>, bool recovered);
};
END

// wrong: on_resume
CASE(on_resume_returns_int)
struct App : WellFormed<App> {
  int on_resume(sb::Connection<App>, sb::Resume);
};
END

// wrong: on_resume
CASE(on_resume_is_private)
class App : public WellFormed<App> {
  void on_resume(sb::Connection<App>, sb::Resume);
};
END

// wrong: on_close
CASE(on_close_takes_no_reason)
struct App : WellFormed<App> {
  void on_close(sb::Connection<App>);
};
END

// wrong: on_close
CASE(on_close_takes_a_code)
struct App : WellFormed<App> {
  void on_close(sb::Connection<App>, sb::CloseCode);
};
END

// wrong: on_close
CASE(on_close_takes_a_code_and_text)
struct App : WellFormed<App> {
  void on_close(sb::Connection<App>, sb::CloseCode, std::string_view);
};
END

// wrong: on_close
CASE(on_close_returns_bool)
struct App : WellFormed<App> {
  bool on_close(sb::Connection<App>, sb::CloseReason);
};
END

// wrong: on_close
CASE(on_close_is_private)
class App : public WellFormed<App> {
  void on_close(sb::Connection<App>, sb::CloseReason);
};
END

// wrong: on_subscribe
CASE(on_subscribe_takes_no_channel)
struct App : WellFormed<App> {
  void on_subscribe(sb::Connection<App>);
};
END

// wrong: on_subscribe
CASE(on_subscribe_takes_a_string)
struct App : WellFormed<App> {
  void on_subscribe(sb::Connection<App>, std::string);
};
END

// wrong: on_subscribe
CASE(on_subscribe_takes_the_user)
struct App : WellFormed<App> {
  void on_subscribe(const User&, std::string_view);
};
END

// wrong: on_subscribe
CASE(on_subscribe_returns_bool)
struct App : WellFormed<App> {
  bool on_subscribe(sb::Connection<App>, std::string_view);
};
END

// wrong: on_subscribe
CASE(on_subscribe_is_private)
class App : public WellFormed<App> {
  void on_subscribe(sb::Connection<App>, std::string_view);
};
END

// wrong: on_unsubscribe
CASE(on_unsubscribe_takes_no_channel)
struct App : WellFormed<App> {
  void on_unsubscribe(sb::Connection<App>);
};
END

// wrong: on_unsubscribe
CASE(on_unsubscribe_takes_a_string)
struct App : WellFormed<App> {
  void on_unsubscribe(sb::Connection<App>, const std::string&);
};
END

// wrong: on_unsubscribe
CASE(on_unsubscribe_returns_bool)
struct App : WellFormed<App> {
  bool on_unsubscribe(sb::Connection<App>, std::string_view);
};
END

// wrong: on_unsubscribe
CASE(on_unsubscribe_is_private)
class App : public WellFormed<App> {
  void on_unsubscribe(sb::Connection<App>, std::string_view);
};
END

// wrong: on_message
CASE(on_message_takes_a_string)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, std::string);
};
END

// wrong: on_message
CASE(on_message_takes_a_string_and_anything)
struct App : WellFormed<App> {
  void on_message(auto&, std::string);
};
END

// wrong: on_message
CASE(on_message_takes_a_string_view)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, std::string_view);
};
END

// wrong: on_message
CASE(on_message_takes_an_int)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, int);
};
END

// wrong: on_message
CASE(on_message_takes_a_map)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, std::map<std::string, json>);
};
END

// wrong: on_message
CASE(on_message_takes_ordered_json)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, nlohmann::ordered_json);
};
END

// wrong: on_message
CASE(on_message_takes_a_mutable_json)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, json&);
};
END

// wrong: on_message
CASE(on_message_takes_the_json_alone)
struct App : WellFormed<App> {
  void on_message(json);
};
END

// wrong: on_message
CASE(on_message_takes_the_json_first)
struct App : WellFormed<App> {
  void on_message(json, sb::Connection<App>);
};
END

// wrong: on_message
CASE(on_message_takes_the_user)
struct App : WellFormed<App> {
  void on_message(const User&, json);
};
END

// wrong: on_message
CASE(on_message_returns_json)
struct App : WellFormed<App> {
  json on_message(sb::Connection<App>, json);
};
END

// wrong: on_message
CASE(on_message_awaits_json)
struct App : WellFormed<App> {
  asio::awaitable<json> on_message(sb::Connection<App>, json);
};
END

// wrong: on_message
CASE(on_message_is_private)
class App : public WellFormed<App> {
  void on_message(sb::Connection<App>, json);
};
END

// wrong: on_message
CASE(on_message_is_a_private_template)
class App : public WellFormed<App> {
  void on_message(auto connection, auto message);
};
END

// wrong: on_message
CASE(on_message_is_for_temporaries)
struct App : WellFormed<App> {
  void on_message(sb::Connection<App>, json) &&;
};
END

// wrong: binary
CASE(binary_takes_nothing)
struct App : WellFormed<App> {
  void binary();
};
END

// wrong: binary
CASE(binary_takes_a_message)
struct App : WellFormed<App> {
  void binary(sb::Connection<App>, std::span<const std::byte>);
};
END

// wrong: binary
CASE(binary_returns_bool)
struct App : WellFormed<App> {
  bool binary(sb::BinaryHandlers<App>&);
};
END

// wrong: binary
CASE(binary_is_awaitable)
struct App : WellFormed<App> {
  asio::awaitable<void> binary(sb::BinaryHandlers<App>&);
};
END

// wrong: binary
CASE(binary_is_data)
struct App : WellFormed<App> {
  bool binary = false;
};
END

// wrong: binary
CASE(binary_is_private)
class App : public WellFormed<App> {
  void binary(sb::BinaryHandlers<App>&);
};
END

// wrong: on_text
CASE(on_text_takes_a_string)
struct App : WellFormedRaw<App> {
  void on_text(sb::Connection<App>, std::string);
};
END

// wrong: on_text
CASE(on_text_takes_json)
struct App : WellFormedRaw<App> {
  void on_text(sb::Connection<App>, json);
};
END

// wrong: on_text
CASE(on_text_returns_text)
struct App : WellFormedRaw<App> {
  std::string on_text(sb::Connection<App>, std::string_view);
};
END

// wrong: on_text
CASE(on_text_is_private)
class App : public WellFormedRaw<App> {
  void on_text(sb::Connection<App>, std::string_view);
};
END

// wrong: on_binary
CASE(on_binary_takes_a_vector)
struct App : WellFormedRaw<App> {
  void on_binary(sb::Connection<App>, std::vector<std::byte>);
};
END

// wrong: on_binary
CASE(on_binary_takes_mutable_bytes)
struct App : WellFormedRaw<App> {
  void on_binary(sb::Connection<App>, std::span<std::byte>);
};
END

// wrong: on_binary
CASE(on_binary_takes_chars)
struct App : WellFormedRaw<App> {
  void on_binary(sb::Connection<App>, std::span<const char>);
};
END

// wrong: on_binary
CASE(on_binary_takes_a_type)
struct App : WellFormedRaw<App> {
  void on_binary(sb::Connection<App>, std::uint32_t type, std::span<const std::byte>);
};
END

// wrong: on_binary
CASE(on_binary_returns_bool)
struct App : WellFormedRaw<App> {
  bool on_binary(sb::Connection<App>, std::span<const std::byte>);
};
END

// wrong: on_binary
CASE(on_binary_is_private)
class App : public WellFormedRaw<App> {
  void on_binary(sb::Connection<App>, std::span<const std::byte>);
};
END

// not raw: on_message
CASE(raw_mode_with_on_message)
struct App : WellFormedRaw<App> {
  void on_message(sb::Connection<App>, json);
};
END

// not raw: on_message
CASE(on_binary_with_on_message)
struct App : Identified {
  void on_binary(sb::Connection<App>, std::span<const std::byte>);
  void on_message(sb::Connection<App>, json);
};
END

// not raw: binary
CASE(raw_mode_with_binary)
struct App : WellFormedRaw<App> {
  void binary(sb::BinaryHandlers<App>&);
};
END

// not raw: may_subscribe
CASE(raw_mode_with_may_subscribe)
struct App : WellFormedRaw<App> {
  bool may_subscribe(const User&, std::string_view);
};
END

// not raw: may_publish
CASE(raw_mode_with_may_publish)
struct App : WellFormedRaw<App> {
  bool may_publish(const User&, std::string_view);
};
END

// not raw: on_suspend
CASE(raw_mode_with_on_suspend)
struct App : WellFormedRaw<App> {
  void on_suspend(sb::Connection<App>);
};
END

// not raw: on_resume
CASE(raw_mode_with_on_resume)
struct App : WellFormedRaw<App> {
  void on_resume(sb::Connection<App>, sb::Resume);
};
END

// not raw: on_subscribe
CASE(raw_mode_with_on_subscribe)
struct App : WellFormedRaw<App> {
  void on_subscribe(sb::Connection<App>, std::string_view);
};
END

// not raw: on_unsubscribe
CASE(raw_mode_with_on_unsubscribe)
struct App : WellFormedRaw<App> {
  void on_unsubscribe(sb::Connection<App>, std::string_view);
};
END

// not raw: presence_info
CASE(raw_mode_with_presence_info)
struct App : WellFormedRaw<App> {
  json presence_info(const User&, std::string_view);
};
END

// says: nothing calls presence_info, as the Broker keeps no presence: its port is no sb::PresencePort
CASE(presence_info_with_a_broker_without_presence)
struct App : WellFormed<App> {
  using Broker = BrokerWith<PortWithoutPresence>;
};
END

// compiles
CASE(broker_without_presence)
struct App : Identified {
  using Broker = BrokerWith<PortWithoutPresence>;
  using Access = sb::OpenAccess;
};
END

// says: raw mode has no JSON heartbeat: using Heartbeat = sb::PingFrameHeartbeat;
CASE(raw_mode_with_json_beats)
struct App : WellFormedRaw<App> {
  using Heartbeat = sb::JsonHeartbeat;
};
END

// says: Heartbeat must say what a beat is: static constexpr sb::Beat beat
CASE(heartbeat_without_beat)
struct App : WellFormed<App> {
  struct Heartbeat {
    sb::Duration interval{}, timeout{};
  };
};
END

// says: Heartbeat needs an interval: sb::Duration interval;
CASE(heartbeat_without_interval)
struct App : WellFormed<App> {
  struct Heartbeat {
    static constexpr sb::Beat beat = sb::Beat::json_ping;
    sb::Duration timeout{};
  };
};
END

// says: Heartbeat needs a timeout: sb::Duration timeout;
CASE(heartbeat_with_a_timeout_in_plain_numbers)
struct App : WellFormed<App> {
  struct Heartbeat {
    static constexpr sb::Beat beat = sb::Beat::ping_frame;
    sb::Duration interval{};
    int timeout = 60;
  };
};
END

// says: beat_text must be callable as: std::string beat_text() const
CASE(heartbeat_whose_text_is_not_const)
struct App : WellFormed<App> {
  struct Heartbeat : sb::JsonHeartbeat {
    std::string beat_text();
  };
};
END

// says: Broker needs a default-constructible type: struct Options
CASE(broker_without_options)
struct App : WellFormed<App> {
  struct Broker {
    WellFormedPort attach(asio::any_io_executor, sb::BrokerSink&);
    void stop();
  };
};
END

// says: Broker needs a constructor: explicit Broker(const Options&)
CASE(broker_without_constructor)
struct App : WellFormed<App> {
  struct Broker : WellFormedBroker {};
};
END

// says: Broker needs: void stop()
CASE(broker_without_stop)
struct App : WellFormed<App> {
  struct Broker {
    struct Options {};
    explicit Broker(Options);
    WellFormedPort attach(asio::any_io_executor, sb::BrokerSink&);
  };
};
END

// says: Broker needs: Port attach(asio::any_io_executor shard, sb::BrokerSink&)
CASE(broker_without_attach)
struct App : WellFormed<App> {
  struct Broker {
    struct Options {};
    explicit Broker(Options);
    WellFormedPort attach(sb::BrokerSink&);
    void stop();
  };
};
END

// says: port needs: void subscribe(std::string_view channel, sb::Done)
CASE(port_without_done)
struct Port : WellFormedPort {
  void subscribe(std::string_view);
};
struct App : WellFormed<App> {
  using Broker = BrokerWith<Port>;
};
END

// says: port needs: void unsubscribe(std::string_view channel)
CASE(port_without_unsubscribe)
struct Port {
  void subscribe(std::string_view, sb::Done);
  void publish(std::string_view, sb::Payload, sb::Done);
};
struct App : WellFormed<App> {
  using Broker = BrokerWith<Port>;
};
END

// says: port needs: void publish(std::string_view channel, sb::Payload, sb::Done)
CASE(port_that_publishes_strings)
struct Port : WellFormedPort {
  void publish(std::string_view, std::string, sb::Done);
};
struct App : WellFormed<App> {
  using Broker = BrokerWith<Port>;
};
END

// says: its port, must be movable
CASE(port_that_cannot_move)
struct Port : WellFormedPort {
  Port(Port&&) = delete;
};
struct App : WellFormed<App> {
  using Broker = BrokerWith<Port>;
};
END
