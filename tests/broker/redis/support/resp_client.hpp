// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/tcp_client.hpp"

namespace redis_test {

/// What a Redis answered (RESP2).
struct Reply {
  enum class Kind { status, error, integer, bulk, array, nil };
  Kind kind = Kind::nil;
  std::string text;  ///< of a status, an error (without its '-') or a bulk string
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  bool is_error() const { return kind == Kind::error; }
  /// Throws std::out_of_range where there is none.
  const Reply& operator[](std::size_t index) const { return elements.at(index); }
};

/// A blocking client for tests, independent of the library's: one command, one answer. A read gives up after
/// ten seconds by throwing.
class RespClient {
 public:
  explicit RespClient(std::uint16_t port) : socket_(port) {}

  Reply command(const std::vector<std::string>& arguments) {
    send(arguments);
    return receive();
  }
  /// Words parted by spaces: `client("SET key value")`.
  Reply operator()(std::string_view words) {
    std::vector<std::string> arguments;
    for (std::size_t start = 0; start < words.size();) {
      const std::size_t end = std::min(words.find(' ', start), words.size());
      if (end > start) arguments.emplace_back(words.substr(start, end - start));
      start = end + 1;
    }
    return command(arguments);
  }

  /// Without waiting for the answer: for subscriptions, and for pipelines.
  void send(const std::vector<std::string>& arguments) {
    std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string& argument : arguments)
      bytes += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
    socket_.send(bytes);
  }

  Reply receive() {
    std::string line = socket_.read_line();
    if (line.size() < 2 || line.back() != '\r') throw std::runtime_error("this is no RESP: " + line);
    line.pop_back();
    const char type = line.front();
    const std::string rest = line.substr(1);
    switch (type) {
      case '+':
        return {Reply::Kind::status, rest, 0, {}};
      case '-':
        return {Reply::Kind::error, rest, 0, {}};
      case ':':
        return {Reply::Kind::integer, {}, std::stoll(rest), {}};
      case '$':
        return bulk(std::stoll(rest));
      case '*':
        return array(std::stoll(rest));
      default:
        throw std::runtime_error("this is no RESP: " + line);
    }
  }

 private:
  Reply bulk(std::int64_t size) {
    if (size < 0) return {};
    std::string text = socket_.read(static_cast<std::size_t>(size) + 2);
    text.resize(static_cast<std::size_t>(size));
    return {Reply::Kind::bulk, std::move(text), 0, {}};
  }

  Reply array(std::int64_t size) {
    if (size < 0) return {};
    Reply reply{Reply::Kind::array, {}, 0, {}};
    for (std::int64_t i = 0; i < size; ++i) reply.elements.push_back(receive());
    return reply;
  }

  tcp::Client socket_;
};

}  // namespace redis_test
