// SPDX-License-Identifier: MIT
// RFC 6455 §5.4, §5.5 and §10.4: messages in fragments, control frames, and the limit on a message.
#pragma once
#include <string>
#include <utility>

#include "protocol/rfc6455/frame_case.hpp"

namespace rfc6455 {

inline void add_fragments(FrameCases& cases) {
  using namespace sent;
  cases.insert(
      cases.end(),
      {
          {"5.4", "two fragments", text("a", Fin::no) + last("b"), {means::text("ab")}},
          {"5.4", "three fragments", text("a", Fin::no) + more("b") + last("c"), {means::text("abc")}},
          {"5.4",
           "binary fragments",
           binary("\xff", Fin::no) + more("\xfe") + last("\xfd"),
           {means::binary("\xff\xfe\xfd")}},
          {"5.4", "an empty first fragment", text("", Fin::no) + last("b"), {means::text("b")}},
          {"5.4",
           "an empty fragment in the middle",
           text("a", Fin::no) + more("") + last("c"),
           {means::text("ac")}},
          {"5.4", "an empty last fragment", text("a", Fin::no) + last(""), {means::text("a")}},
          {"5.4", "nothing but empty fragments", text("", Fin::no) + more("") + last(""), {means::text("")}},
          {"5.4",
           "empty binary fragments",
           binary("", Fin::no) + last("") + text("x"),
           {means::binary(""), means::text("x")}},
          {"5.4",
           "a message behind a fragmented one",
           text("a", Fin::no) + last("b") + binary("c"),
           {means::text("ab"), means::binary("c")}},
          {"5.4",
           "a fragmented message behind another",
           text("a", Fin::no) + last("b") + binary("c", Fin::no) + last("d"),
           {means::text("ab"), means::binary("cd")}},
          {"5.4",
           "a whole message before fragments",
           binary("x") + text("a", Fin::no) + last("b"),
           {means::binary("x"), means::text("ab")}},
          {"5.4",
           "fragments of unlike lengths",
           binary(std::string(126, 'a'), Fin::no) + more("b") + last(std::string(300, 'c')),
           {means::binary(std::string(126, 'a') + "b" + std::string(300, 'c'))}},
      });
  std::string whole, fragments = text("", Fin::no);
  for (int i = 0; i < 100; ++i) {
    const std::string part(static_cast<std::size_t>(i % 5), static_cast<char>('a' + i % 26));
    fragments += more(part);
    whole += part;
  }
  cases.push_back({"5.4", "a hundred fragments", fragments + last("!"), {means::text(whole + "!")}});
}

inline void add_fragments_out_of_order(FrameCases& cases) {
  using namespace sent;
  const auto fails = [&](std::string name, const std::string& start, Events met, const std::string& wrong) {
    met.push_back(means::fail(1002));
    cases.push_back({"5.4", std::move(name), start + wrong, std::move(met), start.size() + 6});
  };
  fails("a continuation at the beginning", "", {}, last("x"));
  fails("a continuation without FIN at the beginning", "", {}, more("x"));
  fails("an empty continuation at the beginning", "", {}, last(""));
  fails("a continuation behind a message", text("a"), {means::text("a")}, last("x"));
  fails("a continuation behind the last fragment", text("a", Fin::no) + last("b"), {means::text("ab")},
        last("x"));
  fails("a continuation behind an empty message", binary(""), {means::binary("")}, more("x"));
  fails("a continuation behind a ping", ping("p"), {means::ping("p")}, last("x"));
  for (const Opcode inside : {Opcode::text, Opcode::binary})
    for (const Fin fin : {Fin::no, Fin::yes}) {
      const std::string name =
          std::string(name_of(inside)) + (fin == Fin::yes ? " inside " : " fragment inside ");
      fails(name + "text", text("a", Fin::no), {}, frame(inside, "b", fin));
      fails(name + "an empty text", text("", Fin::no), {}, frame(inside, "b", fin));
      fails(name + "binary", binary("a", Fin::no), {}, frame(inside, "b", fin));
      fails(name + "text behind a ping", text("a", Fin::no) + ping("p"), {means::ping("p")},
            frame(inside, "", fin));
      fails(name + "text behind a continuation", text("a", Fin::no) + more("b"), {}, frame(inside, "c", fin));
    }
}

inline void add_control_frames(FrameCases& cases) {
  using namespace sent;
  const std::string longest(125, 'p');
  for (const bool is_ping : {true, false}) {
    const auto control = is_ping ? ping : pong;
    const auto meant = is_ping ? means::ping : means::pong;
    const std::string name = is_ping ? "a ping" : "a pong";
    for (const std::size_t size : {0u, 1u, 2u, 4u, 8u, 124u, 125u}) {
      const std::string payload(size, '\xff');  // it need not be text
      cases.push_back(
          {"5.5", name + " of " + std::to_string(size) + " bytes", control(payload), {meant(payload)}});
    }
    const std::string first = text("a", Fin::no);
    cases.push_back({"5.4",
                     name + " behind a first fragment",
                     first + control("p") + last("b"),
                     {meant("p"), means::text("ab")}});
    cases.push_back({"5.4",
                     name + " between empty fragments",
                     text("", Fin::no) + control("") + last("") + control("q"),
                     {meant(""), means::text(""), meant("q")}});
    cases.push_back({"5.4",
                     "the longest of " + name + " in every gap",
                     control(longest) + first + control(longest) + more("b") + control(longest) + last("c") +
                         control(longest),
                     {meant(longest), meant(longest), meant(longest), means::text("abc"), meant(longest)}});
    cases.push_back({"5.5", "ten of " + name + " in order",
                     [&] {
                       std::string bytes;
                       for (char c = '0'; c <= '9'; ++c) bytes += control(std::string(1, c));
                       return bytes;
                     }(),
                     [&] {
                       Events events;
                       for (char c = '0'; c <= '9'; ++c) events.push_back(meant(std::string(1, c)));
                       return events;
                     }()});
  }
  cases.push_back({"5.5.3",
                   "a pong that nobody asked for, before anything",
                   pong("x") + text("y"),
                   {means::pong("x"), means::text("y")}});

  for (const Opcode opcode : {Opcode::close, Opcode::ping, Opcode::pong}) {
    const std::string name(name_of(opcode));
    for (const std::size_t size : {126u, 127u, 256u, 65535u, 65536u})
      cases.push_back({"5.5",
                       "a " + name + " of " + std::to_string(size) + " bytes",
                       frame(opcode, std::string(size, 'x')),
                       {means::fail(1002)},
                       2});
    for (const std::size_t width : {2u, 8u})
      cases.push_back({"5.5",
                       "a short " + name + " told in " + std::to_string(8 * width) + " bits",
                       encode({.opcode = opcode, .payload = "ab", .length_width = width}),
                       {means::fail(1002)},
                       2});
    cases.push_back(
        {"5.5", "a " + name + " without FIN", frame(opcode, "", Fin::no), {means::fail(1002)}, 1});
    cases.push_back({"5.5",
                     "a " + name + " in fragments",
                     frame(opcode, "ab", Fin::no) + last("c"),
                     {means::fail(1002)},
                     1});
    const std::string start = text("a", Fin::no);
    cases.push_back({"5.5",
                     "a " + name + " without FIN between fragments",
                     start + frame(opcode, "", Fin::no) + last("b"),
                     {means::fail(1002)},
                     start.size() + 1});
    cases.push_back({"5.5",
                     "a too long " + name + " between fragments",
                     start + frame(opcode, std::string(126, 'x')) + last("b"),
                     {means::fail(1002)},
                     start.size() + 2});
  }
}

/// §10.4 leaves the limit to the server; §7.4.1 has 1009 for it. It is told by the header that shows it.
inline void add_limit(FrameCases& cases) {
  using namespace sent;
  const std::string most(case_message_limit, 'm');
  const auto too_big = [&](std::string name, const std::string& start, Events met, const std::string& wrong,
                           std::size_t header) {
    met.push_back(means::fail(1009));
    cases.push_back({"10.4", std::move(name), start + wrong, std::move(met), start.size() + header});
  };
  cases.push_back(
      {"10.4", "text of the limit", text(most) + text("x"), {means::text(most), means::text("x")}});
  cases.push_back({"10.4",
                   "fragments up to the limit",
                   binary(most.substr(1), Fin::no) + ping("p") + last("m"),
                   {means::ping("p"), means::binary(most)}});
  for (const std::uint64_t size :
       {std::uint64_t{case_message_limit} + 1, std::uint64_t{1} << 32, (std::uint64_t{1} << 63) - 1})
    for (const Opcode opcode : {Opcode::text, Opcode::binary})
      too_big(std::to_string(size) + " bytes of " + std::string(name_of(opcode)) + ", told", "", {},
              encode({.opcode = opcode, .payload = "few", .claimed_size = size}), 14);
  too_big("a second message over the limit", text("a"), {means::text("a")},
          encode({.claimed_size = case_message_limit + 1}), 14);
  too_big("a fragment over the limit", binary(most.substr(1), Fin::no), {}, last("mm"), 6);
  too_big("a fragment without end over the limit", binary(most.substr(1), Fin::no) + pong(""),
          {means::pong("")}, more("mm"), 6);
  too_big(
      "a fragment that overflows the sum", binary("abc", Fin::no), {},
      encode({.opcode = Opcode::continuation, .payload = "x", .claimed_size = (std::uint64_t{1} << 63) - 1}),
      14);
  cases.push_back({"5.4",
                   "out of order before over the limit",
                   text("a", Fin::no) + encode({.claimed_size = case_message_limit + 1}),
                   {means::fail(1002)}});
}

inline FrameCases message_cases() {
  FrameCases cases;
  add_fragments(cases);
  add_fragments_out_of_order(cases);
  add_control_frames(cases);
  add_limit(cases);
  return cases;
}

}  // namespace rfc6455
