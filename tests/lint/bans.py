#!/usr/bin/env python3
"""Checks banned calls, sizes and leftovers.

Files and functions that are over a limit are listed in exceptions.txt with their present size. That
list may only shrink: a file over its number is a complaint, and so is a number that is larger than
need be.
"""

import os
import re

import source

FILE_LINES = {".c": 700, ".h": 200}
FUNCTION_LINES = 80

# call -> what to do instead
BANNED = {
    "strcpy": "copy slices with memcpy",
    "strcat": "use an evbuffer or a slice",
    "strncpy": "it does not terminate; copy slices with memcpy",
    "strncat": "use an evbuffer or a slice",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "no bound at all",
    "strtok": "it writes into its input and keeps state",
    "atoi": "it cannot report errors; slice_to_u64",
    "atol": "it cannot report errors; slice_to_u64",
    "atoll": "it cannot report errors; slice_to_u64",
    "atof": "it cannot report errors; strtod with its end pointer",
    "sscanf": "it overflows quietly; take the text apart by hand",
    "scanf": "it overflows quietly",
    "alloca": "the stack has no error",
    "system": "posix_spawn with an argument vector",
    "popen": "posix_spawn with an argument vector",
    "rand": "randomness is handed in",
    "srand": "randomness is handed in",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "localtime": "localtime_r",
    "gmtime": "gmtime_r",
    "ctime": "it has a static buffer",
    "asctime": "it has a static buffer",
    "inet_ntoa": "inet_ntop",
    "gethostbyname": "it blocks and has a static buffer",
}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# A definition at the left margin that opens with a brace at the left margin.
FUNCTION = re.compile(r"^(?P<head>[A-Za-z_][^;{}#]*?\b(?P<name>\w+)\s*\([^;{}]*\)\s*)\n\{\n", re.M)


def exceptions():
    """{(path, function or ''): lines}"""
    table = {}
    path = os.path.join(source.ROOT, "tests/lint/exceptions.txt")
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                place, _, function = words[0].partition(":")
                table[place, function] = int(words[1])
    return table


def functions(code):
    """(name, line, number of lines) of each function."""
    for match in FUNCTION.finditer(code):
        end = code.find("\n}", match.end() - 1)
        start = code.count("\n", 0, match.start()) + 1
        yield match.group("name"), start, code.count("\n", 0, end + 1) + 2 - start


def check_size(report, allowed, path, line, key, size, limit):
    what = "%s()" % key[1] if key[1] else "the file"
    room = allowed.pop(key, None)
    if room is None:
        if size > limit:
            report.add(path, line, "%s has %d lines, the limit is %d" % (what, size, limit))
    elif size > room:
        report.add(path, line, "%s has grown to %d lines from %d" % (what, size, room))
    elif size <= limit:
        report.add(path, line, "%s is within the limit: take it out of exceptions.txt" % what)
    elif size < room:
        report.add(path, line, "%s has shrunk: %d in exceptions.txt" % (what, size))


def check_file(report, allowed, path):
    text = source.read(path)
    code = source.code(text)
    # A header of unit tests is code that several of them share.
    ending = ".c" if path.startswith("tests/unit/") else os.path.splitext(path)[1]
    check_size(report, allowed, path, 1, (path, ""), text.count("\n"), FILE_LINES[ending])
    for name, line, size in functions(code):
        check_size(report, allowed, path, line, (path, name), size, FUNCTION_LINES)
    for match in CALL.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        report.add(path, line, "%s: %s" % (match.group(1), BANNED[match.group(1)]))
    for match in LEFTOVER.finditer(text):
        report.add(path, text.count("\n", 0, match.start()) + 1, "%s left over" % match.group())


def main():
    report = source.Report("bans")
    allowed = exceptions()
    for path in source.files(".c", ".h"):
        check_file(report, allowed, path)
    for path, function in allowed:
        report.add("tests/lint/exceptions.txt", 1, "nothing is called %s:%s" % (path, function))
    report.end("calls, sizes and comments")


if __name__ == "__main__":
    main()
