#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every row of protocol.md that a client can cause, over real sockets, against the programs chat and echo.

Each scenario runs with one shard and with two. Prints a line for each failure and `N passed, N failed`. At the end it
holds the list of error codes, refusals and close codes against what the run has seen on the wire."""
import argparse
import concurrent.futures
import fnmatch
import pathlib
import re
import sys
import time
import traceback

from example_server import ROOT, examples_folder
from wire import actions, beside, binary, channels, direct, door, ends, frames, heartbeats, limits, presence, sessions
from wire.scenario import SCENARIOS, Servers

# What no client of chat can cause, and why. Everything else in the tables must have been seen at the end.
UNREACHABLE_ERRORS = {
    "subscribe.denied": "chat's may_subscribe always says yes",
    "publish.denied": "chat's may_publish always says yes",
    "publish.unavailable": "the in-memory broker is never away, and its bounds are beyond what chat publishes",
    "presence.unavailable": "the in-memory broker always keeps presence",
    "internal.error": "no handler of chat throws",
}
REFUSALS = {400, 401, 403, 404, 405, 408, 413, 426, 429, 431, 500, 503}
UNREACHABLE_REFUSALS = {
    429: "chat has no flag for connections per address",
    500: "chat's authenticate does not throw",
}
CLOSE_CODES = {1000, 1001, 1002, 1007, 1008, 1009, 1011, 1013, 4001, 4002, 4003, 4401}
UNREACHABLE_CLOSES = {
    1000: "chat closes nobody on its own account; it only answers a client's 1000",
    1011: "nothing in chat fails",
    4003: "chat never calls disconnect_user",
    4401: "chat's tokens do not end",
}


def error_codes():
    """All there are, from the enum's own names."""
    header = (ROOT / "include/switchboard/hub/error_code.hpp").read_text()
    return set(re.findall(r'"([a-z]+\.[a-z_]+)"', header))


def gaps_in_coverage(observed):
    tables = (("error code", error_codes(), UNREACHABLE_ERRORS, observed.error_codes),
              ("refusal", REFUSALS, UNREACHABLE_REFUSALS, observed.statuses),
              ("close code", CLOSE_CODES, UNREACHABLE_CLOSES, observed.close_codes))
    for what, every, unreachable, seen in tables:
        for missing in sorted(every - set(unreachable) - seen):
            yield f"coverage/{what} {missing}", "no scenario has seen it"
        for surprise in sorted(seen & set(unreachable)):
            yield f"coverage/{what} {surprise}", f"was seen, though {unreachable[surprise]}"


def explain(error):
    where = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in where if "wire" in pathlib.Path(frame.filename).parts] or list(where)
    frame = next((frame for frame in ours if pathlib.Path(frame.filename).stem not in ("websocket", "chat", "scenario")),
                 ours[-1])
    text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    return f"{text} ({pathlib.Path(frame.filename).name}:{frame.lineno})".replace("\n", " ")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=pathlib.Path, default=examples_folder(), help="folder of the programs")
    parser.add_argument("--only", default="*", help="scenarios whose name matches, e.g. 'sessions/*'")
    parser.add_argument("--threads", type=int, choices=(1, 2), help="only with so many shards")
    parser.add_argument("--jobs", type=int, default=16, help="scenarios at a time")
    parser.add_argument("--times", action="store_true", help="tell how long each took")
    options = parser.parse_args()
    for program in ("echo", "chat"):
        if not (options.examples / program).is_file():
            sys.exit(f"run_wire: {options.examples / program} is missing. "
                     "Build it: cmake --preset release && cmake --build --preset release")

    runs = [(scenario, threads) for scenario in SCENARIOS for threads in scenario.threads
            if fnmatch.fnmatch(scenario.name, options.only) and options.threads in (None, threads)]
    runs.sort(key=lambda run: not run[0].is_slow)
    servers = Servers(options.examples)
    results, times = {}, {}

    def perform(scenario, threads):
        began = time.monotonic()
        try:
            servers.run(scenario, threads)
            return None
        except Exception as error:
            return explain(error)
        finally:
            times[scenario.name, threads] = time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {f"{scenario.name} [threads {threads}]": pool.submit(perform, scenario, threads)
                   for scenario, threads in runs}
    results = {name: future.result() for name, future in futures.items()}
    results |= dict(servers.finish())
    if options.only == "*":
        results |= dict(gaps_in_coverage(servers.observed))

    failures = {name: why for name, why in results.items() if why is not None}
    if options.times:
        for name, seconds in sorted(times.items(), key=lambda item: -item[1])[:25]:
            print(f"{seconds:6.2f} s  {name[0]} [threads {name[1]}]")
    for name, why in failures.items():
        print(f"FAILED {name}: {why}")
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
