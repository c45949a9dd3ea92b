// SPDX-License-Identifier: MIT
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <nlohmann/json.hpp>

#include <switchboard/hub/app_traits.hpp>
#include <switchboard/hub/await_callback.hpp>
#include <switchboard/hub/awaitable.hpp>
#include <switchboard/hub/broker_port.hpp>
#include <switchboard/hub/command.hpp>
#include <switchboard/hub/errc.hpp>
#include <switchboard/patterns/time.hpp>
#include <switchboard/protocol/close_code.hpp>

namespace switchboard::inline v1 {

/// Names a connection (a stateful client's session) within its shard; never used again for another.
struct ConnectionId {
  std::uint32_t slot = 0;        ///< small, and used again
  std::uint32_t generation = 0;  ///< which use of the slot
  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

/// Who is in a channel, each user once.
struct Presence {
  std::error_code error;             ///< the broker is away, or keeps no presence: then `users` says nothing
  std::vector<PresenceEntry> users;  ///< in no particular order
};

/// How many users are in a channel.
struct PresenceCount {
  std::error_code error;  ///< the broker is away, or keeps no presence: then `users` says nothing
  std::size_t users = 0;  ///< each user once, over all shards and nodes
};

/// What an App may use of its shard. On the shard's thread only; other threads take `handle()`.
template <class App>
class Shard {
 public:
  /// What `publish` and `send_to_user` take.
  using Json = nlohmann::json;

  virtual ~Shard() = default;
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// To every subscriber of the channel, on every shard and node. errc::invalid_channel. What the broker
  /// refuses later is not returned; subscribers of this shard have the message all the same then.
  std::error_code publish(std::string_view channel, const Json& data) {
    return publish_json(channel, data.dump());
  }
  /// The same with text that is JSON already, forwarded as it stands. errc::invalid_json.
  virtual std::error_code publish_json(std::string_view channel, std::string_view json_text) = 0;
  /// A binary message (protocol.md, "Binary") to every subscriber of the channel.
  virtual std::error_code publish_binary(std::string_view channel, std::uint32_t type,
                                         std::span<const std::byte> payload) = 0;
  /// To every connection and parked session of the user, everywhere. The object must have no "seq".
  std::error_code send_to_user(std::string_view user, const Json& object) {
    if (!object.is_object() || object.contains("seq")) return make_error_code(errc::invalid_json);
    return send_text_to_user(user, object.dump());
  }
  /// The same with the text of a JSON object.
  virtual std::error_code send_text_to_user(std::string_view user, std::string_view object) = 0;
  /// Ends every connection and session of the user, everywhere.
  virtual void disconnect_user(std::string_view user, CloseCode code = CloseCode::disconnected) = 0;
  /// Takes the user off the channel, on all its connections and sessions, everywhere.
  virtual void unsubscribe_user(std::string_view user, std::string_view channel) = 0;
  /// Who is in the channel, over all shards and nodes. `channel` is copied.
  asio::awaitable<Presence> presence(std::string_view channel) {
    return detail::await_callback<Presence>(
        [this, name = std::string(channel)](auto done) { query_presence(name, std::move(done)); });
  }
  /// How many users are in the channel, without the cost of listing them. `channel` is copied.
  asio::awaitable<PresenceCount> presence_count(std::string_view channel) {
    return detail::await_callback<PresenceCount>(
        [this, name = std::string(channel)](auto done) { count_presence(name, std::move(done)); });
  }

  /// The shard's number, from 0.
  virtual unsigned index() const = 0;
  /// The shard's time: the steady clock's in a server, virtual in tests.
  virtual TimePoint now() const = 0;
  /// Runs functions on the shard's thread.
  virtual asio::any_io_executor executor() const = 0;
  /// For other threads; outlives the server harmlessly.
  template <class Handle = ServerHandle>
  Handle handle() const {
    return Handle(command_target());
  }

 protected:
  Shard() = default;

  /// @cond
  // What Connection<App> calls; each is false or harmless once the connection is gone.
  friend class Connection<App>;
  struct ConnectionView {
    const UserOf<App>* user = nullptr;
    StateOf<App>* state = nullptr;
    bool is_open = false;
    bool is_attached = false;
    bool is_stateful = false;
  };
  virtual ConnectionView view(ConnectionId id) const = 0;
  virtual bool send_object(ConnectionId id, std::string_view object) = 0;
  virtual bool send_typed(ConnectionId id, std::uint32_t type, std::span<const std::byte> payload) = 0;
  virtual bool send_frame(ConnectionId id, bool text, std::string_view payload) = 0;
  virtual bool send_answer(ConnectionId id, std::string_view object) = 0;
  // A request's "id" as the client wrote it, which JSON values do not keep (1.50, numbers of more than 64
  // bits).
  virtual std::string written_id(ConnectionId id, std::string parsed) = 0;
  virtual bool subscribe(ConnectionId id, std::string_view channel) = 0;
  virtual bool unsubscribe(ConnectionId id, std::string_view channel) = 0;
  virtual bool close(ConnectionId id, CloseCode code, std::string_view reason) = 0;
  // Callbacks and not coroutines: a virtual function is compiled for every App, and coroutines take long.
  virtual void query_presence(const std::string& channel, std::function<void(Presence)> done) = 0;
  virtual void count_presence(const std::string& channel, std::function<void(PresenceCount)> done) = 0;
  virtual void call_after(Duration delay, std::function<void()> function) = 0;
  virtual void count_error() = 0;
  virtual std::shared_ptr<CommandTarget> command_target() const = 0;
  /// @endcond
};

}  // namespace switchboard::inline v1

template <>
struct std::hash<switchboard::ConnectionId> {
  std::size_t operator()(const switchboard::ConnectionId& id) const noexcept {
    return std::hash<std::uint64_t>{}(std::uint64_t{id.generation} << 32 | id.slot);
  }
};
