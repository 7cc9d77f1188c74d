#!/usr/bin/env python3
"""Measures what Sluice costs beside nginx and haproxy; README.md says how to read it.

    bench.py [--quick] [--reps N] [--only json,burst,paced,graph,memory,start,profile] [--out FILE]

All targets run at the same time and are asked in turn, so that what the machine does meanwhile hits
all of them. Ratios are of neighbours in the same turn. Exit status: 0 measured, 1 could not, or an
answer was wrong; a target that is missed is printed and is no failure."""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time

import callgrind
import graph
import memory
import report
from points import ASKED, Load, Point
from process import OTHER_CPU, PROXY_CPU, ROOT, Failed, steal_and_total
from targets import PROXIES, Certificate, Haproxy, Nginx, Sluice, Upstream, missing, versions

PARTS = ("json", "burst", "paced", "graph", "memory", "start", "profile")


class Plan:
    """How much of everything."""

    def __init__(self, quick, reps, only):
        self.quick = quick
        self.reps = reps or (3 if quick else 5)
        self.only = only
        self.seconds = {"json": 0.5, "burst": 0.5, "paced": 1.0} if quick else {
            "json": 2.0, "burst": 2.0, "paced": 3.0}
        self.connections = (64,) if quick else (1, 64, 256)
        self.streams = 200 if quick else 1000
        self.starts = 5 if quick else 21

        self.graph = (0.4, 8) if quick else (2.0, 20)  # seconds of a kind, requests one by one

    def points(self):
        return [
            Point(kind, n) for kind in ("json", "burst", "paced") if kind in self.only
            for n in self.connections
        ]

    def profiled(self):
        """(point, answers): enough that opening the connections does not count."""
        points = [(Point("json", 64), 1000 if self.quick else 5000),
                  (Point("burst", 64), 64 if self.quick else 256)]
        return points if self.quick else points + [
            (Point("paced", 64), 64), (Point("single", 64), 2000), (Point("graph", 64), 500)]


class Bench:
    def __init__(self, plan, directory):
        self.plan, self.directory = plan, directory
        self.load = Load(directory)
        self.upstream = Upstream(directory)
        self.targets = []
        self.tls = Certificate(directory)

    def start_targets(self):
        place = os.path.join(self.directory, "direct")
        os.makedirs(place, exist_ok=True)
        self.targets.append(Upstream(place, PROXY_CPU))
        for proxy in PROXIES:
            self.targets.append(proxy(self.directory, self.upstream.port))

    def stop_targets(self):
        while self.targets:
            self.targets.pop().stop()

    def measure_point(self, point):
        """{target: [repetition, ...]}"""
        # A line in the log is a matter of requests, not of events.
        targets = [t for t in self.targets if point.kind == "json" or t.name != "sluice+log"]
        found = {target.name: [] for target in targets}
        for rep in range(self.plan.reps):
            # Nobody always runs after the same neighbour.
            first = rep % len(targets)
            for target in targets[first:] + targets[:first]:
                numbers = self.load.measure(
                    target, point, self.upstream.pid, self.plan.seconds[point.kind])
                found[target.name].append(numbers)
                time.sleep(0.05)
        return found

    def measure_points(self):
        results = []
        self.start_targets()
        try:
            for point in self.plan.points():
                found = self.measure_point(point)
                result = {
                    "kind": point.kind,
                    "connections": point.connections,
                    "unit": point.unit,
                    "targets": {name: summarize(reps, found["nginx"]) for name, reps in found.items()},
                }
                results.append(result)
                report.print_point(result)
        finally:
            self.stop_targets()
        return results

    def measure_graph(self):
        seconds, requests = self.plan.graph
        found = graph.measure(
            self.load, self.directory, self.upstream, (1, 64), seconds, requests,
            max(self.plan.reps, 5))
        report.print_graph(found)
        return found

    def measure_memory(self):
        found = {}
        for proxy in (Nginx, Haproxy, Sluice):
            for tls in (None, self.tls):
                name = proxy.name + (" TLS" if tls else "")
                found[name] = memory.per_stream(
                    proxy, self.directory, self.upstream, self.plan.streams, tls)
        report.print_memory(found)
        return found

    def measure_starts(self):
        found = {
            proxy.name: memory.cold_start_ms(
                proxy, self.directory, self.upstream, self.plan.starts)
            for proxy in (Nginx, Haproxy, Sluice)
        }
        report.print_starts(found)
        return found

    def profile(self):
        points = self.plan.profiled()
        instructions = callgrind.instructions(
            self.load, self.directory, self.upstream, points)
        calls = {}
        for proxy in (Nginx, Sluice):
            target = proxy(self.directory, self.upstream.port)
            try:
                calls[target.name] = callgrind.syscalls(
                    self.load, target, [p for p in points if p[0].kind not in ASKED], self.directory)
            finally:
                target.stop()
        report.print_profile(instructions, calls)
        return {"instructions": instructions, "syscalls": calls}


def spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(reps, nginx):
    """Medians of the repetitions, and the medians of the ratios to nginx in the same turn."""
    numbers = [key for key in reps[0] if key not in ("why", "errors")]
    summary = {key: spread([rep[key] for rep in reps]) for key in numbers}
    summary["errors"] = sum(rep["errors"] for rep in reps)
    summary["why"] = next((rep["why"] for rep in reps if rep["why"]), None)
    for key in ("rate", "cpu_us"):
        summary[key + "_ratio"] = spread([
            mine[key] / theirs[key] if mine[key] and theirs[key] else None
            for mine, theirs in zip(reps, nginx)
        ])
    summary["repetitions"] = reps
    return summary


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        models = [line.partition(":")[2].strip() for line in f if line.startswith("model name")]
    return {
        "kernel": platform.release(),
        "cpu": models[0] if models else platform.machine(),
        "cpus": os.cpu_count(),
        "proxy_cpu": PROXY_CPU,
        "other_cpu": OTHER_CPU,
        "load_average": os.getloadavg()[0],
    }


def run(plan, directory):
    results = {"machine": machine(), "versions": versions(), "repetitions": plan.reps,
               "quick": plan.quick, "upstream": "simulated"}
    report.print_head(results)
    steal, total = steal_and_total()
    bench = Bench(plan, directory)
    try:
        for part, work in (("points", bench.measure_points), ("graph", bench.measure_graph),
                           ("memory", bench.measure_memory),
                           ("start", bench.measure_starts), ("profile", bench.profile)):
            if part in plan.only or part == "points" and plan.points():
                results[part] = work()
    finally:
        bench.upstream.stop()
    steal_after, total_after = steal_and_total()
    results["steal_share"] = (steal_after - steal) / max(total_after - total, 1)
    return results


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    env = os.environ
    parser.add_argument("--quick", action="store_true", default=env.get("BENCH_QUICK", "0") == "1")
    parser.add_argument("--reps", type=int, default=int(env.get("BENCH_REPS") or 0))
    parser.add_argument("--only", default=env.get("BENCH_ONLY") or ",".join(PARTS))
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "bench", "results.json"))
    args = parser.parse_args()
    args.only = args.only.split(",")
    for part in args.only:
        if part not in PARTS:
            parser.error("no such part: %s (%s)" % (part, ", ".join(PARTS)))
    return args


def main():
    args = arguments()
    if missing():
        sys.exit("bench: missing: %s (packaging/deps.sh bench; make)" % ", ".join(missing()))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    directory = tempfile.mkdtemp(prefix="sluice-bench-")
    os.chmod(directory, 0o755)  # nginx's worker may be another user
    start = time.monotonic()
    try:
        results = run(Plan(args.quick, args.reps, args.only), directory)
    except Failed as failure:
        sys.exit("bench: %s" % failure)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    results["seconds"] = time.monotonic() - start
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    sys.exit(0 if report.print_end(results, args.out) else 1)


if __name__ == "__main__":
    main()
