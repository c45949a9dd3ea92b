// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <switchboard/patterns/outbound_queue.hpp>

#include "support/catch.hpp"

using namespace switchboard;

namespace {

EncodedMessage::Ptr message(const std::string& name, std::uint64_t key = 0) {
  return EncodedMessage::json("{\"m\":\"" + name + "\"}", key);
}
EncodedMessage::Ptr answer() {
  return EncodedMessage::frame(Opcode::text, "answer");
}

/// "a b gap2 answer": what waits, in order.
std::string waiting(const OutboundQueue& queue) {
  std::string text;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (i > 0) text += ' ';
    const OutboundQueue::Item& item = queue[i];
    if (item.missed > 0)
      text += "gap" + std::to_string(item.missed);
    else if (item.message->kind() == EncodedMessage::Kind::frame)
      text += "answer";
    else
      text += item.message->payload().substr(6, item.message->payload().size() - 8);
  }
  return text;
}

void push_all(OutboundQueue& queue, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == "answer")
      queue.push(answer());
    else
      queue.push_message(message(name));
  }
}

}  // namespace

TEST_CASE("a queue counts the bytes of the frames that wait in it") {
  OutboundQueue queue;
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
  const auto first = message("first"), second = message("a longer second");
  queue.push_message(first);
  queue.push(second);
  CHECK(queue.bytes() == first->plain().size() + second->plain().size());
  CHECK(queue.front().message == first);
  queue.pop_front();
  CHECK(queue.bytes() == second->size());
  queue.clear();
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
}

TEST_CASE("two queues swap all they hold") {
  OutboundQueue full, empty;
  push_all(full, {"a", "answer"});
  const std::size_t bytes = full.bytes();
  full.swap(empty);
  CHECK(full.empty());
  CHECK(full.bytes() == 0);
  CHECK(waiting(empty) == "a answer");
  CHECK(empty.bytes() == bytes);
}

TEST_CASE("the oldest message is dropped first, and the gap in its place grows with the next") {
  OutboundQueue queue;
  push_all(queue, {"a", "b", "c"});
  REQUIRE(queue.drop_oldest(0));
  CHECK(waiting(queue) == "gap1 b c");
  REQUIRE(queue.drop_oldest(0));
  CHECK(waiting(queue) == "gap2 c");
  CHECK(queue.bytes() == message("c")->size());
  REQUIRE(queue.drop_oldest(0));
  CHECK(waiting(queue) == "gap3");
  CHECK(queue.bytes() == 0);
  CHECK_FALSE(queue.drop_oldest(0));
}

TEST_CASE("answers are never dropped, and part the gaps on either side of them") {
  OutboundQueue queue;
  push_all(queue, {"answer", "a", "b", "answer", "c", "d"});
  for (int i = 0; i < 4; ++i) REQUIRE(queue.drop_oldest(0));
  CHECK(waiting(queue) == "answer gap2 answer gap2");
  CHECK_FALSE(queue.drop_oldest(0));
  CHECK(queue.bytes() == 2 * answer()->size());
}

TEST_CASE("what is partly written is neither dropped nor merged with") {
  OutboundQueue queue;
  push_all(queue, {"a", "b", "c"});
  REQUIRE(queue.drop_oldest(1));
  CHECK(waiting(queue) == "a gap1 c");

  OutboundQueue gap_first;
  push_all(gap_first, {"a", "b", "c", "d"});
  REQUIRE(gap_first.drop_oldest(0));  // the gap is now the head, and partly on the wire
  REQUIRE(gap_first.drop_oldest(1));
  CHECK(waiting(gap_first) == "gap1 gap1 c d");
  REQUIRE(gap_first.drop_oldest(1));
  CHECK(waiting(gap_first) == "gap1 gap2 d");
}

TEST_CASE("conflation keeps the newest message of each channel, and a gap for each run of others") {
  OutboundQueue queue;
  queue.push_message(message("x1", 1));
  queue.push_message(message("x2", 1));
  queue.push_message(message("y1", 2));
  queue.push(answer());
  queue.push_message(message("x3", 1));
  queue.push_message(message("mine"));  // to a user: of no channel
  queue.push_message(message("y2", 2));
  CHECK(queue.conflate(0) == 3);
  CHECK(waiting(queue) == "gap3 answer x3 mine y2");
  CHECK(queue.bytes() ==
        answer()->size() + message("x3")->size() + message("mine")->size() + message("y2")->size());
  CHECK(queue.conflate(0) == 0);
}

TEST_CASE("conflation leaves a partly written head alone, and does not merge with it") {
  OutboundQueue queue;
  for (const char* name : {"x1", "x2", "x3"}) queue.push_message(message(name, 1));
  CHECK(queue.conflate(1) == 1);
  CHECK(waiting(queue) == "x1 gap1 x3");

  queue.pop_front();  // now the gap is under way
  queue.push_message(message("x4", 1));
  CHECK(queue.conflate(1) == 1);
  CHECK(waiting(queue) == "gap1 gap1 x4");
}

TEST_CASE("gaps of an earlier conflation grow with a later one") {
  OutboundQueue queue;
  for (const char* name : {"x1", "x2"}) queue.push_message(message(name, 1));
  CHECK(queue.conflate(0) == 1);
  queue.push_message(message("x3", 1));
  CHECK(queue.conflate(0) == 1);
  CHECK(waiting(queue) == "gap2 x3");
}

TEST_CASE("a gap is told as protocol.md says") {
  CHECK(make_gap_message(7)->payload() == R"({"type":"gap","reason":"slow","missed":7})");
}
