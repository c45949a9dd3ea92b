// SPDX-License-Identifier: MIT
#pragma once
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <switchboard/broker/broker.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// What a broker check throws: a sentence that says what should have been.
struct BrokerCheckFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The broker that the fixture's `make_broker()` points to.
template <class Fixture>
using BrokerOfFixture = std::remove_reference_t<decltype(*std::declval<Fixture&>().make_broker())>;

/// Where the checks get their brokers from.
///
/// `make_broker()` returns a new one by pointer. May also have members:
/// - `brokers`: how many of them make up the world of a check; ports are dealt out to them in turn. Brokers
///   made one after the other must then be in reach of each other. 1 unless given: ports of one broker are in
///   reach anyway.
/// - `patience` (10 s): how long something that must happen may take.
/// - `quiet` (20 ms): how long to look for something that must not happen.
template <class Fixture>
concept BrokerFixture =
    requires(Fixture& fixture) { fixture.make_broker(); } && Broker<BrokerOfFixture<Fixture>>;

}  // namespace testing
}  // namespace switchboard::inline v1
