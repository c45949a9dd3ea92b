// SPDX-License-Identifier: MIT
#include <memory>
#include <string>
#include <vector>

#include <switchboard/patterns/binary_dispatcher.hpp>

#include "support/catch.hpp"

using namespace switchboard;

namespace {

using Payload = std::span<const std::byte>;

enum class Kind : std::uint16_t { image = 1, sound = 0x0203 };
enum class Signed : int { below_zero = -1, fine = 5 };

std::vector<std::byte> message(std::initializer_list<int> bytes) {
  std::vector<std::byte> result;
  for (const int byte : bytes) result.push_back(static_cast<std::byte>(byte));
  return result;
}

std::vector<std::byte> message(std::uint32_t type, std::size_t payload_size) {
  const auto head = BinaryFraming::write_type(type);
  std::vector<std::byte> result(head.begin(), head.end());
  result.resize(BinaryFraming::type_size + payload_size);
  return result;
}

// Like an awaitable: made from something, or empty.
struct Task {
  std::string from = "nothing";
};

}  // namespace

TEST_CASE("a message reaches the handler of its type, with the arguments and the payload behind the type") {
  BinaryDispatcher<std::string&> dispatcher;
  std::vector<std::byte> seen;
  dispatcher.on(0x01020304, [&](std::string& who, Payload payload) {
    who += " was here";
    seen.assign(payload.begin(), payload.end());
  });
  dispatcher.on(5, [](std::string& who, Payload) { who = "wrong"; });
  std::string who = "ann";
  CHECK(dispatcher.dispatch(message({1, 2, 3, 4, 0xfe, 0xff}), who) == BinaryResult::handled);
  CHECK(who == "ann was here");
  CHECK(seen == message({0xfe, 0xff}));
  CHECK(dispatcher.size() == 2);
}

TEST_CASE("a message of four bytes has an empty payload, a shorter one no type") {
  BinaryDispatcher<> dispatcher;
  std::size_t size = 99;
  dispatcher.on(0, [&](Payload payload) { size = payload.size(); });
  CHECK(dispatcher.dispatch(message({0, 0, 0, 0})) == BinaryResult::handled);
  CHECK(size == 0);
  for (const auto& brief : {message({}), message({0}), message({0, 0, 0})}) {
    CHECK(dispatcher.dispatch(brief) == BinaryResult::too_short);
  }
}

TEST_CASE("a type without a handler is unknown") {
  BinaryDispatcher<> dispatcher;
  CHECK(dispatcher.empty());
  CHECK(dispatcher.dispatch(message(1, 10)) == BinaryResult::unknown_type);
  dispatcher.on(1, [](Payload) {});
  CHECK(dispatcher.dispatch(message(0x0100'0000, 10)) == BinaryResult::unknown_type);  // little-endian 1
  CHECK(dispatcher.find(2) == nullptr);
}

TEST_CASE("a payload may be as large as its handler's limit, one byte more is too large") {
  BinaryDispatcher<> dispatcher;
  int calls = 0;
  dispatcher.on(1, {.max_size = 10}, [&](Payload) { ++calls; });
  dispatcher.on(2, [&](Payload) { ++calls; });
  dispatcher.on(3, {.max_size = 0}, [&](Payload) { ++calls; });
  CHECK(dispatcher.dispatch(message(1, 10)) == BinaryResult::handled);
  CHECK(dispatcher.dispatch(message(1, 11)) == BinaryResult::too_large);
  CHECK(dispatcher.dispatch(message(2, 1 << 20)) == BinaryResult::handled);  // the default: 1 MiB
  CHECK(dispatcher.dispatch(message(2, (1 << 20) + 1)) == BinaryResult::too_large);
  CHECK(dispatcher.dispatch(message(3, 0)) == BinaryResult::handled);
  CHECK(dispatcher.dispatch(message(3, 1)) == BinaryResult::too_large);
  CHECK(calls == 3);
  REQUIRE(dispatcher.find(1) != nullptr);
  CHECK(dispatcher.find(1)->max_size == 10);  // known before the payload has come
}

TEST_CASE("types may be a user's enum") {
  BinaryDispatcher<> dispatcher;
  int image = 0, sound = 0;
  dispatcher.on(Kind::image, [&](Payload) { ++image; }).on(Kind::sound, {.max_size = 3}, [&](Payload) {
    ++sound;
  });
  CHECK(dispatcher.dispatch(message({0, 0, 2, 3})) == BinaryResult::handled);
  CHECK(sound == 1);
  CHECK(image == 0);
  CHECK(dispatcher.find(1) != nullptr);
}

TEST_CASE("registering a type twice, or one that is no 32-bit number, is a logic error and changes nothing") {
  BinaryDispatcher<> dispatcher;
  std::string called;
  dispatcher.on(1, [&](Payload) { called = "first"; });
  CHECK_THROWS_AS(dispatcher.on(1, [&](Payload) { called = "second"; }), std::logic_error);
  CHECK_THROWS_AS(dispatcher.on(Kind::image, [&](Payload) { called = "second"; }), std::logic_error);
  CHECK_THROWS_AS(dispatcher.on(-1, [](Payload) {}), std::logic_error);
  CHECK_THROWS_AS(dispatcher.on(Signed::below_zero, [](Payload) {}), std::logic_error);
  CHECK_THROWS_AS(dispatcher.on(std::int64_t{1} << 32, [](Payload) {}), std::logic_error);
  CHECK_THROWS_AS(dispatcher.on(~std::uint64_t{0}, [](Payload) {}), std::logic_error);
  dispatcher.on(0xffff'ffffU, [](Payload) {}).on(Signed::fine, [](Payload) {});
  CHECK(dispatcher.size() == 3);
  CHECK(dispatcher.dispatch(message(1, 0)) == BinaryResult::handled);
  CHECK(called == "first");
}

TEST_CASE("what a handler throws passes through") {
  BinaryDispatcher<> dispatcher;
  dispatcher.on(1, [](Payload) { throw std::runtime_error("on purpose"); });
  CHECK_THROWS_AS(dispatcher.dispatch(message(1, 0)), std::runtime_error);
}

TEST_CASE(
    "a dispatcher with a result hands on what its handlers return, and an empty result for those that return "
    "nothing") {
  BasicBinaryDispatcher<Task, int> dispatcher;
  int seen = 0;
  dispatcher.on(1, [](int number, Payload) { return Task{std::to_string(number)}; });
  dispatcher.on(2, [&](int number, Payload) { seen = number; });
  const auto* returning = dispatcher.find(1);
  const auto* silent = dispatcher.find(2);
  REQUIRE((returning != nullptr && silent != nullptr));
  CHECK_FALSE(returning->returns_void);
  CHECK(silent->returns_void);
  CHECK(returning->invoke(7, {}).from == "7");
  CHECK(silent->invoke(8, {}).from == "nothing");
  CHECK(seen == 8);
}

TEST_CASE("arguments are moved to the handler, not copied") {
  BinaryDispatcher<std::shared_ptr<int>> dispatcher;
  long uses = 0;
  dispatcher.on(1, [&](std::shared_ptr<int> argument, Payload) { uses = argument.use_count(); });
  CHECK(dispatcher.dispatch(message(1, 0), std::make_shared<int>(1)) == BinaryResult::handled);
  CHECK(uses == 1);
}

TEST_CASE("entries stay where they are while more are registered") {
  BinaryDispatcher<> dispatcher;
  dispatcher.on(0, [](Payload) {});
  const auto* entry = dispatcher.find(0);
  for (int type = 1; type < 1000; ++type) dispatcher.on(type, [](Payload) {});
  CHECK(dispatcher.find(0) == entry);
}

TEST_CASE("a type is written big-endian and read back") {
  static_assert(BinaryFraming::read_type(BinaryFraming::write_type(0xdeadbeef)) == 0xdeadbeef);
  CHECK(BinaryFraming::write_type(0x01020304) ==
        std::array<std::byte, 4>{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}});
  CHECK_FALSE(BinaryFraming::read_type(message({1, 2, 3})));
}
