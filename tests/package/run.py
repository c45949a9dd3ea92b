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
# The layers without I/O, and what they may have of Asio: handlers may be coroutines, and run on an executor.
PURE_LAYERS = {
    "protocol": set(),
    "patterns": set(),
    "hub": {"any_io_executor", "associated_executor", "async_result", "awaitable", "post", "use_awaitable", "version"},
}
IMPURE = r"^#include <((?:thread|mutex|shared_mutex|condition_variable|future|unistd\.h|poll\.h|netdb\.h|sys/|arpa/|netinet/)[^>]*)>"
MAX_LINES = 500  # of a header; a longer one says in its first comment, in a sentence with "lines", why it is one
FURTHER_WARNINGS = ["-Wsign-conversion", "-Wold-style-cast", "-Wnon-virtual-dtor", "-Wundef"]
# What takes long to compile is included where it must be: by those that parse or print JSON in their templates, and by
# the parser of requests. The others have json_fwd.hpp, or what these include.
COSTLY = {
    "nlohmann/json.hpp": {"hub/json_request.hpp", "hub/shard.hpp", "server/server_handle.hpp",
                          "testing/websocket_test_client.hpp"},
    "boost/beast": {"protocol/request_parser.hpp"},
    "boost/asio": set(),
    "asio.hpp": set(),
}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


class Failed(Exception):
    pass


def run(*command, cwd, **environment):
    if not shutil.which(command[0]):
        raise Failed(f"this needs {command[0]}: `scripts/setup test` installs it")
    ended = subprocess.run([str(part) for part in command], cwd=cwd, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env={**os.environ, **environment})
    if ended.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\nended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def compile_cached(options, source, output, *flags, cwd):
    """Compiles through ccache where there is one: what has not changed since a run before is not compiled again."""
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    run(*launcher, options.compiler, "-std=c++20", "-O0", *WARNINGS, *options.flags, f"-I{INCLUDE}", *flags, "-c", source,
        "-o", output, cwd=cwd, CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")


def compiler_for_cmake(options):
    """The compiler through ccache. As a launcher it would hide one that the library sets in its user's project."""
    if not shutil.which("ccache"):
        return options.compiler
    wrapper = options.temporary / "compiler"
    wrapper.write_text(f'#!/bin/sh\nCCACHE_BASEDIR={options.temporary} CCACHE_NOHASHDIR=1 exec ccache {options.compiler} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def configure(options, source, build, *definitions):
    run(options.cmake, "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
        f"-DCMAKE_CXX_COMPILER={compiler_for_cmake(options)}", f"-DSWITCHBOARD_ASIO_INCLUDE_DIR={options.asio}",
        *definitions, cwd=build.parent)


def build_and_run_project(options, *definitions):
    """A copy of the project of that name is configured and built; its programs must end with 0."""
    project = options.temporary / "project"
    shutil.copytree(HERE / options.test, project)
    for shared in ("consumer.cpp", "parts.cpp", "components.cpp", "nothing_but_the_library.cmake"):
        shutil.copy(HERE / shared, project)
    build = options.temporary / "build"
    configure(options, project, build, f"-DSWITCHBOARD_SOURCE={SOURCE}", *definitions)
    run(options.cmake, "--build", build, "-j2", cwd=build)
    programs = [file for file in build.iterdir()
                if file.is_file() and os.access(file, os.X_OK) and file.suffix == ""]
    if not programs:
        raise Failed("it has built no program")
    for program in programs:
        run(program, cwd=build)
    if options.test not in ("add_subdirectory", "fetch_content"):
        return

    def installs_switchboard():
        prefix = options.temporary / "with the project"
        run(options.cmake, "--install", build, "--prefix", prefix, cwd=build)
        return (prefix / "include/switchboard").exists()

    if installs_switchboard():
        raise Failed("a project that contains switchboard installs it without having asked for that")
    run(options.cmake, "-DSWITCHBOARD_INSTALL=ON", build, cwd=build)
    if not installs_switchboard():
        raise Failed("SWITCHBOARD_INSTALL does not install switchboard with the project that contains it")


def install(options):
    """The prefix, which has been moved since it was installed to."""
    build, prefix = options.temporary / "switchboard", options.temporary / "installed/prefix"
    configure(options, SOURCE, build, "-DSWITCHBOARD_BUILD_TESTS=OFF", "-DSWITCHBOARD_BUILD_EXAMPLES=OFF",
              "-DSWITCHBOARD_BUILD_BENCHMARKS=OFF")
    run(options.cmake, "--install", build, "--prefix", prefix, cwd=build)
    return (options.temporary / "installed").rename(options.temporary / "moved") / "prefix"


def find_package(options):
    prefix = install(options)
    installed = {file.relative_to(prefix / "include") for file in (prefix / "include").rglob("*.hpp")}
    missing = {file.relative_to(INCLUDE) for file in INCLUDE.rglob("*.hpp")} - installed
    if missing:
        raise Failed(f"not installed: {sorted(map(str, missing))}")
    build_and_run_project(options, f"-DCMAKE_PREFIX_PATH={prefix}")


def missing_packages(options):
    """A package that is not there, or is too old, is named in one sentence; the core does without those of its parts."""
    prefix = install(options)
    project = options.temporary / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES CXX)\n"
                                            "find_package(switchboard ${ARGUMENTS})\n")
    old_asio = options.temporary / "old/asio"
    old_asio.mkdir(parents=True)
    (old_asio / "awaitable.hpp").touch()
    (old_asio / "version.hpp").write_text("#define ASIO_VERSION 102100 // 1.21.0\n")
    without = "-DCMAKE_DISABLE_FIND_PACKAGE_"
    neither_part = [without + "OpenSSL=1", "-DCMAKE_IGNORE_PATH=/usr/include"]  # where hiredis is

    def user_of(arguments, *definitions):
        """What CMake says against it, on one line."""
        build = options.temporary / "user"
        shutil.rmtree(build, ignore_errors=True)
        try:
            configure(options, project, build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DARGUMENTS={arguments}", *definitions)
            return "found"
        except Failed as failed:
            return " ".join(str(failed).split())

    for arguments, definitions, sentence in [
        ("REQUIRED", neither_part, "found"),
        ("OPTIONAL_COMPONENTS;redis;tls", neither_part, "found"),
        ("REQUIRED;COMPONENTS;redis", neither_part, "switchboard::redis needs hiredis (Debian: libhiredis-dev)."),
        ("REQUIRED;COMPONENTS;tls", neither_part, "switchboard::tls needs OpenSSL 1.1.1 or newer (Debian: libssl-dev)."),
        ("REQUIRED;COMPONENTS;deflate", [],
         "switchboard has the components redis and tls, and none with the name deflate."),
        ("REQUIRED", [without + "Boost=1"], "switchboard needs the headers of Boost 1.81 or newer"),
        ("REQUIRED", [without + "nlohmann_json=1"], "switchboard needs nlohmann_json 3.11 or newer"),
        ("REQUIRED", [f"-DSWITCHBOARD_ASIO_INCLUDE_DIR={old_asio.parent}"],
         "switchboard needs standalone Asio 1.22 or newer"),
        ("QUIET", [without + "Boost=1"], "found"),  # and not an end of the user's project
    ]:
        said = user_of(arguments, *definitions)
        if sentence not in said or (sentence == "found") != (said == "found"):
            raise Failed(f"find_package(switchboard {arguments}) with {definitions} does not say `{sentence}`:\n{said}")


def pkg_config(options):
    """What pkg-config says is all that a program needs; also when all has been moved since it was installed."""
    pkgconfig = shutil.which("pkg-config")
    if not pkgconfig:
        raise Failed("this needs pkg-config: install pkg-config")
    prefix = install(options)

    def flags_of(*packages):
        return run(pkgconfig, "--cflags", "--libs", *packages, cwd=options.temporary,
                   PKG_CONFIG_PATH=str(prefix / "share/pkgconfig")).split()

    for source, packages in [("parts", ["switchboard"]), ("components", ["switchboard-redis", "switchboard-tls"])]:
        program = options.temporary / source
        others = [flag for flag in options.flags if flag.startswith("-DASIO_HAS")]  # what this compiler needs
        run(options.compiler, "-std=c++20", "-O0", *others, HERE / f"{source}.cpp", "-o", program, *flags_of(*packages),
            cwd=options.temporary)
        run(program, cwd=options.temporary)


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
        source = options.temporary / (str(header).replace("/", "-") + ".cpp")
        source.write_text(f"#include <{header}>\n")
        try:
            compile_cached(options, source.name, source.stem + ".o", "-DASIO_NO_DEPRECATED", cwd=options.temporary)
        except Failed as error:
            return f"{header}: {error}"

    headers = sorted((file.relative_to(INCLUDE) for file in INCLUDE.rglob("*.hpp")), key=lambda file: file.parts[-2:])
    with ThreadPoolExecutor(2) as pool:
        failures = [text for text in pool.map(failure, headers) if text]
    if failures:
        raise Failed("\n".join(failures))
    print(f"{len(headers)} headers")


def everything(options):
    """All templates, instantiated: no warning, no state, nothing outside of the inline namespace."""
    objects = options.temporary / "everything.o"
    compile_cached(options, "tests/package/everything.cpp", objects, *FURTHER_WARNINGS, "-DASIO_NO_DEPRECATED", cwd=SOURCE)
    failures = []
    for line in run("objdump", "--syms", "--demangle", objects, cwd=options.temporary).splitlines():
        symbol = re.match(r"[0-9a-f]+ .{7} (\S+)\s+[0-9a-f]+ +(?:\.hidden )?(.*)", line)
        if not symbol:
            continue
        section, name = symbol.groups()
        is_ours = re.match(r"(?:guard variable for )?switchboard::", name)
        is_writable = re.match(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)", section) or section == "*COM*"
        if is_ours and is_writable and not name.endswith("_category()::category"):  # compared by address, never written
            failures.append(f"this is state: {name} ({section})")
        if is_ours and not re.match(r"(?:guard variable for )?switchboard::v1::", name):
            failures.append(f"this is not in the inline namespace v1: {name}")
    if failures:
        raise Failed("\n".join(failures))


def catch2_names(options):
    """What Catch2 v2 and v3 both have is what the tests use; the shim is what includes either."""
    only_one = r"Catch::Contains\b|Matchers::Contains\b|CATCH_CONFIG_|<catch2/"
    shim = {"tests/support/catch.hpp", "tests/main.cpp"}
    failures = [f"{name}: {found[0]}" for file in sorted((SOURCE / "tests").rglob("*.[ch]pp"))
                if (name := str(file.relative_to(SOURCE))) not in shim
                for found in re.finditer(only_one, file.read_text())]
    if failures:
        raise Failed("\n".join(failures))


def macros(options):
    """No header leaves a macro behind."""
    failures = []
    for file in sorted(INCLUDE.rglob("*.hpp")):
        text = file.read_text()
        left = {*re.findall(r"^# *define (\w+)", text, re.M)} - {*re.findall(r"^# *undef (\w+)", text, re.M)}
        failures += [f"{file.relative_to(INCLUDE)} leaves {name}" for name in sorted(left)]
    if failures:
        raise Failed("\n".join(failures))


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
    """A header includes its own layer and those before it, says so with angle brackets, and is not too long; and those of
    the layers without I/O include nothing that could do any."""
    failures = []
    for file in sorted((INCLUDE / "switchboard").rglob("*.hpp")):
        text, name = file.read_text(), file.relative_to(INCLUDE)
        layer = name.parts[1]
        if layer not in LAYERS and len(name.parts) > 2:
            failures.append(f"{name} is in no layer")
        for included in re.findall(r'^#include <switchboard/(\w+)/', text, re.M):
            if layer in LAYERS and LAYERS.index(included) > LAYERS.index(layer):
                failures.append(f"{name} includes {included}/, which stands on it")
        if layer in PURE_LAYERS:
            beyond = {*re.findall(r"^#include <asio/(.*)\.hpp>", text, re.M)} - PURE_LAYERS[layer]
            failures += [f"{name} includes asio/{header}.hpp: {layer} does no I/O" for header in sorted(beyond)]
            failures += [f"{name} includes {header}: {layer} knows no thread or system"
                         for header in re.findall(IMPURE, text, re.M)]
            failures += [f"{name} asks a clock: time is an argument" for _ in re.findall(r"_clock::now\b", text)]
        for costly, takers in COSTLY.items():
            if re.search(rf"^#include <{re.escape(costly)}", text, re.M) and "/".join(name.parts[1:]) not in takers:
                failures.append(f"{name} includes {costly}, which costs every user's compiler")
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
