// SPDX-License-Identifier: MIT
// RFC 6455 §5.6 and §8.1: text is UTF-8 (RFC 3629), and fails on the first byte that cannot be.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "protocol/rfc6455/frame_case.hpp"

namespace rfc6455 {

struct WrongSequence {
  const char* name;
  std::string_view bytes;
  std::size_t known_after;  ///< the bytes that show it
};

/// Every way of RFC 3629 §4 to be wrong.
inline constexpr std::array wrong_sequences{
    WrongSequence{"a continuation byte alone, 80", "\x80", 1},
    WrongSequence{"a continuation byte alone, BF", "\xBF", 1},
    WrongSequence{"C0, which only overlong forms have", "\xC0\x80", 1},
    WrongSequence{"C1, which only overlong forms have", "\xC1\xBF", 1},
    WrongSequence{"a slash in three bytes", "\xE0\x80\xAF", 2},
    WrongSequence{"U+07FF in three bytes", "\xE0\x9F\xBF", 2},
    WrongSequence{"a slash in four bytes", "\xF0\x80\x80\xAF", 2},
    WrongSequence{"U+FFFF in four bytes", "\xF0\x8F\xBF\xBF", 2},
    WrongSequence{"the first surrogate", "\xED\xA0\x80", 2},
    WrongSequence{"the last high surrogate", "\xED\xAF\xBF", 2},
    WrongSequence{"the first low surrogate", "\xED\xB0\x80", 2},
    WrongSequence{"the last surrogate", "\xED\xBF\xBF", 2},
    WrongSequence{"a pair of surrogates", "\xED\xA0\x80\xED\xB0\x80", 2},
    WrongSequence{"U+110000", "\xF4\x90\x80\x80", 2},
    WrongSequence{"U+13FFFF", "\xF4\xBF\xBF\xBF", 2},
    WrongSequence{"F5", "\xF5\x80\x80\x80", 1},
    WrongSequence{"F7", "\xF7\xBF\xBF\xBF", 1},
    WrongSequence{"five bytes", "\xF8\x88\x80\x80\x80", 1},
    WrongSequence{"six bytes", "\xFC\x84\x80\x80\x80\x80", 1},
    WrongSequence{"FE", "\xFE", 1},
    WrongSequence{"FF", "\xFF", 1},
    WrongSequence{"two bytes cut short by a letter", "\xC3(", 2},
    WrongSequence{"three bytes cut short after one", "\xE2(\xA1", 2},
    WrongSequence{"three bytes cut short after two", "\xE2\x82(", 3},
    WrongSequence{"four bytes cut short after one", "\xF0(\x8C\xBC", 2},
    WrongSequence{"four bytes cut short after two", "\xF0\x90(\xBC", 3},
    WrongSequence{"four bytes cut short after three", "\xF0\x9F\x98(", 4},
    WrongSequence{"a sequence cut short by another", "\xE2\x82\xC3\xA9", 3},
    WrongSequence{"a continuation byte too many", "\xC3\xA9\xA9", 3},
};

struct RightSequence {
  const char* name;
  std::string_view bytes;
};

/// The first and the last of each length, and those beside the gaps.
inline constexpr std::array right_sequences{
    RightSequence{"U+0000", std::string_view("\0", 1)},
    RightSequence{"U+007F", "\x7F"},
    RightSequence{"U+0080", "\xC2\x80"},
    RightSequence{"U+07FF", "\xDF\xBF"},
    RightSequence{"U+0800", "\xE0\xA0\x80"},
    RightSequence{"U+D7FF", "\xED\x9F\xBF"},
    RightSequence{"U+E000", "\xEE\x80\x80"},
    RightSequence{"U+FEFF", "\xEF\xBB\xBF"},
    RightSequence{"U+FFFE", "\xEF\xBF\xBE"},
    RightSequence{"U+FFFF", "\xEF\xBF\xBF"},
    RightSequence{"U+10000", "\xF0\x90\x80\x80"},
    RightSequence{"U+10FFFF", "\xF4\x8F\xBF\xBF"},
};

inline constexpr std::size_t short_header = 6;

/// Each at the beginning, around a word of eight bytes, and behind two: where a fast path may look away.
inline void add_wrong_text(FrameCases& cases) {
  using namespace sent;
  for (const WrongSequence& wrong : wrong_sequences) {
    const std::string bytes(wrong.bytes);
    for (const std::size_t place : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 15u, 16u, 17u, 40u}) {
      const std::string ascii(place, 'a');
      cases.push_back({"8.1",
                       std::string(wrong.name) + " behind " + std::to_string(place),
                       text(ascii + bytes + "tail of the text"),
                       {means::fail(1007)},
                       short_header + place + wrong.known_after});
    }
    cases.push_back({"8.1",
                     std::string(wrong.name) + " behind a sequence",
                     text("\xE2\x82\xAC" + bytes),
                     {means::fail(1007)},
                     short_header + 3 + wrong.known_after});
    const std::string first = text("right \xC3\xA9", Fin::no);
    cases.push_back({"8.1",
                     std::string(wrong.name) + " in a continuation",
                     first + more(bytes) + last("tail"),
                     {means::fail(1007)},
                     first.size() + short_header + wrong.known_after});
    for (std::size_t cut = 1; cut < wrong.known_after; ++cut) {
      const std::string start = text("a" + bytes.substr(0, cut), Fin::no);
      cases.push_back({"8.1",
                       std::string(wrong.name) + " spread over fragments after " + std::to_string(cut),
                       start + ping("p") + more(bytes.substr(cut)) + last("tail"),
                       {means::ping("p"), means::fail(1007)},
                       start.size() + ping("p").size() + short_header + wrong.known_after - cut});
    }
    cases.push_back({"5.6", std::string(wrong.name) + " in binary", binary(bytes), {means::binary(bytes)}});
  }
}

inline void add_right_text(FrameCases& cases) {
  using namespace sent;
  for (const RightSequence& right : right_sequences) {
    const std::string bytes(right.bytes), name(right.name);
    for (const std::size_t place : {0u, 5u, 6u, 7u, 8u}) {
      const std::string whole = std::string(place, 'a') + bytes + "tail";
      cases.push_back({"8.1", name + " behind " + std::to_string(place), text(whole), {means::text(whole)}});
    }
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const std::string head = bytes.substr(0, cut), rest = bytes.substr(cut),
                        at = " after " + std::to_string(cut);
      cases.push_back({"8.1",
                       name + " spread over fragments" + at,
                       text("a" + head, Fin::no) + last(rest + "z"),
                       {means::text("a" + bytes + "z")}});
      cases.push_back({"8.1",
                       name + " spread around a ping and an empty fragment" + at,
                       text(head, Fin::no) + ping("") + more("") + last(rest),
                       {means::ping(""), means::text(bytes)}});
      cases.push_back({"8.1", name + " cut short by the end" + at, text("a" + head), {means::fail(1007)}});
      cases.push_back({"8.1",
                       name + " cut short by the end of a long text" + at,
                       text(std::string(200, 'a') + head),
                       {means::fail(1007)}});
      cases.push_back({"8.1",
                       name + " cut short by the last fragment's end" + at,
                       text("a", Fin::no) + last(head),
                       {means::fail(1007)}});
      cases.push_back({"8.1",
                       name + " cut short, and an empty last fragment" + at,
                       text("a" + head, Fin::no) + last(""),
                       {means::fail(1007)}});
      cases.push_back({"8.1",
                       name + " begun, and a letter in the next fragment" + at,
                       text(head, Fin::no) + last("(" + rest),
                       {means::fail(1007)},
                       text(head).size() + short_header + 1});
      cases.push_back({"5.4",
                       name + " begun, and a message inside" + at,
                       text(head, Fin::no) + text(rest),
                       {means::fail(1002)},
                       text(head).size() + short_header});
    }
  }
  // One message's bytes say nothing about the next.
  cases.push_back({"8.1",
                   "a sequence's rest in the next message",
                   text("\xC3\xA9") + text("\xA9"),
                   {means::text("\xC3\xA9"), means::fail(1007)}});
  cases.push_back({"8.1",
                   "binary that ends inside a sequence, then text",
                   binary("\xE2\x82", Fin::no) + last("\xE2") + text("\xAC"),
                   {means::binary("\xE2\x82\xE2"), means::fail(1007)}});
  cases.push_back({"8.1",
                   "fragmented text, then more of it",
                   text("\xE2", Fin::no) + last("\x82\xAC") + text("a", Fin::no) + last("\xC3\xA9"),
                   {means::text("\xE2\x82\xAC"), means::text("a\xC3\xA9")}});
  std::string mixed;
  for (int i = 0; i < 20; ++i) mixed += "a\xCF\x8C\xF0\x9F\x98\x80\xE2\x82\xAC plain words ";
  cases.push_back({"8.1", "a long text of all lengths", text(mixed), {means::text(mixed)}});
}

inline FrameCases text_cases() {
  FrameCases cases;
  add_wrong_text(cases);
  add_right_text(cases);
  return cases;
}

}  // namespace rfc6455
