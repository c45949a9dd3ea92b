// SPDX-License-Identifier: MIT
#pragma once
// Everything that a server needs.
#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/hub/app_types.hpp>
#include <switchboard/hub/binary_handlers.hpp>
#include <switchboard/hub/connection.hpp>
#include <switchboard/patterns/heartbeat.hpp>
#include <switchboard/server/server.hpp>
