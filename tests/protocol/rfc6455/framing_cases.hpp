// SPDX-License-Identifier: MIT
// RFC 6455 §5.2 and §5.3: a frame by itself. Its bits, opcodes, lengths and masks.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "protocol/rfc6455/frame_case.hpp"

namespace rfc6455 {

inline const std::array all_opcodes{sent::Opcode::continuation, sent::Opcode::text, sent::Opcode::binary,
                                    sent::Opcode::close,        sent::Opcode::ping, sent::Opcode::pong};

/// §5.7, byte for byte. What a server sends there comes from a client here, so it is masked or wrong.
inline void add_examples(FrameCases& cases) {
  using namespace sent;
  const std::string hello = bytes_of({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  const std::string pong_hello = bytes_of({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58});
  const std::string first = bytes_of({0x01, 0x83, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d});
  const std::string second = bytes_of({0x80, 0x82, 0x3d, 0x37, 0xfa, 0x21, 0x51, 0x58});
  cases.insert(
      cases.end(),
      {
          {"5.7", "the masked Hello", hello, {means::text("Hello")}},
          {"5.7", "the masked pong", pong_hello, {means::pong("Hello")}},
          {"5.7", "Hello in two fragments", first + second, {means::text("Hello")}},
          {"5.7", "the unmasked Hello", bytes_of({0x81, 0x05}) + "Hello", {means::fail(1002)}, 2},
          {"5.7", "the unmasked fragment", bytes_of({0x01, 0x03}) + "Hel", {means::fail(1002)}, 2},
          {"5.7", "the unmasked ping", bytes_of({0x89, 0x05}) + "Hello", {means::fail(1002)}, 2},
          {"5.7", "256 bytes", binary(std::string(256, 'b')), {means::binary(std::string(256, 'b'))}},
          {"5.7", "64 KiB", binary(std::string(65536, 'b')), {means::binary(std::string(65536, 'b'))}},
      });
}

/// A first fragment, where the frame needs one to be right.
inline std::string before(sent::Opcode opcode) {
  return opcode == sent::Opcode::continuation ? sent::text("", sent::Fin::no) : std::string();
}

inline void add_bits_and_opcodes(FrameCases& cases) {
  using namespace sent;
  for (const Opcode opcode : all_opcodes)
    for (int bits = 1; bits < 8; ++bits) {
      const std::string start = before(opcode);
      const std::string wrong =
          encode({.opcode = opcode, .payload = "ab", .reserved_bits = static_cast<std::uint8_t>(bits)});
      std::string name = "RSV";
      for (int bit = 1; bit <= 3; ++bit)
        if ((bits & 8 >> bit) != 0) name += std::to_string(bit);
      cases.push_back({"5.2",
                       name.append(" of a ").append(name_of(opcode)),
                       start + wrong,
                       {means::fail(1002)},
                       start.size() + 1});
    }
  for (int number = 0; number < 16; ++number) {
    if (number < 3 || (number > 7 && number < 11)) continue;
    const std::string name = "the reserved opcode " + std::to_string(number);
    for (const bool fin : {false, true}) {
      const std::string wrong = encode({.opcode = static_cast<Opcode>(number), .payload = "ab", .fin = fin});
      cases.push_back({"5.2", name + (fin ? "" : " without FIN"), wrong, {means::fail(1002)}, 1});
    }
    const std::string start = text("a") + text("b", Fin::no);
    cases.push_back({"5.2",
                     name + " between fragments",
                     start + frame(static_cast<Opcode>(number), "") + last("c"),
                     {means::text("a"), means::fail(1002)},
                     start.size() + 1});
  }
}

inline void add_lengths(FrameCases& cases) {
  using namespace sent;
  for (const std::size_t size :
       {0u, 1u, 2u, 124u, 125u, 126u, 127u, 128u, 254u, 255u, 256u, 999u, 65534u, 65535u, 65536u, 65537u}) {
    const std::string payload(size, 'x');
    const std::string name = std::to_string(size) + " bytes of ";
    cases.push_back({"5.2", name + "text", text(payload), {means::text(payload)}});
    cases.push_back(
        {"5.2", name + "binary", binary(payload) + ping("1"), {means::binary(payload), means::ping("1")}});
    cases.push_back({"5.2",
                     name + "binary in a fragment",
                     binary("", Fin::no) + last(payload),
                     {means::binary(payload)}});
  }
  const auto not_minimal = [&](std::size_t size, std::size_t width) {
    const std::string name = std::to_string(size) + " bytes told in " + std::to_string(8 * width) + " bits";
    const std::string payload(size, 'x');
    for (const Opcode opcode : {Opcode::text, Opcode::binary, Opcode::continuation}) {
      const std::string start = before(opcode);
      cases.push_back({"5.2",
                       name + " of " + std::string(name_of(opcode)),
                       start + encode({.opcode = opcode, .payload = payload, .length_width = width}),
                       {means::fail(1002)},
                       start.size() + 2 + width});
    }
  };
  for (const std::size_t size : {0u, 1u, 124u, 125u}) not_minimal(size, 2);
  for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65534u, 65535u}) not_minimal(size, 8);
  for (const std::uint64_t size : {std::uint64_t{1} << 63, (std::uint64_t{1} << 63) + 5, ~std::uint64_t{0}})
    for (const Opcode opcode : {Opcode::text, Opcode::binary})
      cases.push_back(
          {"5.2",
           "the highest bit of the length " + std::to_string(size) + " of " + std::string(name_of(opcode)),
           encode({.opcode = opcode, .payload = "x", .claimed_size = size}),
           {means::fail(1002)},
           10});
}

/// A breach needs no more of the frame than what shows it.
inline void add_breaches_without_more(FrameCases& cases) {
  const auto fails = [&](const char* section, const char* name, const std::string& bytes) {
    cases.push_back({section, name, bytes, {means::fail(1002)}});
  };
  fails("5.2", "a first byte with RSV1, and no more", bytes_of({0xc1}));
  fails("5.2", "a first byte with a reserved opcode, and no more", bytes_of({0x83}));
  fails("5.5", "a first byte of a ping without FIN, and no more", bytes_of({0x09}));
  fails("5.1", "two bytes without a mask, and no more", bytes_of({0x82, 0x7f}));
  fails("5.5", "two bytes of a ping with 126, and no more", bytes_of({0x89, 0xfe}));
  fails("5.2", "125 told in 16 bits, and no more", bytes_of({0x82, 0xfe, 0x00, 0x7d}));
  fails("5.2", "the highest bit of a length, and no more", bytes_of({0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}));
}

/// Of a header and its payload, only so much has come: nothing is known, and nothing wrong.
inline void add_unfinished(FrameCases& cases) {
  using namespace sent;
  for (const std::size_t size : {5u, 200u, 65536u}) {
    const std::string whole = binary(std::string(size, 'x'));
    const std::size_t header = whole.size() - size;
    for (std::size_t cut = 0; cut <= header + 3; ++cut)
      cases.push_back({"5.2",
                       "the first " + std::to_string(cut) + " bytes of a frame with " + std::to_string(size),
                       whole.substr(0, cut),
                       {}});
  }
  cases.push_back({"5.2", "all but a payload's last byte", text("abcde").substr(0, 10), {}});
  cases.push_back({"5.4", "all but the last fragment", text("a", Fin::no) + more("b") + more("c"), {}});
  cases.push_back({"5.5", "all but a ping's last byte", ping("abcde").substr(0, 10), {}});
}

inline void add_masks(FrameCases& cases) {
  using namespace sent;
  using switchboard::MaskingKey;
  const std::array<std::pair<const char*, MaskingKey>, 5> keys{
      {{"zeros", MaskingKey{}},
       {"ones", MaskingKey{'\xff', '\xff', '\xff', '\xff'}},
       {"01020304", MaskingKey{1, 2, 3, 4}},
       {"80000000", MaskingKey{'\x80', 0, 0, 0}},
       {"its payload", MaskingKey{'a', 'b', 'c', 'd'}}}};
  std::string long_payload;
  for (int i = 0; i < 40; ++i) long_payload += static_cast<char>('a' + i % 26);
  for (const auto& [name, key] : keys)
    for (const std::size_t size : {0u, 1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 33u, 40u}) {
      const std::string payload = long_payload.substr(0, size);
      cases.push_back({"5.3",
                       std::to_string(size) + " bytes masked with " + name,
                       encode({.opcode = Opcode::binary, .payload = payload, .key = key}),
                       {means::binary(payload)}});
    }
  cases.push_back(
      {"5.3",
       "each fragment has a key of its own",
       encode({.payload = "abc", .fin = false, .key = keys[2].second}) +
           encode({.opcode = Opcode::ping, .payload = "defgh", .key = keys[1].second}) +
           encode({.opcode = Opcode::continuation, .payload = "ijklm", .fin = false, .key = keys[0].second}) +
           encode({.opcode = Opcode::continuation, .payload = "nopqrst", .key = keys[3].second}),
       {means::ping("defgh"), means::text("abcijklmnopqrst")}});
  for (const Opcode opcode : all_opcodes)
    for (const std::string_view payload : {"", "ab"}) {
      const std::string start = before(opcode);
      cases.push_back(
          {"5.1",
           (payload.empty() ? "an empty unmasked " : "an unmasked ") + std::string(name_of(opcode)),
           start + encode({.opcode = opcode, .payload = payload, .masked = false}),
           {means::fail(1002)},
           start.size() + 2});
    }
  cases.push_back({"5.1",
                   "an unmasked frame behind a masked one",
                   text("a") + encode({.payload = "b", .masked = false}),
                   {means::text("a"), means::fail(1002)},
                   text("a").size() + 2});
}

inline FrameCases framing_cases() {
  FrameCases cases;
  add_examples(cases);
  add_bits_and_opcodes(cases);
  add_lengths(cases);
  add_breaches_without_more(cases);
  add_unfinished(cases);
  add_masks(cases);
  return cases;
}

}  // namespace rfc6455
