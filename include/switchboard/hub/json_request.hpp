// SPDX-License-Identifier: MIT
// Internal: a client's text message, read without building a tree.
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <switchboard/hub/error_code.hpp>

namespace switchboard::inline v1 {

/// A top-level member of a request that the hub itself understands.
struct RequestField {
  enum class Type : std::uint8_t { absent, null, boolean, number, string, array, object };
  Type type = Type::absent;
  bool boolean = false;
  std::string string;        ///< a string's value, escapes resolved
  std::string_view written;  ///< the value as it came, byte for byte

  bool is_present() const { return type != Type::absent; }
};

/// What a text message asks for, read without building a tree: a client's nesting cannot cost us stack or
/// memory, and `data` can be forwarded as the bytes that came.
struct JsonRequest {
  RequestField action, channel, data, id, presence, type, seq;
  /// Why the text is no request at all; the fields are then unspecified.
  std::optional<ErrorCode> error;

  /// `{"type":"ping"}` or `{"type":"pong"}`, without an action.
  bool is_heartbeat() const {
    return !action.is_present() && type.type == RequestField::Type::string &&
           (type.string == "ping" || type.string == "pong");
  }
};

/// Whether a request's "id" is one that an answer can repeat: a string or a number, at most 128 bytes as
/// written.
inline bool is_request_id(const RequestField& id) {
  const bool is_scalar = id.type == RequestField::Type::string || id.type == RequestField::Type::number;
  return is_scalar && id.written.size() <= 128;
}

namespace detail {

/// Tells how far nlohmann's lexer has read, from which the span of a value follows.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* position, const char** read) : position_(position), read_(read) {}
  reference operator*() const { return *position_; }
  CountingIterator& operator++() {
    *read_ = ++position_;
    return *this;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.position_ == b.position_;
  }

 private:
  const char* position_;
  const char** read_;
};

/// Checks the depth, and of the top-level object keeps the members that the hub knows.
class RequestReader final : public nlohmann::json::json_sax_t {
 public:
  using Type = RequestField::Type;
  static constexpr int max_depth = 64;

  RequestReader(JsonRequest& request, const char*& read) : request_(request), read_(read) {}

  bool null() override { return value(Type::null, 0); }
  bool boolean(bool b) override {
    if (depth_ == 1 && field_ != nullptr) field_->boolean = b;
    return value(Type::boolean, 0);
  }
  // The lexer has read one character past a number before it knows that it has ended.
  bool number_integer(std::int64_t) override { return value(Type::number, 1); }
  bool number_unsigned(std::uint64_t) override { return value(Type::number, 1); }
  bool number_float(double, const std::string&) override { return value(Type::number, 1); }
  bool string(std::string& text) override {
    if (depth_ == 1 && field_ != nullptr) field_->string = std::move(text);
    return value(Type::string, 0);
  }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(Type::object); }
  bool end_array() override { return close(Type::array); }
  bool key(std::string& name) override {
    if (depth_ == 1) {
      field_ = find(name);
      if (field_ != nullptr) *field_ = {};
      key_end_ = read_;
    }
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    if (!request_.error) request_.error = ErrorCode::json_invalid;
    return false;
  }

  bool is_object() const { return is_object_; }

 private:
  RequestField* find(std::string_view name) {
    if (name == "action") return &request_.action;
    if (name == "channel") return &request_.channel;
    if (name == "data") return &request_.data;
    if (name == "id") return &request_.id;
    if (name == "presence") return &request_.presence;
    if (name == "type") return &request_.type;
    if (name == "seq") return &request_.seq;
    return nullptr;
  }

  bool open(bool object) {
    if (depth_ == 0) is_object_ = object;
    if (++depth_ <= max_depth) return true;
    request_.error = ErrorCode::json_too_deep;
    return false;
  }
  bool close(Type type) {
    --depth_;
    return value(type, 0);
  }
  bool value(Type type, std::ptrdiff_t read_ahead) {
    if (depth_ != 1 || field_ == nullptr || !is_object_) return true;
    const char* begin = key_end_;
    while (*begin != ':') ++begin;
    do ++begin;
    while (*begin == ' ' || *begin == '\t' || *begin == '\n' || *begin == '\r');
    field_->type = type;
    field_->written = {begin, static_cast<std::size_t>(read_ - read_ahead - begin)};
    field_ = nullptr;
    return true;
  }

  JsonRequest& request_;
  const char*& read_;
  RequestField* field_ = nullptr;
  const char* key_end_ = nullptr;
  int depth_ = 0;
  bool is_object_ = false;
};

/// Builds the tree. Of a repeated key the last counts.
class TreeBuilder final : public nlohmann::json::json_sax_t {
 public:
  using Json = nlohmann::json;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(std::int64_t value) override { return put(value); }
  bool number_unsigned(std::uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::value_t::object); }
  bool start_array(std::size_t) override { return open(Json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    member_ = &(*open_.back())[name];
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

  Json take() { return std::move(root_); }

 private:
  bool put(Json value) {
    place() = std::move(value);
    return true;
  }
  bool open(Json::value_t type) {
    Json& here = place();
    here = Json(type);
    open_.push_back(&here);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  // Where the next value belongs. Earlier elements of an array may move, but none of them is open.
  Json& place() {
    if (open_.empty()) return root_;
    if (!open_.back()->is_array()) return *member_;
    open_.back()->push_back(nullptr);
    return open_.back()->back();
  }

  Json root_;
  std::vector<Json*> open_;
  Json* member_ = nullptr;
};

/// What nlohmann::json::sax_parse does for text, for any handler: nlohmann's own entry points instantiate the
/// readers of all binary formats, and a parser for each type of handler, which made up a sixth of what a
/// user's program compiled. `read` tells how far the lexer is. False: no JSON, or the handler has had enough.
inline bool read_json(std::string_view text, const char*& read, nlohmann::json::json_sax_t& handler) {
  read = text.data();
  auto input = nlohmann::detail::input_adapter(CountingIterator(text.data(), &read),
                                               CountingIterator(text.data() + text.size(), &read));
  return nlohmann::detail::parser<nlohmann::json, decltype(input)>(std::move(input)).sax_parse(&handler);
}

}  // namespace detail

/// Reads a text message. `text` must outlive the result's `written` views. Of a repeated key the last counts.
inline JsonRequest read_json_request(std::string_view text) {
  JsonRequest request;
  // nlohmann skips a byte order mark and takes NUL for the end; neither is JSON, nor may it be forwarded as
  // such.
  if (text.starts_with("\xef\xbb\xbf") || text.find('\0') != std::string_view::npos) {
    request.error = ErrorCode::json_invalid;
    return request;
  }
  const char* read = nullptr;
  detail::RequestReader reader(request, read);
  detail::read_json(text, read, reader);
  if (!request.error && !reader.is_object()) request.error = ErrorCode::message_not_object;
  return request;
}

/// The tree of a text that read_json_request has accepted.
inline nlohmann::json parse_json(std::string_view text) {
  const char* read = nullptr;
  detail::TreeBuilder tree;
  detail::read_json(text, read, tree);
  return tree.take();
}

/// Whether `text` is JSON of at most 64 levels, and an object where `object` asks for one.
inline bool is_sendable_json(std::string_view text, bool object = false) {
  const JsonRequest request = read_json_request(text);
  if (request.error == ErrorCode::message_not_object) return !object;
  return !request.error && !(object && request.seq.is_present());
}

}  // namespace switchboard::inline v1
