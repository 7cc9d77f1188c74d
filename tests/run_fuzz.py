#!/usr/bin/env python3
"""Runs libFuzzer programs for a while each and says what they found.

    run_fuzz.py [--seconds S] [--jobs N] PROGRAM...

The inputs kept in tests/fuzz/corpus/NAME are run first, past findings among them; what is new stays
beside the programs, in corpus/NAME, and findings in found/. --seconds 0 only runs the kept inputs.
The last line is `N passed, N failed`, counting programs.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+).*corp: (\d+)")


def run(program, seconds):
    name = os.path.basename(program).removeprefix("fuzz_")
    beside = os.path.dirname(program)
    grown = os.path.join(beside, "corpus", name)
    found = os.path.join(beside, "found", "")
    os.makedirs(grown, exist_ok=True)
    os.makedirs(found, exist_ok=True)
    command = [program, "-timeout=10", "-rss_limit_mb=2048", "-artifact_prefix=" + found + name + "-"]
    command += ["-max_total_time=%d" % seconds] if seconds else ["-runs=0"]
    words = os.path.join(HERE, "fuzz", name + ".dict")
    if os.path.exists(words):
        command.append("-dict=" + words)
    command.append(grown)
    kept = os.path.join(HERE, "fuzz", "corpus", name)
    if os.path.isdir(kept):
        command.append(kept)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + 120,
            check=False,
        )
        return name, done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return name, -1, (late.stdout or b"").decode("utf-8", "replace") + "\nhangs\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = [pool.submit(run, program, args.seconds) for program in args.programs]
        for future in concurrent.futures.as_completed(runs):
            name, code, text = future.result()
            state = STATE.search(text)
            if code == 0 and state:
                print("ok   %-12s %9s runs, %s edges, %s inputs" % ((name,) + state.groups()))
            else:
                failed += 1
                print("FAIL %s, exit status %d\n%s" % (name, code, text[-6000:]))
            sys.stdout.flush()
    print("%d passed, %d failed" % (len(args.programs) - failed, failed))
    return 1 if failed or not args.programs else 0


if __name__ == "__main__":
    sys.exit(main())
