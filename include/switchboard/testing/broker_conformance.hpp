// SPDX-License-Identifier: MIT
#pragma once
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/testing/broker_fixture.hpp>
#include <switchboard/testing/detail/broker_call_checks.hpp>
#include <switchboard/testing/detail/broker_message_checks.hpp>
#include <switchboard/testing/detail/broker_presence_checks.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// The shared battery: what the comments of `Broker`, `BrokerPort` and `PresencePort` promise, each checked
/// on a broker of yours. It needs no test framework and knows nothing of the broker but its calls.
///
///     struct Fixture {
///       std::unique_ptr<MyBroker> make_broker() { return std::make_unique<MyBroker>(MyBroker::Options{}); }
///     };
///     Fixture fixture;
///     for (const auto& failure : run_broker_conformance(fixture))
///       std::cerr << failure.check << ": " << failure.message << std::endl;
///
/// See `BrokerFixture` for what else a fixture may say. A check that fails is usually best read beside the
/// contract: its name is the sentence that does not hold.
template <BrokerFixture Fixture>
struct BrokerCheck {
  std::string_view name;  ///< the sentence that must hold
  void (*run)(Fixture&);  ///< throws BrokerCheckFailed, or whatever the broker throws
};

/// A check that did not pass, and why.
struct BrokerFailure {
  std::string check;    ///< its name
  std::string message;  ///< what should have been, or what was thrown
};

/// Every check that applies to the fixture's broker; presence only where its port models `PresencePort`.
template <BrokerFixture Fixture>
std::vector<BrokerCheck<Fixture>> broker_checks() {
  using namespace conformance;
  std::vector<BrokerCheck<Fixture>> checks{
      {"a publish reaches every other subscribed port", &other_subscribers_get_a_publish<Fixture>},
      {"ports that are not subscribed get nothing", &others_get_nothing<Fixture>},
      {"a message never comes back to the port that published it", &nothing_comes_back<Fixture>},
      {"after a subscribe is done every later publish arrives", &subscribed_is_a_promise<Fixture>},
      {"the first publish of a new port reaches earlier subscribers",
       &a_newcomer_reaches_old_subscribers<Fixture>},
      {"unsubscribe is immediate", &unsubscribe_is_immediate<Fixture>},
      {"subscribe, unsubscribe, subscribe without yielding ends subscribed",
       &resubscribing_without_yielding<Fixture>},
      {"a second subscribe changes nothing", &a_second_subscribe_changes_nothing<Fixture>},
      {"order holds per publisher and channel", &order_holds<Fixture>},
      {"a message arrives at most once", &at_most_once<Fixture>},
      {"a loss is told by on_gap", &a_loss_is_told<Fixture>},
      {"a flood of 100000 publishes without yielding is survived", &a_flood_is_survived<Fixture>},
      {"names and payloads may hold any bytes", &any_bytes_may_be_in_names_and_payloads<Fixture>},
      {"a payload of 16 MiB arrives", &a_large_payload_arrives<Fixture>},
      {"100000 channels can be subscribed", &many_channels<Fixture>},
      {"nothing is called back inside a call", &nothing_is_called_inside_a_call<Fixture>},
      {"callbacks run on the port's executor", &callbacks_run_on_the_executor<Fixture>},
      {"done is called exactly once", &done_is_called_once<Fixture>},
      {"a port may be destroyed with calls queued", &a_port_may_go_with_calls_queued<Fixture>},
      {"a port may be moved", &a_port_may_move<Fixture>},
      {"stop leaves ports harmless", &stop_is_harmless<Fixture>},
      {"two publishers and two subscribers on four threads", &four_threads<Fixture>},
      {"after a subscribe is done every later publish arrives, across threads",
       &subscribed_is_a_promise_across_threads<Fixture>},
      {"ports come and go while others publish", &ports_come_and_go_while_others_publish<Fixture>},
  };
  if constexpr (PresencePort<typename World<Fixture>::S::Port>) {
    checks.insert(
        checks.end(),
        {
            {"presence: every port sees each user once", &a_user_is_listed_once<Fixture>},
            {"presence: the first enter and the last leave are changes",
             &only_the_first_and_the_last_change_presence<Fixture>},
            {"presence: entering again replaces the info", &entering_again_replaces_the_info<Fixture>},
            {"presence: versions grow", &presence_versions_grow<Fixture>},
            {"presence: entries leave with their port", &entries_leave_with_their_port<Fixture>},
        });
  }
  if constexpr (PresenceCountPort<typename World<Fixture>::S::Port>)
    checks.push_back({"presence: a count is that of the list", &a_count_is_that_of_the_list<Fixture>});
  return checks;
}

/// Runs one check; what failed, or nothing if it passed.
template <BrokerFixture Fixture>
std::optional<std::string> run_broker_check(Fixture& fixture, const BrokerCheck<Fixture>& check) {
  try {
    check.run(fixture);
    return std::nullopt;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

/// Runs the check of that name; throws std::invalid_argument if there is none.
template <BrokerFixture Fixture>
std::optional<std::string> run_broker_check(Fixture& fixture, std::string_view name) {
  for (const auto& check : broker_checks<Fixture>())
    if (check.name == name) return run_broker_check(fixture, check);
  throw std::invalid_argument("no broker check is called \"" + std::string(name) + '"');
}

/// Runs every check; an empty result means that the broker conforms. `report` hears of each check as it ends.
template <BrokerFixture Fixture>
std::vector<BrokerFailure> run_broker_conformance(
    Fixture& fixture,
    const std::function<void(std::string_view check, const std::optional<std::string>& failure)>& report =
        {}) {
  std::vector<BrokerFailure> failures;
  for (const auto& check : broker_checks<Fixture>()) {
    const std::optional<std::string> failure = run_broker_check(fixture, check);
    if (failure) failures.push_back({std::string(check.name), *failure});
    if (report) report(check.name, failure);
  }
  return failures;
}

}  // namespace testing
}  // namespace switchboard::inline v1
