// SPDX-License-Identifier: MIT
// Internal: what a call gives, awaitable or not.
#pragma once
#include <version>

#include <switchboard/hub/awaitable.hpp>

namespace switchboard::inline v1::detail {

/// What a call gives in the end, whether it returns that or an awaitable of it.
template <class T>
struct Awaited {
  static constexpr bool is_awaitable = false;
  using type = T;
};
template <class T>
struct Awaited<asio::awaitable<T>> {
  static constexpr bool is_awaitable = true;
  using type = T;
};

}  // namespace switchboard::inline v1::detail
