// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/testing/linked_broker.hpp>
#include <switchboard/testing/test_app.hpp>
#include <switchboard/testing/test_world.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// Several nodes of an App in one virtual world. The App's Broker is LinkedBroker.
///
///     TestCluster<Chat> cluster(3);                           // nodes 0, 1 and 2
///     WebSocketTestClient ann{cluster.node(0), "ann"};
///     auto ws = ann.connect();
///     cluster.stop(0);                                        // a deploy: 1001
///     auto back = WebSocketTestClient{cluster.node(1), "ann"}.connect(
///         {.session = ws.session(), .last_seq = ws.last_seq()});
///     assert(back.welcome()["recovered"] == true);
template <class App>
class TestCluster {
 public:
  /// A process of the cluster.
  using Node = TestApp<App>;
  /// Makes the App of a shard, as Server::Factory; called for each shard of each node.
  using Factory = typename Node::Factory;

  /// Every node has these options, but for the broker's, and a seed of its own.
  explicit TestCluster(unsigned nodes, TestOptions<App> options = {}, NetworkOptions network = {},
                       Factory factory = Node::default_factory())
      : network_(std::make_shared<TestNetwork>(&world_, network)),
        options_(std::move(options)),
        factory_(std::move(factory)) {
    for (unsigned i = 0; i < nodes; ++i) start();
  }
  ~TestCluster() {
    for (const auto& node : nodes_) node->shut_down();
    world_.end();
  }
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  /// Starts one more; its number.
  unsigned start() { return start("node" + std::to_string(nodes_.size())); }
  /// One of that name, which must not be another's at the same time.
  unsigned start(std::string name) {
    TestOptions<App> options = options_;
    options.broker.network = network_;
    options.broker.node = std::move(name);
    options.seed = options_.seed + nodes_.size();
    nodes_.push_back(std::make_unique<Node>(world_, options, factory_));
    return static_cast<unsigned>(nodes_.size() - 1);
  }
  /// Server::stop: it goes on, refusing whoever comes, until `kill`.
  void stop(unsigned number) { node(number).stop(); }
  /// Without a word, as by SIGKILL: its connections are reset.
  void kill(unsigned number) {
    node(number).shut_down();
    run();
  }

  /// By its number; one that was killed is still there. std::out_of_range beyond the last.
  Node& node(unsigned number) { return *nodes_.at(number); }
  /// How many were ever started.
  unsigned node_count() const { return static_cast<unsigned>(nodes_.size()); }
  /// What the other nodes call it.
  std::string name_of(unsigned number) { return std::string(node(number).broker().node()); }
  /// To cut nodes off, and to decide the fate of messages.
  TestNetwork& network() { return *network_; }
  /// The time that all nodes share.
  TestWorld& world() { return world_; }
  /// Does all that can be done without time passing, on all nodes.
  void run() { world_.run(); }
  /// Lets time pass for all nodes, from timer to timer.
  void advance(Duration duration) { world_.advance(duration); }

 private:
  TestWorld world_;
  std::shared_ptr<TestNetwork> network_;
  const TestOptions<App> options_;
  const Factory factory_;
  std::vector<std::unique_ptr<Node>> nodes_;  // those that have ended stay: what they left refers to them
};

}  // namespace testing
}  // namespace switchboard::inline v1
