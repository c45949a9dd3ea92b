# SPDX-License-Identifier: MIT
"""HTTP beside the WebSocket: health, metrics, and the chat's page."""
import re

from example_server import ROOT

from .door import check_refusal
from .scenario import scenario
from .websocket import check, equal, wait_until

CONTENT_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@scenario()
def health_and_readiness(place):
    for path, body in (("/healthz", b"ok\n"), ("/readyz", b"ready\n")):
        for query in ("", "?", "?probe=1"):
            response = place.http(path + query)
            seen = (response.status, response.headers["content-type"].split(";")[0], response.body)
            equal(seen, (200, "text/plain", body), path + query)


@scenario(on="echo")
def echo_has_them_too(place):
    for path in ("/healthz", "/readyz", "/metrics"):
        equal(place.http(path).status, 200, path)


@scenario()
def metrics_are_prometheus_text(place):
    response = place.http("/metrics")
    equal((response.status, response.headers["content-type"].split(";")[0]), (200, "text/plain"))
    lines = response.body.decode().splitlines()
    check(len(lines) % 3 == 0 and lines, "each number has its HELP and TYPE")
    for help_line, type_line, value in zip(lines[::3], lines[1::3], lines[2::3]):
        name = re.fullmatch(r"(switchboard_[a-z_]+) \d+", value)
        check(name, value)
        check(help_line.startswith(f"# HELP {name[1]} "), help_line)
        equal(type_line, f"# TYPE {name[1]} {'counter' if name[1].endswith('_total') else 'gauge'}")
    equal(len({line for line in lines if line.startswith("# TYPE")}), len(lines) // 3, "names")


@scenario(flags=[])
def metrics_count(place):
    room = place.room()
    plain, stateful, watcher = place.chat("ann"), place.stateful("bob"), place.stateful("cid")
    for client in (plain, stateful, watcher):
        client.subscribe(room)
    plain.publish(room, "x")
    for client in (plain, stateful, watcher):
        client.expect_message(room, "x")
    plain.refused("no JSON", "json.invalid")
    watcher.cut()
    numbers = place.metrics()
    expected = {"connections": 2, "sessions_attached": 1, "sessions_parked": 1, "connections_opened_total": 3,
                "sessions_created_total": 2, "publishes_total": 1, "errors_sent_total": 1, "messages_delivered_total": 3,
                "subscriptions": 3}
    equal({name: numbers[name] for name in expected}, expected)
    again = place.resumed(watcher)
    plain.close()
    again.close()
    stateful.close()
    wait_until(lambda: place.metric("connections") == 0, "no connection")
    numbers = place.metrics()
    equal((numbers["sessions_parked"], numbers["sessions_resumed_total"], numbers["subscriptions"]), (2, 1, 2))


@scenario()
def the_page_and_all_its_files(place):
    page, client = ROOT / "examples/chat/page", ROOT / "clients/js/src"
    files = {f"/{file.name}": file for file in page.iterdir() if file.name != "index.html"}
    files |= {f"/switchboard/{file.name}": file for file in client.glob("*.js")}
    files["/"] = page / "index.html"
    for path, file in files.items():
        response = place.http(path)
        equal((response.status, response.headers["content-type"].split(";")[0]), (200, CONTENT_TYPES[file.suffix]), path)
        check(response.body == file.read_bytes(), f"{path} is not {file.name}")
        head = place.http(path, "HEAD")
        equal((head.status, head.headers), (response.status, response.headers), f"HEAD {path}")
    equal(place.http("/?room=lobby").status, 200, "the page with a query")


@scenario(cases={path: path for path in ("/", "/app.js", "/healthz", "/readyz", "/metrics")})
def only_get_and_head(place, path):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = place.http(path, method)
        equal(check_refusal(place, response, 405).headers["allow"], "GET, HEAD")
    equal(place.http(path, "HEAD").status, 200)


@scenario(cases={path: path for path in ("/nothing", "/../main.cpp", "/%2e%2e/main.cpp", "/app.js/", "//", "/switchboard/",
                                         "/etc/passwd", "*")})
def nothing_else_is_there(place, path):
    check_refusal(place, place.http(path), 404)
