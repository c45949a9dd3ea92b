#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs switchboard with what the next Debian has: a newer Boost (two of them), Asio, nlohmann_json and Catch2 v3.

newer.py [--cache=DIR] [--jobs=N]        needs the network the first time: apt-get, as an ordinary user, into DIR;
                                         else into $XDG_CACHE_HOME or ~/.cache, as switchboard-newer

Nothing is installed. Of Catch2 the source package is taken, since a library of a newer compiler's may not link here.
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile

from run import FURTHER_WARNINGS, HERE, INCLUDE, SOURCE, WARNINGS, Failed, configure, run

RELEASE = "trixie"
BOOSTS = ["libboost1.83-dev", "libboost1.88-dev"]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "switchboard-newer"
HEADERS = ["libasio-dev", "nlohmann-json3-dev", "libhiredis-dev"]


def download(cache):
    """The packages, unpacked: cache/NAME/usr/include."""
    if (cache / "complete").exists():
        return
    packages = [*BOOSTS, *HEADERS]
    shutil.rmtree(cache / "files", ignore_errors=True)
    for folder in ("state/lists/partial", "archives/partial", "files"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    source = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
    (cache / "sources.list").write_text(f"deb {source} {RELEASE} main\ndeb-src {source} {RELEASE} main\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::State={cache}/state", "-o", f"Dir::Cache={cache}", "-o",
           f"Dir::Etc::sourcelist={cache}/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=",
           "-o", "Acquire::Retries=3"]
    try:
        run(*apt, "-o", "APT::Update::Error-Mode=any", "update", cwd=cache)
        run(*apt, "download", *packages, cwd=cache / "files")
        run(*apt, "source", "--download-only", "catch2", cwd=cache / "files")
    except Failed as failed:
        raise Failed(f"the packages of Debian {RELEASE} cannot be had; this needs deb.debian.org:\n{failed}") from None
    for name in packages:
        (archive,) = (cache / "files").glob(f"{name}_*.deb")
        run("dpkg", "-x", archive, cache / name, cwd=cache)
    (archive,) = (cache / "files").glob("catch2_*.orig.tar.gz")
    (cache / "catch2").mkdir(exist_ok=True)
    run("tar", "xzf", archive, "--strip-components=2", "--wildcards", "*/extras/catch_amalgamated.*", cwd=cache / "catch2")
    shutil.rmtree(cache / "files")
    (cache / "complete").touch()


def make_catch2(cache):
    """A CMake package of Catch2 v3 with the target that v3 has."""
    folder = cache / "catch2"
    (folder / "include/catch2").mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "catch_amalgamated.hpp", folder / "include/catch2/catch_all.hpp")
    (folder / "Catch2Config.cmake").write_text(
        'add_library(Catch2WithMain STATIC "${CMAKE_CURRENT_LIST_DIR}/catch_amalgamated.cpp")\n'
        'target_include_directories(Catch2WithMain SYSTEM PUBLIC "${CMAKE_CURRENT_LIST_DIR}/include")\n'
        "add_library(Catch2::Catch2WithMain ALIAS Catch2WithMain)\n")
    return folder


def compile_everything(options, boost):
    """Every template, under every warning. This Asio sees clang's coroutines by itself."""
    includes = [flag for name in (boost, *HEADERS) for flag in ("-isystem", options.cache / name / "usr/include")]
    run("clang++-19", "-std=c++20", "-fsyntax-only", *WARNINGS, *FURTHER_WARNINGS, f"-I{INCLUDE}", *includes,
        "-DASIO_STANDALONE", "-DASIO_NO_DEPRECATED", HERE / "everything.cpp", cwd=options.temporary)


def run_tests(options, boost):
    """Unit tests on Catch2 v3; and a server with a client of Beast's."""
    boost_config = next((options.cache / boost).rglob("Boost-*/BoostConfig.cmake")).parent
    json_config = next((options.cache / "nlohmann-json3-dev").rglob("nlohmann_jsonConfig.cmake")).parent
    newer = [f"-DBoost_DIR={boost_config}", f"-Dnlohmann_json_DIR={json_config}"]
    for project, target, definitions in [
        (SOURCE, "test_patterns", [f"-DCatch2_DIR={make_catch2(options.cache)}", "-DSWITCHBOARD_BUILD_EXAMPLES=OFF",
                                   "-DSWITCHBOARD_BUILD_BENCHMARKS=OFF"]),
        (HERE / "with_boost_asio", "with_boost_asio", [f"-DSWITCHBOARD_SOURCE={SOURCE}"]),
    ]:
        build = options.temporary / target
        configure(options, project, build, *newer, *definitions)
        run(options.cmake, "--build", build, f"-j{options.jobs}", "--target", target, cwd=build)
        program = next(file for file in build.rglob(target) if file.is_file())
        print(target, run(program, cwd=build).strip().splitlines()[-1], sep=": ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=pathlib.Path, default=CACHE)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.cache = options.cache.resolve()
    options.cmake, options.compiler, options.flags = "cmake", "g++", []
    options.asio = options.cache / "libasio-dev/usr/include"
    with tempfile.TemporaryDirectory(prefix="switchboard-") as folder:
        options.temporary = pathlib.Path(folder)
        try:
            download(options.cache)
            for boost in BOOSTS:
                compile_everything(options, boost)
            run_tests(options, BOOSTS[-1])
        except Failed as failed:
            sys.exit(str(failed))


if __name__ == "__main__":
    main()
