// SPDX-License-Identifier: MIT
// A server on RedisBroker: what /readyz and /metrics say.
#include <thread>

#include <switchboard/broker/redis_broker.hpp>
#include <switchboard/switchboard.hpp>

#include "broker/redis/support/node.hpp"

using namespace switchboard;
using redis_test::RedisServer;

namespace {

struct Chat {
  using Broker = RedisBroker;
  using Access = OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const UpgradeRequest&) { return User{"ann"}; }
};

std::string get(std::uint16_t port, const std::string& path) {
  return tcp::Client(port)
      .send("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
      .read_to_end();
}

}  // namespace

TEST_CASE("a server is ready while its Redis delivers, and shows the broker's numbers") {
  RedisServer redis;
  Server<Chat> server(
      {.address = "127.0.0.1", .port = 0, .broker = redis_test::quick_options({redis.url()})});
  std::thread thread([&] { server.run(); });
  CHECK(tcp::eventually([&] { return get(server.port(), "/readyz").starts_with("HTTP/1.1 200"); }));
  const std::string metrics = get(server.port(), "/metrics");
  CHECK(
      metrics.find("# TYPE switchboard_redis_healthy_servers gauge\nswitchboard_redis_healthy_servers 1\n") !=
      std::string::npos);
  CHECK(metrics.find("# TYPE switchboard_redis_errors_total counter\n") != std::string::npos);
  CHECK(metrics.find("switchboard_redis_errors_total{kind=\"closed\"} 0\n") != std::string::npos);

  redis.kill();
  CHECK(tcp::eventually([&] { return get(server.port(), "/readyz").starts_with("HTTP/1.1 503"); }));
  CHECK(get(server.port(), "/healthz").starts_with("HTTP/1.1 200"));
  redis.start();
  CHECK(tcp::eventually([&] { return get(server.port(), "/readyz").starts_with("HTTP/1.1 200"); }));
  server.stop();
  thread.join();
}
