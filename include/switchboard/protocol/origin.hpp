// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <switchboard/protocol/http_text.hpp>

namespace switchboard::inline v1 {

/// `host[:port]`, as in the Host header.
struct Authority {
  std::string_view host;              ///< an IPv6 address keeps its brackets
  std::optional<std::uint16_t> port;  ///< none if it is the scheme's own

  /// Nothing where `text` is none. The result refers to `text`.
  static std::optional<Authority> parse(std::string_view text) {
    const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
    if (bracket == std::string_view::npos) return std::nullopt;
    const std::size_t colon = std::min(text.find(':', bracket), text.size());
    Authority authority{.host = text.substr(0, colon), .port = {}};
    if (authority.host.empty() || authority.host.find_first_of("/?#@\\ \t,") != std::string_view::npos)
      return std::nullopt;
    const std::string_view digits = text.substr(std::min(colon + 1, text.size()));
    if (digits.empty()) return authority;
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    authority.port = port;
    return authority;
  }
};

/// `scheme://host[:port]`, as in the Origin header (RFC 6454 §7); one `/` behind it is overlooked.
struct Origin {
  std::string_view scheme;  ///< as written, without `://`
  Authority authority;      ///< the page's host and port

  /// Nothing where `text` is none, "null" included. The result refers to `text`.
  static std::optional<Origin> parse(std::string_view text) {
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    std::string_view rest = text.substr(colon + 3);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const std::optional<Authority> authority = Authority::parse(rest);
    if (!authority) return std::nullopt;
    return Origin{text.substr(0, colon), *authority};
  }

  /// What the port is where none is named; none for a scheme that is not the web's.
  std::optional<std::uint16_t> default_port() const {
    const auto is = [this](std::string_view name) { return equal_ignoring_case(scheme, name); };
    if (is("http") || is("ws")) return std::uint16_t{80};
    if (is("https") || is("wss")) return std::uint16_t{443};
    return std::nullopt;
  }

  /// The one named, else the scheme's; none where neither is known.
  std::optional<std::uint16_t> port() const { return authority.port ? authority.port : default_port(); }
};

/// Whether a page from `origin` is one from this very host and port. A proxy may have taken TLS off, so the
/// scheme is not compared; a Host without a port means the default of the origin's scheme.
inline bool is_same_host(std::string_view origin, std::string_view host) {
  const std::optional<Origin> from = Origin::parse(origin);
  const std::optional<Authority> here = Authority::parse(host);
  if (!from || !here || !from->default_port()) return false;
  return equal_ignoring_case(from->authority.host, here->host) &&
         from->port() == (here->port ? here->port : from->default_port());
}

/// Whether two origins are one: scheme, host and port, whatever their case. "null" equals itself alone.
inline bool is_same_origin(std::string_view left, std::string_view right) {
  const std::optional<Origin> one = Origin::parse(left);
  const std::optional<Origin> other = Origin::parse(right);
  if (!one || !other) return equal_ignoring_case(left, right);
  return equal_ignoring_case(one->scheme, other->scheme) &&
         equal_ignoring_case(one->authority.host, other->authority.host) && one->port() == other->port();
}

/// Whether a page from `origin` may connect to `host`. Without an Origin (no browser) it may; without a list,
/// a page of the same host and port may; with one, what it lists.
inline bool is_origin_allowed(std::string_view origin, std::string_view host,
                              std::span<const std::string> allowed) {
  if (origin.empty()) return true;
  if (allowed.empty()) return is_same_host(origin, host);
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& entry) { return is_same_origin(origin, entry); });
}

}  // namespace switchboard::inline v1
