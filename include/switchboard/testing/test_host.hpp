// SPDX-License-Identifier: MIT
// Internal: the Host of a TestApp's hubs: sockets that are strings, and virtual time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <switchboard/hub/hub.hpp>
#include <switchboard/testing/virtual_clock.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// A socket without a network: what the client has sent and not been read of, and where the server's bytes
/// go.
struct TestSocket {
  net::Address peer = net::Address::v4(127, 0, 0, 1);
  std::string to_server;
  bool client_has_closed = false;
  bool was_end_told = false;             ///< the server knows of that
  bool is_reading = true;                ///< false: the client takes nothing, the server's writes block
  std::size_t window = ~std::size_t{0};  ///< bytes that the client still takes before it stops reading
  bool is_broken = false;             ///< the server finds out by its next write that the connection is gone
  bool wants_input = true;            ///< false: the server reads nothing
  std::optional<SocketClose> closed;  ///< how the server has closed it
  std::function<void(std::string_view)> on_bytes;  ///< the client's end
};

/// The world as a hub under test sees it: sockets that are strings, a clock that stands still, numbers from a
/// seed.
template <class App>
class TestHost {
 public:
  using HubType = Hub<App, TestHost>;

  TestHost(asio::io_context& context, VirtualClock& clock, std::uint64_t seed)
      : context_(&context), clock_(&clock), random_(seed) {}
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  void set_hub(HubType& hub, std::vector<TestHost*> hosts, std::shared_ptr<CommandTarget> commands) {
    hub_ = &hub;
    hosts_ = std::move(hosts);
    commands_ = std::move(commands);
  }

  void accept(std::shared_ptr<TestSocket> socket, Admission admission = Admission::admitted) {
    const TransportId id = hub_->open(socket->peer, admission);
    place(id) = std::move(socket);
  }

  /// Delivers what clients have sent and flushes what the hub has to say; false if there was nothing to do.
  bool run_once() {
    bool did_something = false;
    for (std::size_t slot = 0; slot < sockets_.size(); ++slot) did_something |= read(slot);
    while (!ready_.empty()) {
      const TransportId id = ready_.front();
      ready_.pop_front();
      flush(id);
      did_something = true;
    }
    for (std::size_t slot = 0; slot < sockets_.size(); ++slot) did_something |= retry(slot);
    return did_something;
  }

  /// The process has ended.
  void close_all() {
    for (auto& socket : sockets_)
      if (socket) std::exchange(socket, nullptr)->closed = SocketClose::abort;
    ready_.clear();
    wake_time_.reset();
  }

  std::optional<TimePoint> wake_time() const { return wake_time_; }
  void wake() {
    wake_time_.reset();
    hub_->run_timers();
  }
  /// Coroutines of handlers that have not ended.
  std::size_t running_handlers() const { return running_handlers_; }
  std::function<std::optional<HttpResponse>(const UpgradeRequest&, bool)> serve;
  LogSink log_sink;

  // HubHost.
  void spawn(asio::awaitable<void> handler) {
    ++running_handlers_;
    asio::co_spawn(*context_, std::move(handler), [this](std::exception_ptr) { --running_handlers_; });
  }
  void output_ready(TransportId id) { ready_.push_back(id); }
  void flush(TransportId id) {
    const auto socket = place(id);
    if (socket && std::exchange(socket->is_broken, false)) {
      socket->client_has_closed = socket->was_end_told = true;
      return hub_->receive_eof(id, true);
    }
    while (socket && socket->is_reading && socket->window > 0) {
      Gathered gathered{{}, socket->window};
      hub_->gather(id, gathered);
      if (gathered.bytes.empty()) return;
      socket->window -= gathered.bytes.size();
      if (socket->on_bytes) socket->on_bytes(gathered.bytes);
      if (!hub_->written(id, gathered.bytes.size()) || place(id) != socket) return;
    }
  }
  void want_input(TransportId id, bool wanted) {
    if (const auto& socket = place(id)) socket->wants_input = wanted;
  }
  void close_socket(TransportId id, SocketClose how) {
    if (const auto socket = std::exchange(place(id), nullptr)) socket->closed = how;
    std::erase(ready_, id);
  }
  void move_socket(TransportId id, unsigned shard, Handoff<App>&& handoff) {
    auto socket = std::exchange(place(id), nullptr);
    socket->wants_input = true;
    std::erase(ready_, id);
    TestHost* target = hosts_.at(shard);
    auto moved = std::make_shared<Handoff<App>>(std::move(handoff));
    asio::post(*context_, [target, socket, moved] {
      const TransportId adopted = target->hub_->adopt(std::move(*moved));
      target->place(adopted) = socket;
    });
  }
  void wake_at(TimePoint time) { wake_time_ = time; }
  void random_bytes(std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_() & 0xff);
  }
  TimePoint now() const { return clock_->now(); }
  asio::any_io_executor executor() const { return context_->get_executor(); }
  std::shared_ptr<CommandTarget> command_target() const { return commands_; }
  std::optional<HttpResponse> serve_http(const UpgradeRequest& request, bool is_admin) {
    return serve ? serve(request, is_admin) : std::nullopt;
  }
  void log(LogLevel level, std::string_view text) {
    if (log_sink) log_sink(level, text);
  }

 private:
  struct Gathered {
    std::string bytes;
    std::size_t room;
    bool add(std::string_view part) {
      bytes += part.substr(0, room - bytes.size());
      return bytes.size() < room;
    }
    bool copy(std::string_view part) { return add(part); }
  };

  std::shared_ptr<TestSocket>& place(TransportId id) {
    const auto slot = static_cast<std::size_t>(id);
    if (slot >= sockets_.size()) sockets_.resize(slot + 1);
    return sockets_[slot];
  }

  bool read(std::size_t slot) {
    const auto socket = sockets_[slot];
    const TransportId id{static_cast<std::uint32_t>(slot)};
    if (!socket || (!socket->wants_input && !socket->client_has_closed)) return false;
    if (socket->wants_input && !socket->to_server.empty()) {
      std::string bytes = std::exchange(socket->to_server, {});
      hub_->receive(id, bytes);
      return true;
    }
    if (!socket->client_has_closed || std::exchange(socket->was_end_told, true)) return false;
    hub_->receive_eof(id, true);
    return true;
  }

  // A client that reads again after it had stopped.
  bool retry(std::size_t slot) {
    const auto socket = sockets_[slot];
    if (!socket || !socket->is_reading || socket->window == 0) return false;
    const TransportId id{static_cast<std::uint32_t>(slot)};
    Gathered gathered{{}, 1};
    hub_->gather(id, gathered);
    if (gathered.bytes.empty()) return false;
    flush(id);
    return true;
  }

  asio::io_context* context_;
  VirtualClock* clock_;
  std::mt19937_64 random_;
  HubType* hub_ = nullptr;
  std::vector<TestHost*> hosts_;
  std::shared_ptr<CommandTarget> commands_;
  std::vector<std::shared_ptr<TestSocket>> sockets_;
  std::deque<TransportId> ready_;
  std::optional<TimePoint> wake_time_;
  std::size_t running_handlers_ = 0;
};

}  // namespace testing
}  // namespace switchboard::inline v1
