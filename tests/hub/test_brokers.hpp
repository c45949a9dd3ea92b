// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/post.hpp>

#include <switchboard/broker/broker.hpp>

namespace hub_tests {

/// A broker without others behind it that does what a test tells it to: answers late, refuses, makes up
/// messages and gaps. It keeps no presence.
class ScriptedBroker {
 public:
  struct Script {
    std::error_code subscribe_error, publish_error;
    bool defers_subscribes = false, defers_publishes = false;  // their `done` waits for `finish`
    std::deque<std::pair<switchboard::Done, std::error_code>> deferred;
    std::vector<std::string> calls;  // "subscribe c", "unsubscribe c", "publish c"
    std::vector<switchboard::Payload> published;
    switchboard::BrokerSink* sink = nullptr;
    asio::any_io_executor executor;

    /// Ends so many of the calls that wait, the oldest first.
    void finish(std::size_t count = ~std::size_t{0}) {
      for (; count > 0 && !deferred.empty(); --count) {
        call(std::move(deferred.front().first), deferred.front().second);
        deferred.pop_front();
      }
    }
    void call(switchboard::Done done, std::error_code error) {
      asio::post(executor, [done = std::move(done), error] { done(error); });
    }
    /// Lets the hub hear an envelope on a channel.
    void deliver(const std::string& channel, std::string envelope) {
      sink->on_message(channel, std::make_shared<const std::string>(std::move(envelope)));
    }
  };
  struct Options {};

  class Port {
   public:
    explicit Port(std::shared_ptr<Script> script) : script_(std::move(script)) {}

    void subscribe(std::string_view channel, switchboard::Done done) {
      script_->calls.push_back("subscribe " + std::string(channel));
      answer(script_->defers_subscribes, std::move(done), script_->subscribe_error);
    }
    void unsubscribe(std::string_view channel) {
      script_->calls.push_back("unsubscribe " + std::string(channel));
    }
    void publish(std::string_view channel, switchboard::Payload payload, switchboard::Done done) {
      script_->calls.push_back("publish " + std::string(channel));
      script_->published.push_back(std::move(payload));
      answer(script_->defers_publishes, std::move(done), script_->publish_error);
    }

   private:
    void answer(bool is_deferred, switchboard::Done done, std::error_code error) {
      if (is_deferred)
        script_->deferred.emplace_back(std::move(done), error);
      else
        script_->call(std::move(done), error);
    }
    std::shared_ptr<Script> script_;
  };

  explicit ScriptedBroker(const Options&) {}
  Port attach(asio::any_io_executor executor, switchboard::BrokerSink& sink) {
    script_->executor = std::move(executor);
    script_->sink = &sink;
    return Port(script_);
  }
  void stop() {}
  Script& script() { return *script_; }

 private:
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
};
static_assert(switchboard::Broker<ScriptedBroker>);

}  // namespace hub_tests
