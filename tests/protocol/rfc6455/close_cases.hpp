// SPDX-License-Identifier: MIT
// RFC 6455 §5.5.1, §7.4 and §8.1: Close frames, and what comes behind them.
#pragma once
#include <string>

#include "protocol/rfc6455/frame_case.hpp"
#include "protocol/rfc6455/text_cases.hpp"

namespace rfc6455 {

inline void add_close_codes(FrameCases& cases) {
  using namespace sent;
  // §7.4.1, the IANA registry (1012 to 1014), and §7.4.2 from 3000 on.
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001,
                         3999, 4000, 4001, 4998, 4999}) {
    const std::string name = "the code " + std::to_string(code);
    cases.push_back({"7.4", name, close(code), {means::close(code)}});
    cases.push_back({"7.4",
                     name + " with a reason",
                     close(code, "because \xC3\xA9"),
                     {means::close(code, "because \xC3\xA9")}});
  }
  // 1004, 1005, 1006 and 1015 must not be sent; the others are nobody's.
  for (const int code : {0,    1,    255,  256,  998,  999,  1004, 1005, 1006, 1015,  1016, 1017,
                         1099, 1100, 1999, 2000, 2998, 2999, 5000, 5001, 9999, 32768, 65535}) {
    const std::string name = "the code " + std::to_string(code) + " that may not be";
    cases.push_back({"7.4", name, close(code), {means::fail(1002)}});
    cases.push_back({"7.4", name + ", with a reason", close(code, "because"), {means::fail(1002)}});
  }
}

inline void add_close_payloads(FrameCases& cases) {
  using namespace sent;
  cases.push_back({"5.5.1", "a close without a payload", close_with(""), {means::close(1005)}});
  for (const char byte : {'\0', '\x03', '\xff'})
    cases.push_back({"5.5.1",
                     "a close of one byte, " + std::to_string(static_cast<unsigned char>(byte)),
                     close_with(std::string(1, byte)),
                     {means::fail(1002)}});
  for (const std::size_t size : {1u, 2u, 3u, 64u, 122u, 123u})
    cases.push_back({"5.5.1",
                     "a reason of " + std::to_string(size),
                     close(1000, std::string(size, 'r')),
                     {means::close(1000, std::string(size, 'r'))}});
  for (const WrongSequence& wrong : wrong_sequences) {
    cases.push_back(
        {"8.1", std::string(wrong.name) + " as a reason", close(1000, wrong.bytes), {means::fail(1007)}});
    cases.push_back({"8.1",
                     std::string(wrong.name) + " in a reason",
                     close(4999, "a reason with " + std::string(wrong.bytes)),
                     {means::fail(1007)}});
  }
  for (const RightSequence& right : right_sequences) {
    cases.push_back({"8.1",
                     std::string(right.name) + " as a reason",
                     close(1000, right.bytes),
                     {means::close(1000, right.bytes)}});
    for (std::size_t cut = 1; cut < right.bytes.size(); ++cut)
      cases.push_back({"8.1",
                       std::string(right.name) + " cut short in a reason after " + std::to_string(cut),
                       close(1000, right.bytes.substr(0, cut)),
                       {means::fail(1007)}});
  }
}

inline void add_close_and_more(FrameCases& cases) {
  using namespace sent;
  const auto ends = [&](std::string name, const std::string& first, Events met, const std::string& late) {
    const std::string end = close(1000, "bye");
    met.push_back(means::close(1000, "bye"));
    cases.push_back(
        {"5.5.1", std::move(name), first + end + late, std::move(met), first.size() + end.size()});
  };
  ends("a close behind a message", text("a"), {means::text("a")}, "");
  ends("a close behind a ping", ping("a"), {means::ping("a")}, "");
  ends("a close between fragments", text("a", Fin::no), {}, last("b"));
  ends("a close inside a UTF-8 sequence", text("\xE2\x82", Fin::no), {}, last("\xAC"));
  ends("text behind a close", "", {}, text("late"));
  ends("a ping behind a close", "", {}, ping("late"));
  ends("another close", "", {}, close(1001));
  ends("a breach behind a close", "", {}, bytes_of({0xff, 0xff, 0xff}));
  ends("a frame's beginning behind a close", "", {}, bytes_of({0x81}));
  const auto fails = [&](std::string name, const std::string& wrong, const std::string& late) {
    cases.push_back({"7.1.7", std::move(name), wrong + late, {means::fail(1002)}, 1});
  };
  const std::string wrong = encode({.payload = "", .reserved_bits = 4});
  fails("text behind a breach", wrong, text("late"));
  fails("a ping behind a breach", wrong, ping("late"));
  fails("a close behind a breach", wrong, close(1000));
  fails("another breach behind a breach", wrong, bytes_of({0xff, 0xff}));
  cases.push_back({"7.1.7",
                   "a close behind bad UTF-8",
                   text("\xff") + close(1000),
                   {means::fail(1007)},
                   short_header + 1});
  cases.push_back({"7.1.7",
                   "the first of two breaches counts",
                   text("\xff") + wrong,
                   {means::fail(1007)},
                   short_header + 1});
}

inline FrameCases close_cases() {
  FrameCases cases;
  add_close_codes(cases);
  add_close_payloads(cases);
  add_close_and_more(cases);
  return cases;
}

}  // namespace rfc6455
