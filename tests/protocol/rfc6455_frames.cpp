// SPDX-License-Identifier: MIT
// The frames of the table, read by FrameDecoder.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/rfc6455/differential.hpp"
#include "protocol/rfc6455/frame_cases.hpp"
#include "support/catch.hpp"

using namespace rfc6455;

namespace {

using Pieces = std::vector<std::string_view>;

/// Where each of the pieces leaves the decoder with other events than expected, what they are.
std::string fault(const FrameCase& row, bool announce_binary_type, const Pieces& pieces) {
  OurReader reader({case_message_limit, announce_binary_type});
  try {
    for (const std::string_view piece : pieces) reader.feed(piece);
  } catch (const std::logic_error& broken) {
    return broken.what();
  }
  return reader.events() == row.expected ? "" : described(reader.events());
}

/// Every place in all but the longest rows; in those near their ends, where headers are, and a few between.
std::vector<std::size_t> cuts(const std::string& bytes) {
  std::vector<std::size_t> places;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut)
    if (bytes.size() <= 1100 || cut <= 20 || cut + 20 >= bytes.size() || cut % 9973 == 0)
      places.push_back(cut);
  return places;
}

/// The number of bytes after which the last expected event is there, if the decoder gets one at a time.
std::size_t decided_after(const FrameCase& row) {
  OurReader reader({case_message_limit, false});
  for (std::size_t size = 0; size < row.bytes.size(); ++size) {
    if (reader.events().size() == row.expected.size()) return size;
    reader.feed(std::string_view(row.bytes).substr(size, 1));
  }
  return row.bytes.size();
}

}  // namespace

TEST_CASE("every row of RFC 6455's frames means what it must, whole, byte by byte and cut in two anywhere") {
  for (const FrameCase& row : frame_cases()) {
    const std::string_view bytes = row.bytes;
    INFO("§" << row.section << " " << row.name << "\n  expected:" << described(row.expected));
    for (const bool announce : {false, true}) {
      CHECK(fault(row, announce, {bytes}) == "");
      Pieces single;
      single.reserve(bytes.size());
      for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
      CHECK(fault(row, announce, single) == "");
      for (const std::size_t cut : cuts(row.bytes)) {
        const std::string wrong = fault(row, announce, {bytes.substr(0, cut), bytes.substr(cut)});
        if (wrong.empty()) continue;
        INFO("cut after " << cut);
        CHECK(wrong == "");
        break;
      }
    }
  }
}

TEST_CASE("every row of RFC 6455's frames is decided on the byte that decides it") {
  for (const FrameCase& row : frame_cases()) {
    if (row.expected.empty()) continue;
    INFO("§" << row.section << " " << row.name);
    CHECK(decided_after(row) == (row.decided_after == 0 ? row.bytes.size() : row.decided_after));
  }
}

TEST_CASE("every row of RFC 6455's frames means the same to Beast, but for the differences that are listed") {
  std::set<Difference> met;
  for (const FrameCase& row : frame_cases()) {
    INFO("§" << row.section << " " << row.name);
    for (const std::size_t piece : {std::size_t{1}, row.bytes.size() + 1})
      CHECK_NOTHROW(met.insert(compare(row.bytes, {case_message_limit, piece, false})));
  }
  CHECK(met.size() == difference_count);
}

TEST_CASE("no two rows of RFC 6455's frames are one") {
  std::set<std::pair<std::string, std::string>> names;
  for (const FrameCase& row : frame_cases()) {
    INFO("§" << row.section << " " << row.name);
    CHECK(names.insert({row.section, row.name}).second);
  }
}
