// SPDX-License-Identifier: MIT
#pragma once
// None of our own headers: what is precompiled counts as the system's, without warnings and without coverage.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
