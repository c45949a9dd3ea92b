// SPDX-License-Identifier: MIT
#include <array>
#include <optional>

#include <switchboard/broker/redis/tls.hpp>

#include "broker/redis/support/tls_certificates.hpp"
#include "support/catch.hpp"

namespace sb = switchboard;
using sb::redis::Endpoint;
using sb::redis::TlsContext;
using sb::redis::TlsStream;

namespace {

/// A stream whose operations are waited for.
class Client {
 public:
  explicit Client(const sb::TlsOptions& options)
      : stream(context_, counters_, std::make_shared<TlsContext>(options)) {}

  std::error_code connect(const Endpoint& endpoint) {
    std::optional<std::error_code> result;
    stream.connect(endpoint, [&](std::error_code error) { result = error; });
    run_until([&] { return result.has_value(); });
    return *result;
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      std::optional<std::size_t> written;
      stream.write(asio::buffer(bytes), [&](std::error_code error, std::size_t count) {
        REQUIRE_FALSE(error);
        written = count;
      });
      run_until([&] { return written.has_value(); });
      bytes.remove_prefix(*written);
    }
  }

  std::string read(std::size_t count) {
    std::string all;
    while (all.size() < count) {
      std::optional<std::size_t> taken;
      stream.read(asio::buffer(buffer_), [&](std::error_code error, std::size_t size) {
        REQUIRE_FALSE(error);
        taken = size;
      });
      run_until([&] { return taken.has_value(); });
      all.append(buffer_.data(), *taken);
    }
    return all;
  }

  template <class Condition>
  void run_until(Condition holds) {
    context_.restart();
    while (!holds()) REQUIRE(context_.run_one_for(tcp::patience) == 1);
  }

  void run_ready() {
    context_.restart();
    context_.poll();
  }

 private:
  asio::io_context context_;
  sb::redis::Counters counters_;
  std::array<char, 4096> buffer_{};

 public:
  TlsStream stream;
};

struct World {
  redis_test::TlsCertificates certificates;
  redis_test::TlsRedisServer server{certificates};
  sb::TlsOptions options{.authority_file = certificates.authority()};
  Endpoint endpoint{"127.0.0.1", server.tls_port()};
};

}  // namespace

TEST_CASE("the fixture's TLS server speaks TLS on one port and plainly on the other") {
  World world;
  CHECK(world.server("PING").text == "PONG");
  redis_test::RespClient plain(world.server.tls_port());
  CHECK_THROWS(plain("PING"));
}

TEST_CASE("bytes go both ways by TLS, more than a record at once") {
  World world;
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    Client client(world.options);
    REQUIRE_FALSE(client.connect({host, world.endpoint.port}));
    client.write("PING\r\n");
    CHECK(client.read(7) == "+PONG\r\n");
    const std::string large(100'000, 'x');
    client.write("*2\r\n$4\r\nECHO\r\n$100000\r\n" + large + "\r\n");
    CHECK(client.read(100'011) == "$100000\r\n" + large + "\r\n");
  }
}

TEST_CASE("a server whose certificate another authority has signed is not connected to") {
  World world;
  const redis_test::TlsCertificates others;
  Client client({.authority_file = others.authority()});
  CHECK_THAT(client.connect(world.endpoint).message(),
             Catch::Matchers::Contains("certificate verify failed"));
  Client with_the_systems_authorities({});
  CHECK_THAT(with_the_systems_authorities.connect(world.endpoint).message(),
             Catch::Matchers::Contains("certificate verify failed"));
}

TEST_CASE(
    "a server whose certificate bears another name is not connected to, unless that is the one expected") {
  const redis_test::TlsCertificates certificates("DNS:redis.internal");
  redis_test::TlsRedisServer server(certificates);
  Client strict({.authority_file = certificates.authority()});
  CHECK_THAT(strict.connect({"127.0.0.1", server.tls_port()}).message(),
             Catch::Matchers::Contains("certificate verify failed"));
  Client content({.authority_file = certificates.authority(), .server_name = "redis.internal"});
  CHECK_FALSE(content.connect({"127.0.0.1", server.tls_port()}));
}

TEST_CASE("a server that wants a certificate of its clients gets it") {
  const redis_test::TlsCertificates certificates;
  redis_test::TlsRedisServer server(certificates, {"--tls-auth-clients", "yes"});
  Client client({.authority_file = certificates.authority(),
                 .certificate_file = certificates.certificate(),
                 .key_file = certificates.key()});
  REQUIRE_FALSE(client.connect({"127.0.0.1", server.tls_port()}));
  client.write("PING\r\n");
  CHECK(client.read(7) == "+PONG\r\n");
}

TEST_CASE(
    "a connection to a server that does not answer the handshake ends with an error when it is closed") {
  World world;
  Client client(world.options);
  std::optional<std::error_code> result;
  client.stream.connect({"127.0.0.1", world.server.port()}, [&](std::error_code error) { result = error; });
  // Redis takes the handshake for the beginning of a command.
  redis_test::wait_until("the server's new connection", [&] {
    client.run_ready();
    return redis_test::field_of(world.server("INFO clients").text, "connected_clients") == "2";
  });
  CHECK_FALSE(result);
  client.stream.close();
  client.run_until([&] { return result.has_value(); });
  CHECK(*result);
}

TEST_CASE("a server that is killed, or is left, ends the connection with an error") {
  World world;
  Client client(world.options);
  REQUIRE_FALSE(client.connect(world.endpoint));
  std::array<char, 16> buffer;
  std::optional<std::error_code> ended;
  const auto note = [&](std::error_code error, std::size_t) { ended = error; };
  client.stream.read(asio::buffer(buffer), note);
  world.server.kill();
  client.run_until([&] { return ended.has_value(); });
  CHECK(*ended);
  CHECK(Client(world.options).connect(world.endpoint));

  world.server.start();
  Client leaving(world.options);
  REQUIRE_FALSE(leaving.connect(world.endpoint));
  ended.reset();
  leaving.stream.read(asio::buffer(buffer), note);
  leaving.stream.close();
  leaving.run_until([&] { return ended.has_value(); });
  CHECK(*ended);
}

TEST_CASE("files of TLS that cannot be used are told by name at the start") {
  CHECK_THROWS_WITH(TlsContext({.authority_file = "/no/such.pem"}),
                    Catch::Matchers::Contains("/no/such.pem"));
  CHECK_THROWS_WITH(TlsContext({.certificate_file = "/no/such.pem"}),
                    "TLS: certificate_file and key_file come together");
  CHECK_THROWS_WITH(TlsContext({.certificate_file = "/no/such.pem", .key_file = "/no/such.key"}),
                    Catch::Matchers::Contains("/no/such.pem"));
}
