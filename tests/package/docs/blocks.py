# SPDX-License-Identifier: MIT
"""The fenced blocks of the Markdown pages, and the conventions by which they are checked.

Every block says its language after the fence:

cpp    A page is one program. Each block sees the declarations of those before it and may declare the same names anew.
       A block with an `assert` at the start of a line is a test: its lines become a function that is run. Every other
       block is declarations; a main() in it is compiled, and run if it asserts; a struct with `authenticate` is checked
       as an App.
wire   A dialogue, replayed against the App that the page has declared last, else one that lets everybody do everything.
       `→ TEXT` is sent, `← TEXT` must be the next frame to the byte, except that `…` stands for anything; both may stand
       in one line. `bob → TEXT`: by another client (ann, unless named). A client is connected, statefully, when it is
       first named; its welcome may be left out, and its members stand in any order. `bob cut`, `bob back`: loses its connection, resumes its session.
       `30 s pass`: so they do. Two spaces and # begin a comment.
js     The syntax of a module; what is imported must be there to import.
json   One value, or one a line.
sh     The syntax, and that the commands, the files of this tree and the presets that it names are there.
cmake  Configured with a main.cpp beside it; `project` and `add_executable(app main.cpp)` are put before it if they are not
       there. switchboard is found by find_package, add_subdirectory(switchboard) and FetchContent alike.
http   The first line and the header lines of a request or of a response.

Directly above a fence may stand

<!-- file: NAME -->           The block is a file of the reader's. The page's files make one folder; where a name comes again,
                              what is there is built before it is replaced. With a CMakeLists.txt the folder is configured and
                              built and its tests are run; without, each .cpp is compiled and linked alone. The page's other
                              cpp blocks may include from it.
<!-- unchecked: REASON -->    Nothing can be checked: a picture, output, another program's configuration. These are counted.
"""
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("cpp", "wire", "js", "json", "sh", "cmake", "http")


@dataclass
class Block:
    page: Path
    line: int  # of the first line of code
    language: str
    code: str
    file: str | None = None
    unchecked: str | None = None

    @property
    def place(self):
        return f"{self.page.name}:{self.line}"


class Fault(Exception):
    """What is wrong with a page, with its place."""


def blocks_of(page):
    """The page's blocks in their order. Raises a Fault for one that says too little of itself."""
    lines = page.read_text().split("\n")
    found, number = [], 0
    while number < len(lines):
        fence = re.match(r"(\s*)(`{3,}|~{3,})\s*(\S*)", lines[number])
        if not fence:
            number += 1
            continue
        indent, ticks, language = fence.groups()
        start = number + 1
        end = next((i for i in range(start, len(lines)) if lines[i].strip() == ticks), None)
        if end is None:
            raise Fault(f"{page.name}:{start}: this block has no end")
        marker = re.fullmatch(r"\s*<!-- *(file|unchecked): *(.*?) *-->", lines[number - 1]) if number else None
        block = Block(page, start + 1, language, textwrap.dedent("\n".join(lines[start:end]) + "\n"))
        if marker:
            setattr(block, marker[1], marker[2])
        if block.unchecked == "" or block.file == "":
            raise Fault(f"{block.place}: says `{marker[1]}:` and nothing behind it")
        if block.unchecked is None and block.file is None and language not in LANGUAGES:
            raise Fault(f"{block.place}: a block must be one of {', '.join(LANGUAGES)}, or say above it why it cannot be "
                        f"checked: <!-- unchecked: REASON -->")
        found.append(block)
        number = end + 1
    return found
