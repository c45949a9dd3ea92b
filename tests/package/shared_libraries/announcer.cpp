// SPDX-License-Identifier: MIT
#include <switchboard/testing/websocket_test_client.hpp>

#include "libraries.hpp"

namespace sb = switchboard;

namespace {

struct Bell {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  sb::Accepted<User> authenticate(const sb::UpgradeRequest&) { return {}; }
  void on_open(sb::Connection<Bell> connection) { connection.subscribe("news"); }
};

}  // namespace

std::error_code announce(sb::ServerHandle handle, std::string_view json_text) {
  return handle.publish_json("news", json_text);
}

bool means_stopped(std::error_code error) {
  return error == sb::errc::stopped;
}

std::string announce_at_home(std::string_view json_text) {
  sb::testing::TestApp<Bell> app;
  auto client = sb::testing::WebSocketTestClient{app}.connect();
  announce(app.handle(), json_text);
  return client.receive_text();
}
