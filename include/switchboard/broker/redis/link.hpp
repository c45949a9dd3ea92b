// SPDX-License-Identifier: MIT
// Internal: a connection that is made anew whenever it is lost.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <switchboard/broker/redis/connection.hpp>
#include <switchboard/broker/redis/link_context.hpp>
#include <switchboard/broker/redis/make_stream.hpp>
#include <switchboard/broker/redis/reconnector.hpp>
#include <switchboard/broker/redis/sentinel_locator.hpp>
#include <switchboard/broker/redis/url.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// A connection that comes back: what the two kinds of links to a server have in common.
class Link : public ConnectionUser {
 public:
  Link(LinkContext& context, Url url)
      : context_(context),
        url_(std::move(url)),
        reconnector_({context.options.backoff, context.options.max_backoff},
                     context.options.connect_timeout) {
    if (url_.mode == Url::Mode::sentinel) sentinels_.emplace(context, url_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() { close(); }

  /// Connects, or gives up on a server that says nothing, when it is time to.
  void tick(TimePoint now) {
    if (reconnector_.begins(now)) return connect();
    if (connection_ &&
        (reconnector_.is_overdue(now) || connection_->is_silent_since(now - context_.options.answer_timeout)))
      fail(redis_errc::timed_out, "");
  }
  /// For good.
  void close() {
    if (sentinels_) sentinels_->cancel();
    if (connection_) std::exchange(connection_, nullptr)->close();
  }
  /// Makes the connection anew.
  void fail(redis_errc error, const std::string& detail) {
    close();
    on_failure(error, detail);
  }

  bool is_ready() const { return connection_ && connection_->is_ready(); }
  /// It was tried in vain, or is lost.
  bool is_away() const { return !is_ready() && reconnector_.failures() > 0; }

 protected:
  virtual void on_up() = 0;
  virtual void on_down() = 0;

  void report(redis_errc error, const std::string& detail) {
    context_.events.on_error(error, url_.name(), detail);
  }

  LinkContext& context_;
  const Url url_;
  std::shared_ptr<Connection> connection_;

 private:
  void connect() {
    if (reconnector_.failures() > 0) context_.counters.reconnects.add();
    if (!sentinels_) return connect_to(url_.endpoints.empty() ? Endpoint{} : url_.endpoints.front());
    sentinels_->locate([this](const std::optional<Endpoint>& master, const std::string& why) {
      if (!master) return on_failure(redis_errc::unreachable, why);
      reconnector_.extend(steady_now());
      connect_to(*master);
    });
  }
  void connect_to(const Endpoint& endpoint) {
    connection_ = std::make_shared<Connection>(make_stream(context_, url_),
                                               Handshake(url_.credentials, url_.database, "switchboard"),
                                               *this, context_.counters);
    connection_->open(endpoint);
  }

  void on_ready() final {
    reconnector_.on_ready(steady_now());
    on_up();
  }
  void on_failure(redis_errc error, const std::string& detail) final {
    connection_.reset();
    reconnector_.on_failure(steady_now(), context_.uniform());
    report(error, detail);
    on_down();
    context_.events.on_moved({});
  }

  std::optional<SentinelLocator> sentinels_;
  Reconnector reconnector_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
