// SPDX-License-Identifier: MIT
// FrameDecoder against Boost.Beast's websocket::stream, on any bytes at all.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "protocol/rfc6455/beast_stream.hpp"
#include "protocol/rfc6455/our_reader.hpp"

namespace rfc6455 {

/// Where ours and Beast may part, and why. All else must be the same: messages, pings, pongs, and the end.
enum class Difference : std::uint8_t {
  none,
  /// A breach is ours on the first byte that shows it, Beast's once the header is whole. RFC 6455 §7.1.7 says
  /// that the connection fails, not when; with the header's rest behind it Beast must fail with the same
  /// code.
  beast_waits_for_the_header,
  /// A length with its highest bit set: 1002 (§5.2: that bit MUST be 0). Beast sees a large message: 1009.
  highest_bit_of_length,
  /// A close reason that is not UTF-8: 1007 as any such text (§8.1 wants the connection to fail, §7.4.1 has
  /// 1007 for data "not consistent with the type"). Beast takes it for a malformed frame: 1002.
  reason_is_not_utf8,
  /// 1014 is taken: §7.4.2 lets the IANA registry add codes below 3000, and there it is (bad gateway). Beast
  /// goes by the RFC's own list.
  close_code_1014,
  /// Codes from 5000 on are 1002: §7.4.2 has ranges up to 4999 alone. Beast takes them.
  close_code_above_4999,
  /// Text whose last fragment is empty and that ends inside a sequence: 1007 (§8.1). Beast looks at the end
  /// of a text only where a payload is, and delivers it.
  text_ends_inside_a_sequence,
};
inline constexpr std::size_t difference_count = 7;

/// What the two read, with which settings.
struct DifferentialSettings {
  std::size_t max_message_bytes = 1000;
  std::size_t piece = 1;              ///< bytes a read
  bool announce_binary_type = false;  ///< ours alone knows that: it must not change what is delivered
};

/// Our reader after the whole stream, in pieces.
inline OurReader read_with_ours(std::span<const char> stream, const DifferentialSettings& settings) {
  OurReader reader({settings.max_message_bytes, settings.announce_binary_type});
  while (!stream.empty()) {
    const std::size_t size = std::min(settings.piece, stream.size());
    reader.feed({stream.data(), size});
    stream = stream.subspan(size);
  }
  return reader;
}

/// The allowed difference between the two readings, where there is exactly that one.
inline bool is_allowed(Difference difference, const Events& ours, std::string_view why,
                       const BeastReading& beast) {
  using Kind = Event::Kind;
  if (ours.empty() || beast.events.size() < ours.size()) return false;
  const std::size_t last = ours.size() - 1;
  if (!std::equal(ours.begin(), ours.end() - 1, beast.events.begin())) return false;
  const Event& our = ours.back();
  const Event& its = beast.events[last];
  const bool both_end = beast.events.size() == ours.size();
  const auto fails = [](const Event& event, int code) {
    return event.kind == Kind::fail && event.code == code;
  };
  namespace websocket = boost::beast::websocket;
  switch (difference) {
    case Difference::highest_bit_of_length:
      return both_end && fails(our, 1002) && why == "the highest bit of the length is set" &&
             fails(its, 1009);
    case Difference::reason_is_not_utf8:
      return both_end && fails(our, 1007) && fails(its, 1002) &&
             beast.error == websocket::error::bad_close_payload;
    case Difference::close_code_1014:
      // Behind a code that it takes, ours goes on to the reason.
      return both_end && ((our.kind == Kind::close && our.code == 1014) || fails(our, 1007)) &&
             fails(its, 1002) && beast.error == websocket::error::bad_close_code;
    case Difference::close_code_above_4999:
      return both_end && fails(our, 1002) && its.kind == Kind::close && its.code >= 5000;
    case Difference::text_ends_inside_a_sequence:
      return fails(our, 1007) && its.kind == Kind::text && !switchboard::is_utf8(its.payload);
    case Difference::none:
    case Difference::beast_waits_for_the_header:
      return false;
  }
  return false;
}

/// Reads `stream` with both, ours also in one piece. Throws `std::logic_error`, which tells all, where they
/// part in a way that is not allowed; else returns in which way they do.
inline Difference compare(std::span<const char> stream, const DifferentialSettings& settings) {
  const OurReader reader = read_with_ours(stream, settings);
  const Events& ours = reader.events();
  const std::string_view why = reader.why();
  const auto parted = [&](const char* what, const Events& other) {
    return std::logic_error(std::string(what) + "\n  stream: " + hexadecimal(stream) + "\n  limit " +
                            std::to_string(settings.max_message_bytes) + ", pieces of " +
                            std::to_string(settings.piece) + "\n  ours:" + described(ours) + " " +
                            std::string(why) + "\n  other:" + described(other));
  };
  const Events whole =
      read_with_ours(stream, {settings.max_message_bytes, std::max<std::size_t>(1, stream.size())}).events();
  if (ours != whole) throw parted("ours depends on how the stream is cut", whole);

  BeastReading beast = read_with_beast(stream, settings.piece, settings.max_message_bytes);
  if (ours == beast.events) return Difference::none;
  const bool is_cut_short = beast.error == boost::asio::error::eof && beast.events.size() + 1 == ours.size();
  if (is_cut_short && ours.back().kind == Event::Kind::fail) {
    std::string longer(stream.begin(), stream.end());
    longer.append(switchboard::ClientFrameHeader::max_size, '\0');
    beast = read_with_beast(longer, settings.piece, settings.max_message_bytes);
    if (ours == beast.events) return Difference::beast_waits_for_the_header;
  }
  for (std::size_t i = 0; i < difference_count; ++i)
    if (is_allowed(static_cast<Difference>(i), ours, why, beast)) return static_cast<Difference>(i);
  throw parted("ours and Beast's part", beast.events);
}

/// The same for a fuzzer: the first byte chooses the settings (the lowest three bits a message limit, the
/// next three the size of the pieces, then whether types are announced), the rest is the stream.
inline Difference check(std::span<const std::byte> bytes) {
  if (bytes.empty()) return Difference::none;
  constexpr std::array<std::size_t, 8> limits{1, 10, 125, 126, 1000, 65535, 65536, std::size_t{1} << 20};
  constexpr std::array<std::size_t, 8> pieces{1, 2, 3, 5, 7, 14, 64, std::size_t{1} << 20};
  const auto choice = static_cast<std::uint8_t>(bytes[0]);
  return compare({reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1},
                 {.max_message_bytes = limits[choice & 7u],
                  .piece = pieces[choice >> 3 & 7u],
                  .announce_binary_type = (choice & 64u) != 0});
}

}  // namespace rfc6455
