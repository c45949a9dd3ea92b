// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <random>

/// 32 random bits at a time, the same everywhere for the same seed.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};
