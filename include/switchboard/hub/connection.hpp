// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <switchboard/hub/await_callback.hpp>
#include <switchboard/hub/awaitable.hpp>
#include <switchboard/hub/json_text.hpp>
#include <switchboard/hub/shard.hpp>

namespace switchboard::inline v1 {

/// A handle on a client, to copy and keep as one likes: for a plain client its connection, for a stateful one
/// its session, which survives a cut. Once that has ended every call is a harmless `false`. On its shard's
/// thread only, and not after the server has gone.
template <class App>
class Connection {
 public:
  /// What an App's `on_message` is given.
  using Json = nlohmann::json;

  /// For whoever has kept an id. It need not be that of a connection that is still there.
  Connection(Shard<App>& shard, ConnectionId id) : shard_(&shard), id_(id) {}

  /// Comparable and hashable; of no other connection of this shard, before or after.
  ConnectionId id() const { return id_; }
  /// The connection, or the session, has not ended.
  bool is_open() const { return shard_->view(id_).is_open; }
  /// It has a socket at this moment.
  bool is_attached() const { return shard_->view(id_).is_attached; }
  /// It has a session: what is sent gets numbers and is replayed.
  bool is_stateful() const { return shard_->view(id_).is_stateful; }

  /// What authenticate made. Only while `is_open` (and within on_close), a reference until the next
  /// suspension; std::logic_error afterwards.
  const auto& user() const { return *require(shard_->view(id_).user); }
  /// The App's own data for this session, under the same rule.
  auto& state() const { return *require(shard_->view(id_).state); }

  /// Sends a message: numbered and replayed for a stateful client. std::invalid_argument unless `object` is
  /// an object without "seq".
  bool send_json(const Json& object) {
    require_unnumbered(object);
    return shard_->send_object(id_, object.dump());
  }
  /// Sends a binary message of this type: numbered and replayed likewise.
  bool send_binary(std::uint32_t type, std::span<const std::byte> payload) {
    return shard_->send_typed(id_, type, payload);
  }
  /// Raw mode: sends a text frame. `text` must be UTF-8.
  bool send_text(std::string_view text)
    requires(AppTraits<App>::is_raw)
  {
    return shard_->send_frame(id_, true, text);
  }
  /// Raw mode: sends a binary frame.
  bool send_raw(std::span<const std::byte> bytes)
    requires(AppTraits<App>::is_raw)
  {
    return shard_->send_frame(id_, false, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  /// Answers a request: `body` with the request's "id", if it has one. Not numbered, never replayed; false if
  /// its client is away. std::invalid_argument unless `body` is an object without "seq".
  bool answer(const Json& request, Json body) {
    require_unnumbered(body);
    const Json* id = request_id(request);
    if (id == nullptr) return shard_->send_answer(id_, body.dump());
    body.erase("id");
    std::string text = body.dump();
    text.pop_back();
    text += (body.empty() ? "" : ",") + ("\"id\":" + shard_->written_id(id_, id->dump())) + "}";
    return shard_->send_answer(id_, text);
  }
  /// Answers a request with an error: a code of the App's own, or one of ErrorCode's names.
  bool reject(const Json& request, std::string_view code, std::string_view text) {
    JsonObjectText error;
    error.string("type", "error").string("code", code).string("message", text);
    if (const Json* id = request_id(request)) error.raw("id", shard_->written_id(id_, id->dump()));
    const bool sent = shard_->send_answer(id_, error.take());
    if (sent) shard_->count_error();
    return sent;
  }

  /// Subscribes the client without asking may_subscribe, and without an answer to it. False if it is gone,
  /// the name is none, or it has too many.
  bool subscribe(std::string_view channel) { return shard_->subscribe(id_, channel); }
  /// Takes the client off the channel, without an answer to it. False if it is gone or was not subscribed.
  bool unsubscribe(std::string_view channel) { return shard_->unsubscribe(id_, channel); }

  /// Closes the connection behind what is queued, and ends the session.
  bool close(CloseCode code, std::string_view reason = {}) { return shard_->close(id_, code, reason); }

  /// Suspends the handler on the shard's clock, which is virtual in tests.
  asio::awaitable<void> sleep_for(Duration duration) {
    Shard<App>* const shard = shard_;
    co_await detail::await_callback<bool>([shard, duration](std::function<void(bool)> done) {
      shard->call_after(duration, [done = std::move(done)] { done(true); });
    });
  }

  /// Valid after the connection has ended, too.
  Shard<App>& shard() const { return *shard_; }

  friend bool operator==(const Connection&, const Connection&) = default;

 private:
  template <class T>
  static T* require(T* pointer) {
    if (pointer == nullptr)
      throw std::logic_error("switchboard: the connection has ended; ask is_open first");
    return pointer;
  }
  static void require_unnumbered(const Json& object) {
    if (!object.is_object()) throw std::invalid_argument("switchboard: what is sent is a JSON object");
    if (object.contains("seq"))
      throw std::invalid_argument("switchboard: \"seq\" is the library's; objects are sent without it");
  }
  static const Json* request_id(const Json& request) {
    if (!request.is_object()) return nullptr;
    const auto found = request.find("id");
    return found == request.end() ? nullptr : &*found;
  }

  Shard<App>* shard_;
  ConnectionId id_;
};

}  // namespace switchboard::inline v1
