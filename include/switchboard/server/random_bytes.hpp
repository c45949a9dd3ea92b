// SPDX-License-Identifier: MIT
// Internal: random bytes from the operating system.
#pragma once
#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif
#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <unistd.h>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Bytes no one can guess, from the operating system.
inline void fill_with_random_bytes(std::span<std::byte> bytes) {
  constexpr std::size_t most = 256;  // getentropy(3)'s limit
  while (!bytes.empty()) {
    const std::span<std::byte> part = bytes.first(std::min(bytes.size(), most));
    if (::getentropy(part.data(), part.size()) != 0) {
      std::random_device device;
      for (std::byte& byte : part) byte = static_cast<std::byte>(device());
    }
    bytes = bytes.subspan(part.size());
  }
}

}  // namespace switchboard::inline v1
