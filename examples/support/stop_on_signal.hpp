// SPDX-License-Identifier: MIT
#pragma once
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <utility>

namespace support {

/// Calls `stop` on a thread of its own at each SIGINT and SIGTERM. Block them first with
/// `block_stop_signals`, before there is any other thread: one that did not block them would be ended by
/// them.
class StopOnSignal {
 public:
  template <class Stop>
  explicit StopOnSignal(Stop stop)
      : thread_([stop = std::move(stop)](std::stop_token token) mutable {
          const sigset_t signals = stop_signals();
          for (int signal = 0; sigwait(&signals, &signal) == 0 && !token.stop_requested();) stop();
        }) {}

  ~StopOnSignal() {
    thread_.request_stop();
    pthread_kill(thread_.native_handle(), SIGTERM);  // wakes sigwait, in that thread only
  }

  static sigset_t stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
  }

 private:
  std::jthread thread_;
};

inline void block_stop_signals() {
  const sigset_t signals = StopOnSignal::stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace support
