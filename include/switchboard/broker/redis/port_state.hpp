// SPDX-License-Identifier: MIT
// Internal: a port of a RedisBroker on its own shard's thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/detail/callback_queue.hpp>
#include <switchboard/broker/detail/in_memory_port_state.hpp>
#include <switchboard/broker/redis/pending_calls.hpp>
#include <switchboard/broker/redis/port_channel.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// A port's own side: its thread's alone, apart from `join` and what goes through its PortChannel.
///
/// Every call goes to the exchange between this process's shards and to the broker's thread; it is done when
/// both are.
class PortState : public std::enable_shared_from_this<PortState> {
 public:
  PortState(std::shared_ptr<in_memory::PortState> local, std::shared_ptr<PortChannel> channel,
            BrokerSink& sink, std::size_t max_message_bytes)
      : local_(std::move(local)),
        channel_(std::move(channel)),
        sink_(&sink),
        max_message_bytes_(max_message_bytes) {}

  void join(asio::any_io_executor executor) {
    channel_->port_waker = std::make_shared<in_memory::Waker>(std::move(executor), [weak = weak_from_this()] {
      if (const auto port = weak.lock()) port->look();
    });
  }

  /// The port is gone: its callbacks hear nothing more.
  void detach() {
    is_closed_ = true;
    channel_->port_waker->close();
    local_->for_each_subscribed([this](const std::string& channel) {
      channel_->calls.add({.kind = Call::Kind::unsubscribe, .channel = channel});
    });
    ask({.kind = Call::Kind::detach});
    local_->leave_exchange();
  }

  void subscribe(std::string_view channel, Done&& done) {
    const bool is_new = !local_->is_subscribed(channel);
    if (is_stopped_) return local_->subscribe(channel, std::move(done));
    const std::uint64_t number = pending_.add(std::move(done), 2);
    local_->subscribe(channel, [this, number](std::error_code error) { finish(number, error); });
    ask({.kind = is_new ? Call::Kind::subscribe : Call::Kind::subscribe_again,
         .number = number,
         .channel = std::string(channel)});
  }

  void unsubscribe(std::string_view channel) {
    if (!local_->is_subscribed(channel)) return;
    ask({.kind = Call::Kind::unsubscribe, .channel = std::string(channel)});
    local_->unsubscribe(channel);
  }

  /// The shards of this process get it whatever becomes of it elsewhere, unless one of them is so far behind
  /// that the publish is refused as a whole.
  void publish(std::string_view channel, Payload&& payload, Done&& done) {
    if (is_stopped_) return local_->publish(channel, std::move(payload), std::move(done));
    const std::uint64_t number = pending_.add(std::move(done), 1);
    if (payload->size() > max_message_bytes_) return fail_later(number, broker_errc::too_large);
    const auto ended = local_->offer(channel, Payload(payload), [&]() -> Done {
      pending_.add_part(number);
      return [this, number](std::error_code error) { finish(number, error); };
    });
    if (ended && *ended) return fail_later(number, *ended);
    ask({.kind = Call::Kind::publish,
         .number = number,
         .channel = std::string(channel),
         .payload = std::move(payload)});
  }

  /// What presence answers a call; which part, depends on the call.
  struct PresenceAnswer {
    PresenceChange change{};
    std::vector<PresenceEntry> list{};
    std::size_t count = 0;
  };
  using Answered = std::function<void(std::error_code, PresenceAnswer&)>;

  /// `task(node, number)` runs on the broker's thread and sees to it that `answer_presence` is called here.
  template <class Task>
  void ask_presence(Answered answered, Task task) {
    const std::uint64_t number = ++last_asked_;
    asked_.emplace(number, std::move(answered));
    if (is_stopped_)
      ready_.add({this, {.kind = PortEvent::Kind::stopped}}), channel_->port_waker->wake();
    else
      ask({.kind = Call::Kind::task,
           .task = [task = std::move(task), number](Node& node) { task(node, number); }});
  }
  void answer_presence(std::uint64_t number, std::error_code error, PresenceAnswer answer) {
    const auto found = asked_.find(number);
    if (found == asked_.end()) return;
    const Answered answered = std::move(found->second);
    asked_.erase(found);
    answered(error, answer);
  }

  BrokerSink& sink() { return *sink_; }
  std::uint64_t id() const { return channel_->id; }
  const std::shared_ptr<PortChannel>& channel() const { return channel_; }

 private:
  struct Ready {
    void operator()() { port->handle(event); }
    PortState* port;
    PortEvent event;
  };
  // A nested look does nothing; an exception leaves the rest for the next.
  struct Looking {
    explicit Looking(PortState& port) : state(port) { state.is_looking_ = true; }
    ~Looking() {
      state.is_looking_ = false;
      if (!is_complete && !state.is_closed_) state.channel_->port_waker->wake();
    }
    PortState& state;
    bool is_complete = false;
  };

  void ask(Call call) {
    channel_->calls.add(std::move(call));
    channel_->node_waker->wake();
  }

  void fail_later(std::uint64_t number, std::error_code error) {
    ready_.add({this, {.kind = PortEvent::Kind::result, .number = number, .error = error}});
    channel_->port_waker->wake();
  }

  void look() {
    channel_->port_waker->looks();
    if (is_closed_ || is_looking_) return;
    Looking looking(*this);
    channel_->events.take(taken_);
    for (PortEvent& event : taken_) ready_.add({this, std::move(event)});
    taken_.clear();
    ready_.call_while([this] { return !is_closed_; });
    looking.is_complete = true;
  }

  void handle(PortEvent& event) {
    switch (event.kind) {
      case PortEvent::Kind::result:
        return finish(event.number, event.error);
      case PortEvent::Kind::gap:
        if (event.channel.empty() || local_->is_subscribed(event.channel)) sink_->on_gap(event.channel);
        return;
      case PortEvent::Kind::task:
        return event.task(*this);
      case PortEvent::Kind::stopped:
        is_stopped_ = true;
        for (const Done& done : pending_.take_all())
          if (done && !is_closed_) done(broker_errc::unavailable);
        while (!asked_.empty() && !is_closed_)
          answer_presence(asked_.begin()->first, broker_errc::unavailable, {});
        return;
    }
  }

  void finish(std::uint64_t number, std::error_code error) {
    const auto ended = pending_.finish_part(number, error);
    if (ended.done) ended.done(ended.error);
  }

  const std::shared_ptr<in_memory::PortState> local_;
  const std::shared_ptr<PortChannel> channel_;
  BrokerSink* const sink_;
  const std::size_t max_message_bytes_;
  PendingCalls pending_;
  std::unordered_map<std::uint64_t, Answered> asked_;  // of presence
  std::uint64_t last_asked_ = 0;
  std::vector<PortEvent> taken_;
  in_memory::CallbackQueue<Ready> ready_;
  bool is_stopped_ = false;
  bool is_closed_ = false;
  bool is_looking_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
