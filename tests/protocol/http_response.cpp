// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <boost/beast/http/status.hpp>
#include <nlohmann/json.hpp>

#include <switchboard/protocol/http_response.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

namespace {

nlohmann::json body_of(const std::string& response) {
  return nlohmann::json::parse(response.substr(response.find("\r\n\r\n") + 4));
}

}  // namespace

TEST_CASE("a response says what it is, how long, and that the connection ends") {
  const sb::HttpResponse response{.status = 200,
                                  .content_type = "text/plain",
                                  .body = "hello",
                                  .headers = {{"Cache-Control", "no-store"}}};
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n"
      "Cache-Control: no-store\r\n\r\n";
  CHECK(sb::http_response(response) == head + "hello");
  CHECK(sb::http_response(response, true) == head);
  CHECK(sb::http_response(sb::refusals::not_found(), true).ends_with("\r\n\r\n"));
}

TEST_CASE("a header that would break the response is left out") {
  const sb::HttpResponse response{.headers = {{"X-Split", "a\r\nSet-Cookie: x"},
                                              {"Bad name", "x"},
                                              {"X-Null", std::string("\0", 1)},
                                              {"X-Delete", "\x7f"},
                                              {"X", "\t"}}};
  CHECK(sb::http_response(response) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nX: \t\r\n\r\n");
}

TEST_CASE("a refusal's body is JSON with its error and message, whatever they contain") {
  const std::string response =
      sb::http_response(sb::Refusal{403, "a\"b\\c", "line\n\x01 \xC3\xBC", {{"X-Why", "w"}}});
  CHECK(response.starts_with("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"));
  CHECK(response.find("\r\nX-Why: w\r\n") != std::string::npos);
  CHECK(body_of(response) == nlohmann::json{{"error", "a\"b\\c"}, {"message", "line\n\x01 \xC3\xBC"}});
  CHECK(body_of(sb::http_response(sb::Refusal{403, "x", "\xFF"})) ==
        nlohmann::json{{"error", "x"}, {"message", ""}});
  CHECK(body_of(sb::http_response(sb::Refusal{403, "\xFF", "x"})) ==
        nlohmann::json{{"error", ""}, {"message", "x"}});
}

TEST_CASE("a refusal that refuses nothing is a failure of the server") {
  for (const unsigned status : {0u, 101u, 200u, 204u, 600u, 99999u})
    CHECK(sb::http_response(sb::Refusal{.status = status})
              .starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
  CHECK(sb::http_response(sb::Refusal{}).starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  CHECK(sb::http_response(sb::Refusal{.status = 418}).starts_with("HTTP/1.1 418 \r\n"));
}

TEST_CASE("each refusal at the door has its status, its word and a sentence") {
  namespace refusals = sb::refusals;
  struct Row {
    unsigned status;
    const char* error;
    sb::Refusal refusal;
  };
  const std::vector<Row> rows{
      {400, "request.invalid", refusals::malformed_request()},
      {400, "upgrade.invalid", refusals::not_an_upgrade()},
      {400, "key.invalid", refusals::invalid_key()},
      {400, "last_seq.invalid", refusals::invalid_last_sequence()},
      {401, "token.invalid", refusals::unauthorized()},
      {403, "origin.denied", refusals::origin_denied()},
      {404, "path.unknown", refusals::not_found()},
      {405, "method.invalid", refusals::method_not_allowed()},
      {408, "handshake.timeout", refusals::handshake_timeout()},
      {413, "request.too_large", refusals::request_too_large()},
      {426, "version.unsupported", refusals::other_version()},
      {429, "address.limit", refusals::too_many_from_address()},
      {431, "headers.too_large", refusals::headers_too_large()},
      {500, "internal.error", refusals::internal_error()},
      {503, "server.full", refusals::server_full()},
      {503, "server.draining", refusals::server_draining()},
  };
  for (const auto& [status, error, refusal] : rows) {
    CAPTURE(error);
    CHECK(refusal.status == status);
    const std::string response = sb::http_response(refusal);
    const std::string phrase(sb::reason_phrase(status));
    CHECK_FALSE(phrase.empty());
    CHECK(response.starts_with("HTTP/1.1 " + std::to_string(status) + " " + phrase + "\r\n"));
    CHECK(body_of(response)["error"] == error);
    CHECK_FALSE(body_of(response)["message"].get<std::string>().empty());
  }
  CHECK(sb::http_response(refusals::other_version()).find("\r\nSec-WebSocket-Version: 13\r\n") !=
        std::string::npos);
  CHECK(sb::http_response(refusals::method_not_allowed()).find("\r\nAllow: GET\r\n") != std::string::npos);
  CHECK(sb::http_response(refusals::unauthorized()).find("\r\nWWW-Authenticate: Bearer\r\n") !=
        std::string::npos);
}

TEST_CASE("a status has the words of its registry, or none") {
  for (const unsigned status : {101u, 200u, 204u, 301u, 302u, 304u, 307u, 308u, 400u, 401u, 403u,
                                404u, 405u, 408u, 409u, 410u, 426u, 429u, 431u, 500u, 502u, 503u}) {
    CAPTURE(status);
    namespace http = boost::beast::http;
    CHECK(sb::reason_phrase(status) == std::string(http::obsolete_reason(http::int_to_status(status))));
  }
  CHECK(sb::reason_phrase(413) == "Content Too Large");  // RFC 9110 §15.5.14; Beast has its older name
  CHECK(sb::reason_phrase(418).empty());
}
