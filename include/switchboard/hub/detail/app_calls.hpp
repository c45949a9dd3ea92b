// SPDX-License-Identifier: MIT
// Internal: whether an App's members can be called as the hub calls them.
#pragma once
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json_fwd.hpp>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/awaitable.hpp>

// Whether each member of an App can be called as the hub calls it: on an App that is not const, with
// Connection and BinaryHandlers as lvalues, User and the request as const lvalues, and all else as rvalues.
// So a handler may take its arguments by value or by const&, and those that it is given to keep by && too.
namespace switchboard::inline v1::detail {

// nlohmann::json converts implicitly to nearly everything, and would let on_message(auto&, std::string)
// through; it is made of nearly everything, and would let on_text(auto&, json) through. So the calls are
// checked with arguments that convert to the one type alone.
struct JsonArgument {
  operator nlohmann::json() const;  // NOLINT(google-explicit-constructor)
};
struct TextArgument {           // not by a const operator: std::string, and so json, could be made of it
  operator std::string_view();  // NOLINT(google-explicit-constructor)
};

template <class T>
struct AwaitedResult {
  using type = T;
};
template <class T>
struct AwaitedResult<asio::awaitable<T>> {
  using type = T;
};

template <class T, class Wanted>
concept ResultOrAwaitable = std::same_as<T, Wanted> || std::same_as<T, asio::awaitable<Wanted>>;

template <class T>
concept HandlerResult = ResultOrAwaitable<T, void>;

template <class T>
concept Decision = ResultOrAwaitable<T, bool>;

template <class T, class User>
concept Verdict = std::same_as<T, std::optional<User>> || std::same_as<T, std::variant<User, Refusal>> ||
                  std::same_as<T, Accepted<User>> || std::same_as<T, std::optional<Accepted<User>>> ||
                  std::same_as<T, std::variant<Accepted<User>, Refusal>>;

template <class App>
concept Authenticates = requires(App& app, const UpgradeRequest& request) {
  requires Verdict<typename AwaitedResult<decltype(app.authenticate(request))>::type, UserOf<App>>;
};

template <class App>
concept DecidesSubscribe = requires(App& app, const UserOf<App>& user) {
  { app.may_subscribe(user, std::declval<TextArgument>()) } -> Decision;
};

template <class App>
concept DecidesPublish = requires(App& app, const UserOf<App>& user) {
  { app.may_publish(user, std::declval<TextArgument>()) } -> Decision;
};

template <class App>
concept InformsPresence = requires(App& app, const UserOf<App>& user) {
  { app.presence_info(user, std::declval<TextArgument>()) } -> std::same_as<nlohmann::json>;
};

template <class App>
concept HandlesMessage = requires(App& app, Connection<App>& connection) {
  { app.on_message(connection, std::declval<JsonArgument>()) } -> HandlerResult;
};

template <class App>
concept HandlesOpen = requires(App& app, Connection<App>& connection) {
  { app.on_open(connection) } -> HandlerResult;
};

template <class App>
concept HandlesSuspend = requires(App& app, Connection<App>& connection) {
  { app.on_suspend(connection) } -> HandlerResult;
};

template <class App>
concept HandlesResume = requires(App& app, Connection<App>& connection) {
  { app.on_resume(connection, std::declval<Resume>()) } -> HandlerResult;
};

template <class App>
concept HandlesClose = requires(App& app, Connection<App>& connection) {
  { app.on_close(connection, std::declval<CloseReason>()) } -> HandlerResult;
};

template <class App>
concept HandlesSubscribe = requires(App& app, Connection<App>& connection) {
  { app.on_subscribe(connection, std::declval<TextArgument>()) } -> HandlerResult;
};

template <class App>
concept HandlesUnsubscribe = requires(App& app, Connection<App>& connection) {
  { app.on_unsubscribe(connection, std::declval<TextArgument>()) } -> HandlerResult;
};

template <class App>
concept RegistersBinary = requires(App& app, BinaryHandlers<App>& on) {
  { app.binary(on) } -> std::same_as<void>;
};

template <class App>
concept HandlesText = requires(App& app, Connection<App>& connection) {
  { app.on_text(connection, std::declval<TextArgument>()) } -> HandlerResult;
};

template <class App>
concept HandlesBinary = requires(App& app, Connection<App>& connection) {
  { app.on_binary(connection, std::declval<std::span<const std::byte>>()) } -> HandlerResult;
};

}  // namespace switchboard::inline v1::detail
