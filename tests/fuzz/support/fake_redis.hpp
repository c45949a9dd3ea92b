// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <switchboard/broker/redis/presence_scripts.hpp>
#include <switchboard/broker/redis/reply_reader.hpp>
#include <switchboard/broker/redis/stream.hpp>

// The other end of a RedisBroker's connections, without sockets.
namespace fuzz {

namespace redis = switchboard::redis;

/// One connection as the server has it. Nothing happens on it by itself.
class Wire {
 public:
  explicit Wire(asio::io_context& io) : io_(io) {}

  // The broker's end; see redis::Stream.
  void connect(const redis::Endpoint& to, redis::Stream::Connected connected) {
    endpoint_ = to_string(to);
    connected_ = std::move(connected);
  }
  void read(asio::mutable_buffer buffer, redis::Stream::Transferred transferred) {
    buffer_ = buffer;
    reading_ = std::move(transferred);
    if (is_lost_) lose();
  }
  void write(asio::const_buffer bytes, redis::Stream::Transferred transferred) {
    const std::string_view text(static_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t count = std::min(text.size(), most_taken_);
    if (!is_lost_) take(text.substr(0, count));
    const std::error_code error = is_lost_ ? asio::error::broken_pipe : std::error_code();
    asio::post(io_, [transferred = std::move(transferred), error, count] { transferred(error, count); });
  }
  void close() {
    is_closed_ = true;
    if (connected_) later(std::exchange(connected_, nullptr), asio::error::operation_aborted);
    if (reading_) later(std::exchange(reading_, nullptr), asio::error::operation_aborted, std::size_t{0});
  }

  // The server's end.
  const std::string& endpoint() const { return endpoint_; }
  bool is_closed() const { return is_closed_; }
  bool is_connecting() const { return connected_ != nullptr; }
  void accept(bool accepts) {
    if (connected_)
      later(std::exchange(connected_, nullptr),
            accepts ? std::error_code() : asio::error::connection_refused);
  }
  void say(std::string_view bytes) { to_broker_ += bytes; }
  /// Lets the broker read so many bytes of what was said.
  void deliver(std::size_t most) {
    if (!reading_ || is_lost_ || to_broker_.empty()) return;
    const std::size_t count = std::min({most, buffer_.size(), to_broker_.size()});
    std::copy_n(to_broker_.data(), count, static_cast<char*>(buffer_.data()));
    to_broker_.erase(0, count);
    later(std::exchange(reading_, nullptr), {}, count);
  }
  bool may_deliver() const { return reading_ && !is_lost_ && !to_broker_.empty(); }
  void lose() {
    is_lost_ = true;
    if (reading_) later(std::exchange(reading_, nullptr), asio::error::eof, std::size_t{0});
  }
  /// Writes come through in parts of so many bytes.
  void take_at_most(std::size_t bytes) { most_taken_ = bytes; }
  /// Commands that are not answered.
  std::deque<std::vector<std::string>>& commands() { return commands_; }
  std::set<std::string>& subscribed() { return subscribed_; }

 private:
  void take(std::string_view bytes) {
    reader_.read(bytes, [this](redis::Reply& reply) {
      std::vector<std::string> words;
      for (const redis::Reply* word : reply.elements) words.push_back(word->text);
      if (!words.empty()) commands_.push_back(std::move(words));
      return true;
    });
  }
  template <class Handler, class... Arguments>
  void later(Handler handler, std::error_code error, Arguments... arguments) {
    asio::post(io_, [handler = std::move(handler), error, arguments...] { handler(error, arguments...); });
  }

  asio::io_context& io_;
  std::string endpoint_;
  redis::Stream::Connected connected_;
  redis::Stream::Transferred reading_;
  asio::mutable_buffer buffer_;
  std::string to_broker_;
  redis::ReplyReader reader_;
  std::deque<std::vector<std::string>> commands_;
  std::set<std::string> subscribed_;
  std::size_t most_taken_ = ~std::size_t{0};
  bool is_lost_ = false, is_closed_ = false;
};

class FakeStream final : public redis::Stream {
 public:
  explicit FakeStream(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~FakeStream() override { wire_->close(); }
  void connect(const redis::Endpoint& endpoint, Connected connected) override {
    wire_->connect(endpoint, std::move(connected));
  }
  void read(asio::mutable_buffer buffer, Transferred transferred) override {
    wire_->read(buffer, std::move(transferred));
  }
  void write(asio::const_buffer buffer, Transferred transferred) override {
    wire_->write(buffer, std::move(transferred));
  }
  void close() override { wire_->close(); }

 private:
  std::shared_ptr<Wire> wire_;
};

/// Servers that answer as Redis does, when they are told to.
class FakeRedis {
 public:
  explicit FakeRedis(asio::io_context& io) : io_(io) {}
  ~FakeRedis() {
    for (const auto& wire : wires_) wire->close();
  }

  std::unique_ptr<redis::Stream> make_stream() {
    std::erase_if(wires_, [](const auto& wire) { return wire->is_closed(); });
    wires_.push_back(std::make_shared<Wire>(io_));
    return std::make_unique<FakeStream>(wires_.back());
  }
  const std::vector<std::shared_ptr<Wire>>& wires() const { return wires_; }
  /// Something waits for a server to go on.
  bool have_work() const {
    return std::any_of(wires_.begin(), wires_.end(), [](const auto& wire) {
      return wire->is_connecting() || !wire->commands().empty() || wire->may_deliver();
    });
  }

  /// Where the slots from this one on belong to the second server of a cluster.
  int first_slot_of_second = 8000;

  /// Answers the oldest command of a connection, and sends on what it publishes.
  void answer(Wire& wire) {
    if (wire.commands().empty()) return;
    const std::vector<std::string> words = std::move(wire.commands().front());
    wire.commands().pop_front();
    const std::string& name = words.front();
    if (name == "SUBSCRIBE" || name == "SSUBSCRIBE" || name == "UNSUBSCRIBE" || name == "SUNSUBSCRIBE")
      return confirm(wire, words);
    if ((name == "PUBLISH" || name == "SPUBLISH") && words.size() == 3) return publish(wire, words);
    wire.say(reply_to(words));
  }

  /// Each connection gets on by one step, as it should.
  void go_on() {
    for (const auto& wire : std::vector(wires_)) {
      wire->accept(true);
      answer(*wire);
      wire->deliver(4096);
    }
  }

  static std::string text(std::string_view bytes) {
    return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
  }
  static std::string push(std::string_view kind, std::string_view channel, std::string_view payload) {
    return "*3\r\n" + text(kind) + text(channel) + text(payload);
  }

 private:
  static std::string lower(std::string word) {
    for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return word;
  }
  static void confirm(Wire& wire, const std::vector<std::string>& words) {
    const bool subscribes = words.front().find("UNSUB") == std::string::npos;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (subscribes)
        wire.subscribed().insert(words[i]);
      else
        wire.subscribed().erase(words[i]);
      wire.say("*3\r\n" + text(lower(words.front())) + text(words[i]) + ":1\r\n");
    }
  }
  void publish(Wire& wire, const std::vector<std::string>& words) {
    const char* const kind = words.front() == "PUBLISH" ? "message" : "smessage";
    for (const auto& other : wires_)
      if (other->endpoint() == wire.endpoint() && other->subscribed().contains(words[1]))
        other->say(push(kind, words[1], words[2]));
    wire.say(":1\r\n");
  }
  std::string reply_to(const std::vector<std::string>& words) {
    const std::string& name = words.front();
    if (name == "PING") return "+PONG\r\n";
    if (name == "EVAL" && words.size() > 1) return reply_to_script(words[1]);
    if (name == "SMEMBERS") return "*2\r\n" + text("red") + text("green");
    if (name == "SENTINEL") return "*2\r\n" + text("a") + text("1");
    if (name == "ROLE") return "*1\r\n" + text("master");
    if (name == "CLUSTER") return slots();
    if (name == "AUTH" || name == "SELECT" || name == "CLIENT") return "+OK\r\n";
    return ":1\r\n";
  }
  std::string reply_to_script(std::string_view script) {
    const std::string version = std::to_string(++version_);
    if (script == redis::query_script) return "*2\r\n" + text("ann") + text("");
    if (script == redis::renew_script) return "*2\r\n" + text("1") + text("dead node");
    if (script == redis::clean_script) return "*2\r\n" + text(version) + text("ben");
    return "*2\r\n:1\r\n:" + version + "\r\n";
  }
  std::string slots() const {
    const auto range = [](int first, int last, std::string_view host, int port) {
      return "*3\r\n:" + std::to_string(first) + "\r\n:" + std::to_string(last) + "\r\n*2\r\n" + text(host) +
             ":" + std::to_string(port) + "\r\n";
    };
    return "*2\r\n" + range(0, first_slot_of_second - 1, "a", 1) + range(first_slot_of_second, 16383, "b", 2);
  }

  asio::io_context& io_;
  std::vector<std::shared_ptr<Wire>> wires_;
  int version_ = 0;
};

}  // namespace fuzz
