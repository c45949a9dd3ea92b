#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Uses switchboard as its users do: from outside the tree, in a temporary folder.

run.py --cmake=cmake --compiler=g++ --asio=DIR TEST -- COMPILE_FLAGS

TEST is the name of a folder here with a CMake project, or of a function below.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
INCLUDE = SOURCE / "include"
LAYERS = ["protocol", "patterns", "hub", "broker", "server", "testing"]  # each may include those before it
MAX_LINES = 500  # of a header; a longer one says in its first comment, in a sentence with "lines", why it is one
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


class Failed(Exception):
    pass


def run(*command, cwd):
    ended = subprocess.run([str(part) for part in command], cwd=cwd, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    if ended.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\nended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def configure(options, source, build, *definitions):
    run(options.cmake, "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
        f"-DCMAKE_CXX_COMPILER={options.compiler}", f"-DSWITCHBOARD_ASIO_INCLUDE_DIR={options.asio}",
        *definitions, cwd=build.parent)


def build_and_run_project(options, *definitions):
    """A copy of the project of that name is configured and built; its one program must end with 0."""
    project = options.temporary / "project"
    shutil.copytree(HERE / options.test, project)
    for shared in ("consumer.cpp", "nothing_but_the_library.cmake"):
        shutil.copy(HERE / shared, project)
    build = options.temporary / "build"
    configure(options, project, build, f"-DSWITCHBOARD_SOURCE={SOURCE}", *definitions)
    run(options.cmake, "--build", build, "-j2", cwd=build)
    programs = [file for file in build.iterdir()
                if file.is_file() and os.access(file, os.X_OK) and file.suffix == ""]
    if len(programs) != 1:
        raise Failed(f"not one program: {programs}")
    run(programs[0], cwd=build)


def find_package(options):
    build, prefix = options.temporary / "switchboard", options.temporary / "prefix"
    configure(options, SOURCE, build, "-DSWITCHBOARD_BUILD_TESTS=OFF", "-DSWITCHBOARD_BUILD_EXAMPLES=OFF",
              "-DSWITCHBOARD_BUILD_BENCHMARKS=OFF")
    run(options.cmake, "--install", build, "--prefix", prefix, cwd=build)
    installed = {file.relative_to(prefix / "include") for file in (prefix / "include").rglob("*.hpp")}
    missing = {file.relative_to(INCLUDE) for file in INCLUDE.rglob("*.hpp")} - installed
    if missing:
        raise Failed(f"not installed: {sorted(map(str, missing))}")
    build_and_run_project(options, f"-DCMAKE_PREFIX_PATH={prefix}")


def plain(options):
    """The compiler's command line in the README, without a build system."""
    line = re.search(r"`(g\+\+ [^`]*-Iinclude[^`]*main\.cpp[^`]*)`", (SOURCE / "README.md").read_text())
    if not line:
        raise Failed("the README has no line that begins with `g++` and compiles main.cpp with -Iinclude")
    shutil.copytree(INCLUDE, options.temporary / "include")
    shutil.copy(HERE / "consumer.cpp", options.temporary / "main.cpp")
    compiler, *arguments = line.group(1).split()
    arguments = ["-O0" if argument.startswith("-O") else argument for argument in arguments]
    if not options.compiler.endswith(compiler):
        arguments += options.flags  # what another compiler needs beside it
    if options.asio != "/usr/include":
        arguments.append(f"-I{options.asio}")
    run(options.compiler, *arguments, "-o", "consumer", cwd=options.temporary)
    run(options.temporary / "consumer", cwd=options.temporary)


def headers_alone(options):
    """Every header compiles when nothing is included before it, and with what every Asio has."""
    def failure(header):
        command = [options.compiler, "-std=c++20", *WARNINGS, *options.flags, f"-I{INCLUDE}", "-fsyntax-only",
                   "-DASIO_NO_DEPRECATED", "-x", "c++", "-include", header, os.devnull]
        try:
            run(*command, cwd=options.temporary)
        except Failed as error:
            return f"{header}: {error}"

    headers = sorted((file.relative_to(INCLUDE) for file in INCLUDE.rglob("*.hpp")), key=lambda file: file.parts[-2:])
    with ThreadPoolExecutor(2) as pool:
        failures = [text for text in pool.map(failure, headers) if text]
    if failures:
        raise Failed("\n".join(failures))
    print(f"{len(headers)} headers")


def requirements(options):
    """What the library cannot do without, it asks for in one sentence, and nothing else is said."""
    for header, flags, sentence in [
        ("hub/fwd.hpp", ["-fno-exceptions"], "switchboard needs exceptions and RTTI"),
        ("protocol/opcode.hpp", ["-fno-rtti"], "switchboard needs exceptions and RTTI"),
        ("switchboard.hpp", ["-std=c++17"], "switchboard needs C++20: compile with -std=c++20"),
        ("patterns/pubsub_manager.hpp", ["-std=c++17"], "switchboard needs C++20: compile with -std=c++20"),
        ("broker/redis_broker.hpp", ["-std=c++17"], "switchboard needs C++20: compile with -std=c++20"),
        ("switchboard.hpp", ["-DASIO_DISABLE_CO_AWAIT", "-UASIO_HAS_CO_AWAIT"], "Asio sees no coroutines: compile with"),
    ]:
        where = f"{header} with {' '.join(flags)}"
        try:
            run(options.compiler, "-std=c++20", *options.flags, *flags, f"-I{INCLUDE}", "-fsyntax-only", "-x", "c++",
                "-include", f"switchboard/{header}", os.devnull, cwd=options.temporary)
        except Failed as failed:
            errors = re.findall(r"error: (.*)", str(failed))
            if len(errors) != 2 or sentence not in errors[0] or "see-the-error-above" not in errors[1]:
                raise Failed(f"{where} does not say `{sentence}` alone:\n{failed}")
        else:
            raise Failed(f"{where} compiles")
    leaves = [file for file in INCLUDE.rglob("*.hpp") if "#include <switchboard/" not in file.read_text()]
    if leaves != [INCLUDE / "switchboard/requirements.hpp"]:
        raise Failed(f"these include neither requirements.hpp nor what does: {leaves}")


def layers(options):
    """A header includes its own layer and those before it, says so with angle brackets, and is not too long."""
    failures = []
    for file in sorted((INCLUDE / "switchboard").rglob("*.hpp")):
        text, name = file.read_text(), file.relative_to(INCLUDE)
        layer = name.parts[1]
        if layer not in LAYERS and len(name.parts) > 2:
            failures.append(f"{name} is in no layer")
        for included in re.findall(r'^#include <switchboard/(\w+)/', text, re.M):
            if layer in LAYERS and LAYERS.index(included) > LAYERS.index(layer):
                failures.append(f"{name} includes {included}/, which stands on it")
        if re.search(r'^#include "', text, re.M):
            failures.append(f'{name} includes with quotes')
        if not text.startswith("// SPDX-License-Identifier: MIT\n") or "#pragma once" not in text:
            failures.append(f"{name} lacks its licence line or #pragma once")
        first_comment = re.match(r"(//[^\n]*\n)*", text).group()
        if text.count("\n") > MAX_LINES and not re.search(r"\blines\b", first_comment):
            failures.append(f"{name} is over {MAX_LINES} lines: what is it two of?")
    if failures:
        raise Failed("\n".join(failures))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("test")
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--asio", default="/usr/include")
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    os.environ.pop("CXXFLAGS", None)
    with tempfile.TemporaryDirectory(prefix="switchboard-") as folder:
        options.temporary = pathlib.Path(folder)
        try:
            function = globals().get(options.test)
            function(options) if function else build_and_run_project(options)
        except Failed as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
