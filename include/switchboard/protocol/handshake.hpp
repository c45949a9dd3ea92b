// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/protocol/http_response.hpp>
#include <switchboard/protocol/http_text.hpp>
#include <switchboard/protocol/origin.hpp>
#include <switchboard/protocol/request_parser.hpp>
#include <switchboard/protocol/sequence.hpp>
#include <switchboard/protocol/upgrade_request.hpp>

namespace switchboard::inline v1 {

/// What a request must satisfy to become a WebSocket.
struct UpgradeOptions {
  std::string path = "/ws";  ///< compared with the request's as sent, not decoded
  std::vector<std::string>
      allowed_origins{};  ///< `scheme://host[:port]`; empty means the request's own host and port
};

/// Whether this is 16 bytes in base64 (RFC 6455 §4.2.1). The bits that pad the last digit may be anything:
/// the RFC's own example has some set.
inline bool is_websocket_key(std::string_view key) {
  const auto is_digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, is_digit);
}

/// The decisions of protocol.md between the syntax and the token, in its order: path, method, upgrade,
/// version, key, origin. Empty: nothing against it so far.
inline std::optional<Refusal> check_upgrade(const UpgradeRequest& request, const UpgradeOptions& options) {
  if (request.path() != options.path) return refusals::not_found();
  if (request.method() != "GET") return refusals::method_not_allowed();
  if (request.version() < 11 || !list_contains(request.header("Upgrade"), "websocket") ||
      !list_contains(request.header("Connection"), "upgrade"))
    return refusals::not_an_upgrade();
  if (request.header("Sec-WebSocket-Version") != "13") return refusals::other_version();
  if (!is_websocket_key(request.header("Sec-WebSocket-Key"))) return refusals::invalid_key();
  if (!is_origin_allowed(request.origin, request.host(), options.allowed_origins))
    return refusals::origin_denied();
  return std::nullopt;
}

/// What a URL says in `last_seq`: the number of the last message that a client has. Its presence makes a
/// connection stateful.
struct LastSequence {
  /// Whether the URL has it, and whether it is a number.
  enum class State : std::uint8_t {
    absent,     ///< a plain client
    present,    ///< a stateful one
    malformed,  ///< refused with 400
  };
  State state = State::absent;  ///< `value` counts only where this is `present`
  Sequence value{};             ///< 0: nothing was received yet

  /// 1 to 16 decimal digits, at most 2^53-1; anything else, nothing included, is malformed.
  static LastSequence parse(std::string_view digits) {
    std::uint64_t number = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number);
    if (digits.empty() || digits.size() > 16 || error != std::errc() || stop != end || number > Sequence::max)
      return {State::malformed, {}};
    return {State::present, number};
  }

  /// The first `last_seq` of the query.
  static LastSequence of(const UpgradeRequest& request) {
    const std::optional<std::string_view> digits = request.find_query("last_seq");
    return digits ? parse(*digits) : LastSequence{};
  }
};

/// The 101 that makes the connection a WebSocket. A subprotocol that the client did not offer is left out, as
/// the client would have to fail the connection (RFC 6455 §4.1).
inline std::string upgrade_response(const UpgradeRequest& request, std::string_view chosen_subprotocol = {}) {
  std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  detail::append_field(out, "Sec-WebSocket-Accept", websocket_accept(request.header("Sec-WebSocket-Key")));
  const auto offers = request.subprotocols();
  if (std::find(offers.begin(), offers.end(), chosen_subprotocol) != offers.end())
    detail::append_field(out, "Sec-WebSocket-Protocol", chosen_subprotocol);
  return out += "\r\n";
}

}  // namespace switchboard::inline v1
