// SPDX-License-Identifier: MIT
#include <memory>
#include <optional>

#include <asio/ip/tcp.hpp>

#include <switchboard/broker/redis/inquiry.hpp>

#include "support/catch.hpp"

using namespace switchboard;
using redis::Inquiry;

namespace {

struct Deaf : redis::LinkEvents {
  void on_message(std::string_view, Payload) override {}
  void on_result(redis::CallId, std::error_code) override {}
  void on_error(redis_errc, const std::string&, const std::string&) override {}
  void on_moved(std::string_view) override {}
};

}  // namespace

TEST_CASE("an inquiry that is destroyed in the moment in which its time is over is silent") {
  asio::io_context io;
  asio::ip::tcp::acceptor nobody(io, {asio::ip::address_v4::loopback(), 0});
  const redis::Url url =
      redis::Url::parse("redis://127.0.0.1:" + std::to_string(nobody.local_endpoint().port()));
  const RedisOptions options;
  redis::Counters counters;
  Deaf events;
  redis::LinkContext context{
      .io = io, .options = options, .node = "n", .origin = 1, .counters = counters, .events = events};
  std::optional<Inquiry> first, second;
  int answers = 0;
  const auto make = [&](std::optional<Inquiry>& one, std::optional<Inquiry>& other) {
    one.emplace(context, url, url.credentials, url.endpoints[0], std::vector<std::string>{"PING"}, Duration{},
                [&](redis::Reply* reply, const std::string&) {
                  CHECK(reply == nullptr);
                  ++answers;
                  other.reset();
                });
  };
  make(first, second);
  make(second, first);
  io.run();  // both times are over before either is dealt with
  CHECK(answers == 1);
}
