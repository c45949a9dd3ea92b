// SPDX-License-Identifier: MIT
// Every code of the enum is one that a client can get: the walk fails for one that nobody provokes.
#include <map>

#include "hub/apps.hpp"
#include "hub/test_brokers.hpp"
#include "support/catch.hpp"

using namespace hub_tests;

namespace {

/// Takes neither messages nor binary ones; its broker refuses and keeps no presence.
struct BareApp {
  using Broker = ScriptedBroker;
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};

/// The code of the error that comes back for one text message.
template <class App = HookedApp<>>
std::function<std::string()> by_text(std::string text, TestOptions<App> options = {}) {
  return [text = std::move(text), options = std::move(options)] {
    Bench<App> bench(options);
    if constexpr (std::is_same_v<App, BareApp>)
      bench.test.broker().script().publish_error = switchboard::broker_errc::unavailable;
    else
      bench.app.may_subscribe_hook =
          bench.app.may_publish_hook = [](auto, auto channel) { return channel != "secret"; };
    if constexpr (!std::is_same_v<App, BareApp>)
      bench.app.message_hook = [](auto, auto) { throw std::runtime_error("broken"); };
    auto ws = bench.subscriber("ann", "c");
    return ask_error(ws, text);
  };
}
std::function<std::string()> by_binary(std::string frame) {
  return [frame = std::move(frame)] {
    Bench<> bench;
    auto ws = bench.connect("ann");
    ws.send_raw(frame);
    return ws.receive_json().at("code").get<std::string>();
  };
}

const std::map<std::string_view, std::function<std::string()>> provocations{
    {"json.invalid", by_text("{")},
    {"json.too_deep", by_text(std::string(65, '['))},
    {"message.not_object", by_text("[]")},
    {"action.unknown", by_text<BareApp>(R"({"action":"dance"})")},
    {"field.missing", by_text(R"({"action":"subscribe"})")},
    {"field.invalid", by_text(R"({"action":"subscribe","channel":1})")},
    {"channel.invalid", by_text(R"({"action":"subscribe","channel":""})")},
    {"channel.reserved", by_text(R"({"action":"subscribe","channel":"$user:bob"})")},
    {"channel.too_long", by_text(R"({"action":"subscribe","channel":")" + std::string(201, 'x') + "\"}")},
    {"subscribe.denied", by_text(R"({"action":"subscribe","channel":"secret"})")},
    {"subscribe.limit",
     by_text(R"({"action":"subscribe","channel":"d"})", {.limits = {.max_subscriptions = 1}})},
    {"publish.denied", by_text(R"({"action":"publish","channel":"secret","data":1})")},
    {"publish.unavailable", by_text<BareApp>(R"({"action":"publish","channel":"d","data":1})")},
    {"presence.denied", by_text(R"({"action":"presence","channel":"d"})")},
    {"presence.unavailable", by_text<BareApp>(R"({"action":"presence","channel":"c"})")},
    {"binary.short", by_binary("abc")},
    {"binary.unknown", by_binary(std::string("\0\0\1\0", 4))},
    {"binary.too_large", by_binary(std::string("\0\0\0\1", 4) + std::string(17, 'x'))},
    {"rate.limited", by_text("{}", {.limits = {.messages_per_second = 1}})},
    {"internal.error", by_text("{}")},
};

}  // namespace

TEST_CASE("each error code has been produced over the wire") {
  for (const std::string_view code : switchboard::error_code_names) {
    CAPTURE(code);
    const auto provoke = provocations.find(code);
    REQUIRE(provoke != provocations.end());
    CHECK(provoke->second() == code);
  }
  CHECK(provocations.size() == switchboard::error_code_names.size());
}

TEST_CASE("an App that takes no messages answers action.unknown to whatever is no action, with the id") {
  Bench<BareApp> bench;
  auto ws = bench.connect("ann");
  for (const char* text : {R"({"id":5})", R"({"id":5,"action":""})", R"({"id":5,"action":"Subscribe"})",
                           R"({"id":5,"type":"message"})", R"({"id":5,"type":"ping","action":"x"})"}) {
    CAPTURE(text);
    CHECK(ask_error(ws, text) == "action.unknown 5");
  }
}
