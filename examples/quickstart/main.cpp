// SPDX-License-Identifier: MIT
#include <switchboard/switchboard.hpp>
namespace sb = switchboard;

struct Chat {
  struct User {
    std::string id;
  };

  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    if (request.token.empty()) return std::nullopt;  // refused with 401
    return User{std::string(request.token)};         // check yours here: this one believes any name
  }
  bool may_subscribe(const User&, std::string_view) { return true; }
  bool may_publish(const User& user, std::string_view channel) {
    return channel != "news" || user.id == "editor";
  }

  void on_message(sb::Connection<Chat> connection, nlohmann::json message) {  // whatever is not built in
    if (message.value("action", "") == "whoami")
      connection.answer(message, {{"status", "whoami"}, {"user", connection.user().id}});
    else
      connection.reject(message, "action.unknown", "only whoami is known");
  }
};

int main() {
  sb::Server<Chat> server{{.port = 8080}};
  server.run();
}
