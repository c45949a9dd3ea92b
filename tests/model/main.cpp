// SPDX-License-Identifier: MIT
// Usage: see README.md beside this file.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "describe.hpp"
#include "run.hpp"

#ifdef SWITCHBOARD_PLANTED_BUG
int switchboard_planted_bug = 0;  // see planted_bug.hpp
#endif

namespace {

using namespace model;
using Chosen = std::vector<std::size_t>;

struct Arguments {
  std::uint64_t first = 0, runs = 1000;
  Chosen events;  // none: all
  int bug = 0;
  bool must_fail = false;
  std::string program;
};

std::array<char, 256> last_words{};  // for a crash: a handler of signals may not format

void crash(int signal) {
  const char* const text = last_words.data();
  static_cast<void>(::write(STDERR_FILENO, text, std::char_traits<char>::length(text)));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::optional<std::string> run(const Schedule& schedule, const Chosen& chosen) {
  Counts ignored;
  return model::run(schedule, chosen, ignored);
}

/// What went wrong, whatever the numbers.
std::string without_digits(std::string text) {
  std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
  return text;
}

/// Leaves out what this failure does not need.
Chosen shrink(const Schedule& schedule, Chosen chosen, const std::string& wrong) {
  for (std::size_t piece = std::max<std::size_t>(chosen.size() / 2, 1);; piece /= 2) {
    for (std::size_t at = 0; at < chosen.size();) {
      Chosen fewer = chosen;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(piece, fewer.size() - at)));
      const auto still_wrong = run(schedule, fewer);
      if (still_wrong && without_digits(*still_wrong) == without_digits(wrong))
        chosen = std::move(fewer);
      else
        at += piece;
    }
    if (piece == 1) return chosen;
  }
}

std::string replay_command(const Arguments& arguments, std::uint64_t seed, const Chosen* chosen) {
  std::string command = arguments.program + " --seed " + std::to_string(seed);
  if (arguments.bug != 0) command += " --bug " + std::to_string(arguments.bug);
  if (chosen == nullptr) return command;
  for (std::size_t i = 0; i < chosen->size(); ++i)
    command += (i == 0 ? " --events " : ",") + std::to_string((*chosen)[i]);
  return command;
}

void print(const Schedule& schedule, const Chosen& chosen) {
  for (const std::size_t i : chosen) std::printf("%5zu  %s\n", i, describe(schedule.events.at(i)).c_str());
}

void report(const Arguments& arguments, const Schedule& schedule, const Chosen& chosen,
            const std::string& wrong) {
  const std::uint64_t seed = schedule.config.seed;
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), describe(schedule.config).c_str());
  print(schedule, chosen);
  std::printf("FAILED: %s\nreplay: %s\n", wrong.c_str(),
              replay_command(arguments, seed, arguments.events.empty() ? nullptr : &chosen).c_str());
  if (!arguments.events.empty()) return;
  const Chosen fewer = shrink(schedule, chosen, wrong);
  std::printf("\nThese %zu of its %zu events are enough:\n", fewer.size(), chosen.size());
  print(schedule, fewer);
  const auto still_wrong = run(schedule, fewer);
  std::printf("FAILED: %s\nreplay: %s\n", still_wrong.value_or("no more").c_str(),
              replay_command(arguments, seed, &fewer).c_str());
}

Chosen parse_events(std::string_view list) {
  Chosen chosen;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    chosen.push_back(std::stoul(std::string(list.substr(0, comma))));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return chosen;
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  arguments.program = values[0];
  if (const char* runs = std::getenv("SWITCHBOARD_MODEL_RUNS"))
    arguments.runs = std::strtoull(runs, nullptr, 10);
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    if (name == "--must-fail") {
      arguments.must_fail = true;
      continue;
    }
    if (i + 1 == count) throw std::invalid_argument("a value is missing behind " + std::string(name));
    const std::string value = values[++i];
    if (name == "--seed") {
      arguments.first = std::stoull(value);
      arguments.runs = 1;
    } else if (name == "--first") {
      arguments.first = std::stoull(value);
    } else if (name == "--runs") {
      arguments.runs = std::stoull(value);
    } else if (name == "--events") {
      arguments.events = parse_events(value);
    } else if (name == "--bug") {
      arguments.bug = std::stoi(value);
    } else {
      throw std::invalid_argument("unknown: " + std::string(name));
    }
  }
  return arguments;
}

void print(const Counts& sum, std::uint64_t runs) {
  std::printf("%llu runs are right:", static_cast<unsigned long long>(runs));
  for (std::size_t i = 0; i < Counts::size; ++i)
    std::printf("%s %llu %s", i == 0 ? "" : ",", static_cast<unsigned long long>(sum.values[i]),
                Counts::names[i]);
  std::printf("\n");
}

/// The schedules must reach what they are for, and what is allowed as an exception must be one.
bool are_fair(const Counts& sum) {
  for (std::size_t i = 0; i < Counts::size; ++i) {
    if (sum.values[i] > 0 || i == Counts::late_moves) continue;
    std::printf("FAILED: no schedule had any %s\n", Counts::names[i]);
    return false;
  }
  // Late ones are told as new sessions. 1.3 % were when this was written: links are lost, moves follow moves.
  if (sum.values[Counts::late_moves] * 50 <= sum.values[Counts::moves]) return true;
  std::printf("FAILED: too many moves came too late\n");
  return false;
}

int run_all(const Arguments& arguments) {
  Counts sum;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.runs; ++seed) {
    const Schedule schedule = make_schedule(seed);
    Chosen chosen = arguments.events;
    if (chosen.empty()) {
      chosen.resize(schedule.events.size());
      std::iota(chosen.begin(), chosen.end(), std::size_t{0});
    }
    std::snprintf(last_words.data(), last_words.size(), "CRASHED\nreplay: %s\n",
                  replay_command(arguments, seed, arguments.events.empty() ? nullptr : &chosen).c_str());
    Counts counts;
    if (const auto wrong = run(schedule, chosen, counts)) {
      if (arguments.must_fail) {
        std::printf("bug %d was found by seed %llu: %s\n", arguments.bug,
                    static_cast<unsigned long long>(seed), wrong->c_str());
        return 0;
      }
      report(arguments, schedule, chosen, *wrong);
      return 1;
    }
    sum.add(counts);
  }
  print(sum, arguments.runs);
  if (arguments.must_fail) std::printf("FAILED: bug %d was not found\n", arguments.bug);
  if (arguments.must_fail) return 1;
  return arguments.runs < 500 || are_fair(sum) ? 0 : 1;
}

}  // namespace

int main(int count, char** values) try {
  const Arguments arguments = parse(count, values);
#ifdef SWITCHBOARD_PLANTED_BUG
  switchboard_planted_bug = arguments.bug;
#else
  if (arguments.bug != 0) throw std::invalid_argument("this program was built without bugs");
#endif
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE}) std::signal(signal, crash);
  return run_all(arguments);
} catch (const std::exception& exception) {
  std::fprintf(stderr, "%s\n", exception.what());
  return 2;
}
