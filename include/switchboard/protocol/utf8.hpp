// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Checks UTF-8 that arrives in pieces (RFC 3629 §4: no overlong forms, no surrogates, nothing above
/// U+10FFFF). Three bytes of state; linear, eight bytes a step where the text is ASCII.
class Utf8Validator {
 public:
  /// False as soon as what was fed cannot be the beginning of UTF-8; it stays false until `reset`.
  bool feed(std::span<const char> bytes) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    for (;;) {
      if (missing_ == 0) at = skip_ascii(at, end);
      if (at == end) return missing_ != broken;
      const auto byte = static_cast<std::uint8_t>(*at++);
      if (missing_ == 0 ? !lead(byte) : !continuation(byte)) {
        missing_ = broken;
        lowest_ = 0xff;  // an empty range: no later byte can be right
        highest_ = 0x00;
        return false;
      }
    }
  }

  /// Whether the text may end here: all was right and no sequence is cut short.
  bool complete() const { return missing_ == 0; }

  /// A new text begins.
  void reset() { *this = Utf8Validator{}; }

 private:
  static constexpr std::uint8_t broken = 0xff;

  static const char* skip_ascii(const char* at, const char* end) {
    while (end - at >= 8) {
      std::uint64_t word;
      std::memcpy(&word, at, sizeof word);
      if ((word & 0x8080808080808080u) != 0) break;
      at += 8;
    }
    while (at != end && static_cast<std::uint8_t>(*at) < 0x80) ++at;
    return at;
  }

  // Table 3-7 of the Unicode standard: only the second byte's range depends on the first.
  bool lead(std::uint8_t byte) {
    if (byte < 0xC2 || byte > 0xF4) return false;
    missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    lowest_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    highest_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
  }

  bool continuation(std::uint8_t byte) {
    if (byte < lowest_ || byte > highest_) return false;
    --missing_;
    lowest_ = 0x80;
    highest_ = 0xBF;
    return true;
  }

  std::uint8_t missing_ = 0;  // continuation bytes to come
  std::uint8_t lowest_ = 0x80;
  std::uint8_t highest_ = 0xBF;
};

/// Whether `text` is UTF-8 as a whole.
inline bool is_utf8(std::string_view text) {
  Utf8Validator validator;
  return validator.feed(text) && validator.complete();
}

}  // namespace switchboard::inline v1
