// SPDX-License-Identifier: MIT
#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/testing/test_server.hpp>

#include "server/web_socket.hpp"
#include "support/catch.hpp"

namespace sb = switchboard;
using sb::testing::TestServer;

namespace test_server_test {

struct Shy {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token.empty()) return std::nullopt;
    return User{std::string(request.token)};
  }
};

}  // namespace test_server_test

using test_server_test::Shy;

TEST_CASE("a test server takes connections on a free port until it goes") {
  std::uint16_t port = 0;
  {
    TestServer<Shy> server;
    port = server.port();
    CHECK(server.url() == "ws://127.0.0.1:" + std::to_string(port) + "/ws");
    CHECK(server.url("token=a") == "ws://127.0.0.1:" + std::to_string(port) + "/ws?token=a");
    CHECK(server.http_url("/healthz") == "http://127.0.0.1:" + std::to_string(port) + "/healthz");
    CHECK(tcp::WebSocket(port).status() == 101);
    CHECK(tcp::WebSocket(port, "/ws").status() == 401);
    CHECK(server.metrics().connections_opened == 1);
  }
  CHECK_THROWS(tcp::Client(port));
}

TEST_CASE("several test servers live side by side") {
  TestServer<Shy> first, second;
  CHECK(first.port() != second.port());
  CHECK(tcp::WebSocket(first.port()).status() == 101);
  CHECK(tcp::WebSocket(second.port()).status() == 101);
}

TEST_CASE("a test server that is stopped has let everyone go") {
  TestServer<Shy> server;
  tcp::WebSocket socket(server.port());
  std::thread client([&] {
    if (socket.receive_close() == 1001) socket.send_close(sb::CloseCode::going_away);
    socket.socket().read_to_end();
    socket.socket().close();
  });
  server.stop();
  client.join();
  CHECK(server.metrics().connections == 0);
  CHECK(server.handle().publish("news", 1) == sb::errc::stopped);
}
