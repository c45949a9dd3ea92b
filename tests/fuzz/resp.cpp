// SPDX-License-Identifier: MIT
// What talks to Redis, under whatever its servers answer: every call ends once, nothing comes twice, and when
// the servers behave again all is well again.
#include <map>

#include <switchboard/broker/redis/cluster.hpp>
#include <switchboard/broker/redis/redis_options.hpp>
#include <switchboard/broker/redis/topology.hpp>

#include "support/fake_redis.hpp"
#include "support/input.hpp"

namespace {

namespace sb = switchboard;
using namespace std::chrono_literals;
using fuzz::FakeRedis;
using fuzz::Input;
using fuzz::require;
using fuzz::Wire;

constexpr std::array<std::string_view, 4> channels{"red", "green", "blue {tag}", "x{tag}"};
constexpr std::array<std::string_view, 3> users{"ann", "ben", ""};
constexpr std::array<const char*, 12> refusals{
    "MOVED 1 b:2", "MOVED 16383 :3", "ASK 5 b:2",       "CLUSTERDOWN down", "NOAUTH no",   "WRONGPASS no",
    "NOPERM no",   "READONLY no",    "LOADING not yet", "OOM no",           "ERR unknown", "TRYAGAIN"};

/// What the broker's thread does with its servers, in a time that an input chooses.
class Broker final : public sb::redis::LinkEvents {
 public:
  explicit Broker(unsigned mode) : servers(io) {
    options_.prefix = "p:";
    options_.max_queue = 8;
    options_.max_queue_bytes = 2000;
    options_.tls = [this](asio::io_context&, sb::redis::Counters&) { return servers.make_stream(); };
    context_.random.seed(1);
    const auto gap = [](std::string_view) {};
    const auto lost = [](const std::string&, std::string_view, std::uint64_t) {};
    constexpr std::array urls{"rediss://:password@a:1/2", "rediss+cluster://a:1,b:2",
                              "rediss+sentinel://s:3,t:4/main"};
    const auto first = sb::redis::Url::parse(urls[mode % 3]);
    if (mode % 4 == 3)  // two that know nothing of each other
      topology_ = std::make_unique<sb::redis::IndependentServers>(
          context_, std::vector{first, sb::redis::Url::parse("rediss://b:2")}, gap, lost);
    else if (mode % 3 == 1)
      topology_ = std::make_unique<sb::redis::Cluster>(context_, first, gap, lost);
    else
      topology_ = std::make_unique<sb::redis::IndependentServers>(context_, std::vector{first}, gap, lost);
  }
  ~Broker() {
    topology_->close();
    poll();
  }

  /// `later`: how far the clock is ahead of the one that the connections look at.
  void tick(sb::Duration later) {
    const sb::TimePoint now = sb::steady_now() + later;
    topology_->tick(now);
    for (std::size_t i = 0; i < topology_->servers().size(); ++i) topology_->servers()[i]->tick(now);
    for (const auto& presence : topology_->presence()) presence->tick(now);
    flush(now);
    poll();
  }
  void poll() {
    io.restart();
    io.poll();
  }

  void subscribe(std::string_view channel) {
    if (!topology_->is_settled()) return;
    const std::string name(channel);
    topology_->server_of(channel).subscriber().subscribe(name, begin(), wanted_.insert(name).second);
  }
  void unsubscribe(std::string_view channel) {
    if (wanted_.erase(std::string(channel)) == 0) return;
    heard_.erase(std::string(channel));
    topology_->server_of(channel).subscriber().subscriptions().remove(channel, sb::steady_now());
  }
  void publish(std::string_view channel, std::string_view bytes) {
    if (!topology_->is_settled()) return;
    const sb::redis::WireHeader header{context_.origin, ++published_};
    topology_->server_of(channel).commands().publish({std::string(channel),
                                                      std::make_shared<const std::string>(bytes), header,
                                                      begin(), sb::steady_now()});
  }
  void change_presence(std::uint8_t what) {
    if (!topology_->is_settled()) return;
    const std::string channel(channels[what & 3]), user(users[(what >> 2 & 3) % users.size()]);
    auto& presence = topology_->presence_of(channel);
    const std::uint64_t port = 1 + (what >> 7);
    const auto ends = [this, number = begin().number](std::error_code, auto&&) { end(number); };
    switch (what >> 4 & 3) {
      case 0:
        return presence.enter(port, channel, user, "{}", ends);
      case 1:
        return presence.leave(port, channel, user, ends);
      case 2:
        return presence.query(channel, ends);
      default:
        end(last_call_);
        return presence.forget(port);
    }
  }
  void flush(sb::TimePoint now = sb::steady_now()) {
    for (std::size_t i = 0; i < topology_->servers().size(); ++i) topology_->servers()[i]->flush(now);
  }

  /// The servers are started anew and do all that they should for a while, later than all that was.
  void recover() {
    for (const auto& wire : std::vector(servers.wires())) {
      wire->accept(false);
      wire->lose();
    }
    poll();
    for (int round = 0; round < 12; ++round) {
      tick(30s + round * 200ms);
      while (servers.have_work()) {
        for (const auto& wire : std::vector(servers.wires())) {
          wire->take_at_most(~std::size_t{0});
          wire->accept(true);
          while (!wire->commands().empty()) servers.answer(*wire);
          wire->deliver(~std::size_t{0});
        }
        poll();
        flush();  // what one server's answer made another one be asked
        poll();
      }
    }
    require(open_calls_.empty(), "every call has ended");
    require(topology_->is_complete(), "all slots have their servers");
    for (const auto& server : topology_->servers())
      require(server->is_healthy(), "servers that behave are healthy", state_of(*server));
  }

  std::string state_of(sb::redis::ServerLink& server) const {
    const auto is = [](bool state) { return state ? "yes" : "no"; };
    return "commands ready: " + std::string(is(server.commands().is_ready())) +
           ", subscriptions complete: " + is(server.subscriber().is_complete()) +
           ", probes come back: " + is(server.subscriber().probe().is_delivering()) + ", errors:" + errors_;
  }

  asio::io_context io{1};
  FakeRedis servers;
  /// Payloads begin with the number of their origin and their counter, as in their headers.
  bool are_headers_true = true;

 private:
  sb::redis::CallId begin() {
    open_calls_.insert(++last_call_);
    return {1, last_call_};
  }
  void end(std::uint64_t number) { require(open_calls_.erase(number) == 1, "a call ends once"); }

  void on_message(std::string_view channel, sb::Payload payload) override {
    require(wanted_.contains(std::string(channel)), "only what is wanted comes", channel);
    if (!are_headers_true || payload->size() < 2) return;
    const auto origin = static_cast<std::uint8_t>((*payload)[0]),
               counter = static_cast<std::uint8_t>((*payload)[1]);
    auto& newest = heard_[std::string(channel)].try_emplace(origin, -1).first->second;
    require(counter > newest, "no message comes twice, or after a later one", channel);
    newest = counter;
  }
  void on_result(sb::redis::CallId call, std::error_code) override { end(call.number); }
  void on_error(sb::redis_errc error, const std::string& server, const std::string& detail) override {
    errors_ += "\n  " + server + " " + make_error_code(error).message() + " " + detail;
    require((server + detail).find("password") == std::string::npos, "errors show no password", detail);
  }
  void on_moved(std::string_view answer) override { topology_->on_moved(answer); }

  sb::RedisOptions options_;
  sb::redis::Counters counters_;
  sb::redis::LinkContext context_{io, options_, "node", 0x123450000, counters_, *this};
  std::unique_ptr<sb::redis::Topology> topology_;
  std::set<std::string> wanted_;
  std::map<std::string, std::map<std::uint8_t, int>> heard_;  // of each origin the newest counter
  std::set<std::uint64_t> open_calls_;
  std::uint64_t last_call_ = 0;
  std::uint64_t published_ = 0;
  std::string errors_;
};

/// What the servers do.
void act_as_server(Broker& broker, Input& input, std::size_t choice) {
  const std::uint8_t which = input.u8();
  if (broker.servers.wires().empty()) return;
  Wire& wire = *broker.servers.wires()[which % broker.servers.wires().size()];
  switch (choice) {
    case 0:
      return wire.accept((which & 0x80) == 0);
    case 1:  // as they should
      for (std::size_t count = 1 + input.u8() % 8; count > 0; --count) broker.servers.answer(wire);
      return;
    case 2:
      if (!wire.commands().empty()) wire.commands().pop_front();
      return wire.say("-" + std::string(refusals[input.u8() % refusals.size()]) + "\r\n");
    case 3:
      if (!wire.commands().empty()) wire.commands().pop_front();
      broker.are_headers_true = false;
      return wire.say(input.text());
    case 4: {
      const std::uint8_t what = input.u8();
      const std::uint8_t origin = what >> 4, counter = input.u8();
      const auto header = sb::redis::WireHeader{std::uint64_t{origin} << 16, counter}.encode();
      std::string payload(header.data(), header.size());
      (payload += static_cast<char>(origin)) += static_cast<char>(counter);
      const std::string channel = "p:" + std::string(channels[what & 3]);
      return wire.say(
          FakeRedis::push((what & 4) != 0 ? "smessage" : "message", channel, payload.append(input.text())));
    }
    case 5:
      return wire.lose();
    case 6:
      return wire.deliver(1 + input.u8() * std::size_t{4});
    case 7:
      return wire.take_at_most(1 + input.u8());
    default:
      broker.servers.first_slot_of_second = 1 + input.u16() % 16000;
  }
}

void act_as_shard(Broker& broker, Input& input, std::size_t choice) {
  const std::uint8_t what = input.u8();
  const std::string_view channel = channels[what % channels.size()];
  switch (choice) {
    case 0:
      return broker.subscribe(channel);
    case 1:
      return broker.unsubscribe(channel);
    case 2:
      return broker.publish(channel, input.text());
    case 3:
      return broker.change_presence(what);
    default: {
      constexpr std::array<sb::Duration, 5> times{0s, 1s, 4s, 6s, 20s};
      return broker.tick(times[what % times.size()]);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Broker broker(input.u8());
  broker.tick(0s);
  for (int steps = 0; !input.is_empty() && steps < 300; ++steps) {
    const std::size_t choice = input.below(16);
    if (choice < 9)
      act_as_server(broker, input, choice);
    else if (choice < 14)
      act_as_shard(broker, input, choice - 9);
    else if (choice == 14)
      broker.flush();
    else
      broker.servers.go_on();
    broker.poll();
  }
  broker.recover();
  return 0;
}
