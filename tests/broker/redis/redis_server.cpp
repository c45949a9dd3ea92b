// SPDX-License-Identifier: MIT
#include "broker/redis/support/redis_server.hpp"

#include "support/catch.hpp"

using redis_test::RedisServer;
using redis_test::Reply;

TEST_CASE("the fixture's redis-server answers, forgets all when it is killed, and comes back on its port") {
  RedisServer server;
  const auto port = server.port();
  REQUIRE(server("SET a 1").text == "OK");
  REQUIRE(server("GET a").text == "1");

  server.kill();
  REQUIRE_FALSE(server.is_running());
  REQUIRE_THROWS_AS(server.client(), std::system_error);

  server.start();
  REQUIRE(server.port() == port);
  REQUIRE(server("GET a").kind == Reply::Kind::nil);
}

TEST_CASE("the fixture's redis-server can be stopped and goes on where it was") {
  RedisServer server;
  auto client = server.client();
  server.suspend();
  client.send({"INCR", "n"});
  server.resume();
  REQUIRE(client.receive().integer == 1);
}

TEST_CASE("the fixture's client carries any bytes, nested arrays, errors and published messages") {
  RedisServer server({"--requirepass", "secret"});
  auto client = server.client();
  REQUIRE(client("PING").text.starts_with("NOAUTH"));
  REQUIRE(client("AUTH secret").text == "OK");

  const std::string bytes("\0\r\n\xff", 4);
  client.command({"SET", "bytes", bytes});
  REQUIRE(client("GET bytes").text == bytes);
  REQUIRE(client.command({"EVAL", "return {1,{'x'}}", "0"})[1][0].text == "x");

  REQUIRE(client("SUBSCRIBE news")[0].text == "subscribe");
  auto publisher = server.client();
  publisher("AUTH secret");
  REQUIRE(publisher("PUBLISH news hello").integer == 1);
  REQUIRE(client.receive()[2].text == "hello");
}

TEST_CASE("a program that is not installed is told by name, and what to install") {
  REQUIRE_THROWS_WITH(redis_test::find_program("no-such-server", "some-package"),
                      "this test needs no-such-server, which is not installed; on Debian: apt-get install "
                      "some-package");
}

TEST_CASE("a redis-server that does not start is told with its log") {
  REQUIRE_THROWS_WITH(RedisServer({"--no-such-option", "1"}),
                      Catch::Matchers::ContainsSubstring("no-such-option"));
}

TEST_CASE("several servers of the fixture know nothing of each other") {
  const auto servers = redis_test::several_redis_servers(3);
  (*servers[0])("SET a 1");
  REQUIRE((*servers[1])("GET a").kind == Reply::Kind::nil);
  REQUIRE((*servers[2])("GET a").kind == Reply::Kind::nil);
}
