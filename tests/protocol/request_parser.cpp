// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include <switchboard/protocol/request_parser.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using Status = sb::RequestParser::Status;

namespace {

// Each piece lies in memory of its own, just as large, so that a sanitizer sees any step outside.
sb::RequestParser::Result consume(sb::RequestParser& parser, std::string_view bytes) {
  std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return parser.consume({copy.get(), bytes.size()});
}

const std::string upgrade =
    "GET /ws?token=t&last_seq=7 HTTP/1.1\r\n"
    "Host: example.com\r\n"
    "Upgrade: websocket\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Origin: https://example.com\r\n\r\n";

unsigned refused_with(std::string_view bytes, std::size_t max_header_bytes = 16384) {
  sb::RequestParser parser(max_header_bytes);
  if (consume(parser, bytes).status != Status::refused) return 0;
  return parser.refusal().status;
}

}  // namespace

TEST_CASE("a request is read from any split, and what follows it is left") {
  const std::string frames(300, '\x81');
  const std::string bytes = upgrade + frames;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    sb::RequestParser parser;
    const auto first = consume(parser, std::string_view(bytes).substr(0, cut));
    if (cut < upgrade.size()) {
      REQUIRE(first.status == Status::need_more);
      REQUIRE(first.consumed == cut);
      const auto second = consume(parser, std::string_view(bytes).substr(cut));
      REQUIRE(second.status == Status::complete);
      REQUIRE(second.consumed == upgrade.size() - cut);
    } else {
      REQUIRE(first.status == Status::complete);
      REQUIRE(first.consumed == upgrade.size());
    }
    const sb::UpgradeRequest request = parser.take();
    REQUIRE(request.token == "t");
    REQUIRE(request.header("sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ==");
  }
}

TEST_CASE("a request is read one byte at a time") {
  sb::RequestParser parser;
  for (std::size_t i = 0; i + 1 < upgrade.size(); ++i)
    REQUIRE(consume(parser, std::string_view(upgrade).substr(i, 1)).status == Status::need_more);
  REQUIRE(consume(parser, "\n").status == Status::complete);
  const sb::UpgradeRequest request = parser.take(sb::net::Address::v4(1, 2, 3, 4));
  CHECK(request.method() == "GET");
  CHECK(request.version() == 11);
  CHECK(request.target == "/ws?token=t&last_seq=7");
  CHECK(request.path() == "/ws");
  CHECK(request.query("last_seq") == "7");
  CHECK(request.origin == "https://example.com");
  CHECK(request.host() == "example.com");
  CHECK(request.peer == sb::net::Address::v4(1, 2, 3, 4));
}

TEST_CASE("a request taken outlives the parser, which then takes no more") {
  auto parser = std::make_unique<sb::RequestParser>();
  REQUIRE(consume(*parser, upgrade).status == Status::complete);
  const sb::UpgradeRequest request = parser->take();
  const auto again = consume(*parser, upgrade);
  CHECK(again.status == Status::complete);
  CHECK(again.consumed == 0);
  parser.reset();
  CHECK(request.header("Host") == "example.com");
}

TEST_CASE("what is not HTTP/1.1 is 400") {
  CHECK(refused_with("\x16\x03\x01\x02\x00\x01") ==
        400);  // TLS on a plain port: at once, not after a line end
  CHECK(refused_with("GET\r\n\r\n") == 400);
  CHECK(refused_with("garbage\r\n\r\n") == 400);
  CHECK(refused_with("garbage\r\n\r\n" + std::string(1000, 'x'), 1000) == 400);
  CHECK(refused_with("GET /ws HTTP/2.0\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused_with("GET /w s HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refused_with("GET /ws HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n") == 400);
  CHECK(refused_with("GET /ws HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n") == 400);
  CHECK(refused_with("GET /ws HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n") == 400);
  CHECK(refused_with("GET /ws HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n") == 400);
}

TEST_CASE("HTTP/1.0 needs no Host") {
  sb::RequestParser parser;
  REQUIRE(consume(parser, "GET /healthz HTTP/1.0\r\n\r\n").status == Status::complete);
  CHECK(parser.take().version() == 10);
}

TEST_CASE("headers over the limit are 431, in any pieces and as soon as they are") {
  const std::string start = "GET /ws HTTP/1.1\r\nHost: h\r\n";
  const auto sized = [&](std::size_t size) {
    return start + "X: " + std::string(size - start.size() - 7, 'x') + "\r\n\r\n";
  };
  REQUIRE(sized(1000).size() == 1000);
  CHECK(refused_with(sized(1000), 1000) == 0);
  CHECK(refused_with(sized(1001), 1000) == 431);
  CHECK(refused_with(std::string(1001, 'G'), 1000) == 431);
  CHECK(refused_with("GET /" + std::string(1000, 'x'), 1000) == 431);

  for (const std::size_t piece : {std::size_t{1}, std::size_t{30}, std::size_t{400}, std::size_t{999}}) {
    sb::RequestParser parser(1000);
    const std::string endless = start + [] {
      std::string lines;
      for (int i = 0; i < 500; ++i) lines += "X: y\r\n";
      return lines;
    }();
    std::size_t fed = 0;
    while (consume(parser, std::string_view(endless).substr(fed, piece)).status == Status::need_more) {
      fed += piece;
      REQUIRE(fed <= 1000);
    }
    CHECK(parser.refusal().status == 431);
  }
}

TEST_CASE("up to 100 headers are taken, more are 431, however small") {
  const auto with = [](int count) {
    std::string bytes = "GET /ws HTTP/1.1\r\nHost: h\r\n";
    for (int i = 1; i < count; ++i) bytes += (i % 2 == 0 ? "a" + std::to_string(i) : "same") + ":\r\n";
    return bytes + "\r\n";
  };
  CHECK(refused_with(with(100)) == 0);
  CHECK(refused_with(with(101)) == 431);
  CHECK(refused_with(with(1500)) == 431);
}

TEST_CASE("a body within the limit is read over and forgotten") {
  sb::RequestParser parser(1000);
  const std::string head = "POST /ws HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
  CHECK(consume(parser, head + "he").status == Status::need_more);
  const auto rest = consume(parser, "lloGET ");
  CHECK(rest.status == Status::complete);
  CHECK(rest.consumed == 3);
  CHECK(parser.take().method() == "POST");
}

TEST_CASE("a body over the limit is 413, from what it claims") {
  CHECK(refused_with("POST /ws HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 1000) == 413);
  CHECK(refused_with("POST /ws HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", 1000) == 413);
}

TEST_CASE("a body with a transfer coding is 413 once the header is there, whatever follows") {
  const std::string start = "POST /ws HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ";
  for (const char* coding : {"chunked", "Chunked", "gzip, chunked", "gzip", "identity", ""}) {
    CAPTURE(coding);
    const std::string head = start + coding + "\r\n\r\n";
    for (const char* body : {"", "1;", "0\r\nx: ", "0\r\n", "5\r\nhello\r\n0\r\n\r\n"}) {
      CHECK(refused_with(head + body) == 413);
      sb::RequestParser bytewise;
      std::size_t fed = 0;
      const std::string bytes = head + body + std::string(20'000, 'a');
      while (consume(bytewise, std::string_view(bytes).substr(fed, 1)).status == Status::need_more)
        REQUIRE(++fed < head.size());
      CHECK(bytewise.refusal().status == 413);
    }
  }
}

TEST_CASE("any bytes at all are need_more, complete or refused") {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = upgrade;
    for (int changes = 0; changes < 3; ++changes)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    sb::RequestParser parser(1000);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = 1 + random() % 200;
      if (consume(parser, std::string_view(bytes).substr(at, piece)).status != Status::need_more) break;
      at += piece;
    }
  }
}
