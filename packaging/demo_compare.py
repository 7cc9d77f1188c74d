#!/usr/bin/env python3
"""The part of the demo that compares: the same made-up questions asked of models alone and of a graph of
models, side by side. What is simulated is the models; the gateway is the real one.

    demo_compare.py --url http://127.0.0.1:8080/v1 --config sluice.yaml --log sluice.log
                    --sluice build/sluice --sim build/sim --graph panel --alone small,large

--graph and --alone name graphs of the configuration, the latter of one model each; the first of them is
the one that the table compares with. Calls, tokens, dollars and seconds are those of the gateway's log,
units those of `sluice check`.
"""

import argparse
import http.client
import json
import math
import os
import queue
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

BAR, QUESTION, WIDTH = 24, 46, 80  # columns
LOG_PATIENCE = 10  # seconds until a line that must come is missed


class Failed(Exception):
    """Said to the user in one line."""


def is_utf8():
    """As the gateway decides it: by the locale's name."""
    names = (os.environ.get(n) for n in ("LC_ALL", "LC_CTYPE", "LANG"))
    return re.search("utf-?8", next(filter(None, names), ""), re.I) is not None


UTF8 = is_utf8()
FANCY = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
FULL, LIGHT, RIGHT, WRONG, DOTS = "█░✓✗…" if UTF8 else ("#", ".", "+", "x", "...")


def say(text="", end="\n"):
    print(text, end=end, flush=True)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Failed("%s: %s" % (command[0], done.stderr.decode().strip()))
    return done.stdout.decode()


# ---- asking ----


class Answer:
    """What came back, of which the last \\boxed{} counts."""

    def __init__(self, request_id, text):
        self.id = request_id
        boxed = re.findall(r"\\boxed\{([^{}]*)\}", text)
        self.value = boxed[-1] if boxed else "none"


class Client:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.url = url + "/chat/completions"
        self.host, self.port, self.path = parts.hostname, parts.port, parts.path + "/chat/completions"

    def post(self, body):
        """The connection, to be closed, and the head of a good reply."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        connection.request("POST", self.path, json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise Failed("%s answered %d: %s" % (body["model"], reply.status, reply.read().decode()))
        return connection, reply

    def ask(self, model, item):
        # The seed makes the draws of the simulated models the same each time.
        seed = int(item["id"].rpartition("-")[2])
        connection, reply = self.post({"model": model, "seed": seed, "messages": item["input"]})
        text = json.load(reply)["choices"][0]["message"]["content"]
        connection.close()
        return Answer(reply.headers["x-request-id"], text)

    def ask_all(self, asked, clients):
        """Asks all (model, item), some at once, and yields ((model, item's id), answer) as they come."""
        waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
        for one in asked:
            waiting.put(one)

        def work():
            try:
                while True:
                    model, item = waiting.get_nowait()
                    done.put(((model, item["id"]), self.ask(model, item)))
            except queue.Empty:
                pass
            except (Failed, OSError, http.client.HTTPException, ValueError) as e:
                done.put((None, e))

        for _ in range(min(clients, len(asked))):
            threading.Thread(target=work, daemon=True).start()  # does not outlive a Ctrl-C
        for _ in asked:
            key, answer = done.get()
            if key is None:
                raise Failed(str(answer) or type(answer).__name__)
            yield key, answer


# ---- what the gateway says of it ----


class Log:
    """Lines of requests and of their calls, by the request's id."""

    LINE = re.compile(r"event=(request|call) id=(\S+) ")

    def __init__(self, path):
        self.file = open(path, encoding="utf-8", errors="replace")
        self.rest = ""
        self.requests, self.calls = {}, {}

    def read(self):
        lines = (self.rest + self.file.read()).split("\n")
        self.rest = lines.pop()
        for line in lines:
            found = self.LINE.search(line)
            if found:
                pairs = dict(p.split("=", 1) for p in line.split() if "=" in p)
                if found[1] == "call":
                    self.calls.setdefault(found[2], []).append(pairs)
                else:
                    self.requests[found[2]] = pairs

    def request(self, request_id):
        """Its line is written when the last byte has gone out, and so may come after that byte."""
        deadline = time.monotonic() + LOG_PATIENCE
        self.read()
        while request_id not in self.requests:
            if time.monotonic() > deadline:
                raise Failed("no line about %s in the log" % request_id)
            time.sleep(0.01)
            self.read()
        return self.requests[request_id]


class Contender:
    """A model alone, or a graph, and its answers."""

    def __init__(self, graph):
        self.units = graph["cost_units"]
        # A model that is drawn alone is the last word of its drawing.
        self.name = "graph/" + graph["name"] if graph["nodes"] > 1 else graph["drawing"].split()[-1]
        self.answers = {}

    def right(self, items):
        return [self.answers[i["id"]].value == i["ideal"] for i in items]

    def costs(self, items, log):
        """Sums over the items; the seconds are the median."""
        lines = [log.request(self.answers[i["id"]].id) for i in items]
        tokens = sum(int(l["prompt_tokens"]) + int(l["completion_tokens"]) for l in lines)
        return {"calls": sum(int(l["calls"]) for l in lines), "tokens": tokens,
                "usd": sum(float(l["usd"]) for l in lines),
                "seconds": statistics.median(float(l["total_ms"]) for l in lines) / 1000}


def interval(right, n, z=1.96):
    """Wilson's, of 95 %."""
    p, w = right / n, z * z / n
    middle, half = (p + w / 2) / (1 + w), z * math.sqrt(p * (1 - p) / n + w / n / 4) / (1 + w)
    return middle - half, middle + half


# ---- what is shown ----


def bar(full, light=0, before=0):
    return " " * before + LIGHT * light + FULL * full


def short(text):
    """The sentence that asks, within QUESTION columns."""
    text = " ".join(text.split("[[")[0].split())
    found = re.search(r"[^.?!:]*\?", text)
    text = found[0].strip() if found else text
    return text if len(text) <= QUESTION else text[: QUESTION - len(DOTS)] + DOTS


def show_table(items, one, graph, log):
    say("  %-*s %7s  %-10s %s" % (QUESTION, "question", "answer", one.name, graph.name))
    for item in items:
        cells = []
        for c in (one, graph):
            value = c.answers[item["id"]].value
            cells.append("%s %-8s" % (RIGHT if value == item["ideal"] else WRONG, value))
        say(("  %-*s %7s  %s %s" % (QUESTION, short(item["input"][0]["content"]), item["ideal"],
                                    *cells)).rstrip())
    say("\n  %-12s %8s %6s %14s %8s %10s %7s"
        % ("simulated", "right", "calls", "critical path", "tokens", "dollars", "units"))
    for c in (one, graph):
        k = c.costs(items, log)
        say("  %-12s %8s %6d %12.2f s %8d %10.6f %7.1f"
            % (c.name, "%d of %d" % (sum(c.right(items)), len(items)), k["calls"], k["seconds"],
               k["tokens"], k["usd"], c.units))
    say("  critical path: the median; units: FLOPs of a request, by `sluice check`")


def show_bars(items, contenders, log):
    say("  %-12s %-*s        %-9s %7s %8s %6s"
        % ("simulated", BAR, "accuracy", "interval", "seconds", "$ / 1000", "units"))
    for c in contenders:
        n, right, k = len(items), sum(c.right(items)), c.costs(items, log)
        low, high = interval(right, n)
        say("  %-12s %-*s %3.0f %%  %-9s %7.2f %8.3f %6.1f"
            % (c.name, BAR, bar(round(BAR * right / n)), 100 * right / n,
               "%.0f to %.0f" % (100 * low, 100 * high), k["seconds"], 1000 * k["usd"] / n, c.units))
    one, graph = contenders[:2]
    pairs = list(zip(one.right(items), graph.right(items)))
    say("  Right by one of the two alone: %s %d, %s %d."
        % (graph.name, pairs.count((False, True)), one.name, pairs.count((True, False))))


class Progress:
    """A bar on a terminal, a line for each quarter elsewhere."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()

    def step(self):
        self.done += 1
        if FANCY:
            full = BAR * self.done // self.total
            say("\r  %s%s %d of %d answered"
                % (FULL * full, LIGHT * (BAR - full), self.done, self.total), end="")
            if self.done == self.total:
                say("\r\033[K", end="")
        elif self.done * 4 // self.total > (self.done - 1) * 4 // self.total:
            say("  %d of %d answered" % (self.done, self.total))

    def seconds(self):
        return time.monotonic() - self.start


def show_stream(client, log, model, question):
    """The text as it comes, then who worked when."""
    body = {"model": model, "stream": True, "seed": 1,
            "messages": [{"role": "user", "content": question}]}
    say("curl -N %s -H 'content-type: application/json' -d '%s'\n" % (client.url, json.dumps(body)))
    start, column, first, is_done = time.monotonic(), 2, None, False
    connection, reply = client.post(body)
    say("  ", end="")
    for line in reply:
        line = line.decode().strip()
        if line == "data: [DONE]":
            is_done = True
        elif line.startswith("data: "):
            event = json.loads(line[6:])
            if "error" in event:
                raise Failed("the stream broke: " + event["error"]["message"])
            for choice in event["choices"]:
                piece = choice["delta"].get("content") or ""
                first = first or (time.monotonic() - start if piece else None)
                if column + len(piece) > WIDTH:
                    say("\n ", end="")
                    column = 2
                column += len(piece)
                say(piece, end="")
    connection.close()
    if not is_done:
        raise Failed("the stream broke")
    request_id = reply.headers["x-request-id"]
    say("\n\n  first token after %.2f s, the whole after %.2f s" % (first, time.monotonic() - start))
    total = float(log.request(request_id)["total_ms"])
    for call in sorted(log.calls.get(request_id, []), key=lambda c: int(c["node"])):
        show_call(call, total, len(log.calls[request_id]))


def show_call(call, total, count):
    """The output node is the last; what it waited for began with the request."""
    took, quiet = float(call["total_ms"]), float(call["first_content_ms"])
    begin = total - took if int(call["node"]) == count - 1 else 0.0
    before, silent, end = (round(2 * BAR * t / total) for t in (begin, begin + quiet, begin + took))
    say("  %-9s %-*s %5.2f to %.2f s" % (call["upstream_model"], 2 * BAR,
                                        bar(max(end - silent, 1), silent - before, before),
                                        begin / 1000, (begin + took) / 1000))


# ---- the parts in their order ----


def load_contenders(args):
    checked = json.loads(run(args.sluice, "check", "-c", args.config, "--json"))
    graphs = {g["name"]: g for g in checked["graphs"]}
    names = args.alone.split(",")
    for name in names:
        if name not in graphs:
            raise Failed("%s has no graph named %s" % (args.config, name))
    names.insert(1, args.graph)
    return [Contender(graphs[n]) for n in names]


def drawing(args):
    """The entry of the graph as `sluice check` prints it, in what the terminal can show."""
    found = re.search(r"^  graph/%s  .*\n((?:    .*\n)+)" % re.escape(args.graph),
                      run(args.sluice, "check", "-c", args.config), re.M)
    if not found:
        raise Failed("%s has no graph named %s" % (args.config, args.graph))
    lines = found[1].splitlines()
    return "\n".join(l[2:] for l in lines if not re.match(r" {4}(latency|models?) ", l))


def compare(args):
    client, log = Client(args.url), Log(args.log)
    drawn = drawing(args)  # first, because it names the faults of a bad configuration
    contenders = load_contenders(args)
    by_name = {c.name: c for c in contenders}
    one, graph = contenders[:2]
    text = run(args.sim, "--items", "math", "--seed", str(args.seed),
               "--count", str(args.show + args.count))
    items = [json.loads(line) for line in text.splitlines()]
    shown, counted = items[: args.show], items[args.show :]

    heading = "\033[1m== %s\033[0m" if FANCY else "== %s"
    say("\n" + heading % "A graph of models, as `sluice check` draws it")
    say(drawn)

    say("\n" + heading % "One answer of the graph, streamed (simulated)")
    show_stream(client, log, graph.name, args.question)

    say("\n" + heading % ("The same questions to %s alone and to %s" % (one.name, graph.name)))
    asked = [(c.name, i) for c in (one, graph) for i in shown]
    for (name, number), answer in client.ask_all(asked, args.clients):
        by_name[name].answers[number] = answer
    show_table(shown, one, graph, log)

    say("\n" + heading % ("%d further questions, intervals of 95 %%" % len(counted)))
    # Those that take the longest begin first.
    asked = [(c.name, i) for c in reversed(contenders) for i in counted]
    progress = Progress(len(asked))
    for (name, number), answer in client.ask_all(asked, args.clients):
        by_name[name].answers[number] = answer
        progress.step()
    took = progress.seconds()
    show_bars(counted, contenders, log)
    say("  %d answers in %.1f s." % (len(asked), took))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("url", "config", "log", "sluice", "sim", "graph", "alone"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--question", default="Explain step by step: what is 48 + 76?")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--show", type=int, default=8, help="questions in the table")
    parser.add_argument("--count", type=int, default=100, help="further questions, for the accuracy")
    parser.add_argument("--clients", type=int, default=100, help="questions asked at once")
    args = parser.parse_args()
    try:
        compare(args)
    except (Failed, OSError, http.client.HTTPException) as e:
        sys.stdout.flush()
        print("demo: %s" % (str(e) or type(e).__name__), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say()
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
