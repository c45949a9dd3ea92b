# SPDX-License-Identifier: MIT
"""Who is in a channel, who comes and goes, and the grace time."""
import time

from .chat import numbered
from .scenario import scenario
from .websocket import check, equal, wait_until


@scenario()
def the_answer_lists_each_user_once(place):
    room = place.room()
    ann = place.chat("ann").subscribe(room)
    equal(ann.presence(room), [ann.user])
    clients = [place.chat("bob").subscribe(room), place.stateful("cid").subscribe(room)]
    more = [place.chat(clients[0].user).subscribe(room), place.stateful(clients[0].user).subscribe(room),
            place.chat(ann.user).subscribe(room)]
    for client in (ann, *clients, *more):
        equal(client.presence(room), sorted([ann.user] + [client.user for client in clients]))


@scenario(cases={"plain": None, "stateful": 0})
def join_and_leave_are_told_to_those_who_asked(place, last_seq):
    room = place.room()
    watcher = place.chat("watcher", last_seq=last_seq).subscribe(room, presence=True)
    silent, unasked = place.chat().subscribe(place.room(), presence=True), place.chat("unasked").subscribe(room)
    watcher.expect_presence_change("join", room, unasked.user)
    ann = place.chat("ann").subscribe(room, presence=True)  # who does not get its own
    watcher.expect_presence_change("join", room, ann.user)
    bob = place.stateful("bob").subscribe(room)
    for client in (watcher, ann):
        client.expect_presence_change("join", room, bob.user)
    bob.unsubscribe(room)
    for client in (watcher, ann):
        client.expect_presence_change("leave", room, bob.user)
    ann.close()
    watcher.expect_presence_change("leave", room, ann.user)
    bob.subscribe(room)
    watcher.expect_presence_change("join", room, bob.user)
    bob.close()  # stateful and parked, but with a Close frame
    watcher.expect_presence_change("leave", room, bob.user)
    equal(watcher.presence(room), sorted((unasked.user, watcher.user)))
    for client in (watcher, silent, unasked):
        client.nothing_more()


@scenario()
def only_a_users_first_and_last_connection_is_told(place):
    room = place.room()
    watcher = place.stateful("watcher").subscribe(room, presence=True)
    first = place.chat("ann").subscribe(room)
    watcher.expect_presence_change("join", room, first.user)
    others = [place.chat(first.user).subscribe(room) for _ in range(3)] + [place.stateful(first.user).subscribe(room)]
    first.close()
    others[0].unsubscribe(room)
    for client in others[1:3]:
        client.close()
    equal(watcher.presence(room), sorted((first.user, watcher.user)))
    others[3].close()
    watcher.expect_presence_change("leave", room, first.user)
    watcher.nothing_more()


@scenario()
def one_may_begin_to_watch_later_and_stops_with_the_subscription(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room)
    ann = place.chat("ann").subscribe(room)
    equal(watcher.presence(room), sorted((ann.user, watcher.user)))
    watcher.nothing_more()
    watcher.subscribe(room, presence=True)
    ann.unsubscribe(room)
    watcher.expect_presence_change("leave", room, ann.user)
    ann.subscribe(room)
    watcher.expect_presence_change("join", room, ann.user)
    watcher.unsubscribe(room)
    watcher.subscribe(room)
    ann.close()
    wait_until(lambda: watcher.presence(room) == [watcher.user], "ann's leaving")
    watcher.nothing_more()


@scenario()
def presence_false_is_no_wish(place):
    room = place.room()
    client = place.chat().subscribe(room, presence=False)
    other = place.chat().subscribe(room)
    equal(client.presence(room), sorted((client.user, other.user)))
    client.nothing_more()


@scenario()
def join_and_leave_are_numbered_and_replayed(place):
    room = place.room()
    watcher = place.stateful("watcher").subscribe(room, presence=True)
    watcher.cut()
    witness = place.beside(watcher).subscribe(room, presence=True)
    ann = place.chat("ann").subscribe(room)
    ann.publish(room, "hi")
    ann.expect_message(room, "hi")
    ann.unsubscribe(room)
    changes = [{"type": "join", "channel": room, "user": witness.user}, {"type": "join", "channel": room, "user": ann.user},
               {"type": "leave", "channel": room, "user": ann.user}]
    for expected in changes[1:]:
        while (message := numbered(witness.receive_text())[1])["type"] == "message":
            equal(message["data"], "hi")
        equal(message, expected)
    again = place.resumed(watcher)
    equal(again.welcome["replayed"], 4)
    seen = [numbered(again.receive_text()) for _ in range(4)]
    equal([number for number, _ in seen], [1, 2, 3, 4])
    equal([message for _, message in seen if message["type"] != "message"], changes)


# ---- the grace time

@scenario(flags=["--presence-grace-ms", "700"], cases={"plain-cut": (None, "cut"), "stateful-cut": (0, "cut"),
                                                        "plain-reset": (None, "reset"), "stateful-reset": (0, "reset")})
def one_who_was_cut_leaves_after_the_grace_time(place, how):
    last_seq, end = how
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    ann = place.chat("ann", last_seq=last_seq).subscribe(room)
    watcher.expect_presence_change("join", room, ann.user)
    began = time.monotonic()
    getattr(ann, end)()
    check(ann.user in watcher.presence(room), "who was cut is not listed any more")
    watcher.expect_presence_change("leave", room, ann.user)
    took = time.monotonic() - began
    check(0.69 < took < 5, f"the leave came after {took:.2f} s")
    equal(watcher.presence(room), [watcher.user])
    if ann.session:  # the session is parked for longer, and coming back is a join
        again = place.resumed(ann)
        watcher.expect_presence_change("join", room, ann.user)
        equal(again.presence(room), sorted((ann.user, watcher.user)))


@scenario(flags=["--presence-grace-ms", "700"], cases={"resumed": "resumed", "a-new-connection": "new"})
def back_within_the_grace_time_nobody_hears_of_it(place, how):
    room = place.room()
    watcher = place.stateful("watcher").subscribe(room, presence=True)
    ann = place.stateful("ann").subscribe(room)
    watcher.expect_presence_change("join", room, ann.user)
    ann.cut()
    back = place.resumed(ann) if how == "resumed" else place.chat(ann.user).subscribe(room)
    equal(watcher.presence(room), sorted((ann.user, watcher.user)))
    # Another who is cut later than ann was tells when ann's grace time is over.
    clock = place.chat("clock").subscribe(room)
    watcher.expect_presence_change("join", room, clock.user)
    clock.cut()
    watcher.expect_presence_change("leave", room, clock.user)
    equal(watcher.presence(room), sorted((ann.user, watcher.user)))
    watcher.nothing_more()
    back.close()
    watcher.expect_presence_change("leave", room, ann.user)


@scenario(flags=["--presence-grace-ms", "600000"])
def with_a_close_frame_there_is_no_grace(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    for last_seq in (None, 0):
        for code in (1000, 1001, 4000, None):
            ann = place.chat("ann", last_seq=last_seq).subscribe(room)
            watcher.expect_presence_change("join", room, ann.user)
            ann.close(code)
            watcher.expect_presence_change("leave", room, ann.user)
    # One connection closed, another cut: the cut one still counts.
    cut, closed = place.chat("bob").subscribe(room), None
    watcher.expect_presence_change("join", room, cut.user)
    closed = place.chat(cut.user).subscribe(room)
    cut.cut()
    closed.close()
    equal(watcher.presence(room), sorted((cut.user, watcher.user)))
    watcher.nothing_more()


@scenario(flags=["--presence-grace-ms", "700"])
def a_cut_connection_counts_for_its_grace_time_beside_others(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    cut = place.chat("ann").subscribe(room)
    watcher.expect_presence_change("join", room, cut.user)
    other = place.chat(cut.user).subscribe(room)
    began = time.monotonic()
    cut.cut()
    other.close()
    watcher.expect_presence_change("leave", room, cut.user)
    check(time.monotonic() - began > 0.69, "the grace time was cut short")
    # And no longer than that: when it is over, the last to close leaves at once.
    first, clock = place.stateful("bob").subscribe(room), place.chat("clock").subscribe(room)
    last = place.stateful(first.user).subscribe(room)
    for client in (first, clock):
        watcher.expect_presence_change("join", room, client.user)
    first.cut()
    clock.cut()
    watcher.expect_presence_change("leave", room, clock.user)
    began = time.monotonic()
    last.close()
    watcher.expect_presence_change("leave", room, first.user)
    check(time.monotonic() - began < 0.6, "a closed connection was given grace")


@scenario(flags=["--presence-grace-ms", "0"])
def without_grace_a_cut_is_told_at_once(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    for last_seq in (None, 0):
        ann = place.chat("ann", last_seq=last_seq).subscribe(room)
        watcher.expect_presence_change("join", room, ann.user)
        ann.cut()
        watcher.expect_presence_change("leave", room, ann.user)


@scenario(flags=["--presence-grace-ms", "500", "--session-ttl-ms", "100"])
def a_session_that_expires_within_the_grace_time_is_listed_to_its_end(place):
    room = place.room()
    watcher = place.chat("watcher").subscribe(room, presence=True)
    ann = place.stateful("ann").subscribe(room)
    watcher.expect_presence_change("join", room, ann.user)
    began = time.monotonic()
    ann.cut()
    wait_until(lambda: place.metric("sessions_expired_total") == 1, "the session's end")
    watcher.expect_presence_change("leave", room, ann.user)
    check(time.monotonic() - began > 0.49, "the grace time was cut short")
