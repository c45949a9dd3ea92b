// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/host_name_verification.hpp>
#include <asio/ssl/stream.hpp>

#include <switchboard/broker/redis/endpoint.hpp>
#include <switchboard/broker/redis/redis_metrics.hpp>
#include <switchboard/broker/redis/stream.hpp>

namespace switchboard::inline v1 {

/// How TLS to Redis is spoken. The server's certificate must always be valid and name the host of the URL.
struct TlsOptions {
  std::string
      authority_file{};  ///< PEM; who may have signed the server's certificate. Empty: the system's own
  std::string certificate_file{};  ///< PEM chain, for servers that want one of the client
  std::string key_file{};          ///< PEM; of that certificate
  std::string server_name{};       ///< in the certificate instead of the URL's host
};

namespace redis {

/// What all TLS connections of a broker share. Immutable: any thread.
class TlsContext {
 public:
  /// Throws std::invalid_argument with the file that cannot be read or makes no sense.
  explicit TlsContext(TlsOptions options)
      : options_(std::move(options)), context_(asio::ssl::context::tls_client) {
    context_.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    context_.set_verify_mode(asio::ssl::verify_peer);
    std::error_code error;
    if (options_.authority_file.empty())
      context_.set_default_verify_paths(error);
    else
      context_.load_verify_file(options_.authority_file, error);
    check(error,
          options_.authority_file.empty() ? "the system's certificate authorities" : options_.authority_file);
    if (options_.certificate_file.empty() != options_.key_file.empty())
      throw std::invalid_argument("TLS: certificate_file and key_file come together");
    if (options_.certificate_file.empty()) return;
    context_.use_certificate_chain_file(options_.certificate_file, error);
    check(error, options_.certificate_file);
    context_.use_private_key_file(options_.key_file, asio::ssl::context::pem, error);
    check(error, options_.key_file);
  }

  asio::ssl::context& native() { return context_; }
  const std::string& name_of(const Endpoint& endpoint) const {
    return options_.server_name.empty() ? endpoint.host : options_.server_name;
  }

 private:
  static void check(const std::error_code& error, const std::string& what) {
    if (error) throw std::invalid_argument("TLS: " + what + ": " + error.message());
  }

  const TlsOptions options_;
  asio::ssl::context context_;
};

/// One connection by TLS: its bytes in the clear. One read and one write at a time; handlers are called
/// later, with an error after `close`. Handlers must keep the stream alive.
class TlsStream final : public Stream {
 public:
  TlsStream(asio::io_context& context, Counters& counters, std::shared_ptr<TlsContext> tls)
      : counters_(counters), tls_(std::move(tls)), resolver_(context), stream_(context, tls_->native()) {}

  /// Connected once the server's certificate has been found good.
  void connect(const Endpoint& endpoint, Connected connected) override {
    if (const std::error_code error = expect(tls_->name_of(endpoint))) {
      asio::post(stream_.get_executor(), [error, connected = std::move(connected)] { connected(error); });
      return;
    }
    resolver_.async_resolve(
        endpoint.host, std::to_string(endpoint.port),
        [this, connected = std::move(connected)](std::error_code error,
                                                 const asio::ip::tcp::resolver::results_type& found) {
          if (is_closed_) error = asio::error::operation_aborted;
          if (error) return connected(error);
          asio::async_connect(stream_.lowest_layer(), found,
                              [this, connected](std::error_code failed, const asio::ip::tcp::endpoint&) {
                                if (!failed)
                                  stream_.lowest_layer().set_option(asio::ip::tcp::no_delay(true), failed);
                                if (failed) return connected(failed);
                                stream_.async_handshake(asio::ssl::stream_base::client, connected);
                              });
        });
  }

  /// Some bytes, at least one.
  void read(asio::mutable_buffer buffer, Transferred transferred) override {
    counters_.reads.add();
    stream_.async_read_some(buffer, std::move(transferred));
  }
  /// Some of the bytes, at least one: at most a TLS record of 16 KiB.
  void write(asio::const_buffer buffer, Transferred transferred) override {
    counters_.writes.add();
    stream_.async_write_some(buffer, std::move(transferred));
  }

  /// Without a farewell: RESP says itself where it ends.
  void close() override {
    is_closed_ = true;
    resolver_.cancel();
    std::error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  /// The name that the certificate must bear, and that is asked for (RFC 6066 §3: never an address).
  std::error_code expect(const std::string& name) {
    std::error_code error;
    stream_.set_verify_callback(asio::ssl::host_name_verification(name), error);
    if (error) return error;
    std::error_code is_name;
    asio::ip::make_address(name, is_name);
    if (is_name &&
        SSL_ctrl(stream_.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str())) != 1)  // SSL_set_tlsext_host_name, without its casts
      return std::make_error_code(std::errc::invalid_argument);
    return {};
  }

  Counters& counters_;
  const std::shared_ptr<TlsContext> tls_;
  asio::ip::tcp::resolver resolver_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  bool is_closed_ = false;  // a resolver that is at work cannot be cancelled
};

}  // namespace redis

}  // namespace switchboard::inline v1
