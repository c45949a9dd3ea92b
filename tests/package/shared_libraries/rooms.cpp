// SPDX-License-Identifier: MIT
#include <switchboard/testing/websocket_test_client.hpp>

#include "libraries.hpp"

namespace sb = switchboard;

namespace {

struct Chat {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};

class TestRooms final : public Rooms {
 public:
  TestRooms() {
    client_.send_json({{"action", "subscribe"}, {"channel", "news"}});
    client_.receive_json();
  }
  sb::ServerHandle handle() override { return app_.handle(); }
  std::string receive() override { return client_.receive_text(); }

 private:
  sb::testing::TestApp<Chat> app_;
  sb::testing::TestConnection<Chat> client_ = sb::testing::WebSocketTestClient{app_, "ann"}.connect();
};

}  // namespace

std::unique_ptr<Rooms> open_rooms() {
  return std::make_unique<TestRooms>();
}
