// SPDX-License-Identifier: MIT
// Runs the battery that every broker of the library has to pass on a broker that is not the library's.
#include <cstdlib>
#include <iostream>

#include <switchboard/testing/broker_conformance.hpp>

#include "custom_broker.hpp"

struct Fixture {
  std::unique_ptr<CustomBroker> make_broker() {
    return std::make_unique<CustomBroker>(CustomBroker::Options{});
  }
};

int main() {
  Fixture fixture;
  const auto failures =
      sb::testing::run_broker_conformance(fixture, [](std::string_view check, const auto& failure) {
        std::cout << (failure ? "FAILED  " : "ok      ") << check << (failure ? "\n        " + *failure : "")
                  << std::endl;
      });
  std::cout << (failures.empty() ? "custom_broker conforms" : "custom_broker does not conform") << std::endl;
  return failures.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}
