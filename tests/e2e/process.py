"""The programs under test as child processes: started on ports of their own, watched, ended.

SLUICE and SIM (or SLUICE_BIN and SIM_BIN) name the programs, SLUICE_WRAP a command in front of the
gateway, such as `valgrind -q --leak-check=full --error-exitcode=99`, and SLUICE_E2E_SLOW a factor for
all deadlines. A sanitizer's report in the output fails the class, and so does any exit status but 0."""

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import time

from client import SLOW, Closed, Connection, Late

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    """SLUICE_BIN or SLUICE, SIM_BIN or SIM name the program; else it is the last one built."""
    for variable in (name.upper() + "_BIN", name.upper()):
        if os.environ.get(variable):
            return os.environ[variable]
    return os.path.join(ROOT, "build", name)


def eventually(condition, what, timeout=10, every=0.003):
    """Polls until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late("never came true: %s" % what)
        time.sleep(every)


def die_with_parent():
    # A runner that is killed must leave no server behind.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


REPORTS = re.compile(
    rb"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:|"
    rb"ERROR SUMMARY: [1-9]|assertion|Assertion|stack smashing|corrupted"
)


class Process:
    def __init__(self, name, command, log, env=None):
        self.name, self.log = name, log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(os.environ, **(env or {})),
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        with open(self.log, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def is_running(self):
        return self.child.poll() is None

    def say(self, pattern, what=None):
        """Waits for a line of its output that matches; the match."""

        def look():
            found = re.search(pattern, self.output(), re.M)
            if not found and not self.is_running():
                raise Closed(
                    "%s ended with %s:\n%s" % (self.name, self.child.returncode, self.output())
                )
            return found

        return eventually(look, what or "%s says %s" % (self.name, pattern))

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=30):
        return self.child.wait(timeout * SLOW)

    def stop(self, timeout=40):
        """SIGTERM; the exit status, or raises with its output when it hangs or reported a fault."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        try:
            status = self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError("%s did not end:\n%s" % (self.name, self.tail())) from None
        found = REPORTS.search(self.output().encode())
        if status != 0 or found:
            raise AssertionError(
                "%s ended with %s%s:\n%s"
                % (self.name, status, " and reported %r" % found.group() if found else "", self.tail())
            )
        return status

    def kill(self):
        if self.is_running():
            self.child.kill()
            self.child.wait()

    def tail(self):
        return self.output()[-6000:]

    # ---- what the kernel knows ----

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def memory(self, field="RssAnon"):
        """Bytes, of /proc/PID/status."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return 1024 * int(re.search(r"^%s:\s+(\d+) kB" % field, f.read(), re.M).group(1))

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sim(Process):
    """The simulated models (tests/sim/README.md)."""

    def __init__(self, directory, *options):
        port_file = os.path.join(directory, "sim.port")
        command = [program("sim"), "--listen", "127.0.0.1:0", "--port-file", port_file]
        super().__init__("sim", command + list(options), os.path.join(directory, "sim.log"))
        eventually(lambda: os.path.exists(port_file) or not self.is_running(), "sim listens")
        if not self.is_running():
            raise Closed("sim ended:\n" + self.output())
        with open(port_file, encoding="ascii") as f:
            self.port = int(f.read())
        self.url = "http://127.0.0.1:%d/v1" % self.port

    def ask(self, path, method="GET"):
        with Connection(self.port) as c:
            r = c.call(method, path, headers=[("Connection", "close")])
        if r.status != 200:
            raise Closed("sim answers %d to %s" % (r.status, path))
        return r

    def stats(self, model=None):
        """Counters in all, or of one model as the gateway names it to its upstream."""
        stats = self.ask("/sim/stats").json
        if model is None:
            return stats
        zero = dict.fromkeys(
            ("requests", "in_flight", "max_in_flight", "completed", "cancelled", "faults",
             "prompt_tokens", "completion_tokens"), 0)
        return stats["per_model"].get(model, zero)

    def last(self, model):
        return self.ask("/sim/last?model=" + model).json

    def last_body(self, model):
        return self.ask("/sim/last/body?model=" + model).body

    def last_headers(self, model):
        return [(n.lower(), v) for n, v in self.last(model)["headers"]]

    def canonical(self):
        return self.ask("/sim/canonical").text

    def reset(self):
        self.ask("/sim/reset", "POST")


class Gateway(Process):
    def __init__(self, directory, config, env=None, wait=True):
        """`config`: a document, or text. `wait`: until it listens."""
        self.directory = directory
        self.config = os.path.join(directory, "sluice.yaml")
        self.admin = os.path.join(directory, "admin.sock")
        self.write_config(config)
        command = shlex.split(os.environ.get("SLUICE_WRAP", ""))
        command += [program("sluice"), "serve", "-c", self.config]
        super().__init__("sluice", command, os.path.join(directory, "sluice.log"), env)
        if wait:
            try:
                self.port = int(self.say(r"listening address=127\.0\.0\.1:(\d+)").group(1))
            except BaseException:
                self.kill()
                raise

    def write_config(self, config):
        """By way of another name: a reload must not read half a file. JSON is YAML too."""
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        with open(self.config + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.config + ".new", self.config)

    def connect(self, **options):
        return Connection(self.port, **options)

    def call(self, method, path, body=None, headers=()):
        with self.connect() as c:
            return c.call(method, path, body, headers)

    def admin_call(self, method, path, headers=()):
        with Connection(self.admin) as c:
            return c.call(method, path, headers=headers)

    def metrics(self):
        """Samples by their name with labels, as printed."""
        text = self.admin_call("GET", "/metrics").text
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (l.rpartition(" ") for l in lines)}

    def access(self, request_id):
        """The access line of a request, as a dictionary; waits for it."""
        pattern = r"^.*event=request id=%s .*$" % re.escape(request_id)
        return log_pairs(self.say(pattern, "access line of " + request_id).group())

    def calls(self, request_id):
        """The lines of the calls that its graph made; they are written before the access line."""
        self.access(request_id)
        pattern = r"^.*event=call id=%s .*$" % re.escape(request_id)
        return [log_pairs(line) for line in re.findall(pattern, self.output(), re.M)]


PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


def log_pairs(line):
    pairs, at = {}, 0
    while at < len(line):
        found = PAIR.match(line, at)
        if not found or found.group(1) in pairs:
            raise AssertionError("not a log line at %d: %s" % (at, line))
        value = found.group(2)
        if value.startswith('"'):
            value = re.sub(
                r'\\(x..|.)',
                lambda m: {"n": "\n", "r": "\r", "t": "\t"}.get(m[1])
                or (chr(int(m[1][1:], 16)) if m[1][0] == "x" else m[1]),
                value[1:-1],
            )
        pairs[found.group(1)] = value
        at = found.end()
    return pairs
