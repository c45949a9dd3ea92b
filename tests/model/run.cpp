// SPDX-License-Identifier: MIT
// The hubs of the model test: on the in-memory broker, and on nodes with a network between them.
#include "run.hpp"

#include "world.hpp"

namespace model {
namespace {

template <class BrokerType>
std::optional<std::string> run_on(const Schedule& schedule, const std::vector<std::size_t>& events,
                                  Counts& counts) {
  World<App<BrokerType>> world(schedule);
  std::optional<std::string> wrong;
  try {
    world.run(events);
  } catch (const std::exception& exception) {
    wrong = exception.what();
  }
  counts = world.counts();
  return wrong;
}

}  // namespace

std::optional<std::string> run(const Schedule& schedule, const std::vector<std::size_t>& events,
                               Counts& counts) {
  if (schedule.config.is_linked) return run_on<sb::testing::LinkedBroker>(schedule, events, counts);
  return run_on<sb::InMemoryBroker>(schedule, events, counts);
}

}  // namespace model
