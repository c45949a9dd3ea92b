// SPDX-License-Identifier: MIT
// A user's program that has been given switchboard::redis and switchboard::tls.
#include <openssl/ssl.h>

#include <switchboard/broker/redis/reply_reader.hpp>

int main() {
  std::string heard;
  switchboard::redis::ReplyReader reader;
  reader.read("+PONG\r\n", [&](const switchboard::redis::Reply& reply) {
    heard = reply.text;
    return true;
  });
  const bool has_tls = OpenSSL_version_num() >= 0x10101000L && TLS_client_method() != nullptr;
  return heard == "PONG" && has_tls ? 0 : 1;
}
