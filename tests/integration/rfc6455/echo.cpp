// SPDX-License-Identifier: MIT
// Every row of the table of RFC 6455, over sockets, against the example echo.
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/testing/client_frames.hpp>

#include "integration/stress/support/server_process.hpp"
#include "protocol/rfc6455/frame_cases.hpp"
#include "protocol/rfc6455/handshake_cases.hpp"
#include "server/tcp_client.hpp"
#include "support/catch.hpp"

namespace sb = switchboard;
using namespace rfc6455;
using sb::testing::ServerFrame;

namespace {

stress::ServerProcess start_echo() {
  return stress::ServerProcess(stress::example("echo"),
                               {"--max-message-bytes", std::to_string(case_message_limit)});
}

std::string head_of_answer(tcp::Client& client) {
  std::string head;
  for (std::string line = client.read_line(); line != "\r"; line = client.read_line()) head += line + "\n";
  return head + "\r\n";
}

/// A WebSocket that asks for nothing and answers nothing by itself.
class Peer {
 public:
  explicit Peer(std::uint16_t port) : client_(port) { client_.send(std::string(Request())); }

  void open() { head_of_answer(client_); }
  void send(std::string_view bytes) { client_.send(bytes); }
  void shut_down() { client_.shut_down(); }

  /// Reads on until there are so many frames, which are of `bytes` bytes at least. The server's own
  /// pings, which may come at any time, are left out.
  const std::vector<ServerFrame>& receive(std::size_t count, std::size_t bytes = 1) {
    while (frames_.size() < count) {
      take(client_.read(bytes));
      bytes = 1;
    }
    return frames_;
  }

  const std::vector<ServerFrame>& receive_to_end() {
    take(client_.read_to_end());
    if (!decoder_.rest().empty()) throw std::runtime_error("a part of a frame at the end");
    return frames_;
  }

  const std::vector<ServerFrame>& frames() const { return frames_; }

 private:
  void take(const std::string& bytes) {
    decoder_.feed(bytes);
    while (auto frame = decoder_.next())
      if (frame->opcode != sb::Opcode::ping) frames_.push_back(*frame);
  }

  tcp::Client client_;
  sb::testing::ServerFrameDecoder decoder_;
  std::vector<ServerFrame> frames_;
};

/// A connection whose only use is to know that the server has read what others have sent before: echo has one
/// thread, which takes what is ready in order.
class Barrier {
 public:
  explicit Barrier(std::uint16_t port) : peer_(port) { peer_.open(); }
  void pass() {
    peer_.send(sent::ping("!"));
    peer_.receive(peer_.frames().size() + 1);
  }

 private:
  Peer peer_;
};

/// What echo sends for a row, and whether the end of the connection is up to it.
struct Reply {
  std::vector<ServerFrame> frames;
  bool ends = false;
};

Reply expected_reply(const FrameCase& row) {
  Reply reply;
  for (const Event& event : row.expected) {
    const auto code = static_cast<sb::CloseCode>(event.code);
    switch (event.kind) {
      case Event::Kind::text:
        reply.frames.push_back({sb::Opcode::text, true, event.payload});
        break;
      case Event::Kind::binary:
        reply.frames.push_back({sb::Opcode::binary, true, event.payload});
        break;
      case Event::Kind::ping:
        reply.frames.push_back({sb::Opcode::pong, true, event.payload});
        break;
      case Event::Kind::pong:
        break;
      case Event::Kind::close:  // §5.5.1: the answer typically repeats the code
      case Event::Kind::fail:   // §7.1.7: a Close with the code first
        reply.frames.push_back({sb::Opcode::close, true, sb::close_payload(code, {})});
        reply.ends = true;
        break;
    }
  }
  return reply;
}

std::string described(const std::vector<ServerFrame>& frames) {
  std::string text;
  for (const ServerFrame& frame : frames)
    text += "\n    " + std::string(name_of(frame.opcode)) + " " + hexadecimal(frame.payload).substr(0, 80);
  return text.empty() ? " nothing" : text;
}

/// A Close frame's reason is the server's own; its code is not.
std::vector<ServerFrame> without_reason(std::vector<ServerFrame> frames) {
  if (!frames.empty() && frames.back().opcode == sb::Opcode::close && frames.back().payload.size() > 2)
    frames.back().payload.resize(2);
  return frames;
}

/// A connection on which a row's bytes are sent.
class Exchange {
 public:
  Exchange(std::uint16_t port, const FrameCase& row) : expected_(expected_reply(row)), peer_(port) {}

  void open() { peer_.open(); }
  void send(std::string_view bytes) {
    try {
      peer_.send(bytes);
    } catch (const std::system_error&) {
      if (!expected_.ends) throw;  // else it has closed already; what it sent is there to be read
    }
  }

  /// What is wrong with what comes back, to the end of the connection; empty if nothing. The end is the
  /// server's where the row ends the connection, and else its answer to ours.
  std::string fault() {
    try {
      if (!expected_.ends) {
        std::size_t bytes = 0;
        for (const ServerFrame& frame : expected_.frames)
          bytes += sb::FrameHeader(frame.opcode, frame.payload.size()).size() + frame.payload.size();
        peer_.receive(expected_.frames.size(), bytes);
        peer_.shut_down();
      }
      peer_.receive_to_end();
    } catch (const std::exception& error) {
      return std::string(error.what()).substr(0, 200) + ", after" + described(peer_.frames());
    }
    return without_reason(peer_.frames()) == expected_.frames ? "" : described(peer_.frames());
  }

 private:
  Reply expected_;
  Peer peer_;
};

std::vector<std::string_view> single_bytes(std::string_view bytes) {
  std::vector<std::string_view> pieces;
  pieces.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
  return pieces;
}

/// Each row that fails may wait for its time, so not too many of them.
class Faults {
 public:
  void check(const std::string& fault) {
    CHECK(fault == "");
    if (!fault.empty() && ++count_ == 10) FAIL("ten rows have failed: the rest is not tried");
  }

 private:
  int count_ = 0;
};

}  // namespace

TEST_CASE("echo answers every row of RFC 6455's frames, whole") {
  stress::ServerProcess echo = start_echo();
  Faults faults;
  for (const FrameCase& row : frame_cases()) {
    INFO("§" << row.section << " " << row.name << "\n  expected:" << described(expected_reply(row).frames));
    Exchange exchange(echo.port(), row);
    exchange.open();
    exchange.send(row.bytes);
    faults.check(exchange.fault());
  }
}

TEST_CASE("echo answers every row of RFC 6455's frames that comes byte by byte") {
  stress::ServerProcess echo = start_echo();
  Faults faults;
  Barrier barrier(echo.port());
  for (const FrameCase& row : frame_cases()) {
    if (row.bytes.size() > 100) continue;
    INFO("§" << row.section << " " << row.name << "\n  expected:" << described(expected_reply(row).frames));
    Exchange exchange(echo.port(), row);
    exchange.open();
    for (const std::string_view byte : single_bytes(row.bytes)) {
      exchange.send(byte);
      barrier.pass();
    }
    faults.check(exchange.fault());
  }
}

TEST_CASE("echo answers every row of RFC 6455's frames that comes in two reads, cut anywhere") {
  stress::ServerProcess echo = start_echo();
  Faults faults;
  Barrier barrier(echo.port());
  for (const FrameCase& row : frame_cases()) {
    if (row.bytes.size() > 40) continue;
    INFO("§" << row.section << " " << row.name << "\n  expected:" << described(expected_reply(row).frames));
    const std::string_view bytes = row.bytes;
    std::deque<Exchange> exchanges;  // one for each cut, side by side
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) exchanges.emplace_back(echo.port(), row);
    for (Exchange& exchange : exchanges) exchange.open();
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) exchanges[cut - 1].send(bytes.substr(0, cut));
    barrier.pass();
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) exchanges[cut - 1].send(bytes.substr(cut));
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const std::string wrong = exchanges[cut - 1].fault();
      if (wrong.empty()) continue;
      INFO("cut after " << cut);
      faults.check(wrong);
      break;
    }
  }
}

TEST_CASE("echo answers every handshake of RFC 6455, whole and byte by byte") {
  stress::ServerProcess echo = start_echo();
  Faults faults;
  Barrier barrier(echo.port());
  for (const HandshakeCase& row : handshake_cases()) {
    INFO("§" << row.section << " " << row.name);
    {
      tcp::Client client(echo.port());
      client.send(row.request);
      faults.check(fault_of(row, head_of_answer(client)));
      if (row.status == 101) {
        client.send(sent::text("hello") + sent::close(1000));
        CHECK(client.read_to_end().ends_with("\x81\x05hello\x88\x02\x03\xe8"));  // a ping may come first
      }
    }
    tcp::Client client(echo.port());
    for (const std::string_view byte : single_bytes(row.request)) {
      barrier.pass();
      try {
        client.send(byte);
      } catch (const std::system_error&) {
        break;  // refused before its end
      }
    }
    faults.check(fault_of(row, head_of_answer(client)));
  }
}
