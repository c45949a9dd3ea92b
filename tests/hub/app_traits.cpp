// SPDX-License-Identifier: MIT
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include <nlohmann/json.hpp>

#include <switchboard/hub/app_check.hpp>
#include <switchboard/hub/connection.hpp>

#include "support/catch.hpp"

// What check_app refuses is in tests/compile_fail. Here is what it must let through.
namespace sb = switchboard;
using json = nlohmann::json;

namespace app_traits_test {

struct Identified {
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&);
};

struct Guarded : Identified {
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
};

struct Least : Guarded {};

struct Open : Identified {
  using Access = sb::OpenAccess;
};

struct HalfOpen : Open {
  bool may_publish(const User&, std::string_view);
};

struct Raw : Identified {
  void on_text(sb::Connection<Raw>, std::string_view);
};

struct RawBinary : Identified {
  asio::awaitable<void> on_binary(sb::Connection<RawBinary>, std::span<const std::byte>);
};

struct ByValue : Guarded {
  json presence_info(const User&, std::string_view);
  void on_open(sb::Connection<ByValue>);
  void on_suspend(sb::Connection<ByValue>);
  void on_resume(sb::Connection<ByValue>, sb::Resume);
  void on_close(sb::Connection<ByValue>, sb::CloseReason);
  void on_subscribe(sb::Connection<ByValue>, std::string_view);
  void on_unsubscribe(sb::Connection<ByValue>, std::string_view);
  void on_message(sb::Connection<ByValue>, json);
  void binary(sb::BinaryHandlers<ByValue>&);
};

struct ByReference : Identified {
  bool may_subscribe(User, const std::string_view&) const;
  static bool may_publish(const User&, std::string_view&&) noexcept;
  json presence_info(const User&, const std::string_view&) const;
  void on_open(sb::Connection<ByReference>&);
  void on_suspend(const sb::Connection<ByReference>&);
  void on_resume(sb::Connection<ByReference>&, const sb::Resume&);
  void on_close(sb::Connection<ByReference>&, sb::CloseReason&&);
  void on_subscribe(const sb::Connection<ByReference>&, const std::string_view&);
  void on_message(sb::Connection<ByReference>&, const json&);
};

struct Generic : Identified {
  auto authenticate(const auto& request) -> std::optional<User>;
  bool may_subscribe(const auto& user, auto channel);
  asio::awaitable<bool> may_publish(const auto& user, auto channel);
  void on_open(auto connection);
  void on_suspend(auto&& connection);
  void on_resume(auto& connection, auto resume);
  void on_close(const auto& connection, const auto& reason);
  void on_unsubscribe(auto... arguments);
  void on_message(auto connection, auto message);
  void binary(auto& on);
};

struct Asynchronous : Identified {
  asio::awaitable<std::optional<User>> authenticate(const sb::UpgradeRequest&);
  asio::awaitable<bool> may_subscribe(const User&, std::string_view);
  asio::awaitable<bool> may_publish(const User&, std::string_view);
  asio::awaitable<void> on_open(sb::Connection<Asynchronous>);
  asio::awaitable<void> on_close(sb::Connection<Asynchronous>, sb::CloseReason);
  asio::awaitable<void> on_message(sb::Connection<Asynchronous>, json&&);
};

struct Overloaded : Guarded {
  void on_message(sb::Connection<Overloaded>, json);
  void on_message(int);
  void on_message(auto connection, std::string) = delete;
};

struct FunctionObjects : Guarded {
  std::function<void(sb::Connection<FunctionObjects>, json)> on_message;
};

// What may be called nearly like a member and is the App's own business.
struct Innocent : Guarded {
  struct presence {};
  std::string auth;
  bool authorization = false;
  void connect();
  void disconnect();
  void on_join(sb::Connection<Innocent>, json);
  void on_leave(sb::Connection<Innocent>, json);
  void on_tick();
  void handle_image(sb::Connection<Innocent>, std::span<const std::byte>);
  bool may_read(const User&);
  int heartbeat = 0;
  int broker = 0;
};

template <class Result>
struct Returns : Open {
  Result authenticate(const sb::UpgradeRequest&);
};

class Private : public Identified {
  void on_open();
  void on_close(auto reason);
  int binary;
  struct on_resume {};

 public:
  int unused() const { return binary; }
};

class Abstract : public Guarded {
 public:
  explicit Abstract(int&);
  Abstract(const Abstract&) = delete;
  virtual ~Abstract() = default;
  virtual void on_open(sb::Connection<Abstract>) = 0;
};

struct OwnParts : Guarded {
  struct State {
    int count = 0;
  };
  struct Heartbeat {
    static constexpr sb::Beat beat = sb::Beat::json_ping;
    std::chrono::minutes interval() const;
    std::chrono::minutes timeout() const;
    std::string beat_text() const;
  };
  struct Port {
    void subscribe(std::string_view, sb::Done);
    void unsubscribe(std::string_view);
    void publish(std::string_view, sb::Payload, sb::Done);
  };
  struct Broker {
    struct Options {};
    explicit Broker(Options);
    Port attach(asio::any_io_executor, sb::BrokerSink&);
    void stop();
  };
};

struct NamesOurs : Guarded {
  using Broker = sb::InMemoryBroker;
  using Heartbeat = sb::PingFrameHeartbeat;
};

template <class App>
concept sends_text = requires(sb::Connection<App> connection) { connection.send_text(std::string_view()); };
template <class App>
concept sends_raw =
    requires(sb::Connection<App> connection) { connection.send_raw(std::span<const std::byte>()); };

}  // namespace app_traits_test

using namespace app_traits_test;

TEST_CASE("an App that has what it must and no more passes") {
  STATIC_REQUIRE(sb::check_app<Least>());
  STATIC_REQUIRE(sb::check_app<Open>());
  STATIC_REQUIRE(sb::check_app<HalfOpen>());
  STATIC_REQUIRE(sb::check_app<Raw>());
  STATIC_REQUIRE(sb::check_app<RawBinary>());
}

TEST_CASE("arguments may be taken by value, by reference, or by whatever they are") {
  STATIC_REQUIRE(sb::check_app<ByValue>());
  STATIC_REQUIRE(sb::check_app<ByReference>());
  STATIC_REQUIRE(sb::check_app<Generic>());
}

TEST_CASE("members may be coroutines, overload sets, function objects and virtual") {
  STATIC_REQUIRE(sb::check_app<Asynchronous>());
  STATIC_REQUIRE(sb::check_app<Overloaded>());
  STATIC_REQUIRE(sb::check_app<FunctionObjects>());
  STATIC_REQUIRE(sb::check_app<Abstract>());
}

TEST_CASE("names of an App's own that only remind of a member pass") {
  STATIC_REQUIRE(sb::check_app<Innocent>());
}

TEST_CASE("authenticate may return each of the documented types, awaited or not") {
  using User = Identified::User;
  STATIC_REQUIRE(sb::check_app<Returns<std::optional<User>>>());
  STATIC_REQUIRE(sb::check_app<Returns<std::variant<User, sb::Refusal>>>());
  STATIC_REQUIRE(sb::check_app<Returns<sb::Accepted<User>>>());
  STATIC_REQUIRE(sb::check_app<Returns<std::optional<sb::Accepted<User>>>>());
  STATIC_REQUIRE(sb::check_app<Returns<std::variant<sb::Accepted<User>, sb::Refusal>>>());
  STATIC_REQUIRE(sb::check_app<Returns<asio::awaitable<std::variant<User, sb::Refusal>>>>());
  STATIC_REQUIRE(sb::check_app<Returns<asio::awaitable<sb::Accepted<User>>>>());
  STATIC_REQUIRE(sb::check_app<Returns<asio::awaitable<std::variant<sb::Accepted<User>, sb::Refusal>>>>());
}

TEST_CASE("an App may bring its own parts, or name ours") {
  STATIC_REQUIRE(sb::check_app<OwnParts>());
  STATIC_REQUIRE(sb::check_app<NamesOurs>());
}

TEST_CASE("a member is found by its name, and only it") {
  using Has = sb::AppTraits<ByValue>;
  STATIC_REQUIRE(Has::has_authenticate);
  STATIC_REQUIRE(Has::has_may_subscribe);
  STATIC_REQUIRE(Has::has_may_publish);
  STATIC_REQUIRE(Has::has_presence_info);
  STATIC_REQUIRE(Has::has_on_open);
  STATIC_REQUIRE(Has::has_on_suspend);
  STATIC_REQUIRE(Has::has_on_resume);
  STATIC_REQUIRE(Has::has_on_close);
  STATIC_REQUIRE(Has::has_on_subscribe);
  STATIC_REQUIRE(Has::has_on_unsubscribe);
  STATIC_REQUIRE(Has::has_on_message);
  STATIC_REQUIRE(Has::has_binary);
  STATIC_REQUIRE_FALSE(Has::has_on_text);
  STATIC_REQUIRE_FALSE(Has::has_on_binary);

  using Lacks = sb::AppTraits<Raw>;
  STATIC_REQUIRE(Lacks::has_on_text);
  STATIC_REQUIRE(Lacks::has_authenticate);
  STATIC_REQUIRE_FALSE(Lacks::has_may_subscribe);
  STATIC_REQUIRE_FALSE(Lacks::has_may_publish);
  STATIC_REQUIRE_FALSE(Lacks::has_presence_info);
  STATIC_REQUIRE_FALSE(Lacks::has_on_open);
  STATIC_REQUIRE_FALSE(Lacks::has_on_suspend);
  STATIC_REQUIRE_FALSE(Lacks::has_on_resume);
  STATIC_REQUIRE_FALSE(Lacks::has_on_close);
  STATIC_REQUIRE_FALSE(Lacks::has_on_subscribe);
  STATIC_REQUIRE_FALSE(Lacks::has_on_unsubscribe);
  STATIC_REQUIRE_FALSE(Lacks::has_on_message);
  STATIC_REQUIRE_FALSE(Lacks::has_binary);
  STATIC_REQUIRE_FALSE(Lacks::has_on_binary);
}

TEST_CASE("private members, templates, data and types have names too") {
  STATIC_REQUIRE(sb::AppTraits<Private>::has_on_open);
  STATIC_REQUIRE(sb::AppTraits<Private>::has_on_close);
  STATIC_REQUIRE(sb::AppTraits<Private>::has_binary);
  STATIC_REQUIRE(sb::AppTraits<Private>::has_on_resume);
  STATIC_REQUIRE(sb::AppTraits<Generic>::has_on_message);
  STATIC_REQUIRE(sb::AppTraits<Overloaded>::has_on_message);
}

TEST_CASE("on_text or on_binary makes an App raw") {
  STATIC_REQUIRE(sb::AppTraits<Raw>::is_raw);
  STATIC_REQUIRE(sb::AppTraits<RawBinary>::is_raw);
  STATIC_REQUIRE_FALSE(sb::AppTraits<ByValue>::is_raw);
}

TEST_CASE("frames as they stand may be sent by raw Apps only") {
  STATIC_REQUIRE(sends_text<Raw>);
  STATIC_REQUIRE(sends_raw<Raw>);
  STATIC_REQUIRE(sends_text<RawBinary>);
  STATIC_REQUIRE(sends_raw<RawBinary>);
  STATIC_REQUIRE_FALSE(sends_text<ByValue>);
  STATIC_REQUIRE_FALSE(sends_raw<ByValue>);
}

TEST_CASE("only OpenAccess opens an App") {
  STATIC_REQUIRE(sb::AppTraits<Open>::has_open_access);
  STATIC_REQUIRE(sb::AppTraits<HalfOpen>::has_open_access);
  STATIC_REQUIRE_FALSE(sb::AppTraits<Guarded>::has_open_access);
  struct Other {
    using Access = int;
  };
  STATIC_REQUIRE_FALSE(sb::AppTraits<Other>::has_open_access);
}

TEST_CASE("an App's types are its own or the defaults") {
  STATIC_REQUIRE(std::is_same_v<sb::UserOf<OwnParts>, Identified::User>);
  STATIC_REQUIRE(std::is_same_v<sb::StateOf<OwnParts>, OwnParts::State>);
  STATIC_REQUIRE(std::is_same_v<sb::HeartbeatOf<OwnParts>, OwnParts::Heartbeat>);
  STATIC_REQUIRE(std::is_same_v<sb::BrokerOf<OwnParts>, OwnParts::Broker>);

  STATIC_REQUIRE(std::is_same_v<sb::StateOf<Least>, sb::NoState>);
  STATIC_REQUIRE(std::is_same_v<sb::HeartbeatOf<Least>, sb::JsonHeartbeat>);
  STATIC_REQUIRE(std::is_same_v<sb::BrokerOf<Least>, sb::InMemoryBroker>);
  STATIC_REQUIRE(std::is_same_v<sb::HeartbeatOf<Raw>, sb::PingFrameHeartbeat>);
}
