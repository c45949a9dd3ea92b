// SPDX-License-Identifier: MIT
// Internal: the Host of a server's hubs: one thread's sockets, timers and ticks.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <switchboard/broker/detail/post_function.hpp>
#include <switchboard/hub/host.hpp>
#include <switchboard/server/acceptor.hpp>
#include <switchboard/server/alarm.hpp>
#include <switchboard/server/command_inbox.hpp>
#include <switchboard/server/lingering.hpp>
#include <switchboard/server/metrics.hpp>
#include <switchboard/server/random_bytes.hpp>
#include <switchboard/server/read_budget.hpp>
#include <switchboard/server/readiness.hpp>
#include <switchboard/server/send_batch.hpp>
#include <switchboard/server/server_state.hpp>
#include <switchboard/server/socket_table.hpp>

namespace switchboard::inline v1 {

/// One shard of a server: a hub and the sockets, timers and posted work around it. Models HubHost. It moves
/// bytes and decides nothing about messages. Used on the thread that runs its context, unless a member says
/// otherwise.
///
/// A tick is a batch of ready sockets, each read once and handled, and then one gathered write for each
/// connection with something to say. What is queued outside a batch posts a tick of its own and never waits
/// for an idle loop.
template <class App, template <class, class> class HubTemplate, class ReadinessType = net::Readiness>
class ShardLoop : public std::enable_shared_from_this<ShardLoop<App, HubTemplate, ReadinessType>> {
 public:
  using HubType = HubTemplate<App, ShardLoop>;

  template <class HubOptions>
  ShardLoop(asio::io_context& context, std::shared_ptr<ServerState> server, const HubOptions& options,
            unsigned shard, unsigned shard_count)
      : executor_(context.get_executor()),
        server_(std::move(server)),
        readiness_(executor_),
        hub_(*this, options, shard, shard_count) {}

  // What the server calls.

  HubType& hub() { return hub_; }
  const HubType& hub() const { return hub_; }
  /// Any thread.
  const SocketMetrics& socket_metrics() const { return metrics_; }
  std::shared_ptr<CommandInbox> inbox() const { return inbox_; }

  /// Before start(): a listener of this shard's. With `deals_out` its sockets go to all shards in turn.
  void add_listener(net::Listener listener, bool is_admin) { acceptor_.add(std::move(listener), is_admin); }
  void deal_out_sockets() { deals_out_ = true; }

  /// Before start(): all shards, this one included, by their numbers.
  void connect(std::vector<std::weak_ptr<ShardLoop>> siblings) { siblings_ = std::move(siblings); }

  /// Before start(): makes the inbox, whose wake-up must not keep the loop alive.
  void open_inbox() {
    inbox_ = std::make_shared<CommandInbox>([weak = this->weak_from_this(), executor = executor_] {
      detail::post_function(executor, [weak] {
        if (const auto self = weak.lock()) self->run_commands();
      });
    });
  }

  /// Begins to accept and to watch. On the shard's thread, or before it runs.
  void start() {
    if (is_finished_) return;
    for (Alarm* alarm : {&hub_alarm_, &linger_alarm_, &drain_alarm_}) alarm->start(this->weak_from_this());
    acceptor_.start(this->weak_from_this());
    watch();
  }

  /// Nothing more is read, until drain().
  void hold_input() { is_input_held_ = true; }

  /// Refuses new connections and closes the others behind what they have queued; those left at `deadline` are
  /// cut. `on_drained` is called once, from inside. Again: only an earlier deadline counts.
  void drain(TimePoint deadline, std::function<void()> on_drained) {
    if (is_finished_) return;
    tick([&] {
      if (!std::exchange(is_draining_, true)) {
        on_drained_ = std::move(on_drained);
        hub_.drain();
      }
      if (std::exchange(is_input_held_, false)) sockets_.report_wanted_input();
      drain_deadline_ = std::min(drain_deadline_, deadline);
      drain_alarm_.set(drain_deadline_);
      if (drain_deadline_ <= steady_now()) cut_all();
    });
  }

  /// Closes everything that is left and lets the context run out of this shard's work.
  void finish() {
    if (std::exchange(is_finished_, true)) return;
    if (inbox_) inbox_->close();
    for (Alarm* alarm : {&hub_alarm_, &linger_alarm_, &drain_alarm_}) alarm->stop();
    readiness_.cancel();
    acceptor_.close();
    lingering_.close_all();
    sockets_.close_all();
    // A handler that sleeps is held by the hub and holds the shard: one of them has to let go.
    hub_.shut_down();
  }

  // What the hub calls (HubHost).

  void spawn(asio::awaitable<void> work) {
    // The coroutine keeps its shard alive: on a context of the user's it may outlast the server.
    asio::co_spawn(executor_, std::move(work), [self = this->shared_from_this()](std::exception_ptr error) {
      if (error) self->log(LogLevel::error, "a coroutine of the hub ended with an exception");
    });
  }

  void output_ready(TransportId id) {
    mark_output(id, sockets_.at(id));
    if (depth_ == 0) schedule_tick();
  }

  void flush(TransportId id) {
    if (sockets_.at(id).has_output) write_out(id);
  }

  void want_input(TransportId id, bool wanted) {
    SocketState& socket = sockets_.at(id);
    socket.wants_input = wanted;
    // Turning it off waits until something comes in: often it is on again before.
    if (wanted && !socket.has_ended) sockets_.report_input(id, socket, true);
  }

  void close_socket(TransportId id, SocketClose how) {
    const SocketState state = sockets_.at(id);
    net::FileDescriptor socket = sockets_.take(id);
    if (!socket.is_open()) return;
    release(state);
    if (how == SocketClose::abort)
      net::close_with_reset(std::move(socket));
    else if (!state.has_ended)
      linger(std::move(socket));
    a_descriptor_closed_ = true;
    if (depth_ == 0) schedule_tick();
  }

  template <class Handoff>
  void move_socket(TransportId id, unsigned shard, Handoff&& handoff) {
    const SocketState state = sockets_.at(id);
    net::FileDescriptor socket = sockets_.take(id);
    const auto target = siblings_.at(shard).lock();
    if (!target) return release(state);
    const auto moved = std::make_shared<std::pair<net::FileDescriptor, std::remove_cvref_t<Handoff>>>(
        std::move(socket), std::forward<Handoff>(handoff));
    detail::post_function(target->executor_, [target, state, moved] {
      target->adopt(std::move(moved->first), state, std::move(moved->second));
    });
  }

  std::size_t unsent_bytes(TransportId id) {
    const SocketState* socket = sockets_.find(id);
    return socket ? net::unsent_bytes(socket->descriptor) : 0;
  }
  void wake_at(TimePoint time) { hub_alarm_.set(time); }
  void random_bytes(std::span<std::byte> bytes) { fill_with_random_bytes(bytes); }
  /// Within a tick, the time at which it began.
  TimePoint now() const { return depth_ > 0 ? tick_time_ : steady_now(); }
  asio::any_io_executor executor() const { return executor_; }
  std::shared_ptr<CommandTarget> command_target() const { return server_->commands; }
  std::optional<HttpResponse> serve_http(const UpgradeRequest& request, bool is_admin) const {
    return server_->http.answer(request, is_admin);
  }
  void log(LogLevel level, std::string_view text) const {
    if (server_->log) server_->log(level, text);
  }

 private:
  static constexpr std::size_t max_commands_per_tick = 256;

  // A ready token's upper bits say what it names.
  static constexpr net::ReadyToken kind_mask = 3u << 30, linger_kind = 1u << 30, listener_kind = 2u << 30;

  // Ticks.

  template <class Work>
  void tick(Work&& work) {
    struct Scope {
      ShardLoop& loop;
      explicit Scope(ShardLoop& owner) : loop(owner) {
        if (loop.depth_++ == 0) loop.tick_time_ = steady_now();
      }
      ~Scope() { --loop.depth_; }
    };
    {
      const Scope scope(*this);
      work();
      if (depth_ > 1) return;
      flush_all();
    }
    if (!dirty_.empty()) schedule_tick();
    settle();
  }

  void schedule_tick() {
    if (is_finished_ || std::exchange(is_tick_scheduled_, true)) return;
    detail::post_function(executor_, [self = this->shared_from_this()] {
      self->is_tick_scheduled_ = false;
      if (!self->is_finished_) self->tick([] {});
    });
  }

  // One pass: what is queued meanwhile belongs to the next tick, or one chatty connection could keep the
  // others waiting.
  void flush_all() {
    flushing_.swap(dirty_);
    for (const TransportId id : flushing_)
      if (const SocketState* socket = sockets_.find(id); socket && socket->has_output) write_out(id);
    flushing_.clear();
  }

  void settle() {
    if (std::exchange(a_descriptor_closed_, false)) acceptor_.retry();
    if (is_draining_ && on_drained_ && ((hub_.is_drained() && lingering_.empty()) || is_cut_))
      std::exchange(on_drained_, nullptr)();
  }

  void watch() {
    readiness_.async_wait([self = this->shared_from_this()](std::span<const net::ReadyEvent> batch) {
      if (self->is_finished_) return;
      self->tick([&] { self->handle(batch); });
      if (!self->is_finished_) self->watch();
    });
  }

  void handle(std::span<const net::ReadyEvent> batch) {
    const std::uint64_t before = metrics_.bytes_received.value();
    read_limit_ = read_budget_.per_socket(batch.size());
    is_limit_reached_ = false;
    for (const net::ReadyEvent& event : batch) on_ready(event);
    if (is_limit_reached_)
      read_budget_.adapt(metrics_.bytes_received.value() - before, read_limit_, steady_now() - tick_time_);
  }

  void on_ready(const net::ReadyEvent& event) {
    const net::ReadyToken index = event.token & ~kind_mask;
    switch (event.token & kind_mask) {
      case listener_kind:
        return accept(index);
      case linger_kind:
        lingering_.on_ready(index);
        a_descriptor_closed_ = true;
        return;
      default:
        return on_socket_ready(TransportId{index}, event);
    }
  }

  // Sockets: see shard_sockets.hpp.

  void accept(std::uint32_t index);
  void deal(net::FileDescriptor socket, const net::Address& peer, Admission admission);
  void open(net::FileDescriptor socket, const net::Address& peer, Admission admission);
  void on_socket_ready(TransportId id, const net::ReadyEvent& event);
  void read_in(TransportId id);
  void on_end(TransportId id);
  void on_broken(TransportId id);
  void write_out(TransportId id);

  void mark_output(TransportId id, SocketState& socket) {
    if (!std::exchange(socket.has_output, true)) dirty_.push_back(id);
  }

  // The only two places where a connection's bytes pass: where a TLS engine would go between.
  net::Transfer receive_from(int socket, std::span<char> into) { return net::read_some(socket, into); }
  net::Transfer send_to(int socket, std::span<iovec> pieces) { return net::write_some(socket, pieces); }

  void release(const SocketState& socket) {
    if (socket.is_counted) server_->counts.release(socket.peer);
  }

  void linger(net::FileDescriptor socket) {
    lingering_.add(std::move(socket), steady_now());
    if (!lingering_.empty() && !linger_alarm_.is_set()) linger_alarm_.set(lingering_.next_deadline());
  }

  template <class Handoff>
  void adopt(net::FileDescriptor socket, const SocketState& state, Handoff&& handoff) {
    if (is_draining_ || is_finished_) return release(state);
    tick([&] {
      sockets_.enter(std::move(socket), state.peer, state.is_counted,
                     [&] { return hub_.adopt(std::forward<Handoff>(handoff)); });
    });
  }

  // The rest.

  void run_commands() {
    if (is_finished_) return;
    commands_.clear();
    const bool has_more = inbox_->take(commands_, max_commands_per_tick);
    tick([&] {
      for (Command& command : commands_) hub_.execute(std::move(command));
    });
    if (has_more)
      detail::post_function(executor_, [self = this->shared_from_this()] { self->run_commands(); });
  }

  void end_lingering() {
    tick([&] {
      lingering_.expire(steady_now());
      linger_alarm_.set(lingering_.next_deadline());
      a_descriptor_closed_ = true;
    });
  }

  void cut_all() {
    hub_.abort_all();
    lingering_.close_all();
    is_cut_ = true;
  }

  asio::any_io_executor executor_;
  std::shared_ptr<ServerState> server_;
  std::vector<std::weak_ptr<ShardLoop>> siblings_;
  std::shared_ptr<CommandInbox> inbox_;
  SocketMetrics metrics_;

  std::vector<TransportId> dirty_, flushing_;
  std::vector<Command> commands_;
  std::unique_ptr<char[]> read_buffer_ = std::make_unique_for_overwrite<char[]>(ReadBudget::max_read);
  ReadBudget read_budget_;
  std::size_t read_limit_ = ReadBudget::max_read;
  bool is_limit_reached_ = false;
  SendBatch batch_;

  ReadinessType readiness_;
  SocketTable<ReadinessType> sockets_{readiness_};
  Acceptor<ReadinessType> acceptor_{readiness_, listener_kind, executor_, [this] {
                                      metrics_.accept_pauses.add();
                                      log(LogLevel::warning,
                                          "out of descriptors or memory: accepting pauses");
                                    }};
  Lingering<ReadinessType> lingering_{readiness_, linger_kind};
  Alarm hub_alarm_{executor_, [this] { tick([this] { hub_.run_timers(); }); }};
  Alarm linger_alarm_{executor_, [this] { end_lingering(); }};
  Alarm drain_alarm_{executor_, [this] { tick([this] { cut_all(); }); }};

  TimePoint tick_time_{}, drain_deadline_ = TimePoint::max();
  std::function<void()> on_drained_;
  std::size_t next_shard_ = 0;
  unsigned depth_ = 0;
  bool is_tick_scheduled_ = false, a_descriptor_closed_ = false, deals_out_ = false;
  bool is_input_held_ = false, is_draining_ = false, is_cut_ = false, is_finished_ = false;

  HubType hub_;  // last: it may call us while it is made and while it goes
};

}  // namespace switchboard::inline v1

#include <switchboard/server/shard_sockets.hpp>
