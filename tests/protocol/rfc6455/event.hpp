// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rfc6455 {

/// One thing that a client's frames turned out to mean, whoever has read them.
struct Event {
  enum class Kind : std::uint8_t { text, binary, ping, pong, close, fail };
  Kind kind = Kind::text;
  int code = 0;  ///< close: the peer's, 1005 for none; fail: what the connection is closed with
  std::string payload{};

  friend bool operator==(const Event&, const Event&) = default;
};
using Events = std::vector<Event>;

inline std::string hexadecimal(std::span<const char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<std::uint8_t>(c) >> 4];
    text += digits[static_cast<std::uint8_t>(c) & 15];
  }
  return text;
}

inline std::string described(const Events& events) {
  constexpr std::array names{"text", "binary", "ping", "pong", "close", "fail"};
  constexpr std::size_t shown = 40;
  std::string text;
  for (const Event& event : events) {
    text += std::string("\n    ") + names[static_cast<std::size_t>(event.kind)];
    if (event.code != 0) text += ' ' + std::to_string(event.code);
    text += ' ' + hexadecimal(std::string_view(event.payload).substr(0, shown));
    if (event.payload.size() > shown) text += "… " + std::to_string(event.payload.size()) + " bytes";
  }
  return text.empty() ? " nothing" : text;
}

}  // namespace rfc6455
