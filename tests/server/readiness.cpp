// SPDX-License-Identifier: MIT
#include <set>

#include <asio/io_context.hpp>

#include <switchboard/server/asio_readiness.hpp>
#include <switchboard/server/readiness.hpp>
#include <switchboard/server/socket.hpp>

#include "server/socket_pair.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
namespace net = switchboard::net;
using net::ReadyEvent;

namespace {

struct Pair : SocketPair {
  void send() { REQUIRE(::send(peer.get(), "x", 1, 0) == 1); }
};

template <class Type>
struct Watching {
  asio::io_context context;
  Type readiness{context.get_executor()};

  // The next batch; empty if none comes. A wait that found nothing goes on.
  std::vector<ReadyEvent> batch() {
    events.clear();
    if (!std::exchange(is_waiting, true)) {
      readiness.async_wait([this](std::span<const ReadyEvent> ready) {
        events.assign(ready.begin(), ready.end());
        is_waiting = false;
      });
    }
    const auto deadline = std::chrono::steady_clock::now() + 50ms;
    while (is_waiting && std::chrono::steady_clock::now() < deadline) {
      context.restart();
      context.run_one_until(deadline);
    }
    return events;
  }

  std::vector<ReadyEvent> events;
  bool is_waiting = false;
};

}  // namespace

#define READINESS_TEST(name) TEMPLATE_TEST_CASE(name, "", net::Readiness, net::AsioReadiness)

READINESS_TEST("input is reported again and again until it is read") {
  Pair pair;
  Watching<TestType> watching;
  REQUIRE_FALSE(watching.readiness.add(pair.ours.get(), 7, {.read = true}));
  pair.send();
  for (int i = 0; i < 3; ++i) {
    const std::vector<ReadyEvent> events = watching.batch();
    REQUIRE(events.size() == 1);
    CHECK(events[0].token == 7);
    CHECK(events[0].readable);
    CHECK_FALSE(events[0].writable);
  }
  net::discard_some(pair.ours.get());
  CHECK(watching.batch().empty());
  watching.readiness.remove(pair.ours.get(), 7);
}

READINESS_TEST("only what is of interest is reported, as it is at the moment") {
  Pair pair;
  Watching<TestType> watching;
  REQUIRE_FALSE(watching.readiness.add(pair.ours.get(), 1, {}));
  pair.send();
  CHECK(watching.batch().empty());
  watching.readiness.change(pair.ours.get(), 1, {.write = true});
  std::vector<ReadyEvent> events = watching.batch();
  REQUIRE(events.size() == 1);
  CHECK(events[0].writable);
  CHECK_FALSE(events[0].readable);
  watching.readiness.change(pair.ours.get(), 1, {.read = true});
  events = watching.batch();
  REQUIRE(events.size() == 1);
  CHECK(events[0].readable);
  CHECK_FALSE(events[0].writable);
  watching.readiness.remove(pair.ours.get(), 1);
}

READINESS_TEST("a removed descriptor is reported no more, and its token may be used again") {
  Pair first, second;
  Watching<TestType> watching;
  REQUIRE_FALSE(watching.readiness.add(first.ours.get(), 1, {.read = true}));
  first.send();
  REQUIRE(watching.batch().size() == 1);
  watching.readiness.remove(first.ours.get(), 1);
  CHECK(watching.batch().empty());
  REQUIRE_FALSE(watching.readiness.add(second.ours.get(), 1, {.read = true}));
  CHECK(watching.batch().empty());
  second.send();
  CHECK(watching.batch().size() == 1);
  watching.readiness.remove(second.ours.get(), 1);
}

static_assert(net::max_ready_batch == 1024);

READINESS_TEST("a batch holds at most 1024 events, and in the end all are reported") {
  std::vector<Pair> pairs(1500);
  Watching<TestType> watching;
  for (net::ReadyToken i = 0; i < pairs.size(); ++i) {
    REQUIRE_FALSE(watching.readiness.add(pairs[i].ours.get(), i, {.read = true}));
    pairs[i].send();
  }
  std::set<net::ReadyToken> seen;
  for (int i = 0; i < 2000 && seen.size() < pairs.size(); ++i) {
    const std::vector<ReadyEvent> events = watching.batch();
    CHECK(events.size() <= net::max_ready_batch);
    for (const ReadyEvent& event : events) {
      seen.insert(event.token);
      net::discard_some(pairs[event.token].ours.get());
    }
  }
  CHECK(seen.size() == pairs.size());
  for (net::ReadyToken i = 0; i < pairs.size(); ++i) watching.readiness.remove(pairs[i].ours.get(), i);
}

READINESS_TEST("other work of the context gets its turn between two batches") {
  Pair pair;
  Watching<TestType> watching;
  REQUIRE_FALSE(watching.readiness.add(pair.ours.get(), 1, {.read = true}));
  pair.send();
  int batches = 0, others = 0;
  std::function<void()> wait = [&] {
    watching.readiness.async_wait([&](std::span<const ReadyEvent>) {
      ++batches;
      wait();  // the input is never read: always ready
    });
  };
  std::function<void()> other = [&] {
    ++others;
    asio::post(watching.context, other);
  };
  wait();
  other();
  for (int i = 0; i < 100'000 && batches < 20; ++i) watching.context.run_one();
  CHECK(batches >= 20);
  CHECK(others >= 20);
  watching.readiness.remove(pair.ours.get(), 1);
}

READINESS_TEST("after a cancel nothing is reported") {
  Pair pair;
  Watching<TestType> watching;
  REQUIRE_FALSE(watching.readiness.add(pair.ours.get(), 1, {.read = true}));
  bool came = false;
  watching.readiness.async_wait([&](std::span<const ReadyEvent>) { came = true; });
  watching.readiness.cancel();
  pair.send();
  watching.context.run_for(20ms);
  CHECK_FALSE(came);
  watching.readiness.remove(pair.ours.get(), 1);
}

READINESS_TEST("the set may go while waits are under way, and leaves the descriptors to their owner") {
  Pair pair;
  asio::io_context context;
  {
    TestType readiness(context.get_executor());
    REQUIRE_FALSE(readiness.add(pair.ours.get(), 1, {.read = true}));
    readiness.async_wait([](std::span<const ReadyEvent>) { FAIL("reported"); });
    context.poll();
    readiness.cancel();
    context.poll();
  }
  context.poll();
  pair.send();
  char byte;
  CHECK(::recv(pair.ours.get(), &byte, 1, 0) == 1);
}

READINESS_TEST("a descriptor that cannot be watched is an error") {
  Watching<TestType> watching;
  CHECK(watching.readiness.add(-1, 1, {.read = true}));
}
