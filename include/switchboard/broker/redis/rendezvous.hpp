// SPDX-License-Identifier: MIT
// Internal: which of several servers a channel belongs to.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Spreads channels over servers by rendezvous hashing (Thaler and Ravishankar, 1998): a channel belongs to
/// the server that gets the highest score with it. Every node that knows the same names, in whatever order,
/// comes to the same answer; a server more or less moves only the channels that it gets or had.
class Rendezvous {
 public:
  /// `names` must be the same on all nodes: the servers' URLs without credentials. Throws
  /// std::invalid_argument for none, and for one that is there twice.
  explicit Rendezvous(const std::vector<std::string>& names) {
    if (names.empty()) throw std::invalid_argument("there must be at least one Redis server");
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j)
        if (names[i] == names[j]) throw std::invalid_argument(names[i] + " is given twice");
      seeds_.push_back(hash(names[i]));
    }
  }

  std::size_t size() const { return seeds_.size(); }

  /// The index in `names` of the server that `channel` belongs to. O(channel's length + servers).
  std::size_t operator()(std::string_view channel) const {
    const std::uint64_t of_channel = hash(channel);
    std::size_t best = 0;
    std::uint64_t best_score = mixed(of_channel ^ seeds_[0]);
    for (std::size_t i = 1; i < seeds_.size(); ++i) {
      const std::uint64_t score = mixed(of_channel ^ seeds_[i]);
      if (score < best_score || (score == best_score && seeds_[i] < seeds_[best])) continue;
      best = i;
      best_score = score;
    }
    return best;
  }

 private:
  /// FNV-1a of 64 bits. The nodes of one product must agree on it, whatever they were built with.
  static std::uint64_t hash(std::string_view text) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const char byte : text) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return mixed(value);
  }

  /// SplitMix64's finalizer: each bit of the result depends on each of the value.
  static std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  std::vector<std::uint64_t> seeds_;
};

}  // namespace redis
}  // namespace switchboard::inline v1
