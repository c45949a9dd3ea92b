#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What outside tools rely on in the example programs: their command lines, first line, page, and end."""
import argparse
import base64
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

from example_server import ExampleServer, examples_folder

FLAGS = {
    "echo": {"--address", "--port", "--threads", "--max-message-bytes", "--help"},
    "chat": {"--address", "--port", "--threads", "--heartbeat-interval-ms", "--heartbeat-timeout-ms",
             "--session-ttl-ms", "--presence-grace-ms", "--replay", "--max-message-bytes", "--max-queue-bytes",
             "--slow-consumer", "--rate-limit", "--allow-origin", "--broker", "--node", "--help"},
}
EVERY_CHAT_FLAG = ["--threads", "2", "--heartbeat-interval-ms", "1000", "--heartbeat-timeout-ms", "3000",
                   "--session-ttl-ms", "60000", "--presence-grace-ms", "500", "--replay", "10",
                   "--max-message-bytes", "65536", "--max-queue-bytes", "65536", "--slow-consumer", "drop-oldest",
                   "--rate-limit", "100", "--allow-origin", "https://a.example", "--allow-origin=https://b.example"]
EXAMPLES = examples_folder()


def run(name, *flags):
    return subprocess.run([EXAMPLES / name, *flags], capture_output=True, text=True, timeout=20)


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def upgrade(port, target, **headers):
    """A socket after a WebSocket handshake, and the status of its answer."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}",
             *(f"{name}: {value}" for name, value in headers.items())]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = client.recv(4096)
        if not part:
            break
        answer += part
    return client, int(answer.split()[1])


class CommandLines(unittest.TestCase):
    def test_help_lists_every_flag(self):
        for name, flags in FLAGS.items():
            done = run(name, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            listed = {word for line in done.stdout.splitlines() for word in line.split()[:1] if word.startswith("--")}
            self.assertEqual(listed, flags)

    def test_mistakes_are_told_and_end_with_2(self):
        for flags, named in ((["--nonsense"], "--nonsense"), (["--port", "seventy"], "--port"), (["--port", "70000"], "--port"),
                             (["--port"], "--port"), (["--threads", "-1"], "--threads"), (["stray"], "stray"),
                             (["--max-message-bytes", "1e6"], "--max-message-bytes")):
            for name in FLAGS:
                done = run(name, *flags)
                self.assertEqual((done.returncode, done.stdout), (2, ""), flags)
                self.assertIn(named, done.stderr)
        self.assertEqual(run("chat", "--slow-consumer", "sometimes").returncode, 2)

    def test_every_flag_is_taken(self):
        with ExampleServer(EXAMPLES / "chat", *EVERY_CHAT_FLAG) as chat:
            self.assertIsNone(chat.stop())
        with ExampleServer(EXAMPLES / "echo", "--threads", "2", "--max-message-bytes", "1000") as echo:
            self.assertIsNone(echo.stop())

    def test_a_port_in_use_is_an_error(self):
        with ExampleServer(EXAMPLES / "echo") as echo:
            for name in FLAGS:
                done = run(name, "--address", "127.0.0.1", "--port", str(echo.port))
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertNotEqual(done.stderr, "")


class Ends(unittest.TestCase):
    def test_sigterm_and_sigint_end_with_0(self):
        for name in FLAGS:
            for how in (signal.SIGTERM, signal.SIGINT):
                with ExampleServer(EXAMPLES / name) as server:
                    self.assertIsNone(server.stop(how, seconds=5))

    def test_an_open_connection_gets_1001(self):
        for name in FLAGS:
            with ExampleServer(EXAMPLES / name) as server:
                client, status = upgrade(server.port, "/ws?token=ann")
                self.assertEqual(status, 101)
                server.process.send_signal(signal.SIGTERM)
                frame = client.recv(4, socket.MSG_WAITALL)
                self.assertEqual((frame[0], frame[2:]), (0x88, (1001).to_bytes(2, "big")))
                client.close()
                self.assertEqual(server.process.wait(timeout=15), 0)

    def test_chat_does_not_wait_for_parked_sessions(self):
        with ExampleServer(EXAMPLES / "chat") as chat:
            client, status = upgrade(chat.port, "/ws?token=ann&last_seq=0")
            self.assertEqual(status, 101)
            client.close()
            began = time.monotonic()
            self.assertIsNone(chat.stop())
            self.assertLess(time.monotonic() - began, 3)


class Page(unittest.TestCase):
    def test_chat_serves_its_page_and_client(self):
        with ExampleServer(EXAMPLES / "chat") as chat:
            for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css"),
                               ("/switchboard/index.js", "text/javascript")):
                response, body = get(chat.port, path)
                self.assertEqual((response.status, response.getheader("Content-Type").split(";")[0]), (200, kind), path)
                self.assertGreater(len(body), 100, path)
            self.assertEqual(get(chat.port, "/nothing-here")[0].status, 404)
            self.assertEqual(get(chat.port, "/healthz")[0].status, 200)
            self.assertEqual(get(chat.port, "/readyz")[0].status, 200)
            self.assertIn(b"# TYPE", get(chat.port, "/metrics")[1])

    def test_other_origins_need_allow_origin(self):
        for flags, origin, expected in (([], "https://a.example", 403),
                                        (["--allow-origin", "https://a.example"], "https://a.example", 101),
                                        (["--allow-origin", "https://a.example"], "https://b.example", 403)):
            with ExampleServer(EXAMPLES / "chat", *flags) as chat:
                client, status = upgrade(chat.port, "/ws?token=ann", Origin=origin)
                client.close()
                self.assertEqual(status, expected)

    def test_the_same_origin_is_let_in(self):
        with ExampleServer(EXAMPLES / "chat") as chat:
            client, status = upgrade(chat.port, "/ws?token=ann", Origin=f"http://127.0.0.1:{chat.port}")
            client.close()
            self.assertEqual(status, 101)


class Quickstart(unittest.TestCase):
    def test_it_runs(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 8080)) == 0:
                self.skipTest("port 8080, which the quickstart has in its source, is in use here")
        server = subprocess.Popen([EXAMPLES / "quickstart"])
        try:
            end = time.monotonic() + 10
            while True:
                try:
                    client, status = upgrade(8080, "/ws?token=ann")
                    break
                except ConnectionRefusedError:
                    self.assertLess(time.monotonic(), end, "the quickstart does not listen on 8080")
                    time.sleep(0.02)
            client.close()
            self.assertEqual(status, 101)
        finally:
            server.kill()
            server.wait()


def main():
    global EXAMPLES
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=pathlib.Path, default=EXAMPLES, help="folder of the example programs")
    EXAMPLES = parser.parse_args().examples
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
