// SPDX-License-Identifier: MIT
// The clients of benchmarks/storm: some lose their node at once and come back to the others as the JavaScript
// client does, the rest go on. One thread, one epoll set. Prints a JSON object for each moment, and one for
// the whole.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/client.hpp"
#include "support/command_line.hpp"
#include "support/histogram.hpp"
#include "support/messages.hpp"

namespace {

using benchmark::Client;
using benchmark::close_opcode;
using benchmark::count_of;
using benchmark::Histogram;
using benchmark::now;
using benchmark::ping;
using benchmark::pong;
using benchmark::text;
using namespace std::chrono_literals;

struct Settings {
  std::vector<std::string> ports;
  std::vector<benchmark::Endpoint> nodes;
  std::size_t cut = 10'000, others = 1000, channels = 100, rate = 100;
  std::uint64_t seed = 1;
  std::chrono::milliseconds tail = 5s, give_up = 120s;
};

double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

/// The number that follows `key` in a server's JSON, which has no blanks; 0 if there is none.
std::uint64_t number_after(std::string_view json, std::string_view key) {
  std::uint64_t number = 0;
  if (const std::size_t at = json.find(key); at != json.npos)
    std::from_chars(json.data() + at + key.size(), json.data() + json.size(), number);
  return number;
}

/// The JavaScript client's: full jitter, on the first attempt too.
class Backoff {
 public:
  std::uint64_t next(std::mt19937_64& random) {
    const double bound = std::min(30e9, 1e9 * static_cast<double>(1ULL << std::min(attempts_++, 30U)));
    return static_cast<std::uint64_t>(std::uniform_real_distribution<>(0, bound)(random));
  }
  void reset() { attempts_ = 0; }

 private:
  unsigned attempts_ = 0;
};

/// A stateful client of one channel, whose messages are numbered without a hole.
struct Member {
  enum class State { away, connecting, catching_up, up };
  State state = State::away;
  std::size_t node = 0;
  std::size_t channel = 0;
  bool is_cut = false;  // it is one of those that lose their node
  std::unique_ptr<Client> socket{};
  Backoff backoff{};
  std::uint64_t since = 0;  // when the attempt began, or the welcome came
  std::string session{};
  std::uint64_t last_seq = 0, welcome_seq = 0;
  bool is_same_session = false;
  std::uint64_t newest = 0;  // number in its channel; 0: any may come next
};

class Storm {
 public:
  explicit Storm(const Settings& settings)
      : settings_(settings), random_(settings.seed), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) benchmark::throw_errno("epoll_create1");
    const auto add = [&](std::size_t count, std::size_t node) {
      for (std::size_t i = 0; i < count; ++i) {
        Member& member = members_.emplace_back();
        member.node = node;
        member.channel = i % settings_.channels;
        member.is_cut = node == 0;
      }
    };
    add(settings_.cut, 0);
    for (std::size_t node = 1; node < settings_.nodes.size(); ++node) add(settings_.others, node);
    published_.resize(settings_.channels);
  }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    members_.clear();
    publisher_.reset();
    ::close(epoll_);
  }

  void run() {
    gather();
    std::cout << "ready" << std::endl;
    next_sample_ = next_publish_ = now();
    while (!is_over()) {
      publish_due();
      start_due();
      if (now() >= next_sample_) sample();
      poll(due_.empty() || due_.top().first > now() ? 1 : 0);
    }
    for (const std::uint64_t end = now() + count_of(1s); now() < end;) poll(10);  // what is under way
    print_summary();
  }

 private:
  static constexpr std::uint64_t sample_interval = count_of(100ms);

  /// All are there, a few at a time.
  void gather() {
    const std::uint64_t deadline = now() + count_of(settings_.give_up);
    publisher_ = std::make_unique<Client>(members_.size(), epoll_, settings_.nodes[1], "/ws?token=publisher");
    for (std::size_t begun = 0; up_ < members_.size();) {
      for (constexpr std::size_t at_once = 64; begun < members_.size() && begun - up_ < at_once; ++begun)
        connect(begun);
      poll(100);
      if (now() > deadline) throw std::runtime_error("only " + std::to_string(up_) + " clients are there");
      if (has_lost_) throw std::runtime_error("a client was cut before the storm");
    }
  }

  bool is_over() const {
    if (!has_lost_) return false;
    if (now() > lost_at_ + count_of(settings_.give_up)) return true;
    return up_ == members_.size() && now() > newest_catch_up_ + count_of(settings_.tail);
  }

  void connect(std::size_t number) {
    Member& member = members_[number];
    member.state = Member::State::connecting;
    member.since = now();
    member.is_same_session = false;
    ++attempts_;
    std::string target =
        "/ws?token=user" + std::to_string(number) + "&last_seq=" + std::to_string(member.last_seq);
    if (!member.session.empty()) target += "&session=" + member.session;
    try {
      member.socket = std::make_unique<Client>(number, epoll_, settings_.nodes[member.node], target);
    } catch (const std::system_error&) {
      lose(member, number);
    }
  }

  /// Comes back after a while, to one of the nodes that are left: as if a balancer had noticed already.
  void lose(Member& member, std::size_t number) {
    if (!std::exchange(has_lost_, true)) lost_at_ = now();
    if (!member.is_cut) ++uncut_lost_;
    constexpr std::uint64_t stable_after = count_of(5s);
    const bool was_welcome = member.state == Member::State::up || member.state == Member::State::catching_up;
    if (was_welcome && now() - member.since >= stable_after) member.backoff.reset();
    if (!was_welcome) ++failed_;
    if (member.state == Member::State::up) --up_;
    member.state = Member::State::away;
    member.socket.reset();
    std::uniform_int_distribution<std::size_t> any(1, settings_.nodes.size() - 1);
    member.node = any(random_);
    due_.emplace(now() + member.backoff.next(random_), number);
  }

  /// A few at a time: what arrives meanwhile is not to wait for all of them.
  void start_due() {
    const std::uint64_t time = now();
    for (int begun = 0; begun < 16 && !due_.empty() && due_.top().first <= time; ++begun) {
      const std::size_t number = due_.top().second;
      due_.pop();
      connect(number);
    }
  }

  void poll(int milliseconds) {
    const int ready = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds);
    for (int i = 0; i < ready; ++i) {
      const auto& event = events_[static_cast<std::size_t>(i)];
      Client& client = *static_cast<Client*>(event.data.ptr);
      if (!serve(client, event.events)) {
        if (&client == publisher_.get()) throw std::runtime_error("the publisher was cut");
        const std::size_t number = client.number();
        lose(members_[number], number);
      }
    }
  }

  /// False: the connection is of no more use.
  bool serve(Client& client, std::uint32_t events) {
    bool is_closing = false;
    const auto on_frame = [&](Client& from, unsigned opcode, std::string_view payload) {
      if (opcode == close_opcode) is_closing = true;
      if (opcode == ping) from.send_frame(pong, payload);
      if (opcode == text && !is_closing) on_text(from, payload);
    };
    try {
      if ((events & EPOLLOUT) != 0) client.flush();
      return (events & ~EPOLLOUT) == 0 || (client.read(buffer_, on_frame) && !is_closing);
    } catch (const std::runtime_error&) {  // refused
      return false;
    }
  }

  void on_text(Client& client, std::string_view payload) {
    if (benchmark::is_json_ping(client, payload)) return;
    if (&client == publisher_.get()) return;
    Member& member = members_[client.number()];
    if (payload.starts_with(R"({"type":"welcome")")) return on_welcome(member, payload);
    if (payload.starts_with(R"({"status":"subscribed")")) return caught_up(member);
    if (!payload.starts_with(R"({"seq":)")) return;
    member.last_seq = number_after(payload, R"({"seq":)");
    if (payload.find(R"("type":"message")") != payload.npos)
      on_message(member, number_after(payload, R"("data":)"));
    else if (payload.find(R"("type":"gap")") != payload.npos)
      ++gaps_, member.newest = 0;
    if (member.is_same_session && member.last_seq >= member.welcome_seq) caught_up(member);
  }

  void on_welcome(Member& member, std::string_view payload) {
    constexpr std::string_view key = R"("session":")";
    const std::size_t at = payload.find(key) + key.size();
    const std::string_view session = payload.substr(at, payload.find('"', at) - at);
    member.welcome_seq = number_after(payload, R"("seq":)");
    member.is_same_session = session == member.session;
    member.since = now();
    member.state = Member::State::catching_up;
    if (has_lost_) ++(member.is_same_session ? recovered_ : new_sessions_);
    if (member.is_same_session) {
      const std::uint64_t missed = number_after(payload, R"("missed":)");
      told_missed_ += missed;
      if (missed > 0) member.newest = 0;
      if (member.last_seq + missed >= member.welcome_seq) caught_up(member);
      return;
    }
    member.session = session;
    member.last_seq = member.welcome_seq;
    member.newest = 0;
    member.socket->send_frame(
        text, R"({"action":"subscribe","channel":"c)" + std::to_string(member.channel) + R"("})");
  }

  void caught_up(Member& member) {
    if (member.state != Member::State::catching_up) return;
    member.state = Member::State::up;
    ++up_;
    if (!has_lost_) return;
    newest_catch_up_ = now();
    catch_up_.add(newest_catch_up_ - lost_at_);
  }

  void on_message(Member& member, std::uint64_t number) {
    if (member.newest != 0 && number <= member.newest) ++doubled_;
    if (member.newest != 0 && number > member.newest + 1) lost_messages_ += number - member.newest - 1;
    member.newest = number;
    ++all_deliveries_;
    if (member.is_cut) return;
    ++uncut_deliveries_;
    const std::uint64_t latency = now() - published_[member.channel].at(number - 1);
    latencies_.add(latency);
    (has_lost_ ? latencies_after_ : latencies_before_).add(latency);
  }

  void publish_due() {
    for (const std::uint64_t time = now(); next_publish_ <= time;
         next_publish_ += 1'000'000'000 / settings_.rate) {
      const std::size_t channel = round_robin_++ % settings_.channels;
      published_[channel].push_back(next_publish_);
      publisher_->send_frame(text, R"({"action":"publish","channel":"c)" + std::to_string(channel) +
                                       R"(","data":)" + std::to_string(published_[channel].size()) + "}");
    }
  }

  void sample() {
    for (std::size_t i = 0; i < members_.size(); ++i)  // the client's patience with a connection
      if (members_[i].state == Member::State::connecting && now() - members_[i].since > count_of(10s))
        lose(members_[i], i);
    std::cout << R"({"time":)" << std::to_string(seconds(now())) << R"(,"up":)" << up_ << R"(,"uncut":)"
              << std::exchange(uncut_deliveries_, 0) << R"(,"all":)" << std::exchange(all_deliveries_, 0)
              << R"(,"p99_us":)" << latencies_.percentile(0.99) / 1000 << "}" << std::endl;
    latencies_.clear();
    next_sample_ += sample_interval;
  }

  void print_summary() {
    std::size_t behind = 0;
    for (const Member& member : members_) behind += member.newest != published_[member.channel].size();
    const auto milliseconds = [](std::uint64_t nanoseconds) {
      return static_cast<double>(nanoseconds) / 1e6;
    };
    std::cout << R"({"clients":)" << members_.size() << R"(,"lost_at":)" << std::to_string(seconds(lost_at_))
              << R"(,"up":)" << up_ << R"(,"all_caught_up_s":)" << seconds(newest_catch_up_ - lost_at_)
              << R"(,"median_caught_up_s":)" << seconds(catch_up_.percentile(0.5)) << R"(,"attempts":)"
              << attempts_ - members_.size() << R"(,"failed":)" << failed_ << R"(,"recovered":)" << recovered_
              << R"(,"new_sessions":)" << new_sessions_ << R"(,"missed":)" << told_missed_ << R"(,"gaps":)"
              << gaps_ << R"(,"lost":)" << lost_messages_ << R"(,"doubled":)" << doubled_ << R"(,"behind":)"
              << behind << R"(,"uncut_lost":)" << uncut_lost_ << R"(,"p99_before_ms":)"
              << milliseconds(latencies_before_.percentile(0.99)) << R"(,"p99_after_ms":)"
              << milliseconds(latencies_after_.percentile(0.99)) << R"(,"max_after_ms":)"
              << milliseconds(latencies_after_.percentile(0.999999)) << "}" << std::endl;
  }

  const Settings settings_;
  std::mt19937_64 random_;
  int epoll_;
  std::vector<epoll_event> events_ = std::vector<epoll_event>(1024);
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::vector<Member> members_;
  std::unique_ptr<Client> publisher_;
  using Due = std::pair<std::uint64_t, std::size_t>;  // when, who
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<std::vector<std::uint64_t>> published_;  // when, for each channel
  std::uint64_t next_publish_ = 0, next_sample_ = 0;
  std::size_t round_robin_ = 0;

  bool has_lost_ = false;
  std::uint64_t lost_at_ = 0, newest_catch_up_ = 0;
  std::size_t up_ = 0;
  std::uint64_t attempts_ = 0, failed_ = 0, recovered_ = 0, new_sessions_ = 0, told_missed_ = 0, gaps_ = 0;
  std::uint64_t lost_messages_ = 0, doubled_ = 0, uncut_lost_ = 0, uncut_deliveries_ = 0, all_deliveries_ = 0;
  Histogram latencies_, latencies_before_, latencies_after_, catch_up_;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  support::CommandLine flags("The clients of benchmarks/storm.");
  flags.list("--port", "N", settings.ports, "a node's, on 127.0.0.1; the first is the one that is lost");
  flags.number<std::size_t>("--cut", settings.cut, "clients of the first node", 1, 18'000);
  flags.number<std::size_t>("--others", settings.others, "clients of each other node", 0, 18'000);
  flags.number<std::size_t>("--channels", settings.channels, "each client has one of them", 1);
  flags.number<std::size_t>("--rate", settings.rate, "publishes a second, all channels together", 1,
                            1'000'000);
  flags.number<std::uint64_t>("--seed", settings.seed, "of the clients' jitter");
  flags.milliseconds("--give-up", settings.give_up, "when not all have come back by then");
  flags.parse_or_exit(argc, argv);
  for (const std::string& port : settings.ports)
    settings.nodes.push_back({"127.0.0.1", static_cast<std::uint16_t>(std::stoul(port))});
  if (settings.nodes.size() < 2) throw std::runtime_error("two --port are the least");
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Storm(parse(argc, argv)).run();
  } catch (const std::exception& error) {
    std::cerr << "storm_load: " << error.what() << '\n';
    return 1;
  }
}
