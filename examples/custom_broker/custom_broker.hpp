// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <asio/post.hpp>

#include <switchboard/broker/broker.hpp>

namespace sb = switchboard;

/// A broker of one's own, whole: the ports of a process share a room with one lock, and what is published is
/// posted to everyone else in the room who wants it.
class CustomBroker {
  struct Member : std::enable_shared_from_this<Member> {
    Member(asio::any_io_executor its_executor, sb::BrokerSink& its_sink)
        : executor(its_executor), sink(its_sink) {}
    asio::any_io_executor executor;
    sb::BrokerSink& sink;
    std::set<std::string, std::less<>> channels;  // changed on its own thread only, and under the lock
  };
  struct Room {
    std::mutex mutex;
    std::set<Member*> members;
  };

 public:
  struct Options {};

  class Port {
   public:
    Port(std::shared_ptr<Room> room, std::shared_ptr<Member> self) : room_(room), self_(self) {}

    void subscribe(std::string_view channel, sb::Done done) {
      const std::lock_guard lock(room_->mutex);  // whoever takes it next, to publish, finds the channel there
      self_->channels.emplace(channel);
      accept(done);
    }

    void unsubscribe(std::string_view channel) {
      const std::lock_guard lock(room_->mutex);
      self_->channels.erase(std::string(channel));
    }

    void publish(std::string_view channel, sb::Payload message, sb::Done done) {
      const std::lock_guard lock(room_->mutex);
      for (Member* member : room_->members) {
        if (member == self_.get() || !member->channels.contains(channel)) continue;
        asio::post(member->executor, [to = member->weak_from_this(), name = std::string(channel), message] {
          const auto alive = to.lock();  // it may have gone, or unsubscribed, while this was under way
          if (alive && alive->channels.contains(name)) alive->sink.on_message(name, message);
        });
      }
      accept(done);
    }

   private:
    void accept(sb::Done done) {  // later, and only if this port is still there
      asio::post(self_->executor, [self = self_->weak_from_this(), done] {
        if (!self.expired()) done({});
      });
    }

    std::shared_ptr<Room> room_;
    std::shared_ptr<Member> self_;  // the only lasting owner: with the port the member leaves
  };

  explicit CustomBroker(const Options&) {}

  Port attach(asio::any_io_executor executor, sb::BrokerSink& sink) {
    const auto leave = [room = room_](Member* member) {
      const std::lock_guard lock(room->mutex);
      room->members.erase(member);
      delete member;
    };
    const std::shared_ptr<Member> self(new Member(executor, sink), leave);
    const std::lock_guard lock(room_->mutex);
    room_->members.insert(self.get());
    return {room_, self};
  }

  void stop() {}  // there is no I/O to end

 private:
  std::shared_ptr<Room> room_ = std::make_shared<Room>();
};

static_assert(sb::Broker<CustomBroker>);
