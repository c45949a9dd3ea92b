// SPDX-License-Identifier: MIT
#pragma once
#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/testing/test_server.hpp>

#include "support/pch.hpp"
