// SPDX-License-Identifier: MIT
#include "session_apps.hpp"

using namespace session_apps;

namespace {

/// One HTTP exchange by hand.
struct Answer {
  unsigned status = 0;
  std::string head;
  json body;
};

struct Door : Hall<> {
  using Hall<>::Hall;
  std::shared_ptr<sb::testing::TestSocket> open(const std::string& bytes,
                                                sb::Admission admission = sb::Admission::admitted) {
    auto socket = std::make_shared<sb::testing::TestSocket>();
    socket->to_server = bytes;
    answer.clear();
    socket->on_bytes = [this](std::string_view part) { answer += part; };
    app.host().accept(socket, admission);
    app.run();
    return socket;
  }
  Answer read() const {
    const std::size_t end = answer.find("\r\n\r\n");
    if (end == std::string::npos) return {};
    Answer read{static_cast<unsigned>(std::stoul(answer.substr(9, 3))), answer.substr(0, end), {}};
    if (end + 4 < answer.size()) read.body = json::parse(answer.substr(end + 4), nullptr, false);
    return read;
  }
  Answer ask(const std::string& bytes, sb::Admission admission = sb::Admission::admitted) {
    const auto socket = open(bytes, admission);
    const Answer got = read();
    if (got.status != 101) {
      REQUIRE(socket->closed == sb::SocketClose::graceful);
      REQUIRE(got.head.find("Connection: close") != std::string::npos);
    } else {
      socket->client_has_closed = true;
      app.run();
    }
    return got;
  }
  std::string answer;
};

/// A request with one thing after the other wrong, or right.
struct Request {
  bool host = true;
  std::string method = "GET", path = "/ws", upgrade = "websocket", version = "13",
              key = "dGhlIHNhbXBsZSBub25jZQ==", origin = "http://localhost", token = "ann", last_seq = "0",
              more = "";
  std::string text() const {
    return method + " " + path + "?token=" + token + "&last_seq=" + last_seq + " HTTP/1.1\r\n" +
           (host ? "Host: localhost\r\n" : "") + (upgrade.empty() ? "" : "Upgrade: " + upgrade + "\r\n") +
           "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: " + version +
           "\r\nSec-WebSocket-Key: " + key + "\r\nOrigin: " + origin + "\r\n" + more + "\r\n";
  }
};

}  // namespace

TEST_CASE("what is decided first decides, in the order of protocol.md") {
  Door door;
  struct Step {
    void (*spoil)(Request&);
    unsigned status;
    const char* error;
  };
  const std::vector<Step> steps{
      {[](Request& r) { r.host = false; }, 400, "request.invalid"},
      {[](Request& r) { r.path = "/other"; }, 404, "path.unknown"},
      {[](Request& r) { r.method = "POST"; }, 405, "method.invalid"},
      {[](Request& r) { r.upgrade = ""; }, 400, "upgrade.invalid"},
      {[](Request& r) { r.version = "8"; }, 426, "version.unsupported"},
      {[](Request& r) { r.key = "short"; }, 400, "key.invalid"},
      {[](Request& r) { r.origin = "http://evil.example"; }, 403, "origin.denied"},
      {[](Request& r) { r.token = ""; }, 401, "token.invalid"},
      {[](Request& r) { r.last_seq = "x"; }, 400, "last_seq.invalid"},
  };
  REQUIRE(door.ask(Request{}.text()).status == 101);
  Request all_wrong;
  for (std::size_t i = steps.size(); i-- > 0;) {
    Request one_wrong;
    steps[i].spoil(one_wrong);
    steps[i].spoil(all_wrong);
    CAPTURE(steps[i].error);
    for (const Request& request : {one_wrong, all_wrong}) {
      const Answer answer = door.ask(request.text());
      REQUIRE(answer.status == steps[i].status);
      REQUIRE(answer.body["error"] == steps[i].error);
      REQUIRE(answer.body["message"].is_string());
      REQUIRE(answer.body.size() == 2);
      REQUIRE(answer.head.find("Content-Type: application/json") != std::string::npos);
    }
  }
  REQUIRE(door.metric(&sb::HubMetrics::handshakes_refused) == 2 * steps.size());
  REQUIRE(door.app.hub().is_drained());
}

TEST_CASE("each refusal says what helps") {
  Door door;
  const auto ask = [&](auto spoil) {
    Request request;
    spoil(request);
    return door.ask(request.text());
  };
  SECTION("426 names the version") {
    const Answer answer = ask([](Request& r) { r.version = "12"; });
    REQUIRE(answer.status == 426);
    REQUIRE(answer.head.find("Sec-WebSocket-Version: 13") != std::string::npos);
  }
  SECTION("another upgrade is 400") {
    REQUIRE(ask([](Request& r) { r.upgrade = "h2c"; }).status == 400);
  }
  SECTION("a key that is not 16 bytes") {
    for (const char* key :
         {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZ*=="})
      REQUIRE(ask([key](Request& r) { r.key = key; }).status == 400);
  }
  SECTION("401 comes with what authenticate says") {
    const Answer missing = ask([](Request& r) { r.token = ""; });
    REQUIRE(missing.status == 401);
    REQUIRE(missing.body["error"] == "token.invalid");
    REQUIRE(missing.head.find("\r\nWWW-Authenticate: Bearer") != std::string::npos);
    const Answer teapot = ask([](Request& r) { r.token = "teapot"; });
    REQUIRE(teapot.status == 418);
    REQUIRE(teapot.body == json{{"error", "teapot"}, {"message", "short and stout"}});
  }
  SECTION("500 when authenticate throws, and not why") {
    const Answer answer = ask([](Request& r) { r.token = "throws"; });
    REQUIRE(answer.status == 500);
    REQUIRE(answer.body["error"] == "internal.error");
    REQUIRE(door.answer.find("has failed") == std::string::npos);
    REQUIRE(door.metric(&sb::HubMetrics::handler_exceptions) == 1);
  }
  SECTION("a user id that cannot be one is 401") {
    REQUIRE(ask([](Request& r) { r.token = std::string(201, 'a'); }).status == 401);
    REQUIRE(ask([](Request& r) { r.token = std::string(200, 'a'); }).status == 101);
    REQUIRE(ask([](Request& r) { r.token = "%ff"; }).status == 401);
  }
  SECTION("the bearer token serves as well") {
    REQUIRE(ask([](Request& r) {
              r.token = "";
              r.more = "Authorization: Bearer ann\r\n";
            }).status == 101);
  }
  SECTION("429 and 503 when the host says so, after the origin and before the token") {
    for (const bool is_full : {false, true}) {
      Request request;
      request.token = "";
      const auto admission = is_full ? sb::Admission::full : sb::Admission::too_many_from_address;
      const Answer answer = door.ask(request.text(), admission);
      REQUIRE(answer.status == (is_full ? 503 : 429));
      REQUIRE(answer.body["error"] == (is_full ? "server.full" : "address.limit"));
      request.origin = "http://evil.example";
      REQUIRE(door.ask(request.text(), admission).status == 403);
    }
  }
  SECTION("the admin port has no WebSocket") {
    REQUIRE(door.ask(Request{}.text(), sb::Admission::admin).status == 404);
  }
  SECTION("not HTTP at all") {
    for (const char* bytes :
         {"hello\r\n\r\n", "GET /ws\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n"})
      REQUIRE(door.ask(bytes).status == 400);
  }
}

TEST_CASE(
    "a server that drains says so before it says that it is full or looks at the token, but after the "
    "origin") {
  Door door;
  door.app.hub().drain();
  for (const auto admission :
       {sb::Admission::admitted, sb::Admission::full, sb::Admission::too_many_from_address}) {
    CAPTURE(admission);
    Request request;
    for (const char* token : {"ann", "", "teapot", "throws"}) {
      request.token = token;
      const Answer answer = door.ask(request.text(), admission);
      REQUIRE(answer.status == 503);
      REQUIRE(answer.body["error"] == "server.draining");
    }
    request.origin = "http://evil.example";
    const Answer answer = door.ask(request.text(), admission);
    REQUIRE(answer.status == 403);
    REQUIRE(answer.body["error"] == "origin.denied");
  }
  REQUIRE(door.metric(&sb::HubMetrics::handler_exceptions) == 0);  // authenticate is not even asked
}

TEST_CASE("a request has bounds: 431 for its headers, 413 for its body") {
  Door door({.limits = {.max_header_bytes = 2000}});
  Request request;
  request.more = "X: " + std::string(1000, 'x') + "\r\n";
  REQUIRE(door.ask(request.text()).status == 101);
  request.more = "X: " + std::string(2000, 'x') + "\r\n";
  const Answer headers = door.ask(request.text());
  REQUIRE(headers.status == 431);
  REQUIRE(headers.body["error"] == "headers.too_large");
  request.more = "Content-Length: 100000\r\n";
  const Answer body = door.ask(request.text());
  REQUIRE(body.status == 413);
  REQUIRE(body.body["error"] == "request.too_large");
}

TEST_CASE("a handshake that is not over in time is refused with 408, however it trickles in") {
  Door door({.limits = {.handshake_timeout = 7s}});
  const std::string request = Request{}.text();
  const auto socket = door.open("");
  for (std::size_t i = 0; i < 6; ++i) {
    socket->to_server += request[i];
    door.app.advance(1s);
  }
  door.app.advance(1s - 1ns);
  REQUIRE(door.answer.empty());
  door.app.advance(1ns);
  REQUIRE(door.read().status == 408);
  REQUIRE(door.read().body["error"] == "handshake.timeout");
  REQUIRE(socket->closed == sb::SocketClose::graceful);
  REQUIRE(door.app.hub().is_drained());
}

TEST_CASE("a request may come byte by byte, and frames right behind it") {
  Door door;
  const std::string request = Request{}.text() + encode(sb::testing::ClientFrame{.payload = R"({"id":1})"});
  const auto socket = door.open("");
  for (const char c : request) {
    socket->to_server += c;
    door.app.run();
  }
  REQUIRE(door.answer.starts_with("HTTP/1.1 101 "));
  REQUIRE(door.answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
  REQUIRE(door.answer.ends_with(R"({"status":"heard","id":1})"));
}

TEST_CASE("a peer that is gone, or takes nothing, before it has its answer leaves nothing behind") {
  Door door;
  SECTION("gone in the middle of its request") {
    const auto socket = door.open("GET /ws HT");
    socket->client_has_closed = true;
    door.app.run();
  }
  SECTION("takes nothing of its refusal") {
    auto socket = std::make_shared<sb::testing::TestSocket>();
    socket->to_server = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket->is_reading = false;
    door.app.host().accept(socket);
    door.app.run();
    socket->to_server = Request{}.text();  // read, and not answered any more
    door.app.advance(5s - 1ns);
    REQUIRE(socket->to_server.empty());
    REQUIRE_FALSE(socket->closed);
    door.app.advance(1ns);
    REQUIRE(socket->closed == sb::SocketClose::abort);
  }
  REQUIRE(door.app.hub().is_drained());
}

TEST_CASE("what is for no WebSocket is the host's to answer") {
  Door door;
  door.app.host().serve = [](const sb::UpgradeRequest& request,
                             bool is_admin) -> std::optional<sb::HttpResponse> {
    if (request.path() != "/healthz") return std::nullopt;
    return sb::HttpResponse{.content_type = "application/json",
                            .body = is_admin ? "\"admin\"" : "\"public\""};
  };
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  REQUIRE(door.ask(request).body == "public");
  REQUIRE(door.ask(request, sb::Admission::admin).body == "admin");
  REQUIRE(door.ask(request, sb::Admission::full).status == 200);
  REQUIRE(door.ask("HEAD" + request.substr(3)).body.is_null());
  REQUIRE(door.ask("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 404);
  REQUIRE(door.metric(&sb::HubMetrics::handshakes_refused) == 1);
}
