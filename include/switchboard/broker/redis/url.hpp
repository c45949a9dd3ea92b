// SPDX-License-Identifier: MIT
// Internal: the URLs of a RedisBroker, parsed (docs/redis.md).
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <switchboard/broker/redis/endpoint.hpp>
#include <switchboard/protocol/http_text.hpp>
#include <switchboard/protocol/origin.hpp>

namespace switchboard::inline v1 {
namespace redis {

/// Who one is to a Redis. Both empty: nobody (no AUTH is sent). Never written to a log or an error.
struct Credentials {
  std::string user;  ///< empty: the server's "default" user, by `AUTH password`
  std::string password;

  friend bool operator==(const Credentials&, const Credentials&) = default;
};

/// How to reach Redis, as a URL says it:
///
///     redis://[[user]:password@]host[:6379][/database]             one server
///     unix://[[user]:password@]/path/of/the/socket[?db=database]   one server, by a Unix socket
///     redis+cluster://[…@]host[:6379][,host[:6379]…]               a cluster, asked at these hosts first
///     redis+sentinel://[…@]host[:26379][,…]/master[/database]      what the sentinels call `master`
///
/// `rediss` instead of `redis` speaks TLS, with the sentinels too. What is in user, password, master and path
/// is percent-decoded. The credentials are those of the Redis servers; sentinels that want some of their own
/// are given them by `?sentinel_user=…&sentinel_password=…`. IPv6 addresses are in brackets.
struct Url {
  enum class Mode { single, cluster, sentinel };
  Mode mode = Mode::single;
  bool is_tls = false;
  std::string unix_path{};            ///< where not empty, there are no endpoints
  std::vector<Endpoint> endpoints{};  ///< one for a single server, else at least one
  Credentials credentials{}, sentinel_credentials{};
  std::string master_name{};   ///< for sentinels only
  std::uint32_t database = 0;  ///< always 0 in a cluster

  /// Throws std::invalid_argument with one sentence that shows of the URL only what cannot be a password.
  static Url parse(std::string_view text);

  /// The servers without credentials: "redis://host:6379". For errors, logs and metrics.
  std::string name() const;

  friend bool operator==(const Url&, const Url&) = default;
};

namespace detail {

/// The part of a URL that is safe to show, whatever was forgotten to be escaped in it.
inline std::string shown(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == url.npos) return "a Redis URL";
  const std::string scheme(url.substr(0, scheme_end + 3));
  std::string_view rest = url.substr(scheme_end + 3);
  const std::size_t at = rest.rfind('@'), query = rest.find('?');
  if (at != rest.npos && query != rest.npos && query < at) return scheme + "…";
  if (at != rest.npos) return scheme + "…@" + std::string(rest.substr(at + 1, query - at - 1));
  // Without an '@' what follows a colon may be a password whose host was forgotten.
  const std::size_t end = rest.find_first_of(":?");
  return scheme + std::string(rest.substr(0, end)) + (end == rest.npos ? "" : "…");
}

class UrlParser {
 public:
  explicit UrlParser(std::string_view text) : text_(text) {}

  Url parse() {
    std::string_view rest = read_scheme();
    const std::string_view query = cut(rest, '?');
    std::string_view authority = rest.substr(0, rest.find('/'));
    const std::string_view path = rest.substr(authority.size());
    read_credentials(authority);
    if (is_unix_) {
      if (!authority.empty())
        fail("a Unix socket is named by an absolute path, as in unix:///run/redis.sock");
      read_unix_path(path);
    } else {
      read_endpoints(authority);
      read_path(path.substr(std::min<std::size_t>(1, path.size())));
    }
    read_query(query);
    if (url_.mode == Url::Mode::cluster && url_.database != 0) fail("a cluster has no database but 0");
    return std::move(url_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw std::invalid_argument(shown(text_) + ": " + std::string(why));
  }

  /// What follows the first separator; `text` is left with what precedes it.
  static std::string_view cut(std::string_view& text, char separator) {
    const std::size_t at = text.find(separator);
    if (at == text.npos) return {};
    const std::string_view behind = text.substr(at + 1);
    text = text.substr(0, at);
    return behind;
  }

  std::string_view read_scheme() {
    struct Scheme {
      std::string_view begin;
      Url::Mode mode;
      bool is_tls, is_unix;
    };
    constexpr Scheme known[] = {{"redis://", Url::Mode::single, false, false},
                                {"rediss://", Url::Mode::single, true, false},
                                {"unix://", Url::Mode::single, false, true},
                                {"redis+cluster://", Url::Mode::cluster, false, false},
                                {"rediss+cluster://", Url::Mode::cluster, true, false},
                                {"redis+sentinel://", Url::Mode::sentinel, false, false},
                                {"rediss+sentinel://", Url::Mode::sentinel, true, false}};
    for (const Scheme& scheme : known) {
      if (!text_.starts_with(scheme.begin)) continue;
      url_.mode = scheme.mode;
      url_.is_tls = scheme.is_tls;
      is_unix_ = scheme.is_unix;
      return text_.substr(scheme.begin.size());
    }
    throw std::invalid_argument(
        "a Redis URL begins with redis://, rediss://, unix://, redis+cluster://, rediss+cluster://, "
        "redis+sentinel:// or rediss+sentinel://");
  }

  /// Leaves in `authority` what follows the credentials.
  void read_credentials(std::string_view& authority) {
    const std::size_t at = authority.rfind('@');
    if (at == authority.npos) return;
    const std::string_view given = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    if (given.find('@') != given.npos) fail("an '@' in a user or password is written %40");
    const std::size_t colon = given.find(':');
    if (colon == given.npos) fail("a user comes with a password, as in user:password@ or :password@");
    url_.credentials = {percent_decoded(given.substr(0, colon)), percent_decoded(given.substr(colon + 1))};
    if (url_.credentials.password.empty()) fail("the password is empty");
  }

  void read_unix_path(std::string_view path) {
    url_.unix_path = percent_decoded(path);
    constexpr std::size_t longest = 107;  // of sockaddr_un's sun_path, which ends with a NUL
    if (url_.unix_path.size() < 2)
      fail("a Unix socket is named by an absolute path, as in unix:///run/redis.sock");
    if (url_.unix_path.size() > longest) fail("the path of a Unix socket has at most 107 bytes");
    if (url_.unix_path.find('\0') != std::string::npos) fail("a path has no NUL in it");
  }

  void read_endpoints(std::string_view list) {
    for (bool is_last = false; !is_last;) {
      const std::size_t comma = list.find(',');
      is_last = comma == list.npos;
      read_endpoint(list.substr(0, comma));
      list.remove_prefix(is_last ? list.size() : comma + 1);
    }
    if (url_.mode == Url::Mode::single && url_.endpoints.size() > 1)
      fail("one URL names one server; give several URLs, or redis+cluster:// or redis+sentinel://");
  }

  void read_endpoint(std::string_view text) {
    const auto authority = Authority::parse(text);
    if (!authority || authority->port == 0)
      fail(
          "a server is given as host or host:port, with a port from 1 to 65535 (and in a password, / ? @ are "
          "written %2F %3F %40)");
    std::string_view host = authority->host;
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const std::uint16_t usual_port = url_.mode == Url::Mode::sentinel ? 26379 : 6379;
    url_.endpoints.push_back({std::string(host), authority->port.value_or(usual_port)});
  }

  /// What follows the first '/': "database", and for sentinels "master/database".
  void read_path(std::string_view path) {
    if (url_.mode == Url::Mode::sentinel) {
      const std::string_view database = cut(path, '/');
      url_.master_name = percent_decoded(path);
      if (url_.master_name.empty())
        fail("the sentinels must be told the master's name, as in redis+sentinel://host/mymaster");
      path = database;
    }
    if (!path.empty()) read_database(path);
  }

  void read_database(std::string_view digits) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url_.database);
    constexpr std::uint32_t most = 0x7fff'ffff;
    if (error != std::errc() || end != digits.data() + digits.size() || url_.database > most)
      fail("the database is a number");
  }

  void read_query(std::string_view query) {
    while (!query.empty()) {
      std::string_view name = query;
      query = cut(name, '&');
      const std::string_view value = cut(name, '=');
      if (name == "db" && is_unix_)
        read_database(value);
      else if (name == "sentinel_user" && url_.mode == Url::Mode::sentinel)
        url_.sentinel_credentials.user = percent_decoded(value);
      else if (name == "sentinel_password" && url_.mode == Url::Mode::sentinel)
        url_.sentinel_credentials.password = percent_decoded(value);
      else
        fail(
            "behind the '?' there may be db (for unix://), sentinel_user and sentinel_password (for "
            "sentinels)");
    }
    const Credentials& sentinels = url_.sentinel_credentials;
    if (!sentinels.user.empty() && sentinels.password.empty())
      fail("sentinel_user comes with sentinel_password");
  }

  std::string_view text_;
  bool is_unix_ = false;
  Url url_;
};

}  // namespace detail

inline Url Url::parse(std::string_view text) {
  return detail::UrlParser(text).parse();
}

inline std::string Url::name() const {
  if (!unix_path.empty())
    return "unix://" + unix_path + (database == 0 ? "" : "?db=" + std::to_string(database));
  std::string text = is_tls ? "rediss" : "redis";
  if (mode == Mode::cluster) text += "+cluster";
  if (mode == Mode::sentinel) text += "+sentinel";
  text += "://";
  for (const Endpoint& endpoint : endpoints) text += (text.back() == '/' ? "" : ",") + to_string(endpoint);
  if (mode == Mode::sentinel) text += "/" + master_name;
  return database == 0 ? text : text + "/" + std::to_string(database);
}

}  // namespace redis
}  // namespace switchboard::inline v1
