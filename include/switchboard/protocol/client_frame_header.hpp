// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <switchboard/protocol/masking.hpp>
#include <switchboard/protocol/opcode.hpp>

namespace switchboard::inline v1 {

/// The first bytes of a client's frame (RFC 6455 §5.2), as far as they have arrived.
struct ClientFrameHeader {
  /// The longest there is, in bytes: 2, then 8 of length and 4 of key.
  static constexpr std::size_t max_size = 14;

  const char* breach = nullptr;  ///< what is wrong with it whatever may follow; null while nothing is
  std::size_t size = 0;          ///< its length in bytes; 0 while it is not whole, and the rest below not set
  Opcode opcode = Opcode::continuation;  ///< known, or there is a breach
  bool fin = false;                      ///< the last frame of its message
  std::uint64_t payload_size = 0;        ///< in bytes; below 2^63
  MaskingKey key{};                      ///< for the whole payload, from its first byte on

  /// Reads the header at the front of `bytes`. A breach is found on the first byte that shows it.
  static ClientFrameHeader parse(std::span<const char> bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    ClientFrameHeader header;
    if (bytes.empty()) return header;
    header.fin = (byte(0) & 0x80) != 0;
    header.opcode = static_cast<Opcode>(byte(0) & 0x0f);
    if ((byte(0) & 0x70) != 0) return header.wrong("reserved bits are set");
    if (!is_known(header.opcode)) return header.wrong("the opcode is reserved");
    if (is_control(header.opcode) && !header.fin) return header.wrong("a control frame is fragmented");
    if (bytes.size() < 2) return header;

    const std::size_t short_size = byte(1) & 0x7f;
    if ((byte(1) & 0x80) == 0) return header.wrong("a client's frame is not masked");
    if (is_control(header.opcode) && short_size > 125) return header.wrong("a control frame is too long");
    const std::size_t width = short_size < 126 ? 0 : short_size == 126 ? 2 : 8;
    if (bytes.size() < 2 + width) return header;

    header.payload_size = width == 0 ? short_size : 0;
    for (std::size_t i = 2; i < 2 + width; ++i) header.payload_size = header.payload_size << 8 | byte(i);
    if (header.payload_size >> 63 != 0) return header.wrong("the highest bit of the length is set");
    if ((width == 2 && header.payload_size < 126) || (width == 8 && header.payload_size <= 0xffff))
      return header.wrong("the length is not in its shortest form");
    const std::size_t whole = 2 + width + header.key.size();
    if (bytes.size() < whole) return header;

    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(2 + width), header.key.size(),
                header.key.begin());
    header.size = whole;
    return header;
  }

 private:
  ClientFrameHeader wrong(const char* what) {
    breach = what;
    return *this;
  }
};

}  // namespace switchboard::inline v1
