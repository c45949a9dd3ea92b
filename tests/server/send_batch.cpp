// SPDX-License-Identifier: MIT
#include <string>

#include <switchboard/server/send_batch.hpp>

#include "support/catch.hpp"

using switchboard::SendBatch;

namespace {

std::string content(SendBatch& batch) {
  std::string all;
  for (const iovec& piece : batch.pieces())
    all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  return all;
}

}  // namespace

TEST_CASE("small pieces become one, in order") {
  SendBatch batch;
  CHECK(batch.add("one "));
  CHECK(batch.copy("two "));
  CHECK(batch.add("three"));
  CHECK(batch.pieces().size() == 1);
  CHECK(content(batch) == "one two three");
  CHECK(batch.bytes() == 13);
}

TEST_CASE("a large piece stays where it is, between the small ones around it") {
  SendBatch batch;
  const std::string large(SendBatch::copy_limit, 'x');
  batch.add("before ");
  batch.add(large);
  batch.add(" after");
  REQUIRE(batch.pieces().size() == 3);
  CHECK(batch.pieces()[1].iov_base == large.data());
  CHECK(content(batch) == "before " + large + " after");
}

TEST_CASE(
    "what does not fit the buffer is taken in part if it is temporary, and where it is if it is stable") {
  SendBatch batch;
  const std::string most(SendBatch::buffer_bytes - 3, 'a');
  CHECK(batch.copy(most));
  SECTION("temporary") {
    CHECK_FALSE(batch.copy("12345"));
    CHECK(content(batch) == most + "123");
  }
  SECTION("stable") {
    CHECK(batch.add("12345"));
    CHECK(content(batch) == most + "12345");
  }
}

TEST_CASE("no more pieces are wanted than one write takes") {
  SendBatch batch;
  const std::string large(SendBatch::copy_limit, 'x');
  std::size_t count = 1;
  // The same bytes again and again are no neighbours of each other.
  while (batch.add(large) && count < 1000) ++count;
  CHECK(count == SendBatch::max_pieces);
  CHECK(batch.bytes() == count * large.size());
}

TEST_CASE("an empty batch is empty again after a clear, and an empty piece adds nothing") {
  SendBatch batch;
  batch.add("text");
  batch.clear();
  CHECK(batch.add(""));
  CHECK(batch.copy(""));
  CHECK(batch.bytes() == 0);
  CHECK(batch.pieces().empty());
}
