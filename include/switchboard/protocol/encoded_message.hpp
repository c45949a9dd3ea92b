// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <switchboard/protocol/frame_encoder.hpp>
#include <switchboard/protocol/sequence.hpp>

namespace switchboard::inline v1 {

/// A message as it goes out, encoded once and shared by everyone who receives it.
///
/// It is a whole WebSocket frame for a plain client. A stateful client gets the same body behind a few bytes
/// of its own (`SequencedPrefix`): the frame header and its sequence number. Immutable, so any thread may
/// read it.
class EncodedMessage {
 public:
  /// Shared by counting; null is no message.
  using Ptr = boost::intrusive_ptr<const EncodedMessage>;

  /// How the bytes are framed, and where a sequence number may be put.
  enum class Kind : std::uint8_t {
    json,    ///< a text frame with a JSON object; may carry `"seq"` as its first member
    binary,  ///< a binary frame that starts with a big-endian u32 type; may carry a u64 seq behind it
    frame,   ///< any frame, the same for every client
    raw,     ///< bytes that are no frame at all: an HTTP response
  };

  /// `object` is the text of a JSON object without a "seq" of its own; its first byte is the brace.
  /// `conflation_key` is the channel it belongs to; of two messages with one key the later may stand for
  /// both. 0: none.
  static Ptr json(std::string_view object, std::uint64_t conflation_key = 0) {
    return make(Kind::json, Opcode::text, {}, object, conflation_key);
  }
  /// A binary message: `type` in 4 bytes, big-endian, then `payload`.
  static Ptr binary(std::uint32_t type, std::string_view payload, std::uint64_t conflation_key = 0) {
    const std::array<char, 4> prefix{static_cast<char>(type >> 24), static_cast<char>(type >> 16 & 0xff),
                                     static_cast<char>(type >> 8 & 0xff), static_cast<char>(type & 0xff)};
    return make(Kind::binary, Opcode::binary, {prefix.data(), prefix.size()}, payload, conflation_key);
  }
  /// One whole frame, the same for plain and stateful clients: an answer, a control frame.
  static Ptr frame(Opcode opcode, std::string_view payload) {
    return make(Kind::frame, opcode, {}, payload, 0);
  }

  /// Bytes that are sent as they are: an HTTP response.
  static Ptr raw(std::string_view bytes) { return make(Kind::raw, {bytes}, 0, 0); }

  EncodedMessage(const EncodedMessage&) = delete;
  EncodedMessage& operator=(const EncodedMessage&) = delete;

  /// Decides whether `sequenced_body` may be asked for.
  Kind kind() const { return kind_; }
  /// What `json` or `binary` was given; 0: it stands for itself alone.
  std::uint64_t conflation_key() const { return conflation_key_; }

  /// The whole frame, as a plain client gets it.
  std::string_view plain() const { return {reinterpret_cast<const char*>(this + 1), size_}; }
  /// The frame without its header.
  std::string_view payload() const { return plain().substr(header_size_); }
  /// What a message counts for in a queue or log: its bytes on a plain client's wire.
  std::size_t size() const { return size_; }

  /// How many pointers share it at this moment.
  std::size_t use_count() const { return references_.load(std::memory_order_relaxed); }

  /// What follows the prefix in a stateful client's frame. Not for `Kind::frame` and `Kind::raw`.
  std::string_view sequenced_body() const { return payload().substr(kind_ == Kind::json ? 1 : 4); }

 private:
  EncodedMessage(Kind kind, std::size_t size, std::size_t header_size, std::uint64_t conflation_key)
      : size_(size),
        conflation_key_(conflation_key),
        header_size_(static_cast<std::uint8_t>(header_size)),
        kind_(kind) {}
  ~EncodedMessage() = default;

  static Ptr make(Kind kind, Opcode opcode, std::string_view prefix, std::string_view payload,
                  std::uint64_t key) {
    const FrameHeader header(opcode, prefix.size() + payload.size());
    return make(kind, {header.view(), prefix, payload}, header.size(), key);
  }

  // One allocation: the bytes stand behind the object. A server makes one of these for each message, and
  // every subscriber's queue holds a pointer, so both are kept small.
  static Ptr make(Kind kind, std::initializer_list<std::string_view> parts, std::size_t header_size,
                  std::uint64_t key) {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    void* const block = ::operator new(sizeof(EncodedMessage) + size);
    const Ptr message(new (block) EncodedMessage(kind, size, header_size, key));
    char* out = static_cast<char*>(block) + sizeof(EncodedMessage);
    for (const std::string_view part : parts) out = std::copy(part.begin(), part.end(), out);
    return message;
  }

  friend void intrusive_ptr_add_ref(const EncodedMessage* message) {
    message->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const EncodedMessage* message) {
    if (message->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    message->~EncodedMessage();
    ::operator delete(const_cast<EncodedMessage*>(message));
  }

  mutable std::atomic<std::uint32_t> references_{0};
  std::size_t size_;
  std::uint64_t conflation_key_;
  std::uint8_t header_size_;
  Kind kind_;
};

/// What stands before the shared body in a stateful client's frame: the frame header, then `{"seq":N,` in
/// text or the type and a big-endian u64 in binary (protocol.md, "Sequence, replay, resume" and "Binary").
class SequencedPrefix {
 public:
  /// `message` is of `Kind::json` or `Kind::binary`.
  SequencedPrefix(const EncodedMessage& message, Sequence sequence) {
    const std::string_view body = message.sequenced_body();
    if (message.kind() == EncodedMessage::Kind::json) {
      std::array<char, 32> opening;
      char* end = std::copy_n(R"({"seq":)", 7, opening.data());
      end = std::to_chars(end, opening.data() + opening.size(), sequence.value).ptr;
      const std::size_t member = body.find_first_not_of(" \t\r\n}");
      if (member != std::string_view::npos) *end++ = ',';
      const auto size = static_cast<std::size_t>(end - opening.data());
      append(FrameHeader(Opcode::text, size + body.size()).view());
      append({opening.data(), size});
#ifdef SWITCHBOARD_PLANTED_BUG
    } else if (SWITCHBOARD_PLANTED_BUG == 5) {
      append(FrameHeader(Opcode::binary, 4 + body.size()).view());
      append(message.payload().substr(0, 4));
#endif
    } else {
      append(FrameHeader(Opcode::binary, 4 + 8 + body.size()).view());
      append(message.payload().substr(0, 4));
      std::array<char, 8> number;
      for (std::size_t i = 0; i < 8; ++i)
        number[i] = static_cast<char>(sequence.value >> (56 - 8 * i) & 0xff);
      append({number.data(), number.size()});
    }
  }

  /// At most 48 bytes, valid as long as this object.
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  void append(std::string_view part) {
    std::copy(part.begin(), part.end(), bytes_.data() + size_);
    size_ += static_cast<std::uint8_t>(part.size());
  }

  std::array<char, 48> bytes_;
  std::uint8_t size_ = 0;
};

}  // namespace switchboard::inline v1
