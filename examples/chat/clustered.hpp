// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "chat/chat.hpp"

using LocalOptions = sb::Options<Chat<sb::InMemoryBroker>>;

/// The chat as one of several that Redis links. Returns the exit code.
int serve_clustered(const LocalOptions& options, const std::vector<std::string>& brokers,
                    const std::string& node);
