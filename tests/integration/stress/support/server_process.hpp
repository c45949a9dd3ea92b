// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "benchmarks/support/process_usage.hpp"
#include "server/web_socket.hpp"

namespace stress {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

/// Where an example program is: in the folder SWITCHBOARD_EXAMPLES, else where this build has put it.
inline std::string example(const std::string& name) {
  const char* folder = std::getenv("SWITCHBOARD_EXAMPLES");
  return std::string(folder != nullptr ? folder : STRESS_EXAMPLES) + "/" + name;
}

/// A build with sanitizers keeps memory that was freed, is slow, and looks at memory through descriptors of
/// its own: bounds on any of these say nothing there.
#if defined(__has_feature)
inline constexpr bool is_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

/// An example program on a free port; killed at the end if it still runs.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& program, std::vector<std::string> flags = {},
                         std::optional<rlim_t> max_descriptors = std::nullopt) {
    flags.insert(flags.begin(), {program, "--address", "127.0.0.1", "--port", "0"});
    std::vector<char*> arguments;
    for (std::string& flag : flags) arguments.push_back(flag.data());
    arguments.push_back(nullptr);
    int output[2];
    if (::pipe2(output, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(output[1], STDOUT_FILENO);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves no server behind
      if (::getppid() != parent) ::_exit(126);
      if (max_descriptors) {
        const rlimit limit{*max_descriptors, *max_descriptors};
        ::setrlimit(RLIMIT_NOFILE, &limit);
      }
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(output[1]);
    const std::string line = first_line(output[0]);
    ::close(output[0]);
    const std::size_t colon = line.rfind(':');
    if (!line.starts_with("listening on http://") || colon == line.npos)
      throw std::runtime_error(program + " did not say where it listens, but: " + line);
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() {
    if (has_ended()) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  void terminate() { ::kill(pid_, SIGTERM); }

  bool has_ended() { return has_ended_ || (has_ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_); }
  /// The exit code; −1 where a signal has ended it, −2 where it did not end in time.
  int wait_for_exit(Milliseconds limit) {
    if (!tcp::eventually([this] { return has_ended(); }, limit)) return -2;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

  /// A counter or gauge of /metrics, without its prefix.
  std::uint64_t metric(std::string_view name) const {
    const std::string answer = tcp::get(port_, "/metrics");
    const std::string line = "\nswitchboard_" + std::string(name) + " ";
    const std::size_t place = answer.find(line);
    if (place == answer.npos) throw std::runtime_error("no metric " + std::string(name));
    return std::stoull(answer.substr(place + line.size()));
  }

  std::uint64_t memory() const { return benchmark::memory_of(pid_).anonymous; }
  std::chrono::nanoseconds cpu_time() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(benchmark::cpu_nanoseconds(pid_)));
  }

 private:
  static std::string first_line(int descriptor) {
    std::string line;
    for (char byte = 0; ::read(descriptor, &byte, 1) == 1 && byte != '\n';) line += byte;
    return line;
  }

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  int status_ = 0;
  bool has_ended_ = false;
};

}  // namespace stress
