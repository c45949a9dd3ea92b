# SPDX-License-Identifier: MIT
"""Builds what a page tells its reader to write: CMake snippets, and files with a CMakeLists.txt."""
import os
import re
import shutil
import subprocess
from pathlib import Path
from threading import Lock

from docs.blocks import Fault
from docs.cpp import WARNINGS, compile_with, libraries

ROOT = Path(__file__).resolve().parents[3]
CPP = (".cpp", ".hpp")
lock = Lock()


def run(place, *command, cwd):
    environment = {**os.environ, "CCACHE_BASEDIR": str(cwd), "CCACHE_NOHASHDIR": "1"}
    ended = subprocess.run([str(part) for part in command], cwd=cwd, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=environment)
    if ended.returncode != 0:
        raise Fault(f"{place}: {' '.join(map(str, command))}\nended with {ended.returncode}:\n{ended.stdout}")


def installed(options):
    """The prefix of a copy that was installed as a user installs it."""
    if options.prefix:
        return options.prefix
    build, prefix = options.scratch / "installed-build", options.scratch / "installed"
    off = [f"-DSWITCHBOARD_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "BENCHMARKS")]
    run("installing", options.cmake, "-S", ROOT, "-B", build, *off, *options.definitions, cwd=options.scratch)
    run("installing", options.cmake, "--install", build, "--prefix", prefix, cwd=options.scratch)
    options.prefix = prefix
    return prefix


def configure(block, project, options):
    with lock:
        prefix = installed(options)
    text = (project / "CMakeLists.txt").read_text()
    for path in re.findall(r"add_subdirectory\(\s*([\w./-]*switchboard)\s*[)\s]", text):
        link = project / path
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT, target_is_directory=True)
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run(block.place, options.cmake, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}", *launcher,
        f"-DFETCHCONTENT_SOURCE_DIR_SWITCHBOARD={ROOT}", f"-DCMAKE_CXX_FLAGS=-O0 {' '.join(WARNINGS)}",
        *options.definitions, cwd=project)


def check_cmake(block, options):
    project = options.scratch / block.page.name / f"cmake-{block.line}"
    project.mkdir(parents=True)
    (project / "main.cpp").write_text("int main() {}\n")
    text = block.code
    if not re.search(r"^\s*add_executable\(", text, re.M):
        text = "add_executable(app main.cpp)\n" + text
    if not re.search(r"^\s*project\(", text, re.M):
        text = "cmake_minimum_required(VERSION 3.25)\nproject(page LANGUAGES CXX)\n" + text
    if not re.search(r"switchboard", re.sub(r"target_link_libraries\([^)]*\)", "", text)):
        text = text.replace("LANGUAGES CXX)\n", "LANGUAGES CXX)\nfind_package(switchboard REQUIRED)\n", 1)
    (project / "CMakeLists.txt").write_text(text)
    configure(block, project, options)


def build(block, folder, options):
    if (folder / "CMakeLists.txt").exists():
        configure(block, folder, options)
        run(block.place, options.cmake, "--build", folder / "build", cwd=folder)
        run(block.place, options.ctest, "--test-dir", folder / "build", "--output-on-failure", cwd=folder)
        return
    for source in sorted(folder.glob("*.cpp")):
        try:
            compile_with(options, "-c", source.name, "-o", f"{source.stem}.o", cwd=folder)
            compile_with(options, f"{source.stem}.o", "-o", source.stem, "-pthread", *libraries(source.read_text()),
                         cwd=folder)
        except Fault as fault:
            raise Fault(f"{block.place}: {source.name}: {fault}") from None


def write_files(page, blocks, options):
    """The page's files as they are at its end; what each replaces is built before."""
    folder, last = options.scratch / page / "files", None
    for block in blocks:
        if block.file is None:
            continue
        target = folder / block.file
        if target.exists() and last:
            build(last, folder, options)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.code)
        last = block
    return folder, last
