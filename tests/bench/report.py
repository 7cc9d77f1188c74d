"""Prints what was measured, and what it means for the targets that the project has set itself."""

KIB = 1024


def number(value, digits=1):
    return "-" if value is None else "{:,.{}f}".format(value, digits)


def median(spread, digits=1, scale=1.0):
    return "-" if spread is None else number(spread["median"] * scale, digits)


def with_range(spread, digits=1, scale=1.0):
    if spread is None:
        return "-"
    low, high = number(spread["min"] * scale, digits), number(spread["max"] * scale, digits)
    return "%s (%s-%s)" % (median(spread, digits, scale), low, high)


def table(head, rows):
    """Aligned columns, the first to the left."""
    rows = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())
    print(flush=True)


def print_head(results):
    machine = results["machine"]
    print("Against a simulated upstream on loopback. Proxies have CPU %d, load and upstream CPU %d."
          % (machine["proxy_cpu"], machine["other_cpu"]))
    print("%s, %d CPUs, Linux %s, load average %.1f at the start"
          % (machine["cpu"], machine["cpus"], machine["kernel"], machine["load_average"]))
    print(", ".join("%s %s" % item for item in results["versions"].items()))
    print("Medians of %d interleaved repetitions (min-max)%s. × nginx: median of the ratios within a"
          " turn.\n" % (results["repetitions"], "; quick, so rough" if results["quick"] else ""))


def print_point(result):
    per = result["unit"]
    is_stream = per == "event"
    print("%s, %d connection%s" % (
        {"json": "JSON", "burst": "SSE burst", "paced": "SSE paced (an event each 10 ms)"}[result["kind"]],
        result["connections"], "" if result["connections"] == 1 else "s"))
    head = ["", per + "s/s", "× nginx", "CPU us/" + per, "× nginx", "user", "busy", "others busy"]
    head += (["first content p50 us", "p99", "event delay p50 us", "p99", "reads/event"] if is_stream
             else ["p50 us", "p99 us"])
    rows = []
    for name, t in result["targets"].items():
        row = [name, with_range(t["rate"], 0), median(t["rate_ratio"], 2),
               with_range(t["cpu_us"], 1), with_range(t["cpu_us_ratio"], 2),
               median(t["user_share"], 0, 100) + " %", median(t["proxy_busy"], 0, 100) + " %",
               median(t["others_busy"], 0, 100) + " %"]
        if is_stream:
            row += [median(t["first_p50_us"], 0), median(t["first_p99_us"], 0),
                    median(t["delay_p50_us"], 0), median(t["delay_p99_us"], 0),
                    median(t["reads_per_unit"], 2)]
        else:
            row += [median(t["latency_p50_us"], 0), median(t["latency_p99_us"], 0)]
        if t["errors"]:
            row[0] += " (%d ERRORS: %s)" % (t["errors"], t["why"])
        rows.append(row)
    table(head, rows)


GRAPH_KINDS = {
    "single": "one call, streamed", "graph": "graph, streamed", "graph-json": "graph, JSON",
    "refused": "no call, refused",
}


def print_graph(found):
    """`found`: graph.measure()"""
    for at in found["cpu"]:
        print("Graph of 3 assistants and an llm fuser, %d connection%s, medians of %d" % (
            at["connections"], "" if at["connections"] == 1 else "s", found["repetitions"]))
        rows = []
        for kind, k in at["kinds"].items():
            over = at["beyond"].get(kind)
            rows.append([GRAPH_KINDS[kind], with_range(k["cpu_us"], 1), median(k["calls"], 2),
                         median(k["latency_p50_us"], 0)]
                        + ([with_range(over["requests"], 0), with_range(over["calls"], 0)]
                           if over else ["", ""]))
        table(["", "CPU us/request", "calls", "p50 us", "us beyond 4 requests", "us beyond 4 calls"],
              rows)
    print("Latency of such a graph, in ms; the critical path is as the upstream served it")
    rows = [[name] + [with_range(found["latency"][kind][key], 2, 1e-3)
                      for key in ("client_us", "path_us", "added_us")]
            for kind, name in (("steps", "streamed"), ("steps-json", "JSON"))]
    table(["", "client", "critical path", "added"], rows)


def print_memory(found):
    streams = next(iter(found.values()))["streams"]
    print("Memory in KiB: idle after one stream; more for each of %d open streams, and when they are"
          " opened once more;\na second after all are closed. Private is RssAnon" % streams)

    def both(sizes, digits):
        return [number(sizes[key] / KIB, digits) for key in ("private", "rss")]

    rows = [
        [name] + both(m["idle"], 0) + both(m["per_stream"], 1) + both(m["per_stream_again"], 1)
        + both(m["after"], 0)
        for name, m in found.items()
    ]
    table(["", "idle private", "RSS", "stream private", "RSS", "again private", "RSS",
           "after private", "RSS"], rows)


def print_starts(found):
    print("Cold start in ms, from before the process is made to the first 200 from /healthz")
    table(["", "median (min-max)"], [[name, with_range(s, 1)] for name, s in found.items()])


def print_shares(title, rows, per):
    print("  %s" % title)
    for name, cost, share in rows:
        print("    %5.1f %%  %10s  %s" % (share * 100, number(cost, 0), name))
    print()


def print_profile(instructions, calls):
    for point, s in (instructions or {}).items():
        per = s["unit"]
        print("Where Sluice's CPU goes, %s: %s instructions in user space and %s allocations per %s"
              " (callgrind; the kernel is not in it)"
              % (point, number(s["instructions"], 0), number(s["allocations"], 2), per))
        print_shares("by library", s["libraries"], per)
        print_shares("our files, own cost", s["files"], per)
        print_shares("functions, own cost", s["functions"], per)
        print_shares("our functions with what they call", s["inclusive"], per)
    for name, points in calls.items():
        for point, counts in (points or {}).items():
            print("Syscalls of %s, %s: %.2f each (strace): %s" % (
                name, point, sum(counts.values()),
                ", ".join("%s %.2f" % item for item in counts.items())))
    print(flush=True)


# ---- the targets ----


def worst_ratio(results, kinds):
    """The highest median ratio of CPU time over the points of these kinds, and where."""
    found = []
    for point in results.get("points", []):
        ratio = point["targets"]["sluice"]["cpu_us_ratio"]
        if point["kind"] in kinds and ratio:
            found.append((ratio["median"], "%s-%d" % (point["kind"], point["connections"])))
    return max(found, default=None)


def goals(results):
    """(what, limit, unit, value or None, where)"""
    request = worst_ratio(results, ("json",))
    event = worst_ratio(results, ("burst", "paced"))
    memory = results.get("memory", {}).get("sluice")
    start = results.get("start", {}).get("sluice")
    graph = results.get("graph")
    overhead = graph and max(
        (spreads["calls"]["median"], "%s, %d connections" % (kind, at["connections"]))
        for at in graph["cpu"] for kind, spreads in at["beyond"].items())
    added = graph and max((t["added_us"]["median"], kind) for kind, t in graph["latency"].items())
    return [
        ("CPU per request", 4, "× nginx", request and request[0], request and request[1]),
        ("CPU per event", 2, "× nginx", event and event[0], event and event[1]),
        ("graph's CPU beyond its calls", 150, "us", overhead and overhead[0],
         overhead and overhead[1]),
        ("graph's latency beyond its path", 3, "ms", added and added[0] * 1e-3, added and added[1]),
        ("private memory idle", 4, "MiB", memory and memory["idle"]["private"] / KIB / KIB, None),
        ("private memory per stream", 24, "KiB", memory and max(
            memory[key]["private"] for key in ("per_stream", "per_stream_again")) / KIB, None),
        ("cold start", 50, "ms", start and start["median"], None),
    ]


def print_end(results, path):
    """The verdict; False when answers were wrong."""
    print("Targets (the worst point counts)")
    rows = []
    for what, limit, unit, value, where in goals(results):
        if value is not None:
            verdict = "within" if value <= limit else "MISSED"
            rows.append([what, number(value, 2), "%s %s" % (limit, unit), verdict, where or ""])
    table(["", "measured", "at most", "", "worst at"], rows)
    errors = sum(
        t["errors"] for point in results.get("points", []) for t in point["targets"].values())
    print("%.0f s, %.1f %% stolen by the hypervisor, %d wrong answers, details in %s"
          % (results["seconds"], results["steal_share"] * 100, errors, path))
    return errors == 0
