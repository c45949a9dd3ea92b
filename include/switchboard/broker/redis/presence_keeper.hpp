// SPDX-License-Identifier: MIT
// Internal: keeps a node's presence in Redis right, and removes that of dead nodes.
#pragma once
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/redis/command_link.hpp>
#include <switchboard/broker/redis/presence_entries.hpp>
#include <switchboard/broker/redis/presence_lease.hpp>
#include <switchboard/broker/redis/presence_scripts.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Presence on one server, or on one cluster: this node's entries there, kept right across outages of the
/// server, and those of nodes that have died removed.
class PresenceKeeper {
 public:
  /// The connection that is responsible for a key; null: none now. In a cluster it depends on the key.
  using LinkOf = std::function<CommandLink*(std::string_view key)>;
  using Changed = std::function<void(std::error_code, PresenceChange)>;
  using Listed = std::function<void(std::error_code, std::vector<PresenceEntry>)>;
  using Counted = std::function<void(std::error_code, std::size_t)>;
  using Lost = std::function<void(const std::string& channel, std::string_view user, std::uint64_t version)>;

  PresenceKeeper(LinkContext& context, LinkOf link_of, Lost lost)
      : context_(context),
        link_of_(std::move(link_of)),
        lost_(std::move(lost)),
        node_(context.node + ":" + std::to_string(context.origin)),
        lease_(context.options.presence_lease) {}

  void enter(std::uint64_t port, const std::string& channel, const std::string& user, std::string info,
             Changed changed) {
    is_used_ = true;
    const auto effect = entries_.enter(port, channel, user, std::move(info));
    if (effect.channel_is_new) add_channel(channel, user);
    store(channel, user, effect.info, std::move(changed));
  }

  void leave(std::uint64_t port, const std::string& channel, const std::string& user, Changed changed) {
    is_used_ = true;
    const auto effect = entries_.leave(port, channel, user);
    if (!effect.had_entry) return changed({}, {});
    if (effect.is_there) return store(channel, user, effect.info, std::move(changed));
    remove(channel, user, std::move(changed));
    if (effect.channel_is_gone) command("SREM", channels_key(node_), channel);
  }

  void query(const std::string& channel, Listed listed) {
    is_used_ = true;
    evaluate(query_script, presence_key(channel), [listed = std::move(listed)](Reply* reply) {
      if (reply == nullptr) return listed(broker_errc::unavailable, {});
      std::vector<PresenceEntry> list;
      for (std::size_t i = 0; i + 1 < reply->elements.size(); i += 2)
        list.push_back({std::move(reply->elements[i]->text), std::move(reply->elements[i + 1]->text)});
      listed({}, std::move(list));
    });
  }

  void count(const std::string& channel, Counted counted) {
    is_used_ = true;
    const std::string key = presence_key(channel);
    ask(
        key,
        [counted = std::move(counted)](Reply* reply) {
          if (reply == nullptr) return counted(broker_errc::unavailable, 0);
          // One field is the version; without users there is no key.
          counted({}, reply->integer > 0 ? static_cast<std::size_t>(reply->integer - 1) : 0);
        },
        "HLEN", key);
  }

  /// The port is gone, and so is what it has entered.
  void forget(std::uint64_t port) {
    for (const auto& [channel, user] : entries_.list(port)) leave(port, channel, user, [](auto, auto) {});
  }

  void tick(TimePoint now) {
    if (!is_used_) return;
    CommandLink* const link = link_of_(nodes_key());
    if (link == nullptr || !link->is_ready()) {
      is_lost_ = is_lost_ || was_ready_;
      return lease_.on_lost();
    }
    was_ready_ = true;
    // A server that has taken another's place may not know all that the other has confirmed.
    if (std::exchange(is_lost_, false)) entries_.mark_all();
    if (lease_.is_due(now)) renew();
    if (entries_.has_marked() && now - repaired_at_ >= (has_failed_ ? failure_interval : repair_interval)) {
      repaired_at_ = now;
      has_failed_ = false;
      repair(entries_.take_marked(repair_batch));
    }
  }

  /// The node ends. What is still entered stays until the lease ends, so that those who come back elsewhere
  /// by then have never left.
  void stop() {
    if (is_used_ && entries_.is_empty()) command("ZREM", nodes_key(), node_);
  }

 private:
  // So that what an outage has left to be told is not all in memory at once, and publishes get through.
  static constexpr std::size_t repair_batch = 5000;
  static constexpr Duration repair_interval = std::chrono::milliseconds(100);
  static constexpr Duration failure_interval = std::chrono::seconds(1);  // if something has failed since

  std::string presence_key(std::string_view channel) const {
    return context_.options.prefix + "presence:" + std::string(channel);
  }
  std::string nodes_key() const { return context_.options.prefix + "nodes"; }
  std::string channels_key(std::string_view node) const {
    return context_.options.prefix + "in:" + std::string(node);
  }

  /// Sends a command that is about the key. `answered` gets null where there was no answer, or an error.
  template <class... Words>
  void ask(const std::string& key, CommandLink::Answered answered, const Words&... words) {
    CommandLink* const link = link_of_(key);
    if (link == nullptr) return answered(nullptr);
    link->command(
        [answered = std::move(answered), link](Reply* reply) {
          if (reply != nullptr && reply->is_error()) {
            link->report_answer(reply->text);
            reply = nullptr;
          }
          answered(reply);
        },
        words...);
  }
  template <class... Arguments>
  void evaluate(std::string_view script, const std::string& key, CommandLink::Answered answered,
                const Arguments&... arguments) {
    ask(key, std::move(answered), "EVAL", script, "1", key, arguments...);
  }
  template <class... Words>
  void command(std::string_view name, const std::string& key, const Words&... words) {
    if (CommandLink* const link = link_of_(key)) link->command({}, name, key, words...);
  }
  /// Has whoever buries this node look into the channel.
  void add_channel(const std::string& channel, const std::string& user) {
    const std::string key = channels_key(node_);
    ask(
        key,
        [this, channel, user](Reply* reply) {
          if (reply == nullptr) mark(channel, user);
        },
        "SADD", key, channel);
  }
  void mark(const std::string& channel, const std::string& user) {
    entries_.mark(channel, user);
    has_failed_ = true;
  }

  void store(const std::string& channel, const std::string& user, const std::string& info, Changed changed) {
    change(enter_script, channel, user, std::move(changed), info);
  }
  void remove(const std::string& channel, const std::string& user, Changed changed) {
    change(leave_script, channel, user, std::move(changed));
  }
  template <class... Info>
  void change(std::string_view script, const std::string& channel, const std::string& user, Changed changed,
              const Info&... info) {
    evaluate(
        script, presence_key(channel),
        [this, channel, user, changed = std::move(changed)](Reply* reply) {
          if (reply == nullptr || reply->elements.size() < 2) {
            mark(channel, user);
            return changed(broker_errc::unavailable, {});
          }
          changed({}, {reply->elements[0]->integer == 1,
                       static_cast<std::uint64_t>(reply->elements[1]->integer)});
        },
        user, node_, info...);
  }

  void renew() {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(lease_.length()).count();
    evaluate(
        renew_script, nodes_key(), [this](Reply* reply) { on_renewed(reply); }, node_,
        std::to_string(milliseconds));
  }
  void on_renewed(Reply* reply) {
    if (reply == nullptr || reply->elements.empty()) return lease_.on_refused(steady_now());
    const bool had_lease = (*reply)[0] == "1";
    const bool may_judge = lease_.on_renewed(steady_now(), had_lease);
    if (!had_lease) entries_.mark_all();  // it has forgotten us, or others may have taken us for dead
    if (!may_judge) return;
    for (std::size_t i = 1; i < reply->elements.size(); ++i) bury(std::string((*reply)[i]));
  }

  /// Makes Redis hold what the entries say. Nobody was told of those who left meanwhile: they count as lost.
  void repair(const PresenceEntries::Names& names) {
    std::string_view last;
    for (const auto& [channel, user] : names) {
      if (const std::string* info = entries_.find(channel, user)) {
        if (std::exchange(last, channel) != channel) add_channel(channel, user);
        store(channel, user, *info, [](auto, auto) {});
        continue;
      }
      remove(channel, user, [this, channel, user](std::error_code error, PresenceChange change) {
        if (!error && change.changed) lost_(channel, user, change.version);
      });
    }
  }

  /// Removes what a dead node has left behind. Several nodes may do so at once: each user is found gone by
  /// one.
  void bury(const std::string& dead) {
    CommandLink* const link = link_of_(channels_key(dead));
    if (link == nullptr) return;
    link->command(
        [this, dead](Reply* reply) {
          if (reply == nullptr || reply->is_error()) return;  // again with the next renewal
          std::vector<std::string> channels;
          channels.reserve(reply->elements.size());
          for (Reply* element : reply->elements) channels.push_back(std::move(element->text));
          bury(dead, channels);
        },
        "SMEMBERS", channels_key(dead));
  }
  void bury(const std::string& dead, const std::vector<std::string>& channels) {
    // What is left is counted by who holds it: the last answer, or its loss, lets go of it.
    struct Burial {
      std::size_t open = 0;
      bool is_complete = true;
    };
    const auto burial = std::make_shared<Burial>(Burial{channels.size() + 1});
    const auto end_one = [this, burial, dead](bool is_done) {
      burial->is_complete &= is_done;
      if (--burial->open > 0 || !burial->is_complete) return;
      command("DEL", channels_key(dead));
      command("ZREM", nodes_key(), dead);
    };
    for (const std::string& channel : channels)
      evaluate(
          clean_script, presence_key(channel),
          [this, channel, end_one](Reply* reply) {
            if (reply != nullptr) tell_lost(channel, *reply);
            end_one(reply != nullptr);
          },
          dead);
    end_one(true);
  }
  void tell_lost(const std::string& channel, const Reply& reply) {
    std::uint64_t version = 0;
    const std::string_view digits = reply[0];
    std::from_chars(digits.data(), digits.data() + digits.size(), version);
    for (std::size_t i = 1; i < reply.elements.size(); ++i) lost_(channel, reply[i], version);
  }

  LinkContext& context_;
  const LinkOf link_of_;
  const Lost lost_;
  const std::string node_;  // of this start: a node that is restarted is another one
  PresenceLease lease_;
  PresenceEntries entries_;
  TimePoint repaired_at_{};
  bool has_failed_ = false;  // something, since then
  bool is_used_ = false;
  bool was_ready_ = false, is_lost_ = false;  // the connection that keeps the lease: ever, since then
};

}  // namespace redis
}  // namespace switchboard::inline v1
