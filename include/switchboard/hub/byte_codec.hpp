// SPDX-License-Identifier: MIT
// Internal: numbers and strings as bytes, for what hubs say to each other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Appends numbers (big-endian) and strings behind their lengths to a string.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  ByteWriter& u8(std::uint8_t value) { return number(value, 1); }
  ByteWriter& u16(std::uint16_t value) { return number(value, 2); }
  ByteWriter& u32(std::uint32_t value) { return number(value, 4); }
  ByteWriter& u64(std::uint64_t value) { return number(value, 8); }
  /// A u32 length, then the bytes: what is longer must not be given.
  ByteWriter& text(std::string_view bytes) {
    u32(static_cast<std::uint32_t>(bytes.size()));
    out_ += bytes;
    return *this;
  }
  ByteWriter& raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }

 private:
  ByteWriter& number(std::uint64_t value, int width) {
    for (int i = width - 1; i >= 0; --i) out_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }

  std::string& out_;
};

/// Reads what a ByteWriter wrote, from bytes that may be anything: past the end come zeros and empty views,
/// and `is_good` is false for ever.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool is_good() const { return is_good_; }
  /// Good, and nothing is left.
  bool is_at_end() const { return is_good_ && rest_.empty(); }

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string_view text() { return raw(u32()); }
  std::string_view raw(std::size_t size) {
    if (size > rest_.size()) {
      is_good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest() { return raw(rest_.size()); }
  /// A u32 count of things that take at least `smallest` bytes each, so that a lie makes nobody reserve
  /// memory.
  std::size_t count(std::size_t smallest) {
    const std::size_t announced = u32();
    if (announced <= rest_.size() / smallest) return announced;
    is_good_ = false;
    return 0;
  }

 private:
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char byte : raw(width)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace switchboard::inline v1
