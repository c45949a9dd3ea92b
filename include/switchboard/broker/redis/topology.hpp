// SPDX-License-Identifier: MIT
// Internal: which servers there are, and whose a channel is.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/broker/redis/presence_keeper.hpp>
#include <switchboard/broker/redis/rendezvous.hpp>
#include <switchboard/broker/redis/server_link.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Which servers there are, and which one a channel belongs to.
class Topology {
 public:
  virtual ~Topology() = default;

  virtual ServerLink& server_of(std::string_view channel) = 0;
  virtual PresenceKeeper& presence_of(std::string_view channel) = 0;
  virtual const std::vector<std::unique_ptr<ServerLink>>& servers() const = 0;
  virtual const std::vector<std::unique_ptr<PresenceKeeper>>& presence() const = 0;
  virtual void tick(TimePoint now) = 0;
  /// What LinkEvents::on_moved says.
  virtual void on_moved(std::string_view answer) = 0;
  /// False: nothing is to be asked of any server yet.
  virtual bool is_settled() const { return true; }
  virtual bool is_complete() const { return true; }
  virtual void close() {
    for (const auto& server : servers()) server->close();
  }
};

/// Servers that know nothing of each other, with the channels spread over them; or a single one.
class IndependentServers final : public Topology {
 public:
  /// `on_gap(channel)`; an empty name means every channel.
  IndependentServers(LinkContext& context, const std::vector<Url>& urls,
                     std::function<void(std::string_view)> on_gap, const PresenceKeeper::Lost& lost)
      : spread_(names(urls)), on_gap_(std::move(on_gap)) {
    for (std::size_t i = 0; i < urls.size(); ++i) {
      servers_.push_back(std::make_unique<ServerLink>(
          context, urls[i], [this, i](std::string_view channel) { tell_gap(i, channel); }));
      presence_.push_back(std::make_unique<PresenceKeeper>(
          context, [this, i](std::string_view) { return &servers_[i]->commands(); }, lost));
    }
  }

  ServerLink& server_of(std::string_view channel) override { return *servers_[place_of(channel)]; }
  PresenceKeeper& presence_of(std::string_view channel) override { return *presence_[place_of(channel)]; }
  const std::vector<std::unique_ptr<ServerLink>>& servers() const override { return servers_; }
  const std::vector<std::unique_ptr<PresenceKeeper>>& presence() const override { return presence_; }
  void tick(TimePoint) override {}
  void on_moved(std::string_view) override {}

 private:
  static std::vector<std::string> names(const std::vector<Url>& urls) {
    std::vector<std::string> list;
    list.reserve(urls.size());
    for (const Url& url : urls) list.push_back(url.name());
    return list;
  }

  std::size_t place_of(std::string_view channel) const { return servers_.size() == 1 ? 0 : spread_(channel); }

  void tell_gap(std::size_t server, std::string_view channel) {
    if (!channel.empty() || servers_.size() == 1) return on_gap_(channel);
    servers_[server]->subscriber().subscriptions().for_each(
        [this](const std::string& name) { on_gap_(name); });
  }

  Rendezvous spread_;
  std::function<void(std::string_view)> on_gap_;
  std::vector<std::unique_ptr<ServerLink>> servers_;
  std::vector<std::unique_ptr<PresenceKeeper>> presence_;  // one for each of them
};

}  // namespace redis
}  // namespace switchboard::inline v1
