// SPDX-License-Identifier: MIT
// Internal: brokers, ports and threads for broker_conformance's checks.
#pragma once
#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <switchboard/broker/broker.hpp>
#include <switchboard/testing/broker_fixture.hpp>

namespace switchboard::inline v1 {
namespace testing {

namespace conformance {

inline void require(bool is_so, const std::string& sentence) {
  if (!is_so) throw BrokerCheckFailed(sentence);
}

inline Payload text(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

/// Does all of it at the same time, each on a thread of its own, and throws what the first of them threw.
inline void on_threads(const std::vector<std::function<void()>>& all) {
  std::vector<std::future<void>> running;
  running.reserve(all.size());
  for (const auto& one : all) running.push_back(std::async(std::launch::async, one));
  for (auto& one : running) one.wait();
  for (auto& one : running) one.get();
}

/// How a call ended, so far.
struct Outcome {
  int calls = 0;
  std::error_code error;
  bool is_accepted() const { return calls > 0 && !error; }
};
using OutcomePtr = std::shared_ptr<Outcome>;

struct Received {
  std::string channel;
  Payload payload;
};

/// A port with its sink and an executor of its own, and a record of all that was called.
template <class B>
class Station final : public BrokerSink {
 public:
  using Port =
      decltype(std::declval<B&>().attach(std::declval<asio::any_io_executor>(), std::declval<BrokerSink&>()));

  explicit Station(B& broker) : broker_(broker) {
    port.emplace(broker.attach(context.get_executor(), *this));
  }

  void on_message(std::string_view channel, const Payload& message) override {
    watch();
    received.push_back({std::string(channel), message});
    if (when_received) when_received(received.back());
  }
  void on_gap(std::string_view channel) override {
    watch();
    ++gaps;
    told.emplace(channel);
  }

  OutcomePtr subscribe(std::string_view channel, std::function<void()> then = {}) {
    auto outcome = std::make_shared<Outcome>();
    inside([&] { port->subscribe(channel, recorder(outcome, std::move(then))); });
    return outcome;
  }
  void unsubscribe(std::string_view channel) {
    inside([&] { port->unsubscribe(channel); });
  }
  OutcomePtr publish(std::string_view channel, Payload message, std::function<void()> then = {}) {
    auto outcome = std::make_shared<Outcome>();
    inside([&] { port->publish(channel, std::move(message), recorder(outcome, std::move(then))); });
    return outcome;
  }

  /// Marks the time of a call on the port, in which nothing may be called back.
  template <class Call>
  void inside(Call call) {
    const bool outer = std::exchange(is_inside_, true);
    call();
    is_inside_ = outer;
  }
  /// Every callback passes here.
  void watch() {
    if (is_inside_) ++called_inside;
    if (!context.get_executor().running_in_this_thread()) ++called_astray;
  }

  std::size_t count(std::string_view channel) const {
    std::size_t n = 0;
    for (const Received& message : received) n += message.channel == channel;
    return n;
  }
  bool has(std::string_view bytes) const {
    for (const Received& message : received)
      if (*message.payload == bytes) return true;
    return false;
  }

  /// A gap was told of the channel, or of every one.
  bool has_told(std::string_view channel) const { return told.contains(channel) || told.contains(""); }

  std::size_t poll() {
    context.restart();
    return context.poll();
  }

  /// From here on a thread of its own runs the callbacks, and the port may be used through `call` only.
  void start_thread() {
    work_.emplace(asio::make_work_guard(context));
    context.restart();
    thread_ = std::thread([this] {
      try {
        context.run();
      } catch (...) {
        thrown_ = std::current_exception();
      }
    });
  }
  void join_thread() {
    if (!thread_.joinable()) return;
    context.stop();
    thread_.join();
    work_.reset();
  }
  /// What a callback, or the port, has thrown on the thread.
  void rethrow() {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

  B& broker() { return broker_; }

  asio::io_context context;
  std::optional<Port> port;
  std::vector<Received> received;
  std::function<void(const Received&)> when_received;
  std::set<std::string, std::less<>> told;  // channels that on_gap has named
  std::size_t gaps = 0, called_inside = 0, called_astray = 0;

 private:
  Done recorder(const OutcomePtr& outcome, std::function<void()> then) {
    return [this, outcome, then = std::move(then)](std::error_code error) {
      watch();
      ++outcome->calls;
      outcome->error = error;
      if (then) then();
    };
  }

  B& broker_;
  bool is_inside_ = false;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;
  std::exception_ptr thrown_;
};

/// Stations in reach of each other.
template <class Fixture>
class World {
 public:
  using B = BrokerOfFixture<Fixture>;
  using S = Station<B>;
  using Clock = std::chrono::steady_clock;

  explicit World(Fixture& fixture, std::size_t stations = 0) {
    std::size_t brokers = 1;
    if constexpr (requires { fixture.brokers; }) brokers = fixture.brokers;
    if constexpr (requires { fixture.patience; }) patience_ = fixture.patience;
    if constexpr (requires { fixture.quiet; }) quiet_ = fixture.quiet;
    for (std::size_t i = 0; i < brokers; ++i) brokers_.push_back(fixture.make_broker());
    for (std::size_t i = 0; i < stations; ++i) add();
  }
  ~World() {
    for (auto& station : stations_) station->join_thread();
    for (auto& station : stations_) station->port.reset();
    // What a stop throws is for the check of it to say.
    for (auto& broker : brokers_) std::async(std::launch::deferred, [&] { broker->stop(); }).wait();
    brokers_.clear();  // before the contexts that it may still know
  }

  S& add() {
    stations_.push_back(std::make_unique<S>(broker(stations_.size())));
    return *stations_.back();
  }
  S& operator[](std::size_t i) { return *stations_[i]; }
  /// A broker; any number will do.
  B& broker(std::size_t i) { return *brokers_[i % brokers_.size()]; }
  std::size_t broker_count() const { return brokers_.size(); }
  typename Clock::time_point deadline() const { return Clock::now() + patience_; }

  /// Runs all stations on this thread until it is so.
  template <class Condition>
  void until(Condition is_so, const std::string& sentence) {
    const auto deadline = Clock::now() + patience_;
    while (!is_so()) {
      require(Clock::now() < deadline, sentence);
      if (poll() == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  /// Runs all stations until nothing has happened for a while.
  void settle() {
    settle([] { return true; });
  }
  /// And it is so as well: what a server has on its way may come after a while of nothing.
  template <class Condition>
  void settle(Condition is_so) {
    const auto deadline = Clock::now() + patience_;
    for (auto last = Clock::now(); (Clock::now() - last < quiet_ || !is_so()) && Clock::now() < deadline;) {
      if (poll() > 0)
        last = Clock::now();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  void subscribe(S& station, std::string_view channel) {
    const OutcomePtr outcome = station.subscribe(channel);
    until([&] { return outcome->calls > 0; }, "the done of a subscribe must come");
    require(!outcome->error, "a subscribe must succeed, but: " + outcome->error.message());
  }

  void start_threads() {
    for (auto& station : stations_) station->start_thread();
  }
  void join_threads() {
    for (auto& station : stations_) station->join_thread();
    for (auto& station : stations_) station->rethrow();
  }
  /// Runs `work` on a station's thread and waits for it.
  template <class Work>
  auto call(S& station, Work work) {
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Work>()>>(std::move(work));
    auto result = task->get_future();
    asio::post(station.context, [task] { (*task)(); });
    require(result.wait_for(patience_) == std::future_status::ready,
            "a port's thread must come back from a call");
    return result.get();
  }
  /// Waits, while threads run the stations, until it is so; `is_so` runs on this thread.
  template <class Condition>
  void wait_until(Condition is_so, const std::string& sentence) {
    for (const auto deadline = Clock::now() + patience_; !is_so();) {
      require(Clock::now() < deadline, sentence);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

 private:
  std::size_t poll() {
    std::size_t ran = 0;
    for (std::size_t i = 0; i < stations_.size(); ++i) ran += stations_[i]->poll();
    return ran;
  }

  using BrokerPointer = decltype(std::declval<Fixture&>().make_broker());
  std::chrono::milliseconds patience_ = std::chrono::seconds(10);
  std::chrono::milliseconds quiet_{20};
  std::vector<std::unique_ptr<S>> stations_;
  std::vector<BrokerPointer> brokers_;
};

}  // namespace conformance
}  // namespace testing
}  // namespace switchboard::inline v1
