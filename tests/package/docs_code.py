#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles, runs, replays or parses every fenced block of the Markdown pages, by the conventions in docs/blocks.py, and
holds the pages' tables and links against the tree.

docs_code.py --compiler=g++ --cmake=cmake [--scratch=DIR] [--page=NAME] -- COMPILE_FLAGS
"""
import argparse
import pathlib
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from docs import cpp, projects, scripts
from docs.blocks import Fault, blocks_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
IGNORED = ("build", "node_modules")
PAGES = sorted(page for page in ROOT.rglob("*.md") if not {*IGNORED} & {*page.relative_to(ROOT).parts})


def faults_of(page, options):
    """What is wrong with the page's blocks, and how many of them are not checked."""
    name = str(page.relative_to(ROOT)).replace("/", "-")
    try:
        blocks = blocks_of(page)
    except Fault as fault:
        return [str(fault)], 0
    checks = {
        "js": lambda block: scripts.check_javascript(block, options.scratch),
        "json": scripts.check_json,
        "sh": lambda block: scripts.check_shell(block, options.presets),
        "http": scripts.check_http,
        "cmake": lambda block: projects.check_cmake(block, options),
    }
    faults = []

    def attempt(check, *arguments):
        try:
            return check(*arguments)
        except Fault as fault:
            faults.append(str(fault))

    unchecked = [block for block in blocks if block.unchecked]
    for block in blocks:
        if block not in unchecked and not block.file and block.language in checks:
            attempt(checks[block.language], block)
    written = attempt(projects.write_files, name, blocks, options)
    attempt(cpp.check_program, name, blocks, options)
    if written and written[1]:
        attempt(projects.build, written[1], written[0], options)
    return faults, len(unchecked)


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
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--asio", default="/usr/include")
    parser.add_argument("--scratch", type=pathlib.Path, help="keep what is made, here")
    parser.add_argument("--page", help="only pages whose path has this in it")
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    options.ctest = str(pathlib.Path(options.cmake).parent / "ctest") if "/" in options.cmake else "ctest"
    options.definitions = [f"-DCMAKE_CXX_COMPILER={options.compiler}", "-DCMAKE_BUILD_TYPE=Debug",
                           "-DCMAKE_CXX_FLAGS_DEBUG=", f"-DSWITCHBOARD_ASIO_INCLUDE_DIR={options.asio}"]
    options.prefix = None
    options.presets = scripts.presets()
    pages = [page for page in PAGES if not options.page or options.page in str(page.relative_to(ROOT))]
    faults, unchecked = [*missing_names(), *broken_links()], 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        options.scratch = options.scratch or pathlib.Path(folder)
        options.scratch.mkdir(parents=True, exist_ok=True)
        for wrong, not_checked in pool.map(lambda page: faults_of(page, options), pages):
            faults += wrong
            unchecked += not_checked
    print(f"{len(pages)} pages, {unchecked} blocks that cannot be checked")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
