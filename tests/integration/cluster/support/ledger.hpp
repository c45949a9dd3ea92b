// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace chaos {

/// What became of each message of a publisher, by its number. Numbers begin at 1.
class Outcomes {
 public:
  enum class Outcome : std::uint8_t { pending, accepted, refused, unknown };

  std::int64_t add() {
    list_.push_back(Outcome::pending);
    return static_cast<std::int64_t>(list_.size());
  }
  void set(std::int64_t number, Outcome outcome) { list_.at(static_cast<std::size_t>(number - 1)) = outcome; }
  Outcome of(std::int64_t number) const { return list_.at(static_cast<std::size_t>(number - 1)); }
  std::int64_t size() const { return static_cast<std::int64_t>(list_.size()); }
  std::int64_t count(Outcome outcome) const {
    std::int64_t count = 0;
    for (const Outcome one : list_) count += one == outcome;
    return count;
  }

 private:
  std::vector<Outcome> list_;
};

/// What one subscriber has had from each publisher of a channel, and when it was told that something may be
/// missing.
class Ledger {
 public:
  /// What is wrong with this message, or nothing.
  std::string on_message(std::size_t publisher, std::int64_t number) {
    Stream& stream = streams_[publisher];
    if (stream.last != 0 && number <= stream.last)
      return "number " + std::to_string(number) + " of publisher " + std::to_string(publisher) +
             " came behind " + std::to_string(stream.last);
    if (number > stream.last + 1 && stream.told == told_)  // else it has been told already
      holes_.push_back({publisher, stream.last + 1, number - 1, stream.told});
    stream.last = number;
    stream.told = told_;
    ++received_;
    return {};
  }

  /// Told that messages may be missing, or that the session is a new one.
  void on_told() { ++told_; }
  /// In a new session a message that the old one has had may come again.
  void on_new_session() {
    on_told();
    for (auto& [publisher, stream] : streams_) stream = {0, told_ - 1};
  }

  /// The first message that was accepted, is missing, and was never told to be; empty if there is none. All
  /// messages must have an outcome.
  std::string untold(std::size_t publisher, const Outcomes& outcomes) {
    const auto stream = streams_.find(publisher);
    std::vector<Hole> all = holes_;
    if (stream != streams_.end())
      all.push_back({publisher, stream->second.last + 1, outcomes.size(), stream->second.told});
    else
      all.push_back({publisher, 1, outcomes.size(), 0});
    for (const Hole& hole : all)
      if (hole.publisher == publisher && hole.told == told_)
        for (std::int64_t number = hole.first; number <= hole.last; ++number)
          if (outcomes.of(number) == Outcomes::Outcome::accepted)
            return "number " + std::to_string(number) + " of publisher " + std::to_string(publisher) +
                   " is missing, and no gap was told";
    return {};
  }

  std::int64_t received() const { return received_; }
  std::uint64_t told() const { return told_; }

 private:
  struct Stream {
    std::int64_t last = 0;   // 0: none yet in this session
    std::uint64_t told = 0;  // how often it had been told of a gap when that came
  };
  struct Hole {
    std::size_t publisher;
    std::int64_t first, last;
    std::uint64_t told;
  };

  std::map<std::size_t, Stream> streams_;
  std::vector<Hole> holes_;
  std::uint64_t told_ = 0;
  std::int64_t received_ = 0;
};

}  // namespace chaos
