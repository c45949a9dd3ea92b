// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/testing/client_frames.hpp>
#include <switchboard/testing/test_host.hpp>

#include "schedule.hpp"

namespace model {

namespace sb = switchboard;

/// A client's end of a connection, byte by byte: what it sends may be cut anywhere, and nothing is hidden
/// from the test.
class Peer {
 public:
  explicit Peer(unsigned its_attempt) : attempt(its_attempt), state_(std::make_shared<State>()) {
    state_->socket->on_bytes = [weak = std::weak_ptr<State>(state_)](std::string_view bytes) {
      if (const auto state = weak.lock()) state->take(bytes);
    };
  }

  const std::shared_ptr<sb::testing::TestSocket>& socket() const { return state_->socket; }
  void send(std::string_view bytes) { state_->socket->to_server += bytes; }
  /// What is sent later: the rest of a message. Nothing gets between.
  void hold_back(std::string bytes) {
    state_->rest = std::move(bytes);
    was_silent = true;
  }
  void send_rest() { send(std::exchange(state_->rest, {})); }
  bool has_rest() const { return !state_->rest.empty(); }
  void cut() { state_->socket->client_has_closed = true; }
  void cut_unnoticed() { state_->socket->is_broken = true; }
  void stall(std::size_t bytes) {
    state_->socket->window = bytes;
    is_stalled = was_silent = true;
  }
  void wake() {
    state_->socket->window = ~std::size_t{0};
    is_stalled = false;
  }

  bool is_closed() const { return state_->socket->closed.has_value(); }
  bool is_gone() const { return state_->socket->client_has_closed || state_->socket->is_broken; }
  bool is_being_read() const { return state_->socket->wants_input && state_->socket->to_server.empty(); }
  /// The HTTP response's status; 0 before it is there.
  unsigned status() const { return state_->status; }
  std::optional<unsigned> close_code() const { return state_->close_code; }
  /// What breach of the protocol the server has committed.
  const std::string& breach() const { return state_->breach; }
  std::optional<sb::testing::ServerFrame> next() {
    if (state_->frames.empty()) return std::nullopt;
    auto frame = std::move(state_->frames.front());
    state_->frames.pop_front();
    return frame;
  }

  unsigned attempt;
  bool is_stalled = false;
  bool was_silent = false;  // for a while: it answered no pings

 private:
  struct State {
    void take(std::string_view bytes) {
      if (status == 0) {
        head += bytes;
        const std::size_t end = head.find("\r\n\r\n");
        if (end == std::string::npos) return;
        status = static_cast<unsigned>(std::strtoul(head.c_str() + 9, nullptr, 10));
        const std::string more = head.substr(end + 4);
        if (status == 101) take_frames(more);
      } else if (status == 101) {
        take_frames(bytes);
      }
    }
    void take_frames(std::string_view bytes) try {
      decoder.feed(bytes);
      while (auto frame = decoder.next()) {
        if (close_code) throw std::runtime_error("a frame behind a Close frame: " + frame->payload);
        answer(*frame);
        frames.push_back(std::move(*frame));
      }
    } catch (const std::exception& exception) {
      breach = exception.what();
    }
    void answer(const sb::testing::ServerFrame& frame) {
      using sb::testing::encode;
      std::string& out = rest.empty() ? socket->to_server : rest;
      if (frame.opcode == sb::Opcode::text && frame.payload == R"({"type":"ping"})")
        out += encode({.opcode = sb::Opcode::text, .payload = R"({"type":"pong"})"});
      if (frame.opcode != sb::Opcode::close) return;
      close_code = 1005;
      if (frame.payload.size() >= 2)
        close_code = static_cast<unsigned>(static_cast<unsigned char>(frame.payload[0]) << 8 |
                                           static_cast<unsigned char>(frame.payload[1]));
      out += encode({.opcode = sb::Opcode::close, .payload = std::string_view(frame.payload).substr(0, 2)});
    }

    std::shared_ptr<sb::testing::TestSocket> socket = std::make_shared<sb::testing::TestSocket>();
    std::string head, rest;
    unsigned status = 0;
    sb::testing::ServerFrameDecoder decoder;
    std::deque<sb::testing::ServerFrame> frames;
    std::optional<unsigned> close_code;
    std::string breach;
  };
  std::shared_ptr<State> state_;
};

/// A client's message as it goes out: in one frame, or in several with control frames between.
inline std::string encode_message(sb::Opcode opcode, std::string_view payload, Arrival arrival, unsigned a) {
  using sb::testing::encode;
  if (arrival != Arrival::fragments) return encode({.opcode = opcode, .payload = payload});
  const std::size_t piece = 1 + a % 60;
  std::string bytes;
  for (std::size_t at = 0; at <= payload.size(); at += piece) {
    const bool is_last = at + piece > payload.size();
    bytes += encode({.opcode = at == 0 ? opcode : sb::Opcode::continuation,
                     .payload = payload.substr(at, piece),
                     .fin = is_last});
    if (!is_last && a % 2 == 0) bytes += encode({.opcode = sb::Opcode::ping, .payload = "between"});
  }
  return bytes;
}

}  // namespace model
