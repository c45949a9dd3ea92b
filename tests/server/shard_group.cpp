// SPDX-License-Identifier: MIT
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <switchboard/server/server_handle.hpp>
#include <switchboard/server/shard_group.hpp>

#include "server/line_server.hpp"
#include "server/tcp_client.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using line_hub::LineServer;
using line_hub::LineServerOptions;
using tcp::Client;
using tcp::eventually;
namespace sb = switchboard;

TEST_CASE("a stop says goodbye to everyone, and run returns when they are gone") {
  LineServer<> server({.shards = 2});
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server.port());
    clients.back().send("hello\n").read_line();
  }
  server.group().stop(10s);
  for (Client& client : clients) {
    CHECK(client.read_to_end() == "bye\n");
    client.close();
  }
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("whoever comes while the server drains is heard, and refused by the hub") {
  LineServer<> server;
  Client staying(server.port());
  staying.send("stay\n").read_line();
  server.group().stop(30s);
  CHECK(eventually([&] { return server.journal().draining == 1; }));
  CHECK(Client(server.port()).send("hello\n").read_line() == "full");
  staying.close();
  CHECK(server.has_ended_within(10s));
  CHECK_THROWS(Client(server.port()));
}

TEST_CASE("a socket that moves to a shard that drains is closed, and its place is free") {
  LineServer<> server({.shards = 2, .limits = {.max_connections = 1}});
  Client client(server.port());
  client.send("shard\n");
  const std::string there = client.read_line() == "0" ? "1" : "0";
  client.send("stay\n").read_line();
  server.group().stop(30s);
  CHECK(eventually([&] { return server.journal().draining == 2; }));
  client.send("move " + there + "\n");
  CHECK(client.read_to_end().empty());
  CHECK(server.journal().adopted == 0);
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("whoever is left when the time is up is cut") {
  LineServer<> server;
  Client client(server.port());
  client.send("stay\n").read_line();
  server.group().stop(50ms);
  CHECK(client.is_reset());
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("of several stops the earliest deadline counts") {
  LineServer<> server;
  Client client(server.port());
  client.send("stay\n").read_line();
  server.group().stop(1h);
  server.group().stop(0s);
  server.group().stop(1h);
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("what was queued before a stop is delivered, however slowly it is read") {
  LineServer<> server;
  Client client(server.port());
  client.send("send 20000000\n");
  CHECK(client.read(1) == "x");
  server.group().stop(30s);
  CHECK(eventually([&] { return server.journal().draining == 1; }));
  CHECK(client.read_to_end() == std::string(19'999'999, 'x') + "bye\n");
  client.close();
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("a stop before run makes run return") {
  LineServer<> server({.shards = 2, .runs = false});
  server.group().stop(10s);
  server.run_on_thread();
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("a server that never runs goes away quietly") {
  LineServer<> server({.shards = 2, .runs = false});
}

TEST_CASE("an exception out of a shard ends all of them and comes out of run") {
  LineServer<> server({.shards = 2});
  Client client(server.port());
  client.send("throw\n");
  CHECK(server.has_ended_within(10s));
  CHECK(server.failure() == "a broken hub");
}

TEST_CASE("a sleeping coroutine does not hold up the end") {
  LineServer<> server;
  asio::post(server.group().context(0), [&] {
    server.loop().spawn([](asio::any_io_executor executor) -> asio::awaitable<void> {
      asio::steady_timer timer(executor, 1h);
      co_await timer.async_wait(asio::use_awaitable);
    }(server.loop().executor()));
  });
  CHECK(Client(server.port()).send("hello\n").read_line() == "hello");
  server.group().stop(10s);
  CHECK(server.has_ended_within(10s));
}

TEST_CASE("one shard runs on a context of the user's, which goes on without it") {
  asio::io_context context;
  bool still_there = false;
  {
    LineServer<> server(context);
    server.group().start();
    std::thread user([&] { context.run(); });
    Client client(server.port());
    CHECK(client.send("hello\n").read_line() == "hello");
    server.group().stop(10s);
    CHECK(client.read_to_end() == "bye\n");
    client.close();
    user.join();  // nothing of the server's is left to do
    CHECK_THROWS(Client(server.port()));
  }
  context.restart();
  asio::post(context, [&] { still_there = true; });
  context.run();
  CHECK(still_there);
}

TEST_CASE("a server on a context of the user's may go while the context has work for it") {
  asio::io_context context;
  {
    LineServer<> server(context);
    server.group().start();
    server.loop().spawn([](asio::any_io_executor executor) -> asio::awaitable<void> {
      asio::steady_timer timer(executor, 1h);
      co_await timer.async_wait(asio::use_awaitable);
    }(server.loop().executor()));
    Client client(server.port());
    client.send("hello\n");
    context.poll();
  }
  context.poll();
  SUCCEED("nothing touched what is gone");
}

TEST_CASE("run is refused on a context of the user's") {
  asio::io_context context;
  LineServer<> server(context);
  CHECK_THROWS_AS(server.group().run(), std::logic_error);
}

TEST_CASE("calls of one thread with the same target are executed in order, on one shard") {
  LineServer<> server({.shards = 3});
  const sb::ServerHandle handle(server.shared_commands());
  for (int i = 0; i < 1000; ++i)
    while (handle.publish_json("news", std::to_string(i)) == sb::errc::would_block) std::this_thread::yield();
  CHECK(eventually([&] { return server.journal().commands == 1000; }));
  const std::vector<std::string> executed = server.journal().all_executed();
  for (std::size_t i = 0; i < executed.size(); ++i)
    if (executed[i] != "news:" + std::to_string(i)) FAIL(executed[i] << " in place " << i);
}

TEST_CASE("a call from another thread wakes a shard that has nothing to do") {
  LineServer<> server;
  const sb::ServerHandle handle(server.shared_commands());
  for (int i = 1; i <= 5; ++i) {
    CHECK_FALSE(handle.publish("news", {{"number", i}}));
    CHECK(eventually([&] { return server.journal().commands == i; }));
  }
}

TEST_CASE("a handle refuses when too many calls wait, and says so when the server has ended") {
  std::unique_ptr<LineServer<>> server =
      std::make_unique<LineServer<>>(LineServerOptions{.shards = 1, .runs = false});
  const sb::ServerHandle handle(server->shared_commands());
  std::error_code error;
  int accepted = 0;
  while (!error && accepted < 100'000) {
    error = handle.publish_json("news", "1");
    if (!error) ++accepted;
  }
  CHECK(error == sb::errc::would_block);
  server->run_on_thread();
  CHECK(eventually([&] { return server->journal().commands == accepted; }));
  CHECK_FALSE(handle.publish_json("news", "2"));
  server->group().stop(10s);
  CHECK(server->has_ended_within(10s));
  CHECK(handle.publish_json("news", "3") == sb::errc::stopped);
  server.reset();
  CHECK(handle.disconnect_user("ann") == sb::errc::stopped);
  CHECK(sb::ServerHandle(handle).unsubscribe_user("ann", "news") == sb::errc::stopped);
}

TEST_CASE("calls from many threads all arrive") {
  LineServer<> server({.shards = 2});
  const sb::ServerHandle handle(server.shared_commands());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([handle, t] {
      for (int i = 0; i < 500; ++i)
        while (handle.publish_json("channel " + std::to_string(t), "1")) std::this_thread::yield();
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(eventually([&] { return server.journal().commands == 2000; }));
}
