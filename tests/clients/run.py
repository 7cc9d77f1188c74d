#!/usr/bin/env python3
"""The official OpenAI clients, and others that people use, against Sluice before simulated models.

    run.py [--venv DIR] [NAME...]       NAME: only the files whose name contains it

Installs the packages of package.json into node_modules here and those of requirements.txt into a
virtual environment, starts the simulated models, the independent mock and one gateway in front of
both, and runs each file of tests against it. $SLUICE and $SIM name the programs. A test that is
skipped has failed. The last line is `N passed, N failed`.

Node 18 or newer with npm must be there, and Python's venv (Debian: nodejs npm python3-venv). The
Python client is asked for only where Python's package index can be reached: elsewhere its tests are
neither passed nor failed, and a line says so.
"""

import argparse
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e")]

from harness import Config  # noqa: E402
from client import SLOW, Closed, Late  # noqa: E402
from graphs import add_graphs  # noqa: E402
from process import ROOT, Gateway, Process, Sim, eventually  # noqa: E402

INSTALL_SECONDS = 300
FILE_SECONDS = 240 * SLOW
UNREACHABLE = re.compile(
    r"connection broken by|Max retries exceeded|NewConnectionError|ConnectTimeoutError|"
    r"ReadTimeoutError|ProxyError|Temporary failure in name resolution|NameResolutionError"
)

# What the tests send as keys.
KEYS = {
    "wide": {},
    "narrow": {"allow": ["fast"]},
    "single": {"max_in_flight": 1},
    "counted": {"requests_per_minute": 2},
    "quick": {"requests_per_minute": 30},
}


class Missing(Exception):
    """What must be there to run is not."""


def command_output(command, cwd=None, env=None):
    """Exit status and all that it said."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_SECONDS,
        )
    except FileNotFoundError:
        return 127, "%s is not installed" % command[0]
    except subprocess.TimeoutExpired as late:
        out = (late.stdout or b"").decode("utf-8", "replace")
        return 124, "%s\n%s: stopped after %d s" % (out, command[0], INSTALL_SECONDS)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def tail(text, lines=15):
    return "\n".join(text.strip().split("\n")[-lines:])


# ---- installing ----


class Installed:
    """A folder of packages, and a stamp in it that says from what it was made."""

    def __init__(self, folder, sources, version):
        self.stamp = os.path.join(folder, ".sluice-stamp")
        text = version.encode()
        for name in sources:
            with open(os.path.join(HERE, name), "rb") as f:
                text += f.read()
        self.wanted = hashlib.sha256(text).hexdigest()

    def is_there(self):
        try:
            with open(self.stamp, encoding="ascii") as f:
                return f.read() == self.wanted
        except FileNotFoundError:
            return False

    def done(self):
        with open(self.stamp, "w", encoding="ascii") as f:
            f.write(self.wanted)


def install_node():
    status, version = command_output(["node", "--version"])
    if status != 0:
        raise Missing("Node is not installed")
    if int(re.match(r"v(\d+)\.", version).group(1)) < 18:
        raise Missing("Node is %s; 18 or newer is needed" % version.strip())
    folder = os.path.join(HERE, "node_modules")
    there = Installed(folder, ["package.json", "package-lock.json"], version)
    start = time.monotonic()
    if not there.is_there():
        status, out = command_output(["npm", "ci", "--no-progress"], cwd=HERE)
        if status != 0:
            raise Missing("npm ci failed:\n" + tail(out))
        there.done()
    print("node %s: packages are there, %.0f s" % (version.strip(), time.monotonic() - start))


def install_python(venv):
    """The interpreter with the client, or None where the index cannot be reached."""
    python = os.path.join(venv, "bin", "python")
    there = Installed(venv, ["requirements.txt"], sys.version)
    start = time.monotonic()
    if not there.is_there():
        shutil.rmtree(venv, ignore_errors=True)
        status, out = command_output([sys.executable, "-m", "venv", venv])
        if status != 0:
            raise Missing("making a virtual environment failed:\n" + tail(out))
        status, out = command_output(
            [
                python,
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--retries",
                "2",
                "--timeout",
                "20",
                "--only-binary",
                ":all:",
                "-r",
                os.path.join(HERE, "requirements.txt"),
            ]
        )
        if status != 0 and UNREACHABLE.search(out):
            print(tail(out, 2))
            return None
        if status != 0:
            raise Missing("pip install failed:\n" + tail(out))
        there.done()
    print("python: packages are there, %.0f s" % (time.monotonic() - start))
    return python


# ---- the servers ----


def add_faulty_models(config):
    once = {"settings": {"retries": 0}}
    config.model("limited", id="s02-429-forever:retry=7", **once)
    config.model("limited-once", id="s01-429-retry-after", settings={"retries": 1})
    for name in ("down", "down-python"):
        config.model(name, id="s04-503", **once)
    # Each of these fails a few times only: an upstream that keeps failing is left alone.
    for name in ("cut", "cut-behind", "cut-helper", "cut-ai", "cut-langchain", "cut-python"):
        config.model(name, id="s08-cut", **once)
    config.model("cut-fin", id="s08-cut:fin=1", **once)
    for name in ("error-event", "error-event-ai", "error-event-python"):
        config.model(name, id="x-error-event", **once)
    config.model("malformed", id="s10-malformed", **once)
    config.model("reset", id="s05-reset", **once)
    config.model("context", id="s12-context", **once)
    config.model("filter", id="s13-filter", **once)
    for code in (409, 422):
        config.model("status-%d" % code, id="x-status:code=%d" % code, **once)
    config.model("html", id="x-html-502", **once)
    config.model(
        "late",
        id="s06-silent",
        settings={"retries": 0, "timeouts": {"first_token": "200ms", "total": "400ms"}},
    )


def configuration(sim, mock, directory):
    config = Config(sim.url, directory)
    config.models("fast", "echo", "sim-large", capabilities=["tools", "json_schema", "logprobs"])
    config.model("vision", id="fast", capabilities=["vision"])
    config.model("embed", id="sim-embed", capabilities=["embeddings"])
    config.model("vendor/name:7b", id="fast:tokens=3")
    config.model("tools-without-index", id="x-no-index-tools")
    config.model("tools-all-zero", id="x-no-index-tools:zero=1")
    config.model("long", id="fast:tokens=2000")
    config.model("paced", id="fast:first=10,token=30")
    config.model("silent", id="fast:first=30000")
    config.model("early", id="fast:first=30000,early=1")
    add_faulty_models(config)
    config.model(
        "mock",
        id="gpt-4o-mini",
        upstream=config.upstream("mock", url=mock.url, key_env="MOCK_KEY", retries=0),
        capabilities=["tools"],
    )
    config.model(
        "mock-embed", id="text-embedding-3-small", upstream="mock", capabilities=["embeddings"]
    )
    add_graphs(config, directory)
    config.doc["aliases"] = {"gpt-4o": "fast"}
    config.doc["keys"] = [
        {"name": name, "sha256": hashlib.sha256(key_of(name).encode()).hexdigest(), **limits}
        for name, limits in KEYS.items()
    ]
    return config.doc


def key_of(name):
    return "sk-client-" + name


class Mock(Process):
    """An independent mock of the OpenAI dialect (aimock_server.cjs)."""

    def __init__(self, directory):
        command = ["node", os.path.join(HERE, "aimock_server.cjs")]
        super().__init__("mock", command, os.path.join(directory, "mock.log"))
        # Loading the package is what takes its time on a busy machine.
        eventually(lambda: "\n" in self.output() or not self.is_running(), "the mock listens", 60)
        self.url = self.say(r"^listening on (http://127\.0\.0\.1:\d+)$").group(1) + "/v1"


class World:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sluice-clients-")
        self.started = []

    def __enter__(self):
        try:
            self.sim = self.start(Sim(self.directory))
            self.mock = self.start(Mock(self.directory))
            config = configuration(self.sim, self.mock, self.directory)
            self.gateway = self.start(Gateway(self.directory, config, {"MOCK_KEY": "sk-upstream"}))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self, process):
        self.started.append(process)
        return process

    def __exit__(self, *_):
        for process in self.started:
            process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self):
        """Without the proxies of this machine: all is on the loopback."""
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        env.update(
            SLUICE_URL="http://127.0.0.1:%d/v1" % self.gateway.port,
            SIM_URL=self.sim.url.removesuffix("/v1"),
            MOCK_URL=self.mock.url.removesuffix("/v1"),
            PYTHONDONTWRITEBYTECODE="1",
            **{"KEY_" + name.upper(): key_of(name) for name in KEYS}
        )
        return env

    def end(self):
        """Raises when the gateway does not end well, or still held something."""
        eventually(lambda: self.sim.stats()["in_flight"] == 0, "no upstream call is left")
        self.gateway.stop()
        self.sim.stop()


# ---- running ----


def count_tap(text):
    """Passed and failed of node's test runner."""
    counts = {
        k: int(v)
        for k, v in re.findall(r"^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$", text, re.M)
    }
    total, good = counts.get("tests", 0), counts.get("pass", 0)
    return good, total - good


# What is said of a test that passed, by node and by unittest.
PASSED = re.compile(
    r"^# Subtest: .*\nok \d+ .*\n  ---\n(?:  .*\n)*?  \.\.\.\n|^test_.* \.\.\. ok\n", re.M
)


def count_unittest(text):
    ran = re.findall(r"^Ran (\d+) tests? in", text, re.M)
    if not ran:
        return 0, 1
    bad = re.findall(
        r"\b(?:failures|errors|skipped|unexpected successes)=(\d+)", text[text.rfind("\nRan ") :]
    )
    bad = sum(int(n) for n in bad)
    return int(ran[-1]) - bad, bad


def run_file(name, command, count, env):
    start = time.monotonic()
    # A session of its own, so that what a hanging test started can be ended with it.
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        text = process.communicate(timeout=FILE_SECONDS)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        text = process.communicate()[0].decode("utf-8", "replace")
        text += "\nstopped after %d s\n" % FILE_SECONDS
    good, bad = count(text)
    if good + bad == 0 or (process.returncode != 0 and bad == 0):
        bad += 1
    report(name, good, bad, time.monotonic() - start, text)
    return good, bad


def report(name, good, bad, seconds, text):
    print("%-4s %-24s %4d tests %7.2f s" % ("FAIL" if bad else "ok", name, good + bad, seconds))
    if bad:
        print(PASSED.sub("", text))
    sys.stdout.flush()


def files(names):
    found = sorted(os.path.basename(p) for p in glob.glob(os.path.join(HERE, "*.test.mjs")))
    found += sorted(os.path.basename(p) for p in glob.glob(os.path.join(HERE, "test_*.py")))
    return [f for f in found if not names or any(n in f for n in names)]


def run_all(names, python):
    passed = failed = 0
    with World() as world:
        env = world.environment()
        for name in names:
            if name.endswith(".mjs"):
                command = ["node", "--test-reporter=tap", name]
                good, bad = run_file(name, command, count_tap, env)
            else:
                command = [python, "-B", "-m", "unittest", "-v", name.removesuffix(".py")]
                good, bad = run_file(name, command, count_unittest, env)
            passed, failed = passed + good, failed + bad
        try:
            world.end()
            passed += 1
        except Exception as why:  # whatever it is, it is the gateway's end that failed
            failed += 1
            report("the gateway's end", 0, 1, 0, "%s\n%s" % (why, world.gateway.tail()))
        if failed:
            print(world.gateway.tail())
    return passed, failed


def install(names, venv):
    """The interpreter for the files in Python, and those files of `names` that can run."""
    if not names:
        raise Missing("no file has such a name")
    with open(os.path.join(HERE, "package-lock.json"), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another flavour may be at it too
        install_node()
        in_python = [n for n in names if n.endswith(".py")]
        python = install_python(venv) if in_python else None
    if in_python and not python:
        names = [n for n in names if n not in in_python]
    return python, names


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", default=os.path.join(ROOT, "build", "clients-venv"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    wanted = files(args.names)
    try:
        python, names = install(wanted, os.path.abspath(args.venv))
    except Missing as what:
        print(what)
        print("0 passed, 1 failed")
        return 1
    try:
        passed, failed = run_all(names, python) if names else (0, 0)
    except (Closed, Late) as why:
        print("the servers did not start: %s" % why)
        passed, failed = 0, 1
    if names != wanted:
        print("NOT RUN, not counted: the Python client; Python's package index cannot be reached")
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
