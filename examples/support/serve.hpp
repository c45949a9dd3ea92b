// SPDX-License-Identifier: MIT
#pragma once
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <switchboard/switchboard.hpp>

#include "support/stop_on_signal.hpp"

namespace support {

/// A whole main(): says where it listens, runs until SIGINT or SIGTERM, and returns the exit code. `factory`
/// as of Server.
template <class App, class... Factory>
int serve(switchboard::Options<App> options, Factory... factory) {
  try {
    block_stop_signals();
    const bool is_v6 = options.address.find(':') != std::string::npos;
    const std::string host = is_v6 ? "[" + options.address + "]" : options.address;
    switchboard::Server<App> server(std::move(options), std::move(factory)...);
    std::cout << "listening on http://" << host << ':' << server.port() << std::endl;
    StopOnSignal stop([&server] { server.stop(); });
    server.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace support
