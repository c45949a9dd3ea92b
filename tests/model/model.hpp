// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What a server promises about messages, without how it keeps it.
namespace model {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void require(bool held, const std::string& otherwise) {
  if (!held) throw Failure(otherwise);
}

/// Steps of a schedule; each is over before the next begins.
using Step = int;
constexpr Step never = std::numeric_limits<Step>::max();

/// While a session is in a channel, or exists. What happens in the very steps in which that changes may have
/// come before or after.
struct Window {
  Step from = 0, to = never;
  Step sure_from = from;  // since when it is promised all that is published anywhere
};

/// Each message of a run has a number of its own.
struct Message {
  int number = 0;
  std::string channel{}, user{};  // where it went: one of these, or a session
  int session = 0;
  std::string publisher{};  // its messages on one channel keep their order
  bool is_binary = false;
  std::string body{};
  Step sent = 0;
  Step published = never;    // when the server had it for certain
  Step settled = never;      // when it had reached every hub
  bool is_partial = false;   // not promised to anyone
  bool may_be_lost = false;  // nodes were without their link meanwhile
  bool is_sent_again = false;
};

/// A stateful client's session, or a plain client's connection.
struct Session {
  int key = 0;
  unsigned client = 0;
  std::string user;
  bool is_stateful = false;
  Window life;
  std::map<std::string, std::vector<Window>> windows;
  std::map<std::uint64_t, std::string> by_sequence;           // what each number stands for
  std::map<int, std::uint64_t> got;                           // messages, and under which number
  std::set<std::uint64_t> missed;                             // numbers told as missed
  std::uint64_t missed_plain = 0;                             // the same, of a plain client
  std::map<std::pair<std::string, std::string>, int> newest;  // of each publisher and channel
  std::map<std::string, Step> gaps;        // when others' messages were last told to be missing
  bool has_notices = false;                // an unknown count of numbered things besides messages
  std::set<std::string> leaving;           // channels that it is being taken off
  std::set<std::string> unsure;            // in which its client cannot know whether it is
  bool may_end = false, must_end = false;  // it is being ended on purpose
};

class Model {
 public:
  Step now = 0;
  bool loses_links = false;

  Session& begin(unsigned client, const std::string& user, bool has_numbers) {
    const int key = static_cast<int>(sessions_.size()) + 1;
    Session& session = sessions_[key];
    session.key = key;
    session.client = client;
    session.user = user;
    session.is_stateful = has_numbers;
    session.life = {now, never, now};
    return session;
  }
  Session& session(int key) {
    const auto found = sessions_.find(key);
    require(found != sessions_.end(), "a session that nobody has begun");
    return found->second;
  }
  std::map<int, Session>& sessions() { return sessions_; }
  void end(Session& session) {
    require(session.life.to == never, "a session has ended twice");
    session.life.to = now;
    for (auto& [channel, windows] : session.windows) close(windows);
  }

  /// `is_confirmed`: every hub is known to have heard of it.
  void subscribe(Session& session, const std::string& channel, bool is_confirmed = true) {
    auto& windows = session.windows[channel];
    if (!windows.empty() && windows.back().to == never) return;
    windows.push_back({now, never, is_confirmed ? now : never});
    if (!is_confirmed) unconfirmed_.emplace_back(session.key, channel);
  }
  void unsubscribe(Session& session, const std::string& channel) { close(session.windows[channel]); }
  bool is_subscribed(const Session& session, const std::string& channel) const {
    const auto found = session.windows.find(channel);
    return found != session.windows.end() && !found->second.empty() && found->second.back().to == never;
  }

  Message& add(Message message) {
    message.number = static_cast<int>(messages_.size()) + 1;
    message.sent = now;
    return messages_.emplace(message.number, std::move(message)).first->second;
  }
  Message& message(int number) {
    const auto found = messages_.find(number);
    require(found != messages_.end(), "message " + std::to_string(number) + " was never sent");
    return found->second;
  }
  void publish(Message& message) {
    if (message.published != never) return;
    message.published = now;
    unsettled_.push_back(message.number);
  }
  /// Nodes are without their links. Of what is not known to be published that may be happening just now.
  void may_be_lost() {
    for (const int number : unsettled_) messages_.at(number).may_be_lost = true;
    for (auto& [number, message] : messages_) message.may_be_lost |= message.published == never;
  }
  /// Nothing is under way any more.
  void settle() {
    for (const int number : unsettled_) messages_.at(number).settled = now;
    unsettled_.clear();
    for (const auto& [key, channel] : unconfirmed_)
      for (Window& window : sessions_.at(key).windows[channel])
        window.sure_from = std::min(window.sure_from, now);
    unconfirmed_.clear();
  }
  bool is_settled() const { return unsettled_.empty(); }

  /// A session has got a message, under a number if it is stateful.
  void receive(Session& session, int number, std::uint64_t sequence, const std::string& body,
               bool is_binary) {
    Message& received = message(number);
    const std::string what = "message " + std::to_string(number);
    publish(received);
    require(received.body == body && received.is_binary == is_binary, what + " came altered: " + body);
    require(is_for(session, received, false), what + " came to one it was not for");
    const auto [place, is_new] = session.got.emplace(number, sequence);
    if (!is_new) {
      require((session.is_stateful && place->second == sequence) || received.is_partial,
              what + " came twice");
      return;
    }
    int& newest = session.newest[{received.publisher, received.channel}];
    // What was refused at first is sent again if the answer was lost, and may have been dropped here before.
    require(number > newest || received.is_partial || received.is_sent_again,
            what + " came behind " + std::to_string(newest) + " of the same publisher");
    newest = std::max(newest, number);
  }
  /// Whatever has a number has the same whenever it comes.
  void number(Session& session, std::uint64_t sequence, const std::string& content) {
    const auto [place, is_new] = session.by_sequence.emplace(sequence, content);
    require(is_new || place->second == content,
            "number " + std::to_string(sequence) + " was " + place->second + " and is now " + content);
  }

  /// All has arrived, and the client has read all there is: nothing may be missing but what it was told of.
  void check(const Session& session, std::uint64_t newest) const {
    std::uint64_t untold = 0, possible = 0;
    std::string example;
    for (const auto& [number, message] : messages_) {
      if (session.got.contains(number) || !is_for(session, message, false)) continue;
      ++possible;
      if (!is_for(session, message, true) || is_excused(session, message)) continue;
      ++untold;
      example += " " + std::to_string(number);
    }
    std::uint64_t missed = session.missed_plain;
    for (const std::uint64_t sequence : session.missed)
      if (!session.by_sequence.contains(sequence)) ++missed;
    require(untold <= missed, std::to_string(untold) + " messages were lost and " + std::to_string(missed) +
                                  " told as missed:" + example);
    if (loses_links || session.has_notices) return;
    require(missed <= possible, std::to_string(missed) + " were told as missed, but no more than " +
                                    std::to_string(possible) + " can be");
    if (session.is_stateful)
      require(newest == session.by_sequence.size() + missed,
              "its newest number is " + std::to_string(newest));
  }

 private:
  void close(std::vector<Window>& windows) const {
    if (!windows.empty() && windows.back().to == never) windows.back().to = now;
  }
  /// Whether the session may get the message, or must.
  bool is_for(const Session& session, const Message& message, bool must) const {
    const auto holds = [&](const Window& window) {
      const Step settled = message.is_partial ? never : message.settled;  // it may be sent again
      if (!must) return window.from <= settled && window.to >= message.sent;
      return window.sure_from < message.sent && window.to > settled;
    };
    if (must && (message.is_partial || message.settled == never)) return false;
    if (message.session != 0) return message.session == session.key;
    if (message.channel.empty()) return message.user == session.user && holds(session.life);
    const auto found = session.windows.find(message.channel);
    return found != session.windows.end() && std::any_of(found->second.begin(), found->second.end(), holds);
  }
  /// A broker's loss is told for a channel, without a count; where that itself was lost, at least that
  /// something was.
  bool is_excused(const Session& session, const Message& message) const {
    if (!message.may_be_lost) return false;
    const auto told = session.gaps.find(message.channel);
    return !session.is_stateful || !session.missed.empty() ||
           (told != session.gaps.end() && told->second >= message.sent);
  }

  std::map<int, Session> sessions_;
  std::map<int, Message> messages_;
  std::vector<int> unsettled_;
  std::vector<std::pair<int, std::string>> unconfirmed_;
};

}  // namespace model
