// SPDX-License-Identifier: MIT
// What a RedisBroker does when its server is away, or not what it should be.
#include <algorithm>
#include <set>

#include "broker/redis/support/fake_redis.hpp"
#include "broker/redis/support/node.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using redis_test::FakeRedis;
using redis_test::Node;
using redis_test::quick_options;
using redis_test::RedisServer;
using redis_test::subscribe;
using redis_test::text;
using redis_test::until;

TEST_CASE("what is published while Redis is away arrives in order when it is back, and the gap is told") {
  RedisServer server;
  Node one(quick_options({server.url()})), two(quick_options({server.url()}), 2);
  subscribe({&one, &two}, two[0], "news");
  subscribe({&one, &two}, two[1], "news");
  until({&one, &two}, "both must be healthy",
        [&] { return one.broker().is_healthy() && two.broker().is_healthy(); });
  server.kill();
  until({&one, &two}, "a dead server must be noticed",
        [&] { return !one.broker().is_healthy() && !two.broker().is_healthy(); });

  const auto refused = two[0].subscribe("later");
  until({&one, &two}, "a subscribe must be answered at once", [&] { return refused->calls > 0; });
  CHECK(refused->error == broker_errc::unavailable);
  two[0].publish("news", text("here"));
  until({&one, &two}, "the own shards must go on", [&] { return two[1].has("here"); });

  for (int i = 0; i < 1000; ++i) one[0].publish("news", text(std::to_string(i)));
  server.start();
  until({&one, &two}, "what waited must arrive or be told",
        [&] { return two[0].received.size() + two[0].gaps > 0; });
  until({&one, &two}, "both must be healthy again",
        [&] { return one.broker().is_healthy() && two.broker().is_healthy(); });
  until({&one, &two}, "the gap must be told", [&] { return two[0].gaps > 0 && two[1].gaps > 0; });
  one[0].publish("news", text("last"));
  one[0].publish("later", text("made up for"));
  until({&one, &two}, "publishing must go on",
        [&] { return two[0].has("last") && two[0].has("made up for"); });
  int former = -1;
  for (const auto& message : two[0].received) {
    if (message.channel != "news" || *message.payload == "last" || *message.payload == "here") continue;
    CHECK(std::stoi(*message.payload) > former);
    former = std::stoi(*message.payload);
  }
  CHECK(one.errors().has(redis_errc::closed));
  CHECK(one.errors().has(redis_errc::unreachable));
  CHECK(one.errors().list().front().server == server.url());
}

TEST_CASE("a publish waits so long, and so many wait") {
  RedisServer server;
  auto options = quick_options({server.url()});
  options.max_queue = 10;
  options.max_queue_time = 300ms;
  Node node(options);
  until({&node}, "the node must be healthy", [&] { return node.broker().is_healthy(); });
  server.kill();
  until({&node}, "a dead server must be noticed", [&] { return node.errors().has(redis_errc::unreachable); });
  std::vector<testing::conformance::OutcomePtr> outcomes;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 11; ++i) outcomes.push_back(node[0].publish("news", text("x")));
  until({&node}, "beyond its bound the queue must refuse", [&] { return outcomes.back()->calls > 0; });
  CHECK(outcomes.back()->error == broker_errc::unavailable);
  CHECK(outcomes.front()->calls == 0);
  until({&node}, "what waits too long must be refused", [&] { return outcomes.front()->calls > 0; });
  CHECK(outcomes.front()->error == broker_errc::unavailable);
  CHECK(std::chrono::steady_clock::now() - start >= 250ms);
}

TEST_CASE("publishes whose answer was lost are repeated, and arrive once") {
  RedisServer server;
  Node one(quick_options({server.url()})), two(quick_options({server.url()}));
  subscribe({&one, &two}, two[0], "news");
  constexpr int messages = 20'000;
  int done = 0;
  auto control = server.client();
  control("CLIENT PAUSE 60000 WRITE");
  for (int i = 0; i < messages; ++i) {
    one[0].publish("news", text(std::to_string(i)), [&] { ++done; });
    if (i == 1000) {  // the later cuts may find every publish answered; this one cannot
      until({&one, &two}, "Redis must hold a publish",
            [&] { return redis_test::field_of(control("INFO clients").text, "blocked_clients") == "1"; });
      control("CLIENT KILL TYPE normal SKIPME yes");
      control("CLIENT UNPAUSE");
    }
    if (i % 2000 == 1999) control("CLIENT KILL TYPE normal SKIPME yes");
    if (i % 50 == 0) one.poll(), two.poll();
  }
  until({&one, &two}, "every publish must be answered", [&] { return done == messages; });
  until({&one, &two}, "every message must arrive",
        [&] { return two[0].received.size() == static_cast<std::size_t>(messages); });
  for (int i = 0; i < messages; ++i)
    REQUIRE(*two[0].received[static_cast<std::size_t>(i)].payload == std::to_string(i));
  CHECK(two[0].gaps == 0);
  CHECK(one.metric("redis_repeated_total") > 0);
}

TEST_CASE("a message that comes twice is delivered once, and the next one too") {
  RedisServer server;
  Node node(quick_options({server.url()}));
  subscribe({&node}, node[0], "news");
  auto client = server.client();
  for (const std::uint64_t counter : {1u, 2u, 1u, 2u, 3u}) {
    const auto header = redis::WireHeader{0x1234'0000, counter}.encode();
    client.command(
        {"PUBLISH", "switchboard:news", std::string(header.data(), header.size()) + std::to_string(counter)});
  }
  until({&node}, "the last must arrive", [&] { return node[0].has("3"); });
  CHECK(node[0].received.size() == 3);
  CHECK(node.metric("redis_duplicates_total") == 2);
}

TEST_CASE("a subscriber that is cut off is told of the gap once it hears again") {
  RedisServer server;
  Node one(quick_options({server.url()})), two(quick_options({server.url()}));
  subscribe({&one, &two}, two[0], "news");
  server("CLIENT KILL TYPE pubsub");
  until({&one, &two}, "the gap must be told", [&] { return two[0].gaps > 0; });
  one[0].publish("news", text("after"));
  until({&one, &two}, "after the gap is told messages must arrive", [&] { return two[0].has("after"); });
  CHECK(two.errors().has(redis_errc::closed));
}

TEST_CASE("a subscriber that Redis drops for its output buffer is told of the gap") {
  RedisServer server;
  Node one(quick_options({server.url()})), two(quick_options({server.url()}));
  subscribe({&one, &two}, two[0], "news");
  server.client().command({"CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 100000 1"});
  one[0].publish("news", text(std::string(1'000'000, 'x')));
  until({&one, &two}, "the gap must be told", [&] { return two[0].gaps > 0; });
  CHECK(two.errors().has(redis_errc::closed));
}

TEST_CASE("a server that stops answering is taken for dead, and used again when it goes on") {
  RedisServer server;
  Node one(quick_options({server.url()})), two(quick_options({server.url()}));
  subscribe({&one, &two}, two[0], "news");
  until({&one, &two}, "both must be healthy",
        [&] { return one.broker().is_healthy() && two.broker().is_healthy(); });
  server.suspend();
  one[0].publish("news", text("under way"));
  until({&one, &two}, "the silence must be noticed", [&] { return one.errors().has(redis_errc::timed_out); });
  server.resume();
  until({&one, &two}, "the gap must be told", [&] { return two[0].gaps > 0; });
  until({&one, &two}, "both must be healthy again",
        [&] { return one.broker().is_healthy() && two.broker().is_healthy(); });
  one[0].publish("news", text("after"));
  until({&one, &two}, "publishing must go on", [&] { return two[0].has("after"); });
  CHECK(two[0].count("news") <= 2);
}

TEST_CASE("a server that answers but delivers nothing is found out by the probe") {
  FakeRedis server;
  Node node(quick_options({server.url()}));
  subscribe({&node}, node[0], "news");
  until({&node}, "the probe must fail", [&] { return node.errors().has(redis_errc::not_delivering); });
  until({&node}, "the gap must be told", [&] { return node[0].gaps > 0; });
  CHECK_FALSE(node.broker().is_healthy());
  until({&node}, "the connections must be made anew", [&] { return server.connections() >= 4; });
  CHECK(node.metric("redis_errors_total", R"(kind="not_delivering")") > 0);
}

namespace {

/// The answer to CLUSTER SLOTS of a cluster with one master.
std::string all_slots(const FakeRedis& master) {
  return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:" + std::to_string(master.port()) + "\r\n";
}
std::string moved_to(const FakeRedis& master, std::string_view channel) {
  const auto slot = redis::key_slot("switchboard:" + std::string(channel));
  return "-MOVED " + std::to_string(slot) + " 127.0.0.1:" + std::to_string(master.port()) + "\r\n";
}
/// A push, or the confirmation of a command, about one channel.
std::string about(const std::string& kind, const std::string& channel) {
  const std::string name = "switchboard:" + channel;
  return "*3\r\n$" + std::to_string(kind.size()) + "\r\n" + kind + "\r\n$" + std::to_string(name.size()) +
         "\r\n" + name + "\r\n:1\r\n";
}
RedisOptions unprobed(const FakeRedis& server) {
  RedisOptions options = quick_options({"redis+cluster://127.0.0.1:" + std::to_string(server.port())});
  options.probe_interval = options.probe_timeout = 1min;
  return options;
}

}  // namespace

TEST_CASE("a master that sends away the one slot it was known for is let go of, and the publish goes on") {
  FakeRedis first, second;
  for (auto* server : {&first, &second}) server->answer("CLUSTER", all_slots(first));
  first.answer_once("SPUBLISH", moved_to(second, "news"));
  second.answer_once("SPUBLISH", moved_to(first, "news"));
  first.answer("SPUBLISH", ":0\r\n");
  Node node(unprobed(first));
  const auto outcome = node[0].publish("news", text("x"));
  until({&node}, "it must be answered", [&] { return outcome->calls > 0; });
  CHECK_FALSE(outcome->error);
  CHECK(second.connections() > 0);
}

TEST_CASE("the end of a subscription that is known no more is not taken for the answer to another") {
  FakeRedis server;
  server.answer("CLUSTER", all_slots(server));
  server.answer_once("SSUBSCRIBE", about("ssubscribe", "one") + about("sunsubscribe", "moved before"));
  server.answer_once("SSUBSCRIBE", about("sunsubscribe", "moved now") + about("ssubscribe", "two"));
  server.answer_once("SSUBSCRIBE", about("ssubscribe", "three"));
  Node node(unprobed(server));
  for (const std::string channel : {"one", "two", "three"}) subscribe({&node}, node[0], channel);
  CHECK_FALSE(node.errors().has(redis_errc::protocol_error));
  CHECK(node[0].gaps == 0);
}

TEST_CASE("a cluster that nobody knows anything of is asked less and less often") {
  FakeRedis server;
  server.answer("CLUSTER", "-CLUSTERDOWN no\r\n");
  RedisOptions options = unprobed(server);
  options.max_backoff = 800ms;
  const auto begun = std::chrono::steady_clock::now();
  Node node(options);
  const auto refusals = [&] {
    const auto errors = node.errors().list();
    return std::count_if(errors.begin(), errors.end(),
                         [](const RedisError& error) { return error.code == redis_errc::cluster_down; });
  };
  until({&node}, "it must be told", [&] { return refusals() >= 5; });
  CHECK(std::chrono::steady_clock::now() - begun >= 2s);  // 0.2, 0.4, 0.8 and 0.8
}

TEST_CASE("each refusal at the door has its error, and is tried again") {
  for (const auto& [answer, code] :
       {std::pair{"-LOADING Redis is loading\r\n", redis_errc::loading},
        std::pair{"-NOAUTH Authentication required.\r\n", redis_errc::auth_required},
        std::pair{"HTTP/1.1 400 Bad Request\r\n\r\n", redis_errc::protocol_error}}) {
    FakeRedis server;
    server.answer("PING", answer);
    Node node(quick_options({server.url()}));
    until({&node}, "the refusal must be told", [&] { return node.errors().has(code); });
    CHECK(node.errors().list().front().server == server.url());
    server.answer("PING", "+PONG\r\n");
    const auto outcome = node[0].publish("news", text("x"));
    until({&node}, "it must be tried again", [&] { return outcome->calls > 0; });
    CHECK_FALSE(outcome->error);
  }
}

TEST_CASE("each answer to a publish has its outcome") {
  FakeRedis server;
  Node node(quick_options({server.url()}));
  for (const auto& [answer, code] : {std::pair{"-NOPERM no\r\n", redis_errc::no_permission},
                                     std::pair{"-OOM no\r\n", redis_errc::out_of_memory},
                                     std::pair{"-ERR no\r\n", redis_errc::server_error}}) {
    server.answer("PUBLISH", answer);
    const auto outcome = node[0].publish("news", text("x"));
    until({&node}, "it must be answered", [&] { return outcome->calls > 0; });
    CHECK(outcome->error == broker_errc::unavailable);
    CHECK(node.errors().has(code));
  }
  server.answer("PUBLISH", "+OK\r\n");
  const auto odd = node[0].publish("news", text("x"));
  until({&node}, "what is no answer must be noticed",
        [&] { return node.errors().has(redis_errc::protocol_error); });
  server.answer("PUBLISH", ":0\r\n");
  until({&node}, "it must be repeated", [&] { return odd->calls > 0; });
  CHECK_FALSE(odd->error);

  server.answer("PUBLISH", "-READONLY You can't write against a read only replica.\r\n");
  const auto outcome = node[0].publish("news", text("x"));
  until({&node}, "a replica must be told", [&] { return node.errors().has(redis_errc::read_only); });
  CHECK(outcome->calls == 0);
  server.answer("PUBLISH", ":0\r\n");
  until({&node}, "it must be repeated", [&] { return outcome->calls > 0; });
  CHECK_FALSE(outcome->error);
}

TEST_CASE("a wrong password is told without it") {
  RedisServer server({"--requirepass", "right"});
  Node wrong(quick_options({"redis://:wr0ng@" + server.address()}));
  until({&wrong}, "it must be told", [&] { return wrong.errors().has(redis_errc::wrong_password); });
  for (const auto& error : wrong.errors().list()) {
    CHECK(error.server.find("wr0ng") == std::string::npos);
    CHECK(error.detail.find("wr0ng") == std::string::npos);
  }
  Node none(quick_options({server.url()}));
  until({&none}, "it must be told", [&] { return none.errors().has(redis_errc::auth_required); });
  Node right(quick_options({"redis://:right@" + server.address() + "/3"}));
  subscribe({&right}, right[0], "news");
}

TEST_CASE("100000 channels are back after a restart, in batches") {
  RedisServer server;
  auto options = quick_options({server.url()});
  options.answer_timeout = options.probe_timeout = 60s;  // a slow machine is not to be taken for an outage
  Node one(options), two(options);
  constexpr std::size_t channels = 100'000;
  std::size_t done = 0;
  for (std::size_t i = 0; i < channels; ++i) two[0].subscribe("c" + std::to_string(i), [&] { ++done; });
  until({&one, &two}, "every subscribe must be answered", [&] { return done == channels; });
  const auto before = two.metric("redis_subscribe_commands_total");
  server.restart();
  until({&one, &two}, "all must be subscribed again",
        [&] { return two[0].gaps > 0 && two.broker().is_healthy(); });
  CHECK(two.metric("redis_subscribe_commands_total") - before <= channels / 256 + 1);
  const auto counts = server.client().command({"PUBSUB", "NUMSUB", "switchboard:c0", "switchboard:c99999"});
  CHECK(counts[1].integer == 1);
  CHECK(counts[3].integer == 1);
}

TEST_CASE("prefixes keep products apart") {
  RedisServer server;
  auto other = quick_options({server.url()});
  other.prefix = "other:";
  Node one(quick_options({server.url()})), two(other), three(quick_options({server.url()}));
  subscribe({&one, &two, &three}, two[0], "news");
  subscribe({&one, &two, &three}, three[0], "news");
  one[0].publish("news", text("x"));
  until({&one, &two, &three}, "the same prefix must hear", [&] { return three[0].has("x"); });
  CHECK(two[0].received.empty());
}

TEST_CASE("a message of an unknown version is dropped and told as a gap") {
  RedisServer server;
  Node node(quick_options({server.url()}));
  subscribe({&node}, node[0], "news");
  server.client().command({"PUBLISH", "switchboard:news", "\2 from a later release"});
  until({&node}, "the gap must be told", [&] { return node[0].gaps == 1; });
  CHECK(node[0].received.empty());
  CHECK(node.errors().has(redis_errc::unknown_version));
}

TEST_CASE("a bad option is one clear error at the start") {
  CHECK_THROWS_AS(RedisBroker(RedisOptions{.urls = {"http://localhost"}}), std::invalid_argument);
  CHECK_THROWS_AS(RedisBroker(RedisOptions{.urls = {"redis://a", "redis://a"}}), std::invalid_argument);
}

TEST_CASE("without a URL a RedisBroker is healthy and has no metrics") {
  RedisBroker broker;
  CHECK(broker.is_healthy());
  CHECK(broker.metrics().empty());
  CHECK_FALSE(broker.node().empty());
  static_assert(ObservableBroker<RedisBroker>);
}
