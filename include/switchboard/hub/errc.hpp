// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <system_error>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// Why a call of the App's, or of another thread's, was not carried out.
enum class errc {
  would_block = 1,  ///< too many calls wait already; try again later
  stopped,          ///< the server has ended
  invalid_channel,  ///< not 1 to 200 bytes of UTF-8 without control characters, or reserved ("$…")
  invalid_user,     ///< an empty user id, or one of more than 200 bytes or not UTF-8
  invalid_json,  ///< not JSON text, or deeper than 64 levels; for a message to a user also: not an object, or
                 ///< with a "seq"
};

/// Named "switchboard". One object per shared library; compare codes with `errc` values.
inline const std::error_category& error_category() {
  static const struct final : std::error_category {
    const char* name() const noexcept override { return "switchboard"; }
    std::string message(int value) const override {
      switch (static_cast<errc>(value)) {
        case errc::would_block:
          return "too many calls wait already";
        case errc::stopped:
          return "the server has ended";
        case errc::invalid_channel:
          return "not a channel name";
        case errc::invalid_user:
          return "not a user id";
        case errc::invalid_json:
          return "not JSON that can be sent";
      }
      return "unknown error";
    }
  } category;
  return category;
}

/// So that an `errc` converts to, and compares with, a std::error_code.
inline std::error_code make_error_code(errc error) {
  return {static_cast<int>(error), error_category()};
}

}  // namespace switchboard::inline v1

template <>
struct std::is_error_code_enum<switchboard::errc> : std::true_type {};
