// SPDX-License-Identifier: MIT
// What links the nodes of a test, by itself: a test of an App relies on it to lose and to double nothing.
#include <string>
#include <vector>

#include <switchboard/testing/linked_broker.hpp>
#include <switchboard/testing/test_world.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::testing::LinkedBroker;
using sb::testing::TestFate;
using sb::testing::TestMessage;
using sb::testing::TestNetwork;

namespace {

struct Sink final : sb::BrokerSink {
  void on_message(std::string_view, const sb::Payload& payload) override { heard.push_back(*payload); }
  void on_gap(std::string_view) override { heard.emplace_back("gap"); }
  std::vector<std::string> heard;
};

/// Two nodes, of which the second listens. Nothing moves but by `step` and `run`.
struct Two {
  Two() {
    network->set_manual(true);
    network->fate = [this](const TestMessage&) {
      ++asked;
      return TestFate::arrive;
    };
  }
  void subscribe() {
    to.subscribe("news", [this](std::error_code error) { answers.push_back(error); });
  }
  void publish(const std::string& text) {
    from.publish("news", std::make_shared<const std::string>(text), [](std::error_code) {});
  }
  void run() {
    while (network->step()) {
    }
  }

  sb::testing::TestWorld world;
  std::shared_ptr<TestNetwork> network = std::make_shared<TestNetwork>(&world);
  LinkedBroker first{{network, "first"}}, second{{network, "second"}};
  Sink nobody, sink;
  LinkedBroker::Port from = first.attach(world.context().get_executor(), nobody);
  LinkedBroker::Port to = second.attach(world.context().get_executor(), sink);
  std::vector<std::error_code> answers;
  int asked = 0;
};

}  // namespace

TEST_CASE("a subscribe that a cut overtakes is one subscription") {
  for (const bool arrives_while_away : {false, true}) {
    CAPTURE(arrives_while_away);
    Two two;
    two.subscribe();
    two.network->cut("second");
    if (arrives_while_away) two.run();
    two.network->restore("second");
    two.run();
    two.publish("once");
    two.run();
    CHECK(two.asked == 1);
    CHECK(two.sink.heard == std::vector<std::string>{"gap", "once"});
    CHECK(two.answers == std::vector<std::error_code>{{}});
  }
}

TEST_CASE("an unsubscribe that a cut overtakes does not end what was subscribed after it") {
  Two two;
  two.subscribe();
  two.run();
  two.to.unsubscribe("news");
  two.network->cut("second");
  two.subscribe();
  two.network->restore("second");
  two.run();
  two.publish("heard");
  two.run();
  CHECK(two.sink.heard == std::vector<std::string>{"gap", "heard"});
}

TEST_CASE("an unsubscribe of a node that is cut off does not end what is subscribed after it") {
  Two two;
  two.subscribe();
  two.run();
  two.network->cut("second");
  two.to.unsubscribe("news");
  two.subscribe();
  two.network->restore("second");
  two.run();
  two.publish("heard");
  two.run();
  CHECK(two.sink.heard == std::vector<std::string>{"gap", "heard"});
}

TEST_CASE("a subscribe that a cut overtakes is none if it was taken back meanwhile") {
  Two two;
  two.subscribe();
  two.network->cut("second");
  two.to.unsubscribe("news");
  two.network->restore("second");
  two.run();
  two.publish("unheard");
  two.run();
  CHECK(two.asked == 0);
  CHECK(two.sink.heard == std::vector<std::string>{"gap"});
}

TEST_CASE("the fate of a message may be that a node is cut") {
  Two two;
  Sink third;
  LinkedBroker::Port other = two.second.attach(two.world.context().get_executor(), third);
  two.subscribe();
  other.subscribe("news", [](std::error_code) {});
  two.run();
  two.network->fate = [&](const TestMessage&) {
    two.network->cut("second");
    return TestFate::arrive;
  };
  two.publish("lost");
  two.run();
  two.network->restore("second");
  two.run();
  CHECK(two.sink.heard == std::vector<std::string>{"gap"});
  CHECK(third.heard == std::vector<std::string>{"gap"});
}

TEST_CASE("a port that is assigned to is detached") {
  Two two;
  two.subscribe();
  two.run();
  Sink other;
  two.to = two.second.attach(two.world.context().get_executor(), other);
  two.publish("unheard");
  two.run();
  CHECK(two.sink.heard.empty());
  CHECK(other.heard.empty());
}

TEST_CASE("a LinkedBroker without a network says where to test its App") {
  CHECK_THROWS_WITH(LinkedBroker({}), Catch::Matchers::ContainsSubstring("in a TestCluster"));
}
