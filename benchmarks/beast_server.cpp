// SPDX-License-Identifier: MIT
// The server to compare with: what a programmer writes on Boost.Beast after its chat example (chat-multi). A
// session object per connection on a strand of its own; who is to get a message is noted under a lock, and
// each send posts to its session's strand, where it joins a queue of shared strings with one async_write a
// message. Not tuned, on purpose.
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <nlohmann/json.hpp>

#include "support/command_line.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;

enum class Mode { echo, fanout };

class Session;

/// Who is subscribed to what.
class Rooms {
 public:
  void join(const std::string& channel, Session& session) {
    const std::lock_guard lock(mutex_);
    members_[channel].insert(&session);
  }
  void leave(Session& session) {
    const std::lock_guard lock(mutex_);
    for (auto& [channel, sessions] : members_) sessions.erase(&session);
  }
  void broadcast(const std::string& channel, std::string message);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::unordered_set<Session*>> members_;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket&& socket, Mode mode, Rooms& rooms)
      : stream_(std::move(socket)), mode_(mode), rooms_(rooms) {}
  ~Session() { rooms_.leave(*this); }

  void run() {
    stream_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    stream_.text(true);
    stream_.async_accept([self = shared_from_this()](beast::error_code error) {
      if (!error) self->read();
    });
  }

  void send(std::shared_ptr<const std::string> message) {
    asio::post(stream_.get_executor(), [self = shared_from_this(), message = std::move(message)]() mutable {
      self->queue_.push_back(std::move(message));
      if (self->queue_.size() == 1) self->write();
    });
  }

 private:
  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return;
      self->handle(beast::buffers_to_string(self->buffer_.data()));
      self->buffer_.consume(self->buffer_.size());
      self->read();
    });
  }

  void handle(std::string message) {
    if (mode_ == Mode::echo) return send(std::make_shared<const std::string>(std::move(message)));
    const auto request = nlohmann::json::parse(message, nullptr, false);
    if (!request.is_object()) return;
    const auto action = request.value("action", "");
    const auto channel = request.value("channel", "");
    if (action == "subscribe") {
      rooms_.join(channel, *this);
      const nlohmann::json answer{{"status", "subscribed"}, {"channel", channel}};
      send(std::make_shared<const std::string>(answer.dump()));
    } else if (action == "publish" && request.contains("data")) {
      nlohmann::ordered_json delivery{
          {"type", "message"}, {"channel", channel}, {"data", request.at("data")}};
      rooms_.broadcast(channel, delivery.dump());
    }
  }

  void write() {
    stream_.async_write(asio::buffer(*queue_.front()),
                        [self = shared_from_this()](beast::error_code error, std::size_t) {
                          if (error) return;
                          self->queue_.pop_front();
                          if (!self->queue_.empty()) self->write();
                        });
  }

  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  Mode mode_;
  Rooms& rooms_;
};

void Rooms::broadcast(const std::string& channel, std::string message) {
  const auto shared = std::make_shared<const std::string>(std::move(message));
  std::vector<std::weak_ptr<Session>> sessions;
  {
    const std::lock_guard lock(mutex_);
    const auto room = members_.find(channel);
    if (room == members_.end()) return;
    sessions.reserve(room->second.size());
    for (Session* session : room->second) sessions.push_back(session->weak_from_this());
  }
  for (const auto& weak : sessions)
    if (const auto session = weak.lock()) session->send(shared);
}

void accept(tcp::acceptor& acceptor, Mode mode, Rooms& rooms) {
  acceptor.async_accept(asio::make_strand(acceptor.get_executor()),
                        [&acceptor, mode, &rooms](beast::error_code error, tcp::socket socket) {
                          if (!error) {
                            socket.set_option(tcp::no_delay(true), error);
                            std::make_shared<Session>(std::move(socket), mode, rooms)->run();
                          }
                          if (acceptor.is_open()) accept(acceptor, mode, rooms);
                        });
}

}  // namespace

int main(int argc, char** argv) {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  Mode mode = Mode::echo;
  support::CommandLine flags("A plain Boost.Beast WebSocket server, for comparison.");
  flags.text("--address", "A", address, "listen here");
  flags.number<std::uint16_t>("--port", port, "0 picks a free one");
  flags.choice<Mode>("--mode", mode, {{"echo", Mode::echo}, {"fanout", Mode::fanout}}, "what it does");
  flags.parse_or_exit(argc, argv);
  try {
    Rooms rooms;  // outlives the context, and with it every session
    asio::io_context context{1};
    tcp::acceptor acceptor(context, {asio::ip::make_address(address), port});
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&context](beast::error_code, int) { context.stop(); });
    std::cout << "listening on http://" << acceptor.local_endpoint() << std::endl;
    accept(acceptor, mode, rooms);
    context.run();
  } catch (const std::exception& error) {
    std::cerr << "beast_server: " << error.what() << '\n';
    return 1;
  }
}
