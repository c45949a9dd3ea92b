// SPDX-License-Identifier: MIT
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <switchboard/patterns/stateful_connection.hpp>

#include "support/catch.hpp"

using namespace switchboard;

namespace {

using Log = StatefulConnection<std::string>;

Log make_log(int count, ReplayOptions options = {}) {
  Log log(options);
  for (int i = 1; i <= count; ++i) log.store_message("m" + std::to_string(i));
  return log;
}

std::string name(const Log::Entry& entry) {
  const std::string number = std::to_string(entry.sequence.value);
  return entry.missed > 0 ? "gap" + std::to_string(entry.missed) + "@" + number
                          : entry.message + "@" + number;
}
std::string unwritten(const Log& log) {
  std::string text;
  for (std::size_t i = 0; i < log.unwritten_count(); ++i) text += (i > 0 ? " " : "") + name(log.unwritten(i));
  return text;
}
std::string missed_text(const Log::Missed& missed) {
  std::string text = std::to_string(missed.missed) + ":";
  for (const Log::Entry& entry : missed.messages) text += " " + name(entry);
  return text;
}

/// Even an empty one counts.
struct Padded {
  Padded() {
    if (is_refused) throw std::bad_alloc();
  }
  std::size_t size() const { return 16; }
  static inline bool is_refused = false;
};

}  // namespace

TEST_CASE("messages are numbered from 1, and the next number is known") {
  Log log;
  CHECK(log.newest_sequence() == 0);
  CHECK(log.next_sequence() == 1);
  CHECK(log.store_message("one") == 1);
  CHECK(log.store_message("two") == 2);
  CHECK(log.newest_sequence() == 2);
  CHECK(log.next_sequence() == 3);
}

TEST_CASE("a client is told what it has missed, and whether that is all") {
  Log log = make_log(5, {.max_messages = 3});
  log.written(5);
  CHECK(log.kept_count() == 3);

  const auto none = log.get_missed_messages(5);
  CHECK(none.known);
  CHECK(none.complete);
  CHECK(missed_text(none) == "0:");
  const auto all = log.get_missed_messages(2);
  CHECK(all.complete);
  CHECK(missed_text(all) == "0: m3@3 m4@4 m5@5");
  const auto some = log.get_missed_messages(1);
  CHECK_FALSE(some.complete);
  CHECK(missed_text(some) == "1: m3@3 m4@4 m5@5");
  CHECK(missed_text(log.get_missed_messages(0)) == "2: m3@3 m4@4 m5@5");
  CHECK_FALSE(log.get_missed_messages(6).known);
}

TEST_CASE("when nothing is kept any more, all that was sent since is missed") {
  Log log = make_log(4, {.max_messages = 0});
  log.written(4);
  CHECK(log.kept_count() == 0);
  const auto missed = log.get_missed_messages(1);
  CHECK(missed.known);
  CHECK_FALSE(missed.complete);
  CHECK(missed_text(missed) == "3:");
  CHECK(log.get_missed_messages(4).complete);
}

TEST_CASE("what is not written yet is kept however much it is, and trimmed as it is written") {
  Log log = make_log(10, {.max_messages = 2});
  CHECK(log.kept_count() == 10);
  CHECK(log.unwritten_count() == 10);
  log.written(3);
  CHECK(unwritten(log) == "m4@4 m5@5 m6@6 m7@7 m8@8 m9@9 m10@10");
  CHECK(log.kept_count() == 7);
  log.written(7);
  CHECK(log.unwritten_count() == 0);
  CHECK(log.kept_count() == 2);
}

TEST_CASE("the newest messages are kept as far as both bounds reach") {
  Log log(ReplayOptions{.max_messages = 100, .max_bytes = 10});
  for (const char* text : {"aaaa", "bbbb", "cccc"}) log.store_message(text);
  CHECK(log.bytes() == 12);
  CHECK(log.unwritten_bytes() == 12);
  log.written(3);
  CHECK(log.unwritten_bytes() == 0);
  CHECK(log.bytes() == 8);
  CHECK(missed_text(log.get_missed_messages(1)) == "0: bbbb@2 cccc@3");
  log.store_message(std::string(11, 'd'));
  log.written(1);
  CHECK(log.kept_count() == 0);  // alone it is over the bound
}

TEST_CASE("an acknowledgement lets go of what is written and no newer") {
  Log log = make_log(6);
  log.written(4);
  log.acknowledge(2);
  CHECK(missed_text(log.get_missed_messages(0)) == "2: m3@3 m4@4 m5@5 m6@6");
  log.acknowledge(6);  // 5 and 6 are on no wire yet
  CHECK(unwritten(log) == "m5@5 m6@6");
  CHECK(log.kept_count() == 2);
  log.acknowledge(1);
  CHECK(log.kept_count() == 2);
  log.written(2);
  log.acknowledge(1000);
  CHECK(log.kept_count() == 0);
  CHECK(log.bytes() == 0);
  CHECK(log.get_missed_messages(6).complete);
}

TEST_CASE("a parked log keeps its replay and as much more as was unwritten when it was parked") {
  Log log = make_log(7, {.max_messages = 3});
  log.written(5);  // 3, 4, 5 kept for replay; 6, 7 unwritten
  log.park();
  CHECK(log.is_parked());
  CHECK(log.unwritten_bytes() == 0);
  for (int i = 8; i <= 20; ++i) log.store_message("m" + std::to_string(i));
  CHECK(log.kept_count() == 5);
  CHECK(log.get_missed_messages(15).complete);
  CHECK_FALSE(log.get_missed_messages(14).complete);
}

TEST_CASE("the bytes of a parked log are bounded likewise") {
  Log log(ReplayOptions{.max_messages = 100, .max_bytes = 8});
  for (const char* text : {"aaaa", "bbbb", "cccc", "dddd"}) log.store_message(text);
  log.written(3);
  log.park();  // 8, and the 4 of "dddd"
  log.store_message("eeee");
  CHECK(log.bytes() == 12);
  CHECK(missed_text(log.get_missed_messages(2)) == "0: cccc@3 dddd@4 eeee@5");
  log.store_message("ffff");
  CHECK(log.bytes() == 12);
}

TEST_CASE("a log does not grow by being resumed and parked again while nothing is read") {
  Log log(ReplayOptions{.max_messages = 10, .max_bytes = 100});
  std::size_t most = 0, most_bytes = 0;
  for (int cycle = 0; cycle < 50; ++cycle) {
    CAPTURE(cycle);
    for (int i = 0; i < 5; ++i) log.store_message("queued----");  // five of ten bytes wait for the socket
    log.park();
    for (int i = 0; i < 100; ++i) log.store_message("missed----");
    most = std::max(most, log.kept_count());
    most_bytes = std::max(most_bytes, log.bytes());
    CHECK(log.kept_count() == 15);
    CHECK(log.bytes() == 150);
    log.resume(0);
  }
  CHECK(most == 15);
  CHECK(most_bytes == 150);
}

TEST_CASE("what was promised to be replayed stays kept as long as it is not written") {
  Log log = make_log(6, {.max_messages = 2});
  log.park();  // all six were unwritten
  log.resume(0);
  log.store_message("m7");
  log.park();
  CHECK(missed_text(log.get_missed_messages(0)) == "0: m1@1 m2@2 m3@3 m4@4 m5@5 m6@6 m7@7");
  log.resume(0);
  log.written(6);
  log.park();  // only the seventh is unwritten
  CHECK(missed_text(log.get_missed_messages(0)) == "5: m6@6 m7@7");
}

TEST_CASE("a log without a bound can be parked") {
  Log log(ReplayOptions{.max_messages = std::size_t(-1), .max_bytes = std::size_t(-1)});
  log.store_message("one");
  log.park();
  log.store_message("two");
  CHECK(log.kept_count() == 2);
}

TEST_CASE("after a resume the old bound holds again, as soon as the replay is written") {
  Log log = make_log(4, {.max_messages = 2});
  log.park();
  log.resume(0);
  CHECK_FALSE(log.is_parked());
  CHECK(unwritten(log) == "m1@1 m2@2 m3@3 m4@4");
  log.written(4);
  CHECK(log.kept_count() == 2);
}

TEST_CASE("a replay does not count as queued, what comes after it does") {
  Log log = make_log(3);
  log.park();
  log.resume(1);
  CHECK(log.unwritten_count() == 2);
  CHECK(log.unwritten_bytes() == 0);
  log.store_message("live");
  CHECK(log.unwritten_bytes() == 4);
  log.written(2);
  CHECK(log.unwritten_bytes() == 4);
  log.written(1);
  CHECK(log.unwritten_bytes() == 0);
}

TEST_CASE("a socket may be taken over without parking in between") {
  Log log = make_log(4);
  log.written(2);
  log.resume(1);
  CHECK(unwritten(log) == "m2@2 m3@3 m4@4");
  CHECK(log.unwritten_bytes() == 0);
  log.resume(4);
  CHECK(log.unwritten_count() == 0);
}

TEST_CASE("a dropped message leaves a gap with its number, and gaps in a row become one") {
  Log log = make_log(5);
  log.written(1);
  REQUIRE(log.drop_oldest_unwritten(0));
  CHECK(unwritten(log) == "gap1@2 m3@3 m4@4 m5@5");
  REQUIRE(log.drop_oldest_unwritten(0));
  CHECK(unwritten(log) == "gap2@3 m4@4 m5@5");
  CHECK(log.unwritten_bytes() == 4);
  CHECK(log.bytes() == 6);
  REQUIRE(log.drop_oldest_unwritten(0));
  REQUIRE(log.drop_oldest_unwritten(0));
  CHECK(unwritten(log) == "gap4@5");
  CHECK_FALSE(log.drop_oldest_unwritten(0));
  CHECK(log.store_message("m6") == 6);
}

TEST_CASE("what is partly written is neither dropped nor merged with in a log") {
  Log log = make_log(5);
  REQUIRE(log.drop_oldest_unwritten(1));
  CHECK(unwritten(log) == "m1@1 gap1@2 m3@3 m4@4 m5@5");
  log.written(1);
  REQUIRE(log.drop_oldest_unwritten(1));  // the gap is under way
  CHECK(unwritten(log) == "gap1@2 gap1@3 m4@4 m5@5");
  REQUIRE(log.drop_oldest_unwritten(1));
  CHECK(unwritten(log) == "gap1@2 gap2@4 m5@5");
}

TEST_CASE("dropping from a replay does not touch what is counted as queued") {
  Log log = make_log(3);
  log.park();
  log.resume(0);
  log.store_message("live");
  REQUIRE(log.drop_oldest_unwritten(0));
  CHECK(log.unwritten_bytes() == 4);
  CHECK(log.bytes() == 8);
}

TEST_CASE("a resume in the middle of a gap counts its beginning as missed, and the gap for the rest") {
  Log log = make_log(10);
  log.written(5);
  for (int i = 0; i < 4; ++i) REQUIRE(log.drop_oldest_unwritten(0));  // 6 to 9
  log.park();
  CHECK(missed_text(log.get_missed_messages(4)) == "0: m5@5 gap4@9 m10@10");
  CHECK(missed_text(log.get_missed_messages(5)) == "3: gap1@9 m10@10");
  CHECK(missed_text(log.get_missed_messages(7)) == "1: gap1@9 m10@10");
  CHECK(missed_text(log.get_missed_messages(8)) == "0: gap1@9 m10@10");
  CHECK(missed_text(log.get_missed_messages(9)) == "0: m10@10");

  log.resume(5);
  CHECK(unwritten(log) == "gap1@9 m10@10");
  log.park();  // the client was cut before it read that, and knows less than it had said
  log.resume(4);
  CHECK(unwritten(log) == "m5@5 gap4@9 m10@10");
}

TEST_CASE("a log of shared messages keeps references, and lets go of them when it trims") {
  StatefulConnection<> log(ReplayOptions{.max_messages = 2});
  const auto shared = EncodedMessage::json("{}");
  for (int i = 0; i < 3; ++i) log.store_message(shared);
  CHECK(shared->use_count() == 4);
  log.written(3);
  CHECK(shared->use_count() == 3);
  CHECK(log.bytes() == 2 * shared->size());
}

TEST_CASE("conflation in a log keeps the newest message of each channel, and numbers the gaps") {
  StatefulConnection<> log;
  const auto store = [&](std::uint64_t key) { log.store_message(EncodedMessage::json("{}", key)); };
  for (const std::uint64_t key : {1U, 1U, 2U, 0U, 1U, 2U}) store(key);
  CHECK(log.conflate_unwritten(0) == 3);
  REQUIRE(log.unwritten_count() == 4);
  CHECK(log.unwritten(0).missed == 3);
  CHECK(log.unwritten(0).sequence == 3);
  for (std::size_t i = 1; i < 4; ++i) CHECK(log.unwritten(i).sequence == i + 3);
  CHECK(log.unwritten_bytes() == 3 * EncodedMessage::json("{}")->size());

  store(2);
  log.written(1);
  CHECK(log.conflate_unwritten(1) == 1);  // 4 is pinned and of no channel; 6 gives way to 7
  CHECK(log.unwritten(2).missed == 1);
  CHECK(log.unwritten(2).sequence == 6);
  CHECK(log.conflate_unwritten(0) == 0);
}

TEST_CASE("a log that is restored from another's entries goes on as that would have") {
  Log log = make_log(8, {.max_messages = 5});
  log.written(8);
  log.drop_oldest_unwritten(0);
  std::vector<Log::Entry> kept;
  log.for_each_kept([&](const Log::Entry& entry) { kept.push_back(entry); });
  REQUIRE(kept.size() == 5);
  kept[1].message.clear();
  kept[1].missed = 1;

  Log other({.max_messages = 5});
  other.restore(kept, log.newest_sequence());
  CHECK(other.is_parked());
  CHECK(other.newest_sequence() == 8);
  CHECK(other.bytes() == 4 * 2);
  CHECK(missed_text(other.get_missed_messages(2)) == "1: m4@4 gap1@5 m6@6 m7@7 m8@8");
  CHECK_FALSE(other.get_missed_messages(9).known);
  other.store_message("m9");
  CHECK(other.kept_count() == 5);
  other.resume(6);
  CHECK(unwritten(other) == "m7@7 m8@8 m9@9");
}

TEST_CASE("a log that is restored keeps more than its bound, if it was given more") {
  std::vector<Log::Entry> entries;
  for (std::uint64_t i = 1; i <= 9; ++i) entries.push_back({"m", i, 0});
  Log log({.max_messages = 5});
  log.restore(entries, 9);
  CHECK(log.kept_count() == 9);
  log.resume(0);
  log.written(9);
  CHECK(log.kept_count() == 5);
}

TEST_CASE("a log that is restored goes on keeping what was unwritten when the other was parked") {
  Log log = make_log(5, {.max_messages = 5});
  log.park();
  CHECK(log.extra().messages == 5);
  CHECK(log.extra().bytes == 10);
  std::vector<Log::Entry> kept;
  log.for_each_kept([&](const Log::Entry& entry) { kept.push_back(entry); });
  Log moved({.max_messages = 5, .max_bytes = 10});
  moved.restore(kept, log.newest_sequence(), log.extra());
  for (Log* one : {&log, &moved}) {
    for (int i = 6; i <= 10; ++i) one->store_message("m" + std::to_string(i % 10));
    CHECK(missed_text(one->get_missed_messages(0)).starts_with("0: m1@1"));
    one->store_message("m1");
    CHECK(one->get_missed_messages(0).missed == 1);
  }
  Log boundless({.max_messages = 5});
  boundless.restore(kept, log.newest_sequence(), {~std::size_t{0}, ~std::size_t{0}});
  for (int i = 0; i < 20; ++i) boundless.store_message("more");
  CHECK(boundless.kept_count() == 10);  // no more than it was given counts
}

TEST_CASE("a gap counts nothing, whatever an empty message counts") {
  StatefulConnection<Padded> log;
  for (int i = 0; i < 2; ++i) log.store_message({});
  CHECK(log.drop_oldest_unwritten(0));
  CHECK(log.bytes() == 16);
  CHECK(log.unwritten_bytes() == 16);
  log.written(1);
  CHECK(log.unwritten_bytes() == 16);
  log.park();
  CHECK(log.bytes() == 16);
  std::vector<StatefulConnection<Padded>::Entry> entries;
  log.for_each_kept([&](const auto& entry) { entries.push_back(entry); });
  StatefulConnection<Padded> moved;
  moved.restore(std::move(entries), log.newest_sequence());
  for (auto* one : {&log, &moved}) {
    CHECK(one->bytes() == 16);
    one->resume(0);
    CHECK(one->unwritten_count() == 2);
    one->written(1);
    one->acknowledge(1);
    CHECK(one->bytes() == 16);
    one->written(1);
    one->acknowledge(2);
    CHECK(one->bytes() == 0);
  }
}

TEST_CASE("a log that is parked already is not parked again: its bound stays") {
  Log log = make_log(2, {.max_messages = 3});
  log.written(2);
  log.park();
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 3; ++i) log.store_message("more");
    log.park();
  }
  CHECK(log.kept_count() == 3);
}

TEST_CASE("a message for which there is no memory has no number") {
  StatefulConnection<Padded> log;
  log.store_message({});
  const Padded second;
  Padded::is_refused = true;  // the log needs more room, and makes empty ones for it
  CHECK_THROWS_AS(log.store_message(second), std::bad_alloc);
  Padded::is_refused = false;
  CHECK(log.newest_sequence() == Sequence(1));
  CHECK(log.bytes() == 16);
  CHECK(log.unwritten_bytes() == 16);
  CHECK(log.store_message({}) == Sequence(2));
}
