// SPDX-License-Identifier: MIT
#include <switchboard/protocol/address.hpp>

#include "support/catch.hpp"

using switchboard::net::Address;

TEST_CASE("an IPv4 address is written dotted") {
  const Address address = Address::v4(192, 0, 2, 255, 80);
  CHECK(address.is_v4());
  CHECK(address.port == 80);
  CHECK(address.to_string() == "192.0.2.255");
}

TEST_CASE("an IPv6 address is written as eight groups") {
  const Address address{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f}, 0};
  CHECK_FALSE(address.is_v4());
  CHECK(address.to_string() == "2001:0db8:0000:0000:0000:0000:0000:001f");
  CHECK_FALSE(Address{}.is_v4());
}

TEST_CASE("addresses compare by all their bytes and the port") {
  CHECK(Address::v4(1, 2, 3, 4, 5) == Address::v4(1, 2, 3, 4, 5));
  CHECK(Address::v4(1, 2, 3, 4, 5) != Address::v4(1, 2, 3, 4, 6));
  CHECK(Address::v4(1, 2, 3, 4) < Address::v4(1, 2, 3, 5));
}
