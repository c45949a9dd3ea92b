// SPDX-License-Identifier: MIT
#include <switchboard/hub/names.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::string_literals;

TEST_CASE("a channel's name is 1 to 200 bytes of UTF-8") {
  CHECK_FALSE(check_channel("a"));
  CHECK_FALSE(check_channel(" a b/c:d.e"));
  CHECK_FALSE(check_channel("größe \U0001F600"));
  CHECK_FALSE(check_channel(std::string(200, 'x')));
  CHECK(check_channel(std::string(201, 'x')) == ErrorCode::channel_too_long);
  CHECK_FALSE(check_channel(std::string(198, 'x') + "é"));
  CHECK(check_channel(std::string(199, 'x') + "é") == ErrorCode::channel_too_long);
  CHECK(check_channel("") == ErrorCode::channel_invalid);
  CHECK(check_channel("a\xff") == ErrorCode::channel_invalid);
  CHECK(check_channel("\xc3") == ErrorCode::channel_invalid);
}

TEST_CASE("a dollar in front is reserved, elsewhere it is not") {
  CHECK(check_channel("$") == ErrorCode::channel_reserved);
  CHECK(check_channel("$user:ann") == ErrorCode::channel_reserved);
  CHECK_FALSE(check_channel("us$"));
}

TEST_CASE("control characters are C0, DEL and C1, and no others") {
  for (const std::string& name : {"\0"s, "a\0b"s, "a\n"s, "\x1f"s, "a\x7f"s, "\u0080"s, "a\u009f"s})
    CHECK(check_channel(name) == ErrorCode::channel_invalid);
  for (const char* name : {" ", "~", "\u00a0", "\u00bf", "\u0100", "\u2028", "Ā"})
    CHECK_FALSE(check_channel(name));
}

TEST_CASE("a user id that can be addressed is not empty, at most 200 bytes, and UTF-8") {
  CHECK(is_user_id("a"));
  CHECK(is_user_id(std::string(200, 'x')));
  CHECK_FALSE(is_user_id(std::string(201, 'x')));
  CHECK_FALSE(is_user_id(""));
  CHECK_FALSE(is_user_id("\xff"));
}

TEST_CASE("a user's own channel is one that no client can name") {
  CHECK(user_channel("ann") == "$user:ann");
  CHECK(check_channel(user_channel("ann")) == ErrorCode::channel_reserved);
  CHECK(user_channel("ann").starts_with(user_channel_prefix));
}
