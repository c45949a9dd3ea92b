// SPDX-License-Identifier: MIT
// A user's program: a server that starts, listens and ends.
#include <switchboard/switchboard.hpp>

namespace sb = switchboard;

struct Chat {
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User&, std::string_view) { return true; }
};

int main() {
  sb::Server<Chat> server{{.address = "127.0.0.1", .port = 0}};
  server.stop();
  server.run();
  return server.port() != 0 ? 0 : 1;
}
