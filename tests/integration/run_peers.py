#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that no one here wrote (python3-websockets, Node's ws, Boost.Beast) run the same scenarios against the
example servers echo and chat. Prints `N passed, N failed`; a peer that cannot run is a failure."""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

from example_server import ROOT, ExampleServer, examples_folder

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
SECONDS = 300  # for all scenarios of one peer


def python_command():
    """Debian's python3, which has Debian's websockets, or whichever has it."""
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and subprocess.run([python, "-c", "import websockets"], capture_output=True).returncode == 0:
            return [python, PEERS / "python" / "peer.py"], None
    return None, "install python3-websockets (apt install python3-websockets)"


def node_command():
    folder = PEERS / "node"
    if not shutil.which("node") or not shutil.which("npm"):
        return None, "install Node 18 or newer with npm (apt install nodejs npm)"
    if not (folder / "node_modules" / "ws").is_dir():
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            return None, f"`npm install` in {folder.relative_to(ROOT)} failed: {done.stderr.strip()[-300:]}"
    return ["node", folder / "peer.js"], None


def beast_command(program):
    if not program.is_file():
        return None, f"build the target peer_beast, with Boost 1.81 (libboost1.81-dev); {program} is missing"
    return [program], None


def run_peer(name, command, why_not, scenarios, examples):
    """Runs one peer against servers of its own; returns {scenario: what failed or None}."""
    results = {f"{name} {scenario}": "it was not run" for scenario in scenarios}
    if command is None:
        return {f"{name} (all of it)": why_not}
    servers = [ExampleServer(examples / "echo"), ExampleServer(examples / "chat")]
    try:
        done = subprocess.run([*command, *(str(server.port) for server in servers)], stdout=subprocess.PIPE, text=True,
                              timeout=SECONDS)
        output = done.stdout
    except subprocess.TimeoutExpired as timeout:
        output = (timeout.stdout or b"").decode() if isinstance(timeout.stdout, bytes) else timeout.stdout or ""
    for line in output.splitlines():
        if line.startswith("ok "):
            results[f"{name} {line[3:]}"] = None
        elif failed := re.match(r"FAILED ([^:]+): (.*)", line):
            results[f"{name} {failed[1]}"] = failed[2]
    for server in servers:
        results[f"{name} {server.name}/stops-on-sigterm"] = server.stop()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=pathlib.Path, default=examples_folder(),
                        help="folder of the programs echo and chat")
    parser.add_argument("--beast-peer", type=pathlib.Path,
                        default=ROOT / "build/debug/tests/integration/peers/peer_beast")
    parser.add_argument("--only", choices=("python", "node", "beast"))
    options = parser.parse_args()
    for program in ("echo", "chat"):
        if not (options.examples / program).is_file():
            sys.exit(f"run_peers: {options.examples / program} is missing. "
                     "Build it: cmake --preset release && cmake --build --preset release")
    scenarios = [line.split()[0] for line in (PEERS / "scenarios.txt").read_text().splitlines()
                 if line and not line.startswith("#")]
    peers = {"python": python_command, "node": node_command, "beast": lambda: beast_command(options.beast_peer)}

    results = {}
    for name, make_command in peers.items():
        if options.only in (None, name):
            results |= run_peer(name, *make_command(), scenarios, options.examples)
    failures = {name: why for name, why in results.items() if why is not None}
    for name, why in failures.items():
        print(f"FAILED {name}: {why}")
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
