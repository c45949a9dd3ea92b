#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds docs/errors.md and docs/operating.md against the headers: every code, error and metric that a user may meet has a
row there, and every row is one that exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include/switchboard"


def found(header, pattern, section=None):
    """What the pattern finds in the header, or in the part of it that `section` matches; never nothing."""
    text = (INCLUDE / header).read_text()
    if section is not None:
        part = re.search(section, text, re.S)
        text = part.group(0) if part else ""
    names = re.findall(pattern, text, re.M | re.S)
    if not names:
        sys.exit(f"{header}: nothing was found by {pattern}")
    return set(names)


def rows(page, heading, cell):
    """The first cells, by `cell`, of the tables under the heading."""
    text = (ROOT / "docs" / page).read_text()
    part = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not part:
        sys.exit(f"{page}: there is no heading {heading}")
    return set(re.findall(rf"^\| {cell} \|", part.group(1), re.M))


def enumerators(header, name):
    return found(header, r"^  (\w+)(?: = \d+)?,", rf"enum class {name}\b[^{{]*\{{.*?\n\}};")


def checks():
    """(what, page, in the headers, in the page)"""
    yield ("error codes", "errors.md", found("hub/error_code.hpp", r'"([a-z]+\.[a-z_]+)"'),
           rows("errors.md", "In error frames", r"`([a-z_.]+)`"))
    yield ("refusals", "errors.md", found("protocol/http_response.hpp", r'\{\s*(\d{3}),\s*"([a-z_]+\.[a-z_]+)"'),
           rows("errors.md", "At the door", r"(\d{3}) \| `([a-z_.]+)`"))
    yield ("close codes", "errors.md",
           {(number, name) for name, number in found("protocol/close_code.hpp", r"^  (\w+) = (\d{4}),")},
           rows("errors.md", "Close codes", r"(\d{4}) \| `(\w+)`"))
    calls = {f"errc::{name}" for name in enumerators("hub/errc.hpp", "errc")}
    calls |= {f"broker_errc::{name}" for name in enumerators("broker/broker.hpp", "broker_errc")}
    yield "errors of calls", "errors.md", calls, rows("errors.md", "From calls", r"`(\w+::\w+)`")
    yield ("errors of Redis", "errors.md", enumerators("broker/redis/redis_errc.hpp", "redis_errc"),
           rows("errors.md", "From Redis", r"`(\w+)`"))
    metrics = found("server/metrics.hpp", r'\{&[HS]::\w+, &M::\w+, "(\w+)"')
    metrics |= found("broker/redis/redis_metrics.hpp", r'"(redis_\w+)"')
    yield "metrics", "operating.md", metrics, rows("operating.md", "Metrics", r"`(\w+)`")


def main():
    failures = []
    for what, page, headers, documented in checks():
        failures += [f"{page}: {what}: {name} is missing" for name in sorted(headers - documented)]
        failures += [f"{page}: {what}: there is no {name}" for name in sorted(documented - headers)]
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
