// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

namespace switchboard::inline v1 {

/// Appends `text` (valid UTF-8) as a JSON string, quotes included (RFC 8259 §7).
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
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

/// Builds a flat JSON object member by member, in order.
class JsonObjectText {
 public:
  JsonObjectText& string(std::string_view key, std::string_view value) {
    begin_member(key);
    append_json_string(text_, value);
    return *this;
  }
  /// `json` is JSON text already.
  JsonObjectText& raw(std::string_view key, std::string_view json) {
    begin_member(key);
    text_ += json;
    return *this;
  }
  JsonObjectText& number(std::string_view key, unsigned long long value) { return raw(key, std::to_string(value)); }
  JsonObjectText& boolean(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }

  /// The finished object. The builder is empty afterwards.
  std::string take() {
    text_ += text_.empty() ? "{}" : "}";
    return std::move(text_);
  }

 private:
  void begin_member(std::string_view key) {
    text_ += text_.empty() ? '{' : ',';
    append_json_string(text_, key);
    text_ += ':';
  }
  std::string text_;
};

}  // namespace switchboard::inline v1
