// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/hub/app_check.hpp>
#include <switchboard/hub/app_types.hpp>
#include <switchboard/hub/awaitable.hpp>
#include <switchboard/hub/binary_handlers.hpp>
#include <switchboard/hub/broker_port.hpp>
#include <switchboard/hub/channel_links.hpp>
#include <switchboard/hub/command.hpp>
#include <switchboard/hub/connection.hpp>
#include <switchboard/hub/envelope.hpp>
#include <switchboard/hub/error_code.hpp>
#include <switchboard/hub/host.hpp>
#include <switchboard/hub/json_request.hpp>
#include <switchboard/hub/json_text.hpp>
#include <switchboard/hub/metrics.hpp>
#include <switchboard/hub/names.hpp>
#include <switchboard/hub/nesting.hpp>
#include <switchboard/hub/options.hpp>
#include <switchboard/hub/presence_roster.hpp>
#include <switchboard/hub/session.hpp>
#include <switchboard/hub/shard.hpp>
#include <switchboard/hub/slot_table.hpp>
#include <switchboard/hub/text_map.hpp>
#include <switchboard/hub/transport.hpp>
#include <switchboard/hub/user_index.hpp>
#include <switchboard/patterns/pubsub_manager.hpp>
#include <switchboard/protocol/encoded_message.hpp>
#include <switchboard/protocol/handshake.hpp>
#include <switchboard/protocol/upgrade_request.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
class Handover;

/// What all hubs of a server have in common.
template <class App>
struct HubOptions {
  std::string path = "/ws";                  ///< of the WebSocket
  std::vector<std::string> allowed_origins;  ///< empty: the request's own host and port
  HeartbeatOf<App> heartbeat{};              ///< one policy for all connections
  SessionOptions sessions{};  ///< its `max_sessions` and `parked_bytes` are shared out among the shards
  QueueOptions queue{};       ///< for each connection
  Limits limits{};            ///< those on the number of connections are the host's to keep
};

/// One thread's worth of connections: every decision about a byte, a message, a session or a user is made
/// here.
///
/// In come bytes, timers, broker messages and commands; out go, through the Host, queued frames and broker
/// calls. No socket, thread or clock, so that the server, the test client and a simulation run the very same
/// hub. All on one thread; only `metrics` may be read from others.
///
/// The members are defined by topic: hub_handshake, hub_input, hub_output, hub_requests, hub_channels,
/// hub_users, hub_presence, hub_sessions, hub_handlers. Where the broker links nodes a Handover moves
/// sessions between them.
template <class App, class Host>
class Hub final : public Shard<App>, private BrokerSink {
 public:
  /// What the App's broker gives to this hub.
  using BrokerPortType = decltype(std::declval<BrokerOf<App>&>().attach(std::declval<asio::any_io_executor>(),
                                                                        std::declval<BrokerSink&>()));

  /// The App is given later, since its factory takes this shard; it may use it, so attach comes first.
  Hub(Host& host, HubOptions<App> options, unsigned shard = 0, unsigned shard_count = 1);
  ~Hub() override;

  /// Before the first socket. Calls the App's `binary`, which may throw.
  void set_app(std::unique_ptr<App> app);
  /// Links this hub to the others. Once, before `set_app` and any socket.
  void attach(BrokerOf<App>& broker) {
    port_.emplace(broker.attach(host_.executor(), *this));
    if constexpr (is_clustered) handover_.begin(broker.node());
  }
  /// What `set_app` was given; not before that.
  App& app() { return *app_; }

  // What happens to sockets.

  /// A socket was accepted.
  TransportId open(const net::Address& peer, Admission admission = Admission::admitted);
  /// A socket was moved here, its request read and its user authenticated.
  TransportId adopt(Handoff<App>&& handoff);
  /// Bytes came. They are modified in place and not kept. Any Host function may be called back, close_socket
  /// included.
  void receive(TransportId id, std::span<char> bytes);
  /// The peer has closed its side; with `is_broken` it takes nothing any more either. Any Host function may
  /// be called back, close_socket included, unless the Host calls this from inside `flush`.
  void receive_eof(TransportId id, bool is_broken = false);
  /// Hands what waits for the socket, in order, to `out.add(view)` (valid until the next call of this hub) or
  /// `out.copy(view)` (valid during the call), until one returns false.
  template <class Output>
  void gather(TransportId id, Output& out);
  /// The socket has taken so many of the gathered bytes. True while more waits; then gather again when it is
  /// writable.
  bool written(TransportId id, std::size_t bytes);

  // What else happens.

  /// The time asked for with wake_at has come.
  void run_timers();
  /// Carries out a call of a ServerHandle. What is wrong with it is told to nobody.
  void execute(Command&& command);
  /// Refuses whoever comes (503) and closes everyone with 1001 behind what is queued for it.
  void drain();
  /// No socket is left, and where other nodes may ask for them, no session either.
  bool is_drained() const {
    if constexpr (is_clustered)
      if (has_peers() && (!sessions_.empty() || !handover_.is_idle())) return false;
    return transports_.size() == 0;
  }
  /// Resets every socket.
  void abort_all();
  /// The end, which the host calls while its executor still takes work: sockets are forgotten, the broker is
  /// left, and handlers that are suspended here are let go without being resumed. What an App still calls
  /// then reaches nobody.
  void shut_down();
  /// Nothing is left of any client: no socket, session, user, channel or presence.
  bool holds_nothing() const {
    if constexpr (is_clustered)
      if (!handover_.is_empty()) return false;
    return transports_.size() == 0 && clients_.size() == 0 && sessions_.empty() && parked_.empty() &&
           users_.size() == 0 && links_.size() == 0 && roster_.channel_count() == 0 && calls_.empty();
  }

  /// What this hub has counted. Any thread may read it.
  const HubMetrics& metrics() const { return metrics_; }
  /// Handlers suspended in sleep_for.
  std::size_t sleeping_handlers() const { return calls_.size(); }

  // Shard<App>.

  std::error_code publish_json(std::string_view channel, std::string_view json_text) override;
  std::error_code publish_binary(std::string_view channel, std::uint32_t type,
                                 std::span<const std::byte> payload) override;
  std::error_code send_text_to_user(std::string_view user, std::string_view object) override;
  void disconnect_user(std::string_view user, CloseCode code = CloseCode::disconnected) override;
  void unsubscribe_user(std::string_view user, std::string_view channel) override;
  unsigned index() const override { return shard_; }
  TimePoint now() const override { return host_.now(); }
  asio::any_io_executor executor() const override { return host_.executor(); }

 private:
  friend class Handover<App, Host>;
  struct NoHandover {
    explicit NoHandover(Hub&) {}
  };
  using ClientType = Client<App>;
  using User = UserOf<App>;
  using Phase = Transport::Phase;
  using Message = EncodedMessage::Ptr;
  using PresenceMode = typename ClientType::Presence;
  using ConnectionView = typename Shard<App>::ConnectionView;
  static constexpr std::uint32_t none = SlotTable<int>::none;
  static constexpr bool is_raw = AppTraits<App>::is_raw;
  static constexpr bool is_clustered = HasNode<BrokerOf<App>> && !is_raw;  // its sessions may move
  static constexpr Duration close_timeout = std::chrono::seconds(5);
  static constexpr std::uint8_t max_close_extensions = 11;
  static constexpr std::size_t max_held_bytes = std::size_t{64} << 10;
  static constexpr std::size_t max_publishes_pending = 64;
  // What a parked session takes besides its log, about: more than it is where channels are shared.
  static constexpr std::size_t session_cost = 1024;
  static constexpr std::size_t request_id_cost = 192;
  static constexpr std::size_t subscription_cost(std::string_view channel) {
    return 256 + 4 * channel.size();
  }
  static constexpr std::size_t max_queued_frames = 4096;  // a flood of empty pings weighs little by its bytes

  /// A request being carried out: who is to be answered, and with which "id" (as written; empty: none).
  struct Pending {
    ConnectionId client;
    std::string id;
  };
  /// What is left to do with a client whose socket is gone.
  enum class Fate : std::uint8_t { park, destroy };

  // hub_handshake
  void receive_request(TransportUse use, std::span<char> bytes);
  void answer_request(TransportUse use, UpgradeRequest request);
  std::optional<Refusal> check_admission(const UpgradeRequest& request, Admission admission) const;
  void authenticate(TransportUse use, const UpgradeRequest& request);
  template <class Verdict>
  void conclude_authentication(TransportUse use, const UpgradeRequest& request,
                               std::optional<Verdict> verdict);
  void admit(TransportUse use, Handoff<App> handoff);
  void connect(TransportUse use, Handoff<App> handoff);
  void disconnect(TransportUse use, CloseCode code);
  void connect_new(TransportUse use, Handoff<App> handoff, std::optional<Sequence> last_seq);
  void resume(TransportUse use, Handoff<App> handoff, std::uint32_t slot, Sequence last_seq);
  std::optional<SessionId> parse_session(const Handoff<App>& handoff) const;
  std::uint32_t find_session(const Handoff<App>& handoff, Sequence last_seq) const;
  std::string session_name(const SessionId& id) const;
  void open_websocket(Transport& transport, std::uint32_t client, const Handoff<App>& handoff);
  void welcome(std::uint32_t client, bool recovered, std::uint64_t replayed,
               std::optional<std::uint64_t> missed);
  void decode_early(TransportUse use, std::string& bytes);
  void take_over(ConnectionId id);
  void recheck_subscriptions(ConnectionId id, TransportUse use);
  void refuse(TransportUse use, const Refusal& refusal, bool head_only = false);
  void respond(TransportUse use, std::string response);

  // hub_input
  void decode(TransportUse use, std::span<char> bytes);
  void handle_event(TransportUse use, Transport& transport, const Decoded& event);
  void handle_message(TransportUse use, bool is_text, std::string_view payload);
  void handle_now(TransportUse use, bool is_text, std::string_view payload);
  void handle_end(TransportUse use, HeldInput::End end);
  void continue_later(TransportUse use);
  static bool is_broken(const Transport& transport) {
    return transport.held && transport.held->end && transport.held->end->is_broken;
  }
  void act_on_end(TransportUse use, HeldInput::End end);
  bool must_wait(const Transport& transport) const;
  void finish_close(TransportUse use, Transport& transport);
  bool handle_json_heartbeat(Transport& transport, std::string_view text);
  void answer_heartbeat(ConnectionId id, const JsonRequest& request);
  bool admit_by_rate(TransportUse use, bool is_text, std::string_view payload);
  void limit_binary(Transport& transport, std::uint32_t type);
  void hold_message(Transport& transport, bool is_text, std::string_view payload);
  void run_held(TransportUse use);
  static std::unique_ptr<HeldInput> take_held_messages(Transport& transport);
  void update_input(TransportUse use);
  bool must_pause(const Transport& transport) const;
  bool is_output_full(const Transport& transport) const;
  bool is_backed_up(const Transport& transport) const;

  // hub_output
  void flush(std::uint32_t slot);
  void announce(Transport& transport);
  StatefulConnection<>* log_of(const Transport& transport);
  const StatefulConnection<>* log_of(const Transport& transport) const {
    return const_cast<Hub*>(this)->log_of(transport);
  }
  static bool is_queue_next(const Transport& transport, const StatefulConnection<>* log, std::size_t queued,
                            std::size_t logged);
  template <class Visit>
  void visit_output(const Transport& transport, Visit&& visit) const;
  void push_frame(Transport& transport, Message frame);
  bool push_answer(ConnectionId id, std::string_view object);
  void push_error(ConnectionId id, ErrorCode code, std::string_view text, std::string_view request_id = {});
  bool deliver(ConnectionId id, const Message& message);
  std::size_t queued_bytes(const Transport& transport) const;
  bool has_several_queued(const Transport& transport) const;
  void enforce_queue_bound(ConnectionId id);
  void relieve_overfull();
  std::size_t drop_for_slow(Transport& transport);
  void keep_output(Transport& transport, bool all);
  void begin_close(Transport& transport, CloseCode code, std::string_view reason, bool flush, Phase phase);
  void close_client(ConnectionId id, CloseCode code, std::string_view reason, bool flush, PresenceMode mode,
                    Fate fate);
  static std::uint16_t kilobytes(std::size_t bytes) {  // rounded up; as many as fit
    return static_cast<std::uint16_t>(std::min<std::size_t>((bytes + 1023) / 1024, 0xffff));
  }
  std::uint16_t unsent_kilobytes(const Transport& transport) const;
  void start_close_timer(Transport& transport);
  void end_close(std::uint32_t slot);
  void release_socket(std::uint32_t slot, SocketClose how);

  // hub_requests
  void handle_text(ConnectionId id, std::string_view text);
  void handle_binary(ConnectionId id, std::string_view frame);
  using BinaryHandler = typename BinaryHandlers<App>::Entry;
  void run_binary(ConnectionId id, const BinaryHandler& entry, std::span<const std::byte> payload);
  void handle_raw(ConnectionId id, bool is_text, std::string_view payload);
  void answer(const Pending& pending, JsonObjectText& body);
  void fail(const Pending& pending, ErrorCode code, std::string_view text);
  bool has_channel(const Pending& pending, const JsonRequest& request);
  void handle_subscribe(Pending pending, const JsonRequest& request);
  void deny_subscribe(const Pending& pending);
  void handle_unsubscribe(Pending pending, const JsonRequest& request);
  void handle_publish(Pending pending, const JsonRequest& request);
  void handle_presence(Pending pending, const JsonRequest& request);
  void handle_app_message(Pending pending, std::string_view text);
  void accept_subscribe(const Pending& pending, const std::string& channel, bool wants_presence);
  void complete_subscribe(const Pending& pending, const std::string& channel, bool wants_presence,
                          bool is_local);
  void answer_subscribed(const Pending& pending, const std::string& channel, bool is_local);
  void accept_publish(const Pending& pending, const std::string& channel, const std::string& data);
  void conclude_publish(const Pending& pending, const std::string& channel, std::error_code error);
  template <class Then>
  void ask_may_subscribe(ConnectionId id, const std::string& channel, Then then);
  template <class Then>
  void ask_may_publish(ConnectionId id, const std::string& channel, Then then);
  template <class Ask, class Then>
  void ask_permission(ConnectionId id, const std::string& channel, Ask ask, Then then);

  // hub_channels
  void join_channel(ConnectionId id, const std::string& channel, bool wants_presence);
  bool leave_channel(ConnectionId id, std::string_view channel);
  void tell_unsubscribed(ConnectionId id, const std::string& channel, bool is_denied);
  void repeat_unsubscribed(ConnectionId id);
  void note_told(const Transport& transport, const Message& frame);
  void link_channel(const std::string& channel, std::function<void(std::error_code)> then);
  void unlink_channel_if_unused(std::string_view channel);
  /// Those whose session already had a message on the node that it came from; without nodes there are none.
  static bool is_among(std::span<const ConnectionId> clients, ConnectionId id) {
    return is_clustered && std::find(clients.begin(), clients.end(), id) != clients.end();
  }
  void deliver_to_channel(std::string_view channel, const Message& message,
                          std::span<const ConnectionId> except = {});
  void publish_data(std::string_view channel, std::string_view data, Done done);
  template <class MakeEnvelope>
  void send_to_peers(std::string_view channel, MakeEnvelope make, Done done);
  bool has_peers() const;
  static std::uint64_t conflation_key(std::string_view channel);
  void on_message(std::string_view channel, const Payload& message) override;
  void on_gap(std::string_view channel) override;
  void receive_on_channel(std::string_view channel, const Envelope& envelope, const Payload& payload);
  void deliver_envelope(std::string_view channel, const Envelope& envelope);
  static Message gap_message(const std::vector<std::string>& channels);
  void tell_gap(std::string_view channel);
  void tell_session_gap(ConnectionId id, std::string_view channel);

  // hub_users
  using Admitted = std::function<void(std::optional<CloseCode>)>;
  void link_user(const std::string& user, Admitted then);
  void confirm_user(const std::string& user, std::uint64_t number);
  void unlink_user_if_unused(const std::string& user);
  void add_to_user(std::uint32_t slot);
  void remove_from_user(std::uint32_t slot);
  std::vector<ConnectionId> clients_of(std::string_view user) const;
  void receive_for_user(std::string_view user, const Envelope& envelope, const Payload& payload);
  void tell_user_gap(std::string_view user);
  void send_locally(std::string_view user, const Message& message, std::span<const ConnectionId> except = {});
  void disconnect_locally(std::string_view user, CloseCode code);
  void unsubscribe_locally(std::string_view user, std::string_view channel);

  // hub_presence
  void enter_presence(ConnectionId id, std::string_view channel, bool was_cut);
  void leave_presence(const ClientType& client, const std::string& channel);
  void forget_cut(const ClientType& client, const std::string& channel);
  void return_to_presence(ConnectionId id, TransportUse use);
  void lower_presence(const ClientType& client, PresenceMode before, const std::string& channel);
  void settle_presence(PresenceRoster::Effect effect, const std::string& channel, const std::string& user,
                       const std::string& info = {});
  void tell_presence(bool joined, const std::string& channel, const std::string& user,
                     const std::string& info, std::uint64_t version);
  void deliver_presence(bool joined, std::string_view channel, std::string_view user, std::string_view info,
                        std::uint64_t version, std::span<const ConnectionId> except = {});
  static Message presence_message(bool joined, std::string_view channel, std::string_view user,
                                  std::string_view info);
  void on_presence_lost(std::string_view channel, std::string_view user, std::uint64_t version) override;
  std::string presence_info(const User& user, std::string_view channel);
  static constexpr bool keeps_presence() { return PresencePort<BrokerPortType> && !is_raw; }

  // hub_sessions
  ConnectionId id_of(std::uint32_t slot) const { return {slot, clients_.generation(slot)}; }
  ClientType* find(ConnectionId id);
  const ClientType* find(ConnectionId id) const { return const_cast<Hub*>(this)->find(id); }
  /// Whether what the App does to the client counts: it has not ended, nor is it on its way to another hub.
  bool may_change(ConnectionId id) const {
    const ClientType* client = find(id);
    if (client == nullptr) return false;
    if constexpr (is_clustered)
      return !client->session || !client->session->is_moving || !handover_.is_frozen(id.slot);
    return true;
  }
  /// Something that its client has sent waits behind a handler.
  bool has_held_messages(const ClientType& client) const {
    if (!client.is_attached()) return false;
    const auto& held = transports_[client.transport].held;
    return held && !held->messages.empty();
  }
  Transport* find(TransportUse use) { return transports_.find(use.slot, use.generation); }
  Transport* transport_of(const ClientType& client) {
    return client.is_attached() ? &transports_[client.transport] : nullptr;
  }
  TransportUse use_of(std::uint32_t slot) const { return {slot, transports_.generation(slot)}; }
  std::uint32_t create_client(User user);
  std::uint32_t create_session(User user);
  void lose_socket(ConnectionId id, PresenceMode mode, Fate fate, const CloseReason& reason);
  void park(ConnectionId id, PresenceMode mode);
  void shelve(ConnectionId id);
  void suspend(ConnectionId id, PresenceMode mode);
  void unpark(ClientType& client);
  void account_parked(ClientType& client);
  void account_subscription(ConnectionId id, std::string_view channel, bool is_new);
  void enforce_parked_bounds(ConnectionId newest);
  void end(ConnectionId id, PresenceMode mode, CloseReason reason);
  void erase_client(std::uint32_t slot);
  static constexpr std::string_view disconnected_reason = "disconnected by the server";
  void erase_kept_clients();

  // hub_handlers
  template <class Call, class Then>
  void run(ConnectionId id, Call call, Then then);
  template <class Call, class Then>
  asio::awaitable<void> await_call(ConnectionId id, Call call, Then then);
  void hold(ConnectionId id);
  void release(ConnectionId id);
  void report_current_exception();
  void fire(Timer& timer);
  void beat(std::uint32_t slot);
  bool takes_output(Transport& transport);
  void schedule_beat(Transport& transport);
  void schedule_wake_up();
  void wake_up_now();

  // Shard<App>, for Connection<App>.
  ConnectionView view(ConnectionId id) const override;
  bool send_object(ConnectionId id, std::string_view object) override;
  bool send_typed(ConnectionId id, std::uint32_t type, std::span<const std::byte> payload) override;
  bool send_frame(ConnectionId id, bool text, std::string_view payload) override;
  bool send_answer(ConnectionId id, std::string_view object) override;
  std::string written_id(ConnectionId id, std::string parsed) override;
  bool subscribe(ConnectionId id, std::string_view channel) override;
  bool unsubscribe(ConnectionId id, std::string_view channel) override;
  bool close(ConnectionId id, CloseCode code, std::string_view reason) override;
  void query_presence(const std::string& channel, std::function<void(Presence)> done) override;
  void count_presence(const std::string& channel, std::function<void(PresenceCount)> done) override;
  void call_after(Duration delay, std::function<void()> function) override;
  void count_error() override { metrics_.errors_sent.add(); }
  std::shared_ptr<CommandTarget> command_target() const override { return host_.command_target(); }

  struct DelayedCall : Timer {
    using Timer::Timer;
    std::function<void()> function;
    std::list<DelayedCall>::iterator position;
  };
  /// A user whose channel the broker has not confirmed yet, and whose clients wait for that.
  struct LinkingUser {
    std::uint64_t number = 0;  // tells it from an earlier one of the same user
    std::vector<std::pair<Admitted, std::optional<CloseCode>>> waiting;  // and how each was disconnected
  };

  Host& host_;
  const HubOptions<App> options_;
  const unsigned shard_;
  const unsigned shard_count_;
  const DecoderLimits decoder_limits_;
  std::uint64_t origin_ = 0;
  bool is_draining_ = false;
  bool is_shut_down_ = false;
  bool is_flushing_ = false;  // a flush asked for by us is under way: what it brings is handled later
  HubMetrics metrics_;
  TimerWheel wheel_;
  std::optional<TimePoint> wake_at_;
  SlotTable<Transport> transports_;
  SlotTable<ClientType> clients_;

  /// While one lives, what clients hold outlives their end: a call's arguments may lie in the very client
  /// that the call ends, and a handler may go on with the User or State that it has, as a coroutine may.
  std::vector<ConnectionId> kept_clients_;  // those that have gone meanwhile
  std::size_t keeping_clients_ = 0;
  using KeepsClients = Nesting<Hub, &Hub::keeping_clients_, &Hub::erase_kept_clients>;

  /// While one lives a message is on its way to many. Whoever it is too much for is closed when all have it:
  /// the App hears of that, and what it then publishes must come behind.
  std::vector<ConnectionId> overfull_;
  std::size_t delivering_ = 0;
  using Delivers = Nesting<Hub, &Hub::delivering_, &Hub::relieve_overfull>;

  PubSubManager<ConnectionId, Message> subscribers_;
  PubSubManager<ConnectionId, Message> watchers_;  // subscribers that asked for join and leave
  ChannelLinks links_;
  EnvelopeCounters counters_;
  PresenceRoster roster_;
  UserIndex<App> users_{clients_};
  TextMap<LinkingUser> linking_users_;
  std::uint64_t last_user_number_ = 0;
  std::unordered_map<SessionId, std::uint32_t> sessions_;
  std::list<ConnectionId> parked_;  // the longest parked first
  std::list<DelayedCall> calls_;
  std::vector<TransportUse> continued_later_;
  BinaryHandlers<App> binary_handlers_;
  std::unique_ptr<App> app_;
  [[no_unique_address]] std::conditional_t<is_clustered, Handover<App, Host>, NoHandover> handover_{*this};
  std::optional<BrokerPortType> port_;  // none once shut down; detaches before all that its callbacks touch
};

}  // namespace switchboard::inline v1

#include <switchboard/hub/handover.hpp>
#include <switchboard/hub/hub_channels.hpp>
#include <switchboard/hub/hub_handlers.hpp>
#include <switchboard/hub/hub_handshake.hpp>
#include <switchboard/hub/hub_input.hpp>
#include <switchboard/hub/hub_output.hpp>
#include <switchboard/hub/hub_presence.hpp>
#include <switchboard/hub/hub_requests.hpp>
#include <switchboard/hub/hub_sessions.hpp>
#include <switchboard/hub/hub_users.hpp>
