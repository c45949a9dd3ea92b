// SPDX-License-Identifier: MIT
#include <switchboard/broker/redis/url.hpp>

#include "support/catch.hpp"

namespace sb = switchboard;
using sb::redis::Url;
using Mode = Url::Mode;

namespace {

std::string error_of(std::string_view text) {
  try {
    Url::parse(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a URL of one server has its host, and what is left out is as usual") {
  CHECK(Url::parse("redis://cache") == Url{.endpoints = {{"cache", 6379}}});
  CHECK(Url::parse("redis://cache/") == Url{.endpoints = {{"cache", 6379}}});
  CHECK(Url::parse("redis://10.0.0.1:7000/3") == Url{.endpoints = {{"10.0.0.1", 7000}}, .database = 3});
  CHECK(Url::parse("redis://[::1]:7000") == Url{.endpoints = {{"::1", 7000}}});
  CHECK(Url::parse("redis://[::1]") == Url{.endpoints = {{"::1", 6379}}});
  CHECK(Url::parse("rediss://cache") == Url{.is_tls = true, .endpoints = {{"cache", 6379}}});
}

TEST_CASE("user and password of a URL are percent-decoded") {
  CHECK(Url::parse("redis://ann:secret@cache").credentials == sb::redis::Credentials{"ann", "secret"});
  CHECK(Url::parse("redis://:secret@cache").credentials == sb::redis::Credentials{"", "secret"});
  CHECK(Url::parse("redis://a%3Ab:p%40%2F%3F%25@cache").credentials ==
        sb::redis::Credentials{"a:b", "p@/?%"});
  CHECK(Url::parse("redis://ann:se:cret@cache").credentials.password == "se:cret");
}

TEST_CASE("a URL may name a Unix socket") {
  CHECK(Url::parse("unix:///run/redis.sock") == Url{.unix_path = "/run/redis.sock"});
  CHECK(Url::parse("unix://:pw@/run/a%20b?db=2") ==
        Url{.unix_path = "/run/a b", .credentials = {"", "pw"}, .database = 2});
}

TEST_CASE("a URL of a cluster names where to ask first") {
  CHECK(Url::parse("redis+cluster://a,b:7001,[::1]:7002") ==
        Url{.mode = Mode::cluster, .endpoints = {{"a", 6379}, {"b", 7001}, {"::1", 7002}}});
  CHECK(Url::parse("rediss+cluster://u:p@a") ==
        Url{.mode = Mode::cluster, .is_tls = true, .endpoints = {{"a", 6379}}, .credentials = {"u", "p"}});
}

TEST_CASE("a URL of sentinels names them and the master") {
  CHECK(Url::parse("redis+sentinel://u:p@a,b:5000/mymaster/4") ==
        Url{.mode = Mode::sentinel,
            .endpoints = {{"a", 26379}, {"b", 5000}},
            .credentials = {"u", "p"},
            .master_name = "mymaster",
            .database = 4});
  CHECK(Url::parse("rediss+sentinel://a/m?sentinel_user=s&sentinel_password=t%26").sentinel_credentials ==
        sb::redis::Credentials{"s", "t&"});
}

TEST_CASE("the name of a URL reads as one and holds no credentials") {
  for (const auto* same : {"redis://cache:6379", "rediss://[::1]:7000/3", "unix:///run/redis.sock?db=2",
                           "redis+cluster://a:1,b:2", "rediss+sentinel://a:1,b:2/mymaster/4"})
    CHECK(Url::parse(same).name() == same);
  CHECK(Url::parse("redis://ann:secret@cache").name() == "redis://cache:6379");
}

TEST_CASE("a bad URL is one sentence that says what is wrong with which one") {
  CHECK(error_of("") == error_of("http://cache"));
  CHECK(error_of("cache:6379") ==
        "a Redis URL begins with redis://, rediss://, unix://, redis+cluster://, rediss+cluster://, "
        "redis+sentinel:// or rediss+sentinel://");
  CHECK(error_of("redis://cache/first") == "redis://cache/first: the database is a number");
  CHECK(error_of("redis://cache/-1") == "redis://cache/-1: the database is a number");
  CHECK(error_of("redis://cache/2147483648") == "redis://cache/2147483648: the database is a number");
  CHECK(error_of("redis://a,b") ==
        "redis://a,b: one URL names one server; give several URLs, or redis+cluster:// or redis+sentinel://");
  CHECK(error_of("redis+cluster://a/1") == "redis+cluster://a/1: a cluster has no database but 0");
  CHECK(error_of("redis+sentinel://a") ==
        "redis+sentinel://a: the sentinels must be told the master's name, as in "
        "redis+sentinel://host/mymaster");
  CHECK(error_of("redis+sentinel://a/m?sentinel_user=u") ==
        "redis+sentinel://a/m…: sentinel_user comes with sentinel_password");
  CHECK(error_of("redis://u@a") ==
        "redis://…@a: a user comes with a password, as in user:password@ or :password@");
  CHECK(error_of("redis://u:@a") == "redis://…@a: the password is empty");
  CHECK(error_of("unix://run/redis.sock") ==
        "unix://run/redis.sock: a Unix socket is named by an absolute path, as in unix:///run/redis.sock");
  for (const auto* text : {"redis://", "redis://:6379", "redis://a:0", "redis://a:65536", "redis://a:b",
                           "redis://[::1", "redis://a b", "redis+cluster://a,,b", "redis+cluster://a,"}) {
    INFO(text);
    CHECK(error_of(text).find("a server is given as host or host:port") != std::string::npos);
  }
  for (const auto* text : {"redis://a?db=1", "redis://a?", "unix:///a?db", "unix:///a?db=x", "unix://",
                           "unix:///a?sentinel_user=x"}) {
    INFO(text);
    CHECK((error_of(text) == "no error") == (std::string_view(text) == "redis://a?"));
  }
  CHECK(error_of("unix:///" + std::string(107, 'x')).ends_with("at most 107 bytes"));
}

TEST_CASE("the error of a bad URL never shows its password, whatever was not escaped in it") {
  for (const std::string around : {"", "@", "/", "?", ":", "#", "@x/", "?x@", "%", "@@", "/@?"})
    for (const std::string scheme :
         {"redis://", "rediss+cluster://", "redis+sentinel://", "unix://", "http://", ""})
      for (const std::string end :
           {"@cache:x", "@cache/x", "@cache?x=y", "@", "", "/x", "@cache/m?sentinel_user=x"})
        for (const std::string user : {"ann:", ":", ""}) {
          if (user.empty() && (end.empty() || end.front() != '@')) continue;  // a host then, not a password
          const std::string text = scheme + user + "sec" + around + "ret" + end;
          const std::string error = error_of(text);
          INFO(text << " -> " << error);
          CHECK(error.find("sec") == std::string::npos);
          CHECK((error.find("ret") == std::string::npos || around.find('@') != std::string::npos));
        }
  CHECK(error_of("redis+sentinel://a/m?sentinel_password=sec@ret&x=y").find("ret") == std::string::npos);
}
