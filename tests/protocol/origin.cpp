// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <switchboard/protocol/origin.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

TEST_CASE("without a list, a page of the same host and port may connect") {
  const auto may = [](std::string_view origin, std::string_view host) {
    return sb::is_origin_allowed(origin, host, {});
  };
  CHECK(may("http://example.com", "example.com"));
  CHECK(may("https://example.com", "example.com"));  // TLS may have ended at a proxy
  CHECK(may("HTTPS://Example.COM", "eXample.com"));
  CHECK(may("http://example.com:8080", "example.com:8080"));
  CHECK(may("http://example.com", "example.com:80"));
  CHECK(may("https://example.com", "example.com:443"));
  CHECK(may("https://example.com:443", "example.com"));
  CHECK(may("http://[::1]:8080", "[::1]:8080"));
  CHECK(may("ws://example.com", "example.com:80"));
  CHECK(may("wss://example.com", "example.com:443"));

  CHECK_FALSE(may("http://example.com:8080", "example.com"));
  CHECK_FALSE(may("http://example.com", "example.com:8080"));
  CHECK_FALSE(may("https://example.com", "example.com:80"));
  CHECK_FALSE(may("http://evil.com", "example.com"));
  CHECK_FALSE(may("http://example.com.evil.com", "example.com"));
  CHECK_FALSE(may("http://sub.example.com", "example.com"));
  CHECK_FALSE(may("http://[::2]:8080", "[::1]:8080"));
  CHECK_FALSE(may("null", "example.com"));
  CHECK_FALSE(may("null", "null"));
  CHECK_FALSE(may("chrome-extension://example.com", "example.com"));
  CHECK_FALSE(may("http://example.com", ""));
}

TEST_CASE("a request without Origin is let in, with or without a list") {
  CHECK(sb::is_origin_allowed("", "example.com", {}));
  CHECK(sb::is_origin_allowed("", "example.com", std::vector<std::string>{"https://app.example.com"}));
}

TEST_CASE("with a list, an origin must be one of its entries") {
  const std::vector<std::string> allowed{"https://app.example.com", "http://localhost:3000/",
                                         "HTTPS://Other.com:443"};
  const auto may = [&](std::string_view origin) {
    return sb::is_origin_allowed(origin, "here.com", allowed);
  };
  CHECK(may("https://app.example.com"));
  CHECK(may("HTTPS://APP.example.com"));
  CHECK(may("https://app.example.com:443"));
  CHECK(may("http://localhost:3000"));
  CHECK(may("https://other.com"));

  CHECK_FALSE(may("http://app.example.com"));
  CHECK_FALSE(may("https://app.example.com:8443"));
  CHECK_FALSE(may("http://localhost"));
  CHECK_FALSE(may("http://localhost:30000"));
  CHECK_FALSE(may("http://here.com"));  // the list is all there is
  CHECK_FALSE(may("null"));
  CHECK_FALSE(
      sb::is_origin_allowed("https://app.example.com", "here.com", std::vector<std::string>{"nonsense"}));
  CHECK(sb::is_origin_allowed("null", "here.com", std::vector<std::string>{"null"}));
}

TEST_CASE("what is no origin matches nothing") {
  for (const char* text : {"example.com", "://example.com", "http://", "http:///", "http://a/b", "http://a@b",
                           "http://example.com:x", "http://example.com:80:80", "http://example.com:65536",
                           "http://[::1", "http://a, http://b"})
    CHECK_FALSE(sb::Origin::parse(text));
}

TEST_CASE("an authority is a host and perhaps a port") {
  const auto authority = sb::Authority::parse("[2001:db8::1]:8443");
  REQUIRE(authority);
  CHECK(authority->host == "[2001:db8::1]");
  CHECK(authority->port == 8443);
  CHECK(sb::Authority::parse("[::1]")->host == "[::1]");
  CHECK_FALSE(sb::Authority::parse("example.com:")->port);
  for (const char* text : {"", ":80", "a b", "a/b", "[::1", "h:-1", "h:8a", "u@h"})
    CHECK_FALSE(sb::Authority::parse(text));
}
