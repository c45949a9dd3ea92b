#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds docs/code_map.md to the headers: it lists every file once, and in its walks each function is in the file that is
named, and is called in a file that came before. The first row of a table is where a walk enters."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = ROOT / "include" / "switchboard"
PAGE = ROOT / "docs" / "code_map.md"


def definition(name):
    """A line that declares or defines a function of this name: a type stands before it, and no `return`."""
    return re.compile(rf"^(?!\s*(?:return|else|co_return|co_await|case|//)\b)[ ]*[\w:<>,&*\[\] ]*[\w>&*\]][ &*]+"
                      rf"(?:\w+(?:<[^>()]*>)?::)*{name}\(", re.M)


def code_of(file):
    return re.sub(r"//[^\n]*", "", (HEADERS / file).read_text())


def is_called(name, code):
    return len(re.findall(rf"\b{name}\b", code)) > len(definition(name).findall(code))


def tables(page):
    """(line, cells) of each row below a header, table by table."""
    rows, table = page.split("\n"), []
    for number, row in enumerate(rows + [""], 1):
        if row.startswith("|"):
            table.append((number, [cell.strip() for cell in row.strip("|").split("|")]))
        elif table:
            yield table[0][1], table[2:]
            table = []


def walk_faults(table):
    seen = {}
    for index, (line, cells) in enumerate(table):
        file, functions = cells[0].strip("`"), re.findall(r"`(\w+)`", cells[1])
        if not (HEADERS / file).exists():
            yield line, f"there is no {file}"
            continue
        code = seen[file] = code_of(file)
        if not functions:
            yield line, f"no function of {file} is named"
        for name in functions:
            if not definition(name).search(code):
                yield line, f"{file} has no function {name}"
            elif (index > 0 or name != functions[0]) and not any(is_called(name, text) for text in seen.values()):
                yield line, f"{name} of {file} is called in no file named before"


def list_faults(page):
    """Every header has its line, under the heading of its folder."""
    listed = []
    for heading, body in re.findall(r"^### (\S+)/\n(.*?)(?=^##)", page, re.M | re.S):
        listed += [f"{heading}/{name}" for name in re.findall(r"^\| `(\S+\.hpp)` \|", body, re.M)]
    present = {str(file.relative_to(HEADERS)) for file in HEADERS.rglob("*.hpp")} - {"switchboard.hpp", "requirements.hpp"}
    yield from (f"{file} is not listed" for file in sorted(present - set(listed)))
    yield from (f"{file} is listed and not there" for file in sorted(set(listed) - present))
    yield from (f"{file} is listed twice" for file in sorted({file for file in listed if listed.count(file) > 1}))


def main():
    page = PAGE.read_text()
    faults = list(list_faults(page))
    walks = [rows for header, rows in tables(page) if header[:2] == ["file", "functions"]]
    if len(walks) < 2:
        faults.append("there are no walks")
    for table in walks:
        faults += [f"code_map.md:{line}: {what}" for line, what in walk_faults(table)]
    prose = page.split("## Every file")[0]
    for path in sorted(set(re.findall(r"`([\w/]+/[\w.]+\.(?:hpp|py))(?: \w+)?`", prose))):
        if not (HEADERS / path).exists() and not (ROOT / path).exists():
            faults.append(f"code_map.md: there is no {path}")
    for folder in re.findall(r"^\| `([\w/]+/)` \|", page, re.M):
        if not (ROOT / folder).is_dir():
            faults.append(f"code_map.md: there is no folder {folder}")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
