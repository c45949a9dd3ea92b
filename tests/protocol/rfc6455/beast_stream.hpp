// SPDX-License-Identifier: MIT
// What Boost.Beast makes of a client's bytes: its websocket::stream in the server's role, over memory.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <switchboard/testing/client_frames.hpp>

#include "protocol/rfc6455/event.hpp"

namespace rfc6455 {

/// A synchronous stream of Boost.Asio: reads are of what the client sent, in pieces, and then at an end.
class MemoryStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;

  MemoryStream(boost::asio::io_context& context, std::span<const char> input, std::size_t piece)
      : context_(&context), input_(input), piece_(piece) {}

  executor_type get_executor() { return context_->get_executor(); }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    error = {};
    if (input_.empty()) {
      error = boost::asio::error::eof;
      return 0;
    }
    const std::size_t most = std::min(piece_, input_.size());
    const std::size_t taken = boost::asio::buffer_copy(buffers, boost::asio::buffer(input_.data(), most));
    input_ = input_.subspan(taken);
    return taken;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    return read_some(buffers, error);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
    error = {};
    const std::size_t before = output_.size();
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != boost::asio::buffer_sequence_end(buffers); ++at) {
      const boost::asio::const_buffer each(*at);
      output_.append(static_cast<const char*>(each.data()), each.size());
    }
    return output_.size() - before;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    boost::system::error_code error;
    return write_some(buffers, error);
  }

  const std::string& output() const { return output_; }

  friend void teardown(boost::beast::role_type, MemoryStream&, boost::system::error_code& error) {
    error = {};
  }
  friend void beast_close_socket(MemoryStream&) {}

 private:
  boost::asio::io_context* context_;
  std::span<const char> input_;
  std::size_t piece_;
  std::string output_;
};

/// How Beast has read a stream.
struct BeastReading {
  Events events;
  boost::system::error_code error;  ///< what its last read ended with: eof where it would have read on
};

/// Has Beast read `input` in pieces. Throws where Beast's own frames are wrong or do not match its events.
inline BeastReading read_with_beast(std::span<const char> input, std::size_t piece,
                                    std::size_t max_message_bytes) {
  namespace websocket = boost::beast::websocket;
  static boost::asio::io_context context;  // never run: all is synchronous
  websocket::stream<MemoryStream> stream(context, input, piece);
  constexpr std::string_view request =
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  BeastReading reading;
  stream.accept(boost::asio::buffer(request.data(), request.size()), reading.error);
  if (reading.error) throw std::logic_error("Beast refuses the handshake: " + reading.error.message());
  const std::size_t response = stream.next_layer().output().size();

  stream.read_message_max(max_message_bytes);
  stream.control_callback([&](websocket::frame_type kind, boost::beast::string_view payload) {
    if (kind == websocket::frame_type::close) return;  // its code is known after the read
    const bool is_ping = kind == websocket::frame_type::ping;
    reading.events.push_back({is_ping ? Event::Kind::ping : Event::Kind::pong, 0, std::string(payload)});
  });
  for (;;) {
    boost::beast::flat_buffer message;
    stream.read(message, reading.error);
    if (reading.error) break;
    reading.events.push_back({stream.got_text() ? Event::Kind::text : Event::Kind::binary, 0,
                              boost::beast::buffers_to_string(message.data())});
  }

  switchboard::testing::ServerFrameDecoder sent;
  sent.feed(std::string_view(stream.next_layer().output()).substr(response));
  std::optional<int> sent_code;
  std::size_t pongs = 0;
  while (const auto frame = sent.next()) {
    if (frame->opcode == switchboard::Opcode::pong) ++pongs;
    if (frame->opcode != switchboard::Opcode::close) continue;
    sent_code = frame->payload.size() < 2 ? 1005
                                          : static_cast<std::uint8_t>(frame->payload[0]) << 8 |
                                                static_cast<std::uint8_t>(frame->payload[1]);
  }
  const auto is_ping = [](const Event& event) { return event.kind == Event::Kind::ping; };
  if (pongs != static_cast<std::size_t>(std::ranges::count_if(reading.events, is_ping)))
    throw std::logic_error("Beast answers another number of pings than it tells");

  if (reading.error == websocket::error::closed) {
    const auto& reason = stream.reason();
    const int code = reason.code == websocket::close_code::none ? 1005 : static_cast<int>(reason.code);
    reading.events.push_back(
        {Event::Kind::close, code, std::string(reason.reason.data(), reason.reason.size())});
  } else if (reading.error != boost::asio::error::eof) {
    if (!sent_code) throw std::logic_error("Beast fails without a Close: " + reading.error.message());
    reading.events.push_back({Event::Kind::fail, *sent_code, {}});
  }
  return reading;
}

}  // namespace rfc6455
