// SPDX-License-Identifier: MIT
// Internal: the threads of a server, started and ended together.
#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <switchboard/broker/detail/post_function.hpp>
#include <switchboard/server/shard_loop.hpp>

namespace switchboard::inline v1 {

/// The shards of a server, each with its thread, or a single one on a context of the user's; started
/// together, and ended together once all have drained.
template <class Loop>
class ShardGroup {
 public:
  /// `count` shards on threads of the group's: the caller of run() and `count` − 1 more.
  explicit ShardGroup(unsigned count) {
    for (unsigned i = 0; i < count; ++i) own_contexts_.push_back(std::make_unique<asio::io_context>(1));
    for (const auto& context : own_contexts_) contexts_.push_back(context.get());
  }
  /// One shard on the user's context, which exactly one thread runs.
  explicit ShardGroup(asio::io_context& context) : contexts_{&context} {}

  ShardGroup(const ShardGroup&) = delete;

  /// On the thread that runs the user's context, or when nothing runs.
  ~ShardGroup() {
    for (const auto& loop : loops_) loop->finish();
    loops_.clear();
    own_contexts_
        .clear();  // with it go the coroutines that are still suspended, and the shards that they kept
  }

  unsigned size() const { return static_cast<unsigned>(contexts_.size()); }
  asio::io_context& context(unsigned shard) { return *contexts_[shard]; }
  const std::vector<std::shared_ptr<Loop>>& loops() const { return loops_; }

  /// Makes each shard by `make(context, shard, count)` and lets them know each other. Returns where commands
  /// go.
  template <class Make>
  std::shared_ptr<CommandTarget> make_loops(Make&& make) {
    std::vector<std::weak_ptr<Loop>> all;
    std::vector<std::shared_ptr<CommandInbox>> inboxes;
    for (unsigned i = 0; i < size(); ++i) {
      loops_.push_back(make(context(i), i, size()));
      loops_.back()->open_inbox();
      all.push_back(loops_.back());
      inboxes.push_back(loops_.back()->inbox());
    }
    for (const auto& loop : loops_) loop->connect(all);
    draining_ = std::make_shared<std::atomic<std::size_t>>(loops_.size());
    return std::make_shared<CommandRouter>(std::move(inboxes));
  }

  /// Gives each shard its listener, or the first one all of them.
  void add_listeners(net::ListenerSet set) {
    if (set.listeners.size() < loops_.size()) loops_.front()->deal_out_sockets();
    for (std::size_t i = 0; i < set.listeners.size(); ++i)
      loops_[i]->add_listener(std::move(set.listeners[i]), false);
  }

  /// Before start(): what is to be done when all shards have drained, on any of their threads.
  void on_end(std::function<void()> function) { on_end_ = std::move(function); }

  /// Own threads: runs until stop() has been called and all shards have drained. Once; a later call returns
  /// at once. An exception out of a shard ends all of them and comes out here.
  void run() {
    require(!own_contexts_.empty(), "a server on a context of the user's is run by that context");
    start();
    std::vector<std::thread> threads;
    threads.reserve(loops_.size());
    try {
      for (unsigned i = 1; i < size(); ++i) threads.emplace_back([this, i] { run_shard(i); });
    } catch (...) {
      fail(std::current_exception());
    }
    run_shard(0);
    for (std::thread& thread : threads) thread.join();
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  /// Begins to accept.
  void start() {
    if (std::exchange(is_started_, true)) return;
    for (const auto& loop : loops_) loop->start();
  }

  /// Any thread, any number of times, before run() and start() too.
  void stop(Duration drain) {
    const TimePoint deadline = steady_now() + std::min<Duration>(drain, std::chrono::hours(24));
    const auto drain_all = [shards = ends(), deadline, ended = ended_callback()] {
      on_every_shard(shards, [deadline, ended](Loop& loop) { loop.drain(deadline, ended); }, [] {});
    };
    if (size() == 1) return drain_all();
    // What one shard has accepted must reach the clients of the others before their last frame. So all stop
    // reading; what they published until then is handed over in the round after; only then do they close.
    const auto hand_over = [shards = ends(), drain_all] { on_every_shard(shards, [](Loop&) {}, drain_all); };
    on_every_shard(ends(), [](Loop& loop) { loop.hold_input(); }, hand_over);
  }

 private:
  static void require(bool condition, const char* text) {
    if (!condition) throw std::logic_error(text);
  }

  // Shards end together: until the last has drained, any may still hand a socket to another.
  std::function<void()> ended_callback() {
    return [left = draining_, ends = ends(), owns_contexts = !own_contexts_.empty(), on_end = on_end_] {
      if (left->fetch_sub(1) != 1) return;
      if (on_end) on_end();
      for (const End& end : ends)
        detail::post_function(end.context->get_executor(), [end, owns_contexts] {
          if (const auto loop = end.loop.lock()) loop->finish();
          if (owns_contexts) end.context->stop();  // a handler that sleeps on is not waited for
        });
    };
  }

  struct End {
    std::weak_ptr<Loop> loop;
    asio::io_context* context;
  };

  // Calls `action(loop)` on each shard's thread, then `then()` on that of the last.
  template <class Action, class Then>
  static void on_every_shard(const std::vector<End>& shards, Action action, Then then) {
    const auto left = std::make_shared<std::atomic<std::size_t>>(shards.size());
    for (const End& shard : shards)
      detail::post_function(shard.context->get_executor(), [weak = shard.loop, action, then, left] {
        if (const auto loop = weak.lock()) action(*loop);
        if (left->fetch_sub(1) == 1) then();
      });
  }

  std::vector<End> ends() const {
    std::vector<End> result;
    result.reserve(size());
    for (unsigned i = 0; i < size(); ++i) result.push_back({loops_[i], contexts_[i]});
    return result;
  }

  void run_shard(unsigned shard) {
    try {
      context(shard).run();
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void fail(std::exception_ptr error) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::move(error);
    }
    for (asio::io_context* context : contexts_) context->stop();
  }

  std::vector<std::unique_ptr<asio::io_context>> own_contexts_;
  std::vector<asio::io_context*> contexts_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::shared_ptr<std::atomic<std::size_t>> draining_;
  std::function<void()> on_end_;
  bool is_started_ = false;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace switchboard::inline v1
