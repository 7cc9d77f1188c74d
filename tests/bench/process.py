"""Child processes on a CPU of their own, and what the kernel says about them."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CPUS = sorted(os.sched_getaffinity(0))
PROXY_CPU = CPUS[0]
# The load generator and the upstream; on a machine with one CPU everything shares that.
OTHER_CPU = CPUS[1 % len(CPUS)]


class Failed(Exception):
    """Measuring makes no sense; the text says why."""


@contextlib.contextmanager
def on_cpu(cpu):
    """Children inherit the affinity, so they need no wrapper that would count as their start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def die_with_parent():
    # A benchmark that is killed must leave no server behind.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def eventually(condition, what, timeout=20, every=0.002):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed("never came true: " + what)
        time.sleep(every)


def first_line(command):
    """Of what a program says about itself, on either output; None without such a program."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError:
        return None
    return (done.stdout.splitlines() or [""])[0]


class Child:
    """`is_guarded`: dies with the benchmark. That needs a fork where otherwise one vfork would do, so
    cold starts go without."""

    def __init__(self, command, cpu, log, is_guarded=True):
        self.log = log
        with on_cpu(cpu), open(log, "ab") as out:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent if is_guarded else None,
            )
        self.pid = self.process.pid

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def check(self):
        if self.process.poll() is not None:
            raise Failed(
                "%s ended with %s:\n%s"
                % (self.process.args[0], self.process.returncode, self.output()[-3000:])
            )
        return True

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def memory(pid):
    """Bytes: RSS (resident), RssAnon (private: what the process alone needs)."""
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        text = f.read()

    def field(name):
        return 1024 * int(re.search(r"^%s:\s+(\d+) kB" % name, text, re.M).group(1))

    return {"rss": field("VmRSS"), "private": field("RssAnon")}


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def steal_and_total():
    """Ticks that a hypervisor kept, and all ticks, since boot."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(word) for word in f.readline().split()[1:9]]
    return ticks[7], sum(ticks)
