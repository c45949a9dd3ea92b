// SPDX-License-Identifier: MIT
#pragma once
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// The flags of a program, declared once: `--name value` or `--name=value`, each bound to a variable that
/// already holds its default. `--help` prints them all.
class CommandLine {
 public:
  explicit CommandLine(std::string summary) : summary_(std::move(summary)) {}

  void text(std::string name, std::string placeholder, std::string& value, std::string help) {
    add(std::move(name), std::move(placeholder), with_default(help, value), [&value](std::string_view given) {
      value = given;
      return std::string{};
    });
  }

  /// May be given more than once.
  void list(std::string name, std::string placeholder, std::vector<std::string>& values, std::string help) {
    add(std::move(name), std::move(placeholder), std::move(help) + " (repeatable)",
        [&values](std::string_view given) {
          values.emplace_back(given);
          return std::string{};
        });
  }

  template <std::unsigned_integral Number>
  void number(std::string name, Number& value, std::string help, Number least = 0,
              Number most = std::numeric_limits<Number>::max()) {
    add(std::move(name), "N", with_default(help, std::to_string(value)),
        [=, &value](std::string_view given) { return parse_number(given, value, least, most); });
  }

  /// A whole number of milliseconds, bound to any duration.
  template <class Rep, class Period>
  void milliseconds(std::string name, std::chrono::duration<Rep, Period>& value, std::string help,
                    std::uint64_t least = 0) {
    using std::chrono::milliseconds;
    const auto now = std::chrono::duration_cast<milliseconds>(value).count();
    add(std::move(name), "MS", with_default(help, std::to_string(now)), [=, &value](std::string_view given) {
      constexpr std::uint64_t one_year = 365ULL * 24 * 60 * 60 * 1000;
      std::uint64_t count = 0;
      std::string error = parse_number(given, count, least, one_year);
      if (error.empty()) value = milliseconds(count);
      return error;
    });
  }

  /// One of a few words, each standing for a value.
  template <class Value>
  void choice(std::string name, Value& value, std::vector<std::pair<std::string, Value>> words,
              std::string help) {
    std::string placeholder, current;
    for (const auto& [word, meaning] : words) {
      placeholder += (placeholder.empty() ? "" : "|") + word;
      if (meaning == value) current = word;
    }
    add(std::move(name), placeholder, with_default(help, current),
        [words = std::move(words), placeholder, &value](std::string_view given) {
          for (const auto& [word, meaning] : words) {
            if (word != given) continue;
            value = meaning;
            return std::string{};
          }
          return "must be one of " + placeholder;
        });
  }

  /// A flag without a value.
  void flag(std::string name, bool& value, std::string help) {
    flags_.push_back({std::move(name), "", std::move(help), [&value](std::string_view) {
                        value = true;
                        return std::string{};
                      }});
  }

  /// Sets the variables; returns what is wrong, if anything, as a sentence for the user.
  std::optional<std::string> parse(std::span<const char* const> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      std::string_view name = arguments[i];
      std::optional<std::string_view> value;
      if (const auto equals = name.find('='); name.starts_with("--") && equals != name.npos) {
        value = name.substr(equals + 1);
        name = name.substr(0, equals);
      }
      const Flag* known = find(name);
      if (known == nullptr) return "unknown argument \"" + std::string(name) + "\"";
      if (known->placeholder.empty()) {
        if (value) return std::string(name) + " takes no value";
        value.emplace();
      } else if (!value) {
        if (i + 1 == arguments.size()) return std::string(name) + " needs a value";
        value = arguments[++i];
      }
      if (const std::string error = known->set(*value); !error.empty())
        return std::string(name) + " " + std::string(*value) + ": " + error;
    }
    return std::nullopt;
  }

  /// For a program's first lines: `--help` prints the help and ends with 0; a mistake is told and ends
  /// with 2.
  void parse_or_exit(int argc, const char* const* argv) {
    const std::span<const char* const> arguments(argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0));
    for (const std::string_view argument : arguments) {
      if (argument != "--help" && argument != "-h") continue;
      std::cout << help();
      std::exit(0);
    }
    if (const auto error = parse(arguments)) {
      std::cerr << argv[0] << ": " << *error << "\nTry --help.\n";
      std::exit(2);
    }
  }

  std::string help() const {
    std::string text = summary_ + "\n\n";
    for (const Flag& flag : flags_) {
      std::string line = "  " + flag.name + (flag.placeholder.empty() ? "" : " " + flag.placeholder);
      line.append(line.size() < 34 ? 34 - line.size() : 1, ' ');
      text += line + flag.help + "\n";
    }
    return text + "  --help                          this text\n";
  }

 private:
  struct Flag {
    std::string name, placeholder, help;
    std::function<std::string(std::string_view)> set;  // returns what is wrong with the value, or nothing
  };

  void add(std::string name, std::string placeholder, std::string help,
           std::function<std::string(std::string_view)> set) {
    flags_.push_back({std::move(name), std::move(placeholder), std::move(help), std::move(set)});
  }

  const Flag* find(std::string_view name) const {
    for (const Flag& flag : flags_)
      if (flag.name == name) return &flag;
    return nullptr;
  }

  static std::string with_default(const std::string& help, const std::string& value) {
    return value.empty() ? help : help + " [" + value + "]";
  }

  template <class Number>
  static std::string parse_number(std::string_view given, Number& value, Number least, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
    const bool is_number = error == std::errc{} && end == given.data() + given.size();
    if (is_number && number >= least && number <= most) {
      value = number;
      return {};
    }
    return "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  }

  std::string summary_;
  std::vector<Flag> flags_;
};

}  // namespace support
