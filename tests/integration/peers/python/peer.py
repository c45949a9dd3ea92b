#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python3-websockets against echo and chat: the scenarios of ../scenarios.txt."""
import asyncio
import contextlib
import json
import struct
import sys

import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode

TEXT, BINARY, CONTINUATION = 0x1, 0x2, 0x0
MIB = 1 << 20
scenarios = []


def scenario(name):
    def register(function):
        scenarios.append((name, function))
        return function
    return register


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(actual, expected):
    expect(actual == expected, f"expected {expected!r:.300}, got {actual!r:.300}")


# ---- echo

@contextlib.asynccontextmanager
async def echo():
    async with websockets.connect(f"ws://127.0.0.1:{ECHO}/ws", max_size=None) as ws:
        yield ws


async def echoes(ws, message):
    await ws.send(message)
    answer = await ws.recv()
    expect(type(answer) is type(message), "text and binary are mixed up")
    expect(answer == message, f"{len(message)} sent, {len(answer)} came back, or others")


async def closed_with(ws):
    try:
        while True:
            await ws.recv()
    except ConnectionClosed as closed:
        expect(closed.rcvd is not None, "the connection ended without a Close frame")
        return closed.rcvd.code


@scenario("echo/text")
async def _():
    async with echo() as ws:
        for text in ("hello", "", "grüße, 漢字, 🎈"):
            await echoes(ws, text)


@scenario("echo/binary")
async def _():
    async with echo() as ws:
        for data in (bytes(range(256)), b""):
            await echoes(ws, data)


@scenario("echo/lengths")
async def _():
    async with echo() as ws:
        for size in (125, 126, 127, 65535, 65536):
            await echoes(ws, b"x" * size)
            await echoes(ws, "x" * size)


@scenario("echo/16-mib")
async def _():
    async with echo() as ws:
        await echoes(ws, bytes(range(256)) * (16 * MIB // 256))


@scenario("echo/fragments")
async def _():
    async with echo() as ws:
        balloon = "🎈".encode()
        await ws.write_frame(False, TEXT, b"a " + balloon[:2])
        pong = await ws.ping(b"between")
        await ws.write_frame(False, CONTINUATION, balloon[2:])
        await ws.write_frame(True, CONTINUATION, b" flies")
        equal(await ws.recv(), "a 🎈 flies")
        await asyncio.wait_for(pong, 5)


@scenario("echo/many-fragments")
async def _():
    async with echo() as ws:
        whole = bytes(range(256)) * (MIB // 256)
        await ws.send(whole[i:i + 1000] for i in range(0, MIB, 1000))
        expect(await ws.recv() == whole, "other bytes came back")


@scenario("echo/order")
async def _():
    async with echo() as ws:
        for number in range(500):
            await ws.send(str(number))
        for number in range(500):
            equal(await ws.recv(), str(number))


@scenario("echo/ping")
async def _():
    async with echo() as ws:
        await asyncio.wait_for(await ws.ping(bytes(range(125))), 5)  # resolved by a pong with these bytes only


@scenario("echo/close-normal")
async def _():
    async with echo() as ws:
        await ws.close(1000, "bye")
        equal(ws.close_code, 1000)


@scenario("echo/close-application")
async def _():
    async with echo() as ws:
        await ws.close(4321, "for a reason")
        equal(ws.close_code, 4321)


@scenario("echo/bad-utf8")
async def _():
    async with echo() as ws:
        await ws.write_frame(True, TEXT, b"bad \xff")
        equal(await closed_with(ws), 1007)


@scenario("echo/breach")
async def _():
    async with echo() as ws:
        ws.transport.write(bytes([0x83, 0x80, 0, 0, 0, 0]))
        equal(await closed_with(ws), 1002)


@scenario("echo/too-large")
async def _():
    async with echo() as ws:
        with contextlib.suppress(ConnectionClosed):  # it may be closed while it is still being sent
            await ws.send(b"x" * (16 * MIB + 1))
        equal(await closed_with(ws), 1009)


# ---- chat

class Chatter:
    """One connection to chat, with what a test asks of it."""

    def __init__(self, ws):
        self.ws = ws

    async def send(self, **message):
        await self.ws.send(json.dumps(message))

    async def receive(self):
        return json.loads(await asyncio.wait_for(self.ws.recv(), 10))

    async def receives(self, **expected):
        equal(await self.receive(), expected)

    async def receives_binary(self, expected):
        frame = await asyncio.wait_for(self.ws.recv(), 10)
        equal(frame, expected)

    async def receives_error(self, code, **fields):
        error = await self.receive()
        expect(error.get("type") == "error" and error.get("code") == code, f"expected {code}, got {error}")
        expect(isinstance(error.get("message"), str), "an error has a message")
        equal({k: v for k, v in error.items() if k not in ("type", "code", "message")}, fields)

    async def subscribe(self, channel):
        await self.send(action="subscribe", channel=channel)
        await self.receives(status="subscribed", channel=channel)

    async def is_silent(self):
        """A ping's pong comes behind everything the server has sent before."""
        await self.send(type="ping")
        await self.receives(type="pong")

    def cut(self):
        self.ws.transport.abort()


@contextlib.asynccontextmanager
async def chat(user, query="", path="/ws"):
    token = f"token=python-{user}" if user else ""
    uri = f"ws://127.0.0.1:{CHAT}{path}?{'&'.join(filter(None, (token, query)))}"
    async with websockets.connect(uri, max_size=None) as ws:
        yield Chatter(ws)


@contextlib.asynccontextmanager
async def stateful(user, last_seq=0, session=None):
    query = f"last_seq={last_seq}" + (f"&session={session}" if session else "")
    async with chat(user, query) as chatter:
        chatter.welcome = await chatter.receive()
        equal(chatter.welcome["type"], "welcome")
        yield chatter


async def status_of(user, query="", path="/ws"):
    try:
        async with chat(user, query, path):
            return 101
    except InvalidStatusCode as refused:
        return refused.status_code


@scenario("chat/refusals")
async def _():
    equal(await status_of(None), 401)
    equal(await status_of("ann", path="/elsewhere"), 404)
    equal(await status_of("ann", "last_seq=one"), 400)


@scenario("chat/publish")
async def _():
    async with chat("ann") as ann:
        await ann.subscribe("publish")
        await ann.send(action="publish", channel="publish", data={"text": "hi"})
        await ann.receives(type="message", channel="publish", data={"text": "hi"})
        await ann.send(action="publish", channel="publish", data=[1, None], id=7)
        frames = [await ann.receive(), await ann.receive()]
        expect({"type": "message", "channel": "publish", "data": [1, None]} in frames, f"no message in {frames}")
        expect({"status": "published", "channel": "publish", "id": 7} in frames, f"no answer in {frames}")


@scenario("chat/fan-out")
async def _():
    async with chat("ann") as ann, chat("bob") as bob:
        await bob.subscribe("fan-out")
        for number in range(100):
            await ann.send(action="publish", channel="fan-out", data=number)
        for number in range(100):
            await bob.receives(type="message", channel="fan-out", data=number)
        await bob.send(action="unsubscribe", channel="fan-out", id="u")
        await bob.receives(status="unsubscribed", channel="fan-out", id="u")
        await ann.send(action="publish", channel="fan-out", data="late", id=1)
        await ann.receives(status="published", channel="fan-out", id=1)
        await bob.is_silent()


@scenario("chat/digits")
async def _():
    async with chat("ann") as ann:
        await ann.subscribe("digits")
        await ann.ws.send('{"action":"publish","channel":"digits","data":[12345678901234567890123, 1.10]}')
        equal(await ann.ws.recv(),
              '{"type":"message","channel":"digits","data":[12345678901234567890123, 1.10]}')


@scenario("chat/errors")
async def _():
    async with chat("ann") as ann:
        for text, code in (("{", "json.invalid"), ("[" * 70 + "]" * 70, "json.too_deep"), ("[]", "message.not_object"),
                           ('{"action":"dance"}', "action.unknown"), ("{}", "action.unknown"),
                           ('{"action":5}', "field.invalid"), ('{"action":"subscribe"}', "field.missing"),
                           ('{"action":"subscribe","channel":null}', "field.invalid"),
                           ('{"action":"publish","channel":"c"}', "field.missing"),
                           ('{"action":"subscribe","channel":""}', "channel.invalid"),
                           ('{"action":"subscribe","channel":"a\\nb"}', "channel.invalid"),
                           ('{"action":"subscribe","channel":"$user:bob"}', "channel.reserved"),
                           ('{"action":"publish","channel":"$x","data":1}', "channel.reserved"),
                           (json.dumps({"action": "subscribe", "channel": "x" * 201}), "channel.too_long"),
                           ('{"action":"presence","channel":"not-mine"}', "presence.denied")):
            await ann.ws.send(text)
            await ann.receives_error(code)
        await ann.send(action="dance", id="request 1")
        await ann.receives_error("action.unknown", id="request 1")
        await ann.send(action="subscribe", channel="c", id=[1])
        await ann.receives_error("field.invalid")
        await ann.is_silent()


@scenario("chat/direct")
async def _():
    async with chat("ann") as ann, chat("bob") as bob, chat("bob") as bob_too:
        await ann.send(action="send", to="python-bob", data={"text": "psst"}, id=1)
        await ann.receives(status="sent", id=1)
        for each in (bob, bob_too):
            await each.receives(**{"type": "direct", "from": "python-ann", "data": {"text": "psst"}})
        await ann.send(action="send", to="nobody", data=1, id="absent")
        await ann.receives(status="sent", id="absent")
        await ann.send(action="send", to="nobody", data=1)
        await ann.send(action="send", data=1, id=2)
        await ann.receives_error("field.missing", id=2)
        await ann.send(action="send", to="python-bob")
        await ann.receives_error("field.missing")
        await ann.send(action="send", to=5, data=1)
        await ann.receives_error("field.invalid")


@scenario("chat/presence")
async def _():
    async with chat("ann") as ann:
        await ann.send(action="subscribe", channel="room", presence=True)
        await ann.receives(status="subscribed", channel="room")
        async with chat("bob") as bob:
            await bob.subscribe("room")
            await ann.receives(type="join", channel="room", user="python-bob")
            await ann.send(action="presence", channel="room")
            answer = await ann.receive()
            equal((answer["status"], answer["count"]), ("presence", 2))
            equal(sorted(user["user"] for user in answer["users"]), ["python-ann", "python-bob"])
        await ann.receives(type="leave", channel="room", user="python-bob")


@scenario("chat/json-ping")
async def _():
    async with chat("ann") as ann:
        await ann.send(type="ping")
        await ann.receives(type="pong")


@scenario("chat/resume")
async def _():
    async with chat("bob") as bob:
        async with stateful("ann") as ann:
            session = ann.welcome["session"]
            equal((ann.welcome["seq"], ann.welcome["recovered"], ann.welcome["replayed"], ann.welcome["missed"]),
                  (0, False, 0, 0))
            await ann.subscribe("resume")
            await bob.send(action="publish", channel="resume", data="first")
            await ann.receives(seq=1, type="message", channel="resume", data="first")
            ann.cut()
        for number in range(3):
            await bob.send(action="publish", channel="resume", data=number, id=number)
            await bob.receives(status="published", channel="resume", id=number)
        async with stateful("ann", 1, session) as ann:
            equal((ann.welcome["session"], ann.welcome["seq"], ann.welcome["recovered"], ann.welcome["replayed"],
                   ann.welcome["missed"]), (session, 4, True, 3, 0))
            for number in range(3):
                await ann.receives(seq=2 + number, type="message", channel="resume", data=number)
            await bob.send(action="publish", channel="resume", data="live")
            await ann.receives(seq=5, type="message", channel="resume", data="live")


@scenario("chat/unknown-session")
async def _():
    async with stateful("ann", 5, "no-such-session") as ann:
        equal((ann.welcome["seq"], ann.welcome["recovered"], ann.welcome["replayed"], ann.welcome["missed"]),
              (0, False, 0, None))


@scenario("chat/taken-over")
async def _():
    async with stateful("ann") as first:
        async with stateful("ann", 0, first.welcome["session"]) as second:
            equal(await asyncio.wait_for(closed_with(first.ws), 10), 4001)
            equal((second.welcome["session"], second.welcome["recovered"]), (first.welcome["session"], True))
            await second.is_silent()


def image_message(room, image):
    name = room.encode()
    return struct.pack(">H", len(name)) + name + image


@scenario("chat/image")
async def _():
    payload = image_message("images", b"\x89PNG" + bytes(range(256)))
    async with chat("bob") as bob:
        await bob.subscribe("images")
        async with stateful("ann") as ann:
            await ann.subscribe("images")
            await bob.ws.send(struct.pack(">I", 1) + payload)
            await bob.receives_binary(struct.pack(">I", 1) + payload)
            await ann.receives_binary(struct.pack(">IQ", 1, 1) + payload)
            ann.cut()
        await bob.ws.send(struct.pack(">I", 1) + payload)
        await bob.receives_binary(struct.pack(">I", 1) + payload)
        async with stateful("ann", 1, ann.welcome["session"]) as ann:
            await ann.receives_binary(struct.pack(">IQ", 1, 2) + payload)


@scenario("chat/binary-errors")
async def _():
    async with chat("ann") as ann:
        for frame, code in ((b"abc", "binary.short"), (struct.pack(">I", 999) + b"x", "binary.unknown"),
                            (struct.pack(">I", 1) + bytes(MIB + 1), "binary.too_large"),
                            (struct.pack(">IH", 1, 500) + b"room", "image.invalid")):
            await ann.ws.send(frame)
            await ann.receives_error(code)
        await ann.is_silent()


@scenario("chat/close")
async def _():
    async with chat("ann") as ann:
        await ann.ws.close(1000)
        equal(ann.ws.close_code, 1000)


async def main():
    failed = 0
    for name, function in scenarios:
        try:
            await asyncio.wait_for(function(), 60)
            print("ok", name, flush=True)
        except Exception as error:  # a peer goes on with the next scenario, whatever broke this one
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    ECHO, CHAT = sys.argv[1:3]
    sys.exit(asyncio.run(main()))
