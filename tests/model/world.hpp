// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "app.hpp"
#include "counts.hpp"
#include "describe.hpp"
#include "model.hpp"
#include "peer.hpp"
#include "schedule.hpp"
#include "servers.hpp"

namespace model {

using nlohmann::json;

/// Something that a client wants an answer to.
struct Request {
  enum class Kind : std::uint8_t { subscribe, unsubscribe, publish, ask };
  Kind kind = Kind::ask;
  std::string channel;
  int id = 0;  // of a publish the number of its message
};

/// What a client knows.
struct Client {
  unsigned index = 0;
  std::optional<Peer> peer;
  int session = 0;  // the one it has, by its key; 0: none yet
  std::string name;
  std::uint64_t last_seq = 0, acknowledged = 0;
  bool is_waiting = false;                 // for its welcome
  std::uint64_t asked_seq = 0;             // what it came with
  std::deque<Request> requests;            // not answered yet
  std::deque<Request> forgotten;           // which may yet be answered, though sent on an earlier socket
  std::set<std::string> channels, unsure;  // that it knows it is in, or cannot know
};

/// Carries a schedule out, and holds the server to the model while it does.
template <class App>
class World {
 public:
  using Servers =
      std::conditional_t<std::is_same_v<typename App::Broker, sb::InMemoryBroker>, Shards<App>, Nodes<App>>;
  using Connection = typename App::Connection;

  explicit World(const Schedule& schedule)
      : schedule_(schedule),
        config_(schedule.config),
        servers_(config_, [this](sb::Shard<App>& shard) { return std::make_unique<App>(*this, shard); }) {
    for (unsigned i = 0; i < client_count; ++i) clients_[i].index = i;
    model_.loses_links = config_.is_lossy;
    if (config_.has_watcher) watch();
  }

  /// Throws Failure. `only`: the events that happen, by their place in the schedule.
  void run(const std::vector<std::size_t>& only) {
    for (const std::size_t i : only) {
      ++model_.now;
      apply(schedule_.events[i]);
      after_step();
    }
    finish();
  }
  const Counts& counts() const { return counts_; }

  // What the App tells.

  unsigned next_place() { return next_place_++; }
  const Event& event(std::size_t i) const { return schedule_.events.at(i); }
  void opened(Connection connection, unsigned place);
  void suspended(Connection connection);
  void resumed(Connection connection, unsigned place);
  void closed(Connection connection, const sb::CloseReason& reason);
  void subscribed(Connection connection, const std::string& channel);
  void unsubscribed(Connection connection, const std::string& channel);
  bool allows(const std::string& user, const std::string& channel) const {
    return !denied_.contains({user, channel});
  }
  void note_denied(const std::string& user, const std::string& channel) {
    ever_denied_.emplace(user, channel);
  }
  /// The hub takes whatever a handler throws for the App's; the test does not.
  template <class Check>
  void check(Check check) try {
    check();
  } catch (const Failure& failure) {
    if (!wrong_) wrong_ = failure.what();
  }
  /// If an event waits for this member to be called, it happens now.
  void hook(Hook hook, App& app);
  void perform(const Event& event, App& app);
  void take_binary(std::string_view payload, App& app);
  /// While what it returns is there the session's handler runs.
  std::shared_ptr<void> begin_handler(Connection connection) {
    const int key = connection.state().session;
    ++running_[key];
    return {nullptr, [this, key](void*) { --running_[key]; }};
  }

 private:
  struct Attempt {
    unsigned client = 0;
    int asked_for = 0;  // the session that it wants
    int session = 0;    // the one it has got
    sb::TimePoint begun{};
    bool may_be_closed = false;  // its user was disconnected before it got any
  };
  struct OldPeer {
    Peer peer;
    std::optional<unsigned> replaced_by;  // the attempt to take its session over: then it must be told
  };

  // world_events.hpp
  void apply(const Event& event);
  void after_step();
  void connect(Client& client, unsigned place, bool rolls_back, unsigned a);
  void leave_peer(Client& client, std::optional<unsigned> replaced_by);
  void lose_peer(Client& client);
  void half_handshake(const Event& event);
  void cut(Client& client, unsigned how);
  std::string handshake(const Client& client, unsigned attempt, bool is_stateful) const;
  void accept(Peer& peer, unsigned place);
  bool send(Client& client, const Event& event, sb::Opcode opcode, std::string_view payload);
  void request(Client& client, const Event& event, std::size_t index);
  void publish_from_client(Client& client, const Event& event);
  void send_publish(Client& client, const Event& event, const Message& message, bool has_id);
  void send_binary(Client& client, const Event& event);
  bool is_idle(const Client& client) const;
  std::size_t place_of(const Event& event) const { return event.place % config_.places(); }
  unsigned node_of(unsigned place) const { return config_.is_linked ? place / config_.shards : 0; }
  sb::testing::TestApp<App>& app_of(unsigned place) { return servers_.app_of(node_of(place)); }
  unsigned shard_of(unsigned place) const { return place % config_.shards; }

  // world_app.hpp
  void publish(const Event& event, App& app, bool is_binary);
  Message& new_message(Message message, unsigned size);
  void command(const Event& event);
  void send_to_session(const Event& event, const sb::Shard<App>* shard);

  // world_clients.hpp
  void read_welcome(Client& client);
  void read(Client& client);
  void receive(Client& client, const sb::testing::ServerFrame& frame);
  void receive_text(Client& client, const std::string& text);
  void receive_binary(Client& client, const std::string& bytes);
  void receive_welcome(Client& client, const json& welcome);
  void receive_answer(Client& client, const json& answer);
  void receive_error(Client& client, const json& error);
  void receive_gap(Client& client, const json& gap, std::uint64_t sequence);
  void receive_message(Client& client, const json& message, std::uint64_t sequence);
  void receive_close(Client& client, unsigned code);
  void advance_sequence(Client& client, std::uint64_t sequence, std::uint64_t by);
  void check_knows(const Client& client, const std::string& channel) const;
  std::optional<Request> take_request(Client& client, Request::Kind kind, const std::string& channel, int id);

  // world_end.hpp
  void finish();
  void watch();
  void read_watcher();
  void check_presence();
  std::map<std::string, std::set<std::string>> list_presence();
  void check_old_peers();
  void check_empty();
  std::map<std::string, std::set<std::string>> present() const;

  Session* session_of(const Client& client) {
    return client.session == 0 ? nullptr : &model_.session(client.session);
  }
  Session& session_of(Connection& connection) { return model_.session(connection.state().session); }
  /// The session that the server has for the client at this moment; null where there is none.
  Connection* handle_of(unsigned client) {
    const auto found = newest_.find(client);
    if (found == newest_.end() || model_.session(found->second).life.to != never) return nullptr;
    Connection& connection = handles_.at(found->second);
    return connection.is_open() ? &connection : nullptr;  // it may have gone to where its client is not yet
  }
  /// Another node may be about to have it.
  bool is_on_its_way(int session) {
    const auto wants = [&](const Attempt& attempt) {
      return attempt.asked_for == session && attempt.session == 0 &&
             servers_.now() - attempt.begun < std::chrono::seconds(10);
    };
    return config_.nodes > 1 && std::any_of(attempts_.begin(), attempts_.end(), wants);
  }
  /// The session may be ended from now on, or must be.
  void doom(Session& session, bool must) {
    session.may_end = true;
    session.must_end |= must;
  }

  const Schedule& schedule_;
  const Config& config_;
  Model model_;
  Counts counts_;
  std::optional<std::string> wrong_;
  unsigned next_place_ = 0;
  std::vector<Attempt> attempts_;
  std::map<int, Connection> handles_;
  std::map<unsigned, int> newest_;  // of each client, the session begun last
  std::map<int, int> running_;      // handlers that have not ended
  std::map<int, sb::TimePoint> parked_;
  std::set<int> waited_for_;  // sessions that a hub awaits for a client which has gone, unnoticed
  std::set<int> lost_;        // sessions that have ended for their clients, though not for the server
  std::map<Hook, Event> armed_;
  bool is_disturbed_ = false;  // a hook did something in this step
  std::set<std::pair<std::string, std::string>> denied_, ever_denied_, being_taken_off_;
  std::set<std::string> being_disconnected_;
  std::set<unsigned> cut_nodes_;
  std::vector<std::pair<int, int>> surely_published_;  // messages and their sessions, in this step
  std::map<int, std::string> binary_requests_;         // what a handler is to get
  std::set<int> handled_;
  std::deque<OldPeer> old_peers_;
  std::array<Client, client_count> clients_;
  std::optional<Client> watcher_;
  std::map<std::string, std::set<std::string>> told_;  // of presence, to the watcher
  Servers servers_;  // goes first: what is suspended in it refers to the rest
};

template <class App>
void World<App>::opened(Connection connection, unsigned place) {
  Attempt& attempt = attempts_.at(connection.user().attempt);
  if (attempt.asked_for != 0) {
    Session& asked = model_.session(attempt.asked_for);
    // To come from another node it has two seconds, which may not do if a handler of its is suspended there.
    const bool is_late = servers_.now() - attempt.begun >= std::chrono::seconds(2);
    if (is_late && asked.life.to == never) counts_.count(Counts::late_moves);
    require(asked.life.to != never || config_.is_lossy || asked.may_end || is_late,
            "a session that has not ended was not found, of client " + std::to_string(attempt.client) +
                " on hub " + std::to_string(place));
  }
  Session& session = model_.begin(attempt.client, connection.user().id, connection.is_stateful());
  attempt.session = connection.state().session = session.key;
  handles_.emplace(session.key, connection);
  newest_[attempt.client] = session.key;
  if (attempt.may_be_closed || being_disconnected_.contains(session.user)) doom(session, false);
}

template <class App>
void World<App>::suspended(Connection connection) {
  require(parked_.emplace(connection.state().session, servers_.now()).second, "a session was parked twice");
}

template <class App>
void World<App>::resumed(Connection connection, unsigned) {
  Session& session = session_of(connection);
  Attempt& attempt = attempts_.at(connection.user().attempt);
  require(attempt.asked_for == session.key, "somebody got another's session");
  require(session.life.to == never || lost_.contains(session.key), "a session that had ended was resumed");
  attempt.session = session.key;
  handles_.insert_or_assign(session.key, connection);
  newest_[attempt.client] = session.key;
  parked_.erase(session.key);
  counts_.count(Counts::resumes);
}

template <class App>
void World<App>::closed(Connection connection, const sb::CloseReason& reason) {
  Session& session = session_of(connection);
  const auto parked = parked_.find(session.key);
  if (session.is_stateful && reason.code == sb::CloseCode::replaced) {  // it lives on, on another node
    require(config_.nodes > 1, "a session has moved to another node, and there is none");
    parked_.erase(session.key);
    counts_.count(Counts::moves);
    return;
  }
  if (lost_.contains(session.key)) return;
  // One that is ended while it moves may be ended on both nodes.
  if (session.life.to != never && config_.nodes > 1 && (session.may_end || config_.is_cramped)) return;
  model_.end(session);
  const auto because = [&](bool is_right) {
    require(is_right, "a session has ended for no reason: " + reason.text);
  };
  if (!session.is_stateful) return;
  if (reason.text == "the session has expired") {
    because(parked != parked_.end() || config_.nodes > 1);
    if (parked != parked_.end()) {
      constexpr std::chrono::seconds time_to_live{time_to_live_s};
      const auto waited = servers_.now() - parked->second;
      // A session that was to move lost its socket up to two seconds before the App hears that it has stayed.
      const bool may_have_stayed = config_.nodes > 1 && waited >= time_to_live - std::chrono::seconds(2);
      because(waited == time_to_live || (may_have_stayed && waited < time_to_live));
    }
    counts_.count(Counts::expired_sessions);
  } else if (reason.text == "too many sessions are parked") {
    std::size_t parked_of_user = 0;
    for (const auto& [key, since] : parked_) {
      if (model_.session(key).user != session.user) continue;
      ++parked_of_user;
      if (config_.places() == 1 && !config_.is_cramped)
        because(key == session.key || since >= parked->second);
    }
    because(parked_of_user >= sessions_per_user ||  // and one more, of which the App has not been told yet
            config_.is_cramped);
    counts_.count(Counts::evicted_sessions);
  } else {
    because(session.may_end);
    counts_.count(Counts::ended_sessions);
  }
  parked_.erase(session.key);
}

template <class App>
void World<App>::subscribed(Connection connection, const std::string& channel) {
  model_.subscribe(session_of(connection), channel);
}

template <class App>
void World<App>::unsubscribed(Connection connection, const std::string& channel) {
  Session& session = session_of(connection);
  const std::pair<std::string, std::string> both(session.user, channel);
  require(session.leaving.contains(channel) || ever_denied_.contains(both) || being_taken_off_.contains(both),
          "a session was taken off " + channel + " for no reason");
  model_.unsubscribe(session, channel);
}

template <class App>
void World<App>::hook(Hook hook, App& app) {
  const auto found = armed_.find(hook);
  if (found == armed_.end()) return;
  const Event event = found->second;
  armed_.erase(found);
  is_disturbed_ = true;
  counts_.count(Counts::calls_in_hooks);
  perform(event, app);
  if (event.b % 7 == 0) throw std::runtime_error("asked for");
}

}  // namespace model

#include "world_app.hpp"
#include "world_clients.hpp"
#include "world_end.hpp"
#include "world_events.hpp"
