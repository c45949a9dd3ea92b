// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <switchboard/broker/in_memory_broker.hpp>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "support/catch.hpp"

using namespace switchboard;

static_assert(Broker<InMemoryBroker>);
static_assert(BrokerPort<InMemoryBroker::Port>);
static_assert(PresenceCountPort<InMemoryBroker::Port>);

namespace {

Payload text(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

/// A shard that is run by hand: its port, and what it heard.
struct Shard final : BrokerSink {
  explicit Shard(InMemoryBroker& broker, asio::io_context* shared = nullptr)
      : context(shared ? *shared : own), port(broker.attach(context.get_executor(), *this)) {}

  void on_message(std::string_view channel, const Payload& message) override {
    heard.push_back(std::string(channel) + ":" + *message);
    if (when_heard) when_heard();
  }
  void on_gap(std::string_view) override { heard.push_back("gap"); }

  void subscribe(std::string_view channel) {
    port->subscribe(channel, [this](std::error_code error) { subscribed.push_back(error); });
  }
  void publish(std::string_view channel, std::string bytes) {
    port->publish(channel, text(std::move(bytes)),
                  [this](std::error_code error) { published.push_back(error); });
  }
  std::size_t turn() {
    context.restart();
    return context.poll();
  }

  asio::io_context own;
  asio::io_context& context;
  std::vector<std::string> heard;
  std::vector<std::error_code> subscribed, published;
  std::function<void()> when_heard;
  std::optional<InMemoryBroker::Port> port;
};

/// Lets each shard have turns until none has anything left to do.
template <class... Shards>
void settle(Shards&... shards) {
  while ((shards.turn() + ...) > 0) {
  }
}

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> list;
  for (int n = from; n < to; ++n) list.push_back("news:" + std::to_string(n));
  return list;
}

using Errors = std::vector<std::error_code>;

}  // namespace

TEST_CASE("a ring without room is refused at the start") {
  CHECK_THROWS_AS(InMemoryBroker({.ring_capacity = 0}), std::invalid_argument);
}

TEST_CASE("a lone port answers all calls of a tick in one post, and touches no payload") {
  InMemoryBroker broker;
  Shard shard(broker);
  const Payload payload = text("unseen");
  int done = 0;
  for (int i = 0; i < 100; ++i) {
    shard.port->publish("news", payload, [&](std::error_code error) { done += !error; });
    CHECK(payload.use_count() == 1);
  }
  shard.subscribe("news");
  CHECK(done == 0);
  CHECK(shard.turn() == 1);
  CHECK(done == 100);
  CHECK(shard.subscribed == Errors(1));
  shard.port->publish("news", payload, {});
  CHECK(shard.turn() == 0);
}

TEST_CASE("a port knows whether it has peers from its next turn on") {
  InMemoryBroker broker;
  Shard first(broker);
  CHECK_FALSE(first.port->has_peers());
  {
    Shard second(broker);
    CHECK(second.port->has_peers());
    first.turn();
    CHECK(first.port->has_peers());
  }
  first.turn();
  CHECK_FALSE(first.port->has_peers());
}

TEST_CASE("a subscribe is done only after every other port has taken a turn") {
  InMemoryBroker broker;
  Shard first(broker), second(broker), third(broker);
  settle(first, second, third);
  first.subscribe("news");
  settle(first, second);
  CHECK(first.subscribed.empty());
  third.turn();
  first.turn();
  CHECK(first.subscribed == Errors(1));
}

TEST_CASE("a subscribe does not wait for a port that goes") {
  InMemoryBroker broker;
  Shard first(broker);
  std::optional<Shard> second(broker);
  settle(first, *second);
  first.subscribe("news");
  settle(first);
  CHECK(first.subscribed.empty());
  second.reset();
  settle(first);
  CHECK(first.subscribed == Errors(1));
}

TEST_CASE("what is published in a tick wakes the other side once, and what nobody wants not at all") {
  InMemoryBroker broker;
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  for (int i = 0; i < 100; ++i) first.publish("news", std::to_string(i));
  CHECK(first.turn() == 1);
  CHECK(second.turn() == 1);
  CHECK(second.heard == numbers(0, 100));

  Shard third(broker);
  settle(first, second, third);
  for (Shard* shard : {&first, &third}) {
    shard->publish("news", "again");
    shard->turn();
  }
  CHECK(second.turn() == 1);

  for (int i = 0; i < 100; ++i) first.publish("nobody", "unheard");
  first.turn();
  CHECK(second.turn() == 0);
  second.port->unsubscribe("news");
  settle(first, second, third);
  first.publish("news", "late");
  first.turn();
  CHECK(second.turn() == 0);
}

TEST_CASE("a full ring defers done until there is room, and keeps the order") {
  InMemoryBroker broker({.ring_capacity = 4});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  for (int i = 0; i < 10; ++i) first.publish("news", std::to_string(i));
  first.turn();
  CHECK(first.published.size() == 4);
  second.turn();
  first.turn();
  CHECK(first.published.size() == 8);
  settle(first, second);
  CHECK(first.published == Errors(10));
  CHECK(second.heard == numbers(0, 10));
}

TEST_CASE("beyond max_pending a publish is refused and goes to nobody") {
  InMemoryBroker broker({.ring_capacity = 4, .max_pending = 3});
  Shard first(broker), slow(broker), quick(broker);
  for (Shard* shard : {&slow, &quick}) shard->subscribe("news");
  settle(first, slow, quick);
  for (int i = 0; i < 10; ++i) {
    first.publish("news", std::to_string(i));
    settle(first, quick);
  }
  settle(first, slow, quick);
  CHECK(std::count(first.published.begin(), first.published.end(), std::error_code{}) == 7);
  CHECK(std::count(first.published.begin(), first.published.end(), broker_errc::queue_full) == 3);
  CHECK(slow.heard == numbers(0, 7));
  CHECK(quick.heard == numbers(0, 7));
}

TEST_CASE("a ring is full by bytes too, and one message is always accepted") {
  InMemoryBroker broker({.max_link_bytes = 1'000});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  std::vector<std::string> sent;
  const auto publish = [&](std::size_t bytes) {
    const std::string letters(bytes, static_cast<char>('a' + sent.size()));
    sent.push_back("news:" + letters);
    first.publish("news", letters);
  };
  publish(5'000);
  first.turn();
  CHECK(first.published.size() == 1);
  for (const std::size_t bytes : {300u, 300u, 300u, 300u}) publish(bytes);
  first.turn();
  CHECK(first.published.size() == 1);
  second.turn();
  first.turn();
  CHECK(first.published.size() == 4);  // three fit at a time
  publish(5'000);
  settle(first, second);
  CHECK(first.published == Errors(6));
  CHECK(second.heard == sent);
}

TEST_CASE("what waits for room is bounded in bytes too") {
  InMemoryBroker broker({.max_link_bytes = 1'000, .max_pending_bytes = 1'000});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  for (int i = 0; i < 5; ++i) first.publish("news", std::string(600, 'x'));  // one on its way, one waits
  settle(first, second);
  CHECK(std::count(first.published.begin(), first.published.end(), std::error_code{}) == 2);
  CHECK(std::count(first.published.begin(), first.published.end(), broker_errc::queue_full) == 3);
  CHECK(second.heard.size() == 2);
  for (int i = 0; i < 20; ++i) {
    first.publish("news", std::string(600, 'x'));
    settle(first, second);
  }
  CHECK(second.heard.size() == 22);
}

TEST_CASE("a port that does not listen holds up no other") {
  InMemoryBroker broker({.ring_capacity = 2});
  Shard first(broker), stuck(broker), quick(broker);
  for (Shard* shard : {&stuck, &quick}) shard->subscribe("news");
  settle(first, stuck, quick);
  for (int i = 0; i < 50; ++i) first.publish("news", std::to_string(i));
  settle(first, quick);
  CHECK(quick.heard == numbers(0, 50));
  CHECK(first.published.size() == 2);
  stuck.port.reset();
  settle(first, quick);
  CHECK(first.published == Errors(50));
}

TEST_CASE("what a port published before it went still arrives") {
  InMemoryBroker broker;
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  for (int i = 0; i < 3000; ++i) first.publish("news", std::to_string(i));
  first.port.reset();
  settle(second);
  CHECK(second.heard == numbers(0, 3000));
  CHECK_FALSE(second.port->has_peers());
}

TEST_CASE("a new port sends everything until it knows what is wanted, then only that") {
  InMemoryBroker broker;
  Shard first(broker);
  first.subscribe("news");
  settle(first);
  Shard second(broker);
  second.publish("other", "filtered");
  second.publish("news", "0");
  settle(first, second);
  CHECK(first.heard == numbers(0, 1));
  second.publish("other", "not even sent");
  second.turn();
  CHECK(first.turn() == 0);
}

TEST_CASE("a place that a port leaves is taken without its subscriptions") {
  InMemoryBroker broker;
  Shard first(broker);
  {
    Shard second(broker);
    second.subscribe("news");
    settle(first, second);
  }
  settle(first);
  Shard third(broker);
  settle(first, third);
  first.publish("news", "0");
  first.turn();
  CHECK(third.turn() == 0);
}

TEST_CASE("changes that nobody has seen yet cancel each other") {
  in_memory::Interest interest;
  for (int i = 0; i < 1000; ++i) {
    interest.add("flapping", true);
    interest.add("flapping", false);
  }
  CHECK(interest.changes.empty());
  interest.add("news", true);
  CHECK(interest.changes.at("news"));
}

TEST_CASE("subscriptions that flap while a peer sleeps end as they were last") {
  InMemoryBroker broker;
  Shard first(broker), second(broker);
  settle(first, second);
  for (int i = 0; i < 100; ++i) {
    first.subscribe("on");
    first.subscribe("off");
    if (i % 3 == 0) first.turn();
    first.port->unsubscribe("off");
    if (i % 4 == 0) first.turn();
    if (i < 99) first.port->unsubscribe("on");
  }
  settle(first, second);
  CHECK(first.subscribed == Errors(200));
  second.publish("on", "1");
  second.turn();
  CHECK(first.turn() == 1);
  CHECK(first.heard == std::vector<std::string>{"on:1"});
  second.publish("off", "1");
  second.turn();
  CHECK(first.turn() == 0);
}

TEST_CASE("ports may share one executor, which comes to rest") {
  InMemoryBroker broker;
  asio::io_context context;
  Shard first(broker, &context), second(broker, &context), third(broker, &context);
  for (Shard* shard : {&second, &third}) shard->subscribe("news");
  context.poll();
  CHECK(second.subscribed == Errors(1));
  first.publish("news", "0");
  second.publish("news", "1");
  context.restart();
  CHECK(context.poll() > 0);
  CHECK(second.heard == std::vector<std::string>{"news:0"});
  CHECK(third.heard.size() == 2);
  context.restart();
  CHECK(context.poll() == 0);
}

TEST_CASE("a port may be destroyed inside a message, a done and a presence answer") {
  InMemoryBroker broker;
  Shard publisher(broker), in_message(broker), in_done(broker), in_answer(broker);
  in_message.subscribe("news");
  settle(publisher, in_message, in_done, in_answer);
  in_message.when_heard = [&] { in_message.port.reset(); };
  for (int i = 0; i < 3; ++i) publisher.publish("news", std::to_string(i));
  const auto captured = std::make_shared<int>();
  for (int i = 0; i < 3; ++i)
    in_done.port->publish("news", text("x"), [&, captured](std::error_code) {
      REQUIRE(in_done.port);
      in_done.port.reset();
    });
  for (int i = 0; i < 3; ++i)
    in_answer.port->query("news", [&](std::error_code, const std::vector<PresenceEntry>&) {
      REQUIRE(in_answer.port);
      in_answer.port.reset();
    });
  settle(publisher, in_message, in_done, in_answer);
  CHECK(in_message.heard.size() == 1);
  CHECK(captured.use_count() == 1);
  CHECK_FALSE(publisher.port->has_peers());
}

TEST_CASE("a port may outlive its broker, and posts may outlive their port") {
  std::optional<InMemoryBroker> broker(std::in_place);
  Shard second(*broker);
  std::optional<Shard> first(*broker);
  second.subscribe("news");
  settle(*first, second);
  broker.reset();
  first->publish("news", "0");
  settle(*first, second);
  CHECK(second.heard == numbers(0, 1));

  first->publish("news", "1");
  second.publish("news", "2");
  first->port.reset();
  CHECK(first->published.size() == 1);
  first->turn();
  CHECK(first->published.size() == 1);
  first.reset();  // its executor goes while the other still has things for it
  second.publish("news", "3");
  settle(second);
  CHECK(second.heard == numbers(0, 2));
}

TEST_CASE("after stop every call that waits, and every new one, ends in unavailable") {
  InMemoryBroker broker({.ring_capacity = 1});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  first.subscribe("other");
  for (int i = 0; i < 3; ++i) first.publish("news", std::to_string(i));
  broker.stop();
  broker.stop();
  first.publish("news", "late");
  std::error_code entered;
  first.port->enter("news", "ann", "", [&](std::error_code error, PresenceChange) { entered = error; });
  first.port->unsubscribe("other");
  settle(first, second);
  CHECK(first.subscribed == Errors{broker_errc::unavailable});
  CHECK(first.published.size() == 4);
  CHECK(std::count(first.published.begin(), first.published.end(), broker_errc::unavailable) == 3);
  CHECK(entered == broker_errc::unavailable);
  CHECK(second.heard.empty());
}

TEST_CASE("an exception from a callback reaches whoever runs the executor, and loses nothing") {
  InMemoryBroker broker({.ring_capacity = 2});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  second.when_heard = [] { throw std::runtime_error("from the sink"); };
  for (int i = 0; i < 10; ++i) first.publish("news", std::to_string(i));
  int thrown = 0;
  for (int calm = 0; calm < 3;) {
    try {
      calm = first.turn() + second.turn() > 0 ? 0 : calm + 1;
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  CHECK(thrown == 10);
  CHECK(second.heard == numbers(0, 10));
  CHECK(first.published == Errors(10));
}

TEST_CASE("a callback may run the executor") {
  InMemoryBroker broker;
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  int depth = 0;
  second.when_heard = [&] {
    CHECK(++depth == 1);
    second.publish("nobody", "x");
    second.context.poll();
    --depth;
  };
  for (int i = 0; i < 3; ++i) first.publish("news", std::to_string(i));
  settle(first, second);
  CHECK(second.heard == numbers(0, 3));
  CHECK(second.published == Errors(3));
}

TEST_CASE("a flood from one port leaves the executor to others between its turns") {
  InMemoryBroker broker({.ring_capacity = 1 << 14});
  Shard first(broker), second(broker);
  second.subscribe("news");
  settle(first, second);
  for (int i = 0; i < 10'000; ++i) first.publish("news", std::to_string(i));
  first.turn();
  std::size_t heard_before = 0;
  asio::post(second.context, [&] { heard_before = second.heard.size(); });
  second.turn();
  CHECK(heard_before < 2000);
  CHECK(second.heard == numbers(0, 10'000));
}

TEST_CASE("more ports than are tracked still hear what they want, and only that") {
  InMemoryBroker broker;
  asio::io_context context;
  std::vector<std::unique_ptr<Shard>> shards;
  for (int i = 0; i < 140; ++i) shards.push_back(std::make_unique<Shard>(broker, &context));
  for (std::size_t i = 1; i < 140; i += 2) shards[i]->subscribe("news");
  context.poll();
  shards[0]->publish("news", "0");
  context.restart();
  context.poll();
  for (std::size_t i = 0; i < 140; ++i) CHECK(shards[i]->heard == numbers(0, i % 2));
}

#ifdef __GLIBC__
TEST_CASE("a subscription costs about 100 bytes") {
  InMemoryBroker broker;
  Shard shard(broker);
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < 100'000; ++i) shard.port->subscribe("channel" + std::to_string(i), {});
  CHECK((mallinfo2().uordblks - before) / 100'000 <= 100);
}
#endif
