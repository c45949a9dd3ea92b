// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <switchboard/hub/json_text.hpp>
#include <switchboard/protocol/http_text.hpp>
#include <switchboard/testing/client_frames.hpp>
#include <switchboard/testing/test_app.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// The server has not let the client in.
struct Refused : std::runtime_error {
  /// `text` is the response's body.
  Refused(unsigned http_status, std::string text, std::string head_text)
      : std::runtime_error("refused with " + std::to_string(http_status) + ": " + text),
        status(http_status),
        body(std::move(text)),
        head(std::move(head_text)) {}
  unsigned status;   ///< of HTTP
  std::string body;  ///< JSON, `{"error":…,"message":…}`, where the server refused by itself
  std::string head;  ///< the response's status line and headers
};

/// A binary message as a client gets it.
struct BinaryMessage {
  std::uint32_t type = 0;            ///< its first 4 bytes
  std::optional<std::uint64_t> seq;  ///< for a stateful client
  std::string payload;               ///< what stands behind type and seq
};

/// How the server has ended a connection.
struct ReceivedClose {
  CloseCode code = CloseCode::abnormal;  ///< `abnormal`: the server closed without a Close frame
  std::string reason;                    ///< UTF-8, at most 123 bytes
};

/// What a client says when it connects, and how it behaves.
struct ConnectOptions {
  std::string session{};  ///< the one to resume; empty: a new one
  /// Nothing: a plain client. In raw mode there are no others.
  std::optional<std::uint64_t> last_seq = 0;
  unsigned shard = 0;                                          ///< the one that accepts the connection
  std::vector<std::pair<std::string, std::string>> headers{};  ///< further ones
  std::string query{};                                         ///< further parameters, `a=1&b=2`
  /// Pings, JSON's too, are answered and not shown; false: they are received like messages.
  bool answer_pings = true;
  net::Address peer = net::Address::v4(127, 0, 0, 1);  ///< what the server sees as the client's address
};

/// A client's end of a connection to a TestApp. What it sends is handled with the next receive, or
/// `app.run()`.
template <class App>
class TestConnection {
 public:
  /// What is sent and received.
  using Json = nlohmann::json;
  /// A line of the test, for what a receive throws.
  using Where = std::source_location;

  /// What WebSocketTestClient::connect makes of its socket.
  TestConnection(TestApp<App>& app, std::shared_ptr<TestSocket> socket, bool is_stateful, bool answer_pings)
      : app_(&app), state_(std::make_shared<State>(std::move(socket), is_stateful, answer_pings)) {
    state_->socket->on_bytes = [weak = std::weak_ptr<State>(state_)](std::string_view bytes) {
      if (const auto state = weak.lock()) state->take(bytes);
    };
  }
  TestConnection(TestConnection&&) = default;
  /// The socket that was here is closed.
  TestConnection& operator=(TestConnection&& other) noexcept {
    TestConnection taken(std::move(other));
    std::swap(app_, taken.app_);
    std::swap(state_, taken.state_);
    return *this;
  }
  ~TestConnection() {
    if (state_) state_->socket->client_has_closed = true;
  }

  // Sending.
  /// Sends it as a text frame.
  void send_json(const Json& message) { send_text(message.dump()); }
  /// Sends a text frame; it need not be UTF-8 or JSON.
  void send_text(std::string_view text) { send_frame({.opcode = Opcode::text, .payload = text}); }
  /// `type` in 4 bytes, big-endian, then the payload, in one frame.
  void send_binary(std::uint32_t type, std::string_view payload) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(type >> shift & 0xff);
    send_raw(bytes.append(payload));
  }
  /// Sends a binary frame as it stands.
  void send_raw(std::string_view bytes) { send_frame({.opcode = Opcode::binary, .payload = bytes}); }
  /// Sends a frame with whatever is wrong with it.
  void send_frame(const ClientFrame& frame) { send_bytes(encode(frame)); }
  /// Sends any bytes, a part of a frame included.
  void send_bytes(std::string_view bytes) { state_->socket->to_server += bytes; }

  // Receiving: each runs what is ready, and waits for handlers that are suspended outside virtual time, at
  // most 5 s in all. It throws std::runtime_error if nothing of its kind is next: what came instead, how many
  // handlers are pending, and `where` the call stands, for tests whose framework would not say.
  /// The next frame, if that is text. Throws nlohmann's parse_error where it is no JSON.
  Json receive_json(Where where = Where::current()) { return Json::parse(receive_text(where)); }
  /// The next frame's text, if that is a text frame.
  std::string receive_text(Where where = Where::current()) {
    return receive(Opcode::text, "a text message", where);
  }
  /// A whole binary frame, as in raw mode.
  std::string receive_raw(Where where = Where::current()) {
    return receive(Opcode::binary, "a binary message", where);
  }
  /// The next frame taken apart; with its `seq` where the client is stateful.
  BinaryMessage receive_binary(Where where = Where::current()) {
    const std::string bytes = receive_raw(where);
    const std::size_t head = state_->is_stateful ? 12 : 4;
    if (bytes.size() < head) fail("the binary message is too short", where);
    BinaryMessage message{static_cast<std::uint32_t>(number(bytes, 0, 4)), {}, bytes.substr(head)};
    if (state_->is_stateful) message.seq = number(bytes, 4, 8);
    return message;
  }
  /// The next frame's payload, if that is a Ping. Only with `answer_pings = false`.
  std::string receive_ping(Where where = Where::current()) { return receive(Opcode::ping, "a ping", where); }
  /// The next frame's payload, if that is a Pong.
  std::string receive_pong(Where where = Where::current()) { return receive(Opcode::pong, "a pong", where); }
  /// The Close frame, or the end of the connection.
  ReceivedClose receive_close(Where where = Where::current()) {
    const std::optional<ServerFrame> frame = next();
    if (!frame) {
      if (is_closed()) return {};
      fail("expected the connection to close, but nothing more came" + pending(), where);
    }
    if (frame->opcode != Opcode::close) {
      state_->frames.push_front(*frame);
      fail("expected the connection to close, but got " + frame->payload, where);
    }
    if (frame->payload.size() < 2) return {CloseCode::no_status, {}};
    return {static_cast<CloseCode>(number(frame->payload, 0, 2)), frame->payload.substr(2)};
  }
  /// The next text message, if there is one.
  std::optional<Json> try_receive_json() {
    const std::optional<ServerFrame> frame = peek();
    if (!frame || frame->opcode != Opcode::text) return std::nullopt;
    return receive_json();
  }
  /// Nothing more has come.
  bool is_idle() { return !peek(); }

  // Ending.
  /// The network is gone: no Close frame.
  void cut() {
    state_->socket->client_has_closed = true;
    app_->run();
  }
  /// The network is gone, which the server finds out by its next write.
  void cut_unnoticed() { state_->socket->is_broken = true; }
  /// Sends a Close frame, runs, and closes the socket.
  void close(CloseCode code = CloseCode::normal, std::string_view reason = {}) {
    send_bytes(encode_close(code, reason));
    app_->run();
    cut();
  }
  /// Takes nothing any more of what the server writes: a slow client.
  void stop_reading() { state_->socket->is_reading = false; }
  /// The same once the client has taken so many bytes more.
  void stop_reading_after(std::size_t bytes) { state_->socket->window = bytes; }
  /// Ends stop_reading and stop_reading_after, and runs.
  void resume_reading() {
    state_->socket->is_reading = true;
    state_->socket->window = ~std::size_t{0};
    app_->run();
  }

  /// The server has closed the socket.
  bool is_closed() const { return state_->socket->closed.has_value(); }
  /// False: the server has stopped reading this connection.
  bool is_being_read() const { return state_->socket->wants_input; }
  /// The server has reset the socket instead of closing it.
  bool was_reset() const { return state_->socket->closed == SocketClose::abort; }
  /// It was given a `last_seq`.
  bool is_stateful() const { return state_->is_stateful; }
  /// Of a stateful client: the welcome, taken at connect.
  const Json& welcome() const { return state_->welcome; }
  /// Of the welcome; empty for a plain client. For ConnectOptions::session.
  std::string session() const {
    return state_->welcome.is_object() ? state_->welcome.value("session", "") : "";
  }
  /// The newest number received, text or binary.
  std::uint64_t last_seq() const { return state_->last_seq; }
  /// What `last_seq` says from now on: a client that has lost what it had.
  void set_last_seq(std::uint64_t number) { state_->last_seq = number; }
  /// The status line and headers of the server's answer; a chosen subprotocol is among them.
  const std::string& response_head() const { return state_->response_head; }

 private:
  template <class>
  friend class WebSocketTestClient;

  struct State {
    State(std::shared_ptr<TestSocket> its_socket, bool stateful, bool answers)
        : socket(std::move(its_socket)), is_stateful(stateful), answer_pings(answers) {}

    void take(std::string_view bytes) {
      if (!response_is_whole) {
        response_head += bytes;
        const std::size_t end = response_head.find("\r\n\r\n");
        if (end == std::string::npos) return;
        const std::string rest = response_head.substr(end + 4);
        response_head.resize(end + 4);
        response_is_whole = true;
        response_body = rest;
        if (!response_head.starts_with("HTTP/1.1 101")) return;
        bytes = rest;
        return take_frames(bytes);
      }
      if (!response_head.starts_with("HTTP/1.1 101"))
        response_body += bytes;
      else
        take_frames(bytes);
    }
    void take_frames(std::string_view bytes) {
      decoder.feed(bytes);
      while (std::optional<ServerFrame> frame = decoder.next()) {
        if (answer_pings && answer(*frame)) continue;
        if (frame->opcode == Opcode::close && !has_sent_close) {
          has_sent_close = true;
          socket->to_server +=
              encode({.opcode = Opcode::close, .payload = std::string_view(frame->payload).substr(0, 2)});
        }
        frames.push_back(std::move(*frame));
      }
    }
    bool answer(const ServerFrame& frame) {
      if (frame.opcode == Opcode::ping) {
        socket->to_server += encode({.opcode = Opcode::pong, .payload = frame.payload});
        return true;
      }
      if (frame.opcode != Opcode::text || frame.payload != R"({"type":"ping"})") return false;
      socket->to_server += encode({.opcode = Opcode::text, .payload = R"({"type":"pong"})"});
      return true;
    }

    std::shared_ptr<TestSocket> socket;
    bool is_stateful;
    bool answer_pings;
    bool has_sent_close = false;
    bool response_is_whole = false;
    std::string response_head, response_body;
    ServerFrameDecoder decoder;
    std::deque<ServerFrame> frames;
    Json welcome;
    std::uint64_t last_seq = 0;
  };

  static std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }

  std::optional<ServerFrame> peek() {
    app_->run_until([this] { return !state_->frames.empty() || is_closed(); });
    if (state_->frames.empty()) return std::nullopt;
    return state_->frames.front();
  }
  std::optional<ServerFrame> next() {
    std::optional<ServerFrame> frame = peek();
    if (frame) state_->frames.pop_front();
    return frame;
  }
  std::string pending() const {
    const std::size_t all = app_->running_handlers();
    if (all == 0) return {};
    return "; handlers pending: " + std::to_string(all) + ", of which " +
           std::to_string(app_->sleeping_handlers()) + " in sleep_for";
  }
  [[noreturn]] static void fail(const std::string& what, Where where) {
    throw std::runtime_error(std::string(where.file_name()) + ":" + std::to_string(where.line()) + ": " +
                             what);
  }
  std::string receive(Opcode opcode, std::string_view what, Where where) {
    std::optional<ServerFrame> frame = next();
    if (!frame)
      fail("expected " + std::string(what) +
               (is_closed() ? ", but the connection is closed" : ", but nothing came" + pending()),
           where);
    if (frame->opcode != opcode) {
      const std::string got = frame->opcode == Opcode::close && frame->payload.size() >= 2
                                  ? "a close with " + std::to_string(number(frame->payload, 0, 2)) + " " +
                                        frame->payload.substr(2)
                                  : "opcode " + std::to_string(static_cast<int>(frame->opcode)) + ": " +
                                        frame->payload.substr(0, 200);
      state_->frames.push_front(std::move(*frame));
      fail("expected " + std::string(what) + ", but got " + got, where);
    }
    note_sequence(*frame);
    return std::move(frame->payload);
  }
  void note_sequence(const ServerFrame& frame) {
    if (!state_->is_stateful) return;
    if (frame.opcode == Opcode::binary && frame.payload.size() >= 12)
      state_->last_seq = number(frame.payload, 4, 8);
    if (frame.opcode == Opcode::text && frame.payload.starts_with(R"({"seq":)"))
      state_->last_seq = std::strtoull(frame.payload.c_str() + 7, nullptr, 10);
  }

  TestApp<App>* app_;
  std::shared_ptr<State> state_;
};

/// Connects to a TestApp as one user.
///
///     WebSocketTestClient client{app, token, "https://app.example.com"};
///     auto ws = client.connect();                 // a new session; throws Refused
///     ws.send_json({{"action", "subscribe"}, {"channel", "updates"}});
///     REQUIRE(ws.receive_json()["status"] == "subscribed");
///     ws.cut();
///     auto back = client.connect({.session = ws.session(), .last_seq = ws.last_seq()});
///
/// Without `.last_seq = std::nullopt` the client is stateful; its welcome is not among what it receives but
/// in `ws.welcome()`.
template <class App>
class WebSocketTestClient {
 public:
  /// `token` as in `?token=`, not encoded; empty: none. `origin` empty: no browser.
  explicit WebSocketTestClient(TestApp<App>& app, std::string token = {}, std::string origin = {})
      : app_(&app), token_(std::move(token)), origin_(std::move(origin)) {}

  /// Runs the handshake, authenticate included, to its end. Throws Refused. With a broker that links nodes it
  /// lets up to 2 s pass, if a session that it resumes is to come from another.
  TestConnection<App> connect(const ConnectOptions& options = {}) {
    const bool is_stateful = options.last_seq.has_value() && !AppTraits<App>::is_raw;
    auto socket = std::make_shared<TestSocket>();
    socket->peer = options.peer;
    socket->to_server = request(options, is_stateful);
    TestConnection<App> connection(*app_, socket, is_stateful, options.answer_pings);
    app_->host(options.shard).accept(socket);
    auto& state = *connection.state_;
    app_->run_until([&] { return state.response_is_whole || connection.is_closed(); });
    if constexpr (HasNode<BrokerOf<App>>)  // a session's way from another node takes its time
      for (int i = 0; i < 200 && !state.response_is_whole; ++i) app_->advance(std::chrono::milliseconds(10));
    if (!state.response_is_whole) throw std::runtime_error("the handshake was not answered");
    const unsigned status = static_cast<unsigned>(std::strtoul(state.response_head.c_str() + 9, nullptr, 10));
    if (status != 101) throw Refused(status, state.response_body, state.response_head);
    if (is_stateful) {
      state.welcome = connection.receive_json();
      const bool is_new = options.session.empty() || state.welcome["session"] != options.session;
      state.last_seq = is_new ? state.welcome["seq"].template get<std::uint64_t>() : *options.last_seq;
    }
    return connection;
  }

 private:
  std::string request(const ConnectOptions& options, bool is_stateful) const {
    std::string query;
    const auto add = [&](std::string_view name, const std::string& value) {
      query += (query.empty() ? "?" : "&") + std::string(name) + "=" + value;
    };
    if (!token_.empty()) add("token", percent_encoded(token_));
    if (is_stateful) add("last_seq", std::to_string(*options.last_seq));
    if (!options.session.empty()) add("session", percent_encoded(options.session));
    if (!options.query.empty()) query += (query.empty() ? "?" : "&") + options.query;
    std::string text = "GET " + app_->path() + query +
                       " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    if (!origin_.empty()) text += "Origin: " + origin_ + "\r\n";
    for (const auto& [name, value] : options.headers)
      text.append(name).append(": ").append(value).append("\r\n");
    return text + "\r\n";
  }

  static std::string percent_encoded(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~')
        out += c;
      else
        (out += '%') += {digits[byte >> 4], digits[byte & 15]};
    }
    return out;
  }

  TestApp<App>* app_;
  std::string token_, origin_;
};

}  // namespace testing
}  // namespace switchboard::inline v1
