// SPDX-License-Identifier: MIT
// Internal: writes the small JSON objects that a hub sends.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/protocol/json_string.hpp>

namespace switchboard::inline v1 {

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
  JsonObjectText& number(std::string_view key, unsigned long long value) {
    return raw(key, std::to_string(value));
  }
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
