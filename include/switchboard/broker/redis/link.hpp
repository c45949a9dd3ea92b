// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>

#include <switchboard/broker/redis/connection.hpp>
#include <switchboard/broker/redis/publish_queue.hpp>
#include <switchboard/broker/redis/reconnector.hpp>
#include <switchboard/broker/redis/redis_metrics.hpp>
#include <switchboard/broker/redis/redis_options.hpp>
#include <switchboard/broker/redis/url.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// What the links of one broker tell it.
class LinkEvents {
 public:
  virtual void on_message(std::string_view channel, Payload payload) = 0;
  virtual void on_result(CallId call, std::error_code error) = 0;
  virtual void on_error(redis_errc error, const std::string& server, const std::string& detail) = 0;

 protected:
  ~LinkEvents() = default;
};

/// What the links of one broker share.
struct LinkContext {
  asio::io_context& io;
  const RedisOptions& options;
  std::string node;      ///< its unique name
  std::uint64_t origin;  ///< of its messages
  Counters& counters;
  LinkEvents& events;
  std::minstd_rand random{std::random_device{}()};

  /// In [0, 1).
  double uniform() { return std::uniform_real_distribution<double>()(random); }
};

/// A connection that comes back: what the two kinds of links to a server have in common.
class Link : public ConnectionUser {
 public:
  Link(LinkContext& context, Url url)
      : context_(context),
        url_(std::move(url)),
        reconnector_({context.options.backoff, context.options.max_backoff},
                     context.options.connect_timeout) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() { close(); }

  /// Connects, or gives up on a server that says nothing, when it is time to.
  void tick(TimePoint now) {
    if (reconnector_.begins(now)) return connect();
    if (reconnector_.is_overdue(now) ||
        (connection_ && connection_->is_silent_since(now - context_.options.answer_timeout)))
      fail(redis_errc::timed_out, "");
  }
  /// For good.
  void close() {
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
    std::unique_ptr<Stream> stream;
    if (url_.unix_path.empty())
      stream = std::make_unique<TcpStream>(context_.io, context_.counters);
    else
      stream = std::make_unique<UnixStream>(context_.io, context_.counters, url_.unix_path);
    connection_ = std::make_shared<Connection>(std::move(stream),
                                               Handshake(url_.credentials, url_.database, "switchboard"),
                                               *this, context_.counters);
    connection_->open(url_.endpoints.empty() ? Endpoint{} : url_.endpoints.front());
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
  }

  Reconnector reconnector_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
