# SPDX-License-Identifier: MIT
"""The rate limit, and clients that do not read."""
import json
import time

from .binary import image
from .chat import numbered
from .scenario import scenario
from .websocket import PING, Closed, check, compact, equal, frame_bytes, text_frame

RATE_5 = ["--rate-limit", "5"]


def unsubscribes(count):
    return [{"action": "unsubscribe", "channel": "c", "id": number} for number in range(count)]


def expect_unsubscribed(client, count):
    for number in range(count):
        client.expect({"status": "unsubscribed", "channel": "c", "id": number})


# ---- rate.limited, and 1008 after as many refusals in a row

@scenario(flags=RATE_5)
def a_burst_is_taken_and_what_is_over_it_refused(place):
    with place.chat() as client:
        client.send_all(unsubscribes(5) + [{"action": "subscribe", "channel": "c", "id": "over"}, "no JSON", {"action": "x"}])
        expect_unsubscribed(client, 5)
        client.expect_error("rate.limited", "over")
        client.expect_error("rate.limited")
        client.expect_error("rate.limited")


@scenario(flags=RATE_5)
def what_is_refused_is_not_done(place):
    room = place.room()
    with place.chat() as ann, place.chat() as bob:
        bob.subscribe(room)
        ann.send(*(text_frame({"action": "publish", "channel": room, "data": number}) for number in range(7)),
                 frame_bytes(2, image(room, b"over")))
        for _ in range(3):
            ann.expect_error("rate.limited")
        for number in range(5):
            bob.expect_message(room, number)
        bob.nothing_more()


@scenario(flags=RATE_5, cases={"plain": None, "stateful": 0})
def as_many_refusals_in_a_row_close_with_1008(place, last_seq):
    client = place.chat(last_seq=last_seq)
    client.send_all(unsubscribes(12))
    expect_unsubscribed(client, 5)
    for number in range(5, 10):
        client.expect_error("rate.limited", number)
    client.expect_close(1008)
    if last_seq is not None:  # 1008 destroys the session
        again = place.stateful(client.user, session=client.session)
        check(again.session != client.session, "the session lives on")
        equal(again.welcome["missed"], None)


@scenario(flags=RATE_5)
def one_that_is_taken_begins_the_count_anew(place):
    with place.chat() as client:
        client.send_all(unsubscribes(9))
        expect_unsubscribed(client, 5)
        for number in range(5, 9):
            client.expect_error("rate.limited", number)
        for _ in range(3):
            time.sleep(0.25)  # five a second: one more is allowed each 0.2 s
            client.send_all(unsubscribes(5))
            answers = [client.receive_json() for _ in range(5)]
            taken = sum("status" in answer for answer in answers)
            check(1 <= taken < 5 and all("status" in answer for answer in answers[:taken]), answers)
        time.sleep(0.25)
        client.send_all(unsubscribes(1))
        expect_unsubscribed(client, 1)


@scenario(flags=RATE_5)
def pongs_and_control_frames_are_not_counted(place):
    with place.chat() as client:
        client.send(*(text_frame({"type": "pong", "seq": number}) for number in range(50)),
                    *(frame_bytes(PING, b"") for _ in range(50)), *(text_frame(request) for request in unsubscribes(5)))
        for _ in range(50):
            client.expect_pong(b"")
        expect_unsubscribed(client, 5)


@scenario(flags=RATE_5)
def pings_are_counted(place):
    with place.chat() as client:
        client.send_all([{"type": "ping"}] * 6)
        for _ in range(5):
            client.expect({"type": "pong"})
        client.expect_error("rate.limited")


@scenario(flags=RATE_5)
def each_connection_has_its_own(place):
    ann = place.chat()
    clients = [ann, *(place.chat(ann.user) for _ in range(4))]
    for client in clients:
        client.send_all(unsubscribes(6))
    for client in clients:
        expect_unsubscribed(client, 5)
        client.expect_error("rate.limited", 5)


@scenario()
def without_a_limit_there_is_none(place):
    with place.chat() as client:
        client.send_all(unsubscribes(5000))
        expect_unsubscribed(client, 5000)


# ---- slow consumers. A queue of five of these messages is over its bound; the kernel takes some megabytes before.

PADDING = "x" * 20_000
QUEUE = ["--max-queue-bytes", "100000", "--replay", "10"]
STALLED = dict(receive_buffer=4096)
ENOUGH = 500  # 10 MB


def padded(room, data):
    return {"action": "publish", "channel": room, "data": [data, PADDING]}


class Reader:
    """Reads what a stalled client has got, plain or stateful, and holds it to what was published."""

    def __init__(self, client):
        self.client, self.is_stateful, self.gaps, self.last_seq = client, client.session is not None, [], client.last_seq

    def next(self):
        """A message of a channel, or the number of those that a gap stands for."""
        text = self.client.receive_text()
        if self.is_stateful:
            number, message = numbered(text)
        else:
            message = json.loads(text)
        if message["type"] == "gap":
            equal(message, {"type": "gap", "reason": "slow", "missed": message["missed"]})
            check(isinstance(message["missed"], int) and message["missed"] > 0, message)
            self.gaps.append(message["missed"])
            step = message["missed"]
        else:
            step = 1
        if self.is_stateful:
            equal(number, self.last_seq + step, "the number")
            self.last_seq = number
        return message


@scenario(flags=[*QUEUE, "--slow-consumer", "close", "--presence-grace-ms", "600000"], cases={"plain": None, "stateful": 0})
def close_1013(place, last_seq):
    room = place.room()
    slow = place.chat("slow", last_seq=last_seq, **STALLED).subscribe(room)
    witness = place.beside(slow) if slow.session else None
    other, publisher = place.chat("other").subscribe(room), place.chat()
    published = 0
    while place.metric("slow_closed_total") == 0:
        check(published < 2000, "40 MB wait for one who does not read")
        for _ in range(20):
            publisher.send_text(padded(room, published))
            other.expect_message(room, [published, PADDING])  # who reads is not held up
            published += 1
    equal(other.presence(room), sorted((other.user, slow.user)))  # it counts as cut
    messages, closed = slow.until_close()
    equal(closed.code, 1013)
    written = len(messages)
    for number, message in enumerate(messages):
        head = f'{{"seq":{number + 1},' if slow.session else "{"
        equal(message, head + compact({"type": "message", "channel": room, "data": [number, PADDING]})[1:])
    check(written < published, "nothing was lost")
    slow.finish(1013)
    if slow.session is None:
        return
    # Parked: the log is replayed as far as it reaches, the rest told as missed.
    witness.subscribe(room)
    for _ in range(50):
        publisher.send_text(padded(room, published))
        witness.expect_message(room, [published, PADDING])
        published += 1
    again = place.resumed(slow, last_seq=written)
    welcome = again.welcome
    check(10 <= welcome["replayed"] < 20, f"{welcome['replayed']} replayed: ten, and what was unwritten")
    equal((welcome["seq"], welcome["recovered"], welcome["missed"]), (published, False, published - written - welcome["replayed"]))
    again.last_seq += welcome["missed"]
    for number in range(published - welcome["replayed"], published):
        again.expect_message(room, [number, PADDING])
    again.nothing_more()


@scenario(flags=[*QUEUE, "--slow-consumer", "drop-oldest"], cases={"plain": None, "stateful": 0})
def drop_oldest(place, last_seq):
    room = place.room()
    slow = place.chat("slow", last_seq=last_seq, **STALLED).subscribe(room)
    other, publisher = place.chat("other").subscribe(room), place.chat()
    for number in range(ENOUGH):
        publisher.send_text(padded(room, number))
        other.expect_message(room, [number, PADDING])
    reader, expected = Reader(slow), 0
    while expected < ENOUGH:
        message = reader.next()
        if message["type"] == "gap":
            expected += message["missed"]
        else:
            equal(message, {"type": "message", "channel": room, "data": [expected, PADDING]})
            expected += 1
            equal(message["data"][0] == ENOUGH - 1, expected == ENOUGH)
    slow.nothing_more()
    check(reader.gaps, "10 MB were kept for one who does not read")
    numbers = place.metrics()
    equal((numbers["messages_dropped_total"], numbers["slow_closed_total"]), (sum(reader.gaps), 0))
    publisher.publish(room, "on")
    if slow.session:
        slow.last_seq = reader.last_seq
    slow.expect_message(room, "on")
    if slow.session:
        slow.cut()
        again = place.resumed(slow, last_seq=ENOUGH - 1)
        equal((again.welcome["replayed"], again.welcome["missed"]), (2, 0))
        for data in ([ENOUGH - 1, PADDING], "on"):
            again.expect_message(room, data)


@scenario(flags=["--max-queue-bytes", "100000", "--replay", "100", "--slow-consumer", "drop-oldest"])
def a_gap_is_kept_and_replayed(place):
    room = place.room()
    slow = place.stateful("slow", **STALLED).subscribe(room)
    other, publisher = place.chat("other").subscribe(room), place.chat()
    for number in range(ENOUGH):
        publisher.send_text(padded(room, number))
        other.expect_message(room, [number, PADDING])
    reader = Reader(slow)
    while (message := reader.next())["type"] != "gap":
        seen = reader.last_seq
    slow.cut()
    # From before the gap: the gap stands for all that is missing between what is replayed before it and itself.
    again = place.resumed(slow, last_seq=seen)
    replayed = [numbered(again.receive_text()) for _ in range(again.welcome["replayed"])]
    equal(replayed[-1], (ENOUGH, {"type": "message", "channel": room, "data": [ENOUGH - 1, PADDING]}))
    last = seen + again.welcome["missed"]
    for number, message in replayed:
        equal(number, last + (message["missed"] if message["type"] == "gap" else 1))
        last = number
    equal(last, again.welcome["seq"])
    again.nothing_more()


@scenario(flags=[*QUEUE, "--slow-consumer", "conflate"], cases={"plain": None, "stateful": 0})
def conflate(place, last_seq):
    rooms = [place.room(name) for name in "abc"]
    slow = place.chat("slow", last_seq=last_seq, **STALLED)
    other, publisher = place.chat("other"), place.chat()
    for room in rooms:
        slow.subscribe(room)
        other.subscribe(room)
    for number in range(ENOUGH):
        publisher.send_text(padded(rooms[number % 3], number))
        other.expect_message(rooms[number % 3], [number, PADDING])
    reader, expected, newest = Reader(slow), 0, {}
    while expected < ENOUGH:
        message = reader.next()
        if message["type"] == "gap":
            expected += message["missed"]
        else:
            equal(message, {"type": "message", "channel": rooms[expected % 3], "data": [expected, PADDING]})
            newest[message["channel"]] = expected
            expected += 1
    slow.nothing_more()
    equal(newest, {rooms[number % 3]: number for number in range(ENOUGH - 3, ENOUGH)})
    check(reader.gaps, "10 MB were kept for one who does not read")
    numbers = place.metrics()
    equal((numbers["messages_dropped_total"], numbers["slow_closed_total"]), (sum(reader.gaps), 0))


@scenario(flags=["--max-queue-bytes", "100000", "--slow-consumer", "conflate"])
def conflate_closes_if_that_is_not_enough(place):
    rooms = [place.room() for _ in range(20)]
    slow = place.chat("slow", **STALLED)
    publisher = place.chat()
    for room in rooms:
        slow.subscribe(room)
    published = 0
    while place.metric("slow_closed_total") == 0:
        check(published < 2000, "40 MB wait for one who does not read")
        publisher.send_all(padded(rooms[(published + step) % 20], published + step) for step in range(20))
        publisher.nothing_more()
        published += 20
    try:
        while True:
            slow.receive()
    except Closed as closed:
        equal(closed.code, 1013)


@scenario(flags=["--max-queue-bytes", "1000"])
def a_single_message_is_always_accepted_into_an_empty_queue(place):
    room = place.room()
    with place.chat() as ann, place.stateful() as bob, place.chat() as publisher:
        ann.subscribe(room)
        bob.subscribe(room)
        for number in range(5):
            publisher.publish(room, [number, "y" * 500_000])
            for client in (ann, bob):
                client.expect_message(room, [number, "y" * 500_000])
        equal(place.metric("slow_closed_total"), 0)


@scenario(flags=["--max-queue-bytes", "100000"])
def a_burst_of_answers_waits_instead_of_closing(place):
    """Over half the bound a connection's own input is not read."""
    with place.chat(**STALLED) as client:
        requests = [{"action": "unsubscribe", "channel": "c" * 200, "id": number} for number in range(3000)]
        client.send_all(requests)
        for number in range(3000):
            client.expect({"status": "unsubscribed", "channel": "c" * 200, "id": number})
