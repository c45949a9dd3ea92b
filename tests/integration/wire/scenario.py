# SPDX-License-Identifier: MIT
"""What a scenario is, and the servers that it is given."""
import collections
import inspect
import secrets
import tempfile
import threading

from example_server import ExampleServer

from .chat import Chat
from .websocket import Observed, WebSocket, check, equal, exchange, get

Scenario = collections.namedtuple("Scenario", "name run servers flags threads is_slow")
SCENARIOS = []


def scenario(on="chat", flags=None, threads=(1, 2), cases=None, is_slow=False):
    """Registers a function of a Place. Without `flags` it shares the program's server with others; with them it has one
    of its own. `cases` maps names to a second argument. `is_slow` ones begin first."""
    def register(function):
        module = inspect.getmodule(function).__name__.rpartition(".")[2]
        base = f"{module}/{function.__name__.strip('_')}"
        if cases is None:
            SCENARIOS.append(Scenario(base, function, on, flags, threads, is_slow))
        for name, argument in (cases or {}).items():
            SCENARIOS.append(Scenario(f"{base}/{name}", lambda place, argument=argument: function(place, argument), on,
                                      flags, threads, is_slow))
        return function
    return register


class Place:
    """A running server, as a scenario sees it."""

    def __init__(self, program, flags, threads):
        self.program, self.threads = program, threads
        self.stderr = tempfile.TemporaryFile()
        self.server = ExampleServer(program, "--threads", str(threads), *flags, stderr=self.stderr)
        self.port = self.server.port
        self.observed = Observed()

    # Names that no other scenario on this server has.

    def room(self, name="room"):
        return f"{name}-{secrets.token_hex(6)}"

    def user(self, name="user"):
        return f"{name}-{secrets.token_hex(8)}"

    # Connections.

    def chat(self, user="user", **options):
        """A plain client of a user of this name, or of one who has such a name already."""
        return Chat(self.port, user if "-" in user else self.user(user), observed=self.observed, **options)

    def stateful(self, user="user", last_seq=0, **options):
        return self.chat(user, last_seq=last_seq, **options)

    def resumed(self, client, last_seq=None, **options):
        """Another socket for a client's session."""
        again = self.chat(client.user, session=client.session, last_seq=client.last_seq if last_seq is None else last_seq,
                          **options)
        equal(again.session, client.session, "the session")
        return again

    def beside(self, client, user="witness"):
        """A stateful client on the shard of this one's session, which the session's name ends with: what it has got on a
        channel, the other has got too."""
        while True:
            other = self.stateful(user)
            if other.session.rpartition("-")[2] == client.session.rpartition("-")[2]:
                return other
            other.close()

    def echo(self, **options):
        return WebSocket(self.port, observed=self.observed, **options)

    def http(self, path, method="GET", headers=()):
        return get(self.port, path, method, headers)

    def exchange(self, request):
        return exchange(self.port, request)

    def metrics(self):
        text = self.http("/metrics").body.decode()
        return {name.removeprefix("switchboard_"): int(value) for name, value in
                (line.split() for line in text.splitlines() if not line.startswith("#"))}

    def metric(self, name):
        return self.metrics()[name]

    # The end.

    def written_errors(self):
        self.stderr.seek(0)
        return self.stderr.read()

    def check_secrecy(self):
        """No token and no session id in what the server says of itself."""
        said = self.http("/metrics").body if self.server.process.poll() is None and self.program.name == "chat" else b""
        said += self.written_errors()
        for secret in self.observed.secrets:
            check(secret.encode() not in said, "a token or session id is in /metrics or on stderr")
        equal(self.written_errors(), b"", "on stderr")  # where a sanitizer would say its part, too

    def close(self):
        self.server.kill()
        self.stderr.close()


class Servers:
    """The shared servers of a run, each started when first asked for, and all that was observed."""

    def __init__(self, examples):
        self.examples = examples
        self.shared, self.lock, self.observed = {}, threading.Lock(), Observed()

    def place(self, program, flags, threads):
        """A Place, and whether it is the scenario's own."""
        if flags is not None:
            return Place(self.examples / program, flags, threads), True
        with self.lock:
            if (program, threads) not in self.shared:
                self.shared[program, threads] = Place(self.examples / program, (), threads)
            return self.shared[program, threads], False

    def remember(self, place):
        for name, seen in vars(place.observed).items():
            getattr(self.observed, name).update(seen)

    def run(self, scenario, threads):
        place, is_own = self.place(scenario.servers, scenario.flags, threads)
        try:
            scenario.run(place)
            if is_own:
                place.check_secrecy()
        finally:
            if is_own:
                self.remember(place)
                place.close()

    def finish(self):
        """Stops the shared servers; what was wrong with each."""
        for (program, threads), place in self.shared.items():
            self.remember(place)
            try:
                place.check_secrecy()
                wrong = place.server.stop()
            except Exception as error:
                wrong = str(error)
            place.close()
            yield f"the shared {program} [threads {threads}]", wrong
