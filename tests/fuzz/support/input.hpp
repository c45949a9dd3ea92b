// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

/// What the target under test promises. libFuzzer keeps the input that breaks it.
inline void require(bool held, const char* promise, std::string_view seen = {}) {
  if (held) return;
  std::fprintf(stderr, "BROKEN: %s\n%.*s\n", promise, static_cast<int>(seen.size()), seen.data());
  std::abort();
}

/// The bytes of one run, taken from the front; past the end come zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool is_empty() const { return rest_.empty(); }
  std::uint8_t u8() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::uint64_t u64() {
    const std::uint64_t high = u32();
    return high << 32 | u32();
  }
  std::size_t below(std::size_t bound) { return u8() % bound; }
  bool flag() { return (u8() & 1) != 0; }
  std::string_view bytes(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  /// A length of one byte, or 255 and one of two, then so many bytes.
  std::string_view text() {
    const std::size_t size = u8();
    return bytes(size < 255 ? size : u16());
  }
  std::string_view rest() { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

/// Cuts `bytes` into pieces whose sizes follow from `seed`, most of them small, and gives each to `take`.
template <class Take>
void in_pieces(std::string_view bytes, std::uint8_t seed, Take take) {
  std::uint32_t state = seed * 2654435761u + 1;
  while (!bytes.empty()) {
    state = state * 1664525u + 1013904223u;
    const std::uint32_t dice = state >> 16;
    const std::size_t size = seed == 0 ? 1 : 1 + (dice % 4 == 0 ? dice / 4 % 300 : dice / 4 % 6);
    take(bytes.substr(0, std::min(size, bytes.size())));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
}

}  // namespace fuzz
