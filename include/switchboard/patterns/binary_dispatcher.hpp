// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What is said about a handler when it is registered.
struct BinaryHandlerOptions {
  /// The largest payload it takes, in bytes, the type not counted.
  std::size_t max_size = std::size_t{1} << 20;
};

/// What became of a binary message.
enum class BinaryResult : std::uint8_t {
  handled,       ///< its handler has returned
  too_short,     ///< fewer than 4 bytes
  unknown_type,  ///< no handler has this type
  too_large,     ///< over its handler's `max_size`
};

/// The first bytes of every binary message: its type, 4 bytes, big-endian.
struct BinaryFraming {
  /// How many bytes the type takes.
  static constexpr std::size_t type_size = 4;

  /// Nothing when the message is too short to have a type.
  static constexpr std::optional<std::uint32_t> read_type(std::span<const std::byte> message) {
    if (message.size() < type_size) return std::nullopt;
    return std::to_integer<std::uint32_t>(message[0]) << 24 |
           std::to_integer<std::uint32_t>(message[1]) << 16 |
           std::to_integer<std::uint32_t>(message[2]) << 8 | std::to_integer<std::uint32_t>(message[3]);
  }
  /// Writes `type` to the front of a message.
  static constexpr void write_type(std::span<std::byte, type_size> to, std::uint32_t type) {
    for (unsigned i = 0; i < type_size; ++i) to[i] = static_cast<std::byte>(type >> (24 - 8 * i) & 0xff);
  }
  /// The type as 4 bytes, to be sent before a payload.
  static constexpr std::array<std::byte, type_size> write_type(std::uint32_t type) {
    std::array<std::byte, type_size> bytes{};
    write_type(std::span<std::byte, type_size>(bytes), type);
    return bytes;
  }
};

/// Calls the handler that a binary message's first four bytes name.
///
///     BinaryDispatcher<Player&> dispatcher;
///     dispatcher.on(1, [](Player& player, std::span<const std::byte> payload) { … });
///     dispatcher.on(Kind::image, {.max_size = 5 << 20}, show_image);
///     BinaryResult result = dispatcher.dispatch(message, player);
///     if (result == BinaryResult::unknown_type) …
///
/// Handlers are registered once, at the start; finding one takes O(1). Whoever receives a message in pieces
/// asks `find(type)` as soon as four bytes are there, and can refuse it by `max_size` before it holds the
/// rest.
///
/// `Result` is what handlers return. One that returns void may be registered where Result is not void:
/// `Result{}` stands for it, and its entry's `returns_void` tells that nothing of the payload is needed once
/// it has returned.
template <class Result, class... Arguments>
class BasicBinaryDispatcher : public BinaryFraming {
 public:
  /// What stands behind the type; valid during the call.
  using Payload = std::span<const std::byte>;

  /// One registered handler. Stays where it is as long as the dispatcher.
  struct Entry {
    std::size_t max_size;  ///< of the payload, in bytes
    bool returns_void;     ///< `invoke` then gives `Result{}`
    /// The handler. Not to be called with a payload over `max_size`.
    std::function<Result(Arguments..., Payload)> invoke;
  };

  /// `type` is a number or a user's enum; `handler` is called as handler(arguments..., std::span<const
  /// std::byte>). Throws std::logic_error for a type that has a handler already, or that does not fit in 32
  /// bits.
  template <class Type, class Handler>
  BasicBinaryDispatcher& on(Type type, BinaryHandlerOptions options, Handler handler) {
    static_assert(std::is_enum_v<Type> || std::is_integral_v<Type>,
                  "on(type, …): a type is a number or an enum");
    static_assert(std::is_invocable_v<Handler&, Arguments..., Payload>,
                  "on(type, …): a binary handler takes (arguments..., std::span<const std::byte> payload)");
    using Returned = std::invoke_result_t<Handler&, Arguments..., Payload>;
    constexpr bool returns_void = std::is_void_v<Returned>;
    static_assert(returns_void || (!std::is_void_v<Result> && std::is_constructible_v<Result, Returned>),
                  "on(type, …): a binary handler returns void, or what this dispatcher's handlers return");
    const std::uint32_t number = number_of(type);
    if (entries_.contains(number)) {
      throw std::logic_error("binary type " + std::to_string(number) + " has a handler already");
    }
    entries_.emplace(number, Entry{options.max_size, returns_void, adapt<returns_void>(std::move(handler))});
    return *this;
  }
  /// The same with the default `max_size`, 1 MiB.
  template <class Type, class Handler>
  BasicBinaryDispatcher& on(Type type, Handler handler) {
    return on(type, BinaryHandlerOptions{}, std::move(handler));
  }

  /// The handler of this type, or null.
  const Entry* find(std::uint32_t type) const {
    const auto found = entries_.find(type);
    return found == entries_.end() ? nullptr : &found->second;
  }

  /// Handles one whole message, type and payload. What a handler throws passes through.
  BinaryResult dispatch(std::span<const std::byte> message, Arguments... arguments) const
    requires std::is_void_v<Result>
  {
    const std::optional<std::uint32_t> type = read_type(message);
    if (!type) return BinaryResult::too_short;
    const Entry* const entry = find(*type);
    if (entry == nullptr) return BinaryResult::unknown_type;
    const Payload payload = message.subspan(type_size);
    if (payload.size() > entry->max_size) return BinaryResult::too_large;
    entry->invoke(std::forward<Arguments>(arguments)..., payload);
    return BinaryResult::handled;
  }

  /// How many types have a handler.
  std::size_t size() const { return entries_.size(); }
  /// No type has a handler: every message is of an `unknown_type`.
  bool empty() const { return entries_.empty(); }

 private:
  template <class Type>
  static std::uint32_t number_of(Type type) {
    if constexpr (std::is_enum_v<Type>) {
      return number_of(static_cast<std::underlying_type_t<Type>>(type));
    } else {
      const auto number = static_cast<std::uint32_t>(type);
      if (static_cast<std::intmax_t>(type) != static_cast<std::intmax_t>(number)) {
        throw std::out_of_range("a binary type is a number of 32 bits without sign");
      }
      return number;
    }
  }

  template <bool returns_void, class Handler>
  static std::function<Result(Arguments..., Payload)> adapt(Handler handler) {
    if constexpr (std::is_void_v<Result>) {
      return std::function<Result(Arguments..., Payload)>(std::move(handler));
    } else {
      return [handler = std::move(handler)](Arguments... arguments, Payload payload) mutable -> Result {
        if constexpr (returns_void) {
          std::invoke(handler, std::forward<Arguments>(arguments)..., payload);
          return Result{};
        } else {
          return Result(std::invoke(handler, std::forward<Arguments>(arguments)..., payload));
        }
      };
    }
  }

  std::unordered_map<std::uint32_t, Entry> entries_;
};

/// The plain one: handlers return nothing.
template <class... Arguments>
using BinaryDispatcher = BasicBinaryDispatcher<void, Arguments...>;

}  // namespace switchboard::inline v1
