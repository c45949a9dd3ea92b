# SPDX-License-Identifier: MIT
"""Starts the example programs for the integration scripts."""
import pathlib
import re
import signal
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def examples_folder():
    """Where the examples were built: the release build, else the debug build."""
    folders = [ROOT / "build" / preset / "examples" for preset in ("release", "debug")]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


class ExampleServer:
    """An example program on a free port, waited for."""

    def __init__(self, program, *flags, stderr=None):
        self.name = program.name
        self.process = subprocess.Popen([program, "--address", "127.0.0.1", "--port", "0", *flags],
                                        stdout=subprocess.PIPE, stderr=stderr, text=True)
        line = self.process.stdout.readline()
        place = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if not place:
            self.kill()
            raise RuntimeError(f"{program} did not say `listening on http://127.0.0.1:PORT` but {line!r}")
        self.port = int(place[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, how=signal.SIGTERM, seconds=20):
        """What was wrong with its end, or None."""
        status = self.process.poll()
        if status is not None:
            return f"{self.name} ended by itself with {status}"
        self.process.send_signal(how)
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} did not stop within {seconds} s of {how.name}"
        return f"{self.name} stopped with {status}, not 0" if status != 0 else None
