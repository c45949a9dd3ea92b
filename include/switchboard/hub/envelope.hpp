// SPDX-License-Identifier: MIT
// Internal: the format of what hubs send each other through a broker.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {

/// What travels between hubs through a broker, which does not look inside.
///
/// Layout: version (1), kind, u64 origin, u64 counter, u64 version of a presence change, u32 number, u16
/// length of the text, the text, then the body; integers big-endian. A reader drops versions that it does not
/// know, so that nodes of two releases can run side by side.
struct Envelope {
  static constexpr std::uint8_t current_version = 1;

  enum class Kind : std::uint8_t {
    json = 1,         ///< body: the message, a JSON object
    binary = 2,       ///< number: the type; body: the payload
    join = 3,         ///< text: the user; body: its presence info
    leave = 4,        ///< text: the user
    user_json = 5,    ///< on a user's channel; body: the message, a JSON object
    disconnect = 6,   ///< on a user's channel; number: the close code
    unsubscribe = 7,  ///< on a user's channel; text: the channel
    handover = 8,     ///< on a node's channel; body: a HandoverMessage. Not counted
    marker = 9,       ///< on a channel of a session that moves; counter: the handover's token. Not counted
  };

  Kind kind = Kind::json;
  std::uint64_t origin = 0;   ///< which hub sent it: random, new with every start
  std::uint64_t counter = 0;  ///< grows by one with each envelope of this origin on this channel
  std::uint64_t presence_version = 0;
  std::uint32_t number = 0;
  std::string_view text{};
  std::string_view body{};

  std::string encode() const {
    std::string out;
    out.reserve(header_size + text.size() + body.size());
    append(out, current_version, 1);
    append(out, static_cast<std::uint8_t>(kind), 1);
    append(out, origin, 8);
    append(out, counter, 8);
    append(out, presence_version, 8);
    append(out, number, 4);
    append(out, text.size(), 2);
    out += text;
    out += body;
    return out;
  }

  /// The views point into `bytes`. Nothing: not an envelope, of a version or kind unknown here, or one whose
  /// body cannot be the JSON object that its kind has: a frame is made by what stands behind the brace.
  static std::optional<Envelope> decode(std::string_view bytes) {
    if (bytes.size() < header_size || read(bytes, 0, 1) != current_version) return std::nullopt;
    const std::uint64_t kind = read(bytes, 1, 1);
    const std::size_t text_size = static_cast<std::size_t>(read(bytes, 30, 2));
    if (kind < 1 || kind > 9 || bytes.size() < header_size + text_size) return std::nullopt;
    Envelope envelope;
    envelope.kind = static_cast<Kind>(kind);
    envelope.origin = read(bytes, 2, 8);
    envelope.counter = read(bytes, 10, 8);
    envelope.presence_version = read(bytes, 18, 8);
    envelope.number = static_cast<std::uint32_t>(read(bytes, 26, 4));
    envelope.text = bytes.substr(header_size, text_size);
    envelope.body = bytes.substr(header_size + text_size);
    const bool has_object = envelope.kind == Kind::json || envelope.kind == Kind::user_json;
    if (has_object && !envelope.body.starts_with('{')) return std::nullopt;
    return envelope;
  }

 private:
  static constexpr std::size_t header_size = 32;

  static void append(std::string& out, std::uint64_t value, int width) {
    for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  }
  static std::uint64_t read(std::string_view bytes, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }
};

}  // namespace switchboard::inline v1
