// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/hub/request_ids.hpp>

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

TEST_CASE("of ids that are the same as values the newest is given back") {
  WrittenIds ids;
  ids.remember("1.50");
  ids.remember("1.500");
  ids.remember("1.500");
  CHECK(ids.take("1.5") == "1.500");
  CHECK(ids.take("1.5") == "1.500");
  CHECK(ids.take("1.5") == "1.5");
  ids.remember("1.50");
  ids.remember("1.5");
  CHECK(ids.take("1.5") == "1.5");
}
