// SPDX-License-Identifier: MIT
// Internal: commands as bytes of Redis' protocol.
#pragma once
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Commands as Redis takes them (RESP: an array of bulk strings), appended to a buffer that goes out in one
/// write. hiredis' formatter would allocate and copy each of them once more.
inline void append_length(std::string& out, char kind, std::size_t length) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, length).ptr;
  out += kind;
  out.append(digits, end);
  out += "\r\n";
}

inline void append_argument(std::string& out, std::string_view argument) {
  append_length(out, '$', argument.size());
  out += argument;
  out += "\r\n";
}

inline void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_length(out, '*', words.size());
  for (const std::string_view word : words) append_argument(out, word);
}

/// `first` and then each of `rest`: a container of strings.
template <class Strings>
void append_command(std::string& out, std::initializer_list<std::string_view> first, const Strings& rest) {
  append_length(out, '*', first.size() + rest.size());
  for (const std::string_view word : first) append_argument(out, word);
  for (const auto& word : rest) append_argument(out, word);
}

}  // namespace redis
}  // namespace switchboard::inline v1
