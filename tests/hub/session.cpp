// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/hub/session.hpp>

#include "support/catch.hpp"

using switchboard::WrittenIds;

TEST_CASE("an id is given back as it was written, once, and one that needed no keeping as it is") {
  WrittenIds ids;
  ids.remember("1e2");
  ids.remember("7");
  ids.remember("");
  CHECK(ids.size() == 1);
  CHECK(ids.take("7") == "7");
  CHECK(ids.take("100.0") == "1e2");
  CHECK(ids.take("100.0") == "100.0");
  CHECK(ids.size() == 0);
}
