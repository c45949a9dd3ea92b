// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

// Boost.Beast is seen here and in no other header.
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/core/detail/sha1.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <switchboard/protocol/address.hpp>
#include <switchboard/protocol/http_response.hpp>
#include <switchboard/protocol/origin.hpp>
#include <switchboard/protocol/upgrade_request.hpp>

namespace switchboard::inline v1 {

namespace detail {

/// Beast's parser with a head of ours in the place of its containers, which took half as long again to
/// compile. A body is read and forgotten.
class HeadParser final : public boost::beast::http::basic_parser<true> {
 public:
  HttpRequestHead head{.method = {}, .target = {}};
  std::size_t hosts = 0;  ///< how many Host fields came
  bool has_transfer_coding = false;

 private:
  using Error = boost::beast::error_code;
  using View = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, View method, View target, int version, Error&) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.version = static_cast<unsigned>(version);
  }
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(boost::beast::http::field field, View name, View value, Error&) override {
    if (field == boost::beast::http::field::host) ++hosts;
    if (field == boost::beast::http::field::transfer_encoding) has_transfer_coding = true;
    head.fields.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(View body, Error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Error&) override { return body.size(); }
  void on_finish_impl(Error&) override {}
};

}  // namespace detail

/// Reads one HTTP request, in any pieces, with Beast's parser. No I/O. For the time of a handshake.
class RequestParser {
 public:
  /// More fields than this are refused with 431.
  static constexpr std::size_t max_headers = 100;
  /// How far the request is.
  enum class Status : std::uint8_t {
    need_more,  ///< the request is not whole
    complete,   ///< `take` gives it
    refused,    ///< `refusal` says why
  };
  /// What became of one piece of the request.
  struct Result {
    Status status = Status::need_more;  ///< as after this piece
    std::size_t consumed = 0;  ///< of the bytes given; what follows the request (frames, already) is not
  };

  /// `max_header_bytes` bounds the request line and the headers together, and apart from them a body, which
  /// is read and forgotten. One with a transfer coding counts as too large, whatever it holds: no WebSocket
  /// client sends one, and Beast keeps a chunk's extension or trailer without bound, and asserts on some
  /// splits of the last chunk.
  explicit RequestParser(std::size_t max_header_bytes = std::size_t{16} << 10)
      : parser_(std::make_unique<Parser>()), max_header_bytes_(max_header_bytes) {
    parser_->header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(max_header_bytes, UINT32_MAX)));
    parser_->body_limit(max_header_bytes);
  }

  /// Reads on. Once it says `complete` or `refused` it takes no more.
  Result consume(std::span<const char> bytes) {
    if (status_ != Status::need_more) return {status_, 0};
    const std::string_view given(bytes.data(), bytes.size());
    const bool is_continued = !kept_.empty();
    const std::string_view unread = is_continued ? std::string_view(kept_.append(given)) : given;
    const std::size_t done = parse(unread);
    const std::size_t left = unread.size() - done;
    if (status_ != Status::need_more) return {status_, given.size() - std::min(left, given.size())};
    if (is_continued)
      kept_.erase(0, done);
    else
      kept_ = given.substr(done);
    return {status_, given.size()};
  }

  /// What to answer where the status is `refused`: 400, 413 or 431.
  const Refusal& refusal() const { return *refusal_; }

  /// The request, once, where the status is `complete`; the parser keeps nothing of it.
  UpgradeRequest take(const net::Address& peer = {}) {
    UpgradeRequest request(std::move(head_), peer);
    head_ = {};
    return request;
  }

 private:
  using Parser = detail::HeadParser;

  // Returns how many bytes are done with. Beast wants the others again, with more behind them.
  std::size_t parse(std::string_view unread) {
    std::size_t done = 0;
    while (status_ == Status::need_more) {
      boost::beast::error_code error;
      const bool in_header = !parser_->is_header_done();
      const std::size_t taken =
          parser_->put(boost::asio::const_buffer(unread.data() + done, unread.size() - done), error);
      done += taken;
      if (in_header) header_bytes_ += taken;
      if (error && error != boost::beast::http::error::need_more) {
        refuse(refusal_for(error));
      } else if (in_header && is_header_too_large(unread.size() - done)) {
        refuse(refusals::headers_too_large());
      } else if (in_header && parser_->is_header_done() && parser_->has_transfer_coding) {
        refuse(refusals::request_too_large("a body whose size is not told before it is not taken"));
      } else if (parser_->is_done()) {
        finish();
      } else if (error || done == unread.size()) {
        break;
      }
    }
    return done;
  }

  // Beast's own limit is for each call; this one is for all of them.
  bool is_header_too_large(std::size_t left) const {
    return header_bytes_ + (parser_->is_header_done() ? 0 : left) > max_header_bytes_;
  }

  static Refusal refusal_for(const boost::beast::error_code& error) {
    using Error = boost::beast::http::error;
    if (error == Error::header_limit) return refusals::headers_too_large();
    if (error == Error::body_limit || error == Error::buffer_overflow) return refusals::request_too_large();
    return refusals::malformed_request();
  }

  void finish() {
    // Joining those of one name, and looking one up, takes time for each.
    if (parser_->head.fields.size() > max_headers) return refuse(refusals::headers_too_large());
    head_ = std::move(parser_->head);
    // RFC 9112 §3.2: exactly one, which HTTP/1.0 may do without.
    if (parser_->hosts > 1 || (parser_->hosts == 0 && head_.version >= 11))
      return refuse(refusals::malformed_request("there must be one Host header"));
    if (parser_->hosts == 1 && !Authority::parse(host_of(head_)))
      return refuse(refusals::malformed_request("the Host header is not a host"));
    status_ = Status::complete;
    parser_.reset();
  }

  static std::string_view host_of(const HttpRequestHead& head) {
    for (const auto& [name, value] : head.fields)
      if (equal_ignoring_case(name, "Host")) return value;
    return {};
  }

  void refuse(Refusal refusal) {
    status_ = Status::refused;
    refusal_ = std::move(refusal);
    parser_.reset();
  }

  std::unique_ptr<Parser> parser_;
  std::string kept_;  // what Beast has not taken yet
  std::size_t header_bytes_ = 0;
  std::size_t max_header_bytes_;
  HttpRequestHead head_;
  std::optional<Refusal> refusal_;
  Status status_ = Status::need_more;
};

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2).
inline std::string websocket_accept(std::string_view key) {
  // Beast has no public name for SHA-1, and neither has the rest of Boost before 1.88.
  namespace detail = boost::beast::detail;
  constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  detail::sha1_context context;
  detail::init(context);
  detail::update(context, key.data(), key.size());
  detail::update(context, guid.data(), guid.size());
  std::array<char, detail::sha1_context::digest_size> digest;
  detail::finish(context, digest.data());
  std::string accept(detail::base64::encoded_size(digest.size()), '\0');
  accept.resize(detail::base64::encode(accept.data(), digest.data(), digest.size()));
  return accept;
}

}  // namespace switchboard::inline v1
