// SPDX-License-Identifier: MIT
#include <switchboard/server/command_inbox.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::Command;
using sb::CommandInbox;

namespace {

Command publish(std::string channel, std::string body) {
  return {.kind = Command::Kind::publish_json, .target = std::move(channel), .body = std::move(body)};
}

}  // namespace

TEST_CASE("commands are taken in the order in which they were posted, so many at a time") {
  CommandInbox inbox([] {});
  for (int i = 0; i < 5; ++i) REQUIRE_FALSE(inbox.post(publish("c", std::to_string(i))));
  std::vector<Command> batch;
  CHECK(inbox.take(batch, 3));
  REQUIRE(batch.size() == 3);
  CHECK(batch[0].body == "0");
  CHECK(batch[2].body == "2");
  batch.clear();
  CHECK_FALSE(inbox.take(batch, 3));
  REQUIRE(batch.size() == 2);
  CHECK(batch[1].body == "4");
}

TEST_CASE("the shard is woken for the first command only, until it has taken all") {
  int wakes = 0;
  CommandInbox inbox([&] { ++wakes; });
  inbox.post(publish("c", "1"));
  inbox.post(publish("c", "2"));
  CHECK(wakes == 1);
  std::vector<Command> batch;
  inbox.take(batch, 1);
  inbox.post(publish("c", "3"));
  CHECK(wakes == 1);
  inbox.take(batch, 10);
  inbox.post(publish("c", "4"));
  CHECK(wakes == 2);
}

TEST_CASE("an inbox is full at so many commands, and has room once they are taken") {
  CommandInbox inbox([] {});
  for (std::size_t i = 0; i < CommandInbox::max_commands; ++i) REQUIRE_FALSE(inbox.post(publish("c", "1")));
  CHECK(inbox.post(publish("c", "1")) == sb::errc::would_block);
  std::vector<Command> batch;
  inbox.take(batch, 1);
  CHECK_FALSE(inbox.post(publish("c", "1")));
}

TEST_CASE("the names that commands are about count as their bodies do") {
  CommandInbox inbox([] {});
  CHECK_FALSE(inbox.post({.kind = Command::Kind::disconnect_user,
                          .target = std::string(CommandInbox::max_bytes, 'x'),
                          .body = {}}));
  CHECK(inbox.post(publish("c", "1")) == sb::errc::would_block);
  std::vector<Command> batch;
  inbox.take(batch, 1);
  CHECK_FALSE(inbox.post(publish("c", "1")));
}

TEST_CASE("an inbox is full at so many bytes, but takes one command of any size") {
  CommandInbox inbox([] {});
  CHECK_FALSE(inbox.post(publish("c", std::string(CommandInbox::max_bytes + 1, 'x'))));
  CHECK(inbox.post(publish("c", "1")) == sb::errc::would_block);
  std::vector<Command> batch;
  inbox.take(batch, 1);
  CHECK_FALSE(inbox.post(publish("c", "1")));
}

TEST_CASE("a closed inbox refuses and drops what it had") {
  CommandInbox inbox([] {});
  inbox.post(publish("c", "1"));
  inbox.close();
  CHECK(inbox.post(publish("c", "2")) == sb::errc::stopped);
  std::vector<Command> batch;
  CHECK_FALSE(inbox.take(batch, 10));
  CHECK(batch.empty());
}

TEST_CASE(
    "a router sends all commands with one target to one shard, and different targets to different ones") {
  std::vector<std::shared_ptr<CommandInbox>> inboxes;
  for (int i = 0; i < 4; ++i) inboxes.push_back(std::make_shared<CommandInbox>([] {}));
  sb::CommandRouter router(inboxes);
  for (int i = 0; i < 100; ++i) {
    router.post(publish("always the same", "1"));
    router.post(publish("channel " + std::to_string(i), "2"));
  }
  std::size_t with_the_same = 0;
  for (const auto& inbox : inboxes) {
    std::vector<Command> batch;
    inbox->take(batch, 1000);
    std::size_t same = 0;
    for (const Command& command : batch) same += command.body == "1" ? 1 : 0;
    CHECK((same == 0 || same == 100));
    with_the_same += same;
    CHECK(batch.size() > same);
  }
  CHECK(with_the_same == 100);
}
