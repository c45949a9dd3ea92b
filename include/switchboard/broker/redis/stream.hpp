// SPDX-License-Identifier: MIT
// Internal: bytes to and from a server by TCP or a Unix socket.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/write.hpp>

#include <switchboard/broker/redis/endpoint.hpp>
#include <switchboard/broker/redis/redis_metrics.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// A connection's bytes, whatever carries them. One read and one write at a time; the handlers are called
/// later, with an error after `close`.
class Stream {
 public:
  using Connected = std::function<void(std::error_code)>;
  using Transferred = std::function<void(std::error_code, std::size_t)>;

  virtual ~Stream() = default;
  virtual void connect(const Endpoint& endpoint, Connected connected) = 0;
  /// Some bytes, at least one.
  virtual void read(asio::mutable_buffer buffer, Transferred transferred) = 0;
  /// Some of the bytes, at least one.
  virtual void write(asio::const_buffer buffer, Transferred transferred) = 0;
  virtual void close() = 0;
};

/// Reads and writes as soon as the socket is ready, with one system call each.
template <class Socket>
class SocketStream : public Stream {
 public:
  SocketStream(asio::io_context& context, Counters& counters) : socket_(context), counters_(counters) {}

  void read(asio::mutable_buffer buffer, Transferred transferred) override {
    socket_.async_wait(Socket::wait_read,
                       [this, buffer, transferred = std::move(transferred)](std::error_code error) {
                         std::size_t count = 0;
                         if (!error) {
                           counters_.reads.add();
                           count = socket_.read_some(buffer, error);
                         }
                         if (error == asio::error::would_block) return read(buffer, transferred);
                         transferred(error, count);
                       });
  }

  void write(asio::const_buffer buffer, Transferred transferred) override {
    std::error_code error;
    counters_.writes.add();
    const std::size_t count = socket_.write_some(buffer, error);
    if (error != asio::error::would_block) {
      asio::post(socket_.get_executor(),
                 [transferred = std::move(transferred), error, count] { transferred(error, count); });
      return;
    }
    socket_.async_wait(Socket::wait_write,
                       [this, buffer, transferred = std::move(transferred)](std::error_code failed) {
                         if (failed) return transferred(failed, 0);
                         write(buffer, transferred);
                       });
  }

  void close() override {
    std::error_code ignored;
    socket_.close(ignored);
  }

 protected:
  Socket socket_;
  Counters& counters_;
};

class TcpStream final : public SocketStream<asio::ip::tcp::socket> {
 public:
  explicit TcpStream(asio::io_context& context, Counters& counters)
      : SocketStream(context, counters), resolver_(context) {}

  void connect(const Endpoint& endpoint, Connected connected) override {
    resolver_.async_resolve(endpoint.host, std::to_string(endpoint.port),
                            [this, connected = std::move(connected)](
                                std::error_code error, const asio::ip::tcp::resolver::results_type& found) {
                              if (is_closed_) error = asio::error::operation_aborted;
                              if (error) return connected(error);
                              asio::async_connect(
                                  socket_, found, [this, connected](std::error_code failed, const auto&) {
                                    if (!failed) socket_.non_blocking(true, failed);
                                    if (!failed) socket_.set_option(asio::ip::tcp::no_delay(true), failed);
                                    connected(failed);
                                  });
                            });
  }
  void close() override {
    is_closed_ = true;
    resolver_.cancel();
    SocketStream::close();
  }

 private:
  asio::ip::tcp::resolver resolver_;
  bool is_closed_ = false;  // a resolver that is at work cannot be cancelled
};

class UnixStream final : public SocketStream<asio::local::stream_protocol::socket> {
 public:
  UnixStream(asio::io_context& context, Counters& counters, std::string path)
      : SocketStream(context, counters), path_(std::move(path)) {}

  void connect(const Endpoint&, Connected connected) override {
    socket_.async_connect(asio::local::stream_protocol::endpoint(path_),
                          [this, connected = std::move(connected)](std::error_code error) {
                            if (!error) socket_.non_blocking(true, error);
                            connected(error);
                          });
  }

 private:
  std::string path_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
