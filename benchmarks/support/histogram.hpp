// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace benchmark {

/// Counts of nanoseconds in buckets at most 1/64 apart: a percentile is off by at most 1.6%, and adding is
/// O(1).
class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[bucket_of(nanoseconds)];
    ++total_;
  }

  void clear() { *this = Histogram(); }

  /// The upper end of the bucket below which `fraction` of the samples lie; 0 without samples.
  std::uint64_t percentile(double fraction) const {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return upper_end(i);
    }
    return 0;
  }

 private:
  static constexpr unsigned precision = 6;  // bits kept below the leading one
  static constexpr std::size_t buckets = (64 - precision + 1) << precision;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < (1U << precision)) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - precision;
    return (std::size_t{shift} << precision) + (value >> shift);
  }

  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < (2U << precision)) return bucket;
    const std::size_t shift = (bucket >> precision) - 1;
    return ((bucket - (shift << precision) + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(buckets);
  std::uint64_t total_ = 0;
};

}  // namespace benchmark
