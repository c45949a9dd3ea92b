// SPDX-License-Identifier: MIT
// Internal: one question on a connection of its own.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include <switchboard/broker/redis/connection.hpp>
#include <switchboard/broker/redis/make_stream.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// One command on a connection of its own: how sentinels and the nodes of a cluster are asked. Destroying it
/// ends it.
class Inquiry final : public ConnectionUser {
 public:
  /// The answer, or null and why there is none. It may destroy the inquiry.
  using Answered = std::function<void(Reply*, const std::string& why)>;

  Inquiry(LinkContext& context, const Url& url, const Credentials& credentials, const Endpoint& endpoint,
          std::vector<std::string> command, Duration timeout, Answered answered)
      : command_(std::move(command)),
        answered_(std::move(answered)),
        connection_(std::make_shared<Connection>(
            make_stream(context, url), Handshake(credentials, 0, "switchboard"), *this, context.counters)),
        timer_(context.io) {
    connection_->open(endpoint);
    timer_.expires_after(timeout);
    // Once the time is over a cancel comes too late for what calls this.
    timer_.async_wait([this, is_there = std::weak_ptr<void>(is_there_)](std::error_code error) {
      if (!error && !is_there.expired()) finish(nullptr, "no answer in time");
    });
  }
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;
  ~Inquiry() {
    timer_.cancel();
    if (connection_) connection_->close();
  }

 private:
  void on_ready() override {
    append_command(connection_->out(), {}, command_);
    connection_->expect();
    connection_->flush();
  }
  void on_reply(Reply& reply) override {
    if (reply.is_error()) return finish(nullptr, reply.text);
    finish(&reply, {});
  }
  void on_idle() override {}
  void on_failure(redis_errc error, const std::string& detail) override {
    connection_.reset();
    finish(nullptr, detail.empty() ? make_error_code(error).message() : detail);
  }

  void finish(Reply* reply, const std::string& why) {
    timer_.cancel();
    if (connection_) std::exchange(connection_, nullptr)->close();
    if (answered_) std::exchange(answered_, nullptr)(reply, why);
  }

  std::vector<std::string> command_;
  Answered answered_;
  std::shared_ptr<Connection> connection_;
  asio::steady_timer timer_;
  const std::shared_ptr<void> is_there_ = std::make_shared<char>();
};

}  // namespace redis
}  // namespace switchboard::inline v1
