// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/redis/support/redis_server.hpp"

namespace redis_test {

/// A certificate authority made for this test, and a server's certificate that it has signed for `name`.
class TlsCertificates {
 public:
  /// `name` as in a subjectAltName: "DNS:localhost,IP:127.0.0.1".
  explicit TlsCertificates(const std::string& name = "DNS:localhost,IP:127.0.0.1") {
    std::ofstream(folder_ / "extensions") << "subjectAltName=" << name << '\n';
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/CN=switchboard test authority", "-keyout", folder_ / "ca.key", "-out",
             authority()});
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=switchboard test server", "-keyout", key(), "-out", folder_ / "request"});
    openssl({"x509", "-req", "-in", folder_ / "request", "-CA", authority(), "-CAkey", folder_ / "ca.key",
             "-CAcreateserial", "-days", "2", "-extfile", folder_ / "extensions", "-out", certificate()});
  }

  std::string authority() const { return folder_ / "ca.pem"; }
  std::string certificate() const { return folder_ / "server.pem"; }
  std::string key() const { return folder_ / "server.key"; }

 private:
  void openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), find_program("openssl", "openssl"));
    ChildProcess process(arguments, folder_ / "log");
    if (!tcp::eventually([&] { return !process.is_running(); }) || process.exit_code() != 0)
      throw std::runtime_error("openssl did not make a certificate:\n" + process.log());
  }

  TemporaryFolder folder_;
};

/// A redis-server that speaks TLS on `tls_port`, and for the test's own client plain RESP on its `port`.
class TlsRedisServer : public RedisServer {
 public:
  explicit TlsRedisServer(const TlsCertificates& certificates, std::vector<std::string> flags = {})
      : TlsRedisServer(certificates, free_port(), std::move(flags)) {}

  std::uint16_t tls_port() const { return tls_port_; }
  std::string tls_url() const { return "rediss://127.0.0.1:" + std::to_string(tls_port_); }

 private:
  TlsRedisServer(const TlsCertificates& certificates, std::uint16_t tls_port, std::vector<std::string> flags)
      : RedisServer(with_tls(certificates, tls_port, std::move(flags))), tls_port_(tls_port) {}

  static std::vector<std::string> with_tls(const TlsCertificates& certificates, std::uint16_t port,
                                           std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--tls-port", std::to_string(port), "--tls-cert-file",
                               certificates.certificate(), "--tls-key-file", certificates.key(),
                               "--tls-ca-cert-file", certificates.authority(), "--tls-auth-clients", "no"});
    return flags;
  }

  std::uint16_t tls_port_;
};

}  // namespace redis_test
