// SPDX-License-Identifier: MIT
// Internal: the servers of a Redis Cluster, and following it as it changes.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/broker/redis/cluster_slots.hpp>
#include <switchboard/broker/redis/inquiry.hpp>
#include <switchboard/broker/redis/topology.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// A Reply as `parse_cluster_slots` reads it.
class ReplyView {
 public:
  explicit ReplyView(const Reply* reply) : reply_(reply) {
    for (const Reply* element : reply->elements) elements_.emplace_back(element);
  }
  std::size_t size() const { return elements_.size(); }
  const ReplyView& operator[](std::size_t index) const { return elements_[index]; }
  std::string_view text() const { return reply_->text; }
  std::int64_t integer() const { return reply_->integer; }

 private:
  const Reply* reply_;
  std::vector<ReplyView> elements_;
};

/// The masters of a Redis Cluster, with sharded publish and subscribe: a link to each, and the map of slots
/// that says which one a channel belongs to.
///
/// Where a slot goes to another master, what waits for it goes there too: publishes in order and with their
/// numbers, subscriptions with what was heard of them, and a gap for each that may have missed something on
/// the way.
class Cluster final : public Topology {
 public:
  Cluster(LinkContext& context, Url url, std::function<void(std::string_view)> on_gap,
          const PresenceKeeper::Lost& lost)
      : context_(context), url_(std::move(url)), on_gap_(std::move(on_gap)) {
    context_.is_cluster = true;
    slots_.assign(0, slot_count - 1, url_.endpoints.front());  // until someone has been asked
    presence_.push_back(std::make_unique<PresenceKeeper>(
        context,
        [this](std::string_view key) { return &link_of(*slots_.master_of(key_slot(key))).commands(); },
        lost));
  }

  ServerLink& server_of(std::string_view channel) override { return link_of(owner_of(channel)); }
  PresenceKeeper& presence_of(std::string_view) override { return *presence_.front(); }
  const std::vector<std::unique_ptr<ServerLink>>& servers() const override { return links_; }
  const std::vector<std::unique_ptr<PresenceKeeper>>& presence() const override { return presence_; }
  bool is_settled() const override { return has_asked_; }
  bool is_complete() const override { return knows_slots_; }

  /// Asks for the map when there is a reason to, and now and then without one.
  void tick(TimePoint now) override {
    retired_.clear();
    if (inquiry_ || now < next_inquiry_) return;
    if (!must_ask_ && now < next_look_) return;
    must_ask_ = false;
    next_inquiry_ = now + ask_interval;
    next_look_ = now + std::chrono::seconds(10);
    ask();
  }

  void on_moved(std::string_view answer) override {
    must_ask_ = true;
    const auto redirect = parse_redirect(answer, url_.endpoints.front());
    if (!redirect || redirect->is_ask) return;
    SlotMap map = slots_;
    map.assign(redirect->slot, redirect->slot, redirect->endpoint);
    use(std::move(map));
  }

  void close() override {
    inquiry_.reset();
    retired_.clear();
    Topology::close();
  }

 private:
  static constexpr Duration ask_interval = std::chrono::milliseconds(100);

  const Endpoint& owner_of(std::string_view channel) const {
    return *slots_.master_of(key_slot(context_.options.prefix + std::string(channel)));
  }

  ServerLink& link_of(const Endpoint& endpoint) {
    for (std::size_t i = 0; i < endpoints_.size(); ++i)
      if (endpoints_[i] == endpoint) return *links_[i];
    Url url = url_;
    url.mode = Url::Mode::single;
    url.endpoints = {endpoint};
    endpoints_.push_back(endpoint);
    links_.push_back(std::make_unique<ServerLink>(
        context_, url, [this, endpoint](std::string_view channel) { tell_gap(endpoint, channel); }));
    return *links_.back();
  }

  void tell_gap(const Endpoint& endpoint, std::string_view channel) {
    if (!channel.empty()) return on_gap_(channel);
    const auto place = std::find(endpoints_.begin(), endpoints_.end(), endpoint);
    if (place == endpoints_.end()) return;  // it is let go of, and its channels are elsewhere
    links_[static_cast<std::size_t>(place - endpoints_.begin())]->subscriber().subscriptions().for_each(
        [this](const std::string& name) { on_gap_(name); });
  }

  // The masters known now, and those of the URL, in turn.
  void ask() {
    std::vector<Endpoint> candidates = endpoints_;
    for (const Endpoint& seed : url_.endpoints)
      if (std::find(candidates.begin(), candidates.end(), seed) == candidates.end())
        candidates.push_back(seed);
    const Endpoint asked = candidates[next_asked_++ % candidates.size()];
    Url url = url_;
    url.mode = Url::Mode::single;
    inquiry_ = std::make_unique<Inquiry>(
        context_, url, url_.credentials, asked, std::vector<std::string>{"CLUSTER", "SLOTS"},
        context_.options.connect_timeout / 3,
        [this, asked, all = candidates.size()](Reply* reply, const std::string& why) {
          const auto done = std::move(inquiry_);  // outlives this call
          learn(reply, asked, why, all);
        });
  }

  void learn(const Reply* reply, const Endpoint& asked, const std::string& why, std::size_t candidates) {
    const auto map = reply == nullptr ? std::nullopt : parse_cluster_slots(ReplyView(reply), asked);
    if (!map) {
      must_ask_ = true;
      context_.events.on_error(redis_errc::cluster_down, url_.name(), to_string(asked) + ": " + why);
      if (++failures_ < candidates) return;
      has_asked_ = true;  // nobody knows: what comes now waits for the first of the URL
      const std::size_t rounds = std::min(failures_ / candidates, std::size_t{10});
      next_inquiry_ = steady_now() + std::min(ask_interval * (1 << rounds), context_.options.max_backoff);
      return;
    }
    failures_ = 0;
    has_asked_ = true;
    knows_slots_ = map->is_complete();
    if (!knows_slots_) must_ask_ = true;
    SlotMap known = *map;
    for (std::size_t slot = 0; slot < slot_count; ++slot)
      if (known.master_of(slot) == nullptr) known.assign(slot, slot, *slots_.master_of(slot));
    use(std::move(known));
  }

  void use(SlotMap map) {
    bool is_same = true;
    for (std::size_t slot = 0; slot < slot_count && is_same; ++slot)
      is_same = *map.master_of(slot) == *slots_.master_of(slot);
    if (!is_same || links_.empty()) {
      slots_ = std::move(map);
      for (const Endpoint& master : slots_.masters()) link_of(master);
      for (std::size_t i = 0, count = links_.size(); i < count; ++i) move_from(i);
      retire();
      return;
    }
    // Channels that a server let go of while the map stayed are asked for again.
    for (const auto& link : links_) link->subscriber().subscriptions().retry();
  }

  void move_from(std::size_t place) {
    const Endpoint here = endpoints_[place];
    const auto is_elsewhere = [this, &here](std::string_view channel) { return owner_of(channel) != here; };
    for (auto& publish : links_[place]->commands().take_if(is_elsewhere))
      server_of(publish.channel).commands().publish(std::move(publish));
    for (auto& moved : links_[place]->subscriber().subscriptions().take_if(is_elsewhere))
      server_of(moved.name).subscriber().take_over(std::move(moved));
  }

  // A link that has no slots is let go of, at the next tick: this may be called from inside one.
  void retire() {
    const auto masters = slots_.masters();
    for (std::size_t i = links_.size(); i-- > 0;) {
      if (std::find(masters.begin(), masters.end(), endpoints_[i]) != masters.end()) continue;
      links_[i]->commands().give_up();
      retired_.push_back(std::move(links_[i]));
      links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(i));
      endpoints_.erase(endpoints_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  LinkContext& context_;
  const Url url_;
  const std::function<void(std::string_view)> on_gap_;
  SlotMap slots_;  // each slot has a master here, if only the one it had last
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<ServerLink>> links_;  // to these
  std::vector<std::unique_ptr<ServerLink>> retired_;
  std::vector<std::unique_ptr<PresenceKeeper>> presence_;  // one for all
  std::unique_ptr<Inquiry> inquiry_;
  std::size_t next_asked_ = 0;
  std::size_t failures_ = 0;
  TimePoint next_inquiry_ = TimePoint::min();
  TimePoint next_look_ = TimePoint::min();
  bool must_ask_ = true;
  bool has_asked_ = false;
  bool knows_slots_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
