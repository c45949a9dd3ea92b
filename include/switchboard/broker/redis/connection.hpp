// SPDX-License-Identifier: MIT
// Internal: one connection to a server, with its buffers and its deadline.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>

#include <switchboard/broker/detail/steady_now.hpp>
#include <switchboard/broker/redis/flush_policy.hpp>
#include <switchboard/broker/redis/handshake.hpp>
#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/broker/redis/redis_metrics.hpp>
#include <switchboard/broker/redis/reply_reader.hpp>
#include <switchboard/broker/redis/stream.hpp>
#include <switchboard/patterns/time.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Who uses a connection. Called on the broker's thread; may close the connection.
class ConnectionUser {
 public:
  /// The handshake is done.
  virtual void on_ready() = 0;
  /// An answer or a push. May take from it what it wants.
  virtual void on_reply(Reply& reply) = 0;
  /// All that had come has been handled, or all that was to go has been written: more may be added to
  /// `out()`.
  virtual void on_idle() = 0;
  /// The connection is of no more use; nothing follows. Not after `close`.
  virtual void on_failure(redis_errc error, const std::string& detail) = 0;

 protected:
  ~ConnectionUser() = default;
};

/// One connection to a server, from connecting to its end. Commands are collected in `out()` and written
/// together.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::unique_ptr<Stream> stream, Handshake handshake, ConnectionUser& user, Counters& counters)
      : stream_(std::move(stream)), handshake_(std::move(handshake)), user_(&user), counters_(counters) {}

  void open(const Endpoint& endpoint) {
    stream_->connect(endpoint, [self = shared_from_this()](std::error_code error) {
      if (self->user_ == nullptr) return;
      if (error) return self->fail(redis_errc::unreachable, error.message());
      self->out_ = self->handshake_.begin();
      self->write();
      self->read();
    });
  }

  /// The user hears nothing more.
  void close() {
    user_ = nullptr;
    stream_->close();
  }

  bool is_ready() const { return is_ready_ && user_ != nullptr; }

  /// Where commands are appended; each is announced by `expect`.
  std::string& out() { return out_; }
  void expect(std::uint64_t commands = 1) {
    if (policy_.unanswered() == 0) last_progress_ = steady_now();
    policy_.add(commands);
  }
  /// One of the commands has been answered.
  void answered() { policy_.on_reply(); }
  /// Something waits for an answer, and not a byte has come or gone since then.
  bool is_silent_since(TimePoint then) const { return policy_.unanswered() > 0 && last_progress_ <= then; }

  /// Writes what waits, if it is time for that.
  void flush() {
    if (is_ready() && !is_writing_ && policy_.may_flush(out_.size())) write();
  }

 private:
  void write() {
    is_writing_ = true;
    policy_.on_flush();
    writing_.swap(out_);
    out_.clear();
    written_ = 0;
    write_rest();
  }

  void write_rest() {
    stream_->write(asio::buffer(writing_.data() + written_, writing_.size() - written_),
                   [self = shared_from_this()](std::error_code error, std::size_t count) {
                     self->on_written(error, count);
                   });
  }

  void on_written(std::error_code error, std::size_t count) {
    if (user_ == nullptr) return;
    if (error) return fail(redis_errc::closed, error.message());
    counters_.bytes_sent.add(count);
    last_progress_ = steady_now();
    written_ += count;
    if (written_ < writing_.size()) return write_rest();
    is_writing_ = false;
    constexpr std::size_t kept = std::size_t{1} << 20;
    if (writing_.capacity() > kept) writing_ = {};
    writing_.clear();
    if (is_ready_) user_->on_idle();
  }

  void read() {
    stream_->read(asio::buffer(input_),
                  [self = shared_from_this()](std::error_code error, std::size_t count) {
                    self->on_read(error, count);
                  });
  }

  void on_read(std::error_code error, std::size_t count) {
    if (user_ == nullptr) return;
    if (error) return fail(redis_errc::closed, error.message());
    counters_.bytes_received.add(count);
    last_progress_ = steady_now();
    const bool is_redis = reader_.read(std::string_view(input_.data(), count), [this](Reply& reply) {
      handle(reply);
      return user_ != nullptr;
    });
    if (user_ == nullptr) return;
    if (!is_redis) return fail(redis_errc::protocol_error, "");
    user_->on_idle();
    if (user_ != nullptr) read();
  }

  void handle(Reply& reply) {
    if (is_ready_) return user_->on_reply(reply);
    switch (handshake_.on_reply(reply)) {
      case Handshake::Result::more:
        return;
      case Handshake::Result::failed:
        return fail(handshake_.error(), reply.text);
      case Handshake::Result::done:
        is_ready_ = true;
        policy_.reset();
        return user_->on_ready();
    }
  }

  void fail(redis_errc error, const std::string& detail) {
    ConnectionUser* const user = std::exchange(user_, nullptr);
    stream_->close();
    user->on_failure(error, detail);
  }

  const std::unique_ptr<Stream> stream_;
  Handshake handshake_;
  ConnectionUser* user_;
  Counters& counters_;
  FlushPolicy policy_;
  ReplyReader reader_;
  std::string out_, writing_;
  std::size_t written_ = 0;
  std::array<char, std::size_t{64} << 10> input_{};
  TimePoint last_progress_{};
  bool is_writing_ = false;
  bool is_ready_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
