// SPDX-License-Identifier: MIT
#pragma once
#include <switchboard/testing/websocket_test_client.hpp>

#include "support/pch.hpp"
