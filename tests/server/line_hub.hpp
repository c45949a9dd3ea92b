// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <charconv>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <switchboard/server/shard_group.hpp>

namespace line_hub {

namespace sb = switchboard;

/// What the hubs of one test saw, for the test's own thread.
struct Journal {
  std::atomic<int> opened{0}, adopted{0}, refused{0}, admin{0}, ended{0}, open{0}, commands{0},
      largest_batch{0}, receives{0}, gathers{0};
  std::atomic<int> draining{0};  // hubs that drain
  void record(std::string text) {
    const std::lock_guard lock(mutex);
    executed.push_back(std::move(text));
  }
  std::vector<std::string> all_executed() {
    const std::lock_guard lock(mutex);
    return executed;
  }
  std::mutex mutex;
  std::vector<std::string> executed;
};

struct Handoff {
  std::string unread;
};

struct NoApp {};

/// A hub without WebSockets: it reads lines and does what they say, so that a test can make the shell do
/// everything the real hub would ask of it. An unknown line is sent back.
template <class App, class Host>
class LineHub {
 public:
  LineHub(Host& host, const std::shared_ptr<Journal>& journal, unsigned shard, unsigned)
      : host_(host), journal_(journal), shard_(shard) {}

  sb::TransportId open(const sb::net::Address&, sb::Admission admission) {
    const sb::TransportId id = take_slot();
    ++journal_->opened;
    if (admission == sb::Admission::admin)
      ++journal_->admin;
    else if (admission != sb::Admission::admitted)
      ++journal_->refused;
    connection(id).admission = admission;
    if (is_draining_) connection(id).admission = sb::Admission::full;
    return id;
  }

  sb::TransportId adopt(Handoff&& handoff) {
    const sb::TransportId id = take_slot();
    ++journal_->adopted;
    say(id, "moved to " + std::to_string(shard_) + "\n");
    receive(id, {handoff.unread.data(),
                 handoff.unread.size()});  // may close the socket before it has a name outside
    return id;
  }

  void receive(sb::TransportId id, std::span<char> bytes) {
    ++journal_->receives;
    connection(id).input.append(bytes.data(), bytes.size());
    if (const int size = static_cast<int>(bytes.size()); size > journal_->largest_batch)
      journal_->largest_batch = size;
    while (is_open(id)) {
      std::string& input = connection(id).input;
      const std::size_t end = input.find('\n');
      if (end == std::string::npos) return;
      const std::string line = input.substr(0, end);
      input.erase(0, end + 1);
      obey(id, line);
    }
  }

  void receive_eof(sb::TransportId id, bool = false) {
    ++journal_->ended;
    if (connection(id).waits_for_output && !connection(id).output.empty()) return;
    end(id, sb::SocketClose::graceful);
  }

  template <class Output>
  void gather(sb::TransportId id, Output& out) {
    ++journal_->gathers;
    for (const std::string& piece : connection(id).output)
      if (!out.add(std::string_view(piece).substr(
              &piece == &connection(id).output.front() ? connection(id).sent : 0)))
        return;
  }

  bool written(sb::TransportId id, std::size_t bytes) {
    Connection& to = connection(id);
    to.sent += bytes;
    while (!to.output.empty() && to.sent >= to.output.front().size()) {
      to.sent -= to.output.front().size();
      to.output.pop_front();
    }
    if (!to.output.empty()) return true;
    to.told = false;
    if (to.closes) end(id, sb::SocketClose::graceful);
    return false;
  }

  void run_timers() {
    auto due = std::move(timers_);
    timers_.clear();
    for (auto& timer : due) {
      if (timer.first <= host_.now())
        timer.second();
      else
        timers_.push_back(std::move(timer));
    }
    for (const auto& timer : timers_) host_.wake_at(timer.first);
  }

  void execute(sb::Command&& command) {
    journal_->record(command.target + ":" + command.body);
    ++journal_->commands;
  }

  void drain() {
    is_draining_ = true;
    ++journal_->draining;
    for (std::uint32_t i = 0; i < connections_.size(); ++i)
      if (connections_[i].is_open && !connections_[i].stays) {
        say(sb::TransportId{i}, "bye\n");
        connections_[i].closes = true;
      }
  }
  bool is_drained() const { return is_draining_ && open_ == 0; }
  void abort_all() {
    for (std::uint32_t i = 0; i < connections_.size(); ++i)
      if (connections_[i].is_open) end(sb::TransportId{i}, sb::SocketClose::abort);
  }

  void shut_down() {}

  /// Something that comes from outside a batch: a timer, a broker, a coroutine.
  void say_to_all(const std::string& text) {
    for (std::uint32_t i = 0; i < connections_.size(); ++i)
      if (connections_[i].is_open) say(sb::TransportId{i}, text);
  }

 private:
  struct Connection {
    std::string input;
    std::deque<std::string> output;
    std::size_t sent = 0;
    sb::Admission admission = sb::Admission::admitted;
    bool is_open = false, told = false, closes = false, stays = false, waits_for_output = false;
  };

  Connection& connection(sb::TransportId id) { return connections_.at(static_cast<std::size_t>(id)); }
  bool is_open(sb::TransportId id) { return connection(id).is_open; }

  sb::TransportId take_slot() {
    std::size_t slot = 0;
    while (slot < connections_.size() && connections_[slot].is_open) ++slot;
    if (slot == connections_.size()) connections_.emplace_back();
    connections_[slot] = {};
    connections_[slot].is_open = true;
    ++open_;
    ++journal_->open;
    return sb::TransportId{static_cast<std::uint32_t>(slot)};
  }

  void forget(sb::TransportId id) {
    connection(id) = {};
    --open_;
    --journal_->open;
  }
  void end(sb::TransportId id, sb::SocketClose how) {
    forget(id);
    host_.close_socket(id, how);
  }

  void say(sb::TransportId id, std::string text) {
    Connection& to = connection(id);
    to.output.push_back(std::move(text));
    if (!std::exchange(to.told, true)) host_.output_ready(id);
  }

  static unsigned number(std::string_view text) {
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  void obey(sb::TransportId id, const std::string& line) {
    Connection& from = connection(id);
    const auto argument = [&] { return number(std::string_view(line).substr(line.find(' ') + 1)); };
    if (from.admission == sb::Admission::full)
      say(id, "full\n"), from.closes = true;
    else if (from.admission == sb::Admission::too_many_from_address)
      say(id, "too many\n"), from.closes = true;
    else if (line == "close")
      say(id, "closing\n"), from.closes = true;
    else if (line == "abort")
      end(id, sb::SocketClose::abort);
    else if (line == "shard")
      say(id, std::to_string(shard_) + "\n");
    else if (line == "stay")
      from.stays = true, say(id, "staying\n");
    else if (line == "finish output after eof")
      from.waits_for_output = from.closes = true;
    else if (line == "flush")
      say(id, "flushed\n"), host_.flush(id);
    else if (line == "throw")
      throw std::runtime_error("a broken hub");
    else if (line.starts_with("send "))
      say(id, std::string(argument(), 'x'));
    else if (line.starts_with("pieces "))
      pieces(id, argument());
    else if (line.starts_with("move "))
      move(id, argument());
    else if (line.starts_with("pause "))
      pause(id, std::chrono::milliseconds(argument()));
    else
      say(id, line + "\n");
  }

  void pieces(sb::TransportId id, unsigned count) {
    for (unsigned i = 0; i < count; ++i) say(id, std::string(100, static_cast<char>('a' + i % 26)));
  }

  void move(sb::TransportId id, unsigned shard) {
    Handoff handoff{connection(id).input};
    forget(id);
    host_.move_socket(id, shard, std::move(handoff));
  }

  void pause(sb::TransportId id, sb::Duration length) {
    host_.want_input(id, false);
    timers_.emplace_back(host_.now() + length, [this, id] {
      if (!is_open(id)) return;
      say(id, "awake\n");
      host_.want_input(id, true);
    });
    host_.wake_at(timers_.front().first);
  }

  Host& host_;
  std::shared_ptr<Journal> journal_;
  const unsigned shard_;
  std::vector<Connection> connections_;
  std::vector<std::pair<sb::TimePoint, std::function<void()>>> timers_;
  int open_ = 0;
  bool is_draining_ = false;
};

}  // namespace line_hub
