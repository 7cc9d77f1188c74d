#!/usr/bin/env python3
"""Runs the files of end-to-end tests, each in a process of its own, and counts what they say.

    run_e2e.py [--jobs N] [--timeout S] FOLDER [NAME...]

NAME limits the run to files whose name contains it. A test that is skipped counts as failed: what
cannot run has not passed. The last line is `N passed, N failed`.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

RAN = re.compile(r"^Ran (\d+) tests? in", re.M)
BAD = re.compile(r"\b(?:failures|errors|skipped|unexpected successes)=(\d+)")


def run(path, timeout):
    start = time.monotonic()
    folder, name = os.path.split(path)
    # A session of its own, so that what a hanging test started can be ended with it.
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "unittest", "-v", name.removesuffix(".py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=timeout)
        text = out.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, _ = process.communicate()
        text = out.decode("utf-8", "replace") + "\nstopped after %d s\n" % timeout
    ran = RAN.findall(text)
    total = int(ran[-1]) if ran else 0
    bad = sum(int(n) for n in BAD.findall(text[text.rfind("\nRan ") :])) if ran else 1
    if process.returncode != 0 and bad == 0 or total == 0:
        bad = max(bad, 1)
    return name, max(total - bad, 0), bad, time.monotonic() - start, text


def main():
    parser = argparse.ArgumentParser()
    # The tests measure time and memory, so by default nothing runs beside them.
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(os.path.abspath(args.folder), "test_*.py")))
    if args.names:
        paths = [p for p in paths if any(n in os.path.basename(p) for n in args.names)]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for future in [pool.submit(run, path, args.timeout) for path in paths]:
            name, good, bad, seconds, text = future.result()
            passed += good
            failed += bad
            print("%-4s %-24s %4d tests %7.2f s" % ("FAIL" if bad else "ok", name, good + bad, seconds))
            if bad:
                print(text)
            sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
