// SPDX-License-Identifier: MIT
// Internal, a part of Hub: the JSON actions and binary messages (protocol.md, "Requests and answers",
// "Errors", "Binary").
#pragma once
#include <switchboard/hub/detail/awaited.hpp>
#include <switchboard/hub/hub.hpp>

namespace switchboard::inline v1 {

template <class App, class Host>
void Hub<App, Host>::fail(const Pending& pending, ErrorCode code, std::string_view text) {
  push_error(pending.client, code, text, pending.id);
}

/// Answers with the request's "id", if it has one.
template <class App, class Host>
void Hub<App, Host>::answer(const Pending& pending, JsonObjectText& body) {
  if (!pending.id.empty()) body.raw("id", pending.id);
  push_answer(pending.client, body.take());
}

template <class App, class Host>
void Hub<App, Host>::handle_text(ConnectionId id, std::string_view text) {
  const JsonRequest request = read_json_request(text);
  Pending pending{id, {}};
  if (request.error) {
    switch (*request.error) {
      case ErrorCode::json_too_deep:
        return fail(pending, *request.error, "at most 64 levels of nesting");
      case ErrorCode::message_not_object:
        return fail(pending, *request.error, "a message is a JSON object");
      default:
        return fail(pending, *request.error, "this is not JSON");
    }
  }
  if (request.id.is_present() && !is_request_id(request.id))
    return fail(pending, ErrorCode::field_invalid,
                "\"id\" must be a string or a number of at most 128 bytes");
  pending.id = request.id.written;
  if (request.is_heartbeat()) return answer_heartbeat(id, request);
  if (!request.action.is_present()) return handle_app_message(std::move(pending), text);
  if (request.action.type != RequestField::Type::string)
    return fail(pending, ErrorCode::field_invalid, "\"action\" must be a string");
  const std::string& action = request.action.string;
  if (action == "subscribe") return handle_subscribe(std::move(pending), request);
  if (action == "unsubscribe") return handle_unsubscribe(std::move(pending), request);
  if (action == "publish") return handle_publish(std::move(pending), request);
  if (action == "presence") return handle_presence(std::move(pending), request);
  handle_app_message(std::move(pending), text);
}

/// Whether the request names a channel that a client may name; if not, it has been told.
template <class App, class Host>
bool Hub<App, Host>::has_channel(const Pending& pending, const JsonRequest& request) {
  if (!request.channel.is_present()) {
    fail(pending, ErrorCode::field_missing, "\"channel\" is missing");
    return false;
  }
  if (request.channel.type != RequestField::Type::string) {
    fail(pending, ErrorCode::field_invalid, "\"channel\" must be a string");
    return false;
  }
  const std::optional<ErrorCode> fault = check_channel(request.channel.string);
  if (!fault) return true;
  switch (*fault) {
    case ErrorCode::channel_reserved:
      fail(pending, *fault, "channels that start with $ are reserved");
      break;
    case ErrorCode::channel_too_long:
      fail(pending, *fault, "a channel's name has at most 200 bytes");
      break;
    default:
      fail(pending, *fault, "a channel's name is 1 to 200 bytes of UTF-8 without control characters");
  }
  return false;
}

/// Asks the App whether the client may; `then(bool)` is called now or when an awaitable answer is there. One
/// that throws means no.
template <class App, class Host>
template <class Ask, class Then>
void Hub<App, Host>::ask_permission(ConnectionId id, const std::string& channel, Ask ask, Then then) {
  using Answer = std::invoke_result_t<Ask&, App&, const User&, std::string_view>;
  const auto conclude = [then = std::move(then)](std::optional<bool> allowed) {
    then(allowed.value_or(false));
  };
  const User& user = find(id)->user;
  if constexpr (detail::Awaited<Answer>::is_awaitable) {
    static_assert(std::copy_constructible<User>,
                  "switchboard: with an awaitable may_… User must be copyable");
    run(id, [this, ask, user, channel] { return ask(*app_, user, channel); }, conclude);
  } else {
    run(id, [&] { return ask(*app_, user, channel); }, conclude);
  }
}

template <class App, class Host>
template <class Then>
void Hub<App, Host>::ask_may_subscribe(ConnectionId id, const std::string& channel, Then then) {
  if constexpr (AppTraits<App>::has_may_subscribe) {
    const auto ask = [](App& app, const User& user, std::string_view name) {
      return app.may_subscribe(user, name);
    };
    ask_permission(id, channel, ask, std::move(then));
  } else {
    then(true);
  }
}

template <class App, class Host>
template <class Then>
void Hub<App, Host>::ask_may_publish(ConnectionId id, const std::string& channel, Then then) {
  if constexpr (AppTraits<App>::has_may_publish) {
    const auto ask = [](App& app, const User& user, std::string_view name) {
      return app.may_publish(user, name);
    };
    ask_permission(id, channel, ask, std::move(then));
  } else {
    then(true);
  }
}

template <class App, class Host>
void Hub<App, Host>::handle_subscribe(Pending pending, const JsonRequest& request) {
  if (!has_channel(pending, request)) return;
  if (request.presence.is_present() && request.presence.type != RequestField::Type::boolean)
    return fail(pending, ErrorCode::field_invalid, "\"presence\" must be true or false");
  const bool wants_presence = request.presence.boolean;
  const std::string& channel = request.channel.string;
  if (subscribers_.is_subscribed(pending.client, channel)) {
    if (wants_presence) watchers_.subscribe(pending.client, channel);
    hold(pending.client);
    return link_channel(channel, [this, pending, channel](std::error_code error) {
      if (subscribers_.is_subscribed(pending.client, channel))
        answer_subscribed(pending, channel, static_cast<bool>(error));
      else
        deny_subscribe(pending);  // taken off it meanwhile
      unlink_channel_if_unused(channel);
      release(pending.client);
    });
  }
  if (subscribers_.subscription_count(pending.client) >= options_.limits.max_subscriptions)
    return fail(pending, ErrorCode::subscribe_limit, "too many subscriptions on this connection");
  find(pending.client)->subscribing = std::make_unique<std::string>(channel);
  ask_may_subscribe(pending.client, channel, [this, pending, channel, wants_presence](bool allowed) {
    ClientType* client = find(pending.client);
    if (client == nullptr) return;
    if (allowed && client->subscribing) return accept_subscribe(pending, channel, wants_presence);
    client->subscribing.reset();
    deny_subscribe(pending);
  });
}

template <class App, class Host>
void Hub<App, Host>::deny_subscribe(const Pending& pending) {
  fail(pending, ErrorCode::subscribe_denied, "you may not subscribe to this channel");
}

/// It is answered once the broker has confirmed the channel; until then the client's later requests wait.
template <class App, class Host>
void Hub<App, Host>::accept_subscribe(const Pending& pending, const std::string& channel,
                                      bool wants_presence) {
  hold(pending.client);
  link_channel(channel, [this, pending, channel, wants_presence](std::error_code error) {
    complete_subscribe(pending, channel, wants_presence, static_cast<bool>(error));
    release(pending.client);
  });
}

template <class App, class Host>
void Hub<App, Host>::complete_subscribe(const Pending& pending, const std::string& channel,
                                        bool wants_presence, bool is_local) {
  ClientType* client = find(pending.client);
  if (client == nullptr) return unlink_channel_if_unused(channel);
  if (!std::exchange(client->subscribing, nullptr)) {  // unsubscribe_user was faster
    unlink_channel_if_unused(channel);
    return deny_subscribe(pending);
  }
  answer_subscribed(pending, channel, is_local);
  join_channel(pending.client, channel, wants_presence);
  if constexpr (AppTraits<App>::has_on_subscribe) {
    if (!subscribers_.is_subscribed(pending.client, channel)) return;  // presence_info has taken it off
    run(
        pending.client,
        [this, channel, connection = Connection<App>(*this, pending.client)]() mutable {
          return app_->on_subscribe(connection, std::string_view(channel));
        },
        [](bool) {});
  }
}

template <class App, class Host>
void Hub<App, Host>::answer_subscribed(const Pending& pending, const std::string& channel, bool is_local) {
  JsonObjectText body;
  body.string("status", "subscribed").string("channel", channel);
  if (is_local) body.boolean("local", true);
  answer(pending, body);
}

template <class App, class Host>
void Hub<App, Host>::handle_unsubscribe(Pending pending, const JsonRequest& request) {
  if (!has_channel(pending, request)) return;
  const std::string& channel = request.channel.string;
  leave_channel(pending.client, channel);
  answer(pending, JsonObjectText().string("status", "unsubscribed").string("channel", channel));
}

template <class App, class Host>
void Hub<App, Host>::handle_publish(Pending pending, const JsonRequest& request) {
  if (!has_channel(pending, request)) return;
  if (!request.data.is_present()) return fail(pending, ErrorCode::field_missing, "\"data\" is missing");
  const std::string& channel = request.channel.string;
  if (const Session* session = find(pending.client)->session.get();
      session != nullptr && session->publish_ids && !pending.id.empty()) {
    if (session->publish_ids->contains(pending.id)) return conclude_publish(pending, channel, {});
    if (session->publish_ids->repeat(pending.id)) return;
  }
  ask_may_publish(pending.client, channel,
                  [this, pending, channel, data = std::string(request.data.written)](bool allowed) {
                    if (allowed)
                      accept_publish(pending, channel, data);
                    else
                      fail(pending, ErrorCode::publish_denied, "you may not publish to this channel");
                  });
}

template <class App, class Host>
void Hub<App, Host>::accept_publish(const Pending& pending, const std::string& channel,
                                    const std::string& data) {
  // Of a session whose copy is on its way the new node would not know that id: sent again, it was twice.
  if (!may_change(pending.client)) return;
  ClientType* client = find(pending.client);
  const bool is_remembered = client->session && !pending.id.empty();
  if (is_remembered) {
    if (!client->session->publish_ids) client->session->publish_ids = std::make_unique<PublishIds>();
    client->session->publish_ids->begin(pending.id);
  }
  ++client->publishes_pending;
  publish_data(channel, data, [this, pending, channel, is_remembered](std::error_code error) {
    ClientType* publisher = find(pending.client);
    if (publisher == nullptr) return;
    const bool was_full = publisher->publishes_pending-- == max_publishes_pending;
    const std::size_t asked = is_remembered ? publisher->session->publish_ids->end(pending.id, !error) : 1;
    if (error || !pending.id.empty())
      for (std::size_t i = 0; i < asked; ++i) conclude_publish(pending, channel, error);
    if (was_full && publisher->is_attached()) run_held(use_of(publisher->transport));
  });
}

template <class App, class Host>
void Hub<App, Host>::conclude_publish(const Pending& pending, const std::string& channel,
                                      std::error_code error) {
  if (error)
    return fail(pending, ErrorCode::publish_unavailable,
                "the message has not reached everyone: " + error.message());
  answer(pending, JsonObjectText().string("status", "published").string("channel", channel));
}

template <class App, class Host>
void Hub<App, Host>::handle_presence(Pending pending, const JsonRequest& request) {
  if (!has_channel(pending, request)) return;
  const std::string& channel = request.channel.string;
  if (!subscribers_.is_subscribed(pending.client, channel))
    return fail(pending, ErrorCode::presence_denied, "presence needs a subscription to the channel");
  if constexpr (!keeps_presence()) {
    fail(pending, ErrorCode::presence_unavailable, "this server keeps no presence");
  } else {
    hold(pending.client);
    port_->query(
        channel, [this, pending, channel](std::error_code error, std::vector<PresenceEntry> entries) {
          if (error) {
            fail(pending, ErrorCode::presence_unavailable, "presence cannot be told now");
          } else {
            std::string users;
            for (const PresenceEntry& entry : entries) {
              JsonObjectText user;
              user.string("user", entry.user);
              if (!entry.info.empty()) user.raw("info", entry.info);
              users += (users.empty() ? "[" : ",") + user.take();
            }
            JsonObjectText body;
            body.string("status", "presence").string("channel", channel).number("count", entries.size());
            answer(pending, body.raw("users", users.empty() ? "[]" : users + "]"));
          }
          release(pending.client);
        });
  }
}

/// An object that is no built-in action.
template <class App, class Host>
void Hub<App, Host>::handle_app_message(Pending pending, std::string_view text) {
  if constexpr (AppTraits<App>::has_on_message) {
    find(pending.client)->written_ids.remember(pending.id);
    run(
        pending.client,
        [this, connection = Connection<App>(*this, pending.client), message = parse_json(text)]() mutable {
          return app_->on_message(connection, std::move(message));
        },
        [this, pending](bool ok) {
          if (!ok) fail(pending, ErrorCode::internal_error, "the server failed at this message");
        });
  } else {
    fail(pending, ErrorCode::action_unknown, "there is no such action");
  }
}

template <class App, class Host>
void Hub<App, Host>::handle_binary(ConnectionId id, std::string_view frame) {
  const auto bytes = std::as_bytes(std::span(frame.data(), frame.size()));
  const std::optional<std::uint32_t> type = BinaryFraming::read_type(bytes);
  if (!type)
    return push_error(id, ErrorCode::binary_short, "a binary message begins with four bytes of type");
  const auto* entry = binary_handlers_.find(*type);
  if (entry == nullptr)
    return push_error(id, ErrorCode::binary_unknown, "no binary messages of this type are taken");
  const auto payload = bytes.subspan(BinaryFraming::type_size);
  if (payload.size() > entry->max_size)
    return push_error(id, ErrorCode::binary_too_large, "too large for its type");
  // An App without handlers has no entry, and need not compile what an awaitable one takes.
  if constexpr (AppTraits<App>::has_binary) run_binary(id, *entry, payload);
}

template <class App, class Host>
void Hub<App, Host>::run_binary(ConnectionId id, const BinaryHandler& entry,
                                std::span<const std::byte> payload) {
  const auto then = [this, id](bool ok) {
    if (!ok) push_error(id, ErrorCode::internal_error, "the server failed at this message");
  };
  const Connection<App> connection(*this, id);
  if (entry.returns_void) {
    run(id, [&] { static_cast<void>(entry.invoke(connection, payload)); }, then);
  } else {
    run(
        id,
        [&entry, connection, kept = std::vector<std::byte>(payload.begin(), payload.end())]()
            -> asio::awaitable<void> { return *entry.invoke(connection, kept); },
        then);
  }
}

/// Raw mode: the App gets what came as it came.
template <class App, class Host>
void Hub<App, Host>::handle_raw(ConnectionId id, bool is_text, std::string_view payload) {
  using Has = AppTraits<App>;
  const auto ignore = [](bool) {};
  Connection<App> connection(*this, id);
  const auto refuse_kind = [&] {
    close_client(id, CloseCode::unsupported_data, "this kind of message is not taken", true,
                 PresenceMode::gone, Fate::destroy);
  };
  if (is_text) {
    if constexpr (Has::has_on_text) {
      using Result = decltype(app_->on_text(connection, payload));
      if constexpr (detail::Awaited<Result>::is_awaitable)
        run(
            id,
            [this, connection, kept = std::string(payload)]() mutable {
              return app_->on_text(connection, std::string_view(kept));
            },
            ignore);
      else
        run(id, [&] { app_->on_text(connection, std::string_view(payload)); }, ignore);
    } else {
      refuse_kind();
    }
  } else {
    if constexpr (Has::has_on_binary) {
      const auto bytes = std::as_bytes(std::span(payload.data(), payload.size()));
      using Result = decltype(app_->on_binary(connection, bytes));
      if constexpr (detail::Awaited<Result>::is_awaitable)
        run(
            id,
            [this, connection, kept = std::vector<std::byte>(bytes.begin(), bytes.end())]() mutable {
              return app_->on_binary(connection, std::span<const std::byte>(kept));
            },
            ignore);
      else
        run(id, [&] { app_->on_binary(connection, std::span<const std::byte>(bytes)); }, ignore);
    } else {
      refuse_kind();
    }
  }
}

}  // namespace switchboard::inline v1
