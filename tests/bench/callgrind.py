"""Where Sluice's instructions go: a short run of its own under valgrind's callgrind, which counts
instructions in user space and nothing else. Deterministic up to the timing of the network, so also a
measure of what a change has cost. What the kernel does is not in it; the syscalls are counted by
strace where that is installed."""

import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import time

from process import Failed, eventually
from targets import Sluice

ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign")


class Profile:
    """What a callgrind.out file says. Costs are instructions.

    own[object, file, function], inclusive[object, file, function], calls[function]. Inclusive costs
    of functions that call themselves are too high; calls are counted by the callee's name."""

    def __init__(self, path):
        self.names = {}
        self.own = collections.Counter()
        self.inclusive = collections.Counter()
        self.calls = collections.Counter()
        with open(path, encoding="utf-8", errors="replace") as f:
            self.read(f)
        self.total = sum(self.own.values())

    def name(self, kind, text):
        """Names are written once, as `(1) name`, and then as `(1)`."""
        number, _, name = text.strip().partition(" ")
        if name:
            self.names[kind, number] = name
        return self.names[kind, number]

    def read(self, lines):
        obj = file = inlined = function = callee = None
        is_call = False
        for line in lines:
            key, equals, value = line.partition("=")
            if line[0] in "0123456789+-*":
                cost = int(line.split()[1])
                if is_call:
                    self.inclusive[obj, file, function] += cost
                else:
                    self.own[obj, inlined, function] += cost
                    self.inclusive[obj, file, function] += cost
                is_call = False
            elif not equals:
                continue
            elif key == "ob":
                obj = self.name("ob", value)
            elif key == "fl":
                file = inlined = self.name("fl", value)
            elif key in ("fi", "fe"):
                inlined = self.name("fl", value)
            elif key == "fn":
                function = self.name("fn", value)
                inlined = file
            elif key == "cob":
                self.name("ob", value)
            elif key in ("cfi", "cfl"):
                self.name("fl", value)
            elif key == "cfn":
                callee = self.name("fn", value)
            elif key == "calls":
                self.calls[callee.split("'")[0]] += int(value.split()[0])
                is_call = True

    def by(self, key):
        """Own costs summed by what `key` makes of (object, file, function), the largest first."""
        sums = collections.Counter()
        for place, cost in self.own.items():
            sums[key(*place)] += cost
        return sums.most_common()


def library(obj, _file, _function):
    """`libcurl` of /usr/lib/…/libcurl.so.4.8.0; the program itself is `sluice`."""
    return re.sub(r"[-.]?[\d.]*\.so.*$", "", os.path.basename(obj)) or obj


def is_ours(obj):
    return os.path.basename(obj) == "sluice"


def source(obj, file, _function):
    """Our file, `other` for what is not ours."""
    if not is_ours(obj):
        return "other"
    found = re.search(r"(cache|router|optimizer|gateway)/[^/]+$", file)
    return found.group() if found else "inlined headers"


class Callgrind(Sluice):
    """Sluice under valgrind, counting from when it is told to."""

    name = "sluice-callgrind"
    has_graphs = True

    def configure(self, upstream_port, tls):
        command = super().configure(upstream_port, tls)
        self.out = os.path.join(self.directory, "callgrind.out")
        return ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--dump-instr=no",
                "--callgrind-out-file=" + self.out] + command

    def control(self, *options):
        done = subprocess.run(
            ["callgrind_control"] + list(options) + [str(self.pid)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if done.returncode != 0:
            raise Failed("callgrind_control: " + done.stdout)

    def profile(self, load, point, requests):
        """(profile, number of units) of so many answers, after some that are not counted."""
        load.run(self.port, point.kind, point.for_answers(requests // 4))
        time.sleep(0.2)
        self.control("--instr=on")
        raw = load.run(self.port, point.kind, point.for_answers(requests))
        time.sleep(0.2)
        self.control("--instr=off")
        for old in glob.glob(self.out + "*"):
            os.unlink(old)
        self.control("--dump")
        path = eventually(lambda: glob.glob(self.out + ".*"), "callgrind writes its file")[0]
        self.control("--zero")
        if raw["errors"]:
            raise Failed("under callgrind: %s" % raw["why"])
        return Profile(path), point.count(raw)


def summary(profile, units):
    """What is printed and kept of a profile, per request or event."""

    def label(obj, file, function):
        # Without symbols a function is an address, which tells nobody anything.
        name = "(functions without a name)" if function.startswith("0x") else function.split("'")[0]
        return "%s %s" % (library(obj, file, function), name)

    def per_unit(items, most):
        return [[name, cost / units, cost / profile.total] for name, cost in items[:most]]

    ours = [
        ("%s %s" % (source(*place), place[2].split("'")[0]), cost)
        for place, cost in profile.inclusive.most_common() if is_ours(place[0])
    ]
    allocations = sum(profile.calls[name] for name in ALLOCATORS)
    return {
        "instructions": profile.total / units,
        "allocations": allocations / units,
        "libraries": per_unit(profile.by(library), 10),
        "files": per_unit([x for x in profile.by(source) if x[0] != "other"], 20),
        "functions": per_unit(profile.by(label), 20),
        "inclusive": per_unit(ours, 25),
    }


def instructions(load, directory, upstream, points):
    """{point: summary}; `points`: (point, requests) pairs. None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    target = Callgrind(directory, upstream.port)
    try:
        found = {}
        for point, requests in points:
            profile, units = target.profile(load, point, requests)
            found[str(point)] = dict(summary(profile, units), unit=point.unit)
        return found
    finally:
        target.stop()


# ---- syscalls ----


def count_syscalls(path):
    """{name: calls} of what strace -c wrote: % time, seconds, usecs/call, calls, [errors,] syscall."""
    counts = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                counts[words[-1]] = int(words[3])
    return counts


def syscalls(load, target, points, directory):
    """{point: {syscall: calls per request or event}}; None without strace."""
    if not shutil.which("strace"):
        return None
    found = {}
    for point, requests in points:
        load.run(target.port, point.kind, point.for_answers(requests // 4))
        path = os.path.join(directory, "strace.out")
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-q", "-o", path, "-p", str(target.pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: is_traced(target.pid), "strace is attached")
            raw = load.run(target.port, point.kind, point.for_answers(requests))
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
        units = point.count(raw)
        counts = sorted(count_syscalls(path).items(), key=lambda x: -x[1])
        found[str(point)] = {name: calls / units for name, calls in counts if calls / units >= 0.001}
    return found


def is_traced(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        return not re.search(r"^TracerPid:\s+0$", f.read(), re.M)
