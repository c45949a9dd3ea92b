// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Appends `text` (valid UTF-8) as a JSON string, quotes included (RFC 8259 §7).
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte >= 0x20) {
          out += c;
        } else {
          out += "\\u00";
          out += digits[byte >> 4];
          out += digits[byte & 15];
        }
    }
  }
  out += '"';
}

}  // namespace switchboard::inline v1
