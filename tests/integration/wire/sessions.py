# SPDX-License-Identifier: MIT
"""Every row of the resume table, and what carries a number."""
import concurrent.futures
import struct
import time

from .binary import image
from .chat import Chat, target
from .scenario import scenario
from .websocket import Closed, check, compact, equal, text_frame, wait_until

LARGEST = (1 << 53) - 1
REPLAY_10 = ["--replay", "10"]


def expect_welcome(client, seq, recovered, replayed, missed):
    welcome = {name: client.welcome[name] for name in ("seq", "recovered", "replayed", "missed")}
    equal(welcome, {"seq": seq, "recovered": recovered, "replayed": replayed, "missed": missed}, "welcome")


def publish_and_see(place, client, room, numbers):
    """Publishes while the client is away, and returns once its session has got all of it."""
    with place.beside(client) as witness, place.chat() as publisher:
        witness.subscribe(room)
        for number in numbers:
            publisher.publish(room, number)
            witness.expect_message(room, number)


def stateful_with(place, room, count):
    """A client that has got `count` messages, 0 and so on, of the room."""
    client = place.stateful().subscribe(room)
    for number in range(count):
        client.publish(room, number)
        client.expect_message(room, number)
    return client


# ---- the table, row by row

@scenario()
def no_last_seq_is_plain_and_session_ignored(place):
    room = place.room()
    client = stateful_with(place, room, 3)
    plain = place.chat(client.user, session=client.session)
    plain.nothing_more()  # no greeting, no replay, no subscription
    plain.subscribe(room)
    client.publish(room, "both")
    client.expect_message(room, "both")  # the session still has its socket
    plain.expect_message(room, "both")
    plain.cut()
    later = place.chat(client.user)
    later.nothing_more()
    equal(place.chat().subscribe(room).presence(room).count(client.user), 1)


@scenario()
def last_seq_0_without_a_session_begins_one(place):
    client = place.echo(target=target(place.user(), 0))
    text = client.receive_text()
    session = session_in(text)
    equal(text, compact({"type": "welcome", "session": session, "seq": 0, "recovered": False, "replayed": 0, "missed": 0,
                         "heartbeat": {"interval_ms": 30000, "timeout_ms": 60000}}))


def session_in(text):
    return text.split('"session":"')[1].split('"')[0]


@scenario(cases={"1": 1, "padded": "0000000000000007", "largest": LARGEST})
def last_seq_above_0_without_a_session_begins_one(place, last_seq):
    expect_welcome(place.stateful(last_seq=last_seq), 0, False, 0, None)


@scenario()
def every_session_has_a_name_of_its_own(place):
    sessions = [place.stateful().session for _ in range(50)]
    equal(len(set(sessions)), 50)
    check(all(len(session) >= 32 for session in sessions), "fewer than 128 random bits")


UNKNOWN = {"word": "hello", "empty": "", "zeros-0": "0" * 32 + "-0", "zeros-1": "0" * 32 + "-1", "no-such-shard": "0" * 32 + "-7",
           "huge-shard": "0" * 32 + "-99999999999", "negative": "0" * 32 + "--1", "long": "f" * 5000, "utf-8": "é" * 17,
           "no-shard": "f" * 32}


@scenario(cases=UNKNOWN)
def an_unknown_session_begins_a_new_one(place, session):
    for last_seq in (0, 5, LARGEST):
        client = place.stateful(last_seq=last_seq, session=session)
        check(client.session != session, "the client chose its session's name")
        expect_welcome(client, 0, False, 0, None if last_seq or session else 0)
        client.nothing_more()


@scenario()
def another_users_session_is_as_good_as_unknown(place):
    room = place.room()
    ann = stateful_with(place, room, 3)
    for last_seq in (0, 3):
        mallory = place.stateful("mallory", session=ann.session, last_seq=last_seq)
        check(mallory.session != ann.session, "mallory has ann's session")
        expect_welcome(mallory, 0, False, 0, None)
        mallory.nothing_more()
    ann.publish(room, "mine")
    ann.expect_message(room, "mine")  # it was not taken over
    ann.cut()
    mallory = place.stateful("mallory", session=ann.session, last_seq=0)
    expect_welcome(mallory, 0, False, 0, None)
    again = place.resumed(ann)
    expect_welcome(again, 4, True, 0, 0)


@scenario(flags=["--session-ttl-ms", "400"])
def an_expired_session_is_as_good_as_unknown(place):
    room = place.room()
    ann = stateful_with(place, room, 2)
    began = time.monotonic()
    ann.cut()
    wait_until(lambda: place.metric("sessions_expired_total") == 1, "the session's end")
    check(time.monotonic() - began > 0.39, "it expired early")
    again = place.stateful(ann.user, session=ann.session, last_seq=2)
    check(again.session != ann.session, "it is still there")
    expect_welcome(again, 0, False, 0, None)
    again.publish(room, "unheard")
    again.nothing_more()  # nothing of the old one, its subscriptions included
    equal(place.metric("subscriptions"), 0)


@scenario(flags=["--session-ttl-ms", "1500"])
def the_time_to_live_begins_anew_with_each_end(place):
    ann = place.stateful()
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        ann.cut()
        ann = place.resumed(ann)
        expect_welcome(ann, 0, True, 0, 0)
    equal(place.metric("sessions_expired_total"), 0)


@scenario(cases={"0": 0, "3": 3})
def found_and_nothing_missed(place, count):
    room = place.room()
    client = stateful_with(place, room, count)
    client.cut()
    again = place.resumed(client)
    expect_welcome(again, count, True, 0, 0)
    again.publish(room, "live")
    again.expect_message(room, "live")
    equal(again.last_seq, count + 1)


ENDS = {"cut": lambda client: client.cut(), "reset": lambda client: client.reset(), "close-1000": lambda client: client.close(),
        "close-4000": lambda client: client.close(4000), "close-without-a-code": lambda client: client.close(None)}


@scenario(cases=ENDS)
def found_and_all_kept(place, end):
    room = place.room()
    client = stateful_with(place, room, 5)
    end(client)
    publish_and_see(place, client, room, range(5, 12))
    for last_seq in (5, 0, 11, 12):
        again = place.resumed(client, last_seq=last_seq)
        expect_welcome(again, 12, True, 12 - last_seq, 0)
        for number in range(last_seq, 12):
            again.expect_message(room, number)
        again.nothing_more()
        client = again
        client.cut()
    again = place.resumed(client, last_seq=7)
    for number in range(7, 12):
        again.expect_message(room, number)
    again.publish(room, "live")
    again.expect_message(room, "live")
    equal(again.last_seq, 13)


@scenario(flags=REPLAY_10)
def found_but_the_oldest_are_gone(place):
    room = place.room()
    client = stateful_with(place, room, 5)
    client.cut()
    publish_and_see(place, client, room, range(5, 25))
    for last_seq, missed in ((5, 10), (0, 15), (14, 1)):
        again = place.resumed(client, last_seq=last_seq)
        expect_welcome(again, 25, False, 10, missed)
        again.last_seq += missed  # the first number jumps exactly by what was missed
        for number in range(15, 25):
            again.expect_message(room, number)
        again.nothing_more()
        again.cut()
    for last_seq in (15, 20, 25):  # O - 1 and later: all of what is asked for is kept
        again = place.resumed(client, last_seq=last_seq)
        expect_welcome(again, 25, True, 25 - last_seq, 0)
        for number in range(last_seq, 25):
            again.expect_message(room, number)
        again.cut()
    again = place.resumed(client, last_seq=25)  # same session, same subscriptions
    again.publish(room, 25)
    again.expect_message(room, 25)
    equal(again.last_seq, 26)


@scenario(flags=REPLAY_10, cases={"9": (9, 0), "10": (10, 0), "11": (11, 1), "35": (35, 25)})
def the_bound_is_exact(place, count_and_missed):
    count, missed = count_and_missed
    room = place.room()
    client = place.stateful().subscribe(room)
    client.cut()
    publish_and_see(place, client, room, range(count))
    again = place.resumed(client)
    expect_welcome(again, count, missed == 0, count - missed, missed)
    again.last_seq += missed
    for number in range(missed, count):
        again.expect_message(room, number)
    again.nothing_more()


@scenario(flags=["--replay", "0"])
def nothing_is_kept_without_replay(place):
    room = place.room()
    client = stateful_with(place, room, 2)
    client.cut()
    publish_and_see(place, client, room, range(2, 5))
    again = place.resumed(client)
    expect_welcome(again, 5, False, 0, 3)
    again.last_seq = 5
    again.publish(room, "live")
    again.expect_message(room, "live")


@scenario()
def a_hundred_are_kept_unless_said_otherwise(place):
    room = place.room()
    client = place.stateful().subscribe(room)
    client.cut()
    publish_and_see(place, client, room, range(130))
    again = place.resumed(client)
    expect_welcome(again, 130, False, 100, 30)


@scenario()
def a_last_seq_above_the_sessions_is_treated_as_unknown(place):
    room = place.room()
    client = stateful_with(place, room, 3)
    for last_seq in (4, LARGEST):
        other = place.stateful(client.user, session=client.session, last_seq=last_seq)
        check(other.session != client.session, "it is the same session")
        expect_welcome(other, 0, False, 0, None)
        other.nothing_more()
    client.publish(room, "untouched")  # its socket as well
    client.expect_message(room, "untouched")
    client.cut()
    expect_welcome(place.resumed(client), 4, True, 0, 0)


@scenario(threads=(1,))
def of_one_user_16_are_parked_and_the_oldest_goes(place):
    clients = [place.stateful("ann")]
    clients += [place.stateful(clients[0].user) for _ in range(17)]
    for client in clients:
        client.cut()
    for client in clients[2:]:
        expect_welcome(place.resumed(client), 0, True, 0, 0)
    for client in clients[:2]:
        again = place.stateful(client.user, session=client.session)
        check(again.session != client.session, "17 are parked")
        expect_welcome(again, 0, False, 0, None)


@scenario()
def of_one_session_4_mib_are_kept(place):
    room = place.room()
    client = place.stateful().subscribe(room)
    client.cut()
    data = "x" * 1_000_000
    publish_and_see(place, client, room, [data] * 6)
    again = place.resumed(client)
    expect_welcome(again, 6, False, 4, 2)
    again.last_seq = 2
    for _ in range(4):
        again.expect_message(room, data)
    again.nothing_more()


# ---- its old socket still open

@scenario()
def the_old_socket_gets_4001_and_the_new_the_session(place):
    room = place.room()
    old = stateful_with(place, room, 3)
    new = place.resumed(old, last_seq=1)
    expect_welcome(new, 3, True, 2, 0)
    old.expect_close(4001)
    for number in (1, 2):
        new.expect_message(room, number)
    new.publish(room, "live")
    new.expect_message(room, "live")
    equal(new.presence(room), [new.user])
    new.nothing_more()


@scenario()
def the_old_socket_gets_nothing_more_and_does_nothing_more(place):
    room = place.room()
    old = stateful_with(place, room, 1)
    new = place.resumed(old)
    old.send_text({"action": "publish", "channel": room, "data": "from beyond"})
    old.expect_close(4001)
    new.publish(room, "live")
    new.expect_message(room, "live")
    new.nothing_more()


@scenario()
def nobody_hears_of_a_take_over(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    ann = place.stateful("ann").subscribe(room)
    watcher.expect_presence_change("join", room, ann.user)
    for _ in range(3):
        new = place.resumed(ann)
        ann.expect_close(4001)
        ann = new
        equal(watcher.presence(room), sorted((ann.user, watcher.user)))
    ann.close()
    watcher.expect_presence_change("leave", room, ann.user)


@scenario()
def of_two_at_once_one_has_it_in_the_end(place):
    room = place.room()
    client = stateful_with(place, room, 2)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            client.cut()
            contenders = [future.result() for future in [pool.submit(place.resumed, client) for _ in range(4)]]
            fates = {}
            wait_until(lambda: all_but_one_ended(contenders, fates), "the end of three of four")
            equal(sorted(fates.values()), [4001] * 3)
            client, = (contender for contender in contenders if contender not in fates)
            client.publish(room, "mine")
            client.expect_message(room, "mine")
            for contender in fates:
                contender.finish(4001)


def all_but_one_ended(contenders, fates):
    for contender in contenders:
        if contender not in fates and contender.stream.has_input(0.01):
            try:
                contender.receive()
            except Closed as closed:
                fates[contender] = closed.code
    return len(fates) >= len(contenders) - 1


# ---- what carries a number and is replayed, and what not

@scenario()
def answers_errors_and_pongs_carry_none_and_are_not_replayed(place):
    room = place.room()
    client = place.stateful()
    client.send_all([{"action": "subscribe", "channel": room, "id": 1}, {"action": "presence", "channel": room},
                     {"action": "publish", "channel": room, "data": 1, "id": 2}, {"type": "ping"}, "no JSON",
                     {"action": "send", "to": "nobody", "data": 1, "id": 3}])
    messages = [client.receive_json() for _ in range(7)]
    equal([message for message in messages if "seq" in message], [{"seq": 1, "type": "message", "channel": room, "data": 1}])
    client.cut()
    again = place.resumed(client, last_seq=0)
    expect_welcome(again, 1, True, 1, 0)
    again.expect_message(room, 1)
    again.nothing_more()


@scenario()
def seq_is_the_first_member_to_the_byte(place):
    room = place.room()
    with place.stateful() as client:
        client.subscribe(room)
        for number in range(1, 13):  # one digit and two
            client.publish(room, number)
            equal(client.receive_text(), f'{{"seq":{number},"type":"message","channel":"{room}","data":{number}}}')


@scenario()
def text_and_binary_are_replayed_in_one_order(place):
    room = place.room()
    client = place.stateful().subscribe(room)
    client.cut()
    with place.beside(client) as witness, place.chat() as publisher:
        witness.subscribe(room)
        for number in range(10):
            publisher.publish(room, number)
            publisher.send_binary(image(room, struct.pack(">I", number)))
        for number in range(10):
            witness.expect_message(room, number)
            witness.expect_binary(1, image(room, struct.pack(">I", number))[4:])
    again = place.resumed(client)
    expect_welcome(again, 20, True, 20, 0)
    for number in range(10):
        again.expect_message(room, number)
        again.expect_binary(1, image(room, struct.pack(">I", number))[4:])


@scenario()
def a_large_replay_is_no_queue(place):
    """What a welcome counts as replayed does not count against the queue's bound (1 MiB), nor does it end the session."""
    room = place.room()
    client = place.stateful().subscribe(room)
    client.cut()
    data = "x" * 60_000
    publish_and_see(place, client, room, [data] * 60)
    again = place.resumed(client, receive_buffer=4096)
    expect_welcome(again, 60, True, 60, 0)
    for _ in range(60):
        again.expect_message(room, data)
    again.nothing_more()


@scenario()
def live_traffic_follows_the_replay(place):
    room = place.room()
    client = place.stateful().subscribe(room)
    with place.chat() as publisher:
        sent = 0
        for _ in range(15):
            client.cut()
            publisher.send_all([{"action": "publish", "channel": room, "data": number} for number in range(sent, sent + 10)])
            client = place.resumed(client)
            publisher.send_all([{"action": "publish", "channel": room, "data": number} for number in range(sent + 10, sent + 20)])
            sent += 20
            while client.last_seq < sent:
                client.expect_message(room, client.last_seq)
        client.nothing_more()


@scenario()
def a_pong_may_acknowledge(place):
    room = place.room()
    client = stateful_with(place, room, 10)
    client.send_text({"type": "pong", "seq": 6})
    client.nothing_more()
    client.cut()
    again = place.resumed(client, last_seq=6)
    expect_welcome(again, 10, True, 4, 0)
    for number in range(6, 10):
        again.expect_message(room, number)
    again.cut()
    welcome = place.resumed(client, last_seq=2).welcome  # it said that it had those
    equal(welcome["missed"] + welcome["replayed"], 8)
    equal(welcome["recovered"], welcome["missed"] == 0)


@scenario(cases={"more-than-there-are": 99, "largest": LARGEST, "beyond": 1 << 63, "far-beyond": 10 ** 30, "negative": -1, "text": "3",
                 "fraction": 1.5, "null": None, "list": [1]})
def a_pong_that_acknowledges_nonsense_harms_nobody(place, seq):
    room = place.room()
    client = stateful_with(place, room, 3)
    client.send_text({"type": "pong", "seq": seq})
    client.nothing_more()
    client.publish(room, "on")
    client.expect_message(room, "on")
    client.cut()
    expect_welcome(place.resumed(client), 4, True, 0, 0)


# ---- requests that were cut off

@scenario()
def a_publish_sent_again_after_a_resume_is_answered_and_delivered_once(place):
    room = place.room()
    client = place.stateful()
    listener = place.chat().subscribe(room)
    ids = ["a", 1, 2.5, "é"]
    for number, request_id in enumerate(ids):
        client.publish(room, number, request_id)
        listener.expect_message(room, number)
    for end in ENDS.values():
        end(client)
        client = place.resumed(client)
        for number, request_id in enumerate(ids):
            client.publish(room, number, request_id)
    client.publish(room, "again on the same socket", ids[0])
    client.publish(room, "new", "new")
    listener.expect_message(room, "new")
    listener.nothing_more()


@scenario()
def the_last_hundred_publish_ids_are_remembered(place):
    room = place.room()
    client = place.stateful()
    listener = place.chat().subscribe(room)
    for number in range(100):
        client.publish(room, number, f"id {number}")
        listener.expect_message(room, number)
    client.cut()
    client = place.resumed(client)
    for number in (0, 50, 99):
        client.publish(room, "again", f"id {number}")
    client.publish(room, "one more", "id 100")
    listener.expect_message(room, "one more")
    for number in range(1, 101):
        client.publish(room, "again", f"id {number}")
    client.publish(room, "forgotten", "id 0")
    listener.expect_message(room, "forgotten")
    listener.nothing_more()


@scenario()
def a_refused_publish_is_not_remembered(place):
    room = place.room()
    client = place.stateful()
    listener = place.chat().subscribe(room)
    client.refused({"action": "publish", "channel": room, "id": "i"}, "field.missing", "i")
    client.publish(room, 1, "i")
    listener.expect_message(room, 1)


@scenario()
def ids_are_remembered_for_each_session_alone(place):
    room = place.room()
    listener = place.chat().subscribe(room)
    first, second, plain = place.stateful("ann"), place.stateful("ann"), place.chat("ann")
    for client in (first, second, plain, plain):
        client.publish(room, 1, "same")
        listener.expect_message(room, 1)
    listener.nothing_more()


@scenario()
def subscribe_and_unsubscribe_are_simply_asked_again(place):
    room, left = place.room(), place.room()
    client = place.stateful().subscribe(room).subscribe(left)
    client.send_all([{"action": "subscribe", "channel": room}, {"action": "unsubscribe", "channel": left}])
    client.cut()
    again = place.resumed(client)
    again.subscribe(room)
    again.unsubscribe(left)
    again.publish(left, "unheard")
    again.publish(room, "once")
    again.expect_message(room, "once")
    again.nothing_more()


# ---- sessions on other shards

@scenario(flags=[])
def a_session_is_resumed_on_whichever_shard_its_socket_arrives(place):
    room = place.room()
    client = place.stateful().subscribe(room)
    publisher = place.chat()
    for number in range(40):
        client.cut() if number % 2 else client.close()
        publisher.publish(room, number, request_id=number)
        early = text_frame({"action": "unsubscribe", "channel": "nowhere", "id": "early"})
        client = place.resumed(client, early=early)
        messages = {client.receive_text(), client.receive_text()}
        client.last_seq += 1
        equal(messages, {f'{{"seq":{number + 1},"type":"message","channel":"{room}","data":{number}}}',
                         '{"status":"unsubscribed","channel":"nowhere","id":"early"}'})
    numbers = place.metrics()
    equal((numbers["sessions_created_total"], numbers["sessions_resumed_total"]), (1, 40))
    if place.threads > 1:
        check(numbers["sessions_moved_total"] > 0, "none of 40 sockets had to move")


@scenario(flags=[])
def many_resume_at_once(place):
    room = place.room()
    with place.chat() as publisher, concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [place.stateful().subscribe(room) for _ in range(40)]
        for step in range(3):
            list(pool.map(Chat.cut, clients))
            publisher.publish(room, step, step)
            clients = list(pool.map(place.resumed, clients))
            for client in clients:
                client.expect_message(room, step)
                equal(client.last_seq, step + 1)
