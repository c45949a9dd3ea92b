// SPDX-License-Identifier: MIT
// For tests of moves that do not go as they should: a session that another node is to ask for.
#pragma once
#include <switchboard/hub/envelope.hpp>
#include <switchboard/hub/handover_message.hpp>

#include "hub/cluster_apps.hpp"

namespace cluster_apps {

/// What a message between nodes is a step of.
inline std::optional<sb::HandoverMessage::Step> step_of(const std::string& payload) {
  const auto envelope = sb::Envelope::decode(payload);
  if (!envelope || envelope->kind != sb::Envelope::Kind::handover) return std::nullopt;
  const auto message = sb::HandoverMessage::decode(envelope->body);
  return message ? std::optional(message->step) : std::nullopt;
}

/// A fate for TestNetwork: that step is always lost, all else arrives.
inline auto losing(sb::HandoverMessage::Step step) {
  return [step](const sb::testing::TestMessage& message) {
    return step_of(message.payload) == step ? sb::testing::TestFate::lose_silently
                                            : sb::testing::TestFate::arrive;
  };
}

/// A node with a session of ann's, cut, in channel red, with one message that it has not seen.
struct Parked {
  Cluster cluster;
  std::optional<Ws> ws;

  explicit Parked(unsigned nodes = 2, sb::testing::TestOptions<Member> options = {})
      : cluster(nodes, std::move(options)) {
    ws = cluster.subscriber(0, "ann", {"red"});
    ws->cut();
    cluster.publish(0, "red", 1);
  }
  Ws begin(unsigned node, const std::string& token = "ann", std::uint64_t last_seq = 0) {
    return cluster.begin_resume(node, token, ws->session(), last_seq);
  }
  /// How long the welcome takes, to the millisecond; the client must get a new session.
  std::chrono::milliseconds time_to_new_session(unsigned node, const std::string& token = "ann",
                                                std::uint64_t last_seq = 0, std::string session = {}) {
    if (session.empty()) session = ws->session();
    Ws waiting = cluster.begin_resume(node, token, session, last_seq);
    const auto begin = cluster.nodes.world().now();
    for (int i = 0; i < 3000; ++i) {
      if (const auto welcome = waiting.try_receive_json()) {
        CHECK(terms(*welcome) == terms(0, false, 0, nullptr));
        CHECK((*welcome)["session"] != session);
        waiting.cut();
        return std::chrono::duration_cast<std::chrono::milliseconds>(cluster.nodes.world().now() - begin);
      }
      cluster.nodes.advance(1ms);
    }
    throw std::runtime_error("no welcome came");
  }
  void steps(int count) { cluster.steps(count); }
  /// A client asks node 1, and so many messages of its session's way there arrive; the rest waits for
  /// `go_on`.
  Ws begin_and_stop(int count) {
    cluster.network().set_manual(true);
    Ws waiting = begin(1);
    steps(count);
    return waiting;
  }
  void go_on(sb::Duration time) {
    cluster.network().set_manual(false);
    cluster.nodes.advance(time);
  }
  /// The session can still be resumed there, with what was kept.
  void require_resumable(unsigned node) {
    Ws back = cluster.connect(node, "ann", {.session = ws->session(), .last_seq = 0});
    REQUIRE(terms(back.welcome()) == terms(1, true, 1, 0));
    REQUIRE(back.receive_json() == numbered(1, "red", 1));
  }
};

}  // namespace cluster_apps
