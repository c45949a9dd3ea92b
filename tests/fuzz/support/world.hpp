// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/client.hpp"
#include "support/input.hpp"
#include "support/room.hpp"
#include "support/what_is_left.hpp"

namespace fuzz {

inline constexpr std::array<std::string_view, 8> users{"ann",  "ben",    "-",      "ann",
                                                       "mute", "nobody", "throws", "ben"};
inline constexpr std::array<std::string_view, 8> channels{"red",    "green", "blue", "slow lane",
                                                          "secret", "$red",  "",     "throws up"};

/// From a moment to longer than a session is kept.
inline sb::Duration duration_of(std::uint8_t choice) {
  constexpr std::array<std::chrono::milliseconds, 8> times{1ms, 200ms, 1s, 3s, 11s, 31s, 61s, 121s};
  return times[choice % times.size()];
}

/// Clients of one or more servers, and what an input may have them do.
template <class App>
class World {
 public:
  using Server = sb::testing::TestApp<App>;

  explicit World(Trust trust) : trust_(trust) {}

  void connect(Server& server, Input& input) {
    const std::uint8_t how = input.u8();
    const std::string user(users[how & 7]);
    const bool is_stateful = (how & 8) != 0;
    begin(server, user, is_stateful ? std::make_shared<SessionSeen>() : nullptr, 0, how >> 4);
  }
  /// Comes back to the session that a client has or had; not always as the same user, nor with what it has.
  void resume(Server& server, Input& input) {
    const std::uint8_t which = input.u8(), how = input.u8();
    if (sessions_.empty()) return;
    const auto session = sessions_[which % sessions_.size()];
    const std::uint64_t back = how & 15;
    std::uint64_t last_seq = session->last_seq - std::min(back, session->last_seq);
    if (back == 15) last_seq = session->last_seq + 1;
    begin(server, (how & 0x10) != 0 ? "ben" : session->user, session, last_seq, how >> 5);
  }
  /// A request, and what comes behind it, as the input has it.
  void knock(Server& server, Input& input) {
    Client client({}, nullptr, 0, Trust::frames);
    client.send(server, input.text(), 0);
    accept(server, std::move(client), 0);
  }

  void send_text(Server& server, Input& input) {
    Client* client = choose(input);
    send(server, client, {.opcode = sb::Opcode::text, .payload = input.text()});
  }
  void send_binary(Server& server, Input& input) {
    Client* client = choose(input);
    std::string bytes("\0\0\0", 3);
    bytes += static_cast<char>(input.u8());
    send(server, client, {.opcode = sb::Opcode::binary, .payload = bytes.append(input.text())});
  }
  /// One of the built-in actions, right as far as its form goes.
  void request(Server& server, Input& input) {
    Client* client = choose(input);
    const std::uint8_t what = input.u8();
    constexpr std::array<const char*, 4> actions{"subscribe", "unsubscribe", "publish", "presence"};
    Json message{{"action", actions[what & 3]}, {"channel", channels[what >> 2 & 7]}};
    if ((what & 3) == 2) message["data"] = std::string(std::size_t{what} / 32 * 64, 'x');
    if ((what & 3) == 0 && (what & 0x40) != 0) message["presence"] = true;
    if ((what & 0x80) != 0) message["id"] = what & 7;
    send(server, client, {.opcode = sb::Opcode::text, .payload = message.dump()});
  }
  void send_frame(Server& server, Input& input) {
    Client* client = choose(input);
    const std::uint8_t head = input.u8(), more = input.u8();
    sb::testing::ClientFrame frame{.opcode = static_cast<sb::Opcode>(head & 15), .payload = {}};
    frame.fin = (head & 0x80) == 0;
    if (more % 8 == 1) frame.reserved_bits = static_cast<std::uint8_t>(head >> 4 & 7);
    frame.masked = more % 16 != 15;
    frame.payload = input.text();
    send(server, client, frame);
  }
  void send_raw(Server& server, Input& input) {
    Client* client = choose(input);
    const std::string_view bytes = input.text();
    if (client != nullptr) client->send(server, bytes, pieces_);
  }
  void close(Server& server, Input& input) {
    Client* client = choose(input);
    const auto code = static_cast<sb::CloseCode>(input.u16());
    if (client != nullptr) client->send(server, sb::testing::encode_close(code, "bye"), pieces_);
  }
  void cut(Input& input) {
    if (Client* client = choose(input)) client->cut();
  }
  void cut_unnoticed(Input& input) {
    if (Client* client = choose(input)) client->socket()->is_broken = true;
  }
  void read_slowly(Input& input) {
    Client* client = choose(input);
    const std::uint8_t how = input.u8();
    if (client == nullptr) return;
    client->socket()->is_reading = how != 0;
    client->socket()->window = how < 200 ? std::size_t{how} * 8 : ~std::size_t{0};
  }
  void be_silent(Input& input) {
    Client* client = choose(input);
    if (client != nullptr) client->set_answers_pings(input.flag());
  }
  void set_pieces(Input& input) { pieces_ = input.u8(); }

  /// One of all that clients do; `choice` below 15.
  void act(Server& server, Input& input, std::size_t choice) {
    switch (choice) {
      case 0:
        return connect(server, input);
      case 1:
        return resume(server, input);
      case 2:
        return request(server, input);
      case 3:
        return send_text(server, input);
      case 4:
        return send_binary(server, input);
      case 5:
        return cut(input);
      case 6:
        return server.advance(duration_of(input.u8()));
      case 7:
        return read_slowly(input);
      case 8:
        return send_frame(server, input);
      case 9:
        return send_raw(server, input);
      case 10:
        return close(server, input);
      case 11:
        return knock(server, input);
      case 12:
        return set_pieces(input);
      case 13:
        return cut_unnoticed(input);
      default:
        return be_silent(input);
    }
  }

  void forget_closed() {
    std::erase_if(clients_, [](const Client& client) { return client.is_closed(); });
  }
  void cut_all() {
    for (Client& client : clients_) client.cut();
  }
  std::deque<Client>& clients() { return clients_; }
  const std::vector<std::shared_ptr<SessionSeen>>& sessions() const { return sessions_; }
  void begin(Server& server, const std::string& user, std::shared_ptr<SessionSeen> session,
             std::uint64_t last_seq, unsigned how) {
    if (clients_.size() >= 8) return;
    std::string target = "/ws?token=" + user;
    if (session) target += "&last_seq=" + std::to_string(last_seq);
    if (session && !session->name.empty()) target += "&session=" + session->name;
    Client client(user, std::move(session), last_seq, trust_);
    client.send(server, Client::request(target), 0);
    if ((how & 2) != 0) client.socket()->window = 100;
    accept(server, std::move(client), how & 1);
  }
  /// Notes the sessions that clients have been welcomed to.
  void note_sessions() {
    for (const Client& client : clients_) {
      const auto& session = client.session();
      if (!session || session->name.empty() || sessions_.size() >= 16) continue;
      if (std::find(sessions_.begin(), sessions_.end(), session) == sessions_.end())
        sessions_.push_back(session);
    }
  }

 private:
  Client* choose(Input& input) {
    const std::uint8_t which = input.u8();
    return clients_.empty() ? nullptr : &clients_[which % clients_.size()];
  }
  void send(Server& server, Client* client, const sb::testing::ClientFrame& frame) {
    if (client != nullptr) client->send(server, sb::testing::encode(frame), pieces_);
  }
  void accept(Server& server, Client client, unsigned shard) {
    server.host(shard % server.shard_count()).accept(client.socket());
    clients_.push_back(std::move(client));
  }

  Trust trust_;
  std::deque<Client> clients_;
  std::vector<std::shared_ptr<SessionSeen>> sessions_;
  std::uint8_t pieces_ = 0;
};

/// All is let go of and forgotten once nobody is there and the time is over.
template <class App>
void require_empty(sb::testing::TestApp<App>& server) {
  require(what_is_left(server).empty(), "nothing is left of anybody");
}

}  // namespace fuzz
