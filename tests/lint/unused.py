#!/usr/bin/env python3
"""Complains about functions and objects that are public for nobody.

    unused.py NM OBJECT...     all objects of the program, the simulated models and the tests

* What no other file uses is static or dead.
* What only unit tests use is dead too, unless its own file needs it (then the tests look at a part of
  the work) or FOR_TESTS says why. The simulated models are tests themselves.
"""

import collections
import re
import subprocess
import sys

import source

SYMBOL = re.compile(r"^(?P<object>.+):(?:[0-9a-f]+)? +(?P<kind>[A-Za-z]) (?P<name>\w+)$", re.M)
SOURCE = re.compile(r"(?:^|/)((?:%s)/\w+)\.o$" % "|".join(source.PLACES))
# What the linker or a library calls by its name.
CALLED = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize"}
# What only tests use, and why they must have it. The list may not name what the program uses.
FOR_TESTS = {
    "config_load_text": "a configuration that is in no file",
    "graph_file_text": "the other half of graph_file, by which a test knows that a file says all of a graph",
    "ident_check": "the other half of ident_make, by which a test knows that ids can be told from forged ones",
    "loop_virtual_env": "a clock that a test moves",
    "loop_advance": "a clock that a test moves",
}


def source_of(path):
    match = SOURCE.search(path)
    return match.group(1) + ".c" if match else path


def is_unit(path):
    return path.startswith("tests/unit/")


def used_inside(path, name):
    return len(re.findall(r"\b%s\b" % name, source.code(source.read(path)))) > 1


def check(report, text, for_tests):
    """`text` is what nm says, a symbol a line."""
    defined = {}
    used = collections.defaultdict(set)
    for match in SYMBOL.finditer(text):
        path = source_of(match["object"])
        if match["kind"] == "U":
            used[match["name"]].add(path)
        elif match["kind"] in "TDBR" and not is_unit(path):
            defined[match["name"]] = path
    for name, path in sorted(defined.items(), key=lambda item: item[::-1]):
        by_tests_alone = used[name] and all(is_unit(user) for user in used[name])
        if name in CALLED or path.startswith("tests/sim/") and used[name]:
            continue
        if not used[name]:
            report.add(path, 1, "%s is used by no other file: make it static or remove it" % name)
        elif by_tests_alone and name not in for_tests and not used_inside(path, name):
            report.add(path, 1, "only tests use %s: remove it" % name)
    for name in sorted(for_tests):
        if name not in defined:
            report.add("tests/lint/unused.py", 1, "FOR_TESTS names %s, which is nowhere" % name)
        elif not all(is_unit(user) for user in used[name]):
            report.add("tests/lint/unused.py", 1, "FOR_TESTS names %s, which has other users" % name)
    if not defined:
        report.add("objects", 1, "no symbols at all")


def main():
    report = source.Report("unused")
    text = subprocess.run(
        [sys.argv[1], "-A", "-g"] + sys.argv[2:], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    check(report, text, FOR_TESTS)
    report.end("public names")


if __name__ == "__main__":
    main()
