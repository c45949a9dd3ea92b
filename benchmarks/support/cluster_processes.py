# SPDX-License-Identifier: MIT
"""A Redis, chat nodes and load generators, started on free loopback ports, and what can be read of them."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def program(name, package):
    return shutil.which(name) or fail(f"{name} is not installed; on Debian: apt-get install {package}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so, what, seconds=60, pause=0.02):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            fail(f"{what}: not within {seconds} seconds")
        time.sleep(pause)


class Process:
    """A process that is killed at the end of its `with`. The measurements are over by then."""

    def __init__(self, command, **settings):
        self.process = subprocess.Popen([str(word) for word in command], **settings)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def thread_seconds(self):
        """The CPU time of each thread, so far."""
        seconds = {}
        for thread in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that ends
                seconds[thread.name] = int((thread / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def cpu_seconds(self):
        return sum(self.thread_seconds().values())


class Redis(Process):
    def __init__(self, port=None):
        self.port = port or free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="switchboard-benchmark-")
        super().__init__([program("redis-server", "redis-server"), "--port", self.port, "--bind", "127.0.0.1",
                          "--save", "", "--appendonly", "no", "--dir", self.folder.name,
                          "--client-output-buffer-limit", "pubsub 256mb 64mb 60"], stdout=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server does not answer", 10, 0.005)

    def __exit__(self, *error):
        super().__exit__(*error)
        self.folder.cleanup()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def answers(self):
        try:
            return "redis_version" in self.info("server")
        except OSError:
            return False

    def info(self, section):
        """INFO, as a dictionary of words."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(f"INFO {section}\r\n".encode())
            answer = connection.makefile("rb")
            head = answer.readline()
            if not head.startswith(b"$"):
                return {}
            text = answer.read(int(head[1:])).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def calls(self):
        """How often each command was called."""
        return {name.removeprefix("cmdstat_"): int(re.search(r"calls=(\d+)", text)[1])
                for name, text in self.info("commandstats").items()}


class Node(Process):
    """A chat server, linked with others by Redis, or alone."""

    def __init__(self, chat, name, redis=None, arguments=()):
        linked = ["--broker", redis.url] if redis else []
        self.name = name
        super().__init__([chat, "--address", "127.0.0.1", "--port", "0", "--node", name, *linked, *arguments],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        place = re.match(r"listening on http://[\d.]+:(\d+)", line)
        if not place:
            fail(f"{name} did not say where it listens, but: {line!r}")
        self.port = int(place[1])
        wait_until(self.is_ready, f"{name} is not ready", 20)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def is_ready(self):
        try:
            self.get("/readyz")
            return True
        except (OSError, urllib.error.URLError):
            return False

    def metric(self, name):
        found = re.search(rf"^switchboard_{name} (\S+)$", self.get("/metrics"), re.MULTILINE)
        return float(found[1]) if found else fail(f"{self.name} has no metric {name}")


class Load(Process):
    """A load generator, whose output is read line by line. Its last line is JSON."""

    def __init__(self, command, nodes, *arguments):
        ports = [word for node in nodes for word in ("--port", str(node.port))]
        super().__init__([command, *ports, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = pathlib.Path(command).name

    def wait_for(self, word):
        line = self.process.stdout.readline()
        if line.strip() != word:
            fail(f"{self.name} ended early, or said {line.strip()!r} instead of {word!r}")

    def read_json(self):
        return json.loads(self.process.stdout.readline() or fail(f"{self.name} has failed"))


def built(folder, *paths):
    """The programs, or an end with a sentence that says how to build them."""
    programs = [folder / path for path in paths]
    for path in programs:
        if not path.is_file():
            fail(f"{path} is missing. Build it: cmake --preset release && cmake --build --preset release")
    return programs


def load_of_machine():
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
