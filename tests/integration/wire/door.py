# SPDX-License-Identifier: MIT
"""The handshake, every refusal at the door, and the order in which they are decided."""
import json
import time

from .scenario import scenario
from .websocket import BINARY, TEXT, Refused, Stream, check, equal, frame_bytes, read_response, text_frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {"Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": KEY}
FOREIGN = "https://evil.example"


def request_bytes(method="GET", target="/ws?token=tok-5eecde", version="HTTP/1.1", body=b"", **changes):
    """An upgrade request; `changes` replace headers (with _ for -), None leaves one out, a list repeats it."""
    headers = dict(HEADERS)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{method} {target} {version}"]
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def check_refusal(place, response, status, error=None):
    place.observed.statuses.add(response.status)
    equal(response.status, status, "status")
    equal(response.headers.get("content-type", "").split(";")[0], "application/json", "content type")
    body = response.json()
    equal(list(body), ["error", "message"], "members of the body")
    check(all(isinstance(value, str) and value for value in body.values()), f"an empty member: {body}")
    if error is not None:
        equal(body["error"], error, "error")
    check(b"tok-5eecde" not in response.body, "the token is in the refusal")
    for secret in place.observed.secrets:
        check(secret.encode() not in response.body, "a token or session id is in the refusal")
    return response


def refused(place, status, error=None, request=None, **options):
    request = request_bytes(**options) if request is None else request
    return check_refusal(place, place.exchange(request), status, error)


# ---- each cause

@scenario(cases={
    "no-host": dict(Host=None),
    "two-hosts": dict(Host=["127.0.0.1", "localhost"]),
    "host-is-none": dict(Host="a/b"),
    "no-http": dict(request=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n"),
    "no-version": dict(request=b"GET /ws\r\n\r\n"),
    "bad-header": dict(request=b"GET /ws HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    "bad-target": dict(request=b"GET /w s HTTP/1.1\r\nHost: a\r\n\r\n"),
    "bad-content-length": dict(Content_Length="many"),
})
def refused_400_for_syntax(place, options):
    refused(place, 400, "request.invalid", **options)


@scenario(cases={
    "none": dict(Upgrade=None),
    "another": dict(Upgrade="h2c"),
    "a-part": dict(Upgrade="websockets"),
    "no-connection": dict(Connection=None),
    "another-connection": dict(Connection="keep-alive"),
    "http-1.0": dict(version="HTTP/1.0"),
})
def refused_400_for_upgrade(place, options):
    refused(place, 400, "upgrade.invalid", **options)


@scenario(cases={
    "none": None, "empty": "", "15-bytes": "MTIzNDU2Nzg5MDEyMzQ1", "17-bytes": "MTIzNDU2Nzg5MDEyMzQ1Njc=",
    "no-padding": KEY[:-2], "no-base64": "dGhlIHNhbXBsZSBub25jZ!==", "blank-inside": "dGhlIHNhbXBsZSBub25j Q==",
    "twice": [KEY, KEY],
})
def refused_400_for_key(place, key):
    refused(place, 400, "key.invalid", Sec_WebSocket_Key=key)


@scenario(cases={
    "empty": "", "word": "abc", "negative": "-1", "plus": "+1", "encoded-plus": "%2B1", "fraction": "1.5", "blank": "%201",
    "blank-behind": "1%20", "hexadecimal": "0x1", "17-digits": "00000000000000001", "2^53": "9007199254740992",
    "2^64": "18446744073709551616", "16-nines": "9999999999999999", "arabic": "%D9%A1",
})
def refused_400_for_last_seq(place, last_seq):
    refused(place, 400, "last_seq.invalid", target=f"/ws?token=tok-5eecde&last_seq={last_seq}")
    refused(place, 400, "last_seq.invalid", target=f"/ws?token=tok-5eecde&last_seq={last_seq}&session=abc")


@scenario()
def refused_400_for_last_seq_without_a_value(place):
    refused(place, 400, "last_seq.invalid", target="/ws?last_seq&token=tok-5eecde")


@scenario(cases={
    "none": dict(target="/ws"),
    "empty": dict(target="/ws?token="),
    "no-bearer": dict(target="/ws", Authorization="Basic dG9rOnRvaw=="),
    "empty-bearer": dict(target="/ws", Authorization="Bearer "),
    "longer-than-a-user": dict(target="/ws?token=" + "u" * 201),
    "longer-in-utf-8": dict(target="/ws?token=" + "%C3%A9" * 100 + "u"),
    "no-utf-8": dict(target="/ws?token=%FF%FE"),
    "with-last-seq": dict(target="/ws?last_seq=0"),
})
def refused_401(place, options):
    refused(place, 401, **options)


@scenario(cases={
    "foreign": FOREIGN, "null": "null", "no-url": "here", "other-port": "http://127.0.0.1:1",
    "other-host": "http://localhost:{port}", "longer-host": "http://127.0.0.1.evil.example:{port}",
})
def refused_403_unless_same_origin(place, origin):
    refused(place, 403, Host=f"127.0.0.1:{place.port}", Origin=origin.format(port=place.port))


@scenario()
def the_same_origin_and_no_origin_are_let_in(place):
    for headers in ((), (f"Origin: http://127.0.0.1:{place.port}",)):
        with place.chat(headers=headers) as client:
            client.nothing_more()
    with place.chat(host="chat.example", headers=("Origin: http://chat.example",)) as client:
        client.nothing_more()
    with place.chat(host="Chat.Example:80", headers=("Origin: http://chat.example",)) as client:
        client.nothing_more()


@scenario(flags=["--allow-origin", "https://a.example", "--allow-origin", "http://b.example:8080"])
def allowed_origins_are_those_listed_alone(place):
    for origin in ("https://a.example", "http://b.example:8080", "https://A.example", "https://a.example:443"):
        with place.chat(headers=(f"Origin: {origin}",)) as client:
            client.nothing_more()
    with place.chat() as client:  # no browser, no Origin
        client.nothing_more()
    for origin in ("http://a.example", "https://a.example:444", "http://b.example", "https://c.a.example", "null",
                   f"http://127.0.0.1:{place.port}"):
        refused(place, 403, Host=f"127.0.0.1:{place.port}", Origin=origin)


@scenario(cases={path: path for path in ("/nothing", "/ws/", "/wss", "/WS", "/ws%3Ftoken=a", "/%77s")})
def refused_404(place, path):
    refused(place, 404, target=f"{path}?token=tok-5eecde")


@scenario(cases={method: method for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH")})
def refused_405(place, method):
    equal(refused(place, 405, method=method).headers.get("allow"), "GET", "Allow")


@scenario()
def refused_405_for_head_without_a_body(place):
    response = place.exchange(request_bytes(method="HEAD"))
    equal((response.status, response.headers.get("allow"), response.body), (405, "GET", b""))


@scenario()
def refused_404_for_head_without_a_body(place):
    response = place.exchange(request_bytes(method="HEAD", target="/nothing"))
    equal((response.status, response.body), (404, b""))


@scenario(cases={
    "length": (b"Content-Length: 20000\r\n", b"x" * 20000),
    "length-alone": (b"Content-Length: 1000000000000\r\n", b""),
    "chunked": (b"Transfer-Encoding: chunked\r\n", (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 5 + b"0\r\n\r\n"),
    "endless-chunk-extension": (b"Transfer-Encoding: chunked\r\n", b"1;" + b"a" * 100000),
    "endless-trailer": (b"Transfer-Encoding: chunked\r\n", b"0\r\nx: " + b"a" * 100000),
})
def refused_413(place, head_and_body):
    head, body = head_and_body
    refused(place, 413, request=request_bytes()[:-2] + head + b"\r\n" + body)


@scenario(cases={
    "one-header": request_bytes(Cookie="c" * 17000),
    "many-headers": request_bytes(**{f"X_{number}": "x" * 100 for number in range(200)}),
    "target": request_bytes(target="/ws?token=" + "t" * 17000),
    "without-an-end": b"GET /ws HTTP/1.1\r\nHost: a\r\nCookie: " + b"c" * 17000,
})
def refused_431(place, request):
    refused(place, 431, request=request)


@scenario()
def headers_of_16_kib_are_taken(place):
    padding = 16384 - len(request_bytes(Cookie=""))
    equal(len(request_bytes(Cookie="c" * padding)), 16384)
    stream = Stream(place.port)
    stream.send(request_bytes(Cookie="c" * padding))
    equal(read_response(stream).status, 101)
    stream.close()
    refused(place, 431, Cookie="c" * (padding + 1))


@scenario(cases={"12": "12", "8": "8", "0": "0", "014": "014", "word": "thirteen", "none": None, "two": ["13", "8"]})
def refused_426(place, version):
    response = refused(place, 426, Sec_WebSocket_Version=version)
    equal(response.headers.get("sec-websocket-version"), "13")


@scenario(is_slow=True, cases={"silent": b"", "half": b"GET /ws HTTP/1.1\r\nHost: ", "body": request_bytes(Content_Length=5)})
def refused_408_after_10_seconds(place, sent):
    began = time.monotonic()
    stream = Stream(place.port)
    stream.send(sent)
    check_refusal(place, read_response(stream), 408)
    check(9.9 < time.monotonic() - began < 15, f"it took {time.monotonic() - began:.1f} s")
    stream.close()


@scenario(is_slow=True)
def refused_408_however_busily_it_trickles(place):
    began = time.monotonic()
    stream = Stream(place.port)
    request = iter(request_bytes(Cookie="c" * 5000))
    while not stream.has_input(0.1):  # the pace of a slow sender
        check(time.monotonic() - began < 15, "a request that never ends is not refused")
        stream.send(bytes([next(request)]))
    check_refusal(place, read_response(stream), 408)
    check(time.monotonic() - began > 9.9, f"it took only {time.monotonic() - began:.1f} s")
    stream.close()


# ---- the order: of two faults, the earlier in protocol.md's list is told

FAULTS = {
    "syntax": (dict(Host=None), 400, "request.invalid"),
    "path": (dict(path="/nothing"), 404, None),
    "method": (dict(method="POST"), 405, None),
    "upgrade": (dict(Upgrade="h2c"), 400, "upgrade.invalid"),
    "version": (dict(Sec_WebSocket_Version="12"), 426, None),
    "key": (dict(Sec_WebSocket_Key="short"), 400, "key.invalid"),
    "origin": (dict(Origin=FOREIGN), 403, None),
    "token": (dict(token=""), 401, None),
    "last_seq": (dict(last_seq="x"), 400, "last_seq.invalid"),
}


def faulty(path="/ws", token="tok-5eecde", last_seq="0", **changes):
    return request_bytes(target=f"{path}?token={token}&last_seq={last_seq}", **changes)


@scenario()
def a_request_without_a_fault_is_let_in(place):
    stream = Stream(place.port)
    stream.send(faulty())
    equal(read_response(stream).status, 101)
    stream.close()


@scenario(cases={f"{first}-before-{second}": (first, second) for index, first in enumerate(FAULTS)
                 for second in list(FAULTS)[index + 1:]})
def order(place, faults):
    (first, status, error), (second, _, _) = (FAULTS[fault] for fault in faults)
    refused(place, status, error, request=faulty(**first, **second))


# ---- what is let in, and how

def speaks_as(client, other, name):
    client.send_text({"action": "send", "to": other.user, "data": 1})
    equal(other.receive_json(), {"type": "direct", "from": name, "data": 1})


@scenario()
def the_token_may_be_a_bearer(place):
    user = place.user("ann")
    for scheme in ("Bearer", "bEaReR"):
        with place.chat() as bob, place.echo(target="/ws", headers=(f"Authorization: {scheme} {user}",)) as client:
            speaks_as(client, bob, user)


@scenario(cases={"utf-8": ("%C3%A9t%c3%A9", "été"), "plus": ("a+b", "a+b"), "encoded-plus": ("a%2Bb", "a+b"),
                 "blank": ("a%20b", "a b"), "ampersand": ("a%26b%3Dc", "a&b=c"), "200-bytes": ("u" * 199 + "z", "u" * 199 + "z"),
                 "percent": ("100%25", "100%")})
def the_query_is_percent_decoded(place, token_and_user):
    token, user = token_and_user
    with place.chat() as bob, place.echo(target=f"/ws?x=1&token={token}&y") as client:
        speaks_as(client, bob, user)


@scenario()
def names_and_lists_in_headers_are_taken_in_any_case(place):
    for headers in (dict(Upgrade="WebSocket"), dict(Connection="keep-alive, UPGRADE"), dict(Upgrade="h2c, websocket"),
                    dict(Connection=["keep-alive", "upgrade"])):
        stream = Stream(place.port)
        stream.send(request_bytes(**headers))
        equal(read_response(stream).status, 101, headers)
        stream.close()
    stream = Stream(place.port)
    stream.send(request_bytes().replace(b"Sec-WebSocket-Key", b"sEC-wEBSOCKET-kEY"))
    equal(read_response(stream).status, 101)
    stream.close()


@scenario()
def the_target_may_be_absolute(place):
    stream = Stream(place.port)
    stream.send(request_bytes(target=f"http://127.0.0.1:{place.port}/ws?token=tok-5eecde", Origin=f"http://127.0.0.1:{place.port}"))
    equal(read_response(stream).status, 101)
    stream.close()
    refused(place, 404, target=f"http://127.0.0.1:{place.port}/nothing?token=tok-5eecde")


@scenario()
def nothing_that_was_not_asked_for_is_chosen(place):
    with place.chat(headers=("Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: permessage-deflate")) as client:
        for name in ("sec-websocket-protocol", "sec-websocket-extensions"):
            check(name not in client.response.headers, f"{name} was chosen")
        client.nothing_more()


@scenario()
def the_key_of_the_rfc_gets_the_rfcs_answer(place):
    stream = Stream(place.port)
    stream.send(request_bytes())
    equal(read_response(stream).headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    stream.close()


@scenario()
def frames_right_behind_the_request_are_handled(place):
    early = text_frame({"action": "subscribe", "channel": "c", "id": 1}) + frame_bytes(BINARY, b"1") + frame_bytes(TEXT, b"1")
    with place.chat(early=early) as client:
        client.expect({"status": "subscribed", "channel": "c", "id": 1})
        client.expect_error("binary.short")
        client.expect_error("message.not_object")
    with place.stateful(early=early) as client:
        client.expect({"status": "subscribed", "channel": "c", "id": 1})


@scenario()
def a_request_may_come_byte_by_byte(place):
    stream = Stream(place.port)
    for byte in request_bytes():
        stream.send(bytes([byte]))
    equal(read_response(stream).status, 101)
    stream.send(text_frame({"action": "subscribe", "channel": "c"}))
    check(stream.take(2)[0] == 0x81, "no text frame")
    stream.close()


@scenario(on="echo")
def echo_asks_for_no_token_and_lets_its_own_path_in_alone(place):
    with place.echo(target="/ws?token=any&last_seq=x&session=y") as client:
        client.send_text("hello")
        equal(client.receive(), "hello")
    for target, status in (("/", 404), ("/ws/x", 404)):
        try:
            place.echo(target=target)
            check(False, f"{target} is a WebSocket")
        except Refused as refusal:
            check_refusal(place, refusal.response, status)
    equal(json.loads(place.http("/nothing").body)["error"], "path.unknown")


@scenario()
def a_half_closed_request_is_still_answered(place):
    stream = Stream(place.port)
    stream.send(request_bytes(target="/nothing"))
    stream.shut()
    equal(read_response(stream).status, 404)
    stream.close()
