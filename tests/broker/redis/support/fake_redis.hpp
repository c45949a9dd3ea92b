// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>

#include <switchboard/broker/redis/reply_reader.hpp>

namespace redis_test {

/// A server that answers commands as it is told to and delivers nothing.
class FakeRedis {
 public:
  /// What a command is answered, by its first word: bytes. Others get what shows success.
  FakeRedis() {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~FakeRedis() {
    context_.stop();
    thread_.join();
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  void answer(const std::string& command, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    answers_[command] = bytes;
  }
  /// The same once, and before that, in order.
  void answer_once(const std::string& command, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    next_answers_[command].push_back(bytes);
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }

 private:
  struct Session : std::enable_shared_from_this<Session> {
    Session(FakeRedis& its_server, asio::ip::tcp::socket its_socket)
        : server(its_server), socket(std::move(its_socket)) {}
    void read() {
      socket.async_read_some(
          asio::buffer(bytes), [self = shared_from_this()](std::error_code error, std::size_t size) {
            if (error) return;
            std::string out;
            self->reader.read({self->bytes.data(), size}, [&](switchboard::redis::Reply& command) {
              out += self->server.answer_to(command);
              return true;
            });
            asio::write(self->socket, asio::buffer(out), error);
            if (!error) self->read();
          });
    }
    FakeRedis& server;
    asio::ip::tcp::socket socket;
    std::array<char, 4096> bytes;
    switchboard::redis::ReplyReader reader;
  };

  std::string answer_to(const switchboard::redis::Reply& command) {
    const std::lock_guard lock(mutex_);
    if (auto& next = next_answers_[std::string(command[0])]; !next.empty()) {
      const std::string answer = next.front();
      next.pop_front();
      return answer;
    }
    if (const auto answer = answers_.find(std::string(command[0])); answer != answers_.end())
      return answer->second;
    if (command[0] == "PUBLISH") return ":0\r\n";
    if (command[0] != "SUBSCRIBE") return "+OK\r\n";
    std::string out;
    for (std::size_t i = 1; i < command.elements.size(); ++i)
      out += "*3\r\n$9\r\nsubscribe\r\n$" + std::to_string(command[i].size()) + "\r\n" +
             std::string(command[i]) + "\r\n:1\r\n";
    return out;
  }

  void accept() {
    acceptor_.async_accept([this](std::error_code error, asio::ip::tcp::socket socket) {
      if (error) return;
      ++connections_;
      std::make_shared<Session>(*this, std::move(socket))->read();
      accept();
    });
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::mutex mutex_;
  std::map<std::string, std::string> answers_;
  std::map<std::string, std::deque<std::string>> next_answers_;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace redis_test
