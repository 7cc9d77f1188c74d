"""What is asked, and one measurement of it."""

import json
import os
import subprocess

from process import OTHER_CPU, Failed, on_cpu
from targets import program

REQUEST_BYTES = 1010
STREAM_SECONDS = 2.0  # a paced stream: 200 events, 10 ms apart

# What kinds ask for that are about graphs (graph.py): model, whether a stream. Others ask for a stream of
# bench-KIND, but for "json".
ASKED = {
    "single": ("panel-0", True),
    "graph": ("graph/panel", True),
    "graph-json": ("graph/panel", False),
    "refused": ("bench-none", True),
    "steps": ("graph/steps", True),
    "steps-json": ("graph/steps", False),
}


class Point:
    """A kind of question on a number of connections. `unit` is what is counted: a request, or an
    event of a stream."""

    def __init__(self, kind, connections):
        self.kind, self.connections = kind, connections
        self.is_stream = asked(kind)[1]
        self.unit = "event" if self.is_stream and kind not in ASKED else "request"

    def __str__(self):
        return "%s-%d" % (self.kind, self.connections)

    def count(self, raw):
        return raw["events"] if self.unit == "event" else raw["answers"]

    def options(self):
        options = ["--connections", str(self.connections)]
        return options + ["--stream"] if self.is_stream else options

    def for_seconds(self, seconds):
        """Streams that all began at once would all end at once, so paced ones begin one by one."""
        ramp = STREAM_SECONDS if self.kind == "paced" and self.connections > 1 else 0
        return self.options() + [
            "--ramp", str(ramp), "--warmup", str(ramp + 0.3), "--seconds", str(seconds)]

    def for_answers(self, count):
        return self.options() + ["--requests", str(count)]


def asked(kind):
    return ASKED.get(kind) or ("bench-" + kind, kind != "json")


def request(kind, size=REQUEST_BYTES):
    """A chat request of so many bytes."""
    model, is_stream = asked(kind)
    document = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a terse assistant."},
            {"role": "user", "content": ""},
        ],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    if is_stream:
        document["stream"] = True

    def text():
        return json.dumps(document, separators=(",", ":"))

    words = "Explain what a reverse proxy does, and where it helps. " * 100
    document["messages"][1]["content"] = words[: size - len(text())]
    return text().encode()


class Load:
    """Runs the load generator."""

    def __init__(self, directory):
        self.directory = directory

    def body(self, kind):
        path = os.path.join(self.directory, "bench-%s.json" % kind)
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.write(request(kind))
        return path

    def run(self, port, kind, options, pids=()):
        command = [program("load"), "--port", str(port), "--body", self.body(kind)] + options
        for pid in pids:
            command += ["--watch", str(pid)]
        with on_cpu(OTHER_CPU):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed("%s: %s" % (" ".join(command), done.stderr.strip()))
        return json.loads(done.stdout)

    def measure(self, target, point, upstream_pid, seconds):
        """Numbers of one repetition, in requests or events, seconds and microseconds."""
        pids = (target.pid, upstream_pid)
        raw = self.run(target.port, point.kind, point.for_seconds(seconds), pids)
        count = point.count(raw)
        proxy, other = raw["cpu"]
        window_us = raw["seconds"] * 1e6
        ticks = proxy["user_us"] + proxy["system_us"]
        return {
            "rate": count / raw["seconds"],
            "count": count,
            "cpu_us": proxy["cpu_us"] / count if count else None,
            "user_share": proxy["user_us"] / ticks if ticks else None,
            "proxy_busy": proxy["cpu_us"] / window_us,
            "others_busy": (raw["self_us"] + (other["cpu_us"] if target.pid != upstream_pid else 0))
            / window_us,
            "latency_p50_us": raw["latency"]["p50_us"],
            "latency_p99_us": raw["latency"]["p99_us"],
            "first_p50_us": raw["first"]["p50_us"],
            "first_p99_us": raw["first"]["p99_us"],
            "delay_p50_us": raw["delay"]["p50_us"],
            "delay_p99_us": raw["delay"]["p99_us"],
            "reads_per_unit": raw["reads"] / count if count else None,
            "errors": raw["errors"],
            "why": raw.get("why"),
        }
