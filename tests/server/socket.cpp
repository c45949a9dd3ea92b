// SPDX-License-Identifier: MIT
#include <csignal>

#include <switchboard/server/socket.hpp>

#include "support/catch.hpp"

namespace net = switchboard::net;
using net::Transfer;

namespace {

struct Pair {
  Pair() {
    int both[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0);
    REQUIRE(net::make_non_blocking(both[0]));
    ours = net::FileDescriptor{both[0]};
    peer = net::FileDescriptor{both[1]};
  }
  net::FileDescriptor ours, peer;
};

iovec piece(std::string& bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

TEST_CASE("a write without a reader is an error and no signal, in one piece or several") {
  REQUIRE(std::signal(SIGPIPE, SIG_DFL) != SIG_ERR);  // it would end the test
  Pair pair;
  pair.peer.reset();
  std::string bytes = "x";
  iovec pieces[] = {piece(bytes), piece(bytes)};
  CHECK(net::write_some(pair.ours.get(), {pieces, 1}).kind == Transfer::Kind::broken);
  CHECK(net::write_some(pair.ours.get(), {pieces, 2}).kind == Transfer::Kind::broken);
}

TEST_CASE("reading tells bytes, none for now, and the end apart") {
  Pair pair;
  char buffer[16];
  CHECK(net::read_some(pair.ours.get(), buffer).kind == Transfer::Kind::would_block);
  REQUIRE(::send(pair.peer.get(), "abc", 3, 0) == 3);
  const Transfer read = net::read_some(pair.ours.get(), buffer);
  CHECK(read.kind == Transfer::Kind::some);
  CHECK(std::string(buffer, read.bytes) == "abc");
  pair.peer.reset();
  CHECK(net::read_some(pair.ours.get(), buffer).kind == Transfer::Kind::end);
}

TEST_CASE("a write that the kernel takes in part says how much, and then that it would block") {
  Pair pair;
  std::string bytes(10'000'000, 'x');
  iovec pieces[] = {piece(bytes)};
  const Transfer first = net::write_some(pair.ours.get(), pieces);
  CHECK(first.kind == Transfer::Kind::some);
  CHECK(first.bytes < bytes.size());
  CHECK(net::write_some(pair.ours.get(), pieces).kind == Transfer::Kind::would_block);
}

TEST_CASE("pieces are written in order") {
  Pair pair;
  std::string one = "one ", two = "two";
  iovec pieces[] = {piece(one), piece(two)};
  CHECK(net::write_some(pair.ours.get(), pieces).bytes == 7);
  char buffer[16];
  CHECK(std::string(buffer, net::read_some(pair.peer.get(), buffer).bytes) == "one two");
}

TEST_CASE("an address is read as it is written, with its port") {
  const net::Address v4 = net::parse_address("10.1.2.3", 80).to_address();
  CHECK(v4.is_v4());
  CHECK(v4.to_string() == "10.1.2.3");
  CHECK(v4.port == 80);
  const net::Address v6 = net::parse_address("2001:db8::1", 443).to_address();
  CHECK_FALSE(v6.is_v4());
  CHECK(v6.to_string() == "2001:0db8:0000:0000:0000:0000:0000:0001");
  CHECK(v6.port == 443);
  CHECK(net::endpoint_text("::1", 80) == "[::1]:80");
  CHECK(net::endpoint_text("10.1.2.3", 80) == "10.1.2.3:80");
}

TEST_CASE("a descriptor is closed with its owner, and only once") {
  int both[2];
  REQUIRE(::pipe(both) == 0);
  net::FileDescriptor end{both[1]};
  {
    net::FileDescriptor first{both[0]};
    const net::FileDescriptor moved = std::move(first);
    CHECK_FALSE(first.is_open());
    CHECK(::fcntl(both[0], F_GETFD) >= 0);
  }
  CHECK(::fcntl(both[0], F_GETFD) < 0);
}
