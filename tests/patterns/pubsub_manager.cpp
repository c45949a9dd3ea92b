// SPDX-License-Identifier: MIT
#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/patterns/pubsub_manager.hpp>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "patterns/random.hpp"
#include "support/catch.hpp"

using switchboard::PubSubManager;

namespace {

using Ids = std::vector<int>;

struct Fixture {
  struct Delivery {
    int id;
    std::string channel, message;
    bool operator==(const Delivery&) const = default;
  };
  std::vector<Delivery> deliveries;
  PubSubManager<int> manager{[this](int id, std::string_view channel, std::string_view message) {
    deliveries.push_back({id, std::string(channel), std::string(message)});
  }};
};

template <class Manager>
Ids subscribers_of(Manager& manager, std::string_view channel) {
  Ids ids;
  manager.for_each_subscriber(channel, [&](int id) { ids.push_back(id); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Collides on purpose.
struct PoorHash {
  std::size_t operator()(int id) const { return static_cast<std::size_t>(id % 2); }
};

// Cannot be copied while it is negative.
struct Id {
  explicit Id(int id) : number(id) {}
  Id(const Id& other) : number(other.number) {
    if (number < 0) throw std::bad_alloc();
  }
  Id(Id&&) noexcept = default;
  Id& operator=(const Id&) = default;
  Id& operator=(Id&&) noexcept = default;
  bool operator==(const Id&) const = default;
  int number;
};

struct IdHash {
  std::size_t operator()(const Id& id) const { return static_cast<std::size_t>(id.number); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a publish reaches every subscriber of the channel and nobody else") {
  CHECK(manager.subscribe(1, "news"));
  CHECK(manager.subscribe(2, "news"));
  CHECK(manager.subscribe(3, "sports"));
  CHECK(manager.publish("news", "hello") == 2);
  CHECK(deliveries == std::vector<Delivery>{{1, "news", "hello"}, {2, "news", "hello"}});
}

TEST_CASE_METHOD(Fixture, "a publish to a channel without subscribers reaches nobody") {
  CHECK(manager.publish("nowhere", "hello") == 0);
  CHECK(deliveries.empty());
}

TEST_CASE_METHOD(Fixture, "a second subscribe says so and is not delivered twice") {
  CHECK(manager.subscribe(1, "news"));
  CHECK_FALSE(manager.subscribe(1, "news"));
  CHECK(manager.publish("news", "x") == 1);
  CHECK(manager.subscription_count() == 1);
}

TEST_CASE_METHOD(Fixture, "an unsubscribe ends delivery, and a second one says that there was nothing") {
  manager.subscribe(1, "news");
  manager.subscribe(2, "news");
  CHECK(manager.unsubscribe(1, "news"));
  CHECK_FALSE(manager.unsubscribe(1, "news"));
  CHECK_FALSE(manager.unsubscribe(2, "elsewhere"));
  CHECK(manager.publish("news", "x") == 1);
  CHECK(deliveries.front().id == 2);
}

TEST_CASE_METHOD(Fixture, "a cleanup leaves all channels of one id and no other's") {
  for (const char* channel : {"a", "b", "c"}) manager.subscribe(1, channel);
  manager.subscribe(2, "b");
  CHECK(manager.cleanup_user(1) == 3);
  CHECK(manager.cleanup_user(1) == 0);
  CHECK(manager.channel_count() == 1);
  CHECK_FALSE(manager.has_subscribers("a"));
  CHECK(subscribers_of(manager, "b") == Ids{2});
  CHECK(manager.subscription_count(1) == 0);
}

TEST_CASE_METHOD(Fixture, "a cleanup tells each channel after it has been left") {
  manager.subscribe(1, "a");
  manager.subscribe(1, "b");
  manager.subscribe(2, "b");
  std::vector<std::pair<std::string, bool>> left;
  manager.cleanup_user(
      1, [&](std::string_view channel) { left.emplace_back(channel, manager.has_subscribers(channel)); });
  CHECK(left == std::vector<std::pair<std::string, bool>>{{"a", false}, {"b", true}});
}

TEST_CASE_METHOD(Fixture, "a cleanup's callback may publish, subscribe others and empty the channel again") {
  manager.subscribe(1, "a");
  manager.subscribe(1, "b");
  manager.cleanup_user(1, [&](std::string_view channel) {
    const std::string name(channel);
    manager.subscribe(9, channel);
    CHECK(manager.publish(channel, "left") == 1);
    manager.unsubscribe(9, channel);
    CHECK_FALSE(manager.has_subscribers(channel));
    CHECK(channel == name);  // still readable
  });
  CHECK(manager.channel_count() == 0);
  CHECK(manager.subscription_count() == 0);
}

TEST_CASE_METHOD(Fixture, "the queries tell who is where") {
  manager.subscribe(1, "z");
  manager.subscribe(1, "a");
  manager.subscribe(1, "m");
  manager.subscribe(2, "a");
  CHECK(manager.is_subscribed(1, "m"));
  CHECK_FALSE(manager.is_subscribed(2, "m"));
  CHECK_FALSE(manager.is_subscribed(1, "other"));
  CHECK(manager.subscriber_count("a") == 2);
  CHECK(manager.subscriber_count("other") == 0);
  CHECK(manager.channel_count() == 3);
  CHECK(manager.subscription_count() == 4);
  CHECK(manager.subscription_count(1) == 3);
  CHECK(manager.channels_of(1) == std::vector<std::string>{"z", "a", "m"});  // in the order of subscribing
  CHECK(manager.channels_of(7).empty());
  std::set<std::string> all;
  manager.for_each_channel([&](std::string_view channel) { all.emplace(channel); });
  CHECK(all == std::set<std::string>{"a", "m", "z"});
}

TEST_CASE_METHOD(
    Fixture,
    "the order of an id's channels and their count survive leaving the first, a middle and the last") {
  for (const char* channel : {"a", "b", "c", "d", "e"}) manager.subscribe(1, channel);
  manager.unsubscribe(1, "a");
  CHECK(manager.subscription_count(1) == 4);
  manager.unsubscribe(1, "c");
  manager.unsubscribe(1, "e");
  CHECK(manager.channels_of(1) == std::vector<std::string>{"b", "d"});
  CHECK(manager.subscription_count(1) == 2);
  manager.subscribe(1, "a");
  CHECK(manager.channels_of(1) == std::vector<std::string>{"b", "d", "a"});
}

TEST_CASE_METHOD(Fixture, "any bytes are a channel name") {
  const std::string zero("a\0b", 3);
  manager.subscribe(1, zero);
  manager.subscribe(2, "a");
  manager.subscribe(3, "");
  CHECK(subscribers_of(manager, zero) == Ids{1});
  CHECK(subscribers_of(manager, "a") == Ids{2});
  CHECK(subscribers_of(manager, "") == Ids{3});
}

TEST_CASE_METHOD(Fixture, "a subscriber that unsubscribes while a publish is under way gets no more") {
  for (int id = 1; id <= 4; ++id) manager.subscribe(id, "news");
  Ids reached;
  const std::size_t count = manager.publish("news", "x", [&](int id, std::string_view) {
    reached.push_back(id);
    if (id == 1) {
      CHECK(manager.unsubscribe(3, "news"));
      CHECK_FALSE(manager.unsubscribe(3, "news"));
      CHECK(manager.subscriber_count("news") == 3);
      CHECK_FALSE(manager.is_subscribed(3, "news"));
    }
  });
  CHECK(reached == Ids{1, 2, 4});
  CHECK(count == 3);
  CHECK(subscribers_of(manager, "news") == Ids{1, 2, 4});
}

TEST_CASE_METHOD(Fixture, "a subscriber added while a publish is under way gets the next one") {
  manager.subscribe(1, "news");
  Ids reached;
  manager.publish("news", "x", [&](int id, std::string_view) {
    reached.push_back(id);
    for (int added = 2; added < 100; ++added) manager.subscribe(added, "news");
  });
  CHECK(reached == Ids{1});
  CHECK(manager.publish("news", "y") == 99);
}

TEST_CASE_METHOD(Fixture, "one that leaves and comes back during a publish waits for the next one") {
  manager.subscribe(1, "news");
  manager.subscribe(2, "news");
  Ids reached;
  manager.publish("news", "x", [&](int id, std::string_view) {
    reached.push_back(id);
    manager.unsubscribe(2, "news");
    CHECK(manager.subscribe(2, "news"));
  });
  CHECK(reached == Ids{1});
  CHECK(subscribers_of(manager, "news") == Ids{1, 2});
}

TEST_CASE_METHOD(Fixture, "a nested publish reaches those added before it, the outer one does not") {
  manager.subscribe(1, "news");
  Ids outer, inner;
  manager.publish("news", "x", [&](int id, std::string_view) {
    outer.push_back(id);
    manager.subscribe(2, "news");
    manager.publish("news", "y", [&](int nested, std::string_view) {
      inner.push_back(nested);
      if (nested == 1) manager.unsubscribe(1, "news");
    });
  });
  CHECK(outer == Ids{1});
  CHECK(inner == Ids{1, 2});
  CHECK(subscribers_of(manager, "news") == Ids{2});
}

TEST_CASE_METHOD(Fixture, "everybody may be cleaned up during a publish, and the channel is gone after it") {
  for (int id = 1; id <= 50; ++id) {
    manager.subscribe(id, "news");
    manager.subscribe(id, "other");
  }
  const std::size_t count = manager.publish("news", "x", [&](int, std::string_view) {
    for (int id = 1; id <= 50; ++id) manager.cleanup_user(id);
    CHECK(manager.channel_count() == 0);
  });
  CHECK(count == 1);
  CHECK(manager.channel_count() == 0);
  CHECK(manager.subscription_count() == 0);
  CHECK(manager.subscribe(1, "news"));
  CHECK(manager.publish("news", "y") == 1);
}

TEST_CASE("the id that a callback is given stays valid while the callback changes the channel") {
  // Long ones, so that they own memory and a sanitizer sees a dangling reference.
  const auto name = [](int number) {
    return "a subscriber with a long name, number " + std::to_string(number);
  };
  PubSubManager<std::string> manager;
  manager.subscribe(name(1), "news");
  manager.publish("news", "x", [&](const std::string& id, std::string_view) {
    for (int i = 2; i < 200; ++i) manager.subscribe(name(i), "news");
    CHECK(id == name(1));
    CHECK(manager.subscribe(id, "other"));
    CHECK(manager.cleanup_user(id) == 2);
    CHECK(id == name(1));
    CHECK(manager.subscribe(id, "news"));
    CHECK(manager.unsubscribe(id, "news"));
    CHECK(id == name(1));
  });
  CHECK(manager.subscriber_count("news") == 198);
  CHECK_FALSE(manager.is_subscribed(name(1), "news"));
}

TEST_CASE("a callback that throws leaves everything as the callbacks before it made it") {
  PubSubManager<int> manager;
  for (int id = 1; id <= 3; ++id) manager.subscribe(id, "news");
  CHECK_THROWS_AS(manager.publish("news", "x",
                                  [&](int, std::string_view) {
                                    manager.unsubscribe(2, "news");
                                    manager.subscribe(4, "news");
                                    throw std::runtime_error("on purpose");
                                  }),
                  std::runtime_error);
  CHECK(subscribers_of(manager, "news") == Ids{1, 3, 4});
  CHECK(manager.unsubscribe(4, "news"));
  CHECK(subscribers_of(manager, "news") == Ids{1, 3});
}

TEST_CASE("a subscribe whose id cannot be copied leaves everything as it was") {
  PubSubManager<Id, std::string_view, IdHash> manager;
  CHECK(manager.subscribe(Id(1), "news"));
  CHECK_THROWS_AS(manager.subscribe(Id(-1), "news"), std::bad_alloc);
  CHECK_THROWS_AS(manager.subscribe(Id(-1), "sports"), std::bad_alloc);
  CHECK(manager.subscriber_count("news") == 1);
  CHECK_FALSE(manager.is_subscribed(Id(-1), "news"));
  std::vector<std::string> channels;
  manager.for_each_channel([&](std::string_view channel) { channels.emplace_back(channel); });
  CHECK(channels == std::vector<std::string>{"news"});
  CHECK(manager.unsubscribe(Id(1), "news"));
  CHECK(manager.subscribe(Id(2), "sports"));
  CHECK(manager.subscriber_count("sports") == 1);
}

TEST_CASE("a message of any type is handed on as it is, not copied") {
  using Message = std::unique_ptr<int>;
  PubSubManager<int, Message> manager;
  manager.subscribe(1, "news");
  const Message message = std::make_unique<int>(7);
  const Message* seen = nullptr;
  manager.publish("news", message, [&](int, const Message& handed) { seen = &handed; });
  CHECK(seen == &message);
}

TEST_CASE("thousands of channels of one id, and thousands of subscribers of one channel, come and go") {
  PubSubManager<int> manager;
  for (int i = 0; i < 5000; ++i) {
    manager.subscribe(0, "channel " + std::to_string(i));
    manager.subscribe(i, "crowded");
  }
  CHECK(manager.subscription_count(0) == 5001);
  CHECK(manager.subscriber_count("crowded") == 5000);
  for (int i = 0; i < 5000; i += 2) CHECK(manager.unsubscribe(0, "channel " + std::to_string(i)));
  CHECK(manager.cleanup_user(0) == 2501);
  for (int i = 1; i < 5000; ++i) REQUIRE(manager.unsubscribe(i, "crowded"));
  CHECK(manager.channel_count() == 0);
  CHECK(manager.subscription_count() == 0);
}

#if defined(__GLIBC__)
namespace {
// Always 0 under a sanitizer, which has an allocator of its own.
std::size_t allocated_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
}  // namespace

TEST_CASE("channels that a subscribe failed to open keep no memory") {
  PubSubManager<Id, std::string_view, IdHash> manager;
  const std::size_t before = allocated_bytes();
  for (int i = 0; i < 2000; ++i)
    CHECK_THROWS_AS(manager.subscribe(Id(-1), "a channel of its own " + std::to_string(i)), std::bad_alloc);
  CHECK(allocated_bytes() < before + 20'000);
}

TEST_CASE("channels that nobody is in any more, and subscribers that have gone, keep no memory") {
  PubSubManager<int> manager;
  const auto come_and_go = [&](int round) {
    for (int i = 0; i < 2000; ++i) {
      const std::string channel = "a channel of its own " + std::to_string(round) + " " + std::to_string(i);
      manager.subscribe(i, channel);
      manager.subscribe(i, "crowded");
      i % 2 == 0 ? manager.cleanup_user(i) : std::size_t{manager.unsubscribe(i, channel)};
    }
    manager.publish("crowded", "x", [&](int id, std::string_view) { manager.cleanup_user(id); });
  };
  come_and_go(0);
  const std::size_t before = allocated_bytes();
  for (int round = 1; round <= 20; ++round) come_and_go(round);
  CHECK(allocated_bytes() <= before + 10'000);
}

TEST_CASE("a channel that was crowded once does not keep the memory for it") {
  PubSubManager<int> manager;
  const auto crowd = [&](const std::string& channel) {
    for (int id = 0; id < 20'000; ++id) manager.subscribe(id, channel);
    for (int id = 1; id < 20'000; ++id) manager.unsubscribe(id, channel);
  };
  crowd("first");
  const std::size_t before = allocated_bytes();
  for (int i = 0; i < 10; ++i) crowd(std::to_string(i));
  CHECK(allocated_bytes() <= before + 10'000);
}
#endif

namespace {

// What PubSubManager must do, as plainly as possible: each subscription has a serial number, a publish takes
// a copy of the list and skips what is gone (or gone and come back, which has another number) when its turn
// comes.
class NaiveModel {
 public:
  bool subscribe(int id, const std::string& channel) {
    return subscriptions_[channel].try_emplace(id, ++serial_).second;
  }
  bool unsubscribe(int id, const std::string& channel) { return subscriptions_[channel].erase(id) != 0; }
  std::size_t cleanup(int id) {
    std::size_t count = 0;
    for (auto& [channel, ids] : subscriptions_) count += ids.erase(id);
    return count;
  }
  std::map<int, int> subscribers(const std::string& channel) const {
    const auto found = subscriptions_.find(channel);
    return found == subscriptions_.end() ? std::map<int, int>{} : found->second;
  }
  std::size_t channel_count() const {
    return static_cast<std::size_t>(std::count_if(subscriptions_.begin(), subscriptions_.end(),
                                                  [](const auto& each) { return !each.second.empty(); }));
  }
  std::vector<std::string> channels_of(int id) const {
    std::map<int, std::string> by_serial;
    for (const auto& [channel, ids] : subscriptions_) {
      if (const auto found = ids.find(id); found != ids.end()) by_serial[found->second] = channel;
    }
    std::vector<std::string> channels;
    for (const auto& [serial, channel] : by_serial) channels.push_back(channel);
    return channels;
  }

 private:
  std::map<std::string, std::map<int, int>> subscriptions_;
  int serial_ = 0;
};

template <class Hash>
class RandomWalk {
 public:
  explicit RandomWalk(unsigned seed) : random_(seed) {}

  void step(int depth) {
    const int id = static_cast<int>(random_() % 12);
    const std::string channel = "channel " + std::to_string(random_() % 5);
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        REQUIRE(manager_.subscribe(id, channel) == model_.subscribe(id, channel));
        break;
      case 3:
      case 4:
        REQUIRE(manager_.unsubscribe(id, channel) == model_.unsubscribe(id, channel));
        break;
      case 5:
        REQUIRE(manager_.cleanup_user(id) == model_.cleanup(id));
        break;
      default:
        publish(channel, depth);
    }
  }

  void check() {
    REQUIRE(manager_.channel_count() == model_.channel_count());
    for (int id = 0; id < 12; ++id) {
      const std::vector<std::string> channels = model_.channels_of(id);
      REQUIRE(manager_.channels_of(id) == channels);
      REQUIRE(manager_.subscription_count(id) == channels.size());
    }
    for (int i = 0; i < 5; ++i) {
      const std::string channel = "channel " + std::to_string(i);
      const auto expected = model_.subscribers(channel);
      REQUIRE(manager_.subscriber_count(channel) == expected.size());
      REQUIRE(manager_.has_subscribers(channel) == !expected.empty());
      for (int id = 0; id < 12; ++id) REQUIRE(manager_.is_subscribed(id, channel) == expected.contains(id));
    }
  }

  std::size_t nested_steps() const { return nested_steps_; }

 private:
  void publish(const std::string& channel, int depth) {
    std::map<int, int> due = model_.subscribers(channel);
    std::size_t reached = 0;
    const std::size_t count = manager_.publish(channel, "x", [&](int id, std::string_view) {
      ++reached;
      const auto now = model_.subscribers(channel);
      REQUIRE(due.contains(id));
      REQUIRE((now.contains(id) && now.at(id) == due.at(id)));
      due.erase(id);
      if (depth >= 3) return;
      for (unsigned i = random_() % 3; i > 0; --i) {
        ++nested_steps_;
        step(depth + 1);
        if (random_() % 4 == 0) check();
      }
    });
    REQUIRE(count == reached);
    // Whoever was not reached must have left meanwhile.
    const auto now = model_.subscribers(channel);
    for (const auto& [id, serial] : due) REQUIRE_FALSE((now.contains(id) && now.at(id) == serial));
  }

  Random random_;
  PubSubManager<int, std::string_view, Hash> manager_;
  NaiveModel model_;
  std::size_t nested_steps_ = 0;
};

template <class Hash>
void walk() {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    RandomWalk<Hash> random_walk(seed);
    for (int i = 0; i < 400; ++i) {
      random_walk.step(0);
      random_walk.check();
    }
    REQUIRE(random_walk.nested_steps() > 100);
  }
}

}  // namespace

TEST_CASE("random calls, from within callbacks too, agree with a naive model") {
  walk<std::hash<int>>();
}

TEST_CASE("random calls agree with a naive model under a hash that collides") {
  walk<PoorHash>();
}
