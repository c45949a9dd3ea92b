// SPDX-License-Identifier: MIT
// The table of RFC 6455 §4: what a client may ask with, and how it is answered.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rfc6455 {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// A row: a request to a server whose path is /ws, and its answer.
struct HandshakeCase {
  std::string section;  ///< of RFC 6455
  std::string name;
  std::string request;
  unsigned status = 101;
  Fields fields{};  ///< the answer has them, and exactly once
  /// Names that the answer does not have.
  std::vector<std::string> absent{};
};
using HandshakeCases = std::vector<HandshakeCase>;

/// The request of §1.2, from which each row changes what it is about.
class Request {
 public:
  Request with(std::string_view name, std::string value) && {
    for (auto& [field, old] : fields_)
      if (field == name) {
        old = std::move(value);
        return std::move(*this);
      }
    return std::move(*this).and_with(name, std::move(value));
  }
  Request and_with(std::string_view name, std::string value) && {
    fields_.emplace_back(name, std::move(value));
    return std::move(*this);
  }
  Request without(std::string_view name) && {
    std::erase_if(fields_, [&](const auto& field) { return field.first == name; });
    return std::move(*this);
  }
  Request named(std::string_view name, std::string other) && {
    for (auto& field : fields_)
      if (field.first == name) field.first = other;
    return std::move(*this);
  }
  Request starting(std::string line) && {
    line_ = std::move(line);
    return std::move(*this);
  }
  Request reversed() && {
    std::reverse(fields_.begin(), fields_.end());
    return std::move(*this);
  }

  operator std::string() const {
    std::string bytes = line_ + "\r\n";
    for (const auto& [name, value] : fields_) bytes += name + ": " + value + "\r\n";
    return bytes + "\r\n";
  }

 private:
  std::string line_ = "GET /ws HTTP/1.1";
  Fields fields_{{"Host", "server.example.com"},
                 {"Upgrade", "websocket"},
                 {"Connection", "Upgrade"},
                 {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                 {"Sec-WebSocket-Version", "13"}};
};

/// What each 101 must have (§4.2.2, 5), for the key of §1.2.
inline Fields accepted(std::string accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
  return {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", std::move(accept)}};
}

inline void add_request_lines(HandshakeCases& cases) {
  const auto row = [&](const char* section, std::string name, std::string line, unsigned status,
                       Fields fields = {}) {
    cases.push_back(
        {section, std::move(name), Request().starting(std::move(line)), status, std::move(fields)});
  };
  row("1.2", "the RFC's request", "GET /ws HTTP/1.1", 101, accepted());
  row("4.1 (2)", "a query", "GET /ws?a=b HTTP/1.1", 101, accepted());
  row("4.1 (2)", "an absolute target", "GET http://server.example.com/ws HTTP/1.1", 101, accepted());
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "WEBSOCKET"})
    row("4.1 (2)", std::string("the method ") + method, std::string(method) + " /ws HTTP/1.1", 405,
        {{"Allow", "GET"}});
  row("4.2.1 (1)", "HTTP/1.0", "GET /ws HTTP/1.0", 400);
  row("4.2.1 (1)", "HTTP/2.0", "GET /ws HTTP/2.0", 400);
  row("4.2.1 (1)", "HTTP/0.9", "GET /ws", 400);
  row("4.2.1 (1)", "a protocol that is not HTTP", "GET /ws HTTQ/1.1", 400);
  row("4.2.1 (1)", "a version that is no number", "GET /ws HTTP/x.1", 400);
  row("4.2.1 (1)", "no method", " /ws HTTP/1.1", 400);
  row("4.2.1 (1)", "a blank in the target", "GET /w s HTTP/1.1", 400);
  row("4.2.2 (4)", "another resource", "GET /elsewhere HTTP/1.1", 404);
  row("4.2.2 (4)", "a longer path", "GET /ws/more HTTP/1.1", 404);
  row("4.2.2 (4)", "a path in capitals", "GET /WS HTTP/1.1", 404);
}

/// A header that is wanted: in any case and order, and not without it.
inline void add_headers(HandshakeCases& cases) {
  cases.push_back({"4.2.1", "the headers the other way round", Request().reversed(), 101, accepted()});
  for (const char* name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key"}) {
    cases.push_back({"4.2.1",
                     std::string(name) + " missing",
                     Request().without(name),
                     400,
                     {},
                     {"Sec-WebSocket-Accept"}});
    cases.push_back(
        {"4.2.1", std::string(name) + " empty", Request().with(name, ""), 400, {}, {"Sec-WebSocket-Accept"}});
  }
  for (const char* name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    std::string small(name), large(name);
    for (char& c : small) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    for (char& c : large) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    cases.push_back({"4.2.1", "the name " + small, Request().named(name, small), 101, accepted()});
    cases.push_back({"4.2.1", "the name " + large, Request().named(name, large), 101, accepted()});
    cases.push_back({"4.2.1", "the name " + small + "x", Request().named(name, small + "x"),
                     std::string_view(name) == "Sec-WebSocket-Version" ? 426u : 400u});
  }
  const auto row = [&](const char* section, std::string name, Request request, unsigned status = 101) {
    cases.push_back(
        {section, std::move(name), std::move(request), status, status == 101 ? accepted() : Fields()});
  };
  row("4.2.1 (2)", "a Host with a port", Request().with("Host", "server.example.com:8080"));
  row("4.2.1 (2)", "a Host that is an address", Request().with("Host", "[::1]:8080"));
  row("4.2.1 (2)", "two Hosts", Request().and_with("Host", "server.example.com"), 400);
  row("4.2.1 (2)", "a Host that is none", Request().with("Host", "a/b"), 400);
  for (const char* value :
       {"WebSocket", "WEBSOCKET", "websocket, h2c", "h2c,websocket", "  websocket\t", ",websocket,"})
    row("4.2.1 (3)", std::string("Upgrade: ") + value, Request().with("Upgrade", value));
  for (const char* value : {"h2c", "websockets", "web socket", "websocke", "\"websocket\"", "websocket;v=13"})
    row("4.2.1 (3)", std::string("Upgrade: ") + value, Request().with("Upgrade", value), 400);
  row("4.2.1 (3)", "two Upgrades, one of them right",
      Request().with("Upgrade", "h2c").and_with("Upgrade", "websocket"));
  for (const char* value : {"upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,keep-alive", " Upgrade "})
    row("4.2.1 (4)", std::string("Connection: ") + value, Request().with("Connection", value));
  for (const char* value : {"keep-alive", "close", "Upgrades", "up grade", "upgrade keep-alive"})
    row("4.2.1 (4)", std::string("Connection: ") + value, Request().with("Connection", value), 400);
  row("4.2.1 (4)", "two Connections, one of them right",
      Request().with("Connection", "keep-alive").and_with("Connection", "Upgrade"));
}

/// Sixteen bytes in base64, sent once (§11.3.1); and what is answered for them (§4.2.2, 5.4).
inline void add_keys(HandshakeCases& cases) {
  const auto key = [](std::string value) { return Request().with("Sec-WebSocket-Key", std::move(value)); };
  const std::vector<std::pair<const char*, const char*>> right{
      {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
      {"/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="},
      {"AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="},  // of §4.1, with bits set in its padding
      {"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
      {"++++++++++////////////==", "PfBXnkG9TYSQIetIMWHg036SOwY="}};
  for (const auto& [value, accept] : right)
    cases.push_back({"4.2.2 (5.4)", std::string("the key ") + value, key(value), 101, accepted(accept)});
  cases.push_back({"4.1 (7)", "blanks around the key", key(" \tdGhlIHNhbXBsZSBub25jZQ== "), 101, accepted()});
  const std::vector<std::pair<const char*, const char*>> wrong{
      {"of no bytes", "=="},
      {"of 13 bytes", "MTIzNDU2Nzg5MDEyMw=="},
      {"of 19 bytes", "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ=="},
      {"of 15 bytes", "MTIzNDU2Nzg5MDEyMzQ1"},
      {"of 17 bytes", "MTIzNDU2Nzg5MDEyMzQ1Njc="},
      {"of 18 bytes", "MTIzNDU2Nzg5MDEyMzQ1Njc4"},
      {"of 32 bytes", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="},
      {"without its padding", "dGhlIHNhbXBsZSBub25jZQ"},
      {"with half its padding", "dGhlIHNhbXBsZSBub25jZQ="},
      {"with padding too much", "dGhlIHNhbXBsZSBub25jZQ==="},
      {"with padding in the middle", "dGhlIHNhbXB=ZSBub25jZQ=="},
      {"that is padding", "========================"},
      {"in base64url", "dGhlIHNhbXBsZSBub25j-_=="},
      {"with a sign that is no digit", "dGhlIHNhbXBsZSBub25j!Q=="},
      {"with a sign beyond the letters", "dGhlIHNhbXBsZSBub25j~Q=="},
      {"with a blank inside", "dGhlIHNhbXBsZSB b25jZQ=="},
      {"in quotes", "\"dGhlIHNhbXBsZSBub25jZQ==\""},
      {"beyond ASCII", "dGhlIHNhbXBsZSBub25\xC3\xA9Q=="},
      {"that is a word", "key"}};
  for (const auto& [name, value] : wrong)
    cases.push_back(
        {"4.2.1 (5)", std::string("a key ") + name, key(value), 400, {}, {"Sec-WebSocket-Accept"}});
  cases.push_back({"11.3.1",
                   "the key twice",
                   Request().and_with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                   400,
                   {},
                   {"Sec-WebSocket-Accept"}});
  cases.push_back({"11.3.1",
                   "another key too",
                   Request().and_with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
                   400,
                   {},
                   {"Sec-WebSocket-Accept"}});
}

/// Any version but 13, and none, is answered with the one there is (§4.2.2, 4; §4.4).
inline void add_versions(HandshakeCases& cases) {
  const auto other = [&](std::string name, Request request) {
    cases.push_back({"4.4",
                     std::move(name),
                     std::move(request),
                     426,
                     {{"Sec-WebSocket-Version", "13"}},
                     {"Sec-WebSocket-Accept"}});
  };
  for (const char* version :
       {"",    "0",   "1",   "4",    "7",    "8",   "12",  "14",       "25",    "130",   "255",
        "-13", "+13", "013", "13.0", "0x0D", "1 3", "13;", "thirteen", "13, 8", "8, 13", "13,13"})
    other("the version " + std::string(version), Request().with("Sec-WebSocket-Version", version));
  other("no version", Request().without("Sec-WebSocket-Version"));
  other("the version twice", Request().and_with("Sec-WebSocket-Version", "13"));
  other("another version too", Request().and_with("Sec-WebSocket-Version", "8"));
  cases.push_back({"4.2.1 (6)", "blanks around the version", Request().with("Sec-WebSocket-Version", " 13\t"),
                   101, accepted()});
}

/// What a client may offer and a server leave: none of it is in the answer (§4.2.2, 5.5 and 5.6; §9.1).
inline void add_offers(HandshakeCases& cases) {
  const std::vector<std::string> not_chosen{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"};
  const auto row = [&](const char* section, std::string name, Request request) {
    cases.push_back({section, std::move(name), std::move(request), 101, accepted(), not_chosen});
  };
  for (const char* value : {"chat", "chat, superchat", "", ",", "a b", "\"chat\"", "chat,chat"})
    row("4.2.1 (8)", std::string("the subprotocols ") + value,
        Request().with("Sec-WebSocket-Protocol", value));
  row("11.3.4", "subprotocols in two headers",
      Request().with("Sec-WebSocket-Protocol", "a").and_with("Sec-WebSocket-Protocol", "b"));
  for (const char* value :
       {"permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame",
        "foo, bar; baz=2", "foo; baz=\"2\"", "", "nonsense;;=,"})
    row("9.1", std::string("the extensions ") + value, Request().with("Sec-WebSocket-Extensions", value));
  row("11.3.2", "extensions in two headers",
      Request().with("Sec-WebSocket-Extensions", "foo").and_with("Sec-WebSocket-Extensions", "bar; baz=2"));
  row("4.2.1 (10)", "headers that nobody knows", Request().with("X-Unknown", "yes").with("Cookie", "a=b"));
  row("4.2.1 (7)", "an Origin of the same host", Request().with("Origin", "http://server.example.com"));
  cases.push_back({"4.2.2 (1)",
                   "an Origin from elsewhere",
                   Request().with("Origin", "http://evil.example.com"),
                   403,
                   {},
                   {"Sec-WebSocket-Accept"}});
  cases.push_back(
      {"10.2", "the Origin null", Request().with("Origin", "null"), 403, {}, {"Sec-WebSocket-Accept"}});
  row("11.3.3", "an accept from the client",
      Request().with("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

inline HandshakeCases handshake_cases() {
  HandshakeCases cases;
  add_request_lines(cases);
  add_headers(cases);
  add_keys(cases);
  add_versions(cases);
  add_offers(cases);
  return cases;
}

/// An answer's status line and headers.
struct Answer {
  unsigned status = 0;
  Fields fields{};

  static std::optional<Answer> parse(std::string_view bytes) {
    if (!bytes.starts_with("HTTP/1.1 ") || bytes.find("\r\n\r\n") == std::string_view::npos)
      return std::nullopt;
    Answer answer;
    answer.status = static_cast<unsigned>(std::stoi(std::string(bytes.substr(9, 3))));
    for (bytes.remove_prefix(bytes.find("\r\n") + 2); !bytes.starts_with("\r\n");
         bytes.remove_prefix(bytes.find("\r\n") + 2)) {
      const std::string_view line = bytes.substr(0, bytes.find("\r\n"));
      const std::size_t colon = line.find(": ");
      if (colon == std::string_view::npos) return std::nullopt;
      answer.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    return answer;
  }
};

/// What is wrong with the answer to a row's request; empty if nothing is.
inline std::string fault_of(const HandshakeCase& row, std::string_view bytes) {
  const std::optional<Answer> answer = Answer::parse(bytes);
  const auto wrong = [&](std::string what) { return std::move(what) + " in:\n" + std::string(bytes); };
  if (!answer) return wrong("no HTTP answer");
  if (answer->status != row.status) return wrong("not the status " + std::to_string(row.status));
  const auto count = [&](const std::string& name) {
    return std::count_if(answer->fields.begin(), answer->fields.end(),
                         [&](const auto& field) { return field.first == name; });
  };
  for (const auto& field : row.fields)
    if (count(field.first) != 1 ||
        std::find(answer->fields.begin(), answer->fields.end(), field) == answer->fields.end())
      return wrong("not once " + field.first + ": " + field.second);
  for (const std::string& name : row.absent)
    if (count(name) != 0) return wrong("there is " + name);
  return {};
}

}  // namespace rfc6455
