# SPDX-License-Identifier: MIT
"""Requests, their answers, and every error that a request can be."""
from .scenario import scenario
from .websocket import CONTINUATION, PING, TEXT, check, equal, frame_bytes, text_frame


# ---- subscribe, unsubscribe, publish, presence, ping

@scenario()
def a_plain_connection_gets_no_greeting(place):
    with place.chat() as client:
        client.subscribe(place.room())
        client.nothing_more()


@scenario(cases={"string": "a1", "empty": "", "number": 12, "zero": 0, "negative": -7, "fraction": 0.5,
                 "126-characters": "x" * 126, "utf-8": "é" * 63, "escaped": '"\\\n\u0001'})
def every_answer_repeats_the_id(place, request_id):
    room = place.room()
    with place.chat() as client:
        client.send_all([{"action": action, "channel": room, "data": 1, "id": request_id}
                         for action in ("subscribe", "presence", "publish", "unsubscribe", "none")])
        # Each publish is answered when the broker has taken it, which may be after the next request's answer.
        messages = {message.get("status", message.get("type")): message for message in (client.receive_json() for _ in range(6))}
        equal(messages.pop("message"), {"type": "message", "channel": room, "data": 1})
        equal([answer.pop("id") for answer in messages.values()], [request_id] * 5)
        equal(messages["subscribed"], {"status": "subscribed", "channel": room})
        equal(messages["presence"], {"status": "presence", "channel": room, "count": 1, "users": [{"user": client.user}]})
        equal(messages["published"], {"status": "published", "channel": room})
        equal(messages["unsubscribed"], {"status": "unsubscribed", "channel": room})
        equal(messages["error"]["code"], "action.unknown")


@scenario(cases={"number": "1.50", "exponent": "1E+2", "big": "12345678901234567890123", "minus-zero": "-0", "longest": "9" * 128,
                 "escapes": '"\\u0041\\/"'})
def the_id_is_repeated_as_it_was_written(place, written):
    with place.chat() as client:
        client.send_text(f'{{"id" : {written} , "channel":"c","action":"unsubscribe"}}')
        client.expect(f'{{"status":"unsubscribed","channel":"c","id":{written}}}')


@scenario()
def without_an_id_a_publish_has_no_answer(place):
    room = place.room()
    with place.chat() as client:
        client.publish(room, "into the void")
        client.nothing_more()
        client.publish(room, "and with an id there is one", request_id="p")
        client.subscribe(room)
        client.publish(room, 1)
        client.expect_message(room, 1)
        client.nothing_more()


@scenario()
def a_second_subscribe_is_answered_and_not_doubled(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room).subscribe(room)
        client.publish(room, 1)
        client.expect_message(room, 1)
        client.nothing_more()
        client.unsubscribe(room)
        client.publish(room, 2)
        client.nothing_more()


@scenario()
def unsubscribing_what_is_not_subscribed_is_answered(place):
    with place.chat() as client:
        client.unsubscribe(place.room())
        client.unsubscribe(place.room())


@scenario()
def one_may_ping_and_gets_a_pong(place):
    with place.chat() as plain, place.stateful() as stateful:
        for client in (plain, stateful):
            client.send_all([{"type": "ping"}, '{ "type" : "ping" }', {"type": "pong"}, {"type": "pong", "seq": 5}])
            client.expect({"type": "pong"})
            client.expect({"type": "pong"})
            client.nothing_more()


@scenario()
def requests_are_answered_in_their_order(place):
    rooms = [place.room() for _ in range(100)]
    with place.chat() as client:
        client.send_all([{"action": "subscribe", "channel": room} for room in rooms] +
                        [{"action": "presence", "channel": room} for room in rooms] +
                        [{"action": "unsubscribe", "channel": room} for room in rooms])
        equal([(client.receive_json()["status"], room) for room in rooms], [("subscribed", room) for room in rooms])
        answers = [client.receive_json() for _ in rooms]
        equal([(answer["status"], answer["channel"]) for answer in answers], [("presence", room) for room in rooms])
        for room in rooms:
            client.expect({"status": "unsubscribed", "channel": room})


@scenario()
def members_come_in_any_order_and_of_a_repeated_one_the_last_counts(place):
    with place.chat() as client:
        client.send_text('\n{ "extra" : [ { "action" : "publish" } ] , "channel" : "a" , "id":1, "action" : "unsubscribe" }\t')
        client.expect('{"status":"unsubscribed","channel":"a","id":1}')
        client.send_text('{"channel":"\\u0061\\/b","action":"unsubscri\\u0062e"}')
        client.expect('{"status":"unsubscribed","channel":"a/b"}')


@scenario()
def a_request_may_come_in_fragments_with_pings_between(place):
    with place.chat() as client:
        parts = [b'{"action":"unsubs', b"", 'cribe","channel":"é'.encode()[:-1], b"\xa9\"}"]
        client.send(frame_bytes(TEXT, parts[0], fin=False), frame_bytes(PING, b"1"),
                    *(frame_bytes(CONTINUATION, part, fin=False) for part in parts[1:3]), frame_bytes(CONTINUATION, parts[3]))
        client.expect_pong(b"1")
        client.expect({"status": "unsubscribed", "channel": "é"})


# ---- data goes through as the bytes that came

@scenario(cases={
    "digits": "12345678901234567890123", "more-digits": "0." + "1234567890" * 20, "exponents": "[1E5,1e+05,-0,-0.0,1.50,1e-400]",
    "blanks": '{ "b" : [ 1 ,\n\t2 ] , "a" : null }', "order-and-repeats": '{"z":1,"a":2,"z":3}',
    "escapes": '"\\u00e9\\/\\ud83d\\ude00\\u0000"', "utf-8": '"é😀\u2028\x7f"', "null": "null", "false": "false", "zero": "0",
    "empty-string": '""', "empty-object": "{}", "empty-list": "[]", "text": '"plain"', "like-a-message": '{"seq":1,"type":"gap"}',
    "long": '"' + "x" * 70_000 + '"',
})
def data_is_forwarded_byte_for_byte(place, data):
    room = place.room()
    with place.chat() as ann, place.chat() as bob, place.stateful() as cid:
        for client in (ann, bob, cid):
            client.subscribe(room)
        for request in (f'{{"action":"publish","channel":"{room}","data":{data}}}',
                        f'{{ "data" :\n {data} , "action":"publish","channel" :"{room}" }}'):
            ann.send_text(request)
            for client in (ann, bob, cid):
                client.expect_message_as_written(room, data)


@scenario()
def what_no_double_holds_is_forwarded_or_refused(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        client.send_text(f'{{"action":"publish","channel":"{room}","data":1e400}}')
        answer = client.receive_text()
        check(answer.startswith('{"type":"error","code":"json.invalid"')
              or answer == f'{{"type":"message","channel":"{room}","data":1e400}}', answer)
        client.nothing_more()


# ---- json.invalid json.too_deep message.not_object

@scenario(cases={
    "nothing": "", "blanks": " \n", "word": "hello", "brace": "{", "half": '{"action":', "trailing": '{"action":"x"} {}',
    "trailing-comma": '{"action":"x",}', "comma-in-list": '{"data":[1,]}', "single-quotes": "{'action':'x'}", "bare-key": "{action:1}",
    "comment": '{"action":"x"/**/}', "nan": '{"data":NaN}', "infinity": '{"data":-Infinity}', "plus": '{"data":+1}',
    "leading-zero": '{"data":01}', "point": '{"data":1.}', "hexadecimal": '{"data":0x10}', "lone-high": '{"data":"\\ud800"}',
    "lone-low": '{"data":"\\udc00"}', "lone-in-key": '{"\\ud800":1}', "lone-deep": '{"data":[[{"a":"x\\udfffy"}]]}',
    "high-high": '{"data":"\\ud800\\ud800"}', "bad-escape": '{"data":"\\x"}', "short-escape": '{"data":"\\u12"}',
    "line-break": '{"data":"\n"}', "nul": '{"action":"unsubscribe","channel":"c"}\0', "nul-in-string": '{"data":"\0"}',
    "byte-order-mark": '\ufeff{"action":"unsubscribe","channel":"c"}', "twice-colon": '{"a"::1}', "unclosed-string": '{"a":"b',
    "lone-in-action": '{"action":"\\ud800"}', "upper-true": '{"data":True}',
})
def json_invalid(place, text):
    with place.chat() as client:
        client.refused(text, "json.invalid")


@scenario()
def a_lone_surrogate_is_not_published(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        client.refused(f'{{"action":"publish","channel":"{room}","data":"\\ud800","id":1}}', "json.invalid")


@scenario(cases={"list": "[]", "text": '"text"', "number": "5", "null": "null", "true": "true",
                 "list-of-objects": '[{"action":"subscribe","channel":"c"}]'})
def message_not_object(place, text):
    with place.chat() as client:
        client.refused(text, "message.not_object")


@scenario()
def depth_ends_at_64(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deepest = opening * 63 + "1" + closing * 63
            client.send_text(f'{{"action":"publish","channel":"{room}","data":{deepest}}}')
            client.expect_message_as_written(room, deepest)
            client.refused(f'{{"action":"publish","channel":"{room}","data":{opening + deepest + closing}}}', "json.too_deep")
        client.refused("[" * 100_000, "json.too_deep")
        client.refused('{"a":' * 100_000, "json.too_deep")
        client.refused('{"other":' + "[" * 64 + "]" * 64 + "}", "json.too_deep")
        client.send_text({"action": "unsubscribe", "channel": "wide", "data": [[]] * 10_000})
        client.expect({"status": "unsubscribed", "channel": "wide"})


# ---- action.unknown field.missing field.invalid

@scenario(cases={"none": {}, "another": {"action": "dance"}, "empty": {"action": ""}, "case": {"action": "Subscribe", "channel": "c"},
                 "blank": {"action": " subscribe", "channel": "c"}, "only-type": {"type": "message"}, "type-number": {"type": 1},
                 "subscribed": {"status": "subscribed", "channel": "c"}})
def action_unknown(place, request):
    with place.chat() as client:
        client.refused(request, "action.unknown")
        client.refused({**request, "id": "i"}, "action.unknown", "i")


@scenario(cases={action: action for action in ("subscribe", "unsubscribe", "publish", "presence")})
def field_missing_for_a_channel(place, action):
    with place.chat() as client:
        client.refused({"action": action, "data": 1}, "field.missing")
        client.refused({"action": action, "data": 1, "id": 5}, "field.missing", 5)


@scenario()
def field_missing_for_data(place):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        client.refused({"action": "publish", "channel": room}, "field.missing")
        client.refused({"action": "publish", "channel": room, "id": "i"}, "field.missing", "i")


WRONG = {"null": None, "number": 1, "true": True, "list": ["c"], "object": {"c": 1}}


@scenario(cases=WRONG)
def field_invalid_for_a_channel(place, value):
    with place.chat() as client:
        for action in ("subscribe", "unsubscribe", "publish", "presence"):
            client.refused({"action": action, "channel": value, "data": 1}, "field.invalid")
            client.refused({"action": action, "channel": value, "data": 1, "id": 5}, "field.invalid", 5)


@scenario(cases=WRONG)
def field_invalid_for_an_action(place, value):
    with place.chat() as client:
        client.refused({"action": value, "channel": "c"}, "field.invalid")
        client.refused({"action": value, "channel": "c", "id": 5}, "field.invalid", 5)


@scenario(cases={"null": None, "number": 1, "text": "true", "list": [True], "object": {}})
def field_invalid_for_presence(place, value):
    room = place.room()
    with place.chat() as client:
        client.refused({"action": "subscribe", "channel": room, "presence": value, "id": 5}, "field.invalid", 5)
        client.refused({"action": "presence", "channel": room}, "presence.denied")  # it has not subscribed


@scenario(cases={"null": "null", "true": "true", "list": "[1]", "object": "{}", "127-characters": '"' + "x" * 127 + '"',
                 "escapes": '"' + "\\u0041" * 22 + '"', "129-digits": "9" * 129, "utf-8": '"' + "é" * 64 + '"'})
def field_invalid_for_an_id_and_answered_without_one(place, written):
    room = place.room()
    with place.chat() as client:
        client.subscribe(room)
        for action in ("subscribe", "unsubscribe", "publish", "presence", "dance"):
            client.refused(f'{{"action":"{action}","channel":"{room}","data":1,"id":{written}}}', "field.invalid")
        client.send_text({"action": "presence", "channel": room})  # nothing of it was done: it is still subscribed
        equal(client.receive_json()["status"], "presence")


# ---- channel.invalid channel.reserved channel.too_long subscribe.limit presence.denied

BAD_CHANNELS = {
    "empty": ("", "channel.invalid"), "nul": ("a\0b", "channel.invalid"), "line-break": ("a\n", "channel.invalid"),
    "tab": ("\t", "channel.invalid"), "escape": ("\x1b", "channel.invalid"), "delete": ("a\x7f", "channel.invalid"),
    "c1": ("a\u0085", "channel.invalid"), "reserved": ("$", "channel.reserved"), "a-user": ("$user:ann", "channel.reserved"),
    "a-node": ("$node:n", "channel.reserved"), "201-bytes": ("c" * 201, "channel.too_long"),
    "201-in-utf-8": ("é" * 100 + "c", "channel.too_long"), "much": ("c" * 50_000, "channel.too_long"),
}


@scenario(cases=BAD_CHANNELS)
def a_channel_that_is_none(place, channel_and_code):
    channel, code = channel_and_code
    with place.chat() as client:
        for action in ("subscribe", "unsubscribe", "publish", "presence"):
            client.refused({"action": action, "channel": channel, "data": 1}, code)
            client.refused({"action": action, "channel": channel, "data": 1, "id": "i"}, code, "i")


@scenario(cases={"200-bytes": "c" * 188, "200-in-utf-8": "é" * 94, "blank": " ", "dollar-inside": "a$", "quotes": '"\\/', "emoji": "😀",
                 "nbsp": "\u00a0", "slashes": "a/b//c", "star": "*"})
def a_channel_that_is_one(place, name):
    room = name + place.room("")[1:]  # 12 bytes of its own
    with place.chat() as ann, place.chat() as bob, place.stateful() as cid:
        for client in (ann, bob, cid):
            client.subscribe(room)
        ann.publish(room, 1)
        for client in (ann, bob, cid):
            client.expect_message(room, 1)
            equal(client.presence(room), sorted((ann.user, bob.user, cid.user)))
        for client in (ann, bob, cid):
            client.unsubscribe(room)


@scenario()
def subscribe_limit_at_1024(place):
    room = place.room()
    with place.chat() as client:
        client.send_all([{"action": "subscribe", "channel": f"{room}{number}"} for number in range(1024)])
        for number in range(1024):
            client.expect({"status": "subscribed", "channel": f"{room}{number}"})
        client.refused({"action": "subscribe", "channel": room, "id": "i"}, "subscribe.limit", "i")
        client.subscribe(f"{room}7")  # it has this one already
        client.unsubscribe(f"{room}7")
        client.subscribe(room)
        client.refused({"action": "subscribe", "channel": f"{room}7"}, "subscribe.limit")
        client.publish(f"{room}1023", 1)
        client.expect_message(f"{room}1023", 1)


@scenario()
def presence_denied_without_a_subscription(place):
    room = place.room()
    with place.chat() as ann, place.chat() as bob:
        ann.subscribe(room)
        bob.refused({"action": "presence", "channel": room}, "presence.denied")
        bob.refused({"action": "presence", "channel": room, "id": 0}, "presence.denied", 0)
        bob.subscribe(room).unsubscribe(room)
        bob.refused({"action": "presence", "channel": room}, "presence.denied")


@scenario()
def ten_thousand_mistakes_leave_others_undisturbed(place):
    room = place.room()
    with place.chat() as clumsy, place.chat() as ann:
        ann.subscribe(room)
        for number in range(10):
            clumsy.send(text_frame("{") * 500 + text_frame({"action": "subscribe", "channel": "$"}) * 500)
            ann.publish(room, number)
            ann.expect_message(room, number)
            for code in ["json.invalid"] * 500 + ["channel.reserved"] * 500:
                clumsy.expect_error(code)
        clumsy.nothing_more()


