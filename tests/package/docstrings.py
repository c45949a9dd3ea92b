#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public name of include/ has a docstring, and every internal file says in its first comment what it is.

docstrings.py -- COMPILE_FLAGS        needs clang-19's bindings (Debian: python3-clang-19)

Asked of the compiler, since Doxygen 1.9 takes no notice of concepts' members, friends, and what stands in a namespace
without documentation of its own. What is public: docs/reference/README.md.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
INTERNAL_NAMESPACES = {"detail", "redis", "in_memory", "conformance"}
INTERNAL_FILE = re.compile(r"^// SPDX[^\n]*\n// Internal(, a part of \w+)?: [a-zA-Z]")


def is_internal(file):
    return INTERNAL_FILE.match(file.read_text()) is not None


def public_headers():
    return [file for file in sorted(INCLUDE.rglob("*.hpp")) if not is_internal(file)]


def unmarked_files():
    """The folders detail/ hold nothing else, and say so like every internal file."""
    for file in sorted(INCLUDE.rglob("*.hpp")):
        if "detail" in file.parts and not is_internal(file):
            yield f"{file.relative_to(INCLUDE)}:2: what stands in detail/ begins with '// Internal: what it is'"


def parse(flags):
    sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, for a Python that is not Debian's
    try:
        from clang import cindex
    except ImportError:
        sys.exit("the docstrings are checked by clang's bindings for Python: install python3-clang-19")
    everything = "".join(f"#include <{file.relative_to(INCLUDE)}>\n" for file in public_headers())
    skip_bodies = cindex.TranslationUnit.PARSE_SKIP_FUNCTION_BODIES
    unit = cindex.Index.create().parse(
        "everything.cpp", args=["-x", "c++", "-std=c++20", f"-I{INCLUDE}", *flags],
        unsaved_files=[("everything.cpp", everything)], options=skip_bodies)
    errors = [str(message) for message in unit.diagnostics if message.severity >= cindex.Diagnostic.Error]
    if errors:
        sys.exit("\n".join(errors))
    return cindex, unit


def repeats(name, comment):
    """"The port." above `port()` says nothing."""
    def words(text):
        return {word.removesuffix("s") for word in re.findall(r"[a-z0-9§]+", text.lower())}
    nothing = words("a an the this its it is of to for whether returns gives gets sets value number type one")
    return words(comment) - nothing <= words(name.replace("_", " "))


def faults_of(cindex, unit):
    """(file, line, what is wrong) of each public declaration that is not documented."""
    Kind, Access = cindex.CursorKind, cindex.AccessSpecifier
    types = {Kind.STRUCT_DECL, Kind.CLASS_DECL, Kind.CLASS_TEMPLATE, Kind.ENUM_DECL}
    functions = {Kind.FUNCTION_DECL, Kind.FUNCTION_TEMPLATE, Kind.CXX_METHOD, Kind.CONSTRUCTOR, Kind.CONVERSION_FUNCTION}
    others = {Kind.FIELD_DECL, Kind.VAR_DECL, Kind.ENUM_CONSTANT_DECL, Kind.TYPEDEF_DECL, Kind.TYPE_ALIAS_DECL,
              Kind.TYPE_ALIAS_TEMPLATE_DECL, Kind.CONCEPT_DECL}
    public = {file: True for file in map(str, public_headers())}
    seen, comments = {}, {}

    def visit(cursor):
        for child in cursor.get_children():
            file = child.location.file
            if file is None or str(pathlib.Path(file.name).resolve()) not in public:
                if child.kind != Kind.NAMESPACE:
                    continue
            if child.kind == Kind.NAMESPACE:
                if child.spelling not in INTERNAL_NAMESPACES and cursor_is_ours(child):
                    visit(child)
            elif child.kind in types | functions | others:
                if child.access_specifier in (Access.PRIVATE, Access.PROTECTED) or explains_itself(child):
                    continue
                key = child.canonical.get_usr()
                seen.setdefault(key, child)
                if child.raw_comment:
                    comments[key] = child.raw_comment
                if child.kind in types:
                    visit(child)

    def cursor_is_ours(namespace):
        return namespace.semantic_parent.kind != Kind.TRANSLATION_UNIT or namespace.spelling == "switchboard"

    def explains_itself(cursor):
        """What the compiler writes, what a base class documents, and what belongs to a class elsewhere."""
        if cursor.kind in functions and (cursor.is_default_method() or cursor.is_deleted_method()):
            return True
        if any(child.kind == Kind.CXX_OVERRIDE_ATTR for child in cursor.get_children()):
            return True
        return cursor.semantic_parent != cursor.lexical_parent or cursor.spelling == ""

    visit(unit.cursor)
    for key, cursor in seen.items():
        file = str(pathlib.Path(cursor.location.file.name).resolve().relative_to(INCLUDE))
        if key not in comments:
            yield file, cursor.location.line, f"{cursor.displayname} has no docstring"
        elif repeats(cursor.spelling, comments[key]):
            yield file, cursor.location.line, f"the docstring of {cursor.displayname} only repeats its name"


def main():
    flags = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    cindex, unit = parse(["-DASIO_STANDALONE", "-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE", *flags])
    faults = [*unmarked_files(), *(f"{file}:{line}: {what}" for file, line, what in sorted(faults_of(cindex, unit)))]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
