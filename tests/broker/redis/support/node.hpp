// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <switchboard/broker/redis_broker.hpp>
#include <switchboard/testing/detail/broker_world.hpp>

#include "broker/redis/support/redis_server.hpp"
#include "support/catch.hpp"

namespace redis_test {

using Station = switchboard::testing::conformance::Station<switchboard::RedisBroker>;

/// What a broker told its `on_error`.
class Errors {
 public:
  void operator()(const switchboard::RedisError& error) {
    const std::lock_guard lock(mutex_);
    list_.push_back(error);
  }
  bool has(switchboard::redis_errc code) const {
    const std::lock_guard lock(mutex_);
    for (const auto& error : list_)
      if (error.code == code) return true;
    return false;
  }
  std::vector<switchboard::RedisError> list() const {
    const std::lock_guard lock(mutex_);
    return list_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<switchboard::RedisError> list_;
};

/// Options whose times are short, so that a test is.
inline switchboard::RedisOptions quick_options(std::vector<std::string> urls) {
  using namespace std::chrono_literals;
  return {.urls = std::move(urls),
          .max_queue_time = 10s,
          .connect_timeout = 500ms,
          .answer_timeout = 500ms,
          .probe_interval = 300ms,
          .probe_timeout = 400ms,
          .backoff = 20ms,
          .max_backoff = 100ms,
          .unsubscribe_delay = 100ms,
          .presence_lease = 600ms};
}

/// A RedisBroker with ports, run on the test's thread.
class Node {
 public:
  explicit Node(switchboard::RedisOptions options, std::size_t ports = 1) {
    options.on_error = [errors = errors_](const switchboard::RedisError& error) { (*errors)(error); };
    broker_ = std::make_unique<switchboard::RedisBroker>(options);
    for (std::size_t i = 0; i < ports; ++i) stations_.push_back(std::make_unique<Station>(*broker_));
  }
  ~Node() {
    for (auto& station : stations_) station->port.reset();
    broker_.reset();
  }

  switchboard::RedisBroker& broker() { return *broker_; }
  Station& operator[](std::size_t i) { return *stations_[i]; }
  const Errors& errors() const { return *errors_; }
  std::size_t poll() {
    std::size_t ran = 0;
    for (auto& station : stations_) ran += station->poll();
    return ran;
  }
  std::uint64_t metric(std::string_view name, std::string_view labels = {}) const {
    for (const auto& metric : broker_->metrics())
      if (metric.name == name && metric.labels == labels) return metric.value;
    FAIL("no metric is called " << name);
    return 0;
  }

 private:
  std::shared_ptr<Errors> errors_ = std::make_shared<Errors>();
  std::unique_ptr<switchboard::RedisBroker> broker_;
  std::vector<std::unique_ptr<Station>> stations_;
};

/// Runs the nodes until it is so; fails with the sentence after 15 seconds.
template <class Condition>
void until(std::initializer_list<Node*> nodes, const std::string& sentence, Condition is_so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) FAIL(sentence);
    std::size_t ran = 0;
    for (Node* node : nodes) ran += node->poll();
    if (ran == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

inline void subscribe(std::initializer_list<Node*> nodes, Station& station, std::string_view channel) {
  const auto outcome = station.subscribe(channel);
  until(nodes, "a subscribe must be answered", [&] { return outcome->calls > 0; });
  REQUIRE_FALSE(outcome->error);
}

inline switchboard::Payload text(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace redis_test
