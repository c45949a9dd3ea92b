// SPDX-License-Identifier: MIT
// Internal: answers of Redis out of bytes, by hiredis.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <hiredis/read.h>

#include <switchboard/requirements.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// An answer of Redis, or what it pushes to a subscriber.
struct Reply {
  enum class Type { text, array, integer, nothing, status, error };

  bool is_error() const { return type == Type::error; }
  /// The text of an element; empty if there is none.
  std::string_view operator[](std::size_t index) const {
    return index < elements.size() ? std::string_view(elements[index]->text) : std::string_view();
  }

  Type type = Type::nothing;
  long long integer = 0;
  std::string text;  ///< of a text, status or error
  std::vector<Reply*> elements;
};

/// Replies out of bytes: hiredis' reader, with objects that are used again for the next reply.
class ReplyReader {
 public:
  /// `largest`: bytes that may be held for one reply; beyond, the peer is taken for something else.
  explicit ReplyReader(std::size_t largest = std::size_t{256} << 20) : largest_(largest) { reset(); }

  /// For a new connection.
  void reset() {
    functions_ = {};
    functions_.createString = &create_string;
    set_array_function(functions_.createArray);
    functions_.createInteger = &create_integer;
    functions_.createNil = &create_nothing;
    functions_.freeObject = [](void*) {};
    reader_.reset(redisReaderCreateWithFunctions(&functions_));
    if (!reader_) throw std::bad_alloc();
    reader_->privdata = this;
    used_ = 0;
    has_failed_ = false;
  }

  /// `handle(Reply&)` for each reply that is complete, while it returns true; what it is given lasts until it
  /// returns. False: this is not Redis' protocol, and nothing more is read.
  template <class Handle>
  bool read(std::string_view bytes, Handle handle) {
    // In slices: hiredis moves what it has not read yet to the front of its buffer again and again.
    constexpr std::size_t slice = 8192;
    while (!bytes.empty() && !has_failed_) {
      const std::string_view part = bytes.substr(0, std::min(slice, bytes.size()));
      bytes.remove_prefix(part.size());
      if (redisReaderFeed(reader_.get(), part.data(), part.size()) != REDIS_OK) return fail();
      if (reader_->len > largest_) return fail();
      for (void* reply = nullptr;;) {
        if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) return fail();
        if (reply == nullptr) break;
        const bool goes_on = handle(*static_cast<Reply*>(reply));
        used_ = 0;
        if (!goes_on) return true;
      }
    }
    return !has_failed_;
  }

 private:
  struct Free {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };

  bool fail() {
    has_failed_ = true;
    return false;
  }

  static Reply* create(const redisReadTask* task, Reply::Type type) {
    auto& self = *static_cast<ReplyReader*>(task->privdata);
    if (self.used_ == self.replies_.size()) self.replies_.push_back(std::make_unique<Reply>());
    Reply* const reply = self.replies_[self.used_++].get();
    reply->type = type;
    reply->integer = 0;
    constexpr std::size_t kept = std::size_t{64} << 10;
    if (reply->text.capacity() > kept) reply->text = {};
    reply->text.clear();
    reply->elements.clear();
    if (task->parent != nullptr) static_cast<Reply*>(task->parent->obj)->elements.push_back(reply);
    return reply;
  }
  static void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    const Reply::Type type = task->type == REDIS_REPLY_ERROR    ? Reply::Type::error
                             : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                                : Reply::Type::text;
    Reply* const reply = create(task, type);
    reply->text.assign(text, size);
    return reply;
  }
  template <class Size>  // int before hiredis 1.0, size_t from then on
  static void* create_array(const redisReadTask* task, Size) {
    return create(task, Reply::Type::array);
  }
  template <class Size>
  static void set_array_function(void* (*&function)(const redisReadTask*, Size)) {
    function = &create_array<Size>;
  }
  static void* create_integer(const redisReadTask* task, long long value) {
    Reply* const reply = create(task, Reply::Type::integer);
    reply->integer = value;
    return reply;
  }
  static void* create_nothing(const redisReadTask* task) { return create(task, Reply::Type::nothing); }

  std::size_t largest_;
  redisReplyObjectFunctions functions_{};
  std::unique_ptr<redisReader, Free> reader_;
  std::vector<std::unique_ptr<Reply>> replies_;  // those of the reply that is being read come first
  std::size_t used_ = 0;
  bool has_failed_ = false;
};

}  // namespace redis
}  // namespace switchboard::inline v1
