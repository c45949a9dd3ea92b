// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/protocol/frame_decoder.hpp>

#include "protocol/rfc6455/event.hpp"

namespace rfc6455 {

/// FrameDecoder, with what it has said so far. Throws `std::logic_error` where it breaks its own contract.
class OurReader {
 public:
  explicit OurReader(const switchboard::DecoderLimits& limits) : limits_(limits) {}

  /// The piece lies in memory of its own, just as large, so that a sanitizer sees any step outside.
  void feed(std::span<const char> piece) {
    const std::unique_ptr<char[]> copy(new char[piece.size()]);
    std::copy(piece.begin(), piece.end(), copy.get());
    std::span<char> input(copy.get(), piece.size());
    for (;;) {
      const switchboard::Decoded event = decoder_.next(input, limits_);
      if (event.kind == switchboard::Decoded::Kind::need_more) break;
      take(event);
    }
    require(input.empty(), "the decoder wants more while some is left");
  }

  const Events& events() const { return events_; }
  /// The decoder's word for its failure; empty without one.
  std::string_view why() const { return why_; }

 private:
  void take(const switchboard::Decoded& event) {
    using Kind = switchboard::Decoded::Kind;
    std::string payload(event.payload.begin(), event.payload.end());
    require(!has_ended_, "the decoder goes on after the end");
    switch (event.kind) {
      case Kind::need_more:
        return;
      case Kind::text:
        return add(Event::Kind::text, std::move(payload));
      case Kind::binary:
        if (limits_.announce_binary_type)
          require(type_ == payload.substr(0, payload.size() < 4 ? 0 : 4),
                  "a binary message does not begin with the type that was announced");
        type_.clear();
        return add(Event::Kind::binary, std::move(payload));
      case Kind::ping:
        return add(Event::Kind::ping, std::move(payload));
      case Kind::pong:
        return add(Event::Kind::pong, std::move(payload));
      case Kind::close:
        has_ended_ = true;
        return add(Event::Kind::close, std::string(event.reason), static_cast<int>(event.code));
      case Kind::error:
        has_ended_ = true;
        why_ = event.reason;
        return add(Event::Kind::fail, {}, static_cast<int>(event.code));
      case Kind::binary_type:
        require(limits_.announce_binary_type && type_.empty(), "a type is announced unasked, or twice");
        for (int shift = 24; shift >= 0; shift -= 8) type_ += static_cast<char>(event.type >> shift & 0xff);
        return;
      case Kind::oversized:
        require(false, "a message is oversized though none was limited");
    }
  }

  void add(Event::Kind kind, std::string payload, int code = 0) {
    events_.push_back({kind, code, std::move(payload)});
  }

  static void require(bool held, const char* breach) {
    if (!held) throw std::logic_error(breach);
  }

  switchboard::DecoderLimits limits_;
  switchboard::FrameDecoder decoder_;
  Events events_;
  std::string type_;  // of the binary message under way, once announced
  std::string_view why_;
  bool has_ended_ = false;
};

}  // namespace rfc6455
