// SPDX-License-Identifier: MIT
#include <csignal>
#include <ctime>
#include <sys/resource.h>

#include <switchboard/server/asio_readiness.hpp>
#include <switchboard/server/shard_loop.hpp>

#include "server/line_server.hpp"
#include "server/tcp_client.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using line_hub::LineServer;
using line_hub::LineServerOptions;
using tcp::Client;
using tcp::eventually;
namespace sb = switchboard;

// Every test of the shell runs on both kinds of readiness.
#define SHELL_TEST(name) TEMPLATE_TEST_CASE(name, "", sb::net::Readiness, sb::net::AsioReadiness)

SHELL_TEST("what comes in goes to the hub and what the hub queues goes out") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("hello\nwor").send("ld\n");
  CHECK(client.read_line() == "hello");
  CHECK(client.read_line() == "world");
}

SHELL_TEST("many connections are served side by side") {
  LineServer<TestType> server;
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(server.port());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i].send("client " + std::to_string(i) + "\n");
    for (std::size_t i = 0; i < clients.size(); ++i)
      CHECK(clients[i].read_line() == "client " + std::to_string(i));
  }
}

SHELL_TEST("a peer that reads late gets everything, and the others do not wait for it") {
  LineServer<TestType> server;
  Client slow(server.port());
  Client other(server.port());
  constexpr std::size_t size = 30'000'000;  // more than the kernel takes at once
  slow.send("send " + std::to_string(size) + "\nafter\n");
  other.send("hello\n");
  CHECK(other.read_line() == "hello");
  CHECK(slow.read(size) == std::string(size, 'x'));
  CHECK(slow.read_line() == "after");
}

SHELL_TEST("more pieces than one write carries arrive in order") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("pieces 5000\nend\n");
  const std::string all = client.read(500'000);
  for (std::size_t i = 0; i < 5000; ++i)
    if (all[i * 100] != static_cast<char>('a' + i % 26)) FAIL("piece " << i << " is out of place");
  CHECK(client.read_line() == "end");
}

SHELL_TEST("large pieces and small ones keep their order in one write") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("small\nsend 20000\npieces 3\nsend 9000\nlast\n");
  CHECK(client.read_line() == "small");
  CHECK(client.read(20000) == std::string(20000, 'x'));
  CHECK(client.read(300) == std::string(100, 'a') + std::string(100, 'b') + std::string(100, 'c'));
  CHECK(client.read(9000) == std::string(9000, 'x'));
  CHECK(client.read_line() == "last");
}

SHELL_TEST("output queued outside a batch is sent without waiting for input") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("there\n");
  CHECK(client.read_line() == "there");
  asio::post(server.group().context(0), [&] { server.loop().hub().say_to_all("from outside\n"); });
  CHECK(client.read_line() == "from outside");
}

SHELL_TEST("what one batch brings about is one gathered write for each connection") {
  LineServer<TestType> server;
  Client client(server.port());
  std::string lines;
  for (int i = 0; i < 32; ++i) lines += "line " + std::to_string(i) + "\n";
  client.send(lines);
  CHECK(client.read(lines.size()) == lines);
  CHECK(server.journal().gathers > 0);
  CHECK(server.journal().gathers <= server.journal().receives);
}

SHELL_TEST("what is queued by one function outside a batch is one gathered write for each connection") {
  LineServer<TestType> server;
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port());
    clients.back().send("there\n").read_line();
  }
  const int before = server.journal().gathers;
  asio::post(server.group().context(0), [&] {
    for (int i = 0; i < 32; ++i) server.loop().hub().say_to_all(std::to_string(i) + "\n");
  });
  for (Client& client : clients)
    for (int i = 0; i < 32; ++i) CHECK(client.read_line() == std::to_string(i));
  CHECK(server.journal().gathers - before == 3);
}

SHELL_TEST("flush sends what is queued at once") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("one\nflush\ntwo\n");
  CHECK(client.read_line() == "one");
  CHECK(client.read_line() == "flushed");
  CHECK(client.read_line() == "two");
}

SHELL_TEST("a graceful close delivers the last bytes although the client's own were not read") {
  LineServer<TestType> server;
  for (int i = 0; i < 20; ++i) {
    Client client(server.port());
    client.send("close\n");
    // Unread input at the moment of close(2) would make the kernel answer with a reset.
    try {
      for (int j = 0; j < 50; ++j) client.send(std::string(10'000, '-'));
    } catch (const std::system_error&) {
      FAIL("the server has reset the connection");
    }
    CHECK(client.read_to_end() == "closing\n");
  }
}

TEST_CASE("a close that the peer never answers ends in a few seconds") {
  LineServer<> server;
  Client client(server.port());
  client.send("close\n");
  CHECK(client.read_to_end() == "closing\n");
  const auto began = std::chrono::steady_clock::now();
  // The server holds the socket; once it has closed it, our bytes are answered with a reset.
  CHECK(eventually([&] { return ::send(client.descriptor(), "x", 1, MSG_NOSIGNAL) < 0; }, 8s));
  CHECK(std::chrono::steady_clock::now() - began > 4s);
}

SHELL_TEST("an abort resets the connection") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("abort\n");
  CHECK(client.is_reset());
}

SHELL_TEST("the hub is told when a peer closes, and when it resets") {
  LineServer<TestType> server;
  Client closing(server.port()), resetting(server.port());
  closing.send("a\n");
  resetting.send("b\n");
  closing.read_line();
  resetting.read_line();
  closing.close();
  CHECK(eventually([&] { return server.journal().ended == 1; }));
  resetting.reset();
  CHECK(eventually([&] { return server.journal().ended == 2; }));
  CHECK(eventually([&] { return server.journal().open == 0; }));
}

SHELL_TEST("a peer that has finished sending still gets what is queued for it") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("finish output after eof\nsend 20000000\n");
  client.shut_down();
  CHECK(client.read_to_end().size() == 20'000'000);
}

SHELL_TEST("a peer that resets while output waits for it is forgotten") {
  LineServer<TestType> server;
  Client client(server.port());
  client.send("send 30000000\n");
  CHECK(client.read(1) == "x");
  client.reset();
  CHECK(eventually([&] { return server.journal().open == 0; }));
}

namespace {

// Makes the hub want no more input, and waits until it has read that.
template <class Server>
void pause(Server& server, Client& client, int milliseconds) {
  const std::string line = "pause " + std::to_string(milliseconds) + "\n";
  client.send(line);
  REQUIRE(eventually([&] { return server.loop().socket_metrics().bytes_received.value() == line.size(); }));
}

}  // namespace

SHELL_TEST("input that the hub does not want waits in the kernel") {
  LineServer<TestType> server;
  Client client(server.port());
  pause(server, client, 50);
  client.send("later\n");
  CHECK(client.read_line() == "awake");
  CHECK(client.read_line() == "later");
}

TEST_CASE("a reset is noticed while the hub wants no input, and costs no spinning") {
  LineServer<> server;
  Client client(server.port());
  pause(server, client, 60'000);  // longer than the test waits
  client.reset();
  CHECK(eventually([&] { return server.journal().open == 0; }));
}

namespace {

/// Adds to each batch, while `is_stale`, that the bearer of name 0 has hung up: as it is when that was
/// another socket at the beginning of the batch.
struct StaleReadiness : sb::net::Readiness {
  using sb::net::Readiness::Readiness;
  template <class Handler>
  void async_wait(Handler handler) {
    sb::net::Readiness::async_wait([handler](std::span<const sb::net::ReadyEvent> batch) mutable {
      std::vector<sb::net::ReadyEvent> events(batch.begin(), batch.end());
      if (is_stale) events.push_back({.token = 0, .hung_up = true});
      handler(std::span<const sb::net::ReadyEvent>(events));
    });
  }
  inline static std::atomic<bool> is_stale{false};
};

}  // namespace

TEST_CASE("that a former bearer of its name has hung up does not end a connection whose input waits") {
  LineServer<StaleReadiness> server;
  Client client(server.port());
  pause(server, client, 300);
  Client other(server.port());
  StaleReadiness::is_stale = true;
  for (int i = 0; i < 3; ++i) CHECK(other.send("hello\n").read_line() == "hello");
  StaleReadiness::is_stale = false;
  CHECK(server.journal().ended == 0);
  CHECK(client.read_line() == "awake");
}

SHELL_TEST("a connection whose input waits does not keep the loop busy") {
  LineServer<TestType> server;
  Client client(server.port());
  pause(server, client, 400);
  client.send("waiting\n");
  const std::clock_t before = std::clock();
  CHECK(client.read_line() == "awake");
  const double busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  CHECK(busy < 0.05);  // of 0.4 s
}

SHELL_TEST("a name that the hub has freed is used again, for another socket") {
  LineServer<TestType> server;
  for (int i = 0; i < 200; ++i) {
    Client client(server.port());
    client.send("hello\nclose\n");
    CHECK(client.read_to_end() == "hello\nclosing\n");
  }
  CHECK(eventually([&] { return server.journal().open == 0; }));
}

SHELL_TEST("a socket moves to another shard, with what was not read") {
  LineServer<TestType> server({.shards = 2});
  Client client(server.port());
  client.send("shard\n");
  const unsigned here = client.read_line() == "0" ? 0 : 1;
  const std::string there = std::to_string(1 - here);
  client.send("move " + there + "\nshard\n");
  CHECK(client.read_line() == "moved to " + there);
  CHECK(client.read_line() == there);
  client.send("still here\n");
  CHECK(client.read_line() == "still here");
}

SHELL_TEST("a socket that the hub closes while it takes it over is closed") {
  LineServer<TestType> server({.shards = 2});
  Client client(server.port());
  client.send("shard\n");
  const std::string there = client.read_line() == "0" ? "1" : "0";
  client.send("move " + there + "\nabort\n");
  CHECK_THROWS(client.read_to_end());
  CHECK(server.journal().adopted == 1);
  CHECK(eventually([&] { return server.journal().open == 0; }));
}

TEST_CASE("a sender without pause does not keep the others waiting") {
  LineServer<> server;
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  for (int i = 0; i < 4; ++i)
    senders.emplace_back([&] {
      Client client(server.port());
      const std::string lines = [] {
        std::string text;
        for (int line = 0; line < 1000; ++line) text += "noise\n";
        return text;
      }();
      while (!stop) {
        client.send(lines);
        client.read(lines.size());
      }
    });
  Client client(server.port());
  auto slowest = 0ns;
  for (int i = 0; i < 50; ++i) {
    const auto began = std::chrono::steady_clock::now();
    client.send("me too\n");
    client.read_line();
    slowest = std::max<std::chrono::nanoseconds>(slowest, std::chrono::steady_clock::now() - began);
  }
  stop = true;
  for (std::thread& sender : senders) sender.join();
  CHECK(slowest < 500ms);
}

TEST_CASE("where each shard has a listener, connections are spread by the kernel") {
  LineServer<> server({.shards = 2});
  std::array<int, 2> seen{};
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) {
    clients.emplace_back(server.port());
    clients.back().send("shard\n");
    ++seen.at(static_cast<std::size_t>(std::stoi(clients.back().read_line())));
  }
  CHECK(seen[0] > 0);
  CHECK(seen[1] > 0);
}

TEST_CASE("where only one shard has a listener it deals out the sockets in turn") {
  LineServer<> server({.shards = 3, .sharing = sb::net::PortSharing::single_listener});
  std::array<int, 3> seen{};
  std::vector<Client> clients;
  for (int i = 0; i < 30; ++i) {
    clients.emplace_back(server.port());
    clients.back().send("shard\n");
    ++seen.at(static_cast<std::size_t>(std::stoi(clients.back().read_line())));
  }
  CHECK(seen == std::array<int, 3>{10, 10, 10});
}

TEST_CASE("connections in total and per address are limited over all shards, and freed when they close") {
  SECTION("in total") {
    LineServer<> server({.shards = 2, .limits = {.max_connections = 2}});
    Client first(server.port()), second(server.port());
    first.send("a\n").read_line();
    second.send("b\n").read_line();
    Client third(server.port());
    CHECK(third.send("c\n").read_line() == "full");
    first.close();
    CHECK(eventually([&] { return Client(server.port()).send("d\n").read_line() == "d"; }));
  }
  SECTION("per address") {
    LineServer<> server({.limits = {.max_connections_per_address = 1}});
    Client first(server.port());
    first.send("a\n").read_line();
    CHECK(Client(server.port()).send("b\n").read_line() == "too many");
    first.send("close\n").read_to_end();
    CHECK(eventually([&] { return Client(server.port()).send("c\n").read_line() == "c"; }));
  }
}

TEST_CASE("connections of the admin port are the hub's to tell apart, and count against no limit") {
  LineServer<> server({.limits = {.max_connections = 1}, .with_admin = true});
  Client admin(server.admin_port());
  admin.send("a\n").read_line();
  CHECK(server.journal().admin == 1);
  CHECK(Client(server.port()).send("b\n").read_line() == "b");
}

TEST_CASE("a timer of the hub goes off while nothing else happens") {
  LineServer<> server;
  Client client(server.port());
  const auto began = std::chrono::steady_clock::now();
  client.send("pause 30\n");
  CHECK(client.read_line() == "awake");
  CHECK(std::chrono::steady_clock::now() - began >= 30ms);
}

namespace {

// Lowers the limit to what is open now plus a few, and gives it back.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t spare) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    const rlimit few{static_cast<rlim_t>(next) + spare, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

SHELL_TEST("accepting pauses when descriptors run out, and resumes when they are back") {
  LineServer<TestType> server;
  Client early(server.port());
  early.send("early\n").read_line();
  const std::clock_t before = std::clock();
  const auto began = std::chrono::steady_clock::now();
  bool has_paused = false;
  std::string of_early, of_waiting;
  {
    // Nothing is asserted in here: to look at an object's type UBSan needs descriptors too.
    FewDescriptors limit(1);
    Client waiting(server.port());  // takes the last one
    has_paused = eventually([&] { return server.loop().socket_metrics().accept_pauses.value() >= 3; });
    of_early = early.send("still served\n").read_line();
    early.close();
    of_waiting = waiting.send("let in\n").read_line();
  }
  CHECK(has_paused);
  CHECK(of_early == "still served");
  CHECK(of_waiting == "let in");
  const double busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  CHECK(busy < passed.count() / 5);
  CHECK(server.log_lines().size() == server.loop().socket_metrics().accept_pauses.value());
}

TEST_CASE("a write to a connection that is gone raises no signal") {
  REQUIRE(std::signal(SIGPIPE, SIG_DFL) == SIG_DFL);
  LineServer<> server;
  for (int i = 0; i < 50; ++i) {
    Client client(server.port());
    client.send("pieces 100\n");
    client.reset();
  }
  CHECK(eventually([&] { return server.journal().opened == 50 && server.journal().open == 0; }));
}
