# SPDX-License-Identifier: MIT
"""RFC 6455 as the server has to hold its clients to it, against echo and chat alike."""
import os
import struct

from .scenario import scenario
from .websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, apply_mask, check, compact, equal, frame_bytes,
                        text_frame)

MIB = 1 << 20


def on_both(**options):
    """The same scenario against echo and against chat, as `(place, connect)`."""
    def register(function):
        def against_echo(place, *case):
            return function(lambda: place.echo(), *case)

        def against_chat(place, *case):
            return function(lambda: place.chat(), *case)

        for name, run in (("echo", against_echo), ("chat", against_chat)):
            run.__name__ = f"{function.__name__}_by_{name}"
            run.__module__ = function.__module__
            scenario(on=name, **options)(run)
        return function
    return register


def closes(connect, code, *frames):
    """The frames end the connection with this code, and what was asked before them is answered."""
    client = connect()
    client.send(frame_bytes(PING, b"before"), *frames)
    client.expect_pong(b"before")
    client.expect_close(code, answer=False)


# ---- breaches: 1002

@on_both(cases={
    "unmasked": [frame_bytes(TEXT, b"{}", masked=False)],
    "unmasked-ping": [frame_bytes(PING, b"", masked=False)],
    "unmasked-close": [frame_bytes(CLOSE, b"\x03\xe8", masked=False)],
    "rsv1": [frame_bytes(TEXT, b"{}", reserved=4)],
    "rsv2": [frame_bytes(TEXT, b"{}", reserved=2)],
    "rsv3": [frame_bytes(TEXT, b"{}", reserved=1)],
    "rsv1-ping": [frame_bytes(PING, b"", reserved=4)],
    "rsv1-continuation": [frame_bytes(TEXT, b"{", fin=False), frame_bytes(CONTINUATION, b"}", reserved=4)],
    **{f"opcode-{opcode:x}": [frame_bytes(opcode, b"")] for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)},
    "fragmented-ping": [frame_bytes(PING, b"", fin=False)],
    "fragmented-pong": [frame_bytes(PONG, b"", fin=False)],
    "fragmented-close": [frame_bytes(CLOSE, b"", fin=False)],
    "long-ping": [frame_bytes(PING, b"x" * 126)],
    "long-pong": [frame_bytes(PONG, b"x" * 126)],
    "long-close": [frame_bytes(CLOSE, struct.pack(">H", 1000) + b"x" * 124)],
    "ping-in-16-bits": [frame_bytes(PING, b"x", length_size=2)],
    "continuation-of-nothing": [frame_bytes(CONTINUATION, b"x")],
    "continuation-after-the-end": [frame_bytes(PONG), frame_bytes(CONTINUATION, b"x")],
    "text-in-text": [frame_bytes(TEXT, b"x", fin=False), frame_bytes(TEXT, b"x")],
    "binary-in-text": [frame_bytes(TEXT, b"x", fin=False), frame_bytes(BINARY, b"x")],
    "125-in-16-bits": [frame_bytes(TEXT, b"x" * 125, length_size=2)],
    "1-in-64-bits": [frame_bytes(TEXT, b"x", length_size=8)],
    "65535-in-64-bits": [frame_bytes(BINARY, b"x" * 65535, length_size=8)],
    "top-bit-of-64": [frame_bytes(BINARY, b"", length=1 << 63)],
    "close-code-of-a-byte": [frame_bytes(CLOSE, b"\x03")],
    **{f"close-code-{code}": [frame_bytes(CLOSE, struct.pack(">H", code))]
       for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)},
})
def closed_1002(connect, frames):
    closes(connect, 1002, *frames)


@on_both()
def a_breach_is_seen_in_the_header_before_the_rest_has_come(connect):
    closes(connect, 1002, frame_bytes(TEXT, b"", reserved=4, length=1000))
    closes(connect, 1002, frame_bytes(BINARY, b"", length=1 << 63)[:10])


@on_both()
def nothing_after_a_breach_is_done(connect):
    closes(connect, 1002, frame_bytes(3), frame_bytes(PING, b"after"), text_frame('{"action":"subscribe","channel":"c"}'))


# ---- bad UTF-8: 1007

BAD_UTF8 = {
    "lone-continuation": b"\x80", "overlong-2": b"\xc0\xaf", "overlong-3": b"\xe0\x80\xaf", "overlong-4": b"\xf0\x80\x80\xaf",
    "surrogate": b"\xed\xa0\x80", "beyond-unicode": b"\xf4\x90\x80\x80", "ff": b"\xff", "five-bytes": b"\xf8\x88\x80\x80\x80",
    "cut-short-inside": b"\xe2\x82x",
}


@on_both(cases={
    **{name: [frame_bytes(TEXT, b'{"a":"' + bad + b'"}')] for name, bad in BAD_UTF8.items()},
    "ends-in-a-character": [frame_bytes(TEXT, b"\xe2\x82")],
    "ends-in-a-character-after-fragments": [frame_bytes(TEXT, b"a", fin=False), frame_bytes(CONTINUATION, b"\xe2\x82")],
    "spread-over-fragments": [frame_bytes(TEXT, b"\xed", fin=False), frame_bytes(CONTINUATION, b"\xa0", fin=False),
                              frame_bytes(CONTINUATION, b"\x80")],
    "in-a-close-reason": [frame_bytes(CLOSE, struct.pack(">H", 1000) + b"\xff")],
})
def closed_1007(connect, frames):
    closes(connect, 1007, *frames)


@on_both()
def bad_utf8_fails_as_soon_as_it_is_certain(connect):
    closes(connect, 1007, frame_bytes(TEXT, b"ok \xed\xa0", fin=False))  # in a first fragment, before its message ends
    closes(connect, 1007, frame_bytes(TEXT, b"ok \xff", length=1000))   # in a frame of which little has come
    client = connect()
    client.send(frame_bytes(TEXT, b"\xf4", fin=False), frame_bytes(PING, b"1"))
    client.expect_pong(b"1")  # this may still become a character
    client.send(frame_bytes(CONTINUATION, b"\x90", fin=False))
    client.expect_close(1007, answer=False)


# ---- over the message limit: 1009

@scenario(on="echo", flags=["--max-message-bytes", "1000"])
def echo_closes_1009_over_the_limit(place):
    over_the_limit(lambda: place.echo())
    with place.echo() as client:
        for payload in (b"x" * 1000, b""):
            client.send_binary(payload)
            equal(client.receive(), payload)


@scenario(flags=["--max-message-bytes", "1000"])
def chat_closes_1009_over_the_limit(place):
    over_the_limit(lambda: place.chat())
    with place.chat() as client:
        request = compact({"action": "subscribe", "channel": "c", "pad": ""})
        client.send_text(request[:-2] + "x" * (1000 - len(request)) + request[-2:])
        client.expect({"status": "subscribed", "channel": "c"})
    stateful = place.stateful()
    stateful.send_text("x" * 1001)
    stateful.expect_close(1009, answer=False)


def over_the_limit(connect):
    for opcode in (TEXT, BINARY):
        closes(connect, 1009, frame_bytes(opcode, b"x" * 1001))
        closes(connect, 1009, frame_bytes(opcode, b"", length=1001))  # the header is enough
        closes(connect, 1009, frame_bytes(opcode, b"", length=(1 << 63) - 1))
        # In fragments, of which chat has yet to learn the type.
        closes(connect, 1009, frame_bytes(opcode, b"xxx", fin=False), frame_bytes(CONTINUATION, b"x" * 998))
        closes(connect, 1009, frame_bytes(opcode, b"xxx", fin=False), frame_bytes(CONTINUATION, b"", length=998))
    closes(connect, 1009, frame_bytes(TEXT, b"x" * 600, fin=False), frame_bytes(CONTINUATION, b"x" * 401))


@scenario(on="echo")
def the_limit_is_16_mib_unless_set(place):
    message = os.urandom(16) * MIB
    with place.echo() as client:
        client.send_binary(message)
        check(client.receive() == message, "16 MiB did not come back as they were")
        client.send(frame_bytes(BINARY, b"", length=16 * MIB + 1))
        client.expect_close(1009, answer=False)


# ---- closing

@on_both(cases={str(code): code for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
                                             4000, 4001, 4999, None)})
def a_close_is_answered_with_its_code(connect, code):
    equal(connect().close(code, "" if code is None else "because é"), [])


@on_both()
def a_close_may_come_with_the_longest_reason_and_in_pieces(connect):
    equal(connect().close(1000, "r" * 123), [])
    client = connect()
    for byte in frame_bytes(CLOSE, struct.pack(">H", 4321)):
        client.send(bytes([byte]))
    client.expect_close(4321, answer=False)


@on_both()
def a_close_between_fragments_ends_it(connect):
    client = connect()
    client.send(frame_bytes(TEXT, b"unfinished", fin=False))
    equal(client.close(1000), [])


@on_both()
def nothing_is_answered_after_the_close(connect):
    client = connect()
    client.send(frame_bytes(CLOSE, struct.pack(">H", 1000)), frame_bytes(PING, b"late"), text_frame('{"type":"ping"}'))
    client.expect_close(1000, answer=False)


# ---- what must work

@on_both()
def a_ping_is_answered_with_its_payload(connect):
    with connect() as client:
        for payload in (b"", b"p", bytes(range(125))):
            client.send(frame_bytes(PING, payload))
            client.expect_pong(payload)
        client.send(frame_bytes(PONG, b"unasked"), frame_bytes(PING, b"next"))
        client.expect_pong(b"next")


@scenario(on="echo", cases={str(size): size for size in (0, 1, 125, 126, 127, 65535, 65536, 65537, 200_000, 3 * MIB)})
def echo_returns_what_it_gets(place, size):
    with place.echo() as client:
        for _ in range(2):
            binary, text = os.urandom(size), ("aé€😀" * (size // 10 + 1)).encode()[:size - size % 10].decode("utf-8", "ignore")
            client.send(frame_bytes(BINARY, binary), text_frame(text))
            check(client.receive() == binary, "binary came back otherwise")
            check(client.receive() == text, "text came back otherwise")


@scenario(on="echo")
def echo_puts_fragments_together(place):
    with place.echo() as client:
        client.send(frame_bytes(TEXT, b"a", fin=False), frame_bytes(PING, b"1"), frame_bytes(CONTINUATION, b"", fin=False),
                    frame_bytes(CONTINUATION, b"\xe2\x82", fin=False), frame_bytes(PING, b"2"), frame_bytes(CONTINUATION, b"\xac"))
        client.expect_pong(b"1")
        client.expect_pong(b"2")
        equal(client.receive(), "a€")
        client.send(frame_bytes(BINARY, b"", fin=False), frame_bytes(CONTINUATION, b""))
        equal(client.receive(), b"")
        pieces = [os.urandom(size) for size in (0, 1, 2, 3, 70_000, 5, 126)]
        client.send(frame_bytes(BINARY, pieces[0], fin=False),
                    *(frame_bytes(CONTINUATION, piece, fin=False) for piece in pieces[1:]), frame_bytes(CONTINUATION, b"end"))
        check(client.receive() == b"".join(pieces) + b"end", "the fragments came back otherwise")


@scenario(on="echo")
def echo_takes_frames_however_they_are_cut(place):
    with place.echo() as client:
        stream = frame_bytes(TEXT, "é€".encode()) + frame_bytes(PING, b"ping") + frame_bytes(BINARY, bytes(range(200)))
        for byte in stream:
            client.send(bytes([byte]))
        equal(client.receive(), "é€")
        client.expect_pong(b"ping")
        equal(client.receive(), bytes(range(200)))
        many = [str(number) for number in range(1000)]
        client.send(*(text_frame(text) for text in many))
        equal([client.receive() for _ in many], many)


@scenario(on="echo")
def any_masking_key_will_do(place):
    with place.echo() as client:
        for key in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"):
            for size in (0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 100):
                payload = os.urandom(size)
                client.send(bytes([0x82, 0x80 | size]) + key + apply_mask(payload, key))
                equal(client.receive(), payload)


@scenario(on="echo")
def a_message_that_is_never_read_back_does_not_hold_others(place):
    with place.echo(receive_buffer=4096) as stalled, place.echo() as other:
        stalled.send_binary(bytes(3 * MIB))
        for number in range(50):
            other.send_text(str(number))
            equal(other.receive(), str(number))
        check(stalled.receive() == bytes(3 * MIB), "what waited came otherwise")


@scenario(on="echo")
def a_sender_who_does_not_read_waits_instead_of_being_closed(place):
    """Over half its bound, a connection's input is not read: an echo's burst waits (design.md)."""
    with place.echo(receive_buffer=4096) as client:
        message = bytes(100_000)
        frame = frame_bytes(BINARY, message)
        client.stream.socket.setblocking(False)
        sent, pending = 0, b""
        try:
            while sent < 300:
                pending = pending or frame
                pending = pending[client.stream.socket.send(pending):]
                sent += not pending
        except BlockingIOError:
            pass
        check(sent < 300, "30 MB were taken, and none read")
        client.stream.socket.settimeout(20)
        for number in range(sent):
            check(client.receive() == message, f"message {number} came otherwise")
        client.send(pending or frame)
        check(client.receive() == message, "the last one came otherwise")


@on_both()
def many_connections_at_once(connect):
    clients = [connect() for _ in range(100)]
    for client in clients:
        client.send(frame_bytes(PING, b"here"))
    for client in clients:
        client.expect_pong(b"here")
    for client in clients:
        client.send(frame_bytes(CLOSE, struct.pack(">H", 1000)))
    for client in clients:
        try:
            client.receive()
            check(False, "a message came")
        except Closed as closed:
            equal(closed.code, 1000)
        client.finish()
