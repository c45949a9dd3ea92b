// SPDX-License-Identifier: MIT
#include "everything_backward.hpp"

std::error_code stopped_elsewhere() {
  return switchboard::errc::stopped;
}
const std::error_category& broker_category_elsewhere() {
  return switchboard::broker_category();
}
