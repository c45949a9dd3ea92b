// SPDX-License-Identifier: MIT
// Internal: what a port and the broker's thread tell each other.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <switchboard/broker/detail/in_memory_link.hpp>
#include <switchboard/hub/broker_port.hpp>

namespace switchboard::inline v1 {
namespace redis {

class Node;  // NOLINT(cppcoreguidelines-virtual-class-destructor): final, as its definition says
class PortState;

/// What a port asks of the broker's thread.
struct Call {
  enum class Kind : std::uint8_t {
    subscribe,        ///< the port has the channel from now on
    subscribe_again,  ///< it has it already
    unsubscribe,
    publish,
    task,    ///< anything else
    detach,  ///< the last one
  };
  Kind kind = Kind::publish;
  std::uint64_t number = 0;  ///< under which its result is awaited
  std::string channel{};
  Payload payload{};
  std::function<void(Node&)> task{};
};

/// What the broker's thread tells a port.
struct PortEvent {
  enum class Kind : std::uint8_t {
    result,   ///< of the call `number`
    gap,      ///< on `channel`
    task,     ///< anything else
    stopped,  ///< nothing follows
  };
  Kind kind = Kind::result;
  std::uint64_t number = 0;
  std::error_code error{};
  std::string channel{};
  std::function<void(PortState&)> task{};
};

/// A list that one thread fills and another takes whole.
template <class T>
class Mailbox {
 public:
  void add(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
  }
  void add_all(std::vector<T>& values) {
    const std::lock_guard lock(mutex_);
    for (T& value : values) values_.push_back(std::move(value));
    values.clear();
  }
  /// `taken` is emptied first, and its memory used again.
  void take(std::vector<T>& taken) {
    taken.clear();
    const std::lock_guard lock(mutex_);
    taken.swap(values_);
  }

 private:
  std::mutex mutex_;
  std::vector<T> values_;
};

/// Between one port and the broker's thread.
struct PortChannel {
  explicit PortChannel(std::uint64_t port) : id(port) {}

  const std::uint64_t id;
  Mailbox<Call> calls;
  Mailbox<PortEvent> events;
  std::shared_ptr<in_memory::Waker> port_waker, node_waker;
};

}  // namespace redis
}  // namespace switchboard::inline v1
