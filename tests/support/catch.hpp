// SPDX-License-Identifier: MIT
#pragma once
// Catch2 v2 (Debian 12) and v3 spell their header and a matcher differently. The tests use v3's names.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {
inline auto ContainsSubstring(const std::string& text) {
  return Contains(text);
}
}  // namespace Catch::Matchers
#endif
