#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the cases of cases.cpp and one for each near-miss of app_check.hpp; reads the first error of each.

run.py --scratch=DIR --compiler=g++ [--compiler=clang++-19] -- COMPILE_FLAGS
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parents[1] / "include/switchboard/hub/app_check.hpp"

# Said once more here, and not read from the header: this is what a user must be told.
SIGNATURES = {
    "authenticate": "std::optional<User> authenticate(const sb::UpgradeRequest&)",
    "may_subscribe": "bool may_subscribe(const User&, std::string_view channel)",
    "may_publish": "bool may_publish(const User&, std::string_view channel)",
    "presence_info": "nlohmann::json presence_info(const User&, std::string_view channel)",
    "on_open": "void on_open(sb::Connection<App>)",
    "on_suspend": "void on_suspend(sb::Connection<App>)",
    "on_resume": "void on_resume(sb::Connection<App>, sb::Resume)",
    "on_close": "void on_close(sb::Connection<App>, sb::CloseReason)",
    "on_subscribe": "void on_subscribe(sb::Connection<App>, std::string_view channel)",
    "on_unsubscribe": "void on_unsubscribe(sb::Connection<App>, std::string_view channel)",
    "on_message": "void on_message(sb::Connection<App>, nlohmann::json)",
    "binary": "void binary(sb::BinaryHandlers<App>&)",
    "on_text": "void on_text(sb::Connection<App>, std::string_view)",
    "on_binary": "void on_binary(sb::Connection<App>, std::span<const std::byte>)",
}


def written_cases():
    """(name, text of the first error; None: compiles)"""
    source = (HERE / "cases.cpp").read_text()
    for said, name in re.findall(r"^// (.*)\nCASE\((\w+)\)$", source, re.M):
        kind, _, rest = said.partition(": ")
        yield name, {
            "compiles": lambda: None,
            "wrong": lambda: f"member {rest} must be callable as: {SIGNATURES[rest]}",
            "missing": lambda: f"an App needs a member {rest}: {SIGNATURES[rest]}",
            "not raw": lambda: f"nothing calls {rest} in raw mode",
            "says": lambda: rest,
        }[kind]()


def near_misses():
    """(name, declaration, text of the first error)"""
    for name, meant in re.findall(r'near_miss\((\w+), (\w+|"[^"]*")\)', HEADER.read_text()):
        if meant.startswith('"'):
            text = f"nothing uses a type {name}; did you mean: using {meant[1:-1]};"
            yield name, f"using {name} = int;", text
        else:
            text = f"nothing calls a member {name}; did you mean: {SIGNATURES[meant]}"
            yield name, f"void {name}();", text


def write_near_misses(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#include "well_formed.hpp"\n' + "".join(
        f"CASE({name}_case)\nstruct App : WellFormed<App> {{\n  {declaration}\n}};\nEND\n"
        for name, declaration, _ in near_misses()))


def first_errors(compiler, flags, source):
    """The first error line of each case in the source, by the case's name; None: it compiles."""
    version = subprocess.run([compiler, "--version"], stdout=subprocess.PIPE, check=True).stdout
    if b"clang" in version:  # Asio before 1.24 does not know that clang has coroutines with libstdc++
        flags = [*flags, "-DASIO_HAS_CO_AWAIT=1", "-DASIO_HAS_STD_COROUTINE=1", "-ferror-limit=0"]
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-fsyntax-only",
               "-I", str(HERE), *flags, str(source)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env={**os.environ, "LC_ALL": "C"})
    errors, case = {}, None
    for line in run.stdout.decode(errors="replace").splitlines():
        if not re.search(r"\b(error|warning): ", line):
            continue
        marker = re.search(r"\berror: static assertion failed.*: \"?case (\w+)", line)
        if marker:
            case = marker.group(1)
            errors[case] = None
        elif errors.get(case) is None:
            errors[case] = line
    return errors


def check(compiler, flags, source, wanted):
    got = first_errors(compiler, flags, source)
    passed = 0
    for name, text in wanted.items():
        line = got.get(name, "it was not compiled: " + (got.get(None) or ""))
        if line is None if text is None else line and "switchboard: " in line and text in line:
            passed += 1
        else:
            print(f"FAILED {pathlib.Path(compiler).name}: {name}",
                  f"  wanted: {text or 'no error'}", f"  got:    {line or 'no error'}", sep="\n")
    return passed


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--scratch", type=pathlib.Path, required=True)
    arguments.add_argument("--compiler", action="append", required=True)
    arguments.add_argument("flags", nargs="*")
    options = arguments.parse_args()

    generated = options.scratch / "near_misses.cpp"
    write_near_misses(generated)
    suites = [(HERE / "cases.cpp", dict(written_cases())),
              (generated, {f"{name}_case": text for name, _, text in near_misses()})]
    compilers = list({os.path.realpath(path): path for path in options.compiler}.values())
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(check, compiler, options.flags, source, wanted)
                for compiler in compilers for source, wanted in suites]
        passed = sum(run.result() for run in runs)
    total = len(compilers) * sum(len(wanted) for _, wanted in suites)
    names = ", ".join(pathlib.Path(compiler).name for compiler in compilers)
    print(f"{passed} passed, {total - passed} failed ({names})")
    return 0 if total and passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
