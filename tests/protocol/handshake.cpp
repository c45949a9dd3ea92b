// SPDX-License-Identifier: MIT
// What is decided beyond RFC 6455 §4, whose rows are in rfc6455_handshake.cpp.
#include <string>
#include <utility>
#include <vector>

#include <switchboard/protocol/handshake.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

namespace {

// A right upgrade, from which each test changes one thing.
struct Request {
  sb::HttpRequestHead head{.target = "/ws",
                           .fields = {{"Host", "example.com"},
                                      {"Upgrade", "websocket"},
                                      {"Connection", "Upgrade"},
                                      {"Sec-WebSocket-Version", "13"},
                                      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}};

  Request with(std::string_view name, std::string value) && {
    std::erase_if(head.fields, [&](const auto& field) { return field.first == name; });
    head.fields.emplace_back(name, std::move(value));
    return std::move(*this);
  }
  Request without(std::string_view name) && {
    std::erase_if(head.fields, [&](const auto& field) { return field.first == name; });
    return std::move(*this);
  }
  Request to(std::string target) && {
    head.target = std::move(target);
    return std::move(*this);
  }
  Request by(std::string method) && {
    head.method = std::move(method);
    return std::move(*this);
  }

  unsigned refused_with(const sb::UpgradeOptions& options = {}) const {
    const auto refusal = sb::check_upgrade(sb::UpgradeRequest(head), options);
    return refusal ? refusal->status : 0;
  }
  std::string error() const { return sb::check_upgrade(sb::UpgradeRequest(head), {})->error; }
};

}  // namespace

TEST_CASE("the path and the origins are those of the options") {
  CHECK(Request().to("/other").refused_with({.path = "/other"}) == 0);
  CHECK(Request().to("/ws").refused_with({.path = "/other"}) == 404);
  CHECK(Request().with("Origin", "https://app.com").refused_with({.allowed_origins = {"https://app.com"}}) ==
        0);
  CHECK(
      Request().with("Origin", "http://example.com").refused_with({.allowed_origins = {"https://app.com"}}) ==
      403);
}

TEST_CASE(
    "what is wrong in several ways is refused for the first: path, method, upgrade, version, key, origin") {
  Request request = Request()
                        .to("/elsewhere")
                        .by("POST")
                        .without("Upgrade")
                        .without("Sec-WebSocket-Version")
                        .without("Sec-WebSocket-Key")
                        .with("Origin", "https://evil.com");
  CHECK(request.error() == "path.unknown");
  request = std::move(request).to("/ws");
  CHECK(request.error() == "method.invalid");
  request = std::move(request).by("GET");
  CHECK(request.error() == "upgrade.invalid");
  request = std::move(request).with("Upgrade", "websocket");
  CHECK(request.error() == "version.unsupported");
  request = std::move(request).with("Sec-WebSocket-Version", "13");
  CHECK(request.error() == "key.invalid");
  request = std::move(request).with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  CHECK(request.error() == "origin.denied");
}

TEST_CASE("last_seq is absent, a number up to 2^53-1 in 1 to 16 digits, or malformed") {
  using State = sb::LastSequence::State;
  const auto of = [](const std::string& target) {
    return sb::LastSequence::of(sb::UpgradeRequest({.target = target}));
  };
  CHECK(of("/ws").state == State::absent);
  CHECK(of("/ws?last_sequence=1").state == State::absent);
  const std::vector<std::pair<std::string, std::uint64_t>> right{
      {"0", 0}, {"7", 7}, {"0000000000000042", 42}, {"9007199254740991", sb::Sequence::max}, {"%31", 1}};
  for (const auto& [digits, value] : right) {
    CHECK(of("/ws?last_seq=" + digits).state == State::present);
    CHECK(of("/ws?last_seq=" + digits).value == value);
  }
  for (const char* digits : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "abc", "1a", "9007199254740992",
                             "00000000000000001", "99999999999999999999999", "%20"})
    CHECK(of("/ws?last_seq=" + std::string(digits)).state == State::malformed);
  CHECK(of("/ws?last_seq").state == State::malformed);
}

TEST_CASE("a chosen subprotocol is answered if the client offered it") {
  const sb::UpgradeRequest request(Request().with("Sec-WebSocket-Protocol", "v2, v1").head);
  CHECK(sb::upgrade_response(request, "v1").ends_with("\r\nSec-WebSocket-Protocol: v1\r\n\r\n"));
  for (const char* other : {"", "v3", "V1", "v1\r\nX: y"})
    CHECK(sb::upgrade_response(request, other).find("Protocol:") == std::string::npos);
}
