// SPDX-License-Identifier: MIT
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/broker/in_memory_broker.hpp>
#include <switchboard/testing/broker_conformance.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using namespace std::chrono_literals;
using testing::broker_checks;
using testing::run_broker_check;
using testing::run_broker_conformance;

namespace {

template <std::size_t ring_capacity, std::size_t max_pending>
struct InMemoryFixture {
  std::unique_ptr<InMemoryBroker> make_broker() {
    return std::make_unique<InMemoryBroker>(
        InMemoryBroker::Options{.ring_capacity = ring_capacity, .max_pending = max_pending});
  }
};

enum class Fault {
  none,
  delivers_to_the_publisher,
  delivers_to_everyone,
  loses_some,
  loses_some_but_tells,
  tells_of_another_channel,
  swaps_two,
  doubles_some,
  refuses_a_flood_silently,
  throws_from_publish,
  throws_from_stop,
  calls_done_inside,
  calls_done_twice,
  calls_done_elsewhere,
  calls_done_after_the_end,
  says_subscribed_too_early,
  never_forgets_a_subscription,
  forgets_a_resubscription,
  cuts_names_at_nul,
  refuses_large_payloads,
  detaches_nothing_when_assigned_to,
  lists_a_user_by_port,
  keeps_the_first_info,
  calls_every_enter_a_change,
  has_one_version,
  leaves_entries_behind,
};

/// An InMemoryBroker that breaks one promise.
class BrokenBroker {
 public:
  struct Options {
    Fault fault = Fault::none;
  };
  class Port;

  explicit BrokenBroker(const Options& options) : fault_(options.fault) {}
  Port attach(asio::any_io_executor executor, BrokerSink& sink);
  void stop() {
    if (fault_ == Fault::throws_from_stop) throw std::runtime_error("the bus has gone");
    broker_.stop();
  }

 private:
  struct State final : BrokerSink {
    State(BrokenBroker& its_broker, asio::any_io_executor its_executor, BrokerSink& its_sink)
        : broker(its_broker), executor(its_executor), sink(its_sink) {}
    void on_message(std::string_view channel, const Payload& message) override {
      const bool tells_wrongly = broker.fault_ == Fault::tells_of_another_channel;
      if ((broker.fault_ != Fault::loses_some_but_tells && !tells_wrongly) || ++heard % 1000 != 0)
        sink.on_message(channel, message);
      else
        sink.on_gap(tells_wrongly ? "another" : channel);
    }
    void on_gap(std::string_view channel) override { sink.on_gap(channel); }

    BrokenBroker& broker;
    asio::any_io_executor executor;
    BrokerSink& sink;
    std::optional<InMemoryBroker::Port> port;
    std::set<std::string> channels;
    std::map<std::pair<std::string, std::string>, std::string> infos;
    int published = 0, heard = 0;
  };

  const Fault fault_;
  InMemoryBroker broker_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<State>> states_;  // of all ports there ever were
};

class BrokenBroker::Port {
 public:
  explicit Port(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Port(Port&&) = default;
  Port& operator=(Port&& other) noexcept {
    if (fault() != Fault::detaches_nothing_when_assigned_to) state_->port.reset();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Port() {
    if (state_ && fault() != Fault::leaves_entries_behind) state_->port.reset();
  }

  void subscribe(std::string_view channel, Done done) {
    if (fault() == Fault::forgets_a_resubscription) {
      if (!state_->channels.insert(std::string(channel)).second) return later(done);
    }
    state_->channels.insert(std::string(channel));
    if (fault() == Fault::says_subscribed_too_early) {
      state_->port->subscribe(channel, {});
      return later(done);
    }
    state_->port->subscribe(cut(channel), wrapped(std::move(done)));
  }
  void unsubscribe(std::string_view channel) {
    if (fault() != Fault::forgets_a_resubscription) state_->channels.erase(std::string(channel));
    if (fault() != Fault::never_forgets_a_subscription) state_->port->unsubscribe(cut(channel));
  }
  void publish(std::string_view channel, Payload message, Done done) {
    const int number = ++state_->published;
    if (fault() == Fault::throws_from_publish && number > 10) throw 13;
    if (fault() == Fault::delivers_to_everyone || fault() == Fault::delivers_to_the_publisher)
      deliver_wrongly(channel, message);
    if (fault() == Fault::loses_some && number % 1000 == 0) return later(done);
    if (fault() == Fault::refuses_a_flood_silently && number > 50'000) return later(done);
    if (fault() == Fault::refuses_large_payloads && message->size() > (1 << 20))
      return later([done](auto) { done(broker_errc::too_large); });
    if (fault() == Fault::calls_done_inside) std::exchange(done, {})({});
    if (fault() == Fault::doubles_some && number % 1000 == 0) state_->port->publish(channel, message, {});
    if (fault() == Fault::swaps_two && number % 1000 < 5) {  // the channel's next comes before it
      asio::post(state_->executor, [state = state_, channel = std::string(channel), message, done] {
        state->port->publish(channel, message, done);
      });
      return;
    }
    state_->port->publish(cut(channel), std::move(message), wrapped(std::move(done)));
  }

  using Changed = std::function<void(std::error_code, PresenceChange)>;
  void enter(std::string_view channel, std::string_view user, std::string info, Changed changed) {
    const bool is_new = state_->infos.try_emplace({std::string(channel), std::string(user)}, info).second;
    if (fault() == Fault::keeps_the_first_info && !is_new)
      info = state_->infos[{std::string(channel), std::string(user)}];
    state_->port->enter(channel, listed(user), info, altered(std::move(changed)));
  }
  void leave(std::string_view channel, std::string_view user, Changed changed) {
    state_->port->leave(channel, listed(user), altered(std::move(changed)));
  }
  void query(std::string_view channel,
             std::function<void(std::error_code, std::vector<PresenceEntry>)> done) {
    state_->port->query(channel, std::move(done));
  }

 private:
  Fault fault() const { return state_->broker.fault_; }
  void deliver_wrongly(std::string_view channel, const Payload& message) const {
    for (const auto& state : state_->broker.states_) {
      const bool is_subscribed = state->channels.contains(std::string(channel));
      if (fault() == Fault::delivers_to_everyone ? !is_subscribed : is_subscribed && state == state_)
        asio::post(state->executor,
                   [state, name = std::string(channel), message] { state->sink.on_message(name, message); });
    }
  }
  void later(Done done) {
    asio::post(state_->executor, [done = std::move(done)] { done({}); });
  }
  std::string_view cut(std::string_view channel) const {
    return fault() == Fault::cuts_names_at_nul ? channel.substr(0, channel.find('\0')) : channel;
  }
  Done wrapped(Done done) {
    if (fault() == Fault::calls_done_twice)
      return [done](std::error_code error) {
        done(error);
        done(error);
      };
    if (fault() == Fault::calls_done_elsewhere)
      return [done, executor = state_->broker.states_.front()->executor](std::error_code error) {
        asio::post(executor, [done, error] { done(error); });
      };
    if (fault() == Fault::calls_done_after_the_end) {
      later(std::move(done));
      return {};
    }
    return done;
  }
  std::string listed(std::string_view user) const {
    if (fault() != Fault::lists_a_user_by_port) return std::string(user);
    return std::string(user) + std::to_string(reinterpret_cast<std::uintptr_t>(state_.get()));
  }
  Changed altered(Changed changed) const {
    return [changed, broken = fault()](std::error_code error, PresenceChange change) {
      if (broken == Fault::calls_every_enter_a_change) change.changed = true;
      if (broken == Fault::has_one_version) change.version = 1;
      changed(error, change);
    };
  }

  std::shared_ptr<State> state_;
};

BrokenBroker::Port BrokenBroker::attach(asio::any_io_executor executor, BrokerSink& sink) {
  const std::lock_guard lock(mutex_);
  states_.push_back(std::make_shared<State>(*this, executor, sink));
  states_.back()->port.emplace(broker_.attach(executor, *states_.back()));
  return Port(states_.back());
}

struct BrokenFixture {
  std::unique_ptr<BrokenBroker> make_broker() {
    return std::make_unique<BrokenBroker>(BrokenBroker::Options{.fault = fault});
  }

  Fault fault = Fault::none;
  std::chrono::milliseconds patience{10'000};
};

/// What the check says about a broker with that fault; empty if it did not notice.
/// `patience` is for the checks that can tell only by waiting in vain.
std::string found_by(std::string_view check, Fault fault,
                     std::chrono::milliseconds patience = std::chrono::seconds(10)) {
  BrokenFixture fixture{.fault = fault, .patience = patience};
  return run_broker_check(fixture, check).value_or("");
}

template <class Fixture>
void require_conformance(Fixture fixture = {}) {
  for (const auto& failure : run_broker_conformance(fixture))
    FAIL_CHECK(failure.check << ": " << failure.message);
}

}  // namespace

TEST_CASE("InMemoryBroker conforms") {
  require_conformance(InMemoryFixture<4096, 65536>{});
}

TEST_CASE("InMemoryBroker conforms with rings that are always full") {
  require_conformance(InMemoryFixture<1, 200>{});
}

TEST_CASE("the battery has a check for presence only where a port has it") {
  struct WithoutPresence {
    struct Port {
      void subscribe(std::string_view, Done) {}
      void unsubscribe(std::string_view) {}
      void publish(std::string_view, Payload, Done) {}
    };
    struct Deaf {
      struct Options {};
      explicit Deaf(const Options&) {}
      Port attach(asio::any_io_executor, BrokerSink&) { return {}; }
      void stop() {}
    };
    std::chrono::milliseconds patience{10};
    std::unique_ptr<Deaf> make_broker() { return std::make_unique<Deaf>(Deaf::Options{}); }
  };
  CHECK(broker_checks<InMemoryFixture<1, 1>>().size() > broker_checks<WithoutPresence>().size());
  WithoutPresence fixture;
  CHECK(run_broker_check(fixture, "a publish reaches every other subscribed port") ==
        "the done of a subscribe must come");
  CHECK_THROWS_AS(run_broker_check(fixture, "no such check"), std::invalid_argument);
}

TEST_CASE("each check fails for a broker that breaks its promise, and says which") {
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(found_by("a payload of 16 MiB arrives", Fault::refuses_large_payloads, 2s),
             ContainsSubstring("16 MiB"));
  CHECK_THAT(
      found_by("a message never comes back to the port that published it", Fault::delivers_to_the_publisher),
      ContainsSubstring("never come back"));
  CHECK_THAT(found_by("ports that are not subscribed get nothing", Fault::delivers_to_everyone),
             ContainsSubstring("get nothing"));
  CHECK_THAT(found_by("a loss is told by on_gap", Fault::loses_some, 2s),
             ContainsSubstring("told by on_gap"));
  CHECK_THAT(found_by("a loss is told by on_gap", Fault::tells_of_another_channel, 2s),
             ContainsSubstring("on_gap of its channel"));
  CHECK_THAT(found_by("a flood of 100000 publishes without yielding is survived",
                      Fault::refuses_a_flood_silently, 2s),
             ContainsSubstring("of a flood"));
  CHECK_THAT(found_by("order holds per publisher and channel", Fault::swaps_two),
             ContainsSubstring("order of the calls"));
  CHECK_THAT(found_by("a message arrives at most once", Fault::doubles_some),
             ContainsSubstring("at most once"));
  CHECK_THAT(found_by("names and payloads may hold any bytes", Fault::cuts_names_at_nul),
             ContainsSubstring("NUL"));
  CHECK_THAT(found_by("unsubscribe is immediate", Fault::never_forgets_a_subscription),
             ContainsSubstring("may come"));
  CHECK_THAT(found_by("a second subscribe changes nothing", Fault::never_forgets_a_subscription),
             ContainsSubstring("must end a subscription"));
  CHECK_THAT(found_by("subscribe, unsubscribe, subscribe without yielding ends subscribed",
                      Fault::forgets_a_resubscription, 1s),
             ContainsSubstring("end subscribed"));
  CHECK_THAT(
      found_by("after a subscribe is done every later publish arrives", Fault::says_subscribed_too_early, 1s),
      ContainsSubstring("done({})"));
}

TEST_CASE("the checks of calls fail for a broker that calls at the wrong time or place") {
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(found_by("nothing is called back inside a call", Fault::calls_done_inside),
             ContainsSubstring("never inside a call"));
  CHECK_THAT(found_by("done is called exactly once", Fault::calls_done_twice),
             ContainsSubstring("exactly once"));
  CHECK_THAT(found_by("callbacks run on the port's executor", Fault::calls_done_elsewhere),
             ContainsSubstring("on the executor"));
  CHECK_THAT(found_by("a port may be destroyed with calls queued", Fault::calls_done_after_the_end),
             ContainsSubstring("no done may be called"));
  CHECK_THAT(found_by("a port may be moved", Fault::detaches_nothing_when_assigned_to),
             ContainsSubstring("must detach"));
  CHECK_THAT(found_by("two publishers and two subscribers on four threads", Fault::loses_some, 2s),
             ContainsSubstring("or on_gap must tell"));
  CHECK_THAT(
      found_by("two publishers and two subscribers on four threads", Fault::tells_of_another_channel, 2s),
      ContainsSubstring("on_gap must tell of its channel"));
  CHECK_THAT(found_by("two publishers and two subscribers on four threads", Fault::doubles_some),
             ContainsSubstring("once and in order"));
}

TEST_CASE("what a broker throws on a thread of the battery's is a failure, not the end") {
  CHECK(found_by("stop leaves ports harmless", Fault::throws_from_stop) == "the bus has gone");
  for (const char* check : {"two publishers and two subscribers on four threads",
                            "after a subscribe is done every later publish arrives, across threads",
                            "done is called exactly once"})
    CHECK_FALSE(found_by(check, Fault::throws_from_publish, 200ms).empty());
  CHECK_FALSE(found_by("after a subscribe is done every later publish arrives, across threads",
                       Fault::calls_done_twice, 200ms)
                  .empty());
}

TEST_CASE("the checks of presence fail for a table that is wrong") {
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(found_by("presence: every port sees each user once", Fault::lists_a_user_by_port),
             ContainsSubstring("each once"));
  CHECK_THAT(
      found_by("presence: the first enter and the last leave are changes", Fault::calls_every_enter_a_change),
      ContainsSubstring("must be none"));
  CHECK_THAT(found_by("presence: entering again replaces the info", Fault::keeps_the_first_info),
             ContainsSubstring("replace the info"));
  CHECK_THAT(found_by("presence: versions grow", Fault::has_one_version),
             ContainsSubstring("larger version"));
  CHECK_THAT(found_by("presence: entries leave with their port", Fault::leaves_entries_behind, 1s),
             ContainsSubstring("leave when the port is destroyed"));
}

TEST_CASE("a broker that tells of its losses breaks no promise, and the wrapper of these tests none either") {
  CHECK(found_by("a loss is told by on_gap", Fault::loses_some_but_tells) == "");
  CHECK(found_by("a loss is told by on_gap", Fault::none) == "");
  BrokenFixture fixture;
  for (const auto& check : broker_checks<BrokenFixture>())
    if (check.name.find("100000") == std::string_view::npos)
      CHECK(run_broker_check(fixture, check).value_or("") == "");
}
