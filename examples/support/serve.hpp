// SPDX-License-Identifier: MIT
#pragma once
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include <asio/signal_set.hpp>

#include <switchboard/switchboard.hpp>

namespace support {

/// A whole main(): says where it listens, runs until SIGINT or SIGTERM, and returns the exit code. `factory`
/// as of Server.
///
/// The first shard waits for the signals: a server of one shard is then a process of one thread, which the
/// kernel and the C library serve faster than one of two.
template <class App>
int serve(switchboard::Options<App> options,
          typename switchboard::Server<App>::Factory factory = switchboard::default_factory<App>) {
  try {
    const bool is_v6 = options.address.find(':') != std::string::npos;
    const std::string host = is_v6 ? "[" + options.address + "]" : options.address;
    asio::any_io_executor first_shard;
    switchboard::Server<App> server(std::move(options), [&](switchboard::Shard<App>& shard) {
      if (shard.index() == 0) first_shard = shard.executor();
      return factory(shard);
    });
    asio::signal_set signals(first_shard, SIGINT, SIGTERM);
    std::function<void()> wait = [&] {
      signals.async_wait([&](std::error_code error, int) {
        if (error) return;
        server.stop();
        wait();
      });
    };
    wait();
    std::cout << "listening on http://" << host << ':' << server.port() << std::endl;
    server.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace support
