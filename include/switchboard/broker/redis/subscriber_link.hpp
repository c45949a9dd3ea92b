// SPDX-License-Identifier: MIT
// Internal: the connection to one server that messages come by.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/redis/cluster_slots.hpp>
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
        subscriptions_(context.options.unsubscribe_delay, group_of(context)),
        probe_({context.options.probe_interval, context.options.probe_timeout}),
        probe_channel_(context.options.prefix + "$probe:" + std::to_string(context.origin) + ":" +
                       url_.name()) {}

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

  /// A channel that was another server's. Its calls are answered here.
  void take_over(Subscriptions::Moved moved) {
    if (is_away())
      for (const CallId call : std::exchange(moved.waiting, {}))
        context_.events.on_result(call, broker_errc::unavailable);
    subscriptions_.add(std::move(moved));
  }

  /// Sends the commands that are due, as far as it is time for it.
  void flush(TimePoint now) {
    if (!is_ready()) return;
    constexpr std::size_t enough = std::size_t{64} << 10;
    while (connection_->out().size() < enough) {
      auto batch = subscriptions_.next_batch(now);
      if (batch.channels.empty()) break;
      append(std::move(batch));
    }
    connection_->flush();
  }

 private:
  /// A command whose confirmations, one for each channel, or whose refusal is still to come.
  struct Asked {
    bool subscribes = true;
    std::vector<std::string> channels;
    std::size_t answered = 0;
  };

  static Subscriptions::GroupOf group_of(const LinkContext& context) {
    if (!context.is_cluster) return {};
    return [prefix = context.options.prefix](std::string_view channel) {
      return key_slot(prefix + std::string(channel));
    };
  }

  void append(Subscriptions::Batch batch) {
    std::string& out = connection_->out();
    const std::string& prefix = context_.options.prefix;
    append_length(out, '*', batch.channels.size() + 1);
    const std::string_view name = batch.subscribes ? "SSUBSCRIBE" : "SUNSUBSCRIBE";
    append_argument(out, context_.is_cluster ? name : name.substr(1));
    for (const std::string& channel : batch.channels) {
      append_length(out, '$', prefix.size() + channel.size());
      out.append(prefix).append(channel).append("\r\n");
    }
    connection_->expect();
    context_.counters.subscribe_commands.add();
    asked_.push_back({batch.subscribes, std::move(batch.channels)});
  }

  void on_up() override {
    append_command(connection_->out(), {"SUBSCRIBE", probe_channel_});
    connection_->expect();
    asked_.push_back({});
    subscriptions_.on_connected();
    flush(steady_now());
  }

  void on_down() override {
    may_probe_ = false;
    probe_.stop();
    asked_.clear();
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
    if (reply.is_error()) return on_refusal(reply.text);
    const std::string_view kind = reply[0];
    if (reply.type != Reply::Type::array || reply.elements.size() < 3)
      return fail(redis_errc::protocol_error, "a push that is none");
    if (kind == "message" || kind == "smessage") return on_push(reply[1], reply.elements[2]->text);
    const std::string_view channel = without_prefix(reply[1]);
    if (kind == "sunsubscribe" && !is_awaited(channel)) {  // nothing of ours: its slot has moved
      if (subscriptions_.is_confirmed(channel)) end(channel);
      return context_.events.on_moved({});
    }
    if (asked_.empty()) return fail(redis_errc::protocol_error, "a confirmation that nothing asked for");
    if (++asked_.front().answered >= asked_.front().channels.size()) {
      asked_.pop_front();
      connection_->answered();
    }
    if (kind == "subscribe" || kind == "ssubscribe") on_subscribed(reply[1], channel);
  }

  /// The next answer is to a command that gives the channel up. A slot that moves away ends subscriptions
  /// unasked, of channels too that this link knows no more.
  bool is_awaited(std::string_view channel) const {
    if (asked_.empty() || asked_.front().subscribes) return false;
    const auto& channels = asked_.front().channels;
    return std::find(channels.begin(), channels.end(), channel) != channels.end();
  }

  // One answer for all channels of the command.
  void on_refusal(const std::string& answer) {
    const redis_errc reason = classify(answer);
    if (ends_connection(reason) || asked_.empty() || asked_.front().channels.empty())
      return fail(reason, answer);
    const Asked refused = std::move(asked_.front());
    asked_.pop_front();
    connection_->answered();
    report(reason, answer);
    if (context_.is_cluster && reason == redis_errc::moved)
      context_.events.on_moved(answer);  // takes the channels to where they are now
    if (refused.subscribes)
      for (const std::string& channel : refused.channels) end(channel);
  }
  void end(std::string_view channel) {
    for (const CallId call : subscriptions_.on_ended(channel))
      context_.events.on_result(call, broker_errc::unavailable);
  }

  void on_subscribed(std::string_view name, std::string_view channel) {
    if (name == probe_channel_) {
      may_probe_ = true;
      return;
    }
    const auto confirmed = subscriptions_.on_subscribed(channel, steady_now());
    for (const CallId call : confirmed.waiting) context_.events.on_result(call, {});
    if (confirmed.has_missed) on_gap_(channel);
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
  std::deque<Asked> asked_;
  bool may_probe_ = false;
  bool has_missed_ = false;  // since the last time all was subscribed
  bool has_told_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
