// SPDX-License-Identifier: MIT
// The handshakes of the table, answered by RequestParser, check_upgrade and upgrade_response.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/protocol/handshake.hpp>

#include "protocol/rfc6455/handshake_cases.hpp"
#include "support/catch.hpp"

namespace sb = switchboard;
using namespace rfc6455;

namespace {

/// The answer to a request in pieces, each in memory of its own, just as large. Frames lie behind the
/// request.
std::string answer_to(const std::vector<std::string_view>& pieces, std::string_view& unread) {
  sb::RequestParser parser;
  for (const std::string_view piece : pieces) {
    const std::unique_ptr<char[]> copy(new char[piece.size()]);
    std::copy(piece.begin(), piece.end(), copy.get());
    const auto [status, consumed] = parser.consume({copy.get(), piece.size()});
    if (status == sb::RequestParser::Status::need_more) continue;
    if (status == sb::RequestParser::Status::refused) return sb::http_response(parser.refusal());
    unread = piece.substr(consumed);
    const sb::UpgradeRequest request = parser.take();
    const auto refusal = sb::check_upgrade(request, {});
    return refusal ? sb::http_response(*refusal) : sb::upgrade_response(request);
  }
  return "";
}

}  // namespace

TEST_CASE(
    "every handshake of RFC 6455 is answered as it must be, whole, byte by byte and cut in two anywhere") {
  for (const HandshakeCase& row : handshake_cases()) {
    INFO("§" << row.section << " " << row.name);
    const std::string with_frame = row.request + "\x81\x80....";
    const std::string_view bytes = with_frame, request = row.request;
    std::string_view unread;
    CHECK(fault_of(row, answer_to({bytes}, unread)) == "");
    if (row.status == 101) CHECK(unread == bytes.substr(request.size()));
    std::vector<std::string_view> single;
    single.reserve(request.size());
    for (std::size_t i = 0; i < request.size(); ++i) single.push_back(request.substr(i, 1));
    CHECK(fault_of(row, answer_to(single, unread)) == "");
    for (std::size_t cut = 0; cut <= request.size(); ++cut) {
      const std::string wrong =
          fault_of(row, answer_to({request.substr(0, cut), request.substr(cut)}, unread));
      if (wrong.empty()) continue;
      INFO("cut after " << cut);
      CHECK(wrong == "");
      break;
    }
  }
}

TEST_CASE("no two rows of RFC 6455's handshakes are one") {
  std::set<std::string> names;
  for (const HandshakeCase& row : handshake_cases()) {
    INFO("§" << row.section << " " << row.name);
    CHECK(names.insert(row.section + row.name).second);
  }
}
