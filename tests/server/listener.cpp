// SPDX-License-Identifier: MIT
#include <switchboard/server/listener.hpp>

#include "server/tcp_client.hpp"
#include "support/catch.hpp"

namespace net = switchboard::net;
using net::listen_on;
using net::PortSharing;
using tcp::Client;

TEST_CASE("port 0 picks a port that all shards then share") {
  const net::ListenerSet set = listen_on("127.0.0.1", 0, 4, PortSharing::one_listener_per_shard);
  CHECK(set.port != 0);
  REQUIRE(set.listeners.size() == 4);
  for (const net::Listener& listener : set.listeners) CHECK(listener.port() == set.port);
}

TEST_CASE("a second server on the same port is refused, however many shards either has") {
  const auto shards = GENERATE(std::size_t{1}, std::size_t{3});
  const auto others = GENERATE(std::size_t{1}, std::size_t{2});
  const net::ListenerSet set = listen_on("127.0.0.1", 0, shards);
  try {
    listen_on("127.0.0.1", set.port, others);
    FAIL("it was bound silently");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::address_in_use);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("127.0.0.1:" + std::to_string(set.port)));
  }
}

TEST_CASE("a port is free again as soon as its server has gone, connections or not") {
  std::uint16_t port = 0;
  {
    const net::ListenerSet set = listen_on("127.0.0.1", 0, 2);
    port = set.port;
    Client client(port);
    net::AcceptResult accepted;
    for (const net::Listener& listener : set.listeners)
      if (accepted.kind != net::AcceptResult::Kind::socket) accepted = listener.accept();
    REQUIRE(accepted.kind == net::AcceptResult::Kind::socket);
    accepted.socket.reset();  // closing first leaves the port in TIME_WAIT
  }
  CHECK_NOTHROW(listen_on("127.0.0.1", port, 2));
}

TEST_CASE("an address that is none, or not this machine's, is an exception that names it") {
  CHECK_THROWS_WITH(listen_on("localhost", 80, 1), Catch::Matchers::ContainsSubstring("localhost:80"));
  CHECK_THROWS_WITH(listen_on("192.0.2.1", 8080, 1), Catch::Matchers::ContainsSubstring("192.0.2.1:8080"));
  CHECK_THROWS_WITH(listen_on("2001:db8::1", 8080, 1),
                    Catch::Matchers::ContainsSubstring("[2001:db8::1]:8080"));
}

TEST_CASE("an accepted socket does not block, sends small frames at once, and knows its peer") {
  const net::ListenerSet set = listen_on("127.0.0.1", 0, 1);
  CHECK(set.listeners.front().accept().kind == net::AcceptResult::Kind::none);
  Client client(set.port);
  net::AcceptResult accepted = set.listeners.front().accept();
  REQUIRE(accepted.kind == net::AcceptResult::Kind::socket);
  CHECK(accepted.peer.to_string() == "127.0.0.1");
  CHECK(accepted.peer.port == net::local_address(client.descriptor()).port());
  CHECK((::fcntl(accepted.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(accepted.socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  REQUIRE(::getsockopt(accepted.socket.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
  CHECK(no_delay != 0);
}

TEST_CASE("an IPv6 wildcard hears both families") {
  net::ListenerSet set;
  try {
    set = listen_on("::", 0, 1);
  } catch (const std::system_error&) {
    WARN("no IPv6 here");
    return;
  }
  Client v4(set.port), v6(set.port, "::1");
  const net::AcceptResult first = set.listeners.front().accept(), second = set.listeners.front().accept();
  CHECK(first.peer.to_string() == "127.0.0.1");
  CHECK(second.peer.to_string() == "0000:0000:0000:0000:0000:0000:0000:0001");
}
