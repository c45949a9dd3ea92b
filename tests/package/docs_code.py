#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs the C++ in README.md and docs/*.md, checks the syntax of the JavaScript there and in the client's
README.md, and holds their tables and links against the tree.

docs_code.py --compiler=g++ [--scratch=DIR] -- COMPILE_FLAGS

A page is one program. Each ```cpp block sees the declarations of those before it and may declare the same names anew.
A block with an `assert` at the start of a line is a test: its lines become a function that is run. Every other block is
declarations; a main() in it is compiled and not run, a struct with `authenticate` is checked as an App.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def blocks(page, language="cpp"):
    """(line of the first line of code, code)"""
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S):
        yield page.read_text().count("\n", 0, match.start(1)) + 1, match.group(1)


def program(page):
    """The page's C++ as one translation unit, or nothing if it has none."""
    includes, body, tests, depth = [], [], [], 0
    for line, code in blocks(page):
        includes += [text for text in re.findall(r"^#include .*$", code, re.M) if text not in includes]
        code = re.sub(r"^#include .*$", "", code, flags=re.M)
        code = re.sub(r"^int main\(", "inline auto main_of_this_block(", code, flags=re.M)
        depth += 1
        body.append(f"namespace block_{depth} {{")
        if re.search(r"^assert\(", code, re.M):
            path = "::".join(f"block_{i}" for i in range(1, depth + 1))
            tests.append(f'  run("{page.name}:{line}", {path}::test);')
            body.append(f'inline void test() {{\n#line {line} "{page.name}"\n{code}}}')
        else:
            body.append(f'#line {line} "{page.name}"\n{code}')
            for app in re.findall(r"^struct (\w+) {$(?:(?!^}).)*? authenticate\(", code, re.M | re.S):
                body.append(f"static_assert(switchboard::check_app<{app}>());")
    if depth == 0:
        return None
    runner = """
#include <cstdlib>
#include <exception>
#include <iostream>
[[maybe_unused]] static void run(const char* where, void (*test)()) {
  try {
    test();
  } catch (const std::exception& error) {
    std::cerr << where << ": " << error.what() << std::endl;
    std::exit(1);
  }
}
int main() {
"""
    return "\n".join([*includes, *body, "}" * depth, f'#line 1 "runner"{runner}', *tests, "}\n"])


def compile_and_run(page, options):
    """What is wrong with the page's code, if anything."""
    text = program(page)
    if text is None:
        return None
    source, binary = options.scratch / f"{page.stem}.cpp", options.scratch / page.stem
    source.write_text(text)
    compiled = subprocess.run([options.compiler, "-std=c++20", "-O0", *WARNINGS, *options.flags, f"-I{INCLUDE}",
                               str(source), "-o", str(binary), "-pthread",
                               *(["-lhiredis"] if "broker/redis_broker.hpp" in text else [])], text=True, capture_output=True)
    if compiled.returncode != 0:
        return compiled.stderr
    ended = subprocess.run([str(binary)], text=True, capture_output=True, timeout=300)
    return None if ended.returncode == 0 else f"{page.name}: ended with {ended.returncode}\n{ended.stderr}"


def javascript_faults(scratch):
    for page in [*PAGES, ROOT / "clients/js/README.md"]:
        for line, code in blocks(page, "js"):
            if "URLSearchParams" in code:
                yield f"{page.name}:{line}: URLSearchParams writes a space as +, which a server takes for a plus"
            source = scratch / f"{page.stem}-{line}.mjs"
            source.write_text("\n" * (line - 1) + code)
            try:
                checked = subprocess.run(["node", "--check", str(source)], text=True, capture_output=True)
            except FileNotFoundError:
                yield "the JavaScript in the docs is checked by node: install nodejs"
                return
            if checked.returncode != 0:
                yield f"{page.name}: {checked.stderr}"


def missing_names():
    """Every code, word and number that a user may meet has its place in a page."""
    api, protocol, redis = ((ROOT / "docs" / name).read_text() for name in ("api.md", "protocol.md", "redis.md"))

    def names(header, pattern):
        found = re.findall(pattern, (INCLUDE / "switchboard" / header).read_text(), re.S)
        if not found:
            yield f"nothing was found in {header} by {pattern}"
        yield from found

    for page, header, pattern in [
        (protocol, "hub/error_code.hpp", r'"([a-z]+\.[a-z_]+)"'),
        (protocol, "protocol/http_response.hpp", r'\{\s*\d{3},\s*"([a-z_]+\.[a-z_]+)"'),
        (api, "server/metrics.hpp", r'\{&[HS]::\w+, &M::\w+, "(\w+)"'),
        (api, "server/metrics.hpp", r'\{&[HS]::\w+, &M::(\w+), '),
        (api, "server/options.hpp", r"^  [\w:<> ]+?\s(\w+)(?: = [^;]*|\{\});"),
        (api, "hub/options.hpp", r"  (?:Duration|std::size_t|SlowConsumer) (\w+) = "),
        (redis, "broker/redis/redis_options.hpp", r"^  (?!using)[\w:<>(), &]+?\s(\w+)(?: = [^;]*|\{\});"),
        (redis, "broker/redis/redis_errc.hpp", r"^  (\w+)(?: = 1)?,  +///<"),
        (redis, "broker/redis/redis_metrics.hpp", r'"(redis_\w+)"'),
        (api, "hub/errc.hpp", r"^  (\w+)(?: = 1)?,  +///<"),
    ]:
        for name in names(header, "(?m)" + pattern):
            if f"`{name}" not in page and f"_{name}`" not in page:
                yield f"{header}: {name} is not in the docs"
    for code in re.findall(r"= (\d{4})[,;]", (INCLUDE / "switchboard/protocol/close_code.hpp").read_text()):
        if code not in ("1005", "1006") and not re.search(rf"^\| {code} \|", protocol, re.M):
            yield f"close code {code} is not in protocol.md's table"


def broken_links():
    def anchors(page):
        titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if "://" in link:
                continue
            path, _, anchor = link.partition("#")
            target = page if not path else page.parent / path
            if not target.exists():
                yield f"{page.name}: {link} leads nowhere"
            elif anchor and anchor not in anchors(target):
                yield f"{page.name}: {link}: no such heading"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--scratch", type=pathlib.Path)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    failures = [*missing_names(), *broken_links()]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        options.scratch = options.scratch or pathlib.Path(folder)
        options.scratch.mkdir(parents=True, exist_ok=True)
        failures += javascript_faults(options.scratch)
        failures += [text for text in pool.map(lambda page: compile_and_run(page, options), PAGES) if text]
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
