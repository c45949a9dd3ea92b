// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "counts.hpp"
#include "schedule.hpp"

namespace model {

/// What was wrong, if anything was, when these events of the schedule happened.
std::optional<std::string> run(const Schedule& schedule, const std::vector<std::size_t>& events,
                               Counts& counts);

}  // namespace model
