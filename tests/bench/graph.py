"""What a graph of three assistants and an `llm` fuser costs beyond its four calls.

CPU: kinds of requests to the same gateway in turn, all with the same prompt, every model with the same
answer.

    single    a stream from one of the models, asked for by its name
    graph     the graph, streamed;  graph-json: for a client that wants a document
    refused   a request for a model that there is not: what a client costs without any call

`beyond requests` is graph - 4 × single. A single request has a client of its own, which inner nodes have
not, so `beyond calls` is graph - 4 × (single - refused) - refused: the stricter figure.

Latency: a graph whose assistants take unequally long, one request after the other. The upstream says how long
it served each of its calls; the critical path is the slowest assistant and the fuser."""

import re
import statistics
import urllib.request

from process import Failed, free_port
from targets import NODE_EVENTS, Sluice

CALLS = 4
KINDS = ("single", "graph", "graph-json", "refused")
STEPPED = ("steps", "steps-json")


class Graphs(Sluice):
    """With the graphs, and with its counters."""

    name = "sluice-graphs"
    has_graphs = True

    def add_graphs(self, document):
        super().add_graphs(document)
        self.admin = "127.0.0.1:%d" % free_port()
        document["admin"] = self.admin

    def counters(self):
        """(calls that were answered whole, requests that were)"""
        with urllib.request.urlopen("http://%s/metrics" % self.admin, timeout=10) as reply:
            text = reply.read().decode()

        def total(pattern):
            return sum(int(n) for n in re.findall(r"^%s (\d+)$" % pattern, text, re.M))

        return (total("sluice_completion_tokens_total") / NODE_EVENTS,
                total(r'sluice_requests_ended_total{.*reason="complete"}'))


def options(kind, connections):
    found = ["--connections", str(connections)]
    if kind in ("single", "graph", "steps"):
        found.append("--stream")
    return found + (["--status", "404"] if kind == "refused" else [])


def checked(raw, kind):
    if raw["errors"] or not raw["answers"]:
        raise Failed("%s: %s" % (kind, raw.get("why") or "no answer in time"))
    return raw


# ---- CPU ----


def measure_cpu(load, target, kind, connections, seconds):
    """Microseconds of CPU that the gateway spends on a request of this kind."""
    asked = options(kind, connections) + ["--warmup", "0.2", "--seconds", str(seconds)]
    before = target.counters()
    raw = checked(load.run(target.port, kind, asked, (target.pid,)), kind)
    calls, requests = (now - then for now, then in zip(target.counters(), before))
    return {"cpu_us": raw["cpu"][0]["cpu_us"] / raw["answers"], "answers": raw["answers"],
            "latency_p50_us": raw["latency"]["p50_us"],
            # Less than 4 of a graph: some were late, and were not waited for.
            "calls": calls / requests if requests else 0.0}


def beyond(found):
    """The differences within one turn, of {kind: numbers}."""
    cpu = {kind: numbers["cpu_us"] for kind, numbers in found.items()}
    call = cpu["single"] - cpu["refused"]
    return {
        kind: {"requests": cpu[kind] - CALLS * cpu["single"],
               "calls": cpu[kind] - CALLS * call - cpu["refused"]}
        for kind in ("graph", "graph-json")
    }


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def cpu(load, target, connections, seconds, reps):
    turns = []
    for rep in range(reps):
        first = rep % len(KINDS)
        turns.append({kind: measure_cpu(load, target, kind, connections, seconds)
                      for kind in KINDS[first:] + KINDS[:first]})
    differences = [beyond(turn) for turn in turns]
    return {
        "connections": connections,
        "kinds": {kind: {key: spread([turn[kind][key] for turn in turns])
                         for key in turns[0][kind]} for kind in KINDS},
        "beyond": {kind: {key: spread([d[kind][key] for d in differences])
                          for key in ("requests", "calls")} for kind in ("graph", "graph-json")},
    }


# ---- latency ----


def critical_paths_us(lines):
    """Of the upstream's lines about graph requests that came one after the other."""
    served = [float(us) for us in re.findall(r"^served \d+ ([\d.]+)$", "\n".join(lines), re.M)]
    if not served or len(served) % CALLS:
        raise Failed("the upstream served %d calls, not %d for each request" % (len(served), CALLS))
    return [max(served[i: i + CALLS - 1]) + served[i + CALLS - 1]
            for i in range(0, len(served), CALLS)]


def measure_latency(load, target, upstream, kind, requests):
    before = len(upstream.child.output())
    asked = options(kind, 1) + ["--requests", str(requests)]
    raw = checked(load.run(target.port, kind, asked), kind)
    paths = critical_paths_us(upstream.child.output()[before:].splitlines())
    if len(paths) != raw["answers"]:
        raise Failed("%d critical paths for %d answers" % (len(paths), raw["answers"]))
    client_us = raw["latency"]["mean_us"]
    path_us = statistics.mean(paths)
    return {"client_us": client_us, "path_us": path_us, "added_us": client_us - path_us}


def latency(load, target, upstream, requests, reps):
    turns = {kind: [] for kind in STEPPED}
    for _ in range(reps):
        for kind in STEPPED:
            turns[kind].append(measure_latency(load, target, upstream, kind, requests))
    return {kind: {key: spread([turn[key] for turn in found]) for key in found[0]}
            for kind, found in turns.items()}


def measure(load, directory, upstream, connections, seconds, requests, reps):
    """{"cpu": one for each number of connections, "latency": {kind: spreads}}"""
    target = Graphs(directory, upstream.port)
    try:
        return {"repetitions": reps,
                "cpu": [cpu(load, target, n, seconds, reps) for n in connections],
                "latency": latency(load, target, upstream, requests, reps)}
    finally:
        target.stop()
