// SPDX-License-Identifier: MIT
// Two shared libraries, each with a server of its own, work on each other's objects.
#include <iostream>

#include "libraries.hpp"

namespace {

int failures = 0;

void check(bool is_so, std::string_view sentence) {
  if (is_so) return;
  std::cerr << "not so: " << sentence << '\n';
  ++failures;
}

}  // namespace

int main() {
  auto rooms = open_rooms();
  const switchboard::ServerHandle handle = rooms->handle();
  const std::string message = R"({"seq":1,"type":"message","channel":"news","data":42})";

  check(!announce(handle, "42"), "one library publishes through the handle of the other's server");
  check(rooms->receive() == message, "the client there has it");
  check(announce_at_home("42") == message, "both have a server at the same time");

  rooms.reset();
  const std::error_code error = announce(handle, "43");
  check(error == switchboard::errc::stopped, "a server that has ended says so");
  check(means_stopped(error), "and each library understands the other's errors");
  return failures;
}
