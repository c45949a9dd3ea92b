// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "schedule.hpp"

// A schedule for people to read.
namespace model {

inline std::string name(Act act, const Event& event) {
  const std::string user = users[event.client];
  const std::string whom = user + std::to_string(event.client);
  const std::string channel = channels[event.channel];
  switch (act) {
    case Act::publish_text:
      return "publishes text to " + channel;
    case Act::publish_binary:
      return "publishes binary to " + channel;
    case Act::send_to_user:
      return "sends to user " + user;
    case Act::send_to_session:
      return std::string("sends ") + (event.b % 2 == 0 ? "text" : "binary") + " to " + whom;
    case Act::close_session:
      return "closes " + whom;
    case Act::subscribe_session:
      return "subscribes " + whom + " to " + channel;
    case Act::unsubscribe_session:
      return "unsubscribes " + whom + " from " + channel;
    case Act::disconnect_user:
      return "disconnects user " + user;
    case Act::unsubscribe_user:
      return "unsubscribes user " + user + " from " + channel;
    case Act::count:
      break;
  }
  return "?";
}

inline std::string name(Hook hook) {
  constexpr std::array<const char*, static_cast<std::size_t>(Hook::count)> names{
      "authenticate", "may_subscribe", "may_publish",    "on_open",       "on_suspend",      "on_resume",
      "on_close",     "on_subscribe",  "on_unsubscribe", "presence_info", "a binary handler"};
  return names[static_cast<std::size_t>(hook)];
}

inline std::string name(Arrival arrival, unsigned a) {
  constexpr std::array<const char*, static_cast<std::size_t>(Arrival::count)> names{
      "",
      ", read together with what follows",
      ", in two reads",
      ", byte by byte",
      ", in fragments with pings between",
      ", at first a half",
      ", cut short"};
  std::string text = names[static_cast<std::size_t>(arrival)];
  if (arrival > Arrival::together && arrival != Arrival::by_byte) text += " (" + std::to_string(a) + ")";
  return text;
}

inline Hook hook_of(const Event& event) {
  return static_cast<Hook>(event.a % static_cast<unsigned>(Hook::count));
}

/// One line.
inline std::string describe(const Event& event) {
  const std::string who = std::string(users[event.client]) + std::to_string(event.client);
  const std::string channel = channels[event.channel];
  const std::string hub = "hub " + std::to_string(event.place);
  const std::string how = name(event.arrival, event.a);
  switch (event.kind) {
    case Kind::connect: {
      constexpr std::array<const char*, 4> ways{"", ", having read all", "", ", from a while ago"};
      return who + " connects to " + hub + ways[event.a % 4];
    }
    case Kind::forget:
      return who + " leaves its session behind and connects to " + hub;
    case Kind::half_handshake:
      return who + " sends " + std::to_string(event.a) + " bytes of a request to " + hub + " and is gone";
    case Kind::cut: {
      constexpr std::array<const char*, 5> ways{" is cut off", " reads, and is cut off",
                                                " is cut off, unnoticed", " closes", " ends its side"};
      return who + ways[event.a % 5];
    }
    case Kind::stall:
      return who + " stops reading after " + std::to_string(event.a % 2 == 0 ? 0 : event.b) + " bytes";
    case Kind::wake:
      return who + " reads again";
    case Kind::read:
      return who + " reads what there is";
    case Kind::subscribe:
      return who + " subscribes to " + channel + how;
    case Kind::unsubscribe:
      return who + " unsubscribes from " + channel + how;
    case Kind::publish:
      return who + " publishes " + std::to_string(event.b) + " bytes to " + channel +
             (event.a % 2 == 0 ? " with an id" : "") + how;
    case Kind::send_binary:
      return who + " sends binary of type " + std::to_string(1 + event.b % 4) + ", " +
             std::to_string(event.b) + " bytes for " + channel + how;
    case Kind::ask:
      return who + " asks for a handler that " + (event.b % 3 == 0 ? "sleeps and " : "") +
             name(event.act, event) + (event.b % 5 == 0 ? " and throws" : "") + how;
    case Kind::acknowledge:
      return who + " acknowledges what it has";
    case Kind::ping:
      return who + " pings" + how;
    case Kind::act:
      return "the App on " + hub + " " + name(event.act, event);
    case Kind::burst:
      return "the App on " + hub + " publishes " + std::to_string(2 + event.b % 6) + " times at once to " +
             channel;
    case Kind::command:
      return "a ServerHandle of " + hub + " publishes to " + channel;
    case Kind::arm:
      return "the next " + name(hook_of(event)) + " " + name(event.act, event) +
             (event.b % 7 == 0 ? " and throws" : "");
    case Kind::deny:
      return "may_subscribe changes its mind on " + std::string(users[event.client]) + " in " + channel;
    case Kind::advance:
      return std::to_string(milliseconds_of(event)) + " ms pass";
    case Kind::expire:
      return std::to_string(time_to_live_s + event.a % 10) + " s pass";
    case Kind::cut_node:
      return "the node of " + hub + " loses its link";
    case Kind::restore_node:
      return "the node of " + hub + " has its link again";
    case Kind::count:
      break;
  }
  return "?";
}

inline std::string describe(const Config& config) {
  constexpr std::array<const char*, 3> policies{"close", "drop_oldest", "conflate"};
  std::string text =
      config.is_linked ? std::to_string(config.nodes) + " nodes of " : std::string("one process of ");
  text += std::to_string(config.shards) + " shards";
  if (config.is_linked)
    text += " linked by " + std::to_string(config.servers) + " servers, up to " +
            std::to_string(config.max_delay_ms) + " ms away" + (config.is_lossy ? ", with losses" : "");
  return text + "; queue " + std::to_string(config.queue_bytes) + " bytes, then " +
         policies[static_cast<std::size_t>(config.policy)] + "; replay " + std::to_string(config.replay) +
         (config.sessions_watch ? "; sessions watch presence" : "") +
         (config.has_watcher ? "; a watcher" : "") +
         (config.is_cramped ? "; little room for parked sessions" : "");
}

}  // namespace model
