# SPDX-License-Identifier: MIT
"""A client that speaks the JSON of protocol.md: requests, answers, sessions."""
import json
import struct
import urllib.parse

from .websocket import WebSocket, check, compact, equal

ABSENT = object()
WELCOME_KEYS = ["type", "session", "seq", "recovered", "replayed", "missed", "heartbeat"]


def target(token=None, last_seq=None, session=None, path="/ws"):
    query = [("token", token), ("last_seq", last_seq), ("session", session)]
    text = "&".join(f"{name}={urllib.parse.quote(str(value), safe='')}" for name, value in query if value is not None)
    return path + ("?" + text if text else "")


class Chat(WebSocket):
    """Plain without `last_seq`, else stateful; then the welcome is read already."""

    def __init__(self, port, user, last_seq=None, session=None, **options):
        super().__init__(port, target(user, last_seq, session), secrets=(user, session), **options)
        self.user, self.session, self.last_seq, self.welcome = user, None, last_seq, None
        self.observed.secrets.add(user)
        if last_seq is None:
            return
        self.welcome = self.receive_json()
        equal(list(self.welcome), WELCOME_KEYS, "members of the welcome")
        equal(self.welcome["type"], "welcome")
        self.session = self.welcome["session"]
        check(isinstance(self.session, str) and self.session != "", "the welcome names the session")
        self.secrets.add(self.session)
        self.observed.secrets.add(self.session)
        if self.session != session:
            self.last_seq = self.welcome["seq"]

    # Expectations: the next message is exactly this.

    def expect(self, value):
        """An unnumbered JSON message, to the byte."""
        equal(self.receive_text(), value if isinstance(value, str) else compact(value))

    def expect_next(self, value):
        """A numbered JSON message, to the byte, with the number after the last one."""
        text = value if isinstance(value, str) else compact(value)
        self.last_seq += 1
        equal(self.receive_text(), f'{{"seq":{self.last_seq},{text[1:]}')

    def expect_message(self, channel, data):
        """A channel's message, numbered if this client is stateful."""
        self.expect_message_as_written(channel, compact(data))

    def expect_message_as_written(self, channel, data):
        """The same, where `data` is JSON text."""
        (self.expect if self.session is None else self.expect_next)(
            f'{{"type":"message","channel":{compact(channel)},"data":{data}}}')

    def expect_presence_change(self, what, channel, user):
        change = {"type": what, "channel": channel, "user": user}
        (self.expect if self.session is None else self.expect_next)(change)

    def expect_error(self, code, request_id=ABSENT):
        error = self.receive_json()
        expected = ["type", "code", "message"] + ([] if request_id is ABSENT else ["id"])
        equal((list(error), error.get("type"), error.get("code")), (expected, "error", code), f"an error {code}")
        check(isinstance(error["message"], str) and error["message"], f"{code} has no message")
        if request_id is not ABSENT:
            equal(compact(error["id"]), compact(request_id), "the error's id")

    def expect_binary(self, type_number, payload):
        head = struct.pack(">I", type_number)
        if self.session is not None:
            self.last_seq += 1
            head += struct.pack(">Q", self.last_seq)
        message = self.receive_binary()
        equal(message[:len(head)], head, "the binary message's head")
        check(message[len(head):] == payload, f"{len(payload)} bytes were relayed as {len(message) - len(head)}, or others")

    # Requests with their answers.

    def subscribe(self, channel, **more):
        self.send_text({"action": "subscribe", "channel": channel, **more})
        self.expect({"status": "subscribed", "channel": channel})
        return self

    def unsubscribe(self, channel):
        self.send_text({"action": "unsubscribe", "channel": channel})
        self.expect({"status": "unsubscribed", "channel": channel})

    def publish(self, channel, data, request_id=ABSENT):
        """With an id it waits for the answer, which must be the next message."""
        request = {"action": "publish", "channel": channel, "data": data}
        if request_id is ABSENT:
            return self.send_text(request)
        self.send_text({**request, "id": request_id})
        self.expect({"status": "published", "channel": channel, "id": request_id})

    def presence(self, channel):
        """The users who are there."""
        self.send_text({"action": "presence", "channel": channel})
        answer = self.receive_json()
        equal(list(answer), ["status", "channel", "count", "users"], "members of the presence answer")
        equal((answer["status"], answer["channel"]), ("presence", channel))
        users = [entry.pop("user") for entry in answer["users"]]
        check(not any(answer["users"]), "chat gives no presence info")
        equal(answer["count"], len(users), "count")
        return sorted(users)

    def nothing_more(self):
        """Whatever this connection was to get for what it has asked is there."""
        self.send_text({"action": "unsubscribe", "channel": "nowhere", "id": "fence"})
        self.expect({"status": "unsubscribed", "channel": "nowhere", "id": "fence"})

    def refused(self, request, code, request_id=ABSENT):
        """Sends a request that is a mistake: it is told, and the connection lives."""
        self.send_text(request)
        self.expect_error(code, request_id)
        self.nothing_more()


def numbered(text):
    """A stateful client's text message as its number and the rest, which `seq` precedes as the first member."""
    check(text.startswith('{"seq":'), f"no seq first: {text!r:.80}")
    message = json.loads(text)
    number = message.pop("seq")
    check(text.startswith(f'{{"seq":{number}' + ("," if message else "}")), f"not as fixed: {text!r:.80}")
    return number, message
