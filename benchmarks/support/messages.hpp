// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "client.hpp"

namespace benchmark {

constexpr unsigned char text = 0x1, close_opcode = 0x8, ping = 0x9, pong = 0xA;
constexpr std::string_view delivery = R"({"type":"message")";

/// The steady clock's nanoseconds.
inline std::uint64_t now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
constexpr std::uint64_t count_of(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

/// Control frames of the server: a Close ends the measurement, a ping is answered. False for data.
inline bool is_control(Client& client, unsigned opcode, std::string_view payload) {
  if (opcode == close_opcode)
    throw std::runtime_error("the server sent Close to connection " + std::to_string(client.number()));
  if (opcode == ping) client.send_frame(pong, payload);
  return opcode >= close_opcode;
}

/// Whether the text is the server's JSON ping, which is then answered.
inline bool is_json_ping(Client& client, std::string_view payload) {
  if (payload != R"({"type":"ping"})") return false;
  client.send_frame(text, R"({"type":"pong"})");
  return true;
}

/// A frame that publishes a string of so many bytes.
inline std::string publish_frame(const std::string& channel, std::size_t bytes) {
  std::string frame;
  append_client_frame(
      frame, text,
      R"({"action":"publish","channel":")" + channel + R"(","data":")" + std::string(bytes, 'x') + R"("})");
  return frame;
}

}  // namespace benchmark
