// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <switchboard/server/server.hpp>

namespace switchboard::inline v1 {
namespace testing {

/// The real server, sockets, threads and clock included, on a free port of the loopback interface; it runs in
/// the background until this object goes. For what TestApp cannot show.
template <class App>
class TestServer {
 public:
  /// Makes the App of a shard, as Server::Factory.
  using Factory = typename Server<App>::Factory;

  /// `options.address` and `options.port` are replaced. Throws what Server's constructor does.
  explicit TestServer(Options<App> options = {}, Factory factory = default_factory<App>)
      : path_(options.path),
        server_(on_loopback(std::move(options)), std::move(factory)),
        thread_([this] { run(); }) {}

  /// Cuts whoever is left. What run() threw, and nobody has had from `stop`, ends the program.
  ~TestServer() {
    server_.stop(Duration::zero());
    if (thread_.joinable()) thread_.join();
    if (error_) std::rethrow_exception(error_);  // std::terminate, which says what it was
  }

  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  /// The free port that was found on 127.0.0.1.
  std::uint16_t port() const { return server_.port(); }
  /// `http://127.0.0.1:PORT` and what follows.
  std::string http_url(std::string_view target = "/") const {
    return "http://" + host() + std::string(target);
  }
  /// The WebSocket's URL, with a query that is given without its question mark.
  std::string url(std::string_view query = {}) const {
    return "ws://" + host() + path_ + (query.empty() ? "" : "?" + std::string(query));
  }
  /// `127.0.0.1:PORT`, as a Host header has it.
  std::string host() const { return "127.0.0.1:" + std::to_string(port()); }

  /// For what is not below. `run` has been called.
  Server<App>& server() { return server_; }
  /// The server's handle. Any thread.
  ServerHandle handle() const { return server_.handle(); }
  /// The server's numbers. Any thread.
  Metrics metrics() const { return server_.metrics(); }

  /// Stops, draining, and waits for the end; rethrows what run() threw.
  void stop(Duration drain = std::chrono::seconds(10)) {
    server_.stop(drain);
    if (thread_.joinable()) thread_.join();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  static Options<App> on_loopback(Options<App> options) {
    options.address = "127.0.0.1";
    options.port = 0;
    return options;
  }

  void run() {
    try {
      server_.run();
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  std::string path_;
  Server<App> server_;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace testing
}  // namespace switchboard::inline v1
