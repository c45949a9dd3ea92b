// SPDX-License-Identifier: MIT
// A user's program that has been told what it needs: the include path, Asio's macro, threads.
#ifndef ASIO_STANDALONE
#error "ASIO_STANDALONE has not come with the library"
#endif
#include <thread>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <switchboard/switchboard.hpp>

int main() {
  int heard = 0;
  switchboard::PubSubManager<int> rooms([&](int id, std::string_view, std::string_view) { heard += id; });
  rooms.subscribe(1, "news");
  asio::io_context context;
  asio::post(context, [&] { rooms.publish("news", "hello"); });
  std::thread([&] { context.run(); }).join();
  return heard == 1 ? 0 : 1;
}
