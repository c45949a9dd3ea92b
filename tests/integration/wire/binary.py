# SPDX-License-Identifier: MIT
"""Binary messages: their types and limits, and chat's images."""
import os
import struct

from .scenario import scenario
from .websocket import BINARY, CONTINUATION, compact, equal, frame_bytes

MIB = 1 << 20


def image(room, content):
    name = room.encode()
    return struct.pack(">IH", 1, len(name)) + name + content


# ---- binary.short binary.unknown binary.too_large

@scenario(cases={str(size): size for size in range(4)})
def binary_short(place, size):
    payload = b"\0\0\0\1"[:size]
    with place.chat() as client:
        client.send(frame_bytes(BINARY, payload))
        client.expect_error("binary.short")
        client.send(frame_bytes(BINARY, payload[:1], fin=False), frame_bytes(CONTINUATION, b"", fin=False),
                    frame_bytes(CONTINUATION, payload[1:]))
        client.expect_error("binary.short")
        client.nothing_more()


@scenario(cases={"0": 0, "2": 2, "little-endian-1": 1 << 24, "highest": 0xFFFFFFFF})
def binary_unknown(place, type_number):
    with place.chat() as client:
        for size in (0, 1, 1000, 2 * MIB):
            client.send_binary(struct.pack(">I", type_number) + bytes(size))
            client.expect_error("binary.unknown")
        client.nothing_more()


@scenario()
def binary_too_large_for_its_type(place):
    room = place.room()
    with place.chat() as ann, place.stateful() as bob:
        ann.subscribe(room)
        bob.subscribe(room)
        frame = image(room, b"")
        largest = image(room, bytes(4 + MIB - len(frame)))
        equal(len(largest), 4 + MIB)
        ann.send_binary(largest)
        for client in (ann, bob):
            client.expect_binary(1, largest[4:])
        ann.send_binary(largest + b"x")
        ann.expect_error("binary.too_large")
        half = len(largest) // 2
        ann.send(frame_bytes(BINARY, largest[:half], fin=False), frame_bytes(CONTINUATION, largest[half:] + b"x"))
        ann.expect_error("binary.too_large")
        ann.nothing_more()
        bob.nothing_more()


@scenario(cases={"too-large": (1, "binary.too_large"), "unknown": (7, "binary.unknown")})
def it_is_told_before_the_rest_has_come_and_the_rest_is_discarded(place, type_and_code):
    type_number, code = type_and_code
    with place.chat() as client:
        # The header tells the size, the first bytes the type.
        message = frame_bytes(BINARY, struct.pack(">I", type_number) + bytes(3 * MIB))
        client.send(message[:40])
        client.expect_error(code)
        client.send(message[40:])
        client.nothing_more()
        # In fragments it is certain when they are too many.
        client.send(frame_bytes(BINARY, struct.pack(">I", type_number)[:3], fin=False),
                    frame_bytes(CONTINUATION, struct.pack(">I", type_number)[3:] + bytes(600_000), fin=False),
                    frame_bytes(CONTINUATION, bytes(600_000), fin=False))
        client.expect_error(code)
        client.send(*(frame_bytes(CONTINUATION, bytes(MIB), fin=False) for _ in range(3)), frame_bytes(CONTINUATION, b""))
        client.nothing_more()


@scenario(flags=["--max-message-bytes", "100000"])
def over_the_message_limit_it_is_1009_whatever_its_type(place):
    for type_number in (1, 7):
        client = place.chat()
        client.send(frame_bytes(BINARY, struct.pack(">I", type_number), length=100_001))
        client.expect_close(1009, answer=False)
    with place.chat() as client:
        client.send_binary(struct.pack(">I", 7) + bytes(100_000 - 4))
        client.expect_error("binary.unknown")
        client.nothing_more()


# ---- images

@scenario(cases={"a-byte": b"\xff", "small": bytes(range(256)), "large": os.urandom(700_000), "no-utf-8": b"\xc0\xff" * 100})
def an_image_reaches_every_subscriber_byte_for_byte(place, content):
    room = place.room("räume")
    with place.chat() as ann:
        clients = [client.subscribe(room) for client in (ann, place.chat(), place.chat(), place.stateful(), place.stateful())]
        other = place.chat().subscribe(place.room())
        message = image(room, content)
        for _ in range(2):
            ann.send_binary(message)
            for client in clients:
                client.expect_binary(1, message[4:])
        for client in (*clients, other):
            client.nothing_more()


@scenario()
def the_sender_need_not_be_a_subscriber(place):
    room = place.room()
    with place.chat() as ann, place.chat() as bob:
        bob.subscribe(room)
        ann.send_binary(image(room, b"picture"))
        bob.expect_binary(1, image(room, b"picture")[4:])
        ann.nothing_more()


@scenario()
def text_and_binary_are_one_sequence(place):
    room = place.room()
    with place.chat() as ann, place.stateful() as bob, place.chat() as plain:
        bob.subscribe(room)
        plain.subscribe(room)
        for number in range(20):
            ann.publish(room, number)
            ann.send_binary(image(room, bytes([number])))
        for client in (bob, plain):
            for number in range(20):
                client.expect_message(room, number)
                client.expect_binary(1, image(room, bytes([number]))[4:])
        equal(bob.last_seq, 40)


@scenario()
def an_image_in_fragments(place):
    room = place.room()
    with place.chat() as ann, place.stateful() as bob:
        bob.subscribe(room)
        message = image(room, bytes(range(250)))
        ann.send(frame_bytes(BINARY, message[:2], fin=False), frame_bytes(CONTINUATION, message[2:5], fin=False),
                 frame_bytes(CONTINUATION, message[5:]))
        bob.expect_binary(1, message[4:])


@scenario(cases={
    "nothing": b"", "half-a-length": b"\0", "no-name": b"\0\0picture", "name-cut-short": b"\0\5room",
    "longest-name-missing": b"\xff\xff" + b"x" * 100,
})
def an_image_that_is_none_is_told_and_reaches_nobody(place, payload):
    with place.chat() as client:
        client.send_binary(struct.pack(">I", 1) + payload)
        error = client.receive_json()
        equal((error["type"], list(error)), ("error", ["type", "code", "message"]))
        equal(error["code"], "image.invalid")
        client.nothing_more()


@scenario(cases={"reserved": ("$user:ann", "channel.reserved"), "too-long": ("c" * 201, "channel.too_long"),
                 "control": ("a\nb", "channel.invalid")})
def an_image_for_a_channel_that_is_none(place, name_and_code):
    name, code = name_and_code
    with place.chat() as client:
        client.send_binary(image(name, b"picture"))
        client.expect_error(code)
        client.nothing_more()


@scenario()
def an_image_for_a_name_that_is_no_utf8(place):
    with place.chat() as client:
        client.send_binary(struct.pack(">IH", 1, 2) + b"\xff\xfe" + b"picture")
        client.expect_error("channel.invalid")
        client.nothing_more()


@scenario()
def binary_is_no_json_and_json_no_binary(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        client.send_binary(compact({"action": "publish", "channel": room, "data": 1}).encode())
        client.expect_error("binary.unknown")
        client.refused(image("x", b"y").decode("latin-1"), "json.invalid")
