// SPDX-License-Identifier: MIT
#include "everything_forward.hpp"

std::error_code stopped_elsewhere();
const std::error_category& broker_category_elsewhere();

// What one unit makes the other recognizes.
int main() {
  namespace sb = switchboard;
  return stopped_elsewhere() == sb::errc::stopped && broker_category_elsewhere() == sb::broker_category() ? 0
                                                                                                          : 1;
}
