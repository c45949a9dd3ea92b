// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/types.h>

namespace benchmark {

/// The CPU time that all threads of another process have used, in nanoseconds.
/// schedstat counts in nanoseconds where utime and stime count ticks of 10 ms; it is at most one tick behind.
inline std::uint64_t cpu_nanoseconds(pid_t pid) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
    std::uint64_t on_cpu = 0;
    if (std::ifstream(thread.path() / "schedstat") >> on_cpu) sum += on_cpu;
  }
  if (error) throw std::runtime_error("no process " + std::to_string(pid) + ": " + error.message());
  return sum;
}

struct Memory {
  std::uint64_t resident = 0;   ///< bytes: VmRSS
  std::uint64_t anonymous = 0;  ///< bytes: Pss_Anon, the heap and stacks without the program's own pages
};

/// The user memory of another process. What the kernel holds for its sockets is not in it.
inline Memory memory_of(pid_t pid) {
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  if (!rollup) throw std::runtime_error("cannot read the memory of process " + std::to_string(pid));
  Memory memory;
  std::string word;
  for (std::uint64_t kilobytes = 0; rollup >> word;) {
    if (word == "Rss:" && rollup >> kilobytes) memory.resident = kilobytes * 1024;
    if (word == "Pss_Anon:" && rollup >> kilobytes) memory.anonymous = kilobytes * 1024;
  }
  return memory;
}

}  // namespace benchmark
