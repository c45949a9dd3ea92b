// SPDX-License-Identifier: MIT
// Boost.Beast's websocket::stream against echo and chat: the scenarios of scenarios.txt.
#include <algorithm>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <nlohmann/json.hpp>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using nlohmann::json;

constexpr std::size_t mib = 1U << 20U;
unsigned short echo_port = 0, chat_port = 0;

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

template <class Actual, class Expected>
void equal(const Actual& actual, const Expected& expected) {
  if (actual == expected) return;
  throw std::runtime_error("expected " + json(expected).dump().substr(0, 300) + ", got " +
                           json(actual).dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 300));
}

struct Refused : std::runtime_error {
  explicit Refused(unsigned code)
      : std::runtime_error("refused with " + std::to_string(code)), status(code) {}
  unsigned status;
};

/// One connection, with what a test asks of it. Synchronous; a server that keeps silent meets the alarm in
/// main.
class Peer {
 public:
  Peer(unsigned short port, const std::string& target) {
    stream_.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
    stream_.next_layer().set_option(tcp::no_delay(true));
    stream_.read_message_max(0);
    stream_.auto_fragment(false);
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (kind == websocket::frame_type::pong) pongs.emplace_back(payload);
    });
    websocket::response_type response;
    beast::error_code error;
    stream_.handshake(response, "127.0.0.1:" + std::to_string(port), target, error);
    if (error == websocket::error::upgrade_declined) throw Refused(response.result_int());
    if (error) throw beast::system_error(error);
  }

  void send_text(std::string_view text) { send(text, true); }
  void send_binary(std::string_view bytes) { send(bytes, false); }
  void send_json(const json& message) { send_text(message.dump()); }
  void send_fragment(std::string_view part, bool is_last) {
    stream_.write_some(is_last, asio::buffer(part.data(), part.size()));
  }
  void begin(bool is_text) { stream_.text(is_text); }
  void ping(std::string_view payload) { stream_.ping(websocket::ping_data(payload.data(), payload.size())); }
  void write_raw(std::string_view bytes) {
    asio::write(stream_.next_layer(), asio::buffer(bytes.data(), bytes.size()));
  }

  std::string receive(bool as_text = true) {
    beast::flat_buffer buffer;
    stream_.read(buffer);
    expect(stream_.got_text() == as_text, as_text ? "binary came for text" : "text came for binary");
    return beast::buffers_to_string(buffer.data());
  }
  json receive_json() { return json::parse(receive()); }
  void receives(const json& expected) { equal(receive_json(), expected); }
  void receives_binary(const std::string& expected) {
    expect(receive(false) == expected, "other bytes came");
  }
  void receives_error(const std::string& code, const json& fields = json::object()) {
    json error = receive_json(), expected{{"type", "error"}, {"code", code}};
    expected.update(fields);
    expect(error.is_object() && error.contains("message"), "expected " + code + ", got " + error.dump());
    error.erase("message");
    equal(error, expected);
  }

  void echoes(const std::string& message, bool as_text) {
    send(message, as_text);
    expect(receive(as_text) == message,
           std::to_string(message.size()) + " bytes did not come back as they were");
  }
  void subscribe(const std::string& channel) {
    send_json({{"action", "subscribe"}, {"channel", channel}});
    receives({{"status", "subscribed"}, {"channel", channel}});
  }
  /// A ping's pong comes behind everything the server has sent before.
  void is_silent() {
    send_json({{"type", "ping"}});
    receives({{"type", "pong"}});
  }

  /// Reads until the server's Close; its code.
  unsigned close_code() {
    beast::error_code error;
    while (!error) {
      beast::flat_buffer buffer;
      stream_.read(buffer, error);
    }
    expect(error == websocket::error::closed,
           "the connection ended without a Close frame: " + error.message());
    return stream_.reason().code;
  }
  unsigned close(unsigned short code, const std::string& reason = "") {
    stream_.close({websocket::close_code(code), reason});
    return stream_.reason().code;
  }
  void cut() { stream_.next_layer().close(); }

  std::vector<std::string> pongs;

 private:
  void send(std::string_view message, bool as_text) {
    stream_.text(as_text);
    stream_.write(asio::buffer(message.data(), message.size()));
  }

  asio::io_context context_;
  websocket::stream<tcp::socket> stream_{context_};
};

Peer echo() {
  return {echo_port, "/ws"};
}

std::string every_byte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string repeated(const std::string& part, std::size_t size) {
  std::string whole;
  whole.reserve(size);
  while (whole.size() < size) whole += part;
  return whole;
}

void echo_text() {
  Peer peer = echo();
  for (const std::string text : {"hello", "", "grüße, 漢字, 🎈"}) peer.echoes(text, true);
}

void echo_binary() {
  Peer peer = echo();
  for (const std::string& data : {every_byte(), std::string()}) peer.echoes(data, false);
}

void echo_lengths() {
  Peer peer = echo();
  for (const std::size_t size : {125U, 126U, 127U, 65535U, 65536U}) {
    peer.echoes(std::string(size, 'x'), false);
    peer.echoes(std::string(size, 'x'), true);
  }
}

void echo_16_mib() {
  Peer peer = echo();
  peer.echoes(repeated(every_byte(), 16 * mib), false);
}

void echo_fragments() {
  Peer peer = echo();
  const std::string balloon = "🎈";
  peer.begin(true);
  peer.send_fragment("a " + balloon.substr(0, 2), false);
  peer.ping("between");
  peer.send_fragment(balloon.substr(2), false);
  peer.send_fragment(" flies", true);
  equal(peer.receive(), "a 🎈 flies");
  equal(peer.pongs, std::vector<std::string>{"between"});
}

void echo_many_fragments() {
  Peer peer = echo();
  const std::string whole = repeated(every_byte(), mib);
  peer.begin(false);
  for (std::size_t at = 0; at < whole.size(); at += 1000)
    peer.send_fragment(std::string_view(whole).substr(at, 1000), at + 1000 >= whole.size());
  peer.receives_binary(whole);
}

void echo_order() {
  Peer peer = echo();
  for (int i = 0; i < 500; ++i) peer.send_text(std::to_string(i));
  for (int i = 0; i < 500; ++i) equal(peer.receive(), std::to_string(i));
}

void echo_ping() {
  Peer peer = echo();
  const std::string payload = every_byte().substr(0, 125);
  peer.ping(payload);
  peer.echoes("behind it", true);
  expect(peer.pongs == std::vector<std::string>{payload}, "no pong with these bytes");
}

void echo_close_normal() {
  equal(echo().close(1000, "bye"), 1000U);
}

void echo_close_application() {
  equal(echo().close(4321, "for a reason"), 4321U);
}

void echo_bad_utf8() {
  Peer peer = echo();
  peer.send_text("bad \xff");
  equal(peer.close_code(), 1007U);
}

void echo_breach() {
  Peer peer = echo();
  peer.write_raw(std::string_view("\x83\x80\0\0\0\0", 6));
  equal(peer.close_code(), 1002U);
}

void echo_too_large() {
  Peer peer = echo();
  peer.send_binary(std::string(16 * mib + 1, 'x'));
  equal(peer.close_code(), 1009U);
}

std::string chat_target(const std::string& user, const std::string& query = "",
                        const std::string& path = "/ws") {
  const std::string token = user.empty() ? "" : "token=beast-" + user;
  return path + "?" + token + (!token.empty() && !query.empty() ? "&" : "") + query;
}

Peer chat(const std::string& user) {
  return {chat_port, chat_target(user)};
}

struct Stateful : Peer {
  explicit Stateful(const std::string& user, unsigned last_seq = 0, const std::string& session = "")
      : Peer(chat_port, chat_target(user, "last_seq=" + std::to_string(last_seq) +
                                              (session.empty() ? "" : "&session=" + session))) {
    welcome = receive_json();
    equal(welcome.at("type"), "welcome");
  }
  std::string session() const { return welcome.at("session").get<std::string>(); }
  void welcome_is(json expected) const {
    for (const char* member : {"type", "session", "heartbeat"}) expected[member] = welcome.at(member);
    equal(welcome, expected);
  }
  json welcome;
};

unsigned status_of(const std::string& target) {
  try {
    Peer peer(chat_port, target);
  } catch (const Refused& refused) {
    return refused.status;
  }
  return 101;
}

json message(const std::string& channel, const json& data) {
  return {{"type", "message"}, {"channel", channel}, {"data", data}};
}
json numbered(unsigned sequence, json object) {
  object["seq"] = sequence;
  return object;
}
json publish(const std::string& channel, const json& data) {
  return {{"action", "publish"}, {"channel", channel}, {"data", data}};
}
json with_id(json object, const json& id) {
  object["id"] = id;
  return object;
}
json published(const std::string& channel, const json& id) {
  return {{"status", "published"}, {"channel", channel}, {"id", id}};
}

void chat_refusals() {
  equal(status_of(chat_target("")), 401U);
  equal(status_of(chat_target("ann", "", "/elsewhere")), 404U);
  equal(status_of(chat_target("ann", "last_seq=one")), 400U);
}

void chat_publish() {
  Peer ann = chat("ann");
  ann.subscribe("publish");
  ann.send_json(publish("publish", {{"text", "hi"}}));
  ann.receives(message("publish", {{"text", "hi"}}));
  const json data = json::array({1, nullptr});
  ann.send_json(with_id(publish("publish", data), 7));
  json first = ann.receive_json(), second = ann.receive_json();
  if (first.contains("id")) std::swap(first, second);
  equal(first, message("publish", data));
  equal(second, published("publish", 7));
}

void chat_fan_out() {
  Peer ann = chat("ann"), bob = chat("bob");
  bob.subscribe("fan-out");
  for (int i = 0; i < 100; ++i) ann.send_json(publish("fan-out", i));
  for (int i = 0; i < 100; ++i) bob.receives(message("fan-out", i));
  bob.send_json({{"action", "unsubscribe"}, {"channel", "fan-out"}, {"id", "u"}});
  bob.receives({{"status", "unsubscribed"}, {"channel", "fan-out"}, {"id", "u"}});
  ann.send_json(with_id(publish("fan-out", "late"), 1));
  ann.receives(published("fan-out", 1));
  bob.is_silent();
}

void chat_digits() {
  Peer ann = chat("ann");
  ann.subscribe("digits");
  ann.send_text(R"({"action":"publish","channel":"digits","data":[12345678901234567890123, 1.10]})");
  equal(ann.receive(), R"({"type":"message","channel":"digits","data":[12345678901234567890123, 1.10]})");
}

void chat_errors() {
  Peer ann = chat("ann");
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"{", "json.invalid"},
      {std::string(70, '[') + std::string(70, ']'), "json.too_deep"},
      {"[]", "message.not_object"},
      {R"({"action":"dance"})", "action.unknown"},
      {"{}", "action.unknown"},
      {R"({"action":5})", "field.invalid"},
      {R"({"action":"subscribe"})", "field.missing"},
      {R"({"action":"subscribe","channel":null})", "field.invalid"},
      {R"({"action":"publish","channel":"c"})", "field.missing"},
      {R"({"action":"subscribe","channel":""})", "channel.invalid"},
      {R"({"action":"subscribe","channel":"a\nb"})", "channel.invalid"},
      {R"({"action":"subscribe","channel":"$user:bob"})", "channel.reserved"},
      {R"({"action":"publish","channel":"$x","data":1})", "channel.reserved"},
      {R"({"action":"subscribe","channel":")" + std::string(201, 'x') + R"("})", "channel.too_long"},
      {R"({"action":"presence","channel":"not-mine"})", "presence.denied"}};
  for (const auto& [text, code] : mistakes) {
    ann.send_text(text);
    ann.receives_error(code);
  }
  ann.send_json({{"action", "dance"}, {"id", "request 1"}});
  ann.receives_error("action.unknown", {{"id", "request 1"}});
  ann.send_json({{"action", "subscribe"}, {"channel", "c"}, {"id", json::array({1})}});
  ann.receives_error("field.invalid");
  ann.is_silent();
}

void chat_direct() {
  Peer ann = chat("ann"), bob = chat("bob"), bob_too = chat("bob");
  const json data{{"text", "psst"}};
  ann.send_json({{"action", "send"}, {"to", "beast-bob"}, {"data", data}, {"id", 1}});
  ann.receives({{"status", "sent"}, {"id", 1}});
  for (Peer* each : {&bob, &bob_too})
    each->receives({{"type", "direct"}, {"from", "beast-ann"}, {"data", data}});
  ann.send_json({{"action", "send"}, {"to", "nobody"}, {"data", 1}, {"id", "absent"}});
  ann.receives({{"status", "sent"}, {"id", "absent"}});
  ann.send_json({{"action", "send"}, {"to", "nobody"}, {"data", 1}});
  ann.send_json({{"action", "send"}, {"data", 1}, {"id", 2}});
  ann.receives_error("field.missing", {{"id", 2}});
  ann.send_json({{"action", "send"}, {"to", "beast-bob"}});
  ann.receives_error("field.missing");
  ann.send_json({{"action", "send"}, {"to", 5}, {"data", 1}});
  ann.receives_error("field.invalid");
}

void chat_presence() {
  Peer ann = chat("ann");
  ann.send_json({{"action", "subscribe"}, {"channel", "room"}, {"presence", true}});
  ann.receives({{"status", "subscribed"}, {"channel", "room"}});
  Peer bob = chat("bob");
  bob.subscribe("room");
  ann.receives({{"type", "join"}, {"channel", "room"}, {"user", "beast-bob"}});
  ann.send_json({{"action", "presence"}, {"channel", "room"}});
  const json answer = ann.receive_json();
  equal(answer.at("status"), "presence");
  equal(answer.at("count"), 2);
  std::vector<std::string> users;
  for (const json& user : answer.at("users")) users.push_back(user.at("user"));
  std::sort(users.begin(), users.end());
  equal(users, std::vector<std::string>{"beast-ann", "beast-bob"});
  bob.close(1000);
  ann.receives({{"type", "leave"}, {"channel", "room"}, {"user", "beast-bob"}});
}

void chat_json_ping() {
  Peer ann = chat("ann");
  ann.send_json({{"type", "ping"}});
  ann.receives({{"type", "pong"}});
}

void chat_resume() {
  Peer bob = chat("bob");
  Stateful ann("ann");
  ann.welcome_is({{"seq", 0}, {"recovered", false}, {"replayed", 0}, {"missed", 0}});
  ann.subscribe("resume");
  bob.send_json(publish("resume", "first"));
  ann.receives(numbered(1, message("resume", "first")));
  ann.cut();
  for (int i = 0; i < 3; ++i) {
    bob.send_json(with_id(publish("resume", i), i));
    bob.receives(published("resume", i));
  }
  Stateful back("ann", 1, ann.session());
  back.welcome_is({{"seq", 4}, {"recovered", true}, {"replayed", 3}, {"missed", 0}});
  equal(back.session(), ann.session());
  for (unsigned i = 0; i < 3; ++i) back.receives(numbered(2 + i, message("resume", i)));
  bob.send_json(publish("resume", "live"));
  back.receives(numbered(5, message("resume", "live")));
}

void chat_unknown_session() {
  Stateful ann("ann", 5, "no-such-session");
  ann.welcome_is({{"seq", 0}, {"recovered", false}, {"replayed", 0}, {"missed", nullptr}});
}

void chat_taken_over() {
  Stateful first("ann");
  Stateful second("ann", 0, first.session());
  equal(first.close_code(), 4001U);
  equal(second.session(), first.session());
  equal(second.welcome.at("recovered"), true);
  second.is_silent();
}

std::string big_endian(std::uint64_t value, unsigned width) {
  std::string bytes;
  for (unsigned i = width; i > 0; --i) bytes += static_cast<char>(value >> (8 * (i - 1)) & 0xff);
  return bytes;
}

void chat_image() {
  const std::string payload = big_endian(6, 2) + "images" + "\x89PNG" + every_byte();
  Peer bob = chat("bob");
  Stateful ann("ann");
  bob.subscribe("images");
  ann.subscribe("images");
  bob.send_binary(big_endian(1, 4) + payload);
  bob.receives_binary(big_endian(1, 4) + payload);
  ann.receives_binary(big_endian(1, 4) + big_endian(1, 8) + payload);
  ann.cut();
  bob.send_binary(big_endian(1, 4) + payload);
  bob.receives_binary(big_endian(1, 4) + payload);
  Stateful back("ann", 1, ann.session());
  back.receives_binary(big_endian(1, 4) + big_endian(2, 8) + payload);
}

void chat_binary_errors() {
  Peer ann = chat("ann");
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"abc", "binary.short"},
      {big_endian(999, 4) + "x", "binary.unknown"},
      {big_endian(1, 4) + std::string(mib + 1, '\0'), "binary.too_large"},
      {big_endian(1, 4) + big_endian(500, 2) + "room", "image.invalid"}};
  for (const auto& [frame, code] : mistakes) {
    ann.send_binary(frame);
    ann.receives_error(code);
  }
  ann.is_silent();
}

void chat_close() {
  equal(chat("ann").close(1000), 1000U);
}

struct Scenario {
  const char* name;
  void (*run)();
};

constexpr Scenario scenarios[] = {
    {"echo/text", echo_text},
    {"echo/binary", echo_binary},
    {"echo/lengths", echo_lengths},
    {"echo/16-mib", echo_16_mib},
    {"echo/fragments", echo_fragments},
    {"echo/many-fragments", echo_many_fragments},
    {"echo/order", echo_order},
    {"echo/ping", echo_ping},
    {"echo/close-normal", echo_close_normal},
    {"echo/close-application", echo_close_application},
    {"echo/bad-utf8", echo_bad_utf8},
    {"echo/breach", echo_breach},
    {"echo/too-large", echo_too_large},
    {"chat/refusals", chat_refusals},
    {"chat/publish", chat_publish},
    {"chat/fan-out", chat_fan_out},
    {"chat/digits", chat_digits},
    {"chat/errors", chat_errors},
    {"chat/direct", chat_direct},
    {"chat/presence", chat_presence},
    {"chat/json-ping", chat_json_ping},
    {"chat/resume", chat_resume},
    {"chat/unknown-session", chat_unknown_session},
    {"chat/taken-over", chat_taken_over},
    {"chat/image", chat_image},
    {"chat/binary-errors", chat_binary_errors},
    {"chat/close", chat_close},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " ECHO_PORT CHAT_PORT\n";
    return 2;
  }
  echo_port = static_cast<unsigned short>(std::stoi(argv[1]));
  chat_port = static_cast<unsigned short>(std::stoi(argv[2]));
  int failed = 0;
  for (const Scenario& scenario : scenarios) {
    std::cout << "running " << scenario.name << std::endl;  // the last one said, if the alarm ends it
    alarm(60);
    try {
      scenario.run();
      std::cout << "ok " << scenario.name << std::endl;
    } catch (const std::exception& error) {
      ++failed;
      std::string why = error.what();
      std::replace(why.begin(), why.end(), '\n', ' ');
      std::cout << "FAILED " << scenario.name << ": " << why << std::endl;
    }
  }
  return failed == 0 ? 0 : 1;
}
