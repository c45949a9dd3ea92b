// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <switchboard/testing/client_frames.hpp>

#include "server/tcp_client.hpp"

namespace tcp {

namespace sb = switchboard;

/// One request and its whole answer.
inline std::string http(std::uint16_t port, std::string_view method, std::string_view target) {
  Client client(port);
  client.send(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return client.read_to_end();
}
inline std::string get(std::uint16_t port, std::string_view target) {
  return http(port, "GET", target);
}

inline int status_of(const std::string& answer) {
  return std::stoi(answer.substr(answer.find(' ') + 1));
}
inline std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

/// A blocking WebSocket client; as simple as a test needs it.
class WebSocket {
 public:
  explicit WebSocket(std::uint16_t port, std::string_view target = "/ws?token=ann") : client_(port) {
    client_.send("GET " + std::string(target) +
                 " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    for (std::string line = client_.read_line(); line != "\r"; line = client_.read_line())
      answer_ += line + "\n";
  }

  int status() const { return status_of(answer_); }
  Client& socket() { return client_; }

  void send(const std::string& text) { client_.send(sb::testing::encode({.payload = text})); }
  void send_close(sb::CloseCode code = sb::CloseCode::normal) {
    client_.send(sb::testing::encode_close(code));
  }

  sb::testing::ServerFrame receive() {
    for (;;) {
      if (auto frame = frames_.next()) return *frame;
      frames_.feed(client_.read(1));
    }
  }
  nlohmann::json receive_json() { return nlohmann::json::parse(receive().payload); }

  /// The code of the Close frame that comes next.
  int receive_close() {
    const sb::testing::ServerFrame frame = receive();
    if (frame.opcode != sb::Opcode::close) throw std::runtime_error("not a Close frame: " + frame.payload);
    return static_cast<unsigned char>(frame.payload.at(0)) << 8 |
           static_cast<unsigned char>(frame.payload.at(1));
  }

 private:
  Client client_;
  std::string answer_;
  sb::testing::ServerFrameDecoder frames_;
};

}  // namespace tcp
