# SPDX-License-Identifier: MIT
"""Pings, and what silence leads to."""
import select
import threading
import time

from .scenario import scenario
from .websocket import BINARY, PING, PONG, TEXT, Closed, check, equal, frame_bytes, text_frame, wait_until

BEATS = ["--heartbeat-interval-ms", "150", "--heartbeat-timeout-ms", "600"]


def next_ping(client):
    """Waits for a JSON ping, whatever else comes."""
    while True:
        frame = client.receive_any()
        if frame.opcode == TEXT and frame.payload.startswith(b'{"type":"ping"'):
            equal(frame.payload, b'{"type":"ping"}')
            return time.monotonic()


@scenario(flags=BEATS)
def the_welcome_tells_interval_and_timeout(place):
    equal(place.stateful().welcome["heartbeat"], {"interval_ms": 150, "timeout_ms": 600})


@scenario(flags=BEATS, cases={"plain": None, "stateful": 0})
def a_ping_comes_every_interval(place, last_seq):
    opened = time.monotonic()
    with place.chat(last_seq=last_seq) as client:
        times = [next_ping(client)]
        check(times[0] - opened < 1, "the first ping is late")
        while len(times) < 11:
            client.send_text({"type": "pong"})
            times.append(next_ping(client))
        # They keep their rhythm, so delays do not add up; how late each is seen is the machine's matter.
        took = times[-1] - times[0]
        check(1.35 < took < 3, f"ten intervals of 150 ms took {took:.2f} s")


@scenario(flags=["--heartbeat-interval-ms", "3000", "--heartbeat-timeout-ms", "60000"])
def first_pings_are_spread_over_the_interval(place):
    clients = [place.chat() for _ in range(40)]
    began, times = time.monotonic(), []
    for client in clients:
        thread = threading.Thread(target=lambda client=client: times.append(next_ping(client) - began))
        thread.start()
        client.thread = thread
    for client in clients:
        client.thread.join()
    times.sort()
    check(times[-1] < 4, f"the last first ping came after {times[-1]:.2f} s")
    check(times[9] < 1.7 and times[29] > 1.3 and times[-1] > 2, f"they come together: {times}")


@scenario(flags=BEATS, cases={"plain": None, "stateful": 0})
def silence_is_closed_with_4002_at_the_timeout(place, last_seq):
    client = place.chat(last_seq=last_seq)
    client.send_text({"action": "subscribe", "channel": "c"})
    sent = time.monotonic()
    client.expect({"status": "subscribed", "channel": "c"})
    messages, closed = client.until_close()
    took = time.monotonic() - sent
    equal((messages, closed.code), ([], 4002))
    check(0.59 < took < 3, f"closed after {took:.2f} s")
    client.finish(4002)
    if last_seq is not None:  # parked
        again = place.resumed(client)
        equal((again.welcome["recovered"], again.welcome["replayed"]), (True, 0))


@scenario(flags=["--heartbeat-interval-ms", "60000", "--heartbeat-timeout-ms", "400"])
def the_timeout_does_not_wait_for_a_ping(place):
    client = place.chat()
    client.nothing_more()
    began = time.monotonic()
    client.expect_close(4002)
    check(0.3 < time.monotonic() - began < 3, "closed early or late")


@scenario(flags=["--heartbeat-interval-ms", "100", "--heartbeat-timeout-ms", "400", "--presence-grace-ms", "800"])
def who_was_closed_with_4002_counts_as_cut(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    watcher.answers_pings = True
    silent = place.chat("silent").subscribe(room)
    watcher.expect_presence_change("join", room, silent.user)
    closed_at = []

    def keep_silent():
        silent.until_close()
        closed_at.append(time.monotonic())

    thread = threading.Thread(target=keep_silent)
    thread.start()
    watcher.expect_presence_change("leave", room, silent.user)
    left_at = time.monotonic()
    thread.join()
    check(left_at - closed_at[0] > 0.7, f"it left {left_at - closed_at[0]:.2f} s after the close, without its grace time")


@scenario(flags=BEATS, cases={
    "json-pong": [text_frame({"type": "pong"})], "json-ping": [text_frame({"type": "ping"})], "pong": [frame_bytes(PONG)],
    "ping": [frame_bytes(PING, b"x")], "request": [text_frame({"action": "unsubscribe", "channel": "c"})],
    "mistake": [text_frame("no JSON")], "binary": [frame_bytes(BINARY, b"\0\0\0\7")],
})
def any_traffic_keeps_a_connection_alive(place, frames):
    with place.chat() as client:
        for _ in range(8):  # twice the timeout
            next_ping(client)
            client.send(*frames)
        client.send_text({"action": "unsubscribe", "channel": "end"})
        while client.receive_any().payload != b'{"status":"unsubscribed","channel":"end"}':
            pass


@scenario(flags=BEATS)
def a_message_that_is_still_coming_keeps_a_connection_alive(place):
    with place.chat() as client:
        message = text_frame({"action": "unsubscribe", "channel": "c", "pad": "x" * 8})
        for index in range(8):
            next_ping(client)
            client.send(message[index:index + 1])
        client.send(message[8:])
        client.expect({"status": "unsubscribed", "channel": "c"})


@scenario(flags=BEATS)
def reading_alone_keeps_nobody_alive(place):
    room = place.room()
    reader = place.chat().subscribe(room)
    done, began = threading.Event(), time.monotonic()

    def publish():
        with place.chat() as publisher:
            number = 0
            while not done.is_set():
                publisher.publish(room, number, number)
                number += 1
                done.wait(0.02)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        while True:
            reader.receive()
    except Closed as closed:
        equal(closed.code, 4002)
        check(time.monotonic() - began < 3, "closed late")
    finally:
        done.set()
        thread.join()


@scenario(flags=["--heartbeat-interval-ms", "200", "--heartbeat-timeout-ms", "1000", "--max-queue-bytes", "200000"])
def whose_input_is_not_read_is_not_called_silent(place):
    """Over half its queue's bound a connection's input waits; while it takes what is sent, if slowly, it is alive."""
    with place.chat(receive_buffer=4096) as client:
        request = text_frame({"action": "unsubscribe", "channel": "c" * 200})
        connection, sent, rest = client.stream.socket, 0, b""
        connection.setblocking(False)
        while rest or select.select([], [connection], [], 0.3)[1]:  # until the server takes no more
            check(sent < 200_000, "40 MB were taken, and no answer read")
            try:
                rest = rest or request * 100
                rest = rest[connection.send(rest):]
                sent += 100 * (not rest)
            except BlockingIOError:
                if not select.select([], [connection], [], 0.3)[1]:
                    break
        answer = '{"status":"unsubscribed","channel":"' + "c" * 200 + '"}'
        slowly = 0
        for _ in range(8):  # four times the timeout
            time.sleep(0.5)
            for _ in range(50):
                equal(client.receive(), answer)
            slowly += 50
        has_all = threading.Event()

        def go_on():
            client.send(rest)
            while not has_all.wait(0.1):
                client.send_text({"type": "pong"})

        sender = threading.Thread(target=go_on)
        sender.start()
        try:
            for _ in range(sent + (100 if rest else 0) - slowly):
                equal(client.receive(), answer)
        finally:
            has_all.set()
            sender.join()
    equal(place.metric("heartbeat_timeouts_total"), 0)


@scenario(flags=["--heartbeat-interval-ms", "200", "--heartbeat-timeout-ms", "1000", "--max-queue-bytes", "200000"])
def who_takes_nothing_is_closed(place):
    """Input that waits for output to be taken must not keep a connection for ever."""
    with place.chat(receive_buffer=4096) as client:
        connection = client.stream.socket
        connection.setblocking(False)
        request = text_frame({"action": "unsubscribe", "channel": "c" * 200}) * 100
        while select.select([], [connection], [], 0.3)[1]:
            try:
                connection.send(request)
            except BlockingIOError:
                break
        wait_until(lambda: place.metric("heartbeat_timeouts_total") == 1, "the connection to be closed")


@scenario(on="echo", is_slow=True)
def echo_pings_with_frames(place):
    """Its interval is 30 s; of many connections' first pings, spread over it, some come soon."""
    clients = [place.echo() for _ in range(60)]
    pings = []

    def seen():
        for client in clients:
            if client.stream.has_input(0.001):
                frame = client.receive_any()
                equal((frame.opcode, frame.payload), (PING, b""))
                client.send(frame_bytes(PONG))
                pings.append(client)
        return len(pings) >= 3

    wait_until(seen, "a ping", 25)
    for client in pings:
        client.send_text("alive")
        equal(client.receive(), "alive")
