// SPDX-License-Identifier: MIT
#include <random>

#include <switchboard/hub/handover_message.hpp>
#include <switchboard/hub/session_snapshot.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using Step = HandoverMessage::Step;

namespace {

HandoverMessage full(Step step) {
  HandoverMessage message{.step = step, .token = 0x0102030405060708};
  message.session.random.fill(0xab);
  message.session.shard = 3;
  message.home = "node";
  message.user = "ann";
  message.last_seq = 77;
  message.answer_to = "$node:other:1";
  message.channels = {{"red", {{1, 2}, {3, 4}}}, {"green", {}}};
  message.index = 5;
  message.total = 1000;
  message.piece = "piece";
  return message;
}

SessionSnapshot snapshot() {
  SessionSnapshot one;
  one.newest_sequence = 9;
  one.state = R"({"count":1})";
  one.publish_ids = {"1", "\"x\""};
  one.revoked = {"room"};
  one.channels = {{"red", true, true, false, {{1, 2}}, {{"bob", 4}}},
                  {"$user:ann", false, false, true, {}, {}}};
  one.entries = {{SessionSnapshot::Entry::Kind::json, 6, 0, 1, R"({"a":1})"},
                 {SessionSnapshot::Entry::Kind::gap, 8, 2, 0, {}},
                 {SessionSnapshot::Entry::Kind::binary, 9, 0, 0, "\1\2\3\4bytes"}};
  one.extra = {2, 300};
  return one;
}

}  // namespace

TEST_CASE("each step of a handover comes out as it went in") {
  for (int number = 1; number <= 7; ++number) {
    CAPTURE(number);
    const HandoverMessage sent = full(static_cast<Step>(number));
    const std::string bytes = sent.encode();
    const auto got = HandoverMessage::decode(bytes);
    REQUIRE(got);
    CHECK(got->step == sent.step);
    CHECK(got->token == sent.token);
    if (sent.step == Step::find) {
      CHECK(got->session == sent.session);
      CHECK(got->home == "node");
      CHECK(got->user == "ann");
      CHECK(got->last_seq == 77);
    }
    if (sent.step == Step::find || sent.step == Step::offer || sent.step == Step::gone)
      CHECK(got->answer_to == "$node:other:1");
    if (sent.step == Step::offer || sent.step == Step::pull) {
      REQUIRE(got->channels.size() == 2);
      CHECK(got->channels[0].name == "red");
      CHECK(got->channels[0].first == sent.channels[0].first);
      CHECK(got->channels[1].name == "green");
    }
    if (sent.step == Step::chunk) {
      CHECK(got->index == 5);
      CHECK(got->total == 1000);
      CHECK(got->piece == "piece");
    }
  }
}

TEST_CASE("what is no step of a handover, cut short, too long or of another version, is not read") {
  for (int number = 1; number <= 7; ++number) {
    const std::string bytes = full(static_cast<Step>(number)).encode();
    const auto is_chunk = static_cast<Step>(number) == Step::chunk;
    for (std::size_t size = 0; size < bytes.size() - (is_chunk ? 5 : 0); ++size)
      CHECK_FALSE(HandoverMessage::decode(std::string_view(bytes).substr(0, size)));
    if (!is_chunk) CHECK_FALSE(HandoverMessage::decode(bytes + "x"));
    for (const std::size_t place : {std::size_t{0}, std::size_t{1}}) {
      std::string other = bytes;
      other[place] = 99;
      CHECK_FALSE(HandoverMessage::decode(other));
    }
  }
}

TEST_CASE("a session's snapshot comes out as it went in") {
  const std::string bytes = snapshot().encode();
  const auto got = SessionSnapshot::decode(bytes);
  REQUIRE(got);
  CHECK(got->newest_sequence == 9);
  CHECK(got->state == R"({"count":1})");
  CHECK(got->publish_ids == std::vector<std::string>{"1", "\"x\""});
  CHECK(got->revoked == std::vector<std::string>{"room"});
  REQUIRE(got->channels.size() == 2);
  CHECK(got->channels[0].name == "red");
  CHECK((got->channels[0].is_subscribed && got->channels[0].wants_presence && !got->channels[0].is_unsure));
  CHECK(got->channels[0].heard == ChannelLinks::Counters{{1, 2}});
  CHECK(got->channels[0].presence_seen == ChannelLinks::Changes{{"bob", 4}});
  CHECK((!got->channels[1].is_subscribed && got->channels[1].is_unsure));
  REQUIRE(got->entries.size() == 3);
  CHECK(got->entries[0].payload == R"({"a":1})");
  CHECK(got->entries[0].channel == 1);
  CHECK(got->entries[1].missed == 2);
  CHECK(got->entries[2].payload == "\1\2\3\4bytes");
  CHECK(got->entries[2].sequence == 9);
  CHECK(got->extra.messages == 2);
  CHECK(got->extra.bytes == 300);

  const auto earlier = SessionSnapshot::decode(std::string_view(bytes).substr(0, bytes.size() - 16));
  REQUIRE(earlier);  // of a release that did not say
  CHECK(earlier->entries.size() == 3);
  CHECK(earlier->extra.messages == 0);
}

TEST_CASE("a snapshot that no session can be is not read") {
  const auto refused = [](auto change) {
    SessionSnapshot one = snapshot();
    change(one);
    return !SessionSnapshot::decode(one.encode());
  };
  using Entry = SessionSnapshot::Entry;
  CHECK_FALSE(refused([](SessionSnapshot&) {}));
  CHECK_FALSE(refused([](SessionSnapshot& one) { one.entries.clear(); }));
  CHECK(refused([](SessionSnapshot& one) { one.newest_sequence = Sequence::max + 1; }));
  CHECK(refused([](SessionSnapshot& one) { one.newest_sequence = 8; }));
  CHECK(refused([](SessionSnapshot& one) { one.newest_sequence = 10; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[1].sequence = 6; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[0].sequence = 0; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[0].channel = 3; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[0].payload = "[1]"; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[0].missed = 1; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[1].missed = 0; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[2].payload = "\1\2\3"; }));
  CHECK(refused([](SessionSnapshot& one) { one.entries[2].kind = static_cast<Entry::Kind>(3); }));
}

TEST_CASE("a snapshot may be any bytes: it is read or not, and takes no memory for what it only announces") {
  std::mt19937 random(3);
  const std::string bytes = snapshot().encode();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    if (size != bytes.size() - 16)  // what an earlier release sends
      CHECK_FALSE(SessionSnapshot::decode(std::string_view(bytes).substr(0, size)));
  for (int i = 0; i < 20'000; ++i) {
    std::string other = bytes;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes)
      other[random() % other.size()] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    static_cast<void>(SessionSnapshot::decode(other));
    static_cast<void>(HandoverMessage::decode(other));
  }
}
