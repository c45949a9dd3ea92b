// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;
using sb::CloseCode;
using sb::testing::ClientFrame;
using Ws = sb::testing::TestConnection<Room<>>;

namespace {

const sb::testing::ConnectOptions plain{.last_seq = std::nullopt};

/// A client whose end is ours to write: it answers nothing by itself.
struct Bare {
  std::shared_ptr<sb::testing::TestSocket> socket = std::make_shared<sb::testing::TestSocket>();
  std::string got;
  explicit Bare(Hall<>& hall, const std::string& target = "/ws?token=ann") {
    socket->on_bytes = [this](std::string_view bytes) { got += bytes; };
    socket->to_server = upgrade_request(target);
    hall.app.host().accept(socket);
    hall.app.run();
    got.erase(0, got.find("\r\n\r\n") + 4);
  }
  Bare(const Bare&) = delete;
  void send(Hall<>& hall, std::string_view bytes) {
    socket->to_server += bytes;
    hall.app.run();
  }
};

std::string close_frame(int code, const std::string& reason = {}) {
  const std::string payload = sb::close_payload(static_cast<CloseCode>(code), reason);
  return std::string{'\x88', static_cast<char>(payload.size())} + payload;
}

}  // namespace

TEST_CASE("each reason to close has its code") {
  struct Case {
    int code;
    std::function<void(Hall<>&, Ws&)> provoke;
  };
  const auto frame = [](ClientFrame sent) { return [sent](Hall<>&, Ws& ws) { ws.send_frame(sent); }; };
  const auto close = [](std::string payload) {
    return [payload](Hall<>&, Ws& ws) { ws.send_frame({.opcode = sb::Opcode::close, .payload = payload}); };
  };
  const std::vector<Case> cases{
      {1000, [](Hall<>& hall, Ws&) { hall.world.close["ann"](CloseCode::normal); }},
      {1001, [](Hall<>& hall, Ws&) { hall.app.hub().drain(); }},
      {1002, frame({.masked = false})},
      {1002, frame({.reserved_bits = 4})},
      {1002, frame({.opcode = static_cast<sb::Opcode>(3)})},
      {1002, frame({.opcode = sb::Opcode::continuation})},
      {1002, frame({.opcode = sb::Opcode::ping, .fin = false})},
      {1002, close(std::string("\x03", 1))},
      {1002, close(std::string("\x03\xed", 2))},  // 1005
      {1002, close(std::string("\x03\xe7", 2))},  // 999
      {1007, frame({.payload = "\xff"})},
      {1007, close(std::string("\x03\xe8\xff", 3))},
      {1008,
       [](Hall<>&, Ws& ws) {
         for (int i = 0; i < 20; ++i) ws.send_text("{}");
       }},
      {1009, frame({.opcode = sb::Opcode::text, .payload = std::string_view(), .claimed_size = 1001})},
      {1009,
       [](Hall<>&, Ws& ws) {
         ws.send_frame({.payload = std::string(600, 'x'), .fin = false});
         ws.send_frame({.opcode = sb::Opcode::continuation, .payload = std::string(600, 'x')});
       }},
      {1013,
       [](Hall<>& hall, Ws& ws) {
         ws.stop_reading();
         for (int i = 0; i < 3; ++i) hall.world.send["ann"]({{"text", std::string(500, 'x')}});
         ws.resume_reading();
       }},
      {4001, [](Hall<>& hall, Ws& ws) { hall.connect("ann", {.session = ws.session(), .last_seq = 0}); }},
      {4002,
       [](Hall<>& hall, Ws& ws) {
         ws.stop_reading();
         hall.app.advance(60s);
         ws.resume_reading();
       }},
      {4003, [](Hall<>& hall, Ws&) { hall.app.shard().disconnect_user("ann"); }},
      {4401, [](Hall<>& hall, Ws&) { hall.app.shard().disconnect_user("ann", CloseCode::token_expired); }},
  };
  const Case& test = cases[GENERATE_COPY(range(std::size_t{0}, cases.size()))];
  CAPTURE(test.code);
  Hall<> hall(
      {.queue = {.max_bytes = 1000}, .limits = {.max_message_bytes = 1000, .messages_per_second = 8}});
  auto ws = hall.connect("ann");
  test.provoke(hall, ws);
  received(ws);
  REQUIRE(static_cast<int>(ws.receive_close().code) == test.code);
  hall.app.run();
  REQUIRE(ws.is_closed());
  REQUIRE_FALSE(ws.was_reset());
}

TEST_CASE("the client's Close frame is echoed behind what was asked before, and nothing behind it counts") {
  Hall<> hall;
  auto ws = hall.connect("ann", plain);
  ws.send_json({{"id", 1}});
  ws.send_bytes(sb::testing::encode_close(static_cast<CloseCode>(4123), "bye"));
  ws.send_json({{"id", 2}});
  REQUIRE(ws.receive_json()["id"] == 1);
  const auto close = ws.receive_close();
  REQUIRE(close.code == static_cast<CloseCode>(4123));
  REQUIRE(close.reason.empty());
  REQUIRE((ws.is_closed() && !ws.was_reset()));
  auto silent = hall.connect("ann", plain);
  silent.send_frame({.opcode = sb::Opcode::close});
  REQUIRE(silent.receive_close().code == CloseCode::no_status);
}

TEST_CASE(
    "what comes in one read with a Close frame, or a breach, is done before it, a broker's delay or not") {
  Hall<> hall({.shards = 2});
  auto bob = hall.connect("bob", plain);
  subscribe(bob, "news");
  auto ann = hall.connect("ann", {.last_seq = GENERATE(std::optional<std::uint64_t>(), 0)});
  ann.send_json({{"action", "subscribe"}, {"channel", "other"}});
  for (int i = 0; i < 3; ++i) ann.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  const bool is_clean = GENERATE(false, true);
  ann.send_bytes(is_clean ? sb::testing::encode_close(CloseCode::normal) : std::string(8, '\xff'));
  ann.send_json({{"action", "publish"}, {"channel", "news"}, {"data", "never"}});
  for (int i = 0; i < 3; ++i) REQUIRE(bob.receive_json()["data"] == i);
  REQUIRE(bob.is_idle());
  REQUIRE(ann.receive_json()["status"] == "subscribed");
  REQUIRE(ann.receive_close().code == (is_clean ? CloseCode::normal : CloseCode::protocol_error));
  REQUIRE(ann.is_closed());
}

TEST_CASE("what came whole before the end of the stream is done, be it still undecoded") {
  Hall<> hall({.queue = {.max_bytes = 1000}});
  auto bob = hall.connect("bob", plain);
  subscribe(bob, "news");
  auto ann = hall.connect("ann", plain);
  subscribe(ann, "c");
  ann.stop_reading();
  hall.app.shard().publish("c", std::string(430, 'x'));
  hall.app.run();
  // The first fills the queue so that what follows in the same read waits.
  ann.send_json({{"action", "publish"}, {"channel", "c"}, {"data", std::string(100, 'y')}});
  for (int i = 0; i < 3; ++i) ann.send_json({{"action", "publish"}, {"channel", "news"}, {"data", i}});
  REQUIRE(bob.is_idle());
  ann.cut();
  for (int i = 0; i < 3; ++i) REQUIRE(bob.receive_json()["data"] == i);
  REQUIRE(ann.is_closed());
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
}

TEST_CASE("after our Close frame the peer's is awaited, for 5 seconds") {
  Hall<> hall;
  Bare ws(hall);
  hall.world.close["ann"](static_cast<CloseCode>(4000));
  hall.app.run();
  REQUIRE(ws.got == close_frame(4000, "asked for"));
  REQUIRE_FALSE(ws.socket->closed);
  SECTION("it comes, behind other things") {
    ws.send(hall, encode(ClientFrame{.payload = R"({"action":"publish","channel":"c","data":1,"id":1})"}) +
                      encode(ClientFrame{.opcode = sb::Opcode::ping}));
    REQUIRE_FALSE(ws.socket->closed);
    ws.send(hall, sb::testing::encode_close(static_cast<CloseCode>(4000)));
    REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  }
  SECTION("it never comes") {
    hall.app.advance(5s - 1ns);
    REQUIRE_FALSE(ws.socket->closed);
    hall.app.advance(1ns);
    REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  }
  SECTION("nonsense comes") {
    ws.send(hall, "\xff\xff\xff\xff");
    REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  }
  SECTION("the end of the stream comes") {
    ws.socket->client_has_closed = true;
    hall.app.run();
    REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  }
  REQUIRE(ws.got == close_frame(4000, "asked for"));
  REQUIRE(hall.app.hub().is_drained());
}

TEST_CASE("a Close frame among input that waited is found") {
  Hall<> hall({.queue = {.max_bytes = 1000}});
  Bare ws(hall);
  ws.send(hall, encode(ClientFrame{.payload = R"({"action":"subscribe","channel":"c"})"}));
  ws.socket->is_reading = false;
  hall.app.shard().publish("c", std::string(430, 'x'));
  hall.app.run();
  // Two frames in one read that started while there was room; the second must wait, since too much is queued
  // by then.
  const std::string request = encode(ClientFrame{.payload = R"({"id":1})"});
  const std::string publish =
      encode(ClientFrame{.payload = R"({"action":"publish","channel":"c","data":1})"});
  ws.send(hall, publish + request + sb::testing::encode_close(CloseCode::going_away));
  REQUIRE(hall.metric(&sb::HubMetrics::messages_received) == 2);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 1);
  hall.app.shard().publish("c", std::string(600, 'y'));  // and now it is too slow
  hall.app.run();
  REQUIRE(hall.metric(&sb::HubMetrics::slow_closed) == 1);
  ws.socket->is_reading = true;
  hall.app.run();
  REQUIRE(ws.got.ends_with(close_frame(1013, "too slow")));
  REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
}

TEST_CASE("a request is answered before the breach behind it closes, and nothing of a breach is answered") {
  Hall<> hall;
  Bare ws(hall);
  std::string bytes;
  for (int i = 0; i < 3; ++i) bytes += "\xff\xff";  // the first is a breach already
  ws.send(hall, encode(ClientFrame{.payload = R"({"id":1})"}) + bytes);
  REQUIRE(ws.got.ends_with(close_frame(1002, ws.got.substr(ws.got.rfind("\x03\xea") + 2))));
  REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
}

TEST_CASE("drain closes everyone with 1001 behind what is queued, and lets nobody in") {
  const bool is_stateful = GENERATE(false, true);
  Hall<> hall;
  auto ws = hall.connect("ann", is_stateful ? sb::testing::ConnectOptions{} : plain);
  auto half = std::make_shared<sb::testing::TestSocket>();
  half->to_server = "GET /ws?token=ann HT";
  std::string told;
  half->on_bytes = [&](std::string_view bytes) { told += bytes; };
  hall.app.host().accept(half);
  ws.stop_reading();
  for (int i = 1; i <= 3; ++i) hall.world.send["ann"]({{"n", i}});
  ws.send_json({{"id", 1}});
  hall.app.run();
  hall.app.hub().drain();
  hall.app.run();
  REQUIRE(told.starts_with("HTTP/1.1 503 "));
  REQUIRE_FALSE(hall.app.hub().is_drained());
  hall.world.send["ann"]({{"n", 4}});  // for a plain client too late
  ws.resume_reading();
  for (int i = 1; i <= 3; ++i) REQUIRE(ws.receive_json()["n"] == i);
  REQUIRE(ws.receive_json()["id"] == 1);
  REQUIRE(ws.receive_close().code == CloseCode::going_away);
  hall.app.run();
  REQUIRE(hall.app.hub().is_drained());
  REQUIRE(hall.metric(&sb::HubMetrics::sessions_parked) == (is_stateful ? 1 : 0));
  try {
    hall.connect("ann");
    FAIL("it was let in");
  } catch (const sb::testing::Refused& refused) {
    REQUIRE(refused.status == 503);
    REQUIRE(json::parse(refused.body)["error"] == "server.draining");
  }
}

TEST_CASE("at the end a plain connection hears on_close with 1001, a session on_suspend, and then no more") {
  Hall<> hall;
  auto away = hall.connect("cid");
  away.cut();
  auto ann = hall.connect("ann", plain), ben = hall.connect("ben");
  hall.world.take_journal();
  hall.app.hub().drain();
  REQUIRE(ann.receive_close().code == CloseCode::going_away);
  REQUIRE(ben.receive_close().code == CloseCode::going_away);
  hall.app.run();
  REQUIRE(hall.app.hub().is_drained());
  REQUIRE(hall.world.take_journal() == std::vector<std::string>{"close ann 1001", "suspend ben"});
  hall.app.shut_down();
  hall.app.advance(1h);
  REQUIRE(hall.world.take_journal().empty());
}

TEST_CASE("a peer that does not take what a drain has left is reset after 5 seconds") {
  Hall<> hall({.shards = 2});
  auto ws = hall.connect("ann", plain);
  ws.stop_reading();
  hall.world.send["ann"]({{"n", 1}});
  hall.app.hub(0).drain();
  hall.app.hub(0).drain();
  hall.app.advance(5s - 1ns);
  REQUIRE_FALSE(hall.app.hub(0).is_drained());
  hall.app.advance(1ns);
  REQUIRE(ws.was_reset());
  REQUIRE(hall.app.hub(0).is_drained());
}

TEST_CASE("who still takes what was queued before the close is given more time, and is reset once it stops") {
  Hall<> hall;
  Bare ws(hall);
  ws.socket->window = 0;
  for (int i = 0; i < 100; ++i) hall.world.send["ann"]({{"number", i}, {"text", std::string(1000, 'x')}});
  hall.app.hub().drain();
  const auto take = [&](std::size_t bytes) {
    ws.socket->window += bytes;
    hall.app.run();
  };
  SECTION("it takes all of it, in the end") {
    for (int i = 0; i < 7; ++i) {
      hall.app.advance(4s);
      REQUIRE_FALSE(ws.socket->closed);
      take(15'000);
    }
    REQUIRE(ws.got.find(R"("number":99)") != std::string::npos);
    REQUIRE(ws.got.ends_with(close_frame(1001, "the server is stopping")));
    hall.app.advance(10s);
    REQUIRE(ws.socket->closed == sb::SocketClose::graceful);
  }
  SECTION("it stops") {
    for (int i = 0; i < 2; ++i) {
      hall.app.advance(4s);
      take(15'000);
    }
    hall.app.advance(7s - 1ns);  // looked at after 5, 10 and 15 s: nothing since the second
    REQUIRE_FALSE(ws.socket->closed);
    hall.app.advance(1ns);
    REQUIRE(ws.socket->closed == sb::SocketClose::abort);
  }
  SECTION("it takes next to nothing, for ever") {
    for (int i = 0; i < 12; ++i) {
      REQUIRE_FALSE(ws.socket->closed);
      take(1024);
      hall.app.advance(5s);
    }
    REQUIRE(ws.socket->closed == sb::SocketClose::abort);
  }
  REQUIRE(hall.app.hub().is_drained());
}

TEST_CASE("abort_all resets every socket at once") {
  Hall<> hall;
  auto ws = hall.connect("ann"), other = hall.connect("ben", plain);
  auto half = std::make_shared<sb::testing::TestSocket>();
  hall.app.host().accept(half);
  hall.app.hub().abort_all();
  REQUIRE(ws.was_reset());
  REQUIRE(other.was_reset());
  REQUIRE(half->closed == sb::SocketClose::abort);
  REQUIRE(hall.app.hub().is_drained());
  REQUIRE(hall.metric(&sb::HubMetrics::connections) == 0);
}
