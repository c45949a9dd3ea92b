// SPDX-License-Identifier: MIT
// What a row of the table says, and the words in which it says it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/testing/client_frames.hpp>

#include "protocol/rfc6455/event.hpp"

namespace rfc6455 {

/// The message limit under which the rows hold: large enough for every form of the length.
inline constexpr std::size_t case_message_limit = 70'000;

/// A row: what a client sends from the beginning of a connection on, and what that means.
struct FrameCase {
  std::string section;  ///< of RFC 6455
  std::string name;
  std::string bytes;
  Events expected;
  std::size_t decided_after = 0;  ///< the last event comes with this many of the bytes; 0: with all of them
};
using FrameCases = std::vector<FrameCase>;

/// The bytes of a frame that a client sends.
namespace sent {

using switchboard::Opcode;
using switchboard::testing::ClientFrame;
using switchboard::testing::encode;

enum class Fin { no, yes };

inline std::string frame(Opcode opcode, std::string_view payload, Fin fin = Fin::yes) {
  return encode({.opcode = opcode, .payload = payload, .fin = fin == Fin::yes});
}
inline std::string text(std::string_view payload, Fin fin = Fin::yes) {
  return frame(Opcode::text, payload, fin);
}
inline std::string binary(std::string_view payload, Fin fin = Fin::yes) {
  return frame(Opcode::binary, payload, fin);
}
inline std::string more(std::string_view payload, Fin fin = Fin::no) {
  return frame(Opcode::continuation, payload, fin);
}
inline std::string last(std::string_view payload) {
  return more(payload, Fin::yes);
}
inline std::string ping(std::string_view payload) {
  return frame(Opcode::ping, payload);
}
inline std::string pong(std::string_view payload) {
  return frame(Opcode::pong, payload);
}
inline std::string close_with(std::string_view payload) {
  return frame(Opcode::close, payload);
}
inline std::string close(int code, std::string_view reason = {}) {
  return close_with(std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}.append(reason));
}

}  // namespace sent

/// What it means.
namespace means {

inline Event text(std::string_view payload) {
  return {Event::Kind::text, 0, std::string(payload)};
}
inline Event binary(std::string_view payload) {
  return {Event::Kind::binary, 0, std::string(payload)};
}
inline Event ping(std::string_view payload) {
  return {Event::Kind::ping, 0, std::string(payload)};
}
inline Event pong(std::string_view payload) {
  return {Event::Kind::pong, 0, std::string(payload)};
}
inline Event close(int code, std::string_view reason = {}) {
  return {Event::Kind::close, code, std::string(reason)};
}
inline Event fail(int code) {
  return {Event::Kind::fail, code, {}};
}

}  // namespace means

inline std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

inline std::string_view name_of(switchboard::Opcode opcode) {
  switch (opcode) {
    case switchboard::Opcode::continuation:
      return "continuation";
    case switchboard::Opcode::text:
      return "text";
    case switchboard::Opcode::binary:
      return "binary";
    case switchboard::Opcode::close:
      return "close";
    case switchboard::Opcode::ping:
      return "ping";
    case switchboard::Opcode::pong:
      return "pong";
  }
  return "reserved";
}

}  // namespace rfc6455
