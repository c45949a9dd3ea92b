// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace net {

/// The address of a peer: IPv6, or IPv4 in its mapped form (RFC 4291 §2.5.5.2: behind 80 bits of zeros and 16
/// of ones).
struct Address {
  std::array<std::uint8_t, 16> bytes{};  ///< in network order
  std::uint16_t port = 0;                ///< in host order

  /// Whether it is an IPv4 address in its mapped form.
  bool is_v4() const {
    for (std::size_t i = 0; i < 10; ++i)
      if (bytes[i] != 0) return false;
    return bytes[10] == 0xff && bytes[11] == 0xff;
  }

  /// The address without its port: dotted for IPv4, eight groups of hexadecimal for IPv6.
  std::string to_string() const {
    std::string text;
    if (is_v4()) {
      for (std::size_t i = 12; i < 16; ++i) text += (i > 12 ? "." : "") + std::to_string(bytes[i]);
      return text;
    }
    constexpr char digits[] = "0123456789abcdef";
    for (std::size_t i = 0; i < 16; ++i) {
      if (i > 0 && i % 2 == 0) text += ':';
      text += digits[bytes[i] >> 4];
      text += digits[bytes[i] & 15];
    }
    return text;
  }

  /// The mapped form of `a.b.c.d`.
  static Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port = 0) {
    return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, port};
  }

  friend auto operator<=>(const Address&, const Address&) = default;
};

}  // namespace net
}  // namespace switchboard::inline v1
