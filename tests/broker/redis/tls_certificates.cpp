// SPDX-License-Identifier: MIT
#include "broker/redis/support/tls_certificates.hpp"

#include "support/catch.hpp"

TEST_CASE("the fixture's TLS server speaks TLS on one port and plainly on the other") {
  const redis_test::TlsCertificates certificates;
  redis_test::TlsRedisServer server(certificates);
  CHECK(server("PING").text == "PONG");
  CHECK(server("CONFIG GET tls-port")[1].text == std::to_string(server.tls_port()));
  redis_test::RespClient plain(server.tls_port());
  CHECK_THROWS(plain("PING"));
}
