# SPDX-License-Identifier: MIT
"""chat's own action: direct messages."""
from .chat import numbered
from .scenario import scenario
from .websocket import check, equal


@scenario()
def each_of_a_users_connections_gets_it_once(place):
    ann = place.chat("ann")
    bob = place.stateful("bob")
    bobs = [bob, *(place.chat(bob.user) for _ in range(4)), *(place.stateful(bob.user) for _ in range(3))]
    ann.send_text({"action": "send", "to": bob.user, "data": {"text": "hi", "n": [1, None]}, "id": "m1"})
    equal(ann.receive_json(), {"status": "sent", "id": "m1"})
    expected = {"type": "direct", "from": ann.user, "data": {"text": "hi", "n": [1, None]}}
    for client in bobs:
        if client.session is None:
            equal(client.receive_json(), expected)
        else:
            equal(numbered(client.receive_text()), (1, expected))
        client.nothing_more()
    ann.nothing_more()


@scenario(cases={"null": None, "false": False, "zero": 0, "empty": "", "list": [], "object": {}})
def any_data_is_data(place, data):
    with place.chat("ann") as ann, place.chat("bob") as bob:
        ann.send_text({"action": "send", "to": bob.user, "data": data})
        equal(bob.receive_json(), {"type": "direct", "from": ann.user, "data": data})
        ann.nothing_more()  # without an id there is no answer


@scenario()
def one_may_write_to_oneself(place):
    with place.stateful("ann") as ann:
        ann.send_text({"action": "send", "to": ann.user, "data": 1, "id": 7})
        messages = [ann.receive_json(), ann.receive_json()]
        check({"status": "sent", "id": 7} in messages, messages)
        check({"seq": 1, "type": "direct", "from": ann.user, "data": 1} in messages, messages)


@scenario()
def to_someone_absent_it_is_sent(place):
    with place.chat("ann") as ann:
        ann.send_text({"action": "send", "to": place.user("nobody"), "data": 1, "id": 7})
        equal(ann.receive_json(), {"status": "sent", "id": 7})
        ann.send_text({"action": "send", "to": place.user("nobody"), "data": 1})
        ann.nothing_more()


@scenario()
def one_who_was_cut_gets_it_on_coming_back(place):
    ann, bob = place.chat("ann"), place.stateful("bob")
    bob.cut()
    witness = place.beside(bob, bob.user)
    for number in range(3):
        ann.send_text({"action": "send", "to": bob.user, "data": number, "id": number})
        equal(ann.receive_json(), {"status": "sent", "id": number})
        equal(numbered(witness.receive_text())[1]["data"], number)
    again = place.resumed(bob)
    for number, data in enumerate(range(3), 1):
        equal(numbered(again.receive_text()), (number, {"type": "direct", "from": ann.user, "data": data}))


@scenario(cases={
    "no-to": ({"data": 1}, "field.missing"),
    "no-data": ({"to": "bob"}, "field.missing"),
    "neither": ({}, "field.missing"),
    "to-null": ({"to": None, "data": 1}, "field.invalid"),
    "to-number": ({"to": 5, "data": 1}, "field.invalid"),
    "to-list": ({"to": ["bob"], "data": 1}, "field.invalid"),
    "to-empty": ({"to": "", "data": 1}, "field.invalid"),
    "to-too-long": ({"to": "u" * 201, "data": 1}, "field.invalid"),
})
def mistakes(place, request_and_code):
    request, code = request_and_code
    with place.chat("ann") as ann:
        ann.refused({"action": "send", **request}, code)
        ann.refused({"action": "send", **request, "id": "a b"}, code, "a b")
        ann.refused({"action": "send", **request, "id": 12.5}, code, 12.5)


@scenario()
def an_id_that_is_none_is_told_without_one(place):
    with place.chat("ann") as ann, place.chat("bob") as bob:
        for bad in (None, True, [], {}, "x" * 127):
            ann.refused({"action": "send", "to": bob.user, "data": 1, "id": bad}, "field.invalid")
        bob.nothing_more()


@scenario()
def in_order_from_one_sender(place):
    with place.chat("ann") as ann, place.stateful("bob") as bob:
        ann.send_all([{"action": "send", "to": bob.user, "data": number} for number in range(200)])
        equal([numbered(bob.receive_text()) for _ in range(200)],
              [(number + 1, {"type": "direct", "from": ann.user, "data": number}) for number in range(200)])
