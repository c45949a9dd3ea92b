// SPDX-License-Identifier: MIT
// Internal: the connection to one server that publishes and asks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/redis/command.hpp>
#include <switchboard/broker/redis/link.hpp>
#include <switchboard/broker/redis/publish_queue.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// The connection that carries publishes and other commands to one server, pipelined.
class CommandLink final : public Link {
 public:
  /// Called with the answer, or with null when the connection was lost before it came.
  using Answered = std::function<void(Reply*)>;

  CommandLink(LinkContext& context, const Url& url)
      : Link(context, url),
        queue_({context.options.max_queue, context.options.max_queue_bytes, context.options.max_queue_time}) {
  }

  /// Ends in an `on_result`.
  void publish(PendingPublish publish) {
    const CallId call = publish.call;
    if (queue_.push(std::move(publish))) {
      context_.counters.queued.add();
      return;
    }
    context_.counters.refused.add();
    context_.events.on_result(call, is_away() ? broker_errc::unavailable : broker_errc::queue_full);
  }

  /// A command that is not repeated. It waits for a first connection, and for no other.
  template <class... Words>
  void command(Answered answered, const Words&... words) {
    if (is_away()) {
      if (answered) answered(nullptr);
      return;
    }
    append_command(is_ready() ? connection_->out() : early_, {std::string_view(words)...});
    if (is_ready()) connection_->expect();
    expected_.push_back({0, std::move(answered)});
  }

  /// The server has answered a command with this error.
  void report_answer(const std::string& answer) {
    const redis_errc reason = classify(answer);
    if (ends_connection(reason)) return fail(reason, answer);
    report(reason, answer);
    if (context_.is_cluster && reason == redis_errc::moved) context_.events.on_moved(answer);
  }

  /// The publishes that are not confirmed and belong elsewhere now; their results, if any are to come, are of
  /// no more interest. In order.
  template <class Predicate>
  std::vector<PendingPublish> take_if(Predicate belongs_elsewhere) {
    auto taken = queue_.take_if(belongs_elsewhere);
    context_.counters.queued.subtract(taken.size());
    return taken;
  }

  /// Writes what waits, as far as it is time for it.
  void flush() {
    if (!is_ready()) return;
    fill();
    connection_->flush();
  }

  /// Ends what has waited too long for a server that is away.
  void expire(TimePoint now) {
    if (is_ready()) return;
    while (queue_.has_expired(now)) finish(queue_.pop(), broker_errc::unavailable);
  }

  /// The server is let go of: no answers are waited for.
  void give_up() {
    close();
    for (Expected& expected : std::exchange(expected_, {}))
      if (expected.publishes == 0 && expected.answered) expected.answered(nullptr);
  }

  bool has_work() const { return !queue_.is_empty() || !expected_.empty(); }

 private:
  // A run of publishes, or one other command.
  struct Expected {
    std::size_t publishes = 0;
    Answered answered;
  };

  void fill() {
    constexpr std::size_t enough = std::size_t{256} << 10;
    std::string& out = connection_->out();
    while (out.size() < enough) {
      const PendingPublish* next = queue_.send_next();
      if (next == nullptr) return;
      append(out, *next);
      connection_->expect();
      if (expected_.empty() || expected_.back().publishes == 0) expected_.push_back({0, {}});
      ++expected_.back().publishes;
    }
  }

  void append(std::string& out, const PendingPublish& publish) const {
    const std::string& prefix = context_.options.prefix;
    const auto header = publish.header.encode();
    out += context_.is_cluster ? "*3\r\n$8\r\nSPUBLISH\r\n" : "*3\r\n$7\r\nPUBLISH\r\n";
    append_length(out, '$', prefix.size() + publish.channel.size());
    out.append(prefix).append(publish.channel).append("\r\n");
    append_length(out, '$', header.size() + publish.payload->size());
    out.append(header.data(), header.size()).append(*publish.payload).append("\r\n");
  }

  void on_up() override {
    connection_->out() += std::exchange(early_, {});
    if (!expected_.empty()) connection_->expect(expected_.size());
    flush();
  }

  void on_down() override {
    early_.clear();
    context_.counters.repeated.add(queue_.sent());
    queue_.on_connection_lost();
    for (Expected& expected : std::exchange(expected_, {}))
      if (expected.publishes == 0 && expected.answered) expected.answered(nullptr);
  }

  void on_reply(Reply& reply) override {
    if (expected_.empty()) return fail(redis_errc::protocol_error, "an answer that nothing asked for");
    connection_->answered();
    Expected& expected = expected_.front();
    if (expected.publishes == 0) {
      const Answered answered = std::move(expected.answered);
      expected_.pop_front();
      if (answered) answered(&reply);
      return;
    }
    if (--expected.publishes == 0) expected_.pop_front();  // before a move that may let go of this very link
    std::error_code error;
    if (reply.is_error()) {
      const redis_errc reason = classify(reply.text);
      if (ends_connection(reason)) return fail(reason, reply.text);  // it is repeated
      report(reason, reply.text);
      if (context_.is_cluster && reason == redis_errc::moved)
        context_.events.on_moved(reply.text);  // takes it away
      error = broker_errc::unavailable;
    }
    if (!reply.is_error() && reply.type != Reply::Type::integer)
      return fail(redis_errc::protocol_error, "an answer that no publish has");
    finish(queue_.pop_confirmed(), error);
  }

  void on_idle() override { flush(); }

  void finish(const PendingPublish& publish, std::error_code error) {
    if (publish.is_taken()) return;
    context_.counters.queued.subtract();
    (error ? context_.counters.refused : context_.counters.published).add();
    context_.events.on_result(publish.call, error);
  }

  PublishQueue queue_;
  std::deque<Expected> expected_;
  std::string early_;  // commands from before the first connection; publishes wait in the queue
};

}  // namespace redis
}  // namespace switchboard::inline v1
