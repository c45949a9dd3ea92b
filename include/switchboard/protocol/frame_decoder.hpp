// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <switchboard/protocol/client_frame_header.hpp>
#include <switchboard/protocol/close_code.hpp>
#include <switchboard/protocol/masking.hpp>
#include <switchboard/protocol/message_buffer.hpp>
#include <switchboard/protocol/opcode.hpp>
#include <switchboard/protocol/utf8.hpp>

namespace switchboard::inline v1 {

/// What all decoders of a hub have in common; handed to each call, so that a connection need not store it.
struct DecoderLimits {
  std::size_t max_message_bytes = std::size_t{16} << 20;  ///< a larger message is an error, 1009
  bool announce_binary_type = false;                      ///< whether `Kind::binary_type` events are wanted
};

/// One thing that a client's bytes turned out to mean.
struct Decoded {
  /// Which of the fields below are set.
  enum class Kind : std::uint8_t {
    need_more,    ///< the input is used up; what was partial is kept inside
    text,         ///< a whole message, valid UTF-8
    binary,       ///< a whole message
    ping,         ///< `payload` goes back in a pong
    pong,         ///< `payload` is what some ping carried
    close,        ///< the peer's Close frame; the decoder ignores all that follows
    binary_type,  ///< the first four bytes of the binary message under way
    oversized,    ///< the message under way is larger than `limit_message` allowed; it will not be delivered
    error,        ///< a breach of RFC 6455, to be closed with `code`; the decoder ignores all that follows
  };

  Kind kind = Kind::need_more;            ///< what happened
  CloseCode code = CloseCode::no_status;  ///< close: the peer's; error: what to close with (1002, 1007, 1009)
  std::uint32_t type = 0;                 ///< binary_type: the first four bytes, big-endian on the wire
  std::span<char> payload{};  ///< text, binary, ping, pong; valid until the next call on the decoder
  std::string_view reason{};  ///< close: the peer's, valid as long; error: a literal, for the log
};

/// Turns the bytes of one client into messages (RFC 6455 §5, the server's role). No I/O.
///
/// Works in place: what arrives whole is unmasked where it lies and copied nowhere. Only what is partial is
/// kept inside, and that memory grows with the bytes that have arrived, never from what a header claims. An
/// idle decoder owns no memory but itself. Time is linear in the bytes, however they are split.
class FrameDecoder {
 public:
  /// Takes bytes off the front of `input`, modifying them, up to the next event; call it until it says
  /// `need_more`. With `announce_binary_type`, one `binary_type` precedes each `binary` of four bytes or
  /// more: before anything behind the type is buffered, and also when the message is whole already. Throws
  /// `std::bad_alloc`.
  Decoded next(std::span<char>& input, const DecoderLimits& limits) {
    if (delivered_) forget_delivered();
    while (!ended_) {
      if (!in_frame_) {
        if (const char* breach = read_header(input)) return fail(CloseCode::protocol_error, breach);
        if (!in_frame_) return {};
        if (!is_control(frame_opcode_) && !fits(limits.max_message_bytes))
          return fail(CloseCode::message_too_big, "the message is too big");
      }
      const Decoded event = is_control(frame_opcode_) ? control_bytes(input) : message_bytes(input, limits);
      if (event.kind != Decoded::Kind::need_more || in_frame_) return event;
    }
    input = {};
    return {};
  }

  /// The answer to `binary_type`: if the message under way is or grows larger than this, its type included,
  /// `oversized` comes once (as soon as a frame header tells the size) and its rest is dropped as it arrives.
  /// Later messages are unaffected. Does nothing where no message is under way.
  void limit_message(std::size_t max_bytes) {
    if (in_message()) message_limit_ = max_bytes;
  }

  /// Whether the first header of a message has arrived and its last byte has not.
  bool in_message() const { return message_opcode_ != Opcode::continuation; }

  /// Bytes of memory set aside for a message that did not arrive at once: at most twice what has arrived of
  /// it.
  std::size_t buffered() const { return partial_ ? partial_->message.capacity() : 0; }

 private:
  static constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::size_t type_size = 4;

  // What is only needed between two reads, and not by a connection that is idle.
  struct Partial {
    MessageBuffer message;
    Utf8Validator utf8;
    std::uint8_t header_size = 0;
    std::uint8_t control_size = 0;
    std::array<char, ClientFrameHeader::max_size> header;
    std::array<char, 125> control;
  };

  Partial& partial() {
    // Not make_unique, which would clear the arrays.
    if (!partial_) partial_.reset(new Partial);
    return *partial_;
  }

  static std::span<char> take(std::span<char>& input, std::uint64_t at_most) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(at_most, input.size()));
    const std::span<char> taken = input.first(size);
    input = input.subspan(size);
    return taken;
  }

  void forget_delivered() {
    delivered_ = false;
#ifdef SWITCHBOARD_PLANTED_BUG
    if (SWITCHBOARD_PLANTED_BUG == 6) partial_.reset();
#endif
    if (!in_message()) partial_.reset();
  }

  bool fits(std::size_t max_message_bytes) const {
    return message_size_ <= max_message_bytes && remaining_ <= max_message_bytes - message_size_;
  }

  Decoded fail(CloseCode code, const char* why) {
    ended_ = true;
    partial_.reset();
    return {.kind = Decoded::Kind::error, .code = code, .reason = why};
  }

  // Enters a frame if its header is whole, else keeps the header's bytes. Returns what is wrong with it, if
  // anything.
  const char* read_header(std::span<char>& input) {
    const std::size_t kept = partial_ ? partial_->header_size : 0;
    ClientFrameHeader header;
    if (kept == 0) {
      header = ClientFrameHeader::parse(input);
    } else {
      const std::size_t more = std::min(input.size(), ClientFrameHeader::max_size - kept);
      std::copy_n(input.begin(), more, partial_->header.begin() + static_cast<std::ptrdiff_t>(kept));
      header = ClientFrameHeader::parse({partial_->header.data(), kept + more});
    }
    if (header.breach != nullptr) return header.breach;
    if (header.size == 0) {
      keep_header(input, kept);
      return nullptr;
    }
    if (kept != 0) partial_->header_size = 0;
    input = input.subspan(header.size - kept);
    return begin_frame(header);
  }

  void keep_header(std::span<char>& input, std::size_t kept) {
    if (input.empty()) return;
    Partial& keeper = partial();
    std::copy(input.begin(), input.end(), keeper.header.begin() + static_cast<std::ptrdiff_t>(kept));
    keeper.header_size = static_cast<std::uint8_t>(kept + input.size());
    input = {};
  }

  const char* begin_frame(const ClientFrameHeader& header) {
    if (!is_control(header.opcode)) {
      if (header.opcode == Opcode::continuation && !in_message()) return "a continuation without a message";
      if (header.opcode != Opcode::continuation && in_message())
        return "a message inside another's fragments";
      if (!in_message()) message_opcode_ = header.opcode;
      fin_ = header.fin;
    }
    in_frame_ = true;
    frame_opcode_ = header.opcode;
    remaining_ = header.payload_size;
    key_ = header.key;
    return nullptr;
  }

  Decoded control_bytes(std::span<char>& input) {
    std::span<char> payload;
    if (remaining_ <= input.size() && (!partial_ || partial_->control_size == 0)) {
      payload = take(input, remaining_);
      apply_mask(payload, key_);
    } else {
      Partial& keeper = partial();
      const std::span<char> arrived = take(input, remaining_);
      std::copy(arrived.begin(), arrived.end(), keeper.control.begin() + keeper.control_size);
      keeper.control_size = static_cast<std::uint8_t>(keeper.control_size + arrived.size());
      remaining_ -= arrived.size();
      if (remaining_ > 0) return {};
      payload = {keeper.control.data(), std::exchange(keeper.control_size, std::uint8_t{0})};
      apply_mask(payload, key_);
    }
    in_frame_ = false;
    delivered_ = true;
    if (frame_opcode_ == Opcode::close) return close_frame(payload);
    return {.kind = frame_opcode_ == Opcode::ping ? Decoded::Kind::ping : Decoded::Kind::pong,
            .payload = payload};
  }

  Decoded close_frame(std::span<const char> payload) {
    if (payload.size() == 1) return fail(CloseCode::protocol_error, "a close code of one byte");
    Decoded event{.kind = Decoded::Kind::close};
    if (payload.size() >= 2) {
      const auto high = static_cast<std::uint8_t>(payload[0]);
      const auto low = static_cast<std::uint8_t>(payload[1]);
      event.code = static_cast<CloseCode>(high << 8 | low);
      event.reason = {payload.data() + 2, payload.size() - 2};
      if (!is_sendable(event.code))
        return fail(CloseCode::protocol_error, "a close code that may not be sent");
      if (!is_utf8(event.reason)) return fail(CloseCode::invalid_payload, "a close reason that is not UTF-8");
    }
    ended_ = true;
    return event;
  }

  Decoded message_bytes(std::span<char>& input, const DecoderLimits& limits) {
    if (limits.announce_binary_type && message_opcode_ == Opcode::binary && !type_known_) {
      const Decoded event = learn_type(input, limits);
      if (event.kind != Decoded::Kind::need_more) return event;
    }
    if (!dropping_ && message_size_ + remaining_ > message_limit_) {
      dropping_ = true;
      if (partial_) partial_->message = {};
      return {.kind = Decoded::Kind::oversized};
    }
    if (dropping_) {
      count(take(input, remaining_).size());
    } else if (message_size_ == 0 && fin_ && remaining_ <= input.size()) {
      return whole_message(input);
    } else if (!keep(take(input, remaining_), limits)) {
      return fail(CloseCode::invalid_payload, "text that is not UTF-8");
    }
    if (remaining_ > 0) return {};
    in_frame_ = false;
    return fin_ ? end_of_message() : Decoded{};
  }

  Decoded learn_type(std::span<char>& input, const DecoderLimits& limits) {
    if (fin_ && message_size_ + remaining_ < type_size) return {};
    MaskingKey bytes{};
    if (message_size_ == 0 && remaining_ >= type_size && input.size() >= type_size) {
      std::copy_n(input.begin(), type_size, bytes.begin());  // a look ahead: it may yet be delivered in place
      apply_mask(bytes, key_);
    } else {
      keep(take(input, std::min(type_size - message_size_, remaining_)), limits);
      if (message_size_ < type_size) return {};
      std::copy_n(partial_->message.bytes().begin(), type_size, bytes.begin());
    }
    type_known_ = true;
    Decoded event{.kind = Decoded::Kind::binary_type};
    for (const char byte : bytes) event.type = event.type << 8 | static_cast<std::uint8_t>(byte);
    return event;
  }

  // The usual case: nothing is kept, nothing copied.
  Decoded whole_message(std::span<char>& input) {
    const std::span<char> payload = take(input, remaining_);
    apply_mask(payload, key_);
    in_frame_ = false;
    if (message_opcode_ == Opcode::text && !is_utf8({payload.data(), payload.size()}))
      return fail(CloseCode::invalid_payload, "text that is not UTF-8");
    return deliver(payload);
  }

  // False when a text message can no longer become UTF-8.
  bool keep(std::span<char> arrived, const DecoderLimits& limits) {
    if (arrived.empty()) return true;
    Partial& keeper = partial();
    const std::uint64_t ceiling = fin_ ? message_size_ + remaining_ : limits.max_message_bytes;
    const std::span<char> kept = keeper.message.append(arrived, static_cast<std::size_t>(ceiling));
    apply_mask(kept, key_);
    advance_key(key_, kept.size());
    count(kept.size());
    return message_opcode_ != Opcode::text || keeper.utf8.feed(kept);
  }

  void count(std::size_t taken) {
    remaining_ -= taken;
    message_size_ += taken;
  }

  Decoded end_of_message() {
    if (dropping_) {
      reset_message();
      partial_.reset();
      return {};
    }
    // Bytes are kept: a message that is empty up to its last frame is delivered as a whole one.
    if (message_opcode_ == Opcode::text && !partial_->utf8.complete())
      return fail(CloseCode::invalid_payload, "text that ends inside a UTF-8 sequence");
    return deliver(partial_->message.bytes());
  }

  Decoded deliver(std::span<char> payload) {
    const bool is_text = message_opcode_ == Opcode::text;
    reset_message();
    delivered_ = true;
    return {.kind = is_text ? Decoded::Kind::text : Decoded::Kind::binary, .payload = payload};
  }

  void reset_message() {
    message_opcode_ = Opcode::continuation;
    message_size_ = 0;
    message_limit_ = no_limit;
    type_known_ = false;
    dropping_ = false;
  }

  std::unique_ptr<Partial> partial_;
  std::uint64_t remaining_ = 0;     // of the frame under way: payload bytes to come
  std::uint64_t message_size_ = 0;  // of the message under way: payload bytes kept or dropped so far
  std::uint64_t message_limit_ = no_limit;
  MaskingKey key_{};                              // for the next byte of the frame under way
  Opcode frame_opcode_ = Opcode::continuation;    // of the frame under way
  Opcode message_opcode_ = Opcode::continuation;  // text or binary while a message is under way
  bool fin_ = false;                              // the latest data frame ends the message
  bool in_frame_ = false;
  bool type_known_ = false;
  bool dropping_ = false;
  bool delivered_ = false;  // the last event's payload may lie in `partial_`
  bool ended_ = false;
};

}  // namespace switchboard::inline v1
