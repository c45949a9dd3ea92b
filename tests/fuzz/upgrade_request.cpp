// SPDX-License-Identifier: MIT
// RequestParser, UpgradeRequest and the decisions of the handshake.
#include <utility>

#include <switchboard/protocol/handshake.hpp>
#include <switchboard/protocol/request_parser.hpp>

#include "support/input.hpp"

namespace {

namespace sb = switchboard;
using Status = sb::RequestParser::Status;

/// What came of a request, as a value.
struct Outcome {
  Status status = Status::need_more;
  std::size_t consumed = 0;
  std::string seen;  // of a complete one
  bool operator==(const Outcome&) const = default;
};

/// A response is one head, with the fields it should have and no more, and a body of the length it says.
void check_response(std::string_view response, std::size_t fields, bool has_body) {
  const std::size_t end = response.find("\r\n\r\n");
  fuzz::require(end != response.npos, "a response has an end of its head", response);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = response.find("\r\n", at)) < end; at += 2) ++lines;
  fuzz::require(lines == fields, "nothing that was sent becomes a header of the response", response);
  fuzz::require(has_body || end + 4 == response.size(), "no body follows a 101", response);
}

std::string percent_encoded(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text)
    (out += '%') += {digits[static_cast<unsigned char>(c) >> 4], digits[static_cast<unsigned char>(c) & 15]};
  return out;
}

/// All that an App and the hub may ask a request, in one text.
std::string ask(const sb::UpgradeRequest& request, const sb::UpgradeOptions& options) {
  std::string seen;
  const auto add = [&](std::string_view text) { (seen += text) += '\n'; };
  add(request.method()), add(request.target), add(request.path()), add(request.host());
  add(request.token), add(request.origin), add(std::to_string(request.version()));
  for (const char* header : {"Host", "Cookie", "Upgrade", "Connection", "Sec-WebSocket-Key", "X"})
    add(request.header(header));
  for (const char* name : {"token", "session", "last_seq", "a", ""}) add(request.query(name));
  for (const char* name : {"token", "a", ""}) add(request.cookie(name));
  for (const std::string& offer : request.subprotocols()) add(offer);

  fuzz::require(request.query("token").empty() || request.token == request.query("token"),
                "the token of the query comes before that of the headers");
  fuzz::require(
      request.path().starts_with('/') || request.path() == request.target || !request.target.starts_with('/'),
      "a path is of the target", request.target);
  fuzz::require(request.path().find('?') == std::string_view::npos, "a path ends before the query");

  const sb::LastSequence last = sb::LastSequence::of(request);
  if (last.state == sb::LastSequence::State::present)
    fuzz::require(last.value.value <= sb::Sequence::max, "a sequence number is below 2^53");
  add(std::to_string(static_cast<int>(last.state)) + " " + std::to_string(last.value.value));

  if (const auto refusal = sb::check_upgrade(request, options)) {
    add(std::to_string(refusal->status));
    const std::size_t more = refusal->headers.size();
    check_response(sb::http_response(*refusal), 3 + more, true);
  } else {
    fuzz::require(sb::is_origin_allowed(request.origin, request.host(), options.allowed_origins),
                  "whoever is let in has an origin that is allowed");
    const auto offers = request.subprotocols();
    const std::string_view chosen = offers.empty() ? std::string_view() : std::string_view(offers.back());
    const std::string response = sb::upgrade_response(request, chosen);
    check_response(response, offers.empty() ? 3 : 4, false);
    check_response(sb::upgrade_response(request, "a\r\nX: not offered"), 3, false);
    add(response);
  }
  if (sb::Origin::parse(request.origin))
    fuzz::require(sb::is_same_origin(request.origin, request.origin), "an origin is the same as itself");
  return seen;
}

/// One parser, fed piece by piece.
class Reading {
 public:
  Reading(std::size_t limit, const sb::UpgradeOptions& options) : parser_(limit), options_(options) {}

  void feed(std::string_view piece) {
    if (outcome_.status != Status::need_more) return;
    const std::string exact(piece);  // of its own, so that a read past its end is seen
    const auto result = parser_.consume(exact);
    fuzz::require(result.consumed <= piece.size(), "no more is consumed than was given");
    fuzz::require(result.status != Status::need_more || result.consumed == piece.size(),
                  "all is consumed where more is needed");
    outcome_.consumed += result.consumed;
    outcome_.status = result.status;
    if (outcome_.status == Status::refused) check_refusal();
    if (outcome_.status == Status::complete) outcome_.seen = ask(parser_.take(), options_);
  }
  const Outcome& outcome() const { return outcome_; }

 private:
  void check_refusal() {
    const unsigned status = parser_.refusal().status;
    fuzz::require(status == 400 || status == 413 || status == 431, "a parser refuses with 400, 413 or 431");
    check_response(sb::http_response(parser_.refusal()), 3 + parser_.refusal().headers.size(), true);
    outcome_.consumed = 0;  // of no interest
  }

  sb::RequestParser parser_;
  const sb::UpgradeOptions& options_;
  Outcome outcome_;
};

/// A head that came in pieces, or ends just at the limit, may be refused only when more of it comes, or its
/// end: Beast does not look before. Then it must be.
void require_same(Reading& whole, Reading& pieces) {
  for (auto [early, late] : {std::pair(&whole, &pieces), std::pair(&pieces, &whole)})
    if (early->outcome().status == Status::refused && late->outcome().status == Status::need_more)
      late->feed("\r\n\r\n");
  fuzz::require(whole.outcome() == pieces.outcome(), "splitting the bytes changes nothing",
                std::to_string(static_cast<int>(whole.outcome().status)) + " " +
                    std::to_string(static_cast<int>(pieces.outcome().status)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t how = input.u8(), seed = input.u8();
  const std::string_view bytes = input.rest();
  const std::size_t limit = (how & 1) != 0 ? 200 : std::size_t{16} << 10;
  sb::UpgradeOptions options;
  if ((how & 2) != 0) options.allowed_origins = {"https://app.example.com", "http://localhost:8080", "null"};

  Reading whole(limit, options), pieces(limit, options), single(limit, options);
  whole.feed(bytes);
  fuzz::in_pieces(bytes, seed, [&](std::string_view piece) { pieces.feed(piece); });
  fuzz::in_pieces(bytes, 0, [&](std::string_view byte) { single.feed(byte); });
  require_same(whole, pieces);
  require_same(whole, single);

  const std::string_view part = bytes.substr(0, 200);
  fuzz::require(sb::percent_decoded(percent_encoded(part)) == part, "percent decoding undoes encoding");
  return 0;
}
