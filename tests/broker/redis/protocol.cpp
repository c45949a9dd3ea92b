// SPDX-License-Identifier: MIT
#include <random>

#include <switchboard/broker/broker.hpp>
#include <switchboard/broker/redis/command.hpp>
#include <switchboard/broker/redis/flush_policy.hpp>
#include <switchboard/broker/redis/handshake.hpp>
#include <switchboard/broker/redis/pending_calls.hpp>
#include <switchboard/broker/redis/redis_errc.hpp>
#include <switchboard/broker/redis/reply_reader.hpp>
#include <switchboard/broker/redis/wire_message.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using redis::Handshake;
using redis::Reply;
using redis::ReplyReader;

namespace {

std::string shown(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::text:
      return '"' + reply.text + '"';
    case Reply::Type::status:
      return '+' + reply.text;
    case Reply::Type::error:
      return '-' + reply.text;
    case Reply::Type::integer:
      return std::to_string(reply.integer);
    case Reply::Type::nothing:
      return "nil";
    case Reply::Type::array:
      break;
  }
  std::string text = "[";
  for (const Reply* element : reply.elements) text += shown(*element) + ' ';
  return text + ']';
}

Reply status(std::string text, Reply::Type type = Reply::Type::status) {
  Reply reply;
  reply.type = type;
  reply.text = std::move(text);
  return reply;
}

}  // namespace

TEST_CASE("commands are arrays of strings of any bytes") {
  using namespace std::string_literals;
  std::string out;
  redis::append_command(out, {"SET", "a\0b"s, ""});
  CHECK(out == "*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n"s);
}

TEST_CASE("replies are read however the bytes are cut") {
  const std::string bytes =
      "+OK\r\n:42\r\n$-1\r\n-ERR no\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n"
      "*2\r\n*2\r\n:1\r\n$1\r\nx\r\n+y\r\n";
  const std::string expected = "+OK 42 nil -ERR no [\"message\" \"c\" \"a\r\nb\" ] [[1 \"x\" ] +y ] ";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ReplyReader reader;
    std::string seen;
    const auto note = [&](Reply& reply) {
      seen += shown(reply) + ' ';
      return true;
    };
    for (std::size_t at = 0; at < bytes.size(); at += cut)
      REQUIRE(reader.read(std::string_view(bytes).substr(at, cut), note));
    CHECK(seen == expected);
  }
}

TEST_CASE("garbage, and a reply that is too large, are an error and stay one") {
  const auto ignore = [](Reply&) { return true; };
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    std::string bytes = round == 0 ? "HTTP/1.1 400 Bad Request\r\n\r\n" : std::string(200, '\0');
    if (round > 0)
      for (char& byte : bytes) byte = static_cast<char>(random());
    ReplyReader reader;
    if (!reader.read(bytes, ignore)) {
      ++refused;
      CHECK_FALSE(reader.read("+OK\r\n", ignore));
    }
  }
  CHECK(refused > 150);

  ReplyReader small(1000);
  CHECK_FALSE(small.read("$100000\r\n" + std::string(5000, 'x'), ignore));
}

TEST_CASE("a handshake logs in, chooses the database and sees whether anyone is there") {
  Handshake handshake({"ann", "secret"}, 3, "sb");
  CHECK(handshake.begin() ==
        "*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$2\r\nsb\r\n*1\r\n$4\r\nPING\r\n");
  CHECK(handshake.on_reply(status("OK")) == Handshake::Result::more);
  CHECK(handshake.on_reply(status("OK")) == Handshake::Result::more);
  CHECK(handshake.on_reply(status("NOPERM", Reply::Type::error)) == Handshake::Result::more);
  CHECK(handshake.on_reply(status("PONG")) == Handshake::Result::done);

  Handshake plain({"", "secret"}, 0, "sb");
  CHECK(plain.begin().starts_with("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*3"));
  CHECK(plain.on_reply(status("WRONGPASS no", Reply::Type::error)) == Handshake::Result::failed);
  CHECK(plain.error() == redis_errc::wrong_password);
}

TEST_CASE("error answers have their meaning") {
  for (const auto& [answer, meaning] :
       {std::pair{"NOAUTH Authentication required.", redis_errc::auth_required},
        std::pair{"WRONGPASS invalid username", redis_errc::wrong_password},
        std::pair{"ERR invalid password", redis_errc::wrong_password},
        std::pair{"NOPERM this user", redis_errc::no_permission},
        std::pair{"READONLY You can't write", redis_errc::read_only},
        std::pair{"LOADING Redis is loading", redis_errc::loading},
        std::pair{"OOM command not allowed", redis_errc::out_of_memory},
        std::pair{"CLUSTERDOWN Hash slot", redis_errc::cluster_down},
        std::pair{"TRYAGAIN Multiple keys", redis_errc::cluster_down},
        std::pair{"MOVED 1 127.0.0.1:1", redis_errc::moved},
        std::pair{"ASK 1 127.0.0.1:1", redis_errc::moved},
        std::pair{"ERR unknown", redis_errc::server_error}})
    CHECK(redis::classify(answer) == meaning);
  for (const auto& one : redis::error_descriptions) {
    CHECK(redis::error_descriptions[redis::index_of(one.error)].error == one.error);
    CHECK(make_error_code(one.error).message() == one.text);
  }
}

TEST_CASE("a message's header says whose it is, and unknown versions are not read") {
  const redis::WireHeader header{0x0102030405060708, 0xfffffffffffffffe};
  const auto bytes = header.encode();
  const auto read = redis::WireHeader::decode({bytes.data(), bytes.size()});
  REQUIRE(read);
  CHECK(read->origin == header.origin);
  CHECK(read->counter == header.counter);
  std::string other(bytes.data(), bytes.size());
  other[0] = 2;
  CHECK_FALSE(redis::WireHeader::decode(other));
  CHECK_FALSE(redis::WireHeader::decode("short"));
  CHECK(redis::is_same_node(header.origin, header.origin + 1));
}

TEST_CASE("writes grow while answers are outstanding") {
  redis::FlushPolicy policy;
  CHECK_FALSE(policy.may_flush(0));
  for (int i = 0; i < 2; ++i) {
    policy.add();
    REQUIRE(policy.may_flush(100));
    policy.on_flush();
  }
  policy.add();
  policy.add();
  CHECK_FALSE(policy.may_flush(200));
  CHECK(policy.may_flush(redis::FlushPolicy::large));
  policy.on_reply();
  REQUIRE(policy.may_flush(200));
  policy.on_flush();
  CHECK(policy.unanswered() == 3);
}

TEST_CASE("calls end when all their parts have, in whatever order, with the first error") {
  redis::PendingCalls calls;
  const auto one = calls.add([](auto) {}, 2);
  const auto two = calls.add([](auto) {}, 1);
  CHECK_FALSE(calls.finish_part(one, broker_errc::unavailable).done);
  CHECK(calls.finish_part(two, {}).done);
  const auto ended = calls.finish_part(one, broker_errc::queue_full);
  CHECK(ended.done);
  CHECK(ended.error == broker_errc::unavailable);
  CHECK(calls.size() == 0);
  CHECK_FALSE(calls.finish_part(one, {}).done);
  CHECK_FALSE(calls.finish_part(99, {}).done);
}
