// SPDX-License-Identifier: MIT
#pragma once
// What every case starts from: structs that pass, whose members a case hides with wrong ones.
#include <map>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include <switchboard/hub/app_check.hpp>
#include <switchboard/hub/connection.hpp>

namespace sb = switchboard;
using json = nlohmann::json;

struct Identified {
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const sb::UpgradeRequest&);
};

template <class App>
struct WellFormed : Identified {
  bool may_subscribe(const User&, std::string_view);
  bool may_publish(const User&, std::string_view);
  json presence_info(const User&, std::string_view);
  void on_open(sb::Connection<App>);
  void on_suspend(sb::Connection<App>);
  void on_resume(sb::Connection<App>, sb::Resume);
  void on_close(sb::Connection<App>, sb::CloseReason);
  void on_subscribe(sb::Connection<App>, std::string_view);
  void on_unsubscribe(sb::Connection<App>, std::string_view);
  void on_message(sb::Connection<App>, json);
  void binary(sb::BinaryHandlers<App>&);
};

template <class App>
struct WellFormedRaw : Identified {
  void on_text(sb::Connection<App>, std::string_view);
  void on_binary(sb::Connection<App>, std::span<const std::byte>);
};

struct PortWithoutPresence {
  void subscribe(std::string_view, sb::Done);
  void unsubscribe(std::string_view);
  void publish(std::string_view, sb::Payload, sb::Done);
};

struct WellFormedPort : PortWithoutPresence {
  using Changed = std::function<void(std::error_code, sb::PresenceChange)>;
  void enter(std::string_view, std::string_view, std::string, Changed);
  void leave(std::string_view, std::string_view, Changed);
  void query(std::string_view, std::function<void(std::error_code, std::vector<sb::PresenceEntry>)>);
};

struct WellFormedBroker {
  struct Options {};
  explicit WellFormedBroker(const Options&);
  WellFormedPort attach(asio::any_io_executor, sb::BrokerSink&);
  void stop();
};

template <class Port>
struct BrokerWith {
  struct Options {};
  explicit BrokerWith(Options);
  Port attach(asio::any_io_executor, sb::BrokerSink&);
  void stop();
};

// Compilers go on after an error, so that all cases fit in one compilation: each begins with an error that
// names it, and the next one is the first of its own.
#define CASE(name) \
  namespace name { \
  static_assert(!sizeof(int), "case " #name);
#define END                            \
  static_assert(sb::check_app<App>()); \
  }
