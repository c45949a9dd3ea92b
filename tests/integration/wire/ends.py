# SPDX-License-Identifier: MIT
"""How the programs begin and end."""
import signal
import subprocess
import time

from .door import check_refusal, request_bytes
from .scenario import scenario
from .websocket import Closed, Refused, Stream, check, equal, read_response, wait_until

SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
CHAT_FLAGS = ["--address", "--port", "--threads", "--heartbeat-interval-ms", "--heartbeat-timeout-ms", "--session-ttl-ms",
              "--presence-grace-ms", "--replay", "--max-message-bytes", "--max-queue-bytes", "--slow-consumer", "--rate-limit",
              "--allow-origin"]
ECHO_FLAGS = ["--address", "--port", "--threads", "--max-message-bytes"]


def exit_code(place, seconds=15):
    try:
        return place.server.process.wait(seconds)
    except subprocess.TimeoutExpired:
        check(False, f"it still runs {seconds} s after the signal")


@scenario(threads=(1,))
def chat_help(place):
    check_help(place, CHAT_FLAGS)


@scenario(on="echo", threads=(1,))
def echo_help(place):
    check_help(place, ECHO_FLAGS)


def check_help(place, flags):
    done = subprocess.run([place.program, "--help"], capture_output=True, text=True, timeout=20)
    equal((done.returncode, done.stderr), (0, ""))
    words = done.stdout.split()
    equal([flag for flag in flags if flag not in words], [], "flags that --help does not name")


@scenario(flags=[], cases=SIGNALS)
def every_client_gets_1001_and_the_exit_code_is_0(place, how):
    clients = [place.chat() for _ in range(5)] + [place.stateful() for _ in range(5)]
    for _ in range(3):
        place.stateful().cut()  # it does not wait for parked sessions
    began = time.monotonic()
    place.server.process.send_signal(how)
    for client in clients:
        client.expect_close(1001)
    equal(exit_code(place), 0)
    check(time.monotonic() - began < 4, "it took its time")
    equal(place.written_errors(), b"", "on stderr")


@scenario(on="echo", flags=[], cases=SIGNALS)
def echo_too(place, how):
    clients = [place.echo() for _ in range(5)]
    place.server.process.send_signal(how)
    for client in clients:
        client.expect_close(1001)
    equal(exit_code(place), 0)


@scenario(flags=[], cases=SIGNALS)
def with_nobody_there_it_ends_at_once(place, how):
    place.server.process.send_signal(how)
    equal(exit_code(place, 3), 0)


@scenario(flags=[])
def what_was_queued_comes_before_1001(place):
    room = place.room()
    readers = [place.chat(receive_buffer=4096).subscribe(room), place.stateful(receive_buffer=4096).subscribe(room)]
    data = "x" * 1000
    with place.chat() as publisher:
        witnesses = [place.beside(reader).subscribe(room) for reader in readers if reader.session]
        publisher.send_all([{"action": "publish", "channel": room, "data": [number, data]} for number in range(300)])
        publisher.publish(room, "last", "id")
        for client in witnesses:
            for number in range(300):
                client.expect_message(room, [number, data])
            client.expect_message(room, "last")
        if place.threads > 1:  # of the plain one nobody can tell on which shard it is: this one has all by then
            for number in range(300):
                readers[0].expect_message(room, [number, data])
            readers[0].expect_message(room, "last")
        place.server.process.send_signal(signal.SIGTERM)
        for reader in readers:
            if place.threads == 1 or reader.session:
                for number in range(300):
                    reader.expect_message(room, [number, data])
                reader.expect_message(room, "last")
            reader.expect_close(1001)
        for client in (*witnesses, publisher):
            client.expect_close(1001)
    equal(exit_code(place), 0)


@scenario(flags=[])
def while_it_drains_nobody_comes_in(place):
    waiting = Stream(place.port)
    waiting.send(b"GET /ws HT")  # a request under way
    client = place.chat()
    place.server.process.send_signal(signal.SIGTERM)
    try:
        client.receive()
        check(False, "a message came")
    except Closed as closed:
        equal(closed.code, 1001)
    # As long as this client does not answer the Close frame, for at most 5 s, the server drains.
    check_refusal(place, read_response(waiting), 503)
    waiting.close()
    wait_until(lambda: place.http("/readyz").status == 503, "/readyz at 503", 3)
    equal(place.http("/healthz").status, 200)
    check_refusal(place, place.exchange(request_bytes()), 503)
    try:
        place.stateful()
        check(False, "a new client came in")
    except Refused as refusal:
        check_refusal(place, refusal.response, 503)
    client.finish(1001)
    equal(exit_code(place, 5), 0)


@scenario(flags=[])
def one_who_does_not_answer_the_close_does_not_hold_it_for_ever(place):
    clients = [place.chat(), place.stateful(), Stream(place.port)]
    began = time.monotonic()
    place.server.process.send_signal(signal.SIGTERM)
    equal(exit_code(place, 14), 0)
    check(time.monotonic() - began < 13, "beyond the bound of 10 s")
    for client in clients[:2]:
        messages, closed = client.until_close()
        equal((messages, closed.code), ([], 1001))


@scenario(flags=[])
def one_who_does_not_read_does_not_hold_it_for_ever(place):
    room = place.room()
    stalled = place.chat(receive_buffer=4096).subscribe(room)
    with place.chat() as publisher:
        for number in range(9):
            publisher.publish(room, "x" * 500_000, number)
    place.server.process.send_signal(signal.SIGTERM)
    equal(exit_code(place, 14), 0)
    stalled.stream.close()


@scenario(flags=["--threads", "0"], threads=(1,))
def threads_0_is_one_per_core(place):
    room = place.room()
    clients = [place.chat().subscribe(room) for _ in range(10)]
    clients[0].publish(room, 1)
    for client in clients:
        client.expect_message(room, 1)
        client.close()
    equal(place.server.stop(), None)


@scenario(flags=[])
def a_second_signal_does_no_harm(place):
    client = place.chat()
    place.server.process.send_signal(signal.SIGTERM)
    try:
        client.receive()
    except Closed as closed:
        equal(closed.code, 1001)
    place.server.process.send_signal(signal.SIGTERM)
    client.stream.close()
    equal(exit_code(place), 0)
