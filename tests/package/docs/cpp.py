# SPDX-License-Identifier: MIT
"""Compiles and runs the C++ of a page, and replays its dialogues."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from docs.blocks import Fault

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[2] / "include"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
ANYONE = """struct Anyone {
  using Access = switchboard::OpenAccess;
  struct User {
    std::string id;
  };
  std::optional<User> authenticate(const switchboard::UpgradeRequest& request) {
    return User{std::string(request.token)};
  }
};"""
RUNNER = """
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


def compile_with(options, *arguments, cwd):
    """Through ccache where there is one: a page that has not changed is not compiled again."""
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    environment = {**os.environ, "CCACHE_BASEDIR": str(cwd), "CCACHE_NOHASHDIR": "1"}
    command = [*launcher, options.compiler, "-std=c++20", "-O0", *WARNINGS, *options.flags, f"-I{INCLUDE}", *arguments]
    compiled = subprocess.run(command, text=True, capture_output=True, cwd=cwd, env=environment)
    if compiled.returncode != 0:
        raise Fault(compiled.stderr)


def libraries(text):
    """What has to be linked, by what is included."""
    return [*(["-lhiredis"] if "broker/redis_broker.hpp" in text else []),
            *(["-lssl", "-lcrypto"] if "broker/redis_tls.hpp" in text else [])]


def steps_of(block):
    """The lines of a dialogue as calls of Dialogue."""
    for number, line in enumerate(block.code.split("\n"), block.line):
        place, rest = f"{block.page.name}:{number}", re.sub(r"(^|  )#.*$", "", line).strip()
        if not rest:
            continue
        if passed := re.fullmatch(r"(\d+) s pass", rest):
            yield place, f"pass({passed[1]}s)"
        elif event := re.fullmatch(r"(\w+) (cut|back)", rest):
            yield place, f'{event[2]}("{event[1]}")'
        else:
            parts = re.split(r"(?:^|(?<=\s))(?:(\w+) +)?([→←])\s*", rest)
            if len(parts) < 4 or parts[0].strip():
                raise Fault(f"{place}: not a line of a dialogue: {line}")
            for name, arrow, text in zip(parts[1::3], parts[2::3], parts[3::3]):
                yield place, f'{"send" if arrow == "→" else "expect"}("{name or "ann"}", R"wire({text.strip()})wire")'


def program(blocks):
    """The page's C++ and dialogues as one translation unit, or nothing if it has none."""
    includes, body, tests, depth, app = [], [], [], 0, None

    def include(line):
        if line not in includes:
            includes.append(line)

    def here():
        return "::".join(f"block_{i}" for i in range(1, depth + 1))

    def add_test(block, code):
        tests.append(f'  run("{block.place}", {here()}::test);')
        body.append(f"inline void test() {{\n{code}}}")

    for block in blocks:
        if block.language not in ("cpp", "wire") or block.file or block.unchecked:
            continue
        depth += 1
        body.append(f"namespace block_{depth} {{")
        if block.language == "wire":
            include('#include "dialogue.hpp"')
            if app is None:
                app = "Anyone"
                body.append(ANYONE)
            steps = "".join(f'dialogue.at("{place}").{call};\n' for place, call in steps_of(block))
            add_test(block, f"docs::Dialogue<{app}> dialogue;\n{steps}")
            continue
        for line in re.findall(r"^#include .*$", block.code, re.M):
            include(line)
        code = re.sub(r"^#include .*$", "", block.code, flags=re.M)
        code = re.sub(r"^int main\(", "inline auto main_of_this_block(", code, flags=re.M)
        if re.search(r"^assert\(", code, re.M):
            add_test(block, f'#line {block.line} "{block.page.name}"\n{code}')
        else:
            body.append(f'#line {block.line} "{block.page.name}"\n{code}')
            if "main_of_this_block(" in code and re.search(r"^ +assert\(", code, re.M):
                tests.append(f'  run("{block.place}", {here()}::main_of_this_block);')
            for app in re.findall(r"^struct (\w+) {$(?:(?!^}).)*? authenticate\(", code, re.M | re.S):
                body.append(f"static_assert(switchboard::check_app<{app}>());")
    if depth == 0:
        return None
    return "\n".join([*includes, *body, "}" * depth, f'#line 1 "runner"{RUNNER}', *tests, "}\n"])


def check_program(page, blocks, options):
    text = program(blocks)
    if text is None:
        return
    folder = options.scratch / page
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.cpp").write_text(text)
    compile_with(options, f"-I{HERE}", "-Ifiles", "-c", "page.cpp", "-o", "page.o", cwd=folder)
    compile_with(options, "page.o", "-o", "page", "-pthread", *libraries(text), cwd=folder)
    ended = subprocess.run([folder / "page"], text=True, capture_output=True, timeout=300)
    if ended.returncode != 0:
        raise Fault(f"{page}: ended with {ended.returncode}\n{ended.stderr}")
