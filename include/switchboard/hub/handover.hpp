// SPDX-License-Identifier: MIT
// Internal: the part of a hub that moves sessions between nodes (docs/handover.md).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <switchboard/hub/handover_message.hpp>
#include <switchboard/hub/hub.hpp>
#include <switchboard/hub/session_snapshot.hpp>
#include <switchboard/hub/text_map.hpp>

namespace switchboard::inline v1 {

/// The part of a hub that moves sessions from node to node, where its broker links nodes; else it is not
/// there.
///
/// Nothing is lost and nothing doubled, since the new hub buffers what the session's channels carry from
/// before the old one freezes the session, and drops what the old one had: each envelope has an origin and a
/// counter. The old one freezes when it has heard whatever the new one has not. That it knows by a marker
/// which the new one sends through each channel behind its subscription (with a broker that keeps one order
/// per channel, as Redis does, all that the new one missed comes before it), and by the first counters that
/// the new one has (which hold per publisher, with any broker). What even so is missing shows as a jump of a
/// counter, and the client is told of the gap.
///
/// Whoever fails a test at the old hub (the session is unknown or another user's, or younger than `last_seq`)
/// hears nothing, and gets a new session when the time is over; so the cases cannot be told apart. A session
/// is in one place at a time: the old hub ends its own when the new one has taken it, and does not go on with
/// it unless it knows that the new one has not.
///
/// The members are defined by topic: handover_import and handover_install (the new hub's part),
/// handover_export (the old one's), handover_homes (where sessions began).
template <class App, class Host>
class Handover {
  using HubType = Hub<App, Host>;
  using State = StateOf<App>;

 public:
  /// From the request to the welcome.
  static constexpr Duration max_wait = std::chrono::seconds(2);

  explicit Handover(HubType& hub) : hub_(hub) {}

  /// The broker's port is there.
  void begin(std::string_view node) {
    homes_.resize(1);
    homes_.front().node = node;
    homes_.front().shard = static_cast<std::uint16_t>(hub_.shard_);
    first_origin_ = hub_.origin_;
    listen(0);
  }

  /// What the session is called: where it began is in its name.
  std::string name_of(const SessionId& id) const { return id.to_string(homes_[id.home].node); }
  /// Reads a session's name; `home` of the result is nothing yet.
  static std::optional<SessionId> parse(std::string_view text, std::string_view& node) {
    auto id = SessionId::parse(text, &node);
    if (!id || node.size() > max_user_size || !is_utf8(node) || has_control_character(node))
      return std::nullopt;
    return id;
  }
  bool is_own_node(std::string_view node) const { return node == homes_.front().node; }
  bool is_home_of(const SessionId& id, std::string_view node) const { return homes_[id.home].node == node; }
  /// Lets go of everything.
  void clear() {
    imports_.clear(), importing_.clear(), buffering_.clear();
    exports_.clear(), exporting_.clear(), awaited_.clear(), inherited_.clear();
  }

  /// Takes the socket's request over, if other nodes may hold the session that it asks for.
  bool import_session(TransportUse use, Handoff<App>& handoff, Sequence last_seq);

  /// An envelope has come on a node's channel, or a marker on another.
  void on_handover(std::string_view bytes);
  void on_marker(std::string_view channel, std::uint64_t token);
  /// An envelope that counts, received or of this hub's own, has been dealt with.
  void on_envelope(std::string_view channel, const Envelope& envelope, const Payload& payload) {
    if (!buffering_.empty()) buffer(channel, &envelope, payload);
    if (!awaited_.empty()) recheck_awaited(channel);
  }
  /// Whether the envelope on a user's channel is the next, and if not, why.
  ChannelLinks::Heard hear_for_user(const std::string& user, const Envelope& envelope) {
    return ChannelLinks::hear(heard_for_users_[user], envelope.origin, envelope.counter);
  }
  /// The sessions that are not to get this envelope: they have had it where they were before.
  std::vector<ConnectionId> those_who_had(std::string_view channel, const Envelope& envelope) {
    return inherited_.empty() ? std::vector<ConnectionId>{} : find_those_who_had(channel, envelope);
  }
  void on_user_unlinked(const std::string& user) { heard_for_users_.erase(user); }
  void on_gap(std::string_view channel) {
    if (!buffering_.empty()) buffer(channel, nullptr, nullptr);
    for (std::size_t i = 0; i < homes_.size(); ++i)
      if (!homes_[i].node.empty() && !homes_[i].is_confirmed && !homes_[i].is_asking) listen(i);
  }

  /// A session has left a channel.
  void on_left(ConnectionId session, std::string_view channel) {
    if (inherited_.empty()) return;
    const auto found = inherited_.find(channel);
    if (found == inherited_.end()) return;
    for (Inherited& one : found->second) one.has_left |= one.session == session;
  }
  /// A copy of this client's session is on its way: what is done to it here would not go with it.
  bool is_frozen(std::uint32_t slot) const {
    const auto exporting = exporting_.find(slot);
    return exporting != exporting_.end() && exports_.at(exporting->second)->is_frozen;
  }
  /// The user of this client, whose copy is on its way, is to be disconnected: with the copy it is where that
  /// arrives, and here should it not.
  void close_if_it_stays(std::uint32_t slot, CloseCode code) {
    const auto exporting = exporting_.find(slot);
    if (exporting != exporting_.end()) exports_.at(exporting->second)->closing = code;
  }
  /// A session comes to its end here, for whatever reason.
  void on_session_end(const Session& session, std::uint32_t slot);
  /// Its time has come: see Import and Export.
  void fire(Timer& timer);

  /// The channel, or a user's, is needed though nobody here is in it yet.
  bool needs(std::string_view channel) const { return buffering_.contains(channel); }
  /// Nothing is under way.
  bool is_idle() const { return imports_.empty() && exports_.empty(); }
  /// There is nothing but this node.
  bool is_empty() const {
    if (!is_idle() || !buffering_.empty() || !awaited_.empty()) return false;
    if (!heard_for_users_.empty() || !inherited_.empty()) return false;
    for (std::size_t i = 1; i < homes_.size(); ++i)
      if (homes_[i].uses > 0) return false;
    return true;
  }

 private:
  using Step = HandoverMessage::Step;
  enum : std::uint32_t { import_owner, export_owner, forget_owner };  // what a timer is part of
  using Counters = ChannelLinks::Counters;

  /// An App's State goes with its session if nlohmann can write and read it.
  static constexpr bool carries_state = requires(const State& state, const nlohmann::json& text) {
    nlohmann::json(state);
    text.get<State>();
  };
  static constexpr Duration first_retry = std::chrono::milliseconds(250);
  static constexpr Duration patience = std::chrono::seconds(1);  // of the old one, for what it has not heard
  static constexpr Duration handler_patience = std::chrono::milliseconds(250);
  static constexpr Duration poll_interval = std::chrono::milliseconds(5);
  static constexpr Duration export_time = std::chrono::seconds(5);  // for the word that it was taken
  static constexpr Duration presence_overlap =
      std::chrono::seconds(2);  // the old one's entry outlasts a move
  static constexpr Duration inheritance_time = std::chrono::seconds(30);  // nothing is under way for longer
  static constexpr std::size_t max_asking = 16;
  static constexpr std::size_t chunk_size = std::size_t{256} << 10;
  static constexpr std::size_t max_snapshot_bytes = std::size_t{64} << 20;
  static constexpr std::size_t max_bytes = std::size_t{256} << 20;  // of all snapshots under way, each way
  static constexpr std::size_t max_event_bytes = std::size_t{16} << 20;  // buffered for one session

  /// Where sessions of this hub began. Whoever holds one listens on its channel for those who ask for it.
  struct Home {
    std::string node;  // empty: a free place
    std::uint16_t shard = 0;
    bool is_confirmed = false, is_asking = false;
    std::size_t uses = 0;
    std::uint64_t number = 0;  // tells it from an earlier one in the same place
    std::vector<std::function<void(std::error_code)>> waiting;
  };

  /// Something that happened on a channel while a session was on its way here.
  struct Event {
    std::string channel;
    Payload payload;  // an envelope; none: the broker told of a gap
  };
  struct Waiter {
    TransportUse use;
    Handoff<App> handoff;
    Sequence last_seq;
    std::optional<CloseCode> closing{};  // its user was disconnected since
  };
  /// A session that a client here has asked for.
  struct Import : Timer {
    enum class Stage : std::uint8_t { looking, linking, pulling };
    struct Channel {
      std::string name;
      bool is_linked = false, is_marked = false;
      Counters first;
    };

    SessionId session;
    std::string node;  // where it began
    std::string user;
    std::vector<Waiter> waiting;
    std::uint64_t token = 0;
    Stage stage = Stage::looking;
    Sequence claim;    // for which it was asked for last
    std::string from;  // the channel of the hub that has it
    std::vector<Channel> channels;
    std::size_t links_missing = 0;
    std::vector<Event> events;
    std::size_t event_bytes = 0;
    std::string snapshot;
    std::uint64_t snapshot_size = 0;
    std::uint32_t next_chunk = 0;
    std::uint16_t home = 0;
    bool holds_home = false;
    std::optional<CloseCode> closing;  // its user is to be disconnected
    TimePoint deadline{};
    Duration retry = first_retry;
  };
  /// How far a session that has come was on a channel, where it was before: what is not newer may still be
  /// on its way to this hub.
  struct Inherited {
    ConnectionId session;
    SessionSnapshot::Channel channel;
    TimePoint until{};
    bool has_left = false;  // the channel, since: what it does not hear there it does not miss
  };
  /// A session of this hub that another has asked for.
  struct Export : Timer {
    struct Channel {
      std::string name;
      bool is_marked = false;
      Counters first;
    };

    ConnectionId client;
    std::uint64_t token = 0;
    std::string to;
    std::vector<Channel> channels;
    std::vector<std::pair<std::string, std::uint64_t>> asking;  // others that want it: channel, token
    bool is_pulled = false, is_frozen = false;
    std::optional<CloseCode> closing;  // its user is to be disconnected, should it stay
    TimePoint pulled_at{};
    std::string snapshot;
    std::size_t sent = 0;
    std::uint32_t chunks = 0;
  };

  // Both.

  std::uint64_t random_token() {
    std::uint64_t token = 0;
    hub_.host_.random_bytes(std::as_writable_bytes(std::span(&token, 1)));
    return token;
  }
  std::string own_channel() const { return node_channel(homes_.front().node, homes_.front().shard); }
  void send(const std::string& channel, const HandoverMessage& message, Done done) {
    if (hub_.is_shut_down_) return;
    const std::string body = message.encode();
    const Envelope envelope{.kind = Envelope::Kind::handover, .body = body};
    hub_.port_->publish(channel, std::make_shared<const std::string>(envelope.encode()), std::move(done));
  }
  void send_step(const std::string& channel, Step step, std::uint64_t token) {
    send(channel, {.step = step, .token = token, .answer_to = own_channel()}, [](std::error_code) {});
  }
  /// How far this hub has heard the others, and itself, on a channel.
  Counters heard_on(std::string_view channel) const {
    Counters heard;
    if (channel.starts_with(user_channel_prefix)) {
      const auto found = heard_for_users_.find(channel.substr(user_channel_prefix.size()));
      if (found != heard_for_users_.end()) heard = found->second;
    } else if (const ChannelLinks::Link* link = hub_.links_.find(channel)) {
      heard = link->heard;
    }
    if (const std::uint64_t own = hub_.counters_.newest(channel); own > 0)
      heard.emplace_back(hub_.origin_, own);
    // Under an origin of before this hub has published nothing that its sessions do not have.
    if (hub_.origin_ != first_origin_) heard.emplace_back(hub_.origin_ - 1, ~std::uint64_t{0});
    return heard;
  }
  static std::uint64_t* find_counter(Counters& counters, std::uint64_t origin) {
    for (auto& [known, counter] : counters)
      if (known == origin) return &counter;
    return nullptr;
  }

  void listen(std::size_t home);
  std::uint16_t use_home(std::string_view node, std::uint16_t shard);
  void release_home(std::uint16_t home);

  // handover_import
  Import* find_import(std::uint64_t token) {
    const auto found = imports_.find(token);
    return found == imports_.end() ? nullptr : found->second.get();
  }
  Import* find_import(const SessionId& session, std::string_view user);
  std::optional<Sequence> lowest_claim(const Import& import) const;
  void look(Import& import);
  void receive_offer(Import& import, const HandoverMessage& offer);
  void receive_chunk(Import& import, const HandoverMessage& chunk);
  void receive_gone(Import& import, const HandoverMessage& gone);
  void link(Import& import, const std::string& channel);
  void linked(std::uint64_t token, const std::string& channel, std::error_code error);
  void pull_when_linked(Import& import);
  void buffer(std::string_view channel, const Envelope* envelope, const Payload& payload);
  void schedule(Import& import);
  std::unique_ptr<Import> take(Import& import);
  void fail(Import& import);
  void install(Import& import);
  bool choose_waiter(Import& import, const SessionSnapshot& snapshot);
  std::uint32_t create(Import& import, const SessionSnapshot& snapshot);
  void restore_log(Session& session, const SessionSnapshot& snapshot);
  void replay_events(Import& import, SessionSnapshot& snapshot, ConnectionId id);
  void replay_event(const Event& event, SessionSnapshot::Channel& channel, ConnectionId id, Import& import);
  void apply(const Envelope& envelope, SessionSnapshot::Channel& channel, ConnectionId id, Import& import);
  static bool is_newest(SessionSnapshot::Channel& channel, const Envelope& notice) {
    return ChannelLinks::is_newest(channel.presence_seen, notice.text, notice.presence_version);
  }
  void tell_unheard(SessionSnapshot& snapshot, ConnectionId id);
  void inherit(SessionSnapshot& snapshot, ConnectionId id);
  std::vector<ConnectionId> find_those_who_had(std::string_view channel, const Envelope& envelope);
  void forget_inherited();
  void connect_waiting(Import& import, ConnectionId id);
  void finish_waiter(Waiter& waiter);

  // handover_export
  Export* find_export(std::uint64_t token) {
    const auto found = exports_.find(token);
    return found == exports_.end() ? nullptr : found->second.get();
  }
  void receive_find(const HandoverMessage& find);
  void remember_asking(std::uint32_t slot, const HandoverMessage& find);
  void offer(Export& export_);
  void receive_pull(Export& export_, const HandoverMessage& pull);
  void detach(ConnectionId id);
  void freeze_when_ready(Export& export_);
  void poll(Export& export_);
  enum class Readiness : std::uint8_t { ready, waiting, has_more_channels };
  Readiness readiness(Export& export_);
  Counters heard_by(ConnectionId session, std::string_view channel) const;
  bool has_heard(const Export& export_, const typename Export::Channel& channel);
  bool add_missing_channels(Export& export_);
  void freeze(Export& export_);
  SessionSnapshot snapshot_of(const Export& export_);
  std::string state_text(const State& state) const;
  void send_chunk(Export& export_);
  void receive_taken(Export& export_);
  void give_up(Export& export_);
  void erase(Export& export_);
  void overlap_presence(ConnectionId id);
  void recheck_awaited(std::string_view channel);

  HubType& hub_;
  std::uint64_t first_origin_ = 0;
  std::uint64_t last_home_number_ = 0;
  std::vector<Home> homes_{1};                                          // the first is this hub's own
  std::unordered_map<std::uint64_t, std::unique_ptr<Import>> imports_;  // by token
  std::unordered_map<SessionId, std::vector<std::uint64_t>> importing_;
  TextMap<std::vector<std::uint64_t>> buffering_;  // by channel, the imports that need it
  std::unordered_map<std::uint64_t, std::unique_ptr<Export>> exports_;  // by token
  std::unordered_map<std::uint32_t, std::uint64_t> exporting_;          // by the client's slot
  TextMap<std::vector<std::uint64_t>> awaited_;  // exports that wait for something to be heard on a channel
  TextMap<Counters> heard_for_users_;
  TextMap<std::vector<Inherited>> inherited_;  // by channel
  Timer forgetting_{static_cast<std::uint8_t>(TimerKind::handover), forget_owner};
  std::size_t import_bytes_ = 0, export_bytes_ = 0;
};

template <class App, class Host>
void Handover<App, Host>::on_handover(std::string_view bytes) {
  const std::optional<HandoverMessage> message = HandoverMessage::decode(bytes);
  if (!message) return hub_.host_.log(LogLevel::warning, "an unknown message of another node was dropped");
  if (message->step == Step::find) return receive_find(*message);
  if (Import* import = find_import(message->token)) {
    if (message->step == Step::offer) return receive_offer(*import, *message);
    if (message->step == Step::chunk) return receive_chunk(*import, *message);
    if (message->step == Step::gone) return receive_gone(*import, *message);
  } else if (Export* export_ = find_export(message->token)) {
    if (message->step == Step::pull) return receive_pull(*export_, *message);
    if (message->step == Step::taken) return receive_taken(*export_);
    if (message->step == Step::cancel) return give_up(*export_);
  }
}

template <class App, class Host>
void Handover<App, Host>::fire(Timer& timer) {
  if (timer.owner == forget_owner) return forget_inherited();
  if (timer.owner == import_owner) {
    Import& import = static_cast<Import&>(timer);
    if (hub_.host_.now() >= import.deadline) return fail(import);
    return look(import);
  }
  Export& export_ = static_cast<Export&>(timer);
  if (!export_.is_pulled) return give_up(export_);
  if (!export_.is_frozen) return freeze_when_ready(export_);
  // Nobody knows whether the new hub has it. Two of it must never be.
  const ConnectionId id = export_.client;
  erase(export_);
  hub_.end(id, HubType::PresenceMode::cut,
           {CloseCode::replaced, "the session has moved to another node", false});
}

}  // namespace switchboard::inline v1

#include <switchboard/hub/handover_export.hpp>
#include <switchboard/hub/handover_homes.hpp>
#include <switchboard/hub/handover_import.hpp>
#include <switchboard/hub/handover_install.hpp>
