// SPDX-License-Identifier: MIT
// Internal: one server with its two connections.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/broker/redis/command_link.hpp>
#include <switchboard/broker/redis/subscriber_link.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// One server: a connection for commands, one for messages, and the probe that goes out by the first and
/// comes back by the second.
class ServerLink {
 public:
  ServerLink(LinkContext& context, const Url& url, std::function<void(std::string_view)> on_gap)
      : context_(context), commands_(context, url), subscriber_(context, url, std::move(on_gap)) {}

  CommandLink& commands() { return commands_; }
  SubscriberLink& subscriber() { return subscriber_; }

  /// Connected, subscribed to all that is wanted, and known to deliver.
  bool is_healthy() {
    return commands_.is_ready() && subscriber_.is_complete() && subscriber_.probe().is_delivering();
  }

  void tick(TimePoint now) {
    commands_.tick(now);
    subscriber_.tick(now);
    commands_.expire(now);
    probe(now);
    flush(now);
  }
  void flush(TimePoint now) {
    subscriber_.flush(now);
    commands_.flush();
  }
  void close() {
    commands_.close();
    subscriber_.close();
  }

 private:
  void probe(TimePoint now) {
    Probe& probe = subscriber_.probe();
    if (!commands_.is_ready() || !subscriber_.may_probe()) {
      is_probing_ = false;
      return probe.stop();
    }
    // Not while all is being subscribed: a probe would wait behind that, and the answers' own time guards it.
    if (!is_probing_ && !subscriber_.is_complete()) return;
    if (!std::exchange(is_probing_, true)) probe.start(now);
    switch (probe.tick(now, context_.uniform())) {
      case Probe::Action::none:
        return;
      case Probe::Action::send:
        return commands_.command({}, "PUBLISH", subscriber_.probe_channel(), std::to_string(probe.number()));
      case Probe::Action::fail:
        is_probing_ = false;
        subscriber_.fail(redis_errc::not_delivering, "");
        return commands_.fail(redis_errc::not_delivering, "");
    }
  }

  LinkContext& context_;
  CommandLink commands_;
  SubscriberLink subscriber_;
  bool is_probing_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
