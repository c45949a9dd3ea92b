// SPDX-License-Identifier: MIT
#include <set>

#include <switchboard/hub/error_code.hpp>

#include "support/catch.hpp"

using namespace switchboard;

TEST_CASE("the codes are those of protocol.md, each once") {
  CHECK(to_string(ErrorCode::json_invalid) == "json.invalid");
  CHECK(to_string(ErrorCode::field_missing) == "field.missing");
  CHECK(to_string(ErrorCode::channel_reserved) == "channel.reserved");
  CHECK(to_string(ErrorCode::subscribe_limit) == "subscribe.limit");
  CHECK(to_string(ErrorCode::publish_unavailable) == "publish.unavailable");
  CHECK(to_string(ErrorCode::presence_unavailable) == "presence.unavailable");
  CHECK(to_string(ErrorCode::binary_too_large) == "binary.too_large");
  CHECK(to_string(ErrorCode::rate_limited) == "rate.limited");
  CHECK(to_string(ErrorCode::internal_error) == "internal.error");
  CHECK(std::set<std::string_view>(error_code_names.begin(), error_code_names.end()).size() ==
        error_code_names.size());
}
