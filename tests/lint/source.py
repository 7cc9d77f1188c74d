"""What the checks share: which files are ours, C text without comments and strings, and reports."""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLOORS = ["gateway", "optimizer", "router", "cache"]
PLACES = FLOORS + ["tests/sim", "tests/unit", "tests/fuzz", "tests/bench"]

TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def files(*endings):
    found = []
    for place in PLACES:
        for ending in endings:
            found += glob.glob(os.path.join(ROOT, place, "*" + ending))
    return sorted(os.path.relpath(f, ROOT) for f in found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    """Spaces of the same shape, so that places in the text stay where they are."""
    return re.sub(r"[^\n]", " ", match.group())


def code(text):
    """The text with comments and the insides of literals blanked."""
    return TOKEN.sub(blank, text)


def uncommented(text):
    """The text with comments blanked and literals kept."""
    return TOKEN.sub(lambda m: blank(m) if m.group().startswith("/") else m.group(), text)


def includes(text):
    """(line, '<' or '"', name) of each include."""
    text = uncommented(text)
    return [
        (text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2))
        for m in INCLUDE.finditer(text)
    ]


class Report:
    """Collects complaints and ends the check."""

    def __init__(self, name):
        self.name = name
        self.count = 0

    def add(self, path, line, text):
        self.count += 1
        print("%s:%d: %s" % (path, line, text))

    def end(self, what):
        if self.count:
            print("%s: %d complaints" % (self.name, self.count))
        else:
            print("%s: %s are fine" % (self.name, what))
        sys.exit(1 if self.count else 0)
