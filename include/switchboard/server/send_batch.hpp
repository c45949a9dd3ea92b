// SPDX-License-Identifier: MIT
// Internal: what one gathered write carries.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <sys/uio.h>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What one write will carry: small pieces copied side by side into a buffer that all connections of a shard
/// share, large ones where they are. The `Output` of Hub::gather.
///
/// A piece may be taken in part; how far the write came is what counts, and Hub::written is told.
class SendBatch {
 public:
  static constexpr std::size_t copy_limit =
      4096;  ///< measured: below, a copy is cheaper than an entry of its own
  static constexpr std::size_t buffer_bytes = 65536;
  static constexpr std::size_t max_pieces = 64;

  /// Takes a piece that stays where it is until the write is done. False: no more, please.
  bool add(std::string_view stable) {
    if (stable.size() < copy_limit && stable.size() <= buffer_bytes - used_) return copy(stable);
    push(const_cast<char*>(stable.data()), stable.size());
    return has_room();
  }

  /// Takes a piece that is gone after this call, as much of it as fits.
  bool copy(std::string_view temporary) {
    const std::size_t size = std::min(temporary.size(), buffer_bytes - used_);
    if (size == 0) return has_room();
    std::memcpy(buffer_.get() + used_, temporary.data(), size);
    push(buffer_.get() + used_, size);
    used_ += size;
    return size == temporary.size() && has_room();
  }

  std::span<iovec> pieces() { return {pieces_.data(), count_}; }
  std::size_t bytes() const { return bytes_; }
  void clear() { used_ = count_ = bytes_ = 0; }

 private:
  bool has_room() const { return used_ < buffer_bytes && count_ < max_pieces; }

  void push(char* data, std::size_t size) {
    if (size == 0) return;
    bytes_ += size;
    if (count_ > 0) {
      iovec& last = pieces_[count_ - 1];
      if (static_cast<char*>(last.iov_base) + last.iov_len == data) {
        last.iov_len += size;
        return;
      }
    }
    pieces_[count_++] = {data, size};
  }

  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(buffer_bytes);
  std::array<iovec, max_pieces> pieces_{};
  std::size_t used_ = 0, count_ = 0, bytes_ = 0;
};

}  // namespace switchboard::inline v1
