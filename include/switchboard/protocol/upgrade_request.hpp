// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <switchboard/protocol/address.hpp>
#include <switchboard/protocol/http_text.hpp>

namespace switchboard::inline v1 {

/// An HTTP request without its body, as it came.
struct HttpRequestHead {
  std::string method = "GET";  ///< as sent
  std::string target = "/";    ///< as sent, query included
  unsigned version = 11;       ///< 11 for HTTP/1.1
  /// Names in any case; a name may come more than once.
  std::vector<std::pair<std::string, std::string>> fields{};
};

/// The request with which a client asks for a WebSocket, or any other HTTP request, made ready to be asked
/// about.
///
/// Immutable. Copies are cheap and share what the views point to, so a coroutine may keep one by value.
struct UpgradeRequest {
  std::string_view target;  ///< as sent. It may hold the token: not for logs
  std::string_view token;   ///< of `?token=`, or else of `Authorization: Bearer`; empty without either
  std::string_view origin;  ///< the Origin header; empty without one, as from programs that are no browsers
  net::Address peer;        ///< of the socket: behind a proxy, the proxy's

  /// Takes the target and the fields apart once; the views are set from here on.
  explicit UpgradeRequest(HttpRequestHead head = {}, const net::Address& from = {})
      : peer(from), content_(std::make_shared<const Content>(std::move(head))) {
    target = content_->head.target;
    origin = header("Origin");
    token = query("token");
    if (token.empty()) token = bearer(header("Authorization"));
  }

  /// As sent: methods are case-sensitive (RFC 9110 §9.1).
  std::string_view method() const { return content_->head.method; }
  /// The version of HTTP: 11 for HTTP/1.1.
  unsigned version() const { return content_->head.version; }
  /// The target's path as sent: not decoded, so that `/a%2Fb` is not `/a/b`.
  std::string_view path() const { return content_->path; }
  /// The host and port that the client meant: of an absolute target, or else the Host header (RFC 9112
  /// §3.2.2).
  std::string_view host() const { return content_->authority.empty() ? header("Host") : content_->authority; }

  /// A header's value, by its name in any case; empty without one. One that came several times is joined by
  /// commas.
  std::string_view header(std::string_view name) const {
    for (const auto& [field, value] : content_->head.fields)
      if (equal_ignoring_case(field, name)) return value;
    return {};
  }

  /// A parameter of the query, percent-decoded (`+` is a plus), the first of that name; empty without one.
  std::string_view query(std::string_view name) const {
    return find_query(name).value_or(std::string_view());
  }

  /// The same, but says whether there is one.
  std::optional<std::string_view> find_query(std::string_view name) const {
    for (const auto& [parameter, value] : content_->query)
      if (parameter == name) return value;
    return std::nullopt;
  }

  /// A cookie's value as sent, by its name; empty without one.
  std::string_view cookie(std::string_view name) const {
    std::optional<std::string_view> found;
    for_each_part(header("Cookie"), ';', [&](std::string_view pair) {
      const std::size_t equals = pair.find('=');
      if (!found && equals != std::string_view::npos && trimmed(pair.substr(0, equals)) == name)
        found = trimmed(pair.substr(equals + 1));
    });
    return found.value_or(std::string_view());
  }

  /// What the client offers in Sec-WebSocket-Protocol, best first.
  std::span<const std::string> subprotocols() const { return content_->subprotocols; }

 private:
  struct Content {
    explicit Content(HttpRequestHead request) : head(std::move(request)) {
      join_repeated_fields();
      split_target();
      for (const auto& [name, value] : head.fields)
        if (equal_ignoring_case(name, "Sec-WebSocket-Protocol"))
          for_each_part(value, ',', [&](std::string_view offer) {
            if (is_token(offer)) subprotocols.emplace_back(offer);
          });
    }

    // RFC 9110 §5.3; cookies have a separator of their own, RFC 6265 §5.4.
    void join_repeated_fields() {
      std::vector<std::pair<std::string, std::string>> joined;
      for (auto& [name, value] : head.fields) {
        const auto same = std::find_if(joined.begin(), joined.end(), [&](const auto& field) {
          return equal_ignoring_case(field.first, name);
        });
        if (same == joined.end())
          joined.emplace_back(std::move(name), std::move(value));
        else
          same->second += (equal_ignoring_case(same->first, "Cookie") ? "; " : ", ") + value;
      }
      head.fields = std::move(joined);
    }

    void split_target() {
      std::string_view rest = head.target;
      const std::size_t scheme_end = rest.find("://");
      if (!rest.starts_with('/') && scheme_end < rest.find_first_of("/?")) {
        rest.remove_prefix(scheme_end + 3);
        const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
        authority = rest.substr(0, authority_end);
        rest.remove_prefix(authority_end);
      }
      const std::size_t question = std::min(rest.find('?'), rest.size());
      path = rest.substr(0, question);
      if (path.empty()) path = "/";
      rest.remove_prefix(std::min(question + 1, rest.size()));
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        if (end > 0) add_parameter(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }

    void add_parameter(std::string_view pair) {
      const std::size_t equals = std::min(pair.find('='), pair.size());
      query.emplace_back(percent_decoded(pair.substr(0, equals)),
                         percent_decoded(pair.substr(std::min(equals + 1, pair.size()))));
    }

    HttpRequestHead head;
    std::string_view authority, path;
    std::vector<std::pair<std::string, std::string>> query;
    std::vector<std::string> subprotocols;
  };

  static std::string_view bearer(std::string_view authorization) {
    const std::size_t blank = authorization.find(' ');
    if (blank == std::string_view::npos || !equal_ignoring_case(authorization.substr(0, blank), "Bearer"))
      return {};
    return trimmed(authorization.substr(blank));
  }

  std::shared_ptr<const Content> content_;
};

}  // namespace switchboard::inline v1
