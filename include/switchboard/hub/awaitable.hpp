// SPDX-License-Identifier: MIT
// Internal: asio::awaitable, or one sentence about why it is not there.
#pragma once
#include <asio/awaitable.hpp>
#include <asio/version.hpp>

#include <switchboard/requirements.hpp>

#if ASIO_VERSION < 102200
#error "switchboard needs standalone Asio 1.22 or newer"
#include <see-the-error-above>
#elif !defined(ASIO_HAS_CO_AWAIT) || !defined(ASIO_HAS_STD_COROUTINE)
// Asio 1.22 with clang on libstdc++; later versions see them.
#error "Asio sees no coroutines: compile with -DASIO_HAS_CO_AWAIT -DASIO_HAS_STD_COROUTINE"
#include <see-the-error-above>
#endif
