// SPDX-License-Identifier: MIT
#include <string>
#include <utility>
#include <vector>

#include <switchboard/protocol/upgrade_request.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;

namespace {

sb::UpgradeRequest to(std::string target, std::vector<std::pair<std::string, std::string>> fields = {}) {
  return sb::UpgradeRequest({.target = std::move(target), .fields = std::move(fields)});
}

}  // namespace

TEST_CASE("a target is a path and a query of percent-decoded parameters") {
  const auto request = to("/ws?name=J%C3%BCrgen+1&empty=&flag&a%3Db=c=d&&name=second&");
  CHECK(request.target == "/ws?name=J%C3%BCrgen+1&empty=&flag&a%3Db=c=d&&name=second&");
  CHECK(request.path() == "/ws");
  CHECK(request.query("name") == "J\xC3\xBCrgen+1");
  CHECK(request.query("a=b") == "c=d");
  CHECK(request.find_query("empty") == "");
  CHECK(request.find_query("flag") == "");
  CHECK_FALSE(request.find_query("other"));
  CHECK(request.query("other").empty());
}

TEST_CASE("a path is not decoded, and may be all there is or nothing") {
  CHECK(to("/a%2Fb").path() == "/a%2Fb");
  CHECK(to("/").path() == "/");
  CHECK(to("?q=1").path() == "/");
  CHECK(to("?q=1").query("q") == "1");
  CHECK(to("/ws?").path() == "/ws");
  CHECK(to("/ws?a?b=c").query("a?b") == "c");
}

TEST_CASE("an absolute target names the host, and outweighs the Host header") {
  const auto request = to("http://example.com:81/ws?token=t", {{"Host", "other"}});
  CHECK(request.path() == "/ws");
  CHECK(request.token == "t");
  CHECK(request.host() == "example.com:81");
  CHECK(to("http://example.com").path() == "/");
  CHECK(to("http://example.com?q=1").query("q") == "1");
  const auto usual = to("/ws?next=http://elsewhere/", {{"Host", "here"}});
  CHECK(usual.host() == "here");
  CHECK(usual.query("next") == "http://elsewhere/");
}

TEST_CASE("headers are found in any case, and joined when repeated") {
  const auto request =
      to("/", {{"Accept", "a"}, {"Cookie", "x=1"}, {"ACCEPT", "b"}, {"cookie", "y=2"}, {"Host", "h"}});
  CHECK(request.header("accept") == "a, b");
  CHECK(request.header("Cookie") == "x=1; y=2");
  CHECK(request.header("host") == "h");
  CHECK(request.header("none").empty());
}

TEST_CASE("a token comes from the query, or else from Authorization: Bearer") {
  const auto token = [](std::string target, std::string authorization) {
    return std::string(to(std::move(target), {{"Authorization", std::move(authorization)}}).token);
  };
  CHECK(token("/ws?token=from%20query", "") == "from query");
  CHECK(token("/ws", "Bearer from-header") == "from-header");
  CHECK(token("/ws", "bEARER  from-header ") == "from-header");
  CHECK(token("/ws?token=from-query", "Bearer from-header") == "from-query");
  CHECK(token("/ws?token=", "Bearer from-header") == "from-header");
  CHECK(token("/ws", "Basic dXNlcjpwYXNz").empty());
  CHECK(token("/ws", "Bearer").empty());
  CHECK(token("/ws", "Bearers x").empty());
  CHECK(token("/ws", "").empty());
}

TEST_CASE("cookies are found by their exact name") {
  const auto request =
      to("/", {{"Cookie", "session=abc=; Session=other;theme = dark ;flag; session=second"}});
  CHECK(request.cookie("session") == "abc=");
  CHECK(request.cookie("Session") == "other");
  CHECK(request.cookie("theme") == "dark");
  CHECK(request.cookie("flag").empty());
  CHECK(request.cookie("ession").empty());
  CHECK(to("/").cookie("session").empty());
}

TEST_CASE("subprotocols are what the client offers, best first, over any number of lines") {
  const auto request = to("/", {{"Sec-WebSocket-Protocol", "chat.v2, chat.v1,"},
                                {"sec-websocket-protocol", "not a token, last"}});
  const auto offers = request.subprotocols();
  CHECK(std::vector<std::string>(offers.begin(), offers.end()) ==
        std::vector<std::string>{"chat.v2", "chat.v1", "last"});
  CHECK(to("/").subprotocols().empty());
}

TEST_CASE("a copy and a moved request keep what the first one read") {
  sb::UpgradeRequest copy;
  {
    auto request =
        sb::UpgradeRequest({.target = "/ws?token=t", .fields = {{"Origin", "https://o"}, {"Host", "h"}}},
                           sb::net::Address::v4(1, 2, 3, 4, 5));
    copy = request;
    const sb::UpgradeRequest moved = std::move(request);
    CHECK(moved.token == "t");
    CHECK(moved.header("Host") == "h");
  }
  CHECK(copy.token == "t");
  CHECK(copy.origin == "https://o");
  CHECK(copy.path() == "/ws");
  CHECK(copy.peer == sb::net::Address::v4(1, 2, 3, 4, 5));
}
