// SPDX-License-Identifier: MIT
// Internal: carries out that search.
#pragma once
#include <charconv>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/broker/redis/inquiry.hpp>
#include <switchboard/broker/redis/sentinel.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Carries out a SentinelSearch: asks who is the master now.
class SentinelLocator {
 public:
  /// The master, or nothing and why.
  using Located = std::function<void(std::optional<Endpoint>, const std::string& why)>;

  SentinelLocator(LinkContext& context, const Url& url)
      : context_(context), url_(url), search_(url.endpoints) {}

  /// One search at a time.
  void locate(Located located) {
    located_ = std::move(located);
    carry_out(search_.begin());
  }
  void cancel() { inquiry_.reset(); }

 private:
  void carry_out(SentinelSearch::Action action) {
    switch (action) {
      case SentinelSearch::Action::ask_sentinel:
        return ask(url_.sentinel_credentials, {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", url_.master_name},
                   [this](Reply& reply) { return on_sentinel(reply); });
      case SentinelSearch::Action::check_role:
        return ask(url_.credentials, {"ROLE"}, [this](Reply& reply) { return search_.on_role(reply[0]); });
      case SentinelSearch::Action::use_master:
        return std::exchange(located_, nullptr)(search_.endpoint(), {});
      case SentinelSearch::Action::give_up:
        return std::exchange(located_, nullptr)(std::nullopt, search_.why());
    }
  }

  void ask(const Credentials& credentials, std::vector<std::string> command,
           std::function<SentinelSearch::Action(Reply&)> understand) {
    const Duration timeout = context_.options.connect_timeout / 3;  // others may know more
    inquiry_ = std::make_unique<Inquiry>(
        context_, url_, credentials, search_.endpoint(), std::move(command), timeout,
        [this, understand = std::move(understand)](Reply* reply, const std::string& why) {
          const auto done = std::move(inquiry_);  // outlives this call
          carry_out(reply != nullptr ? understand(*reply) : search_.on_failure(why));
        });
  }

  SentinelSearch::Action on_sentinel(const Reply& reply) {
    std::uint16_t port = 0;
    const std::string_view digits = reply[1];
    std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (reply.elements.size() != 2 || port == 0) return search_.on_unknown();
    return search_.on_master({std::string(reply[0]), port});
  }

  LinkContext& context_;
  const Url url_;
  SentinelSearch search_;
  Located located_;
  std::unique_ptr<Inquiry> inquiry_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
