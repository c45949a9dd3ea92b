// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "broker/redis/support/redis_server.hpp"

namespace redis_test {

/// A Redis cluster of processes: by default three masters (nodes 0 to 2) with a replica each (3 to 5).
///
/// It takes about three seconds to start, most of it a pause of Redis' own. A master that is killed has its
/// replica in its place after one to two more.
class RedisCluster {
 public:
  /// `flags` go to each server. Returns when every node says cluster_state:ok and each replica has its
  /// master's data.
  explicit RedisCluster(std::size_t masters = 3, bool has_replicas = true,
                        const std::vector<std::string>& flags = {})
      : masters_(masters) {
    for (std::size_t i = 0; i < (has_replicas ? 2 * masters : masters); ++i)
      nodes_.push_back(start_node(flags));
    introduce_nodes();
    for (std::size_t i = 0; i < masters; ++i)
      expect_ok(node(i)("CLUSTER ADDSLOTSRANGE " + std::to_string(i * 16384 / masters) + " " +
                        std::to_string((i + 1) * 16384 / masters - 1)));
    for (std::size_t i = masters; i < size(); ++i) expect_ok(node(i)("CLUSTER REPLICATE " + id(i - masters)));
    wait_until_ok();
  }

  std::size_t size() const { return nodes_.size(); }
  RedisServer& node(std::size_t index) { return *nodes_.at(index); }

  std::string url() const {
    std::string text = "redis+cluster://";
    for (const auto& node : nodes_) text += (text.back() == '/' ? "" : ",") + node->address();
    return text;
  }

  /// The index of the node that serves a slot, as the first node that runs sees it.
  std::size_t master_of(std::uint16_t slot) {
    const Reply slots = any_running()("CLUSTER SLOTS");
    for (const Reply& entry : slots.elements)
      if (entry[0].integer <= slot && slot <= entry[1].integer)
        for (std::size_t i = 0; i < size(); ++i)
          if (nodes_[i]->port() == entry[2][1].integer) return i;
    throw std::runtime_error("no node serves slot " + std::to_string(slot));
  }
  /// Of a key or shard channel, with Redis' own arithmetic.
  std::uint16_t slot_of(const std::string& key) {
    return static_cast<std::uint16_t>(any_running().client().command({"CLUSTER", "KEYSLOT", key}).integer);
  }

  /// What is subscribed by SSUBSCRIBE anywhere.
  std::vector<std::string> shard_channels() {
    std::vector<std::string> list;
    for (const auto& node : nodes_)
      if (node->is_running())
        for (const Reply& channel : (*node)("PUBSUB SHARDCHANNELS").elements) list.push_back(channel.text);
    return list;
  }

  /// A node that serves slots and runs, but not this one.
  std::size_t other_master(std::size_t master) {
    for (const Reply& entry : any_running()("CLUSTER SLOTS").elements)
      for (std::size_t i = 0; i < size(); ++i)
        if (i != master && nodes_[i]->is_running() && nodes_[i]->port() == entry[2][1].integer) return i;
    throw std::runtime_error("the cluster has no other master");
  }

  /// SIGKILL, and waits until another node serves the slots. Returns that node's index.
  std::size_t fail_over(std::size_t master) {
    const auto slot = first_slot_of(master);
    node(master).kill();
    wait_until("a replica in the killed master's place", [&] { return master_of(slot) != master; });
    wait_until_ok();
    return master_of(slot);
  }

  /// Each node that runs is content with the cluster, and agrees with the others on who serves what.
  void wait_until_ok() {
    wait_until("cluster_state:ok", [&] {
      for (const auto& node : nodes_) {
        if (!node->is_running()) continue;
        if (field_of((*node)("CLUSTER INFO").text, "cluster_state") != "ok") return false;
        const std::string replication = (*node)("INFO replication").text;
        if (field_of(replication, "role") == "slave" && field_of(replication, "master_link_status") != "up")
          return false;
      }
      return true;
    });
  }

  /// Moves an empty slot to another master, in the steps of a real migration; `meanwhile` runs when it is
  /// under way.
  void migrate(std::uint16_t slot, std::size_t to, const std::function<void()>& meanwhile = [] {}) {
    const std::size_t from = master_of(slot);
    const std::string set_slot = "CLUSTER SETSLOT " + std::to_string(slot);
    expect_ok(node(to)(set_slot + " IMPORTING " + id(from)));
    expect_ok(node(from)(set_slot + " MIGRATING " + id(to)));
    meanwhile();
    expect_ok(node(to)(set_slot + " NODE " + id(to)));
    expect_ok(node(from)(set_slot + " NODE " + id(to)));
    wait_until("the slot's new master", [&] { return master_of(slot) == to; });
  }

  std::string id(std::size_t index) { return node(index)("CLUSTER MYID").text; }

 private:
  /// The bus has a port of its own, which may be taken between the look and the start.
  static std::unique_ptr<RedisServer> start_node(std::vector<std::string> flags) {
    flags.insert(flags.end(),
                 {"--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--repl-diskless-sync-delay",
                  "0", "--cluster-replica-validity-factor", "0", "--cluster-port", ""});
    for (int attempt = 0;; ++attempt) {
      flags.back() = std::to_string(free_port());
      try {
        return std::make_unique<RedisServer>(flags);
      } catch (const std::runtime_error&) {
        if (attempt == 4) throw;
      }
    }
  }

  void introduce_nodes() {
    for (std::size_t i = 0; i < size(); ++i)
      expect_ok(node(i)("CLUSTER SET-CONFIG-EPOCH " + std::to_string(i + 1)));
    for (std::size_t i = 1; i < size(); ++i)
      expect_ok(node(i)("CLUSTER MEET 127.0.0.1 " + std::to_string(node(0).port()) + " " +
                        node(0)("CONFIG GET cluster-port")[1].text));
    wait_until("nodes that know each other", [&] {
      for (std::size_t i = 0; i < size(); ++i)
        if (field_of(node(i)("CLUSTER INFO").text, "cluster_known_nodes") != std::to_string(size()))
          return false;
      return true;
    });
  }

  RedisServer& any_running() {
    for (const auto& node : nodes_)
      if (node->is_running()) return *node;
    throw std::runtime_error("no node of the cluster runs");
  }

  std::uint16_t first_slot_of(std::size_t master) {
    for (const Reply& entry : any_running()("CLUSTER SLOTS").elements)
      if (node(master).port() == entry[2][1].integer) return static_cast<std::uint16_t>(entry[0].integer);
    throw std::runtime_error("node " + std::to_string(master) + " is no master");
  }

  static void expect_ok(const Reply& reply) {
    if (reply.text != "OK") throw std::runtime_error("the cluster answered: " + reply.text);
  }

  std::size_t masters_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

}  // namespace redis_test
