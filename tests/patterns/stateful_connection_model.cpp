// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <vector>

#include <switchboard/patterns/stateful_connection.hpp>

#include "patterns/random.hpp"
#include "support/catch.hpp"

using namespace switchboard;

namespace {

struct Numbered {
  std::uint64_t number = 0;
  std::size_t bytes = 0;
  std::uint64_t key = 0;
};

}  // namespace

template <>
struct switchboard::MessageTraits<Numbered> {
  static std::size_t size(const Numbered& message) { return message.bytes; }
  static std::uint64_t conflation_key(const Numbered& message) { return message.key; }
};

namespace {

using Log = StatefulConnection<Numbered>;

/// A client that believes what it is told, and checks that it is told of everything: each number from 1 on is
/// in a message, in a gap or in a welcome's `missed`.
class Client {
 public:
  std::uint64_t last() const { return last_; }

  void resume(const Log::Missed& missed, std::uint64_t last_seq) {
    REQUIRE(missed.known);
    REQUIRE(missed.complete == (missed.missed == 0));
    last_ = last_seq + missed.missed;
  }
  void take(const Log::Entry& entry) {
    if (entry.missed > 0)
      REQUIRE(entry.sequence.value == last_ + entry.missed);
    else
      REQUIRE(entry.message.number == entry.sequence.value);
    if (entry.missed == 0) REQUIRE(entry.sequence.value == last_ + 1);
    last_ = entry.sequence.value;
  }

 private:
  std::uint64_t last_ = 0;
};

/// Drives a log and a client with whatever may happen to them.
class Run {
 public:
  Run(std::uint32_t seed, ReplayOptions options) : random_(seed), options_(options), log_(options) {}

  void step() {
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        return store();
      case 4:
      case 5:
      case 6:
        return write();
      case 7:
        return drop();
      case 8:
        return conflate();
      case 9:
        return acknowledge();
      case 10:
        return park();
      default:
        return resume();
    }
  }

  void check() {
    const auto kept = log_.get_missed_messages(0).messages;
    std::size_t bytes = 0;
    for (const Log::Entry& entry : kept) bytes += entry.message.bytes;
    REQUIRE(kept.size() == log_.kept_count());
    REQUIRE(bytes == log_.bytes());
    REQUIRE(log_.newest_sequence() == stored_);
    if (stored_ > 0 && !kept.empty()) REQUIRE(kept.back().sequence == stored_);
    if (log_.is_parked()) {
      REQUIRE(kept.size() <= parked_count_);
      REQUIRE(bytes <= parked_bytes_);
      return;
    }
    const std::size_t written = kept.size() - log_.unwritten_count();
    if (written > 0) REQUIRE((kept.size() <= options_.max_messages && bytes <= options_.max_bytes));
    std::size_t queued = 0;
    for (std::size_t i = 0; i < log_.unwritten_count(); ++i)
      if (log_.unwritten(i).sequence.value > replayed_until_) queued += log_.unwritten(i).message.bytes;
    REQUIRE(queued == log_.unwritten_bytes());
  }

 private:
  bool has_socket() const { return !log_.is_parked(); }
  std::size_t pinned() { return log_.unwritten_count() > 0 && has_begun_head_ ? 1 : 0; }

  void store() {
    const std::uint64_t key = random_() % 4;
    REQUIRE(log_.store_message({stored_ + 1, random_() % 40, key}) == stored_ + 1);
    ++stored_;
  }
  void write() {
    if (!has_socket()) return;
    std::size_t count = random_() % (log_.unwritten_count() + 1);
    for (std::size_t i = 0; i < count; ++i) client_.take(log_.unwritten(i));
    log_.written(count);
    if (count > 0) has_begun_head_ = random_() % 2 == 0;
  }
  void drop() {
    if (!has_socket()) return;
    const std::size_t before = log_.unwritten_count();
    if (log_.drop_oldest_unwritten(pinned())) REQUIRE(log_.unwritten_count() <= before);
  }
  void conflate() {
    if (!has_socket()) return;
    const std::size_t pins = pinned();
    const std::uint64_t newest =
        log_.unwritten_count() > 0 ? log_.unwritten(log_.unwritten_count() - 1).missed : 1;
    log_.conflate_unwritten(pins);
    std::vector<std::uint64_t> keys;
    for (std::size_t i = pins; i < log_.unwritten_count(); ++i) {
      const Log::Entry& entry = log_.unwritten(i);
      if (entry.missed > 0 || entry.message.key == 0) continue;
      REQUIRE(std::find(keys.begin(), keys.end(), entry.message.key) == keys.end());
      keys.push_back(entry.message.key);
    }
    if (newest == 0)
      REQUIRE(log_.unwritten(log_.unwritten_count() - 1).missed == 0);  // the newest of all stays
  }
  void acknowledge() {
    if (!has_socket()) return;
    const std::uint64_t sequence = client_.last() - std::min<std::uint64_t>(client_.last(), random_() % 5);
    log_.acknowledge(sequence);
    acknowledged_ = std::max(acknowledged_, sequence);
  }
  void park() {
    if (!has_socket()) return;
    std::size_t newer = 0, newer_bytes = 0, bytes = 0;
    for (std::size_t i = 0; i < log_.unwritten_count(); ++i) {
      const Log::Entry& entry = log_.unwritten(i);
      bytes += entry.message.bytes;
      if (entry.sequence.value <= replayed_until_) continue;  // was counted when it first was unwritten
      ++newer;
      newer_bytes += entry.message.bytes;
    }
    extra_count_ = std::min(log_.unwritten_count(), std::max(extra_count_, newer));
    extra_bytes_ = std::min(bytes, std::max(extra_bytes_, newer_bytes));
    most_newer_ = std::max(most_newer_, newer);
    REQUIRE(extra_count_ <= most_newer_);  // resumes that read nothing add nothing
    parked_count_ = options_.max_messages + extra_count_;
    parked_bytes_ = options_.max_bytes + extra_bytes_;
    log_.park();
    has_begun_head_ = false;
  }
  // The client knows what it has taken, or a little less where it was cut off before it could handle it.
  void resume() {
    const std::uint64_t lag = random_() % 3 == 0 ? random_() % 30 : 0;
    const std::uint64_t last_seq = std::max(acknowledged_, client_.last() - std::min(client_.last(), lag));
    const auto missed = log_.get_missed_messages(last_seq);
    client_.resume(missed, last_seq);
    log_.resume(last_seq);
    replayed_until_ = stored_;
    has_begun_head_ = false;
    REQUIRE(log_.unwritten_count() == missed.messages.size());
    for (std::size_t i = 0; i < missed.messages.size(); ++i) {
      REQUIRE(log_.unwritten(i).sequence == missed.messages[i].sequence);
      REQUIRE(log_.unwritten(i).missed == missed.messages[i].missed);
    }
    // A gap that stands first is told by the welcome but for its last number.
    if (!missed.messages.empty() && missed.messages.front().missed > 0)
      REQUIRE(missed.messages.front().sequence.value == client_.last() + 1);
  }

  Random random_;
  ReplayOptions options_;
  Log log_;
  Client client_;
  std::uint64_t stored_ = 0, replayed_until_ = 0, acknowledged_ = 0;
  std::size_t parked_count_ = 0, parked_bytes_ = 0;
  std::size_t extra_count_ = 0, extra_bytes_ = 0, most_newer_ = 0;
  bool has_begun_head_ = false;
};

}  // namespace

TEST_CASE(
    "whatever happens to a log, its client gets or is told of every number once, and the sums are right") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Run run(seed, {.max_messages = seed % 7, .max_bytes = seed % 5 == 0 ? 60U : 4096U});
    for (int step = 0; step < 700; ++step) {
      CAPTURE(step);
      run.step();
      run.check();
    }
  }
}
