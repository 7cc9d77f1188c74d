#!/usr/bin/env python3
"""Checks the arrows, where third-party headers may be, and that lower floors are silent.

    layers.py SOURCE...     the sources that the Makefile names

* gateway -> optimizer -> router -> cache: a folder includes headers of itself and of folders to its
  right, never to its left; tests include anything.
* Each third-party library is confined to the files of CONFINED, so that it can be replaced there.
* Below gateway/ nothing prints and nothing logs: errors and facts are handed up.
* A .c includes its own header first, which proves that the header stands alone.
* Every .c is named in the Makefile: one that is not would silently be left out.
"""

import os
import re
import sys

import source

# Header or folder of headers -> the files that may include it. Tests may include everything.
CONFINED = {
    "curl/": ["router/upstream_curl.c"],
    "mbedtls/": ["cache/crypt.c", "gateway/tls.c"],
    "yaml.h": ["gateway/config_yaml.c"],
    "zlib.h": ["gateway/gzip.c"],
    "sqlite3.h": [],
    # Where a tree is built; the request path has its own span scanner.
    "jansson.h": ["gateway/admin.c", "gateway/cli_eval_print.c", "gateway/config_print_json.c", "router/graph_file.c"],
    "cmocka.h": [],
    # Loops, buffers and tables are the language of the upper floors.
    "event2/": ["cache/loop_event.c", "router/upstream_curl.c", "gateway/*"],
    "uthash.h": ["*"],
    "utlist.h": ["*"],
}

# What the C library and the kernel give. Anything else in <> is a new dependency.
SYSTEM = re.compile(
    r"^((sys|netinet|arpa|net|linux)/\w+|assert|ctype|dirent|errno|fcntl|float|getopt|grp|inttypes|"
    r"langinfo|limits|locale|math|netdb|poll|pthread|pwd|regex|sched|setjmp|signal|spawn|stdarg|stdatomic|"
    r"stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog|termios|time|unistd)\.h$"
)

PRINTS = re.compile(
    # An attribute that names printf checks a format and prints nothing.
    r"(?<!format\()\b(printf|fprintf|vprintf|vfprintf|dprintf|puts|fputs|putchar|perror|syslog|vsyslog|stderr|"
    r"stdout)\b"
)


def may_include(path, owners):
    folder = os.path.dirname(path)
    return any(owner in ("*", path, folder + "/*") for owner in owners)


def check_arrow(report, path, line, name):
    here, there = path.split("/")[0], name.split("/")[0]
    if "/" not in name:
        report.add(path, line, 'name the folder too: "folder/%s"' % name)
    elif there == "tests":
        report.add(path, line, "a floor cannot include tests")
    elif there not in source.FLOORS:
        report.add(path, line, "%s is in no floor" % name)
    elif source.FLOORS.index(there) < source.FLOORS.index(here):
        report.add(path, line, "%s/ may not know %s/ (%s)" % (here, there, name))


def check_third_party(report, path, line, name):
    for header, owners in CONFINED.items():
        if name == header or (header.endswith("/") and name.startswith(header)):
            if not may_include(path, owners):
                report.add(path, line, "<%s> is confined to %s" % (name, ", ".join(owners) or "tests"))
            return
    if not SYSTEM.match(name):
        report.add(path, line, "<%s> is no known header: a new dependency?" % name)


def check_floor(report, path):
    text = source.read(path)
    found = source.includes(text)
    for line, kind, name in found:
        if kind == '"':
            check_arrow(report, path, line, name)
        else:
            check_third_party(report, path, line, name)
    if path.endswith(".c"):
        own = path[:-2] + ".h"
        exists = os.path.exists(os.path.join(source.ROOT, own))
        if exists and (not found or found[0][2] not in (own, own[:-2] + "_private.h")):
            report.add(path, 1, "the first include is the own header, %s" % own)
    if not path.startswith("gateway/"):
        code = source.code(text)
        for match in PRINTS.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            report.add(path, line, "%s: only gateway/ prints or logs" % match.group())


def main():
    report = source.Report("layers")
    named = set(sys.argv[1:])
    for path in source.files(".c", ".h"):
        if path.split("/")[0] in source.FLOORS:
            check_floor(report, path)
        if path.endswith(".c") and path not in named:
            report.add(path, 1, "is not in the Makefile's lists")
    report.end("arrows, third-party headers and the silence of lower floors")


if __name__ == "__main__":
    main()
