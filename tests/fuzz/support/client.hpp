// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/testing/client_frames.hpp>
#include <switchboard/testing/test_host.hpp>

#include "support/input.hpp"
#include "support/room.hpp"

namespace fuzz {

/// How much a client believes of what it is sent.
enum class Trust {
  everything,  ///< bodies are JSON and numbers are contiguous
  frames,      ///< another node may have made the bodies up: frames are right, and numbers grow
};

/// A session as its client knows it, over all its connections.
struct SessionSeen {
  std::string name;
  std::string user;
  std::uint64_t last_seq = 0;  ///< the newest number that has come, by any of them
};

/// A client that holds the server to protocol.md, whatever it sends itself.
class Client {
 public:
  Client(std::string user, std::shared_ptr<SessionSeen> session, std::uint64_t asked_last_seq, Trust trust)
      : state_(std::make_shared<State>()) {
    state_->user = std::move(user);
    state_->session = std::move(session);
    if (state_->session) state_->seen_before = state_->session->last_seq;
    state_->asked_last_seq = asked_last_seq;
    state_->trust = trust;
    state_->socket = std::make_shared<sb::testing::TestSocket>();
    state_->socket->on_bytes = [weak = std::weak_ptr<State>(state_)](std::string_view bytes) {
      if (const auto state = weak.lock()) state->take(bytes);
    };
  }

  static std::string request(std::string_view target, std::string_view more_headers = {}) {
    return "GET " + std::string(target) +
           " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           std::string(more_headers) + "\r\n";
  }

  const std::shared_ptr<sb::testing::TestSocket>& socket() const { return state_->socket; }
  const std::string& user() const { return state_->user; }
  /// Null: a plain client, or one that has not been welcomed.
  const std::shared_ptr<SessionSeen>& session() const { return state_->session; }
  bool is_closed() const { return state_->socket->closed.has_value(); }

  /// Delivers in pieces where `pieces` is not 0.
  template <class App>
  void send(App& app, std::string_view bytes, std::uint8_t pieces) {
    const auto put = [&](std::string_view piece) { state_->socket->to_server += piece; };
    if (pieces == 0 || bytes.size() > 1000) return put(bytes);
    in_pieces(bytes, pieces, [&](std::string_view piece) {
      put(piece);
      app.run();
    });
  }
  void cut() { state_->socket->client_has_closed = true; }
  void set_answers_pings(bool answers) { state_->answers_pings = answers; }
  /// Bodies of text and binary messages that have come, joined; for those who look for something.
  const std::string& seen() const { return state_->seen; }

 private:
  struct State {
    void take(std::string_view bytes) {
      if (is_refused) return;
      if (!is_open) {
        head += bytes;
        const std::size_t end = head.find("\r\n\r\n");
        if (end == head.npos) return;
        require(head.starts_with("HTTP/1.1 "), "what comes first is HTTP", head);
        is_refused = !head.starts_with("HTTP/1.1 101 ");
        if (is_refused) return;
        is_open = true;
        decoder.feed(std::string_view(head).substr(end + 4));
      } else {
        decoder.feed(bytes);
      }
      // Throws where the server breaks the protocol, which ends the run.
      while (const auto frame = decoder.next()) on_frame(*frame);
    }

    void on_frame(const sb::testing::ServerFrame& frame) {
      require(!has_close_come, "nothing follows a Close frame");
      require(frame.fin, "messages are sent in one frame");
      switch (frame.opcode) {
        case sb::Opcode::text:
          return on_text(frame.payload);
        case sb::Opcode::binary:
          return on_binary(frame.payload);
        case sb::Opcode::close:
          return on_close(frame.payload);
        case sb::Opcode::ping:
          if (answers_pings)
            socket->to_server += sb::testing::encode({.opcode = sb::Opcode::pong, .payload = frame.payload});
          return;
        default:
          return;
      }
    }

    void on_text(const std::string& text) {
      note(text);
      require(sb::is_utf8(text) || trust == Trust::frames, "text is UTF-8", text);
      const Json json = Json::parse(text, nullptr, false);
      if (!json.is_object()) return require(trust == Trust::frames, "text is a JSON object", text);
      if (session && !is_welcome) return on_welcome(json);
      if (text == R"({"type":"ping"})" && answers_pings)
        socket->to_server +=
            sb::testing::encode({.opcode = sb::Opcode::text, .payload = R"({"type":"pong"})"});
      if (!text.starts_with(R"({"seq":)"))
        return require(trust == Trust::frames || !json.contains("seq"), "a seq is the first member", text);
      require(session != nullptr || trust == Trust::frames, "a plain client gets no seq", text);
      if (session) on_number(number_of(json, "seq"), is_slow_gap(json) ? number_of(json, "missed") : 1, text);
    }
    static bool is_slow_gap(const Json& json) {
      return json.contains("type") && json["type"] == "gap" && json.contains("reason") &&
             json["reason"] == "slow";
    }
    std::uint64_t number_of(const Json& json, const char* name) const {
      const auto found = json.find(name);
      const bool is_number = found != json.end() && found->is_number_unsigned();
      require(is_number || trust == Trust::frames, "numbers are numbers", json.dump());
      return is_number ? found->get<std::uint64_t>() : 0;
    }

    void on_welcome(const Json& welcome) {
      is_welcome = true;
      const std::string seen_text = welcome.dump();
      require(welcome.at("type") == "welcome", "a stateful client is welcomed first", seen_text);
      const std::uint64_t newest = number_of(welcome, "seq");
      const std::string name = welcome.at("session");
      const bool recovered = welcome.at("recovered");
      const std::uint64_t replayed = number_of(welcome, "replayed");
      if (name != session->name) {  // a new one
        require(newest == 0 && !recovered && replayed == 0, "a new session begins with nothing", seen_text);
        session = std::make_shared<SessionSeen>(SessionSeen{name, user});
        last_seq = 0;
        return;
      }
      require(session->user == user, "a session is shown to its own user alone", seen_text);
      const std::uint64_t missed = number_of(welcome, "missed");
      require(recovered == (missed == 0), "recovered is: nothing missed", seen_text);
      require(asked_last_seq + missed + replayed <= newest, "the sums of a welcome hold", seen_text);
      // Not than what has come since it asked: a slow socket's welcome may come after what another got.
      require(trust == Trust::frames || newest >= seen_before, "numbers do not go back", seen_text);
      last_seq = asked_last_seq + missed;
    }

    void on_binary(const std::string& bytes) {
      note(bytes);
      require(bytes.size() >= (session ? 12u : 4u), "a binary message has a type, and a seq where it must");
      require(!session || is_welcome, "a stateful client is welcomed first");
      std::uint64_t number = 0;
      for (std::size_t i = 4; session && i < 12; ++i)
        number = number << 8 | static_cast<unsigned char>(bytes[i]);
      if (session) on_number(number, 1, bytes);
    }
    void on_number(std::uint64_t number, std::uint64_t step, std::string_view message) {
      const bool is_next = trust == Trust::frames ? number > last_seq : number == last_seq + step;
      require(is_next, "numbers are contiguous, or what is missing is told", message);
      last_seq = number;
      session->last_seq = std::max(session->last_seq, number);
    }

    void on_close(const std::string& payload) {
      has_close_come = true;
      require(payload.size() != 1, "a Close frame has a whole code or none");
      if (payload.size() < 2) return;
      const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                                   static_cast<unsigned char>(payload[1]));
      require(sb::is_sendable(static_cast<sb::CloseCode>(code)), "a close code may be sent",
              std::to_string(code));
      require(sb::is_utf8(std::string_view(payload).substr(2)), "a close reason is UTF-8", payload);
    }
    void note(std::string_view message) {
      if (seen.size() < 4096) (seen += message) += '\n';
    }

    std::string user;
    std::shared_ptr<SessionSeen> session;
    std::uint64_t asked_last_seq = 0, seen_before = 0, last_seq = 0;
    Trust trust = Trust::everything;
    std::shared_ptr<sb::testing::TestSocket> socket;
    sb::testing::ServerFrameDecoder decoder;
    std::string head, seen;
    bool is_open = false, is_refused = false, is_welcome = false, has_close_come = false;
    bool answers_pings = true;
  };

  std::shared_ptr<State> state_;
};

}  // namespace fuzz
