// SPDX-License-Identifier: MIT
// Internal: what a hub keeps for each socket.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <switchboard/hub/host.hpp>
#include <switchboard/hub/session.hpp>
#include <switchboard/patterns/heartbeat.hpp>
#include <switchboard/patterns/outbound_queue.hpp>
#include <switchboard/patterns/rate_limiter.hpp>
#include <switchboard/patterns/ring_buffer.hpp>
#include <switchboard/patterns/timer_wheel.hpp>
#include <switchboard/protocol/address.hpp>
#include <switchboard/protocol/close_code.hpp>
#include <switchboard/protocol/frame_decoder.hpp>
#include <switchboard/protocol/request_parser.hpp>

namespace switchboard::inline v1 {

/// Input that waits because its connection is busy with what came before.
struct HeldInput {
  struct Message {
    bool is_text = true;
    std::string payload;
  };
  /// The last thing that came: it is acted on once all before it is handled, or has had its time.
  struct End {
    enum class Kind : std::uint8_t { close_frame, breach, cut };
    Kind kind = Kind::cut;
    CloseCode code = CloseCode::abnormal;
    std::string reason{};
    bool is_broken = false;  ///< nor does the peer take anything any more
  };
  /// What a held message counts for: empty ones take memory too.
  static std::size_t cost(std::string_view payload) { return std::max(payload.size(), sizeof(Message)); }

  RingBuffer<Message> messages;
  std::size_t message_bytes = 0;
  std::string raw;  ///< not yet decoded: what was left of a read when reading stopped
  std::optional<End> end;
};

/// A socket as the hub sees it, from its first byte of HTTP to its last Close frame. Its timer is, one after
/// the other, the limit of the handshake, the heartbeat, and the limit of the closing handshake.
struct Transport : Timer {
  enum class Phase : std::uint8_t {
    request,         ///< the HTTP request is coming in
    authenticating,  ///< the App, or the broker, is being asked
    open,            ///< a WebSocket with a client
    closing,         ///< our Close frame is queued; the peer's is awaited
    finishing,       ///< what is queued is the last; then the socket closes
  };
  /// What a handshake needs; gone once it is over.
  struct Handshake {
    net::Address peer;
    Admission admission = Admission::admitted;
    RequestParser parser;
    std::string unread;
  };

  Transport() : Timer(static_cast<std::uint8_t>(TimerKind::transport)) {}  // owner: its slot

  FrameDecoder decoder;
  OutboundQueue queue;               ///< answers and control frames; for a plain client its messages too
  std::size_t written_of_first = 0;  ///< bytes of the first thing to send that the socket has taken already
  HeartbeatState heartbeat;
  RateLimiter rate;
  std::unique_ptr<Handshake> handshake;
  std::unique_ptr<HeldInput> held;
  std::uint32_t client = SlotTable<int>::none;
  std::uint32_t binary_type = 0;  ///< of the binary message under way
  Phase phase = Phase::request;
  bool output_announced = false;      ///< the host knows that there is something to send
  bool is_blocked = false;            ///< the socket has taken less than it was given
  bool is_paused = false;             ///< the host was told to read no more
  bool is_handling = false;           ///< its input is being worked on further up the stack
  std::uint8_t close_extensions = 0;  ///< how often the time to close was prolonged
  std::uint16_t unsent_kilobytes =
      0;  ///< while closing or paused: what the peer had yet to take when that was last looked at
};

/// One use of a transport's slot.
struct TransportUse {
  std::uint32_t slot = SlotTable<int>::none;
  std::uint32_t generation = 0;
};

}  // namespace switchboard::inline v1
