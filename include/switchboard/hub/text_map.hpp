// SPDX-License-Identifier: MIT
// Internal: a hash map of strings that is asked with views.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// std::hash for maps that are asked with a string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

/// A map by text; finding takes a view and allocates nothing.
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

}  // namespace switchboard::inline v1
