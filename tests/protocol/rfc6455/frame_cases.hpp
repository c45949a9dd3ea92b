// SPDX-License-Identifier: MIT
// The table of RFC 6455 §5, §7 and §8, whole: what a client may send once its WebSocket is open, and may not.
#pragma once
#include "protocol/rfc6455/close_cases.hpp"
#include "protocol/rfc6455/framing_cases.hpp"
#include "protocol/rfc6455/message_cases.hpp"
#include "protocol/rfc6455/text_cases.hpp"

namespace rfc6455 {

inline FrameCases frame_cases() {
  FrameCases all;
  for (const auto& part : {framing_cases, message_cases, text_cases, close_cases}) {
    const FrameCases cases = part();
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace rfc6455
