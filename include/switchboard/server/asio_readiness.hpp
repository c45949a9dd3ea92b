// SPDX-License-Identifier: MIT
// Internal: tells which sockets can be read or written, by Asio alone.
#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

#include <switchboard/server/ready_event.hpp>

namespace switchboard::inline v1 {
namespace net {

/// What EpollReadiness is, on one Asio wait per descriptor: for systems without epoll. Level-triggered in
/// effect: a descriptor is waited for again after its event has been handled.
class AsioReadiness {
 public:
  explicit AsioReadiness(const asio::any_io_executor& executor) : state_(std::make_shared<State>(executor)) {}
  AsioReadiness(AsioReadiness&&) = delete;
  ~AsioReadiness() { state_->clear(); }

  std::error_code add(int descriptor, ReadyToken token, Interest interest) {
    return state_->add(descriptor, token, interest);
  }
  void change(int, ReadyToken token, Interest interest) { state_->change(token, interest); }
  void remove(int, ReadyToken token) { state_->remove(token); }

  template <class Handler>
  void async_wait(Handler handler) {
    state_->wait(std::move(handler));
  }
  void cancel() { state_->handler = nullptr; }

 private:
  struct Entry {
    Entry(const asio::any_io_executor& executor, ReadyToken name, Interest wanted)
        : descriptor(executor), token(name), interest(wanted) {}
    asio::posix::stream_descriptor descriptor;
    ReadyToken token;
    Interest interest;
    Interest waiting;
    bool is_removed = false;
  };
  using EntryPointer = std::shared_ptr<Entry>;

  // Shared with the waits under way: they end, aborted, after the set itself is gone.
  struct State : std::enable_shared_from_this<State> {
    explicit State(const asio::any_io_executor& on) : executor(on) {}

    std::error_code add(int descriptor, ReadyToken token, Interest interest) {
      auto entry = std::make_shared<Entry>(executor, token, interest);
      std::error_code error;
      entry->descriptor.assign(descriptor, error);
      if (error) return error;
      arm(entry);
      entries[token] = std::move(entry);
      return {};
    }

    void change(ReadyToken token, Interest interest) {
      const auto found = entries.find(token);
      if (found == entries.end()) return;
      found->second->interest = interest;
      arm(found->second);
    }

    void remove(ReadyToken token) {
      const auto found = entries.find(token);
      if (found == entries.end()) return;
      found->second->is_removed = true;
      found->second->descriptor.release();
      entries.erase(found);
    }

    void clear() {
      handler = nullptr;
      while (!entries.empty()) remove(entries.begin()->first);
    }

    void arm(const EntryPointer& entry) {
      if (entry->interest.read && !std::exchange(entry->waiting.read, true))
        start(entry, asio::posix::descriptor_base::wait_read, false);
      if (entry->interest.write && !std::exchange(entry->waiting.write, true))
        start(entry, asio::posix::descriptor_base::wait_write, true);
    }

    void start(const EntryPointer& entry, asio::posix::descriptor_base::wait_type what, bool is_write) {
      entry->descriptor.async_wait(
          what, [self = this->shared_from_this(), entry, is_write](const std::error_code& error) {
            if (error == asio::error::operation_aborted || entry->is_removed) return;
            self->ready.push_back({entry, is_write});
            self->schedule();
          });
    }

    template <class Handler>
    void wait(Handler next) {
      handler = std::move(next);
      // Only now, with the last batch handled, is it known which of its descriptors are still of interest.
      for (auto& [entry, is_write] : delivered) {
        (is_write ? entry->waiting.write : entry->waiting.read) = false;
        if (!entry->is_removed) arm(entry);
      }
      delivered.clear();
      if (!ready.empty()) schedule();
    }

    void schedule() {
      if (!handler || std::exchange(is_scheduled, true)) return;
      asio::post(executor, [self = this->shared_from_this()] {
        self->is_scheduled = false;
        self->deliver();
      });
    }

    void deliver() {
      if (!handler || ready.empty()) return;
      const auto count = static_cast<std::ptrdiff_t>(std::min(ready.size(), max_ready_batch));
      batch.clear();
      for (auto it = ready.begin(); it != ready.begin() + count; ++it) {
        const bool is_write = it->second;
        const Interest& interest = it->first->interest;
        if (!it->first->is_removed && (is_write ? interest.write : interest.read))
          batch.push_back({.token = it->first->token, .readable = !is_write, .writable = is_write});
        delivered.push_back(std::move(*it));
      }
      ready.erase(ready.begin(), ready.begin() + count);
      std::exchange(handler, nullptr)(std::span<const ReadyEvent>{batch});
    }

    asio::any_io_executor executor;
    std::unordered_map<ReadyToken, EntryPointer> entries;
    std::vector<std::pair<EntryPointer, bool>> ready, delivered;
    std::vector<ReadyEvent> batch;
    std::function<void(std::span<const ReadyEvent>)> handler;
    bool is_scheduled = false;
  };

  std::shared_ptr<State> state_;
};

}  // namespace net
}  // namespace switchboard::inline v1
