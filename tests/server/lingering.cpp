// SPDX-License-Identifier: MIT
#include <asio/io_context.hpp>

#include <switchboard/server/lingering.hpp>

#include "server/socket_pair.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
namespace sb = switchboard;
namespace net = sb::net;

namespace {

using Pair = SocketPair;

// Remembers what it is told to watch, so that readiness can be played by hand.
struct Watched {
  std::error_code add(int, net::ReadyToken token, net::Interest) {
    if (is_full) return std::make_error_code(std::errc::not_enough_memory);
    tokens.push_back(token);
    return {};
  }
  void remove(int, net::ReadyToken token) { std::erase(tokens, token); }
  std::vector<net::ReadyToken> tokens;
  bool is_full = false;
};

bool sees_end(const Pair& pair) {
  return net::discard_some(pair.peer.get()).kind == net::Transfer::Kind::end;
}

}  // namespace

TEST_CASE("a lingering socket is shut down at once and kept until the peer closes") {
  Watched watched;
  sb::Lingering<Watched> lingering(watched, 100);
  Pair pair;
  lingering.add(std::move(pair.ours), sb::TimePoint{});
  CHECK(sees_end(pair));
  REQUIRE(watched.tokens == std::vector<net::ReadyToken>{100});

  REQUIRE(::send(pair.peer.get(), "late", 4, 0) == 4);
  lingering.on_ready(0);
  CHECK(lingering.size() == 1);
  pair.peer.reset();
  lingering.on_ready(0);
  CHECK(lingering.empty());
  CHECK(watched.tokens.empty());
}

TEST_CASE("a socket whose peer has closed already does not linger") {
  Watched watched;
  sb::Lingering<Watched> lingering(watched, 100);
  Pair pair;
  pair.peer.reset();
  lingering.add(std::move(pair.ours), sb::TimePoint{});
  CHECK(lingering.empty());
  CHECK(watched.tokens.empty());
}

TEST_CASE("lingering ends after five seconds, each socket by its own time") {
  Watched watched;
  sb::Lingering<Watched> lingering(watched, 100);
  Pair first, second;
  const sb::TimePoint start{};
  CHECK(lingering.next_deadline() == sb::TimePoint::max());
  lingering.add(std::move(first.ours), start);
  lingering.add(std::move(second.ours), start + 2s);
  CHECK(lingering.next_deadline() == start + 5s);
  lingering.expire(start + 4s);
  CHECK(lingering.size() == 2);
  lingering.expire(start + 5s);
  CHECK(lingering.size() == 1);
  CHECK(lingering.next_deadline() == start + 7s);
  lingering.expire(start + 7s);
  CHECK(lingering.empty());
}

TEST_CASE("a place freed by one lingering socket is used by the next") {
  Watched watched;
  sb::Lingering<Watched> lingering(watched, 100);
  for (int i = 0; i < 3; ++i) {
    Pair pair;
    lingering.add(std::move(pair.ours), sb::TimePoint{});
    CHECK(watched.tokens == std::vector<net::ReadyToken>{100});
    lingering.close_all();
  }
}

TEST_CASE("a socket that cannot be watched is closed instead of lingering") {
  Watched watched;
  watched.is_full = true;
  sb::Lingering<Watched> lingering(watched, 100);
  Pair pair;
  lingering.add(std::move(pair.ours), sb::TimePoint{});
  CHECK(lingering.empty());
  CHECK(::send(pair.peer.get(), "x", 1, MSG_NOSIGNAL) < 0);
}

TEST_CASE("a peer that still takes bytes is given more time, one that takes none is reset") {
  // TCP, since only there the kernel tells what it still holds.
  net::FileDescriptor listener{::socket(AF_INET, SOCK_STREAM, 0)};
  net::NativeAddress address = net::parse_address("127.0.0.1", 0);
  REQUIRE(::bind(listener.get(), address.data(), address.length) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  address = net::local_address(listener.get());
  net::FileDescriptor peer{::socket(AF_INET, SOCK_STREAM, 0)};
  net::set_option(peer.get(), SOL_SOCKET, SO_RCVBUF, 8 * 1024);  // the peer's kernel takes little by itself
  REQUIRE(::connect(peer.get(), address.data(), address.length) == 0);
  net::FileDescriptor ours{::accept(listener.get(), nullptr, nullptr)};
  net::make_non_blocking(ours.get());
  net::set_option(ours.get(), SOL_SOCKET, SO_SNDBUF, 500'000);
  const std::string bytes(1'000'000, 'x');
  REQUIRE(::send(ours.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 200'000);

  Watched watched;
  sb::Lingering<Watched> lingering(watched, 100);
  const int descriptor = ours.get();
  const std::size_t unsent = net::unsent_bytes(descriptor);
  REQUIRE(unsent > 200'000);
  lingering.add(std::move(ours), sb::TimePoint{});
  std::string taken(50'000, '\0');
  REQUIRE(::recv(peer.get(), taken.data(), taken.size(), MSG_WAITALL) == 50'000);
  while (net::unsent_bytes(descriptor) >= unsent) {
  }  // the kernel's own acknowledgement is on its way
  lingering.expire(sb::TimePoint{} + 5s);
  CHECK(lingering.size() == 1);
  CHECK(lingering.next_deadline() == sb::TimePoint{} + 10s);
  lingering.expire(sb::TimePoint{} + 10s);
  lingering.expire(sb::TimePoint{} + 15s);
  CHECK(lingering.empty());
  ssize_t read = 1;
  while (read > 0) read = ::recv(peer.get(), taken.data(), taken.size(), 0);
  CHECK(read < 0);
  CHECK(errno == ECONNRESET);
}
