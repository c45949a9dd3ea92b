// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../stress/support/client.hpp"
#include "support/ledger.hpp"

namespace chaos {

using stress::Clock;
using stress::number_after;

/// The text behind `name` up to the next quote; empty if there is none.
inline std::string text_after(std::string_view text, std::string_view name) {
  const std::size_t place = text.find(name);
  if (place == text.npos) return {};
  const std::size_t start = place + name.size();
  return std::string(text.substr(start, text.find('"', start) - start));
}

/// A stateful client that comes back after every cut, on whichever node `choose_port` says, and keeps books
/// of what it gets. It may publish to its first channel.
class ChaosClient {
 public:
  /// `publishers`: what became of the messages of each client that publishes, by its number.
  ChaosClient(stress::Loop& loop, std::size_t number, std::vector<std::string> channels,
              std::function<std::uint16_t()> choose_port, std::map<std::size_t, Outcomes>& publishers,
              unsigned seed)
      : loop_(loop),
        number_(number),
        channels_(std::move(channels)),
        choose_port_(std::move(choose_port)),
        publishers_(publishers),
        random_(seed) {
    for (const std::string& channel : channels_) ledgers_[channel];
  }

  std::string user() const { return "user" + std::to_string(number_); }
  const std::vector<std::string>& channels() const { return channels_; }
  Ledger& ledger(const std::string& channel) { return ledgers_.at(channel); }
  const std::string& fault() const { return fault_; }
  bool is_settled() const {
    return is_welcome_ && subscribed_ == channels_.size() && local_ == 0 && pending_.empty();
  }
  /// For the message of a test that fails.
  std::string state() const {
    return user() + (is_welcome_ ? ", welcome" : ", not welcome") + ", " + std::to_string(subscribed_) +
           " subscribed, " + std::to_string(local_) + " of them locally, " + std::to_string(pending_.size()) +
           " publishes without an answer";
  }
  std::uint16_t port() const { return port_; }
  std::uint64_t new_sessions() const { return new_sessions_; }
  std::int64_t missed() const { return missed_; }  ///< messages told to be missed, one by one
  std::uint64_t moves() const { return moves_; }   ///< times that its session came with it to another node

  /// What is due: connects, and publishes if `may_publish`.
  void tick(Clock::time_point now, bool may_publish) {
    if (is_gone_) return;
    if (!client_ || client_->has_ended()) return reconnect(now);
    if (is_welcome_ && local_ != 0 && now >= next_subscribe_) subscribe(now);
    const auto outcomes = publishers_.find(number_);
    if (!may_publish || outcomes == publishers_.end() || !is_welcome_ || subscribed_ != channels_.size())
      return;
    if (now < next_publish_ || pending_.size() >= most_pending) return;
    next_publish_ = now + publish_interval_;
    pending_.insert(outcomes->second.add());
    send_publish(*pending_.rbegin());
  }

  /// Asks who is in a channel; `presence_count` is -1 until the answer comes, and where there is none.
  void ask_presence(const std::string& channel) {
    presence_count_ = -1;
    if (is_welcome_) client_->send_text(R"({"action":"presence","channel":")" + channel + R"(","id":"who"})");
  }
  std::int64_t presence_count() const { return presence_count_; }

  void publish_every(std::chrono::milliseconds interval) { publish_interval_ = interval; }

  /// Comes back like after any other cut.
  void cut(std::chrono::milliseconds away = {}) {
    if (client_) client_->cut();
    away_ = away;
  }
  bool is_welcome() const { return is_welcome_ && !client_->has_ended(); }

  /// Cut, and never back.
  void vanish() {
    is_gone_ = true;
    if (client_) client_->cut();
  }

 private:
  static constexpr std::size_t most_pending = 50;  // a session remembers 100
  using Outcome = Outcomes::Outcome;

  void reconnect(Clock::time_point now) {
    if (client_) {
      client_.reset();
      is_welcome_ = false;
      retry_at_ = now + std::chrono::milliseconds(20 + random_() % 300) + std::exchange(away_, {});
    }
    if (now < retry_at_) return;
    port_ = choose_port_();
    const std::string resume = session_.empty() ? "" : "&session=" + session_;
    client_ = std::make_unique<stress::Client>(
        loop_, port_, "/ws?token=" + user() + "&last_seq=" + std::to_string(last_seq_) + resume,
        [this](stress::Client&, const stress::ServerFrame& frame) { on_frame(frame); });
  }

  void on_frame(const stress::ServerFrame& frame) {
    const std::string_view text = frame.payload;
    if (frame.opcode != stress::Opcode::text) return;
    if (text.starts_with(R"({"type":"ping")")) return client_->send_text(R"({"type":"pong"})");
    if (text.starts_with(R"({"type":"welcome")")) return on_welcome(text);
    if (text.starts_with(R"({"seq":)")) return on_numbered(text);
    if (text.starts_with(R"({"status":"subscribed")")) return on_subscribed(text);
    if (text.starts_with(R"({"status":"published")")) return on_outcome(text, Outcome::accepted);
    if (text.starts_with(R"({"status":"presence")")) {
      presence_count_ = number_after(text, R"("count":)");
      return;
    }
    if (text.find("publish.unavailable") != text.npos) return on_outcome(text, Outcome::refused);
    if (text.find("presence.unavailable") != text.npos) return;
    note("unexpected: " + std::string(text));
  }

  void on_welcome(std::string_view text) {
    const std::string session = text_after(text, R"("session":")");
    const bool is_same = session == session_;
    const bool is_recovered = text.find(R"("recovered":true)") != text.npos;
    is_welcome_ = true;
    if (is_same && port_ != session_port_) ++moves_;
    session_port_ = port_;
    subscribed_ = local_ = 0;
    if (!is_same) {
      if (!session_.empty()) {
        ++new_sessions_;
        for (auto& [channel, ledger] : ledgers_) ledger.on_new_session();
      }
      session_ = session;
      last_seq_ = number_after(text, R"("seq":)");
      // Whether these were accepted only the old session knew.
      for (const std::int64_t number : pending_) publishers_.at(number_).set(number, Outcome::unknown);
      pending_.clear();
    } else if (!is_recovered) {
      const std::int64_t missed = number_after(text, R"("missed":)");
      if (missed <= 0) note("not recovered, and nothing missed: " + std::string(text));
      missed_ += missed;
      last_seq_ += missed;
      tell_all();
    }
    subscribe(Clock::now());
    for (const std::int64_t number : pending_) send_publish(number);
  }

  void subscribe(Clock::time_point now) {
    subscribed_ = local_ = 0;
    next_subscribe_ = now + std::chrono::seconds(1);
    for (const std::string& channel : channels_)
      client_->send_text(R"({"action":"subscribe","channel":")" + channel + "\"}");
  }

  void on_subscribed(std::string_view text) {
    ++subscribed_;
    if (text.find(R"("local":true)") != text.npos) ++local_;
  }

  void on_numbered(std::string_view text) {
    const std::int64_t seq = number_after(text, R"({"seq":)");
    const std::string type = text_after(text, R"("type":")");
    const bool is_slow_gap = type == "gap" && text.find(R"("reason":"slow")") != text.npos;
    const std::int64_t missed = is_slow_gap ? number_after(text, R"("missed":)") : 0;
    if (seq != last_seq_ + (is_slow_gap ? missed : 1))
      note("seq " + std::to_string(seq) + " follows " + std::to_string(last_seq_) + ": " + std::string(text));
    missed_ += missed;
    last_seq_ = seq;
    if (is_slow_gap) return tell_all();
    if (type == "gap") {
      for (auto& [channel, ledger] : ledgers_)
        if (text.find('"' + channel + '"') != text.npos) ledger.on_told();
      return;
    }
    if (type != "message") return;
    const auto ledger = ledgers_.find(text_after(text, R"("channel":")"));
    if (ledger == ledgers_.end()) return note("a message of another channel: " + std::string(text));
    const std::string wrong = ledger->second.on_message(
        static_cast<std::size_t>(number_after(text, R"("p":)")), number_after(text, R"("n":)"));
    if (!wrong.empty()) note(ledger->first + ": " + wrong);
  }

  void on_outcome(std::string_view text, Outcome outcome) {
    const std::int64_t number = number_after(text, R"("id":)");
    if (pending_.erase(number) != 0) publishers_.at(number_).set(number, outcome);
  }

  void send_publish(std::int64_t number) {
    const std::string digits = std::to_string(number);
    client_->send_text(R"({"action":"publish","channel":")" + channels_.front() + R"(","id":)" + digits +
                       R"(,"data":{"p":)" + std::to_string(number_) + R"(,"n":)" + digits + "}}");
  }

  void tell_all() {
    for (auto& [channel, ledger] : ledgers_) ledger.on_told();
  }

  void note(const std::string& what) {
    if (fault_.empty()) fault_ = user() + ": " + what;
  }

  stress::Loop& loop_;
  const std::size_t number_;
  const std::vector<std::string> channels_;
  const std::function<std::uint16_t()> choose_port_;
  std::map<std::size_t, Outcomes>& publishers_;
  std::minstd_rand random_;
  std::map<std::string, Ledger> ledgers_;
  std::set<std::int64_t> pending_;  // published, and not answered yet
  std::unique_ptr<stress::Client> client_;
  std::uint16_t port_ = 0, session_port_ = 0;
  std::chrono::milliseconds publish_interval_{100}, away_{};
  std::string session_, fault_;
  std::int64_t last_seq_ = 0, presence_count_ = -1, missed_ = 0;
  std::size_t subscribed_ = 0, local_ = 0;
  std::uint64_t new_sessions_ = 0, moves_ = 0;
  Clock::time_point retry_at_{}, next_publish_{}, next_subscribe_{};
  bool is_welcome_ = false, is_gone_ = false;
};

}  // namespace chaos
