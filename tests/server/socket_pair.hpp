// SPDX-License-Identifier: MIT
#pragma once
#include <sys/socket.h>

#include <switchboard/server/socket.hpp>

#include "support/catch.hpp"

/// Two connected sockets that do not block.
struct SocketPair {
  SocketPair() {
    int both[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0);
    for (const int socket : both) switchboard::net::make_non_blocking(socket);
    ours = switchboard::net::FileDescriptor{both[0]};
    peer = switchboard::net::FileDescriptor{both[1]};
  }
  switchboard::net::FileDescriptor ours, peer;
};
