// SPDX-License-Identifier: MIT
// World: what clients get, held against the protocol and the model.
#pragma once
#include "world.hpp"

namespace model {

/// A client that has just come does nothing before it knows which session it is in.
template <class App>
void World<App>::read_welcome(Client& client) {
  if (!client.peer) return;
  if (!has_session[client.index]) client.session = attempts_.at(client.peer->attempt).session;
  while (client.peer && client.is_waiting)
    if (const auto frame = client.peer->next())
      receive(client, *frame);
    else
      return;
}

/// All that has come, and then the end of the connection, if it has ended.
template <class App>
void World<App>::read(Client& client) {
  read_welcome(client);
  while (client.peer) {
    const unsigned status = client.peer->status();
    require(status == 0 || status == 101 || status == 500, "refused with " + std::to_string(status));
    require(client.peer->breach().empty(), "the server broke RFC 6455: " + client.peer->breach());
    const auto frame = client.peer->next();
    if (!frame) break;
    receive(client, *frame);
  }
  if (!client.peer || !client.peer->is_closed()) return;
  old_peers_.push_back({std::move(*client.peer), std::nullopt});
  lose_peer(client);
}

template <class App>
void World<App>::receive(Client& client, const sb::testing::ServerFrame& frame) {
  counts_.count(Counts::frames);
  switch (frame.opcode) {
    case sb::Opcode::text:
      return receive_text(client, frame.payload);
    case sb::Opcode::binary:
      require(!client.is_waiting, "a binary message before the welcome");
      return receive_binary(client, frame.payload);
    case sb::Opcode::close:
      return receive_close(client, *client.peer->close_code());
    case sb::Opcode::pong:
      return require(frame.payload == "are you there" || frame.payload == "between",
                     "a pong with other bytes");
    default:
      throw Failure("an unexpected frame");
  }
}

template <class App>
void World<App>::receive_text(Client& client, const std::string& text) {
  const json object = json::parse(text);
  const std::string type = object.value("type", "");
  if (client.is_waiting) {
    require(type == "welcome", "the first frame is not the welcome: " + text);
    return receive_welcome(client, object);
  }
  require(type != "welcome", "a second welcome");
  if (object.contains("status")) return receive_answer(client, object);
  if (type == "error") return receive_error(client, object);
  if (type == "ping" || type == "pong") return;
  const std::uint64_t sequence = object.value("seq", std::uint64_t{0});
  require((sequence > 0) == has_session[client.index], "numbered or not, against the rules: " + text);
  if (type == "gap") return receive_gap(client, object, sequence);
  if (sequence > 0) {
    advance_sequence(client, sequence, 1);
    model_.number(*session_of(client), sequence, text);
  }
  if (type == "join" || type == "leave") {
    require(config_.sessions_watch, "a notice that nobody asked for: " + text);
    require(object["user"] != users[client.index], "its own coming or going: " + text);
    return check_knows(client, object["channel"]);
  }
  receive_message(client, object, sequence);
}

template <class App>
void World<App>::receive_message(Client& client, const json& message, std::uint64_t sequence) {
  json body = message;
  if (message.contains("channel")) {
    check_knows(client, message["channel"]);
    require(model_.message(message["data"]["n"]).channel == message["channel"].get<std::string>(),
            "a message of another channel");
    body = message["data"];
  }
  body.erase("seq");
  model_.receive(*session_of(client), body.at("n"), sequence, body.dump(), false);
}

template <class App>
void World<App>::receive_binary(Client& client, const std::string& bytes) {
  const bool is_numbered = has_session[client.index];
  const std::size_t head = is_numbered ? 12 : 4;
  require(bytes.size() >= head + 4, "a binary message that is too short");
  const auto number = [&](std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  require(number(0, 4) == 7, "a binary message of another type");
  const std::uint64_t sequence = is_numbered ? number(4, 8) : 0;
  if (is_numbered) {
    advance_sequence(client, sequence, 1);
    model_.number(*session_of(client), sequence, bytes);
  }
  const int message = static_cast<int>(number(head, 4));
  const std::string channel = model_.message(message).channel;
  if (!channel.empty()) check_knows(client, channel);
  model_.receive(*session_of(client), message, sequence, bytes.substr(head), true);
}

template <class App>
void World<App>::receive_gap(Client& client, const json& gap, std::uint64_t sequence) {
  Session& session = *session_of(client);
  if (gap["reason"] == "slow") {
    const std::uint64_t missed = gap["missed"];
    counts_.count(Counts::slow_gaps);
    require(config_.policy != sb::SlowConsumer::close && config_.queue_bytes < 1 << 20,
            "a gap for a slow client that is not");
    require(missed > 0, "a gap without a loss");
    if (!has_session[client.index]) {
      session.missed_plain += missed;
      return;
    }
    advance_sequence(client, sequence, missed);
    for (std::uint64_t i = 0; i < missed; ++i) session.missed.insert(sequence - i);
    return;
  }
  require(gap["reason"] == "broker", "a gap for an unknown reason");
  // A subscribe that was under way when its session moved may have begun too late for the new node to be
  // sure.
  const auto is_unsure = [&](const std::string& channel) {
    return client.unsure.contains(channel) || session.unsure.contains(channel);
  };
  require(config_.is_lossy || std::ranges::all_of(gap["channels"], is_unsure),
          "a gap of the broker's, which has lost nothing: " + gap.dump());
  counts_.count(Counts::broker_gaps);
  advance_sequence(client, sequence, 1);
  model_.number(session, sequence, gap.dump());
  for (const json& channel : gap["channels"]) session.gaps[channel] = model_.now;
  session.gaps[""] = model_.now;
}

template <class App>
void World<App>::advance_sequence(Client& client, std::uint64_t sequence, std::uint64_t by) {
  require(sequence == client.last_seq + by,
          "number " + std::to_string(sequence) + " follows " + std::to_string(client.last_seq));
  client.last_seq = sequence;
}

template <class App>
void World<App>::receive_welcome(Client& client, const json& welcome) {
  client.is_waiting = false;
  const std::uint64_t newest = welcome.at("seq"), replayed = welcome.at("replayed");
  Attempt& attempt = attempts_.at(client.peer->attempt);
  if (attempt.session == 0) {  // it was resumed, and ended before the App was told
    require(attempt.asked_for != 0 && model_.session(attempt.asked_for).life.to != never,
            "a welcome without a session");
    attempt.session = attempt.asked_for;
  }
  const std::string name = welcome.at("session");
  if (client.session == 0 || name != client.name) {
    require(attempt.session != client.session, "the session that was asked for has another name now");
    require(newest == 0 && replayed == 0 && welcome.at("recovered") == false,
            "a new session is not empty: " + welcome.dump());
    require(welcome.at("missed") == (attempt.asked_for == 0 ? json(0) : json(nullptr)),
            "a new session misses something: " + welcome.dump());
    if (attempt.asked_for != 0 && model_.session(attempt.asked_for).life.to == never) {
      model_.end(model_.session(attempt.asked_for));  // for its client, who does not come back to it
      lost_.insert(attempt.asked_for);
    }
    client.session = attempt.session;
    client.name = name;
    client.last_seq = client.acknowledged = 0;
    client.channels.clear();
    client.unsure.clear();
    client.forgotten.clear();
    return;
  }
  require(attempt.session == client.session, "a session's name for another");
  const std::uint64_t missed = welcome.at("missed");
  require(newest >= client.asked_seq + missed,
          "a session that is younger than its client: " + welcome.dump());
  require(welcome.at("recovered") == (missed == 0), "recovered, or not: " + welcome.dump());
  require(replayed <= newest - client.asked_seq - missed,
          "more to be replayed than there is: " + welcome.dump());
  if (config_.policy == sb::SlowConsumer::close || config_.queue_bytes >= 1 << 20) {
    require(replayed == newest - client.asked_seq - missed, "not all is replayed: " + welcome.dump());
    require(missed == 0 || replayed >= config_.replay, "fewer are kept than are to be: " + welcome.dump());
  }
  if (missed > 0) counts_.count(Counts::losses_in_welcomes);
  client.last_seq = client.asked_seq + missed;
  for (std::uint64_t i = 0; i < missed; ++i) session_of(client)->missed.insert(client.last_seq - i);
  // Publishes without an answer are sent again.
  std::deque<Request> again;
  for (const Request& request : client.forgotten)
    if (request.kind == Request::Kind::publish) again.push_back(request);
  for (const Request& request : again) {
    Message& message = model_.message(request.id);
    message.is_sent_again = true;
    take_request(client, request.kind, request.channel, request.id);
    send_publish(client, Event{}, message, true);
    client.forgotten.push_back(request);  // both may be answered
  }
}

/// A client knows that it is in a channel between the answers that say so; where one was lost it cannot.
template <class App>
void World<App>::check_knows(const Client& client, const std::string& channel) const {
  const auto& session = const_cast<Model&>(model_).session(client.session);
  require(client.channels.contains(channel) || client.unsure.contains(channel) ||
              session.unsure.contains(channel),
          "a message of " + channel + ", which the client is not in");
}

template <class App>
std::optional<Request> World<App>::take_request(Client& client, Request::Kind kind,
                                                const std::string& channel, int id) {
  for (auto* requests : {&client.requests, &client.forgotten})
    for (auto place = requests->begin(); place != requests->end(); ++place) {
      if (place->kind != kind || place->channel != channel || place->id != id) continue;
      Request found = std::move(*place);
      requests->erase(place);
      return found;
    }
  return std::nullopt;
}

template <class App>
void World<App>::receive_answer(Client& client, const json& answer) {
  const std::string status = answer["status"], channel = answer.value("channel", "");
  if (status == "unsubscribed" && !answer.contains("id")) {  // not asked for
    client.channels.erase(channel);
    return;
  }
  require(answer.contains("id"), "an answer to nothing: " + answer.dump());
  const int id = answer["id"];
  const auto kind = status == "subscribed"     ? Request::Kind::subscribe
                    : status == "unsubscribed" ? Request::Kind::unsubscribe
                    : status == "published"    ? Request::Kind::publish
                                               : Request::Kind::ask;
  require(take_request(client, kind, channel, id).has_value(), "an answer to nothing: " + answer.dump());
  switch (kind) {
    case Request::Kind::subscribe:
      require(!answer.contains("local") || config_.is_lossy, "the broker is there, and is not");
      client.channels.insert(channel);
      break;
    case Request::Kind::unsubscribe:
      client.channels.erase(channel);
      if (Session* session = session_of(client); session != nullptr && client.requests.empty())
        session->leaving.erase(channel);
      break;
    case Request::Kind::publish:
      model_.publish(model_.message(id));
      break;
    case Request::Kind::ask:
      break;
  }
}

template <class App>
void World<App>::receive_error(Client& client, const json& error) {
  const std::string code = error["code"];
  require(code == "internal.error" || code == "subscribe.denied" || code == "publish.denied" ||
              code == "binary.unknown" || (code == "publish.unavailable" && config_.is_lossy),
          "an error that no event asks for: " + error.dump());
  if (!error.contains("id")) return;
  const int id = error["id"];
  for (auto* requests : {&client.requests, &client.forgotten})
    for (auto place = requests->begin(); place != requests->end(); ++place) {
      if (place->id != id) continue;
      if (code == "publish.unavailable") model_.message(id).is_partial = true;
      requests->erase(place);
      return;
    }
  throw Failure("an error to nothing: " + error.dump());
}

template <class App>
void World<App>::receive_close(Client& client, unsigned code) {
  const Session* session = session_of(client);
  switch (code) {
    case 1000:
    case 4003:
      return require(client.is_waiting || session == nullptr || session->may_end || client.peer->is_gone(),
                     "closed with " + std::to_string(code) + " for no reason");
    case 1013:
      counts_.count(Counts::slow_closes);
      return require(config_.queue_bytes < 1 << 20, "closed for being slow, and is not");
    case 4002:
      return require(client.peer->is_stalled || client.peer->was_silent,
                     "a heartbeat timeout of a client that answers");
    case 4001:
      return require(waited_for_.contains(client.session), "taken over by nobody");
    default:
      throw Failure("closed with " + std::to_string(code));
  }
}

}  // namespace model
