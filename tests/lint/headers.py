#!/usr/bin/env python3
"""Compiles each header as a unit of its own: a header includes what it needs.

    headers.py COMPILER OPTION...
"""

import concurrent.futures
import os
import subprocess
import sys

import source


def compile_alone(header):
    done = subprocess.run(
        sys.argv[1:] + ["-Werror", "-fsyntax-only", "-x", "c", "-"],
        # Included and not compiled itself: otherwise an unused static inline function would warn.
        input='#include "%s"\nextern int unit;\n' % header,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=source.ROOT,
        text=True,
        check=False,
    )
    return header, done.returncode, done.stdout


def main():
    report = source.Report("headers")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, code, text in pool.map(compile_alone, source.files(".h")):
            if code != 0:
                report.add(header, 1, "does not compile alone")
                print(text)
    report.end("headers")


if __name__ == "__main__":
    main()
