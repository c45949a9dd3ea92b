// SPDX-License-Identifier: MIT
#pragma once
#include <charconv>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/redis/command.hpp>
#include <switchboard/broker/redis/link.hpp>
#include <switchboard/broker/redis/probe.hpp>
#include <switchboard/broker/redis/subscriptions.hpp>
#include <switchboard/broker/redis/wire_message.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// The connection that a server's messages come by.
class SubscriberLink final : public Link {
 public:
  /// `on_gap(channel)`: messages of others may have been missed; an empty name means on all of this server's
  /// channels.
  SubscriberLink(LinkContext& context, const Url& url, std::function<void(std::string_view)> on_gap)
      : Link(context, url),
        on_gap_(std::move(on_gap)),
        subscriptions_(context.options.unsubscribe_delay),
        probe_({context.options.probe_interval, context.options.probe_timeout}),
        probe_channel_(context.options.prefix + "$probe:" + std::to_string(context.origin)) {}

  Subscriptions& subscriptions() { return subscriptions_; }
  Probe& probe() { return probe_; }
  /// Where this node's probes come by.
  const std::string& probe_channel() const { return probe_channel_; }
  /// The probes' channel is subscribed.
  bool may_probe() const { return may_probe_; }
  /// Every channel that is wanted is subscribed.
  bool is_complete() const { return is_ready() && may_probe_ && subscriptions_.is_complete(); }

  /// Ends in an `on_result`.
  void subscribe(const std::string& channel, CallId call, bool is_new) {
    switch (subscriptions_.add(channel, call, is_new, !is_away())) {
      case Subscriptions::Answer::confirmed:
        return context_.events.on_result(call, {});
      case Subscriptions::Answer::away:
        return context_.events.on_result(call, broker_errc::unavailable);
      case Subscriptions::Answer::later:
        return;
    }
  }

  /// Sends the commands that are due, as far as it is time for it.
  void flush(TimePoint now) {
    if (!is_ready()) return;
    constexpr std::size_t enough = std::size_t{64} << 10;
    while (connection_->out().size() < enough) {
      const auto batch = subscriptions_.next_batch(now);
      if (batch.channels.empty()) break;
      append(batch);
    }
    connection_->flush();
  }

 private:
  void append(const Subscriptions::Batch& batch) {
    std::string& out = connection_->out();
    const std::string& prefix = context_.options.prefix;
    append_length(out, '*', batch.channels.size() + 1);
    append_argument(out, batch.subscribes ? "SUBSCRIBE" : "UNSUBSCRIBE");
    for (const std::string& channel : batch.channels) {
      append_length(out, '$', prefix.size() + channel.size());
      out.append(prefix).append(channel).append("\r\n");
    }
    connection_->expect(batch.channels.size());  // each channel is answered by itself
    context_.counters.subscribe_commands.add();
  }

  void on_up() override {
    append_command(connection_->out(), {"SUBSCRIBE", probe_channel_});
    connection_->expect();
    subscriptions_.on_connected();
    flush(steady_now());
  }

  void on_down() override {
    may_probe_ = false;
    probe_.stop();
    for (const CallId call : subscriptions_.on_connection_lost())
      context_.events.on_result(call, broker_errc::unavailable);
    // A short loss is told once, when all is well again; a longer one also as soon as it is known to be one.
    if (has_missed_ && !has_told_) {
      has_told_ = true;
      on_gap_("");
    }
    has_missed_ = true;
  }

  void on_reply(Reply& reply) override {
    if (reply.is_error()) return fail_by(reply.text);
    const std::string_view kind = reply[0];
    if (reply.type != Reply::Type::array || reply.elements.size() < 3)
      return fail(redis_errc::protocol_error, "a push that is none");
    if (kind == "message") return on_push(reply[1], reply.elements[2]->text);
    connection_->answered();
    if (kind == "subscribe") on_subscribed(reply[1]);
  }

  // A SUBSCRIBE of many channels that was refused has one answer: start anew.
  void fail_by(const std::string& answer) {
    const redis_errc reason = classify(answer);
    fail(reason, answer);
  }

  void on_subscribed(std::string_view name) {
    if (name == probe_channel_) {
      may_probe_ = true;
      return;
    }
    for (const CallId call : subscriptions_.on_subscribed(without_prefix(name), steady_now()))
      context_.events.on_result(call, {});
  }

  void on_push(std::string_view name, std::string& bytes) {
    if (name == probe_channel_) return on_probe(bytes);
    const std::string_view channel = without_prefix(name);
    const auto header = WireHeader::decode(bytes);
    if (!header) {
      report(redis_errc::unknown_version, "");
      return on_gap_(channel);
    }
    if (is_same_node(header->origin, context_.origin)) return context_.counters.returned.add();
    HeardOrigins* const heard = subscriptions_.find_wanted(channel);
    if (heard == nullptr) return;
    if (!heard->is_new(header->origin, header->counter)) return context_.counters.duplicates.add();
    context_.counters.received.add();
    bytes.erase(0, WireHeader::size);
    context_.events.on_message(channel, std::make_shared<const std::string>(std::move(bytes)));
  }

  void on_probe(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    probe_.on_delivery(number, steady_now());
  }

  void on_idle() override {
    flush(steady_now());
    if (!has_missed_ || !is_complete()) return;
    has_missed_ = has_told_ = false;
    on_gap_("");
  }

  std::string_view without_prefix(std::string_view name) const {
    return name.substr(std::min(name.size(), context_.options.prefix.size()));
  }

  const std::function<void(std::string_view)> on_gap_;
  Subscriptions subscriptions_;
  Probe probe_;
  const std::string probe_channel_;
  bool may_probe_ = false;
  bool has_missed_ = false;  // since the last time all was subscribed
  bool has_told_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
