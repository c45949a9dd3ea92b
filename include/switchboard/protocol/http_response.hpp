// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/protocol/http_text.hpp>
#include <switchboard/protocol/json_string.hpp>
#include <switchboard/protocol/utf8.hpp>

namespace switchboard::inline v1 {

/// Header fields in order, name and value as sent.
using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// An answer over plain HTTP.
struct HttpResponse {
  unsigned status = 200;       ///< see `reason_phrase`
  std::string content_type{};  ///< empty: no such header
  std::string body{};          ///< any bytes; Content-Length is its size
  HttpFields headers{};        ///< beside Content-Type, Content-Length and Connection
};

/// Why a client is not let in. An App's `authenticate` may make one too; a status that refuses nothing
/// becomes 500.
struct Refusal {
  unsigned status = 401;  ///< 300 to 599
  std::string error{};    ///< a word for programs
  std::string message{};  ///< a sentence for people; never a token or a session id
  HttpFields headers{};   ///< beside those that every response has
};

/// The words behind a status code; empty for one that this library does not send.
constexpr std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

namespace detail {

// A field that could not stand in a header (a line break in it, say) is left out.
inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (!is_token(name) || std::any_of(value.begin(), value.end(), is_control)) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace detail

/// The whole response as bytes. The connection ends with it. `head_only` answers HEAD: all but the body.
inline std::string http_response(const HttpResponse& response, bool head_only = false) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out.append(reason_phrase(response.status)).append("\r\n");
  if (!response.content_type.empty()) detail::append_field(out, "Content-Type", response.content_type);
  detail::append_field(out, "Content-Length", std::to_string(response.body.size()));
  detail::append_field(out, "Connection", "close");
  for (const auto& [name, value] : response.headers) detail::append_field(out, name, value);
  out += "\r\n";
  if (!head_only) out += response.body;
  return out;
}

/// The same for a refusal: its body is `{"error":"…","message":"…"}`.
inline std::string http_response(const Refusal& refusal, bool head_only = false) {
  const bool refuses = refusal.status >= 300 && refusal.status <= 599;
  HttpResponse response{.status = refuses ? refusal.status : 500, .content_type = "application/json"};
  response.headers = refusal.headers;
  response.body = R"({"error":)";
  append_json_string(response.body, is_utf8(refusal.error) ? refusal.error : std::string());
  response.body += R"(,"message":)";
  append_json_string(response.body, is_utf8(refusal.message) ? refusal.message : std::string());
  response.body += '}';
  return http_response(response, head_only);
}

/// Every refusal of protocol.md, "Refused at the door".
namespace refusals {

/// 400: no HTTP/1.1 request, or not one Host.
inline Refusal malformed_request(std::string why = "this is not an HTTP/1.1 request") {
  return {400, "request.invalid", std::move(why)};
}
/// 400: no `Upgrade: websocket`, or no `Connection: upgrade`.
inline Refusal not_an_upgrade() {
  return {400, "upgrade.invalid", "this path is for WebSocket upgrades alone"};
}
/// 400: see `is_websocket_key`.
inline Refusal invalid_key() {
  return {400, "key.invalid", "Sec-WebSocket-Key must be 16 bytes in base64"};
}
/// 400: see `LastSequence::parse`.
inline Refusal invalid_last_sequence() {
  return {400, "last_seq.invalid", "last_seq must be 1 to 16 decimal digits and at most 2^53-1"};
}
/// 401: what an App's `authenticate` refuses without a reason of its own.
inline Refusal unauthorized() {
  return {401, "token.invalid", "the token is missing or not valid", {{"WWW-Authenticate", "Bearer"}}};
}
/// 403: see `is_origin_allowed`.
inline Refusal origin_denied() {
  return {403, "origin.denied", "pages of this origin may not connect"};
}
/// 404: neither the WebSocket's path nor an HTTP endpoint.
inline Refusal not_found() {
  return {404, "path.unknown", "there is nothing at this path"};
}
/// 405: with `Allow: GET`.
inline Refusal method_not_allowed() {
  return {405, "method.invalid", "only GET", {{"Allow", "GET"}}};
}
/// 408: over `Limits::handshake_timeout`.
inline Refusal handshake_timeout() {
  return {408, "handshake.timeout", "the request took too long"};
}
/// 413: a body over the limit, or of a size that is not told before.
inline Refusal request_too_large(std::string why = "the request's body is too large") {
  return {413, "request.too_large", std::move(why)};
}
/// 431: over `Limits::max_header_bytes`, or more than `RequestParser::max_headers`.
inline Refusal headers_too_large() {
  return {431, "headers.too_large", "the request's headers are too large"};
}
/// 426: with `Sec-WebSocket-Version: 13` (RFC 6455 §4.4).
inline Refusal other_version() {
  return {426,
          "version.unsupported",
          "only version 13 of the WebSocket protocol",
          {{"Sec-WebSocket-Version", "13"}, {"Upgrade", "websocket"}}};
}
/// 429: over `Limits::max_connections_per_address`.
inline Refusal too_many_from_address() {
  return {429, "address.limit", "too many connections from this address"};
}
/// 500: `authenticate` threw, or a session could not be taken over from another node.
inline Refusal internal_error() {
  return {500, "internal.error", "the server failed"};
}
/// 503: over `Limits::max_connections`.
inline Refusal server_full() {
  return {503, "server.full", "the server is full"};
}
/// 503: `Server::stop` was called.
inline Refusal server_draining() {
  return {503, "server.draining", "the server is stopping"};
}

}  // namespace refusals
}  // namespace switchboard::inline v1
