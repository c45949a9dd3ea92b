# SPDX-License-Identifier: MIT
"""A WebSocket client on a plain socket that can also break every rule, and that holds the server to all of them."""
import base64
import hashlib
import json
import os
import socket
import struct
import time
from typing import NamedTuple

SECONDS = 20  # how long anything that must come may take
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Failure(AssertionError):
    """The server did something that protocol.md does not say."""


class Ended(Failure):
    """The connection ended although more had to come."""


class Refused(Exception):
    """The handshake was answered, but not with 101."""

    def __init__(self, response):
        super().__init__(f"refused with {response.status}: {response.body[:200]!r}")
        self.response = response


class Closed(Exception):
    """A Close frame came."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason!r}")
        self.code, self.reason = code, reason


class Response(NamedTuple):
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)


class Frame(NamedTuple):
    fin: bool
    opcode: int
    payload: bytes


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(actual, expected, what=""):
    if actual != expected:
        raise Failure(f"{what + ': ' if what else ''}expected {expected!r:.300}, got {actual!r:.300}")


def compact(value):
    """JSON as the server writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def apply_mask(payload, key):
    size = len(payload)
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return whole.to_bytes(size, "big")


def frame_bytes(opcode, payload=b"", fin=True, reserved=0, masked=True, length_size=None, length=None):
    """A frame. `length_size` (1, 2 or 8 bytes) and `length` are as they should be unless given."""
    length = len(payload) if length is None else length
    if length_size is None:
        length_size = 1 if length < 126 else 2 if length < 65536 else 8
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if length_size == 1:
        head = bytes([first, mask_bit | length])
    elif length_size == 2:
        head = bytes([first, mask_bit | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, mask_bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + apply_mask(payload, key)


def text_frame(value):
    """A text frame with a string as it is, or with anything else as JSON."""
    return frame_bytes(TEXT, (value if isinstance(value, str) else compact(value)).encode())


class Stream:
    """A socket with a buffer; every read has a deadline."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:  # before connect, or the window is offered already
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = bytearray()

    def send(self, data):
        self.socket.settimeout(SECONDS)
        self.socket.sendall(data)

    def fill(self, seconds=SECONDS):
        """Reads once; false at the end of the stream."""
        self.socket.settimeout(seconds)
        try:
            part = self.socket.recv(1 << 18)
        except TimeoutError:
            raise Failure(f"nothing came within {seconds} s") from None
        except ConnectionResetError:
            part = b""
        self.buffer += part
        return bool(part)

    def has_input(self, seconds):
        """Whether something comes within this time; never an answer to "will nothing come"."""
        if self.buffer:
            return True
        try:
            return self.fill(seconds)
        except Failure:
            return False

    def take(self, size, seconds=SECONDS):
        while len(self.buffer) < size:
            if not self.fill(seconds):
                raise Ended(f"the connection ended, with {len(self.buffer)} of {size} expected bytes")
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def take_until(self, mark):
        while (end := self.buffer.find(mark)) < 0:
            if not self.fill():
                raise Ended(f"the connection ended after {bytes(self.buffer[:200])!r}")
        return self.take(end + len(mark))

    def take_rest(self):
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def shut(self):
        """No more from us."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """Gone at once, as with a pulled plug that the kernel notices."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def read_response(stream, is_head=False, status_only=False):
    head = stream.take_until(b"\r\n\r\n").decode("latin-1")
    status_line, *lines = head[:-4].split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    equal(version, "HTTP/1.1")
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        check(name.lower() not in headers, f"{name} came twice")
        headers[name.lower()] = value
    response = Response(int(status), headers, b"")
    if response.status == 101 or status_only:
        return response
    equal(headers.get("connection"), "close", "Connection")
    body = stream.take_rest()
    if is_head:
        equal(body, b"", "the body of an answer to HEAD")
    else:
        equal(len(body), int(headers["content-length"]), "Content-Length")
    return response._replace(body=body)


def exchange(port, request):
    """One HTTP request, as bytes, and the answer up to the end of the connection."""
    stream = Stream(port)
    try:
        stream.send(request)
        return read_response(stream, request.startswith(b"HEAD "))
    finally:
        stream.close()


def get(port, path, method="GET", headers=()):
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, "", ""]
    return exchange(port, "\r\n".join(lines).encode("latin-1"))


class Observed:
    """What was seen on the wire in the whole run, and what must not be seen anywhere else."""

    def __init__(self):
        self.error_codes, self.statuses, self.close_codes, self.secrets = set(), set(), set(), set()


class WebSocket:
    """One connection. Checks all that holds for every frame; leaves out heartbeats unless asked for them."""

    def __init__(self, port, target="/ws", headers=(), host=None, receive_buffer=None, early=b"", observed=None,
                 secrets=()):
        self.observed = observed or Observed()
        self.secrets = {secret for secret in secrets if secret}
        self.port, self.has_sent_close = port, False
        self.answers_pings = False  # an answer could land inside a frame that a scenario sends piece by piece
        self.stream = Stream(port, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *headers, "", ""]
        try:
            self.stream.send("\r\n".join(lines).encode("latin-1") + early)
            response = read_response(self.stream)
        except BaseException:
            self.stream.close()
            raise
        if response.status != 101:
            self.stream.close()
            raise Refused(response)
        self.response = response
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        equal(response.headers.get("sec-websocket-accept"), accept, "Sec-WebSocket-Accept")
        equal(response.headers.get("upgrade", "").lower(), "websocket", "Upgrade")
        equal(response.headers.get("connection", "").lower(), "upgrade", "Connection")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()

    # What goes out.

    def send(self, *frames):
        """Bytes, all in one write."""
        self.has_sent_close = self.has_sent_close or any(frame[:1] == b"\x88" for frame in frames)
        self.stream.send(b"".join(frames))

    def send_text(self, value):
        self.send(text_frame(value))

    def send_all(self, values):
        """Text messages in one write."""
        self.send(*(text_frame(value) for value in values))

    def send_binary(self, payload):
        self.send(frame_bytes(BINARY, payload))

    # What comes in.

    def receive_frame(self, seconds=SECONDS):
        first, second = self.stream.take(2, seconds)
        check(first & 0x70 == 0, "reserved bits are set")
        check(second & 0x80 == 0, "the server masks its frames")
        opcode, length = first & 0x0F, second
        if length == 126:
            length, = struct.unpack(">H", self.stream.take(2))
            check(length >= 126, "the length is not minimal")
        elif length == 127:
            length, = struct.unpack(">Q", self.stream.take(8))
            check(length >= 65536, "the length is not minimal")
        check(opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG), f"opcode {opcode}")
        if opcode >= CLOSE:
            check(first & 0x80 and length <= 125, "a control frame is fragmented or too long")
        return Frame(bool(first & 0x80), opcode, self.stream.take(length))

    def receive_any(self, seconds=SECONDS):
        """The next message or control frame, heartbeats included; Closed if it is a Close frame."""
        frame = self.receive_frame(seconds)
        if frame.opcode == CLOSE:
            self.check_secrets(frame.payload)
            code = struct.unpack(">H", frame.payload[:2])[0] if frame.payload else None
            check(len(frame.payload) != 1, "a close code of one byte")
            if not self.has_sent_close:  # else it may be our own
                self.observed.close_codes.add(code)
            raise Closed(code, frame.payload[2:].decode())
        check(frame.fin and frame.opcode != CONTINUATION, "the server fragments its messages")
        return frame

    def receive(self, seconds=SECONDS):
        """The next message that is no heartbeat: str or bytes."""
        while True:
            frame = self.receive_any(seconds)
            if frame.opcode == PING:
                if self.answers_pings:
                    self.send(frame_bytes(PONG, frame.payload))
            elif frame.opcode == TEXT and frame.payload == b'{"type":"ping"}':
                if self.answers_pings:
                    self.send_text({"type": "pong"})
            else:
                check(frame.opcode in (TEXT, BINARY), f"a frame with opcode {frame.opcode} came")
                return frame.payload.decode() if frame.opcode == TEXT else frame.payload

    def receive_text(self, seconds=SECONDS):
        message = self.receive(seconds)
        check(isinstance(message, str), f"text was expected, and {message!r:.80} came")
        if message.startswith('{"type":"error"'):
            self.observed.error_codes.add(json.loads(message)["code"])
            self.check_secrets(message.encode())
        return message

    def receive_json(self, seconds=SECONDS):
        return json.loads(self.receive_text(seconds))

    def receive_binary(self):
        message = self.receive()
        check(isinstance(message, bytes), f"binary was expected, and {message!r:.120} came")
        return message

    def check_secrets(self, payload):
        for secret in self.secrets:
            check(secret.encode() not in payload, "a token or session id is in an error or Close frame")

    def expect_pong(self, payload):
        while (frame := self.receive_any()).opcode == PING or frame.payload == b'{"type":"ping"}':
            pass
        equal((frame.opcode, frame.payload), (PONG, payload), "the pong")

    def until_close(self):
        """All messages before the Close frame, and the Closed."""
        messages = []
        while True:
            try:
                messages.append(self.receive())
            except Closed as closed:
                return messages, closed

    def expect_close(self, code, answer=True):
        """The next is a Close frame with this code; the connection then ends."""
        messages, closed = self.until_close()
        equal(closed.code, code, "close code")
        equal(messages, [], "before the Close frame")
        self.finish(code if answer else None)
        return closed

    def finish(self, code=None):
        """After the server's Close frame: answers it, and sees the end of the stream."""
        try:
            if code is not None:
                self.send(frame_bytes(CLOSE, struct.pack(">H", code)))
            rest = self.stream.take_rest()
        except (BrokenPipeError, ConnectionResetError):
            rest = b""
        equal(rest, b"", "after the Close frame")
        self.stream.close()

    # How it ends from our side. Each returns once the server has seen it.

    def close(self, code=1000, reason=""):
        """Closes with a Close frame; what still came before the answer is returned."""
        payload = b"" if code is None else struct.pack(">H", code) + reason.encode()
        self.send(frame_bytes(CLOSE, payload))
        messages, closed = self.until_close()
        equal(closed.code, code, "the answered close code")
        self.finish()
        return messages

    def cut(self):
        """Ends the connection without a Close frame."""
        self.stream.shut()
        self.stream.take_rest()
        self.stream.close()

    def reset(self):
        """Ends it with a reset; the server has not necessarily seen it yet."""
        self.stream.reset()


def wait_until(condition, what, seconds=SECONDS):
    """For what only shows by asking again: the numbers of /metrics."""
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what} did not happen within {seconds} s")
        time.sleep(0.01)
