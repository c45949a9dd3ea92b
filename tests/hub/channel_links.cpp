// SPDX-License-Identifier: MIT
#include <vector>

#include <switchboard/hub/channel_links.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using Heard = ChannelLinks::Heard;

namespace {

const std::error_code broken = std::make_error_code(std::errc::not_connected);

}  // namespace

TEST_CASE("a link is opened once, and those who wait are called in order when the broker confirms it") {
  ChannelLinks links;
  const auto [link, is_new] = links.open("news");
  CHECK(is_new);
  CHECK_FALSE(links.open("news").second);
  std::vector<int> called;
  for (int i = 0; i < 3; ++i)
    link->waiting.push_back([&called, i, held = link](std::error_code error) {
      CHECK_FALSE(error);
      CHECK(held->is_confirmed);
      called.push_back(i);
    });
  links.confirm("news", link->number, {});
  CHECK(called == std::vector<int>{0, 1, 2});
  CHECK(links.find("news")->waiting.empty());
}

TEST_CASE("a link that the broker refuses is not confirmed, and those who wait are told") {
  ChannelLinks links;
  ChannelLinks::Link* link = links.open("news").first;
  link->is_asking = true;
  std::error_code told;
  link->waiting.push_back([&](std::error_code error) { told = error; });
  links.confirm("news", link->number, broken);
  CHECK(told == broken);
  CHECK_FALSE(link->is_confirmed);
  CHECK_FALSE(link->is_asking);
}

TEST_CASE("a confirmation of an earlier link of the same name says nothing about the present one") {
  ChannelLinks links;
  const std::uint64_t old = links.open("news").first->number;
  links.erase("news");
  CHECK(links.find("news") == nullptr);
  links.confirm("news", old, {});
  ChannelLinks::Link* link = links.open("news").first;
  CHECK(link->number != old);
  links.confirm("news", old, {});
  CHECK_FALSE(link->is_confirmed);
}

TEST_CASE("whoever is called may erase the link") {
  ChannelLinks links;
  ChannelLinks::Link* link = links.open("news").first;
  int calls = 0;
  for (int i = 0; i < 2; ++i)
    link->waiting.push_back([&](std::error_code) {
      ++calls;
      links.erase("news");
      links.open("news");
    });
  links.confirm("news", link->number, {});
  CHECK(calls == 1);
  CHECK(links.size() == 1);
}

TEST_CASE("of each origin a jump is heard as a gap, and a repeat is dropped") {
  ChannelLinks::Link link;
  CHECK(ChannelLinks::hear(link, 7, 40) == Heard::next);  // the first sets the beginning
  CHECK(ChannelLinks::hear(link, 7, 41) == Heard::next);
  CHECK(ChannelLinks::hear(link, 8, 1) == Heard::next);
  CHECK(ChannelLinks::hear(link, 7, 41) == Heard::repeated);
  CHECK(ChannelLinks::hear(link, 7, 12) == Heard::repeated);
  CHECK(ChannelLinks::hear(link, 7, 43) == Heard::after_gap);
  CHECK(ChannelLinks::hear(link, 7, 44) == Heard::next);
  CHECK(ChannelLinks::hear(link, 8, 2) == Heard::next);
}

TEST_CASE("the origins heard of are bounded: the one heard of first is forgotten") {
  ChannelLinks::Link link;
  for (std::uint64_t origin = 0; origin < 2000; ++origin) ChannelLinks::hear(link, origin, 5);
  CHECK(link.heard.size() == 1024);
  CHECK(ChannelLinks::hear(link, 1999, 5) == Heard::repeated);
  CHECK(ChannelLinks::hear(link, 0, 5) == Heard::next);
}

TEST_CASE("of two notices about a user only the newer counts, whichever comes first") {
  ChannelLinks::Link link;
  CHECK(ChannelLinks::is_newest(link, "ann", 5));
  CHECK_FALSE(ChannelLinks::is_newest(link, "ann", 5));
  CHECK_FALSE(ChannelLinks::is_newest(link, "ann", 4));
  CHECK(ChannelLinks::is_newest(link, "bob", 3));
  CHECK(ChannelLinks::is_newest(link, "ann", 6));
  for (std::uint64_t i = 0; i < 63; ++i) CHECK(ChannelLinks::is_newest(link, std::to_string(i), 9));
  CHECK(link.presence_seen.size() == 64);
  CHECK_FALSE(ChannelLinks::is_newest(link, "ann", 6));  // bob, longest unheard of, has made room
}

TEST_CASE("envelopes are numbered from 1 on each channel") {
  EnvelopeCounters counters;
  std::uint64_t origin = 100;
  CHECK(counters.next("a", origin) == 1);
  CHECK(counters.next("a", origin) == 2);
  CHECK(counters.next("b", origin) == 1);
  CHECK(counters.next("a", origin) == 3);
  CHECK(origin == 100);
}

TEST_CASE("when too many channels are numbered, a new origin begins at 1") {
  EnvelopeCounters counters(2);
  std::uint64_t origin = 100;
  CHECK(counters.next("a", origin) == 1);
  CHECK(counters.next("b", origin) == 1);
  CHECK(counters.next("b", origin) == 2);
  CHECK(origin == 100);
  CHECK(counters.next("c", origin) == 1);
  CHECK(origin != 100);
  CHECK(counters.next("b", origin) == 1);
}

TEST_CASE("what was heard before a link is confirmed says nothing about what follows") {
  ChannelLinks links;
  ChannelLinks::Link& link = *links.open("news").first;
  CHECK(ChannelLinks::hear(link, 1, 7) == Heard::next);  // still under way from an earlier link
  links.confirm("news", link.number, {});
  CHECK(ChannelLinks::hear(link, 1, 12) == Heard::next);
  CHECK(ChannelLinks::hear(link, 1, 14) == Heard::after_gap);
}
