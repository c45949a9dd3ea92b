// SPDX-License-Identifier: MIT
#pragma once
#include <cassert>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <switchboard/testing/websocket_test_client.hpp>

namespace docs {

using namespace std::chrono_literals;

/// Whether the text is the pattern, in which each … stands for anything.
inline bool is_like(std::string_view text, std::string_view pattern) {
  constexpr std::string_view anything = "…";
  const std::size_t at = pattern.find(anything);
  if (at == pattern.npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, at))) return false;
  for (std::size_t skipped = at; skipped <= text.size(); ++skipped)
    if (is_like(text.substr(skipped), pattern.substr(at + anything.size()))) return true;
  return false;
}

/// What clients and a server say to each other on a page. Throws where the server says something else.
template <class App>
class Dialogue {
 public:
  /// Where the page has the next step.
  Dialogue& at(std::string place) {
    place_ = std::move(place);
    return *this;
  }
  void send(const std::string& name, std::string_view text) {
    connection(name).send_text(text);
    app_.run();
  }
  void expect(const std::string& name, std::string_view pattern) {
    auto& client = connection(name);
    const bool is_welcome = pattern.starts_with(R"({"type":"welcome")");
    const std::string text =
        describe([&] { return is_welcome ? client.welcome().dump() : client.receive_text(); });
    const std::string wanted =
        describe([&] { return is_welcome ? Json::parse(pattern).dump() : std::string(pattern); });
    if (!is_like(text, wanted)) fail("the server says " + text);
  }
  void cut(const std::string& name) { connection(name).cut(); }
  void back(const std::string& name) {
    auto& client = connection(name);
    const auto resumed =
        switchboard::testing::ConnectOptions{.session = client.session(), .last_seq = client.last_seq()};
    client = describe([&] { return connect(name, resumed); });
  }
  void pass(std::chrono::seconds time) { app_.advance(time); }

 private:
  using Json = nlohmann::json;
  using Connection = switchboard::testing::TestConnection<App>;

  Connection connect(const std::string& name, const switchboard::testing::ConnectOptions& options = {}) {
    return switchboard::testing::WebSocketTestClient{app_, name}.connect(options);
  }
  Connection& connection(const std::string& name) {
    const auto found = connections_.find(name);
    if (found != connections_.end()) return found->second;
    return connections_.emplace(name, describe([&] { return connect(name); })).first->second;
  }
  template <class Step>
  auto describe(Step step) {
    try {
      return step();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }
  [[noreturn]] void fail(const std::string& what) { throw std::runtime_error(place_ + ": " + what); }

  switchboard::testing::TestApp<App> app_;
  std::map<std::string, Connection> connections_;
  std::string place_;
};

}  // namespace docs
