// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// The four bytes with which a client hides each frame's payload (RFC 6455 §5.3).
using MaskingKey = std::array<char, 4>;

/// Masks or unmasks in place: both are the same. `bytes` start where the key does.
inline void apply_mask(std::span<char> bytes, const MaskingKey& key) {
  std::uint32_t half;
  std::memcpy(&half, key.data(), sizeof half);
  const std::uint64_t wide =
      std::uint64_t{half} << 32 | half;  // eight key bytes in memory, in either byte order
  char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= sizeof wide; at += sizeof wide, left -= sizeof wide) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    word ^= wide;
    std::memcpy(at, &word, sizeof word);
  }
  for (std::size_t i = 0; i < left; ++i) at[i] = static_cast<char>(at[i] ^ key[i % 4]);
}

/// The key for what follows after `taken` bytes of the payload.
inline void advance_key(MaskingKey& key, std::size_t taken) {
  const MaskingKey before = key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = before[(i + taken) % 4];
}

}  // namespace switchboard::inline v1
