# SPDX-License-Identifier: MIT
"""Checks blocks that are no C++: shell, JavaScript, JSON, HTTP."""
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from docs.blocks import Fault

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "clients/js"
BUILTINS = {"cd", "export", "set", "echo", "source", ".", "exec", "wait", "ulimit", "test", "[", "true", "kill", "read"}
NOT_HERE = {"docker", "podman", "kubectl", "systemctl", "sudo", "doxygen"}  # what CI need not have installed
KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "env", "nice", "sudo"}
ENDS = {"fi", "done", "}", "esac"}


def check_json(block):
    try:
        json.loads(block.code)
    except ValueError:
        for number, line in enumerate(block.code.splitlines(), block.line):
            try:
                json.loads(line or "null")
            except ValueError as error:
                raise Fault(f"{block.page.name}:{number}: not JSON: {error}") from None


def check_http(block):
    lines = block.code.rstrip("\n").split("\n")
    if not re.fullmatch(r"[A-Z]+ /\S* HTTP/1\.1|HTTP/1\.1 [1-5]\d\d( .*)?", lines[0]):
        raise Fault(f"{block.place}: neither a request line nor a status line: {lines[0]}")
    head = lines[1:lines.index("")] if "" in lines else lines[1:]
    for line in head:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:.*", line):
            raise Fault(f"{block.place}: not a header line: {line}")


def check_javascript(block, scratch):
    if "URLSearchParams" in block.code:
        raise Fault(f"{block.place}: URLSearchParams writes a space as +, which a server takes for a plus")
    if not shutil.which("node"):
        raise Fault("the JavaScript in the docs is checked by node: install nodejs")
    source = scratch / f"{block.page.stem}-{block.line}.mjs"
    source.write_text("\n" * (block.line - 1) + block.code)
    checked = subprocess.run(["node", "--check", source], text=True, capture_output=True)
    if checked.returncode != 0:
        raise Fault(f"{block.page.name}: {checked.stderr}")
    for names, module in re.findall(r"^import \{([^}]*)\} from '([^']+)'", block.code, re.M):
        if module == "switchboard-client":
            module = (CLIENT / "src/index.js").as_uri()
        elif not module.startswith("node:"):
            raise Fault(f"{block.place}: {module} is not there to import")
        wanted = [name.split(" as ")[0].strip() for name in names.split(",") if name.strip()]
        program = f"const names = Object.keys(await import({module!r}));" \
                  f"const missing = {json.dumps(wanted)}.filter((name) => !names.includes(name));" \
                  "if (missing.length) { console.error(`not exported: ${missing}`); process.exit(1); }"
        imported = subprocess.run(["node", "--input-type=module", "-e", program], text=True, capture_output=True)
        if imported.returncode != 0:
            raise Fault(f"{block.place}: {imported.stderr}")


def commands_in(code):
    """Each simple command of a script as a list of words; without its assignments and redirections."""
    code = re.sub(r"<<-?\s*(['\"]?)(\w+)\1(.*?)\n.*?^\s*\2$", r"\3", code, flags=re.M | re.S)  # here documents
    words = []
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for word in [*lexer, ";"]:
            if word in KEYWORDS and not words or word in ENDS and not words:
                continue
            if re.fullmatch(r"[;|&()]+", word):
                if words:
                    yield words
                words = []
            elif words or not re.match(r"\w+=", word):
                words.append(word)


def check_shell(block, presets):
    checked = subprocess.run(["bash", "-n"], input=block.code, text=True, capture_output=True)
    if checked.returncode != 0:
        raise Fault(f"{block.place}: {checked.stderr}")
    for command, *arguments in commands_in(block.code):
        if command in ("for", "case"):
            continue
        path = ROOT / command
        if command.startswith("./") or "/" in command and (ROOT / command.split("/")[0]).is_dir():
            program = command.removeprefix("./")
            built = program.startswith("build/") or f"-o {program} " in block.code
            if not built and not (path.is_file() and path.stat().st_mode & 0o111):
                raise Fault(f"{block.place}: {command} is not a program of this tree")
        elif command not in BUILTINS | NOT_HERE and not shutil.which(command):
            raise Fault(f"{block.place}: there is no command {command}")
        for argument in arguments:
            folder = argument.removeprefix("./").split("/")[0]
            if folder in ("scripts", "docs", "benchmarks", "examples", "clients", "tests", "cmake") and "/" in argument:
                if not (ROOT / argument).exists():
                    raise Fault(f"{block.place}: {argument} is not in this tree")
        for number, argument in enumerate(arguments):
            if argument == "--preset" and arguments[number + 1:] and arguments[number + 1] not in presets:
                raise Fault(f"{block.place}: CMakePresets.json has no preset {arguments[number + 1]}")


def presets():
    listed = json.loads((ROOT / "CMakePresets.json").read_text())
    return {preset["name"] for kind in ("configurePresets", "buildPresets", "testPresets") for preset in listed[kind]}
