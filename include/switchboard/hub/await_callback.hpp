// SPDX-License-Identifier: MIT
// Internal: a coroutine that waits for a callback, with which Connection and Hub suspend handlers.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <switchboard/hub/awaitable.hpp>

namespace switchboard::inline v1::detail {

/// Suspends the coroutine until the callback that `start` is given has been called with its result; resumes
/// it on its own executor, never inside that call. A callback that is dropped uncalled ends the coroutine.
/// `start` is a std::function so that the coroutine's frame holds no type of the App's: g++ warns of those
/// without linkage.
template <class Result>
asio::awaitable<Result> await_callback(std::function<void(std::function<void(Result)>)> start) {
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result)>(
      [&start](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        start(std::function<void(Result)>([shared](Result result) {
          auto executor = asio::get_associated_executor(*shared);
          asio::post(executor, [shared, moved = std::move(result)]() mutable {
            std::move (*shared)(std::move(moved));
          });
        }));
      },
      asio::use_awaitable);
}

}  // namespace switchboard::inline v1::detail
