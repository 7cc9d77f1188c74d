#!/usr/bin/env python3
"""Runs unit test programs in parallel and says what failed.

    run_units.py [--jobs N] [--timeout S] [--wrap "valgrind ..."] PROGRAM...

A program prints cmocka's lines; each of its tests is counted. A program that dies, hangs, or ends
with a failure that none of its tests reported counts as one failed test more, so that nothing is
lost. The last line is `N passed, N failed`.
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import time

PASSED = re.compile(r"^\[ +OK \] ", re.M)
# cmocka names a failed test once while running and once more in its summary, after this line.
FAILED = re.compile(r"^\[  FAILED  \] (?!\d+ test)", re.M)
SUMMARY = re.compile(r"^\[  (?:PASSED|FAILED)  \] \d+ test", re.M)


def run(program, wrap, timeout):
    start = time.monotonic()
    try:
        done = subprocess.run(
            wrap + [program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        text, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode("utf-8", "replace")
        text += "\nstopped after %d s\n" % timeout
        code = -1
    summary = SUMMARY.search(text)
    body = text[: summary.start()] if summary else text
    passed, failed = len(PASSED.findall(body)), len(FAILED.findall(body))
    if code != 0 and failed == 0:
        failed = 1
        text += "\nexit status %d\n" % code
    if code == 0 and passed == 0:
        failed += 1
        text += "\nno test ran\n"
    return program, passed, failed, time.monotonic() - start, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=120)
    parser.add_argument("--wrap", default="")
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    wrap = shlex.split(args.wrap)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = [pool.submit(run, p, wrap, args.timeout) for p in args.programs]
        for future in concurrent.futures.as_completed(runs):
            program, ok, bad, seconds, text = future.result()
            passed += ok
            failed += bad
            name = os.path.basename(program)
            print("%-4s %-24s %4d tests %7.2f s" % ("FAIL" if bad else "ok", name, ok + bad, seconds))
            if bad:
                print(text)
            sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not args.programs else 0


if __name__ == "__main__":
    sys.exit(main())
