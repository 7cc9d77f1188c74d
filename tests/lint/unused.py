#!/usr/bin/env python3
"""Complains about functions and objects that are public and that no other file uses.

    unused.py NM OBJECT...     all objects of the program, the simulated models and the tests

Such a thing is either static or dead.
"""

import collections
import re
import subprocess
import sys

import source

SYMBOL = re.compile(r"^(?P<object>.+):(?:[0-9a-f]+)? +(?P<kind>[A-Za-z]) (?P<name>\w+)$", re.M)
# What the linker or a library calls by its name.
CALLED = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize"}


def main():
    report = source.Report("unused")
    text = subprocess.run(
        [sys.argv[1], "-A", "-g"] + sys.argv[2:], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    defined = {}
    used = collections.defaultdict(set)
    for match in SYMBOL.finditer(text):
        if match["kind"] == "U":
            used[match["name"]].add(match["object"])
        elif match["kind"] in "TDBR" and "/tests/unit/" not in match["object"]:
            defined[match["name"]] = match["object"]
    for name, where in sorted(defined.items(), key=lambda item: item[::-1]):
        if name not in CALLED and not used[name]:
            report.add(where, 1, "%s is used by no other file: make it static or remove it" % name)
    if not defined:
        report.add("objects", 1, "no symbols at all")
    report.end("public names")


if __name__ == "__main__":
    main()
