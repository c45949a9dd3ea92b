// SPDX-License-Identifier: MIT
// A program that does its own I/O with Boost.Asio, beside a server on standalone Asio.
#include <iostream>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include <switchboard/testing/test_server.hpp>

namespace sb = switchboard;
namespace beast = boost::beast;

struct Chat {
  using Access = sb::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};

int main() {
  sb::testing::TestServer<Chat> server;

  boost::asio::io_context context;
  beast::websocket::stream<boost::asio::ip::tcp::socket> stream(context);
  stream.next_layer().connect({boost::asio::ip::make_address("127.0.0.1"), server.port()});
  stream.handshake(server.host(), "/ws?token=ann");
  stream.write(boost::asio::buffer(std::string(R"({"action":"subscribe","channel":"updates"})")));
  beast::flat_buffer answer;
  stream.read(answer);
  const std::string text = beast::buffers_to_string(answer.data());
  std::cout << text << '\n';
  return text == R"({"status":"subscribed","channel":"updates"})" ? 0 : 1;
}
