// SPDX-License-Identifier: MIT
// Internal: posts a function to an executor.
#pragma once
#include <functional>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1::detail {

/// Runs the function later, on the executor. One type of function for all callers: what Asio needs for a post
/// is compiled anew for each type that is posted.
inline void post_function(const asio::any_io_executor& executor, std::function<void()> function) {
  asio::post(executor, std::move(function));
}

}  // namespace switchboard::inline v1::detail
