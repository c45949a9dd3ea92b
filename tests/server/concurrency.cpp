// SPDX-License-Identifier: MIT
// Four shards, and everything that may come from other threads, at once: what ThreadSanitizer is to look at.
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/testing/test_server.hpp>

#include "server/web_socket.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace tcp;
using nlohmann::json;
using sb::testing::TestServer;

namespace concurrency_test {

struct Hall {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};

const sb::Options<Hall> four_shards{.threads = 4, .sessions = {.replay = 10'000}};

// A client on a thread of its own. Only after join() may a test ask what it has seen: Catch2's assertions are
// not for several threads.
class Member {
 public:
  Member(std::uint16_t port, std::string user, std::vector<std::string> channels)
      : port_(port), user_(std::move(user)), channels_(std::move(channels)) {
    connect(0);
    for (const std::string& channel : channels_) {
      socket_->send(json{{"action", "subscribe"}, {"channel", channel}}.dump());
      while (next().value("status", "") != "subscribed") {
      }
    }
  }

  /// Reads until each channel has brought `count` messages, and is cut, and comes back, after every few.
  void read_all(int count, int cut_after) {
    start([this, count, cut_after] {
      for (int left = count * static_cast<int>(channels_.size()), since_cut = 0; left > 0; --left) {
        take_message(next());
        if (++since_cut < cut_after || left == 1) continue;
        since_cut = 0;
        socket_->socket().reset();
        connect(last_seq_);
      }
    });
  }

  /// Reads until the server closes.
  void read_to_close() {
    start([this] {
      for (;;) {
        const sb::testing::ServerFrame frame = socket_->receive();
        if (frame.opcode == sb::Opcode::close) {
          close_code_ = static_cast<unsigned char>(frame.payload.at(0)) << 8 |
                        static_cast<unsigned char>(frame.payload.at(1));
          return socket_->send_close(sb::CloseCode::going_away);
        }
        if (const json message = json::parse(frame.payload); !is_ping(message)) take_message(message);
      }
    });
  }

  void join() { thread_.join(); }
  /// How many messages it has had; once it reads no more, as many as there can be.
  int heard() const { return heard_; }
  const std::string& failure() const { return failure_; }
  int close_code() const { return close_code_; }

 private:
  template <class Work>
  void start(Work work) {
    thread_ = std::thread([this, work] {
      try {
        work();
      } catch (const std::exception& error) {
        failure_ = user_ + ": " + error.what();
      }
      heard_ = std::numeric_limits<int>::max();
    });
  }

  void connect(std::uint64_t last_seq) {
    std::string target = "/ws?token=" + user_ + "&last_seq=" + std::to_string(last_seq);
    if (!session_.empty()) target += "&session=" + session_;
    socket_.emplace(port_, target);
    const json welcome = next();
    require(welcome.at("type") == "welcome" && welcome.at("recovered") == !session_.empty(), welcome);
    session_ = welcome.at("session");
  }

  json next() {
    for (;;)
      if (json message = json::parse(socket_->receive().payload); !is_ping(message)) return message;
  }
  static bool is_ping(const json& message) { return message.value("type", "") == "ping"; }

  void take_message(const json& message) {
    require(message.value("type", "") == "message" && message.at("seq") == ++last_seq_, message);
    int& expected = expected_[message.at("channel")];
    require(message.at("data") == expected++, message);
    ++heard_;
  }

  static void require(bool held, const json& message) {
    if (!held) throw std::runtime_error("unexpected: " + message.dump());
  }

  std::uint16_t port_;
  std::string user_, session_;
  std::vector<std::string> channels_;
  std::optional<WebSocket> socket_;
  std::uint64_t last_seq_ = 0;
  std::map<std::string, int> expected_;  // the number that a channel's publisher sends next
  std::atomic<int> heard_{0};
  int close_code_ = 0;
  std::string failure_;
  std::thread thread_;
};

using Members = std::vector<std::unique_ptr<Member>>;

/// Threads that publish 0, 1, 2 … through handles, each to a channel of its own, until `count` or an error,
/// and no faster than the `pacers` hear it.
class Publishers {
 public:
  Publishers(const sb::ServerHandle& handle, const std::vector<std::string>& channels, int count,
             const Members& pacers = nobody) {
    for (const std::string& channel : channels)
      threads_.emplace_back([this, handle, channel, count, &pacers] {
        for (int i = 0; i < count; ++i) {
          for (const auto& member : pacers)
            while (published_ - lead > member->heard()) std::this_thread::yield();
          std::error_code error;
          while ((error = handle.publish(channel, i)) == sb::errc::would_block) std::this_thread::yield();
          if (error) {
            if (error == sb::errc::stopped) ++stopped_;
            return;
          }
          ++published_;
        }
      });
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
  }
  int published() const { return published_; }
  int stopped() const { return stopped_; }

 private:
  static constexpr int lead = 500;
  static inline const Members nobody;

  std::atomic<int> published_{0}, stopped_{0};
  std::vector<std::thread> threads_;
};

}  // namespace concurrency_test

using namespace concurrency_test;

TEST_CASE("who comes back to any shard while other threads publish has each message once, in order") {
  constexpr int count = 200;
  const std::vector<std::string> channels{"a", "b", "c"};
  TestServer<Hall> server(four_shards);
  Members members;
  for (int i = 0; i < 4; ++i)
    members.push_back(std::make_unique<Member>(server.port(), "member" + std::to_string(i), channels));

  Publishers publishers(server.handle(), channels, count);
  for (std::size_t i = 0; i < members.size(); ++i) members[i]->read_all(count, 23 + static_cast<int>(i));
  publishers.join();
  for (const auto& member : members) {
    member->join();
    CHECK(member->failure() == "");
  }
  CHECK(publishers.published() == count * 3);
  CHECK(server.metrics().sessions_moved > 0);
}

TEST_CASE("a user disconnected from another thread is gone from every shard, and nobody else is") {
  const std::vector<std::string> channels{"a", "b"};
  TestServer<Hall> server(four_shards);
  Members doomed, others;
  for (int i = 0; i < 8; ++i) {
    auto& members = i % 2 == 0 ? doomed : others;
    members.push_back(std::make_unique<Member>(server.port(), i % 2 == 0 ? "doomed" : "other", channels));
  }

  constexpr int count = 200;
  Publishers publishers(server.handle(), channels, count);
  for (const auto& member : doomed) member->read_to_close();
  for (const auto& member : others) member->read_all(count, 2 * count);
  std::error_code error;
  while ((error = server.handle().disconnect_user("doomed")) == sb::errc::would_block)
    std::this_thread::yield();
  CHECK_FALSE(error);
  publishers.join();
  for (const auto& member : doomed) {
    member->join();
    CHECK(member->failure() == "");
    CHECK(member->close_code() == 4003);
  }
  for (const auto& member : others) {
    member->join();
    CHECK(member->failure() == "");
  }
}

TEST_CASE("a stop under load ends every connection with 1001, and calls from other threads with stopped") {
  const std::vector<std::string> channels{"a", "b", "c"};
  std::optional<TestServer<Hall>> server(std::in_place, four_shards);
  Members members;
  for (int i = 0; i < 8; ++i)
    members.push_back(std::make_unique<Member>(server->port(), "member" + std::to_string(i), channels));

  Publishers publishers(server->handle(), channels, std::numeric_limits<int>::max(), members);
  for (const auto& member : members) member->read_to_close();
  CHECK(eventually([&] { return publishers.published() > 1000; }));
  std::vector<std::thread> stops;
  for (int i = 0; i < 3; ++i) stops.emplace_back([&] { server->server().stop(); });
  for (std::thread& stop : stops) stop.join();
  server->stop();
  for (const auto& member : members) {
    member->join();
    CHECK(member->failure() == "");
    CHECK(member->close_code() == 1001);
  }
  server.reset();
  publishers.join();
  CHECK(publishers.stopped() == 3);
}
