// SPDX-License-Identifier: MIT
// Internal: all that a port of an InMemoryBroker is, and the exchange of those of one broker.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/detail/callback_queue.hpp>
#include <switchboard/broker/detail/in_memory_link.hpp>
#include <switchboard/broker/detail/interest_table.hpp>

namespace switchboard::inline v1 {
namespace in_memory {

/// A port's whole state: its thread's alone, apart from `join` and what goes through links and wakers.
///
/// Calls change state and ask for one `look`; whatever calls back does so from there, never from inside a
/// call.
class PortState : public std::enable_shared_from_this<PortState> {
 public:
  PortState(std::shared_ptr<Exchange> exchange, BrokerSink& sink)
      : exchange_(std::move(exchange)), sink_(&sink) {}

  /// Links this port with all others of the exchange. Any thread, before the first use.
  void join(asio::any_io_executor executor) {
    waker_ = std::make_shared<Waker>(std::move(executor), [weak = weak_from_this()] {
      if (const auto port = weak.lock()) port->look();
    });
    const std::lock_guard lock(exchange_->mutex);
    id_ = ++exchange_->last_id;
    for (PortState* other : exchange_->ports) {
      const auto out = std::make_shared<Link>(exchange_->bounds);
      const auto in = std::make_shared<Link>(exchange_->bounds);
      peers_.push_back(std::make_unique<Peer>(out, in, other->waker_));
      peers_.back()->wants_everything = true;  // until we know better: it may have subscriptions already
      other->newcomers_.push_back(std::make_unique<Peer>(in, out, waker_));
      other->has_newcomers_.store(true, std::memory_order_release);
      other->waker_->wake();
    }
    peer_count_ = peers_.size();
    exchange_->ports.push_back(this);
  }

  /// The port is gone: its sink and callbacks hear nothing more, and the others are told.
  void leave_exchange() {
    {
      const std::lock_guard lock(exchange_->mutex);
      std::erase(exchange_->ports, this);
    }
    is_closed_ = true;
    waker_->close();
    if (uses_presence_) exchange_->presence.remove(id_);
    for (const auto* group : {&peers_, &newcomers_})
      for (const auto& peer : *group)
        if (peer) peer->hang_up();
  }

  void wake() { waker_->wake(); }
  bool has_peers() const { return peer_count_ > 0; }

  void subscribe(std::string_view channel, Done&& done) {
    if (is_stopped()) return finish(std::move(done), broker_errc::unavailable);
    const bool is_new = interest_.subscribe(channel);
    if (!has_peers()) return finish(std::move(done), {});
    if (is_new) changed_.add(channel, true);
    asked_.push_back(std::move(done));
    schedule();
  }

  void unsubscribe(std::string_view channel) {
    if (!interest_.unsubscribe(channel) || !has_peers()) return;
    changed_.add(channel, false);
    schedule();
  }

  void publish(std::string_view channel, Payload&& payload, Done&& done) {
    if (const auto ended = offer(channel, std::move(payload), [&] { return std::move(done); }))
      finish(std::move(done), *ended);
  }

  /// A publish that may end at once, and then says how; otherwise it has to wait for room, and the `Done`
  /// that `make_done()` returns is called when it has found it. Without a call back where none is needed.
  template <class MakeDone>
  std::optional<std::error_code> offer(std::string_view channel, Payload&& payload, MakeDone make_done) {
    if (is_stopped()) return broker_errc::unavailable;
    if (!has_peers()) return std::error_code{};
    const Ports wanting = interest_.wanted_by(channel);
    bool is_wanted = false;
    bool must_wait = false;
    const std::size_t size = size_of(channel, payload);
    for_each_wanting(wanting, [&](Peer& peer) {
      is_wanted = true;
      push_held(peer);
      must_wait |= !peer.held.empty() || peer.out->messages.is_full(size);
    });
    if (!is_wanted) return std::error_code{};
    if (must_wait && !may_wait(size)) return broker_errc::queue_full;
    const auto waiting =
        send(wanting, std::make_shared<const Message>(std::string(channel), std::move(payload)));
    if (!waiting) return std::error_code{};
    waiting->done = make_done();
    return std::nullopt;
  }

  bool is_subscribed(std::string_view channel) const { return interest_.is_subscribed(channel); }
  /// O(channels).
  template <class Action>
  void for_each_subscribed(Action action) const {
    interest_.for_each_subscribed(action);
  }

  void enter(std::string_view channel, std::string_view user, std::string info,
             std::function<void(std::error_code, PresenceChange)> changed) {
    ask_presence(std::move(changed), [&](PresenceTable& table, PresenceTable::PortId id) {
      return table.enter(id, channel, user, std::move(info));
    });
  }
  void leave(std::string_view channel, std::string_view user,
             std::function<void(std::error_code, PresenceChange)> changed) {
    ask_presence(std::move(changed), [&](PresenceTable& table, PresenceTable::PortId id) {
      return table.leave(id, channel, user);
    });
  }
  void query(std::string_view channel,
             std::function<void(std::error_code, std::vector<PresenceEntry>)> listed) {
    ask_presence(std::move(listed),
                 [&](PresenceTable& table, PresenceTable::PortId) { return table.query(channel); });
  }
  void count(std::string_view channel, std::function<void(std::error_code, std::size_t)> counted) {
    ask_presence(std::move(counted),
                 [&](PresenceTable& table, PresenceTable::PortId) { return table.count(channel); });
  }

 private:
  /// `operation(table, id)` at once, `callback(error, its result)` later.
  template <class Callback, class Operation>
  void ask_presence(Callback callback, Operation operation) {
    uses_presence_ = true;
    using Result = decltype(operation(exchange_->presence, id_));
    if (is_stopped())
      answers_.add([callback = std::move(callback)] { callback(broker_errc::unavailable, Result{}); });
    else
      answers_.add([callback = std::move(callback), result = operation(exchange_->presence, id_)] {
        callback({}, result);
      });
    schedule();
  }

  using Ports = InterestTable::Ports;

  static constexpr std::size_t messages_per_look =
      1024;  // of one peer; then others of the shard have their turn

  struct Finished {
    void operator()() const { done(error); }
    Done done;
    std::error_code error;
  };
  struct Subscribing {
    std::uint64_t version;  // done as soon as every peer knows our interest up to here
    Done done;
  };
  // While callbacks run: a nested look does nothing, the port may be destroyed, an exception leaves work for
  // the next.
  struct Looking {
    explicit Looking(PortState& port) : state(port) {
      state.is_looking_ = true;
      state.must_look_again_ = false;
    }
    ~Looking() {
      state.is_looking_ = false;
      if (is_complete && !state.must_look_again_) return;
      state.is_scheduled_ = false;
      state.schedule();
    }
    PortState& state;
    bool is_complete = false;
  };

  bool is_stopped() const { return exchange_->is_stopped.load(std::memory_order_relaxed); }

  bool may_wait(std::size_t size) const {
    const Bounds& bounds = exchange_->bounds;
    if (waiting_ >= bounds.pending) return false;
    return waiting_ == 0 ||
           (waiting_bytes_ <= bounds.pending_bytes && size <= bounds.pending_bytes - waiting_bytes_);
  }

  void schedule() {
    if (std::exchange(is_scheduled_, true)) return;
    waker_->wake();
  }

  void finish(Done&& done, std::error_code error) {
    if (!done) return;
    finished_.add({std::move(done), error});
    schedule();
  }

  void look() {
    is_scheduled_ = false;
    waker_->looks();
    if (is_closed_) return;
    if (is_looking_) {  // from inside a callback that runs the executor
      must_look_again_ = true;
      return;
    }
    Looking looking(*this);
    is_scheduled_ = true;  // what the next line finishes is called by the one after
    exchange_with_peers();
    is_scheduled_ = false;
    finished_.call_while([this] { return !is_closed_; });
    answers_.call_while([this] { return !is_closed_; });
    for (std::size_t i = 0; i < peers_.size() && is_hearing(); ++i)
      if (peers_[i]) deliver(*peers_[i]);
    wake_peers();  // for what the callbacks published
    looking.is_complete = true;
  }

  bool is_hearing() const { return !is_closed_ && !is_stopped(); }

  void exchange_with_peers() {
    if (is_stopped()) return give_up();
    tell_interest();
    if (has_newcomers_.exchange(false, std::memory_order_acquire)) welcome_newcomers();
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if (!peers_[i]) continue;
      hear_interest(*peers_[i], i);
      push_held(*peers_[i]);
      if (peers_[i]->in->is_closed.load(std::memory_order_acquire)) part_from(i);
    }
    wake_peers();
    finish_subscriptions();
  }

  /// Nothing: it is in every ring it belongs in.
  std::shared_ptr<Waiting> send(const Ports& wanting, const MessagePtr& message) {
    std::shared_ptr<Waiting> waiting;
    for_each_wanting(wanting, [&](Peer& peer) {
      peer.must_wake = true;
      if (peer.held.empty() && peer.out->messages.push(message)) return;
      if (!waiting) waiting = std::make_shared<Waiting>();
      ++waiting->links;
      peer.held.push_back({message, waiting});
      peer.waker->wake();
    });
    if (waiting) {
      waiting->bytes = size_of(*message);
      ++waiting_;
      waiting_bytes_ += waiting->bytes;
    }
    schedule();
    return waiting;
  }

  template <class Action>
  void for_each_wanting(const Ports& wanting, Action action) {
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      Peer* const peer = peers_[i].get();
      if (peer && !peer->is_gone && (peer->wants_everything || InterestTable::includes(wanting, i)))
        action(*peer);
    }
  }

  void push_held(Peer& peer) {
    bool has_asked_for_room = false;
    while (!peer.held.empty()) {
      if (peer.out->messages.push(peer.held.front().message)) {
        peer.must_wake = true;
        sent(peer.held.front());
        peer.held.pop_front();
      } else if (!has_asked_for_room) {  // then try once more: room may have come in between, and unannounced
        has_asked_for_room = true;
        peer.out->sender_waits.exchange(true, std::memory_order_acq_rel);
        peer.waker->wake();
      } else {
        return;
      }
    }
  }

  void sent(const Held& held) {
    if (--held.waiting->links > 0) return;
    --waiting_;
    waiting_bytes_ -= held.waiting->bytes;
    finish(std::move(held.waiting->done), {});
  }

  void deliver(Peer& peer) {
    Link& link = *peer.in;
    if (link.messages.is_empty()) return;
    struct MakesRoom {
      Peer& peer;
      ~MakesRoom() {
        peer.in->messages.make_room();
        if (peer.in->sender_waits.exchange(false, std::memory_order_acq_rel)) peer.waker->wake();
      }
    } const makes_room{peer};
    MessagePtr message;
    std::size_t taken = 0;
    for (; taken < messages_per_look && is_hearing() && link.messages.pop(message); ++taken)
      if (interest_.is_subscribed(message->channel)) sink_->on_message(message->channel, message->payload);
    must_look_again_ |= taken == messages_per_look || peer.is_gone;
  }

  void wake_peers() {
    for (const auto& peer : peers_)
      if (peer && std::exchange(peer->must_wake, false)) peer->waker->wake();
  }

  void tell_interest() {
    if (!changed_.changes.empty()) {
      ++told_;
      for (const auto& peer : peers_) {
        if (!peer || peer->is_gone) continue;
        auto interest = peer->out->interest.take();
        if (!interest) interest = std::make_unique<Interest>();
        for (const auto& [channel, is_wanted] : changed_.changes) interest->add(channel, is_wanted);
        interest->version = told_;
        peer->out->interest.put(std::move(interest));
        peer->must_wake = true;
      }
      changed_.changes.clear();
    }
    for (Done& done : asked_) subscribing_.push_back({told_, std::move(done)});
    asked_.clear();
  }

  void hear_interest(Peer& peer, std::size_t place) {
    const auto interest = peer.in->interest.take();
    if (!interest) return;
    for (const auto& [channel, is_wanted] : interest->changes) interest_.set_peer(channel, place, is_wanted);
    if (interest->is_whole) peer.wants_everything = false;
    peer.in->applied.store(interest->version, std::memory_order_release);
    peer.waker->wake();
  }

  void finish_subscriptions() {
    std::uint64_t known = told_;
    for (const auto& peer : peers_)
      if (peer && !peer->is_gone) known = std::min(known, peer->out->applied.load(std::memory_order_acquire));
    while (!subscribing_.empty() && subscribing_.front().version <= known) {
      finish(std::move(subscribing_.front().done), {});
      subscribing_.pop_front();
    }
  }

  void welcome_newcomers() {
    std::vector<std::unique_ptr<Peer>> arrived;
    {
      const std::lock_guard lock(exchange_->mutex);
      arrived.swap(newcomers_);
    }
    for (auto& peer : arrived) {
      auto interest = std::make_unique<Interest>();
      interest->version = told_;
      interest->is_whole = true;
      interest_.for_each_subscribed(
          [&](const std::string& channel) { interest->changes.emplace(channel, true); });
      peer->out->applied.store(told_, std::memory_order_relaxed);  // until then it sends us everything
      peer->out->interest.put(std::move(interest));
      peer->must_wake = true;
      const auto hole = std::find(peers_.begin(), peers_.end(), nullptr);
      *(hole == peers_.end() ? peers_.emplace(hole) : hole) = std::move(peer);
      ++peer_count_;
    }
  }

  // What it sent before it went still arrives; nothing goes to it any more.
  void part_from(std::size_t place) {
    Peer& peer = *peers_[place];
    if (!std::exchange(peer.is_gone, true)) {
      for (const Held& held : std::exchange(peer.held, {})) sent(held);
      interest_.forget_peer(place);
    }
    if (!peer.in->messages.is_empty()) return;
    peers_[place].reset();
    --peer_count_;
  }

  // After the broker's stop.
  void give_up() {
    for (const auto& peer : peers_) {
      if (!peer) continue;
      for (const Held& held : std::exchange(peer->held, {}))
        finish(std::exchange(held.waiting->done, nullptr), broker_errc::unavailable);
    }
    waiting_ = waiting_bytes_ = 0;
    for (Subscribing& subscribing : std::exchange(subscribing_, {}))
      finish(std::move(subscribing.done), broker_errc::unavailable);
    for (Done& done : std::exchange(asked_, {})) finish(std::move(done), broker_errc::unavailable);
    changed_.changes.clear();
  }

  const std::shared_ptr<Exchange> exchange_;
  BrokerSink* const sink_;
  std::shared_ptr<Waker> waker_;
  PresenceTable::PortId id_ = 0;

  InterestTable interest_;
  std::vector<std::unique_ptr<Peer>> peers_;  // an empty place belongs to the next newcomer
  std::size_t peer_count_ = 0;
  std::vector<std::unique_ptr<Peer>> newcomers_;  // from other threads, under the exchange's mutex
  std::atomic<bool> has_newcomers_{false};

  Interest changed_;         // since the last look
  std::vector<Done> asked_;  // subscribes since the last look
  std::uint64_t told_ = 0;   // version of our interest that the peers were told
  std::deque<Subscribing> subscribing_;
  std::size_t waiting_ = 0;  // publishes with something held
  std::size_t waiting_bytes_ = 0;

  CallbackQueue<Finished> finished_;
  CallbackQueue<std::function<void()>> answers_;
  bool is_scheduled_ = false;  // this thread has asked for a look already
  bool is_looking_ = false;
  bool must_look_again_ = false;
  bool is_closed_ = false;
  bool uses_presence_ = false;
};

/// Nothing is delivered from now on. Any thread.
inline void stop(Exchange& exchange) {
  exchange.is_stopped.store(true);
  const std::lock_guard lock(exchange.mutex);
  for (PortState* port : exchange.ports) port->wake();
}

}  // namespace in_memory
}  // namespace switchboard::inline v1
