# SPDX-License-Identifier: MIT
"""Who gets which messages of a channel, when, and in which order."""
import json
import threading

from .chat import numbered
from .scenario import scenario
from .websocket import check, equal


@scenario()
def every_subscriber_gets_it_and_nobody_else(place):
    room, other_room = place.room(), place.room()
    with place.chat() as ann:
        subscribers = [place.chat().subscribe(room) for _ in range(6)] + [place.stateful().subscribe(room) for _ in range(6)]
        others = [place.chat().subscribe(other_room), place.stateful().subscribe(other_room), place.chat()]
        for number in range(20):
            ann.publish(room, {"n": number})
        for client in subscribers:
            for number in range(20):
                client.expect_message(room, {"n": number})
            client.nothing_more()
        for client in others:
            client.nothing_more()
        ann.nothing_more()  # it is no subscriber
        for client in subscribers + others:
            client.close()


@scenario()
def the_publisher_gets_it_if_it_is_a_subscriber(place):
    room = place.room()
    for client in (place.chat(), place.stateful()):
        with client:
            client.subscribe(room)
            client.publish(room, 1)
            client.expect_message(room, 1)
            client.unsubscribe(room)
            client.publish(room, 2)
            client.nothing_more()


@scenario()
def a_channels_name_is_nothing_but_its_bytes(place):
    room = place.room()
    names = [room, room + " ", room.upper(), room + "é", room + "e\u0301", room + "*"]
    with place.chat() as ann:
        clients = [place.chat().subscribe(name) for name in names]
        for number, name in enumerate(names):
            ann.publish(name, number)
        for number, (name, client) in enumerate(zip(names, clients)):
            client.expect_message(name, number)
            client.nothing_more()


class Publisher:
    """Publishes numbers from 0 until told to stop, at most 16 ahead of the answers."""

    def __init__(self, client, room):
        self.client, self.room, self.is_stopped, self.sent = client, room, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_stopped.is_set():
            requests = [{"action": "publish", "channel": self.room, "data": self.sent + step} for step in range(16)]
            requests[-1]["id"] = 1
            self.client.send_all(requests)
            self.client.expect({"status": "published", "channel": self.room, "id": 1})
            self.sent += 16

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.is_stopped.set()
        self.thread.join()
        self.client.close()


@scenario(cases={"plain": None, "stateful": 0})
def messages_only_between_subscribed_and_unsubscribed(place, last_seq):
    room = place.room()
    with Publisher(place.chat(), room), place.chat(last_seq=last_seq) as client:
        last_number = last_seq
        for _ in range(40):
            client.subscribe(room)
            client.send_text({"action": "unsubscribe", "channel": room, "id": "first"})
            heard = []
            for fence in ("first", "second"):
                while (message := client.receive_json()).get("status") != "unsubscribed":
                    heard.append(message["data"])
                    equal(list(message), (["seq"] if client.session else []) + ["type", "channel", "data"])
                    if client.session:
                        equal(message["seq"], last_number + 1)
                        last_number += 1
                equal(message, {"status": "unsubscribed", "channel": room, "id": fence})
                if fence == "first":
                    first_heard = list(heard)
                    client.send_text({"action": "unsubscribe", "channel": room, "id": "second"})
            equal(heard, first_heard, "messages after the unsubscribed answer")
            check(all(b == a + 1 for a, b in zip(heard, heard[1:])), f"not one after the other: {heard}")
        client.subscribe(room)
        heard = [numbered(client.receive_text())[1]["data"] if client.session else client.receive_json()["data"] for _ in range(300)]
        equal(heard, list(range(heard[0], heard[0] + 300)))


@scenario()
def in_order_and_once_from_each_of_several_publishers(place):
    room, count = place.room(), 300
    publishers = [place.chat() for _ in range(4)]
    subscribers = [place.chat().subscribe(room) for _ in range(3)] + [place.stateful().subscribe(room) for _ in range(3)]
    for begin in range(0, count, 50):
        for name, client in enumerate(publishers):
            client.send_all([{"action": "publish", "channel": room, "data": [name, number]} for number in range(begin, begin + 50)])
    for client in subscribers:
        heard = {name: [] for name in range(len(publishers))}
        for expected_seq in range(1, count * len(publishers) + 1):
            text = client.receive_text()
            if client.session:
                seq, message = numbered(text)
                equal(seq, expected_seq)
            else:
                message = json.loads(text)
            name, number = message["data"]
            heard[name].append(number)
        for name in heard:
            equal(heard[name], list(range(count)), f"of publisher {name}")
        client.nothing_more()


@scenario()
def after_subscribed_nothing_published_is_missed(place):
    """Whoever publishes after the answer was seen reaches the subscriber, on whichever shard either is."""
    with place.chat() as ann:
        for number in range(60):
            room = place.room()
            with place.chat() as client:
                client.subscribe(room)
                ann.publish(room, number)
                client.expect_message(room, number)
                client.unsubscribe(room)
                ann.publish(room, "late", request_id=number)
                client.nothing_more()


@scenario()
def large_messages_pass(place):
    room = place.room()
    with place.chat() as ann, place.chat() as bob, place.stateful() as cid:
        for client in (ann, bob, cid):
            client.subscribe(room)
        for size in (125, 126, 65_400, 65_600, 1_000_000, 15_000_000):
            data = "x" * size
            ann.publish(room, data)
            for client in (ann, bob, cid):
                client.expect_message(room, data)
