// SPDX-License-Identifier: MIT
// Internal: what a hub keeps for each client: its session, or its plain connection.
#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/host.hpp>
#include <switchboard/hub/json_request.hpp>
#include <switchboard/hub/shard.hpp>
#include <switchboard/hub/slot_table.hpp>
#include <switchboard/patterns/stateful_connection.hpp>
#include <switchboard/patterns/timer_wheel.hpp>

namespace switchboard::inline v1 {

/// Names a session to its client: 128 random bits, then the shard, and where nodes are linked the node, that
/// it began on; a session that is moved keeps its name. Whoever knows it and has the user's token may resume
/// the session, so it is never logged.
struct SessionId {
  std::array<std::uint8_t, 16> random{};
  std::uint16_t shard = 0;
  std::uint16_t home = 0;  ///< the hub's number for where it began; 0: on this very shard

  /// 32 hexadecimal digits, '-', the shard, and with a node '-' and its name.
  std::string to_string(std::string_view node = {}) const {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(40);
    for (const std::uint8_t byte : random) {
      text += digits[byte >> 4];
      text += digits[byte & 15];
    }
    text += '-' + std::to_string(shard);
    if (!node.empty()) (text += '-') += node;
    return text;
  }

  /// With `node` there must be one, and it is told; without there must be none.
  static std::optional<SessionId> parse(std::string_view text, std::string_view* node = nullptr) {
    if (text.size() < 34 || text[32] != '-') return std::nullopt;
    SessionId id;
    for (std::size_t i = 0; i < 16; ++i) {
      const char* byte = text.data() + 2 * i;
      const auto [end, error] = std::from_chars(byte, byte + 2, id.random[i], 16);
      if (error != std::errc{} || end != byte + 2) return std::nullopt;
    }
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + 33, last, id.shard);
    if (error != std::errc{}) return std::nullopt;
    if (node == nullptr) return end == last ? std::optional(id) : std::nullopt;
    if (last - end < 2 || *end != '-') return std::nullopt;
    *node = text.substr(static_cast<std::size_t>(end + 1 - text.data()));
    return id;
  }

  /// Not by `home`, which is the hub's own: whoever looks a name up compares the node as well.
  friend bool operator==(const SessionId& a, const SessionId& b) {
    return a.random == b.random && a.shard == b.shard;
  }
};

/// The publish ids that a session has had accepted, and those of which that is not known yet, so that one
/// sent again after a cut is not delivered twice.
class PublishIds {
 public:
  static constexpr std::size_t remembered = 100;

  /// The broker is asked to take a publish.
  void begin(std::string_view id) { under_way_.push_back({std::string(id), 1}); }
  /// It has come again. False if it is not under way.
  bool repeat(std::string_view id) {
    for (UnderWay& one : under_way_)
      if (one.id == id) return ++one.asked, true;
    return false;
  }
  /// The broker has answered. Returns how often the client has asked: so many answers it gets.
  std::size_t end(std::string_view id, bool is_accepted) {
    const auto found =
        std::find_if(under_way_.begin(), under_way_.end(), [&](const UnderWay& one) { return one.id == id; });
    const std::size_t asked = found->asked;
    under_way_.erase(found);
    if (is_accepted) insert(id);
    return asked;
  }

  bool contains(std::string_view id) const {
    for (const std::string& known : ids_)
      if (known == id) return true;
    return false;
  }
  void insert(std::string_view id) {
    if (ids_.size() < remembered) {
      ids_.emplace_back(id);
      return;
    }
    ids_[oldest_] = id;
    oldest_ = (oldest_ + 1) % remembered;
  }
  std::size_t size() const { return ids_.size() + under_way_.size(); }
  /// Calls `visit(id)` for each that was accepted, the oldest first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < ids_.size(); ++i) visit(ids_[(oldest_ + i) % ids_.size()]);
  }

 private:
  struct UnderWay {
    std::string id;
    std::size_t asked;
  };
  std::vector<UnderWay> under_way_;
  std::vector<std::string> ids_;
  std::size_t oldest_ = 0;
};

/// Ids of requests to the App that do not come out of a JSON value as they went in. Of several that come out
/// the same the newest counts: the App may never answer the others.
class WrittenIds {
 public:
  /// `written`: the id as it came, JSON text, or nothing.
  void remember(const std::string& written) {
    if (written.empty()) return;
    std::string parsed = parse_json(written).dump();
    if (ids_)
      std::erase_if(*ids_, [&](const auto& id) { return id.first == parsed && id.second != written; });
    if (parsed == written) return;
    if (!ids_) ids_ = std::make_unique<std::vector<std::pair<std::string, std::string>>>();
    if (ids_->size() == remembered) ids_->erase(ids_->begin());
    ids_->emplace_back(std::move(parsed), written);
  }
  std::size_t size() const { return ids_ ? ids_->size() : 0; }
  /// The id as it came, of one that was parsed and written again. Once for each.
  std::string take(std::string parsed) {
    if (!ids_) return parsed;
    for (auto place = ids_->begin(); place != ids_->end(); ++place) {
      if (place->first != parsed) continue;
      std::string written = std::move(place->second);
      ids_->erase(place);
      if (ids_->empty()) ids_.reset();
      return written;
    }
    return parsed;
  }

 private:
  static constexpr std::size_t remembered = 100;  // requests that an App has not answered
  std::unique_ptr<std::vector<std::pair<std::string, std::string>>> ids_;
};

/// What a hub's timers stand for.
enum class TimerKind : std::uint8_t { transport, session, presence, call, handover };

/// A channel that a session was taken off without having asked, until its client has been told.
struct Revocation {
  std::string channel;
  EncodedMessage::Ptr notice;  ///< as it was queued for the socket that the session has; else null
};

/// What makes a client stateful: it outlives its socket. The timer is its time to live while parked.
struct Session : Timer {
  explicit Session(ReplayOptions replay)
      : Timer(static_cast<std::uint8_t>(TimerKind::session)), log(replay) {}

  SessionId id;
  bool is_moving = false;  ///< it is being handed to another node: nobody may resume it here
  StatefulConnection<> log;
  std::unique_ptr<PublishIds> publish_ids;
  std::vector<Revocation> revoked;
  std::size_t subscription_bytes = 0;                 ///< about what its subscriptions take
  std::list<ConnectionId>::iterator parked_position;  ///< in the hub's list, while parked
  std::size_t parked_bytes = 0;  ///< what the hub has counted for it; its client is `owner`
};

/// One client of a hub: a plain client's connection or a stateful client's session.
template <class App>
struct Client {
  static constexpr std::uint32_t none = SlotTable<int>::none;

  /// How the client counts in the presence of its channels.
  enum class Presence : std::uint8_t {
    active,  ///< it is connected
    cut,     ///< it was cut off, and is still listed for a while
    gone,    ///< it closed
  };

  UserOf<App> user;
  [[no_unique_address]] StateOf<App> state{};
  std::unique_ptr<Session> session;  ///< none for a plain client
  WrittenIds written_ids;
  std::unique_ptr<std::string> subscribing;  ///< the channel it is asking for; none once that is taken back
  std::uint32_t transport = none;            ///< its socket's slot; none while parked
  std::uint32_t user_next = none;            ///< ring of the clients of one user, by slot; see UserIndex
  std::uint32_t user_previous = none;
  std::uint32_t user_chain = none;
  std::uint16_t busy = 0;               ///< handlers and broker calls that later requests wait for
  std::uint16_t publishes_pending = 0;  ///< not yet accepted by the broker
  Presence presence = Presence::active;
  bool has_ended = false;  ///< only its on_close is still under way
  bool is_erased = false;  ///< that is over, too, but a call may still refer to what is in here

  explicit Client(UserOf<App>&& who) : user(std::move(who)) {}
  bool is_attached() const { return transport != none; }
};

}  // namespace switchboard::inline v1

template <>
struct std::hash<switchboard::SessionId> {
  std::size_t operator()(const switchboard::SessionId& id) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, id.random.data(), sizeof(value));
    return value;
  }
};
