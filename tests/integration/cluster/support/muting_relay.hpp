// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>

namespace chaos {

/// Where the RESP value that begins `bytes` ends; npos while it is not whole.
inline std::size_t end_of_value(std::string_view bytes) {
  const std::size_t line_end = bytes.find("\r\n");
  if (line_end == bytes.npos) return bytes.npos;
  const char type = bytes[0];
  std::size_t end = line_end + 2;
  if (type != '$' && type != '*') return end;
  std::int64_t count = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + line_end, count);
  if (type == '$') {
    if (count >= 0) end += static_cast<std::size_t>(count) + 2;
    return end <= bytes.size() ? end : bytes.npos;
  }
  for (; count > 0; --count) {
    const std::size_t size = end_of_value(bytes.substr(end));
    if (size == bytes.npos) return size;
    end += size;
  }
  return end;
}

/// Stands between nodes and a Redis. While it is muted, every command is answered, and no message is
/// delivered: what pub/sub looks like that is broken where nobody sees it.
class MutingRelay {
 public:
  explicit MutingRelay(std::uint16_t redis_port) : redis_(asio::ip::address_v4::loopback(), redis_port) {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  MutingRelay(const MutingRelay&) = delete;
  MutingRelay& operator=(const MutingRelay&) = delete;
  ~MutingRelay() {
    context_.stop();
    thread_.join();
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  void mute(bool is_muted) { is_muted_ = is_muted; }
  std::size_t dropped() const { return dropped_; }

 private:
  using Socket = asio::ip::tcp::socket;

  struct Pair : std::enable_shared_from_this<Pair> {
    Pair(MutingRelay& its_relay, Socket its_node)
        : relay(its_relay), node(std::move(its_node)), redis(relay.context_) {}

    void start() {
      redis.async_connect(relay.redis_, [self = shared_from_this()](std::error_code error) {
        if (error) return self->close();
        self->commands();
        self->replies();
      });
    }

    void commands() {
      node.async_read_some(
          asio::buffer(up), [self = shared_from_this()](std::error_code error, std::size_t size) {
            if (error) return self->close();
            asio::async_write(
                self->redis, asio::buffer(self->up.data(), size),
                [self](std::error_code failed, std::size_t) { failed ? self->close() : self->commands(); });
          });
    }

    void replies() {
      redis.async_read_some(
          asio::buffer(down), [self = shared_from_this()](std::error_code error, std::size_t size) {
            if (error) return self->close();
            self->pending.append(self->down.data(), size);
            self->outgoing = self->relay.audible(self->pending);
            asio::async_write(
                self->node, asio::buffer(self->outgoing),
                [self](std::error_code failed, std::size_t) { failed ? self->close() : self->replies(); });
          });
    }

    void close() {
      std::error_code ignored;
      node.close(ignored);
      redis.close(ignored);
    }

    MutingRelay& relay;
    Socket node, redis;
    std::array<char, 65536> up, down;
    std::string pending, outgoing;
  };

  /// Takes the whole values off `pending`, and leaves out the messages while muted.
  std::string audible(std::string& pending) {
    std::string out;
    std::size_t taken = 0;
    for (std::string_view rest = pending; !rest.empty(); rest = std::string_view(pending).substr(taken)) {
      const std::size_t size = end_of_value(rest);
      if (size == rest.npos) break;
      const std::string_view value = rest.substr(0, size);
      taken += size;
      if (is_muted_ && value.starts_with("*3\r\n$7\r\nmessage\r\n"))
        ++dropped_;
      else
        out += value;
    }
    pending.erase(0, taken);
    return out;
  }

  void accept() {
    acceptor_.async_accept([this](std::error_code error, Socket socket) {
      if (!error) std::make_shared<Pair>(*this, std::move(socket))->start();
      accept();
    });
  }

  asio::io_context context_;
  asio::ip::tcp::endpoint redis_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::atomic<bool> is_muted_{false};
  std::atomic<std::size_t> dropped_{0};
  std::thread thread_;
};

}  // namespace chaos
