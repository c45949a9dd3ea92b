// SPDX-License-Identifier: MIT
#include <set>
#include <string>

#include <switchboard/hub/errc.hpp>

#include "support/catch.hpp"

using switchboard::errc;
using switchboard::make_error_code;

TEST_CASE("each code of the library says something of its own") {
  std::set<std::string> sentences;
  for (const errc code :
       {errc::would_block, errc::stopped, errc::invalid_channel, errc::invalid_user, errc::invalid_json}) {
    const std::error_code error = make_error_code(code);
    CHECK(error == code);
    CHECK(error.category().name() == std::string("switchboard"));
    CHECK(error.message() != "unknown error");
    sentences.insert(error.message());
  }
  CHECK(sentences.size() == 5);
  CHECK(make_error_code(errc{99}).message() == "unknown error");
}
