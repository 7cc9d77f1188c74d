"""`sluice eval`: a graph measured over items through real sockets agrees with the closed form of the simulated
models; what the graph brings on itself is wrong, what an upstream breaks is run again or dropped, and what
is printed is what was asked for. All answers are those of simulated models or of the scripted upstream here."""

import http.server
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from harness import SLOW, Config, Sim, eventually, program

FIRST, COUNT = 5_000_000, 500
PANEL = {
    "nodes": [{"id": "a", "model": "llama-3b", "role": "assistant"},
              {"id": "b", "model": "qwen-3b", "role": "assistant"},
              {"id": "c", "model": "gemma-9b", "role": "assistant"},
              {"id": "f", "model": "qwen-7b", "role": "fuser", "fuse": "llm"}],
    "edges": [["a", "f"], ["b", "f"], ["c", "f"]],
    "output": "f",
}


class Scripted(http.server.ThreadingHTTPServer):
    """An upstream whose model always says \\boxed{5}, and whose manners are a word of the question:

    late    the answer takes longer than the task's deadline
    busy    429 to the first request, reset  a reset in the midst of its answer instead
    down    503 to all
    key     401 to all
    cut     finish_reason length
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen = {}
        self.let_go = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/v1" % self.server_address[1]

    def visit(self, question):
        """How often it has been asked."""
        with self.lock:
            self.seen[question] = self.seen.get(question, 0) + 1
            return self.seen[question]

    def handle_error(self, request, client_address):
        pass  # the gateway leaves late answers

    def stop(self):
        self.let_go.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        times = self.server.visit(question)
        word = question.split()[0]
        if word == "late":
            self.server.let_go.wait(30)
        elif word == "reset" and times == 1:
            self.break_off()
            return
        elif (word == "busy" and times == 1) or word in ("down", "key"):
            self.refuse({"busy": 429, "down": 503, "key": 401}[word])
            return
        self.answer("length" if word == "cut" else "stop")

    def break_off(self):
        """A part of the answer, then a RST."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'data: {"choices": [{"index": 0, "delta": {"content": "4"}}]}\n\n')
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def refuse(self, status):
        text = json.dumps({"error": {"message": "no", "type": "x", "param": None, "code": None}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answer(self, finish):
        events = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "\\boxed{5}"},
                          "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}},
        ]
        for e in events:
            e.update(id="x", object="chat.completion.chunk", created=1, model="m")
        text = "".join("data: %s\n\n" % json.dumps(e) for e in events) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class EvalCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sluice-eval-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        return self.path(name)

    def command(self, *options):
        return [program("sluice"), "eval", "-c", self.path("sluice.json"), *options]

    def run_eval(self, *options, status=0):
        done = subprocess.run(self.command(*options), capture_output=True, timeout=120 * SLOW)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done

    def measure(self, *options, status=0):
        done = self.run_eval("--task", "math", "--json", *options, status=status)
        self.errors = done.stderr.decode()
        return json.loads(done.stdout)


class LawTest(EvalCase):
    """The models are the simulator's."""

    def setUp(self):
        super().setUp()
        self.sim = Sim(self.directory, "--seed", "7")
        self.addCleanup(self.sim.kill)
        config = Config(self.sim.url, self.directory)
        for m in ("llama-3b", "qwen-3b", "gemma-9b", "qwen-7b"):
            config.model(m, id=m + ":first=0,token=0,words=6", params=3e9, layers=28, hidden=3072,
                         price={"input": 1, "output": 2})
        config.doc["tasks"] = [{"name": "math", "eval": self.path("math.jsonl"), "grader": {"type": "boxed"},
                                "data": [u["name"] for u in config.doc["upstreams"]]}]
        self.write("sluice.json", config.doc)
        self.graph = self.write("panel.graph.json", PANEL)
        subprocess.run([program("sim"), "--items", "math", "--seed", str(FIRST // 1_000_000), "--count",
                        str(COUNT), "--out", self.path("math.jsonl")], check=True)

    def test_the_accuracy_is_the_law_s(self):
        law = json.loads(subprocess.run(
            [program("sim"), "--expect", self.graph, "--task", "math", "--first", str(FIRST), "--count",
             str(COUNT), "--seed", "7"], check=True, capture_output=True).stdout)
        found = self.measure("--graph", self.graph, "--concurrency", "8")
        a = found["all"]
        self.assertEqual(found["ending"], "complete")
        self.assertEqual(a["answers"], COUNT)
        self.assertLess(a["low"], law["accuracy"])
        self.assertGreater(a["high"], law["accuracy"])
        self.assertLess(abs(a["accuracy"] - law["accuracy"]), 3.9 * law["sd"])
        self.assertEqual(a["calls"], 4 * COUNT)
        self.assertAlmostEqual(
            a["usd"], (a["prompt_tokens"] + 2 * a["completion_tokens"]) / 1e6 / COUNT, 12)
        self.assertGreater(a["units"], 0)
        self.assertLessEqual(a["latency_p50_s"], a["latency_p95_s"])
        self.assertEqual(a["verdicts"]["right"], round(a["accuracy"] * COUNT))
        splits = found["splits"]
        self.assertEqual(sum(s["items"] for s in splits.values()), COUNT)
        for name, share in (("search", 0.6), ("gate", 0.3), ("audit", 0.1)):
            self.assertLess(abs(splits[name]["items"] / COUNT - share), 0.09, name)

    def test_it_is_the_same_again_and_another_with_another_seed(self):
        def shown(*options):
            found = self.measure("--graph", self.graph, "--limit", "60", *options)
            return found["all"]["verdicts"], found["all"]["completion_tokens"]

        self.assertEqual(shown(), shown("--concurrency", "16"))
        self.assertNotEqual(shown(), shown("--seed", "3"))

    def test_a_split_a_limit_and_the_champion(self):
        found = self.measure("--champion", "--split", "gate", "--limit", "20")
        self.assertEqual(found["all"]["items"], 20)
        self.assertEqual(found["splits"]["gate"]["items"], 20)
        self.assertEqual(found["graph_name"], "llama-3b")

    def test_splits_are_the_installation_s(self):
        def sizes():
            splits = self.measure("--champion")["splits"]
            return {name: s["items"] for name, s in splits.items()}

        without = sizes()
        with open(self.path("sluice.json"), encoding="utf-8") as f:
            doc = json.load(f)
        os.mkdir(self.path("data"))
        with open(self.write("data/key", "an installation's key, 32 bytes."), encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
        self.write("sluice.json", dict(doc, data=self.path("data")))
        found = sizes()
        self.assertEqual(found, sizes())
        self.assertNotEqual(found, without)

    def test_the_report_for_a_person(self):
        done = self.run_eval("--task", "math", "--graph", self.graph, "--limit", "50")
        text = done.stdout.decode()
        self.assertRegex(text, r"^math: .*panel\.graph\.json \([0-9a-f]{16}\), 50 of 50 items")
        for word in ("accuracy", "search", "cost", "units of flops", "dollars", "tokens", "latency", "wrong"):
            self.assertIn(word, text)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[-1], r"^50 of 50 items, accuracy 0\.\d+")

    def test_a_terminal_has_a_bar(self):
        master, slave = os.openpty()
        done = subprocess.run(self.command("--task", "math", "--graph", self.graph, "--json"), stderr=slave,
                              stdout=subprocess.PIPE, timeout=60 * SLOW)
        os.close(slave)
        shown = os.read(master, 65536).decode()
        os.close(master)
        self.assertEqual(json.loads(done.stdout)["all"]["items"], COUNT)
        self.assertRegex(shown, r"\r\x1b\[K\[#+\.*\] \d+ of 500  accuracy [01]\.\d+ .* left")
        self.assertTrue(shown.endswith("\r\x1b[K"), "the line is left empty")

    def test_check_shows_it(self):
        done = subprocess.run([program("sluice"), "check", "-c", self.path("sluice.json"), "--json"],
                              check=True, capture_output=True)
        task = [t for t in json.loads(done.stdout)["tasks"] if t["name"] == "math"][0]
        self.assertEqual(task["eval"], self.path("math.jsonl"))
        self.assertEqual(task["grader"], "type boxed")

    def test_wrong_use(self):
        for options in (("--task", "math"), ("--champion",), ("--task", "none", "--champion"),
                        ("--task", "math", "--champion", "--graph", self.graph),
                        ("--task", "math", "--champion", "--split", "best"),
                        ("--task", "math", "--champion", "--limit", "0"), ("--nonsense",)):
            done = self.run_eval(*options, status=2)
            self.assertEqual(done.stdout, b"")
            self.assertTrue(done.stderr)
        self.assertIn(b"no-such.json",
                      self.run_eval("--task", "math", "--graph", "no-such.json", status=1).stderr)
        self.assertIn(b"`eval`", self.run_eval("--task", "default", "--champion", status=1).stderr)


class ManneredTest(EvalCase):
    """The upstream is the scripted one."""

    def setUp(self):
        super().setUp()
        self.upstream = Scripted()
        self.addCleanup(self.upstream.stop)

    def configure(self, questions, deadline="20s", **task):
        config = Config(self.upstream.url, self.directory)
        config.model("one", settings={"retries": 0})
        config.model("two", settings={"retries": 0})
        self.config = config
        config.doc["tasks"] = [dict({"name": "math", "eval": self.path("math.jsonl"), "deadline": deadline,
                                     "grader": {"type": "boxed"}, "graph": self.graph("one")}, **task)]
        self.write("sluice.json", config.doc)
        self.write("math.jsonl", "".join(
            json.dumps({"input": "%s %d" % (q, i), "ideal": "5"}) + "\n" for i, q in enumerate(questions)))

    def graph(self, model):
        return self.write(model + ".graph.json",
                          {"nodes": [{"id": "a", "model": model, "role": "assistant"}], "output": "a"})

    def test_what_is_late_on_hard_items_is_wrong(self):
        """Of 40 items all would be right, had there been time: 10 are answered in time."""
        self.configure(["easy"] * 10 + ["late"] * 30, deadline="1s" if SLOW == 1 else "4s")
        a = self.measure("--champion", "--concurrency", "40")["all"]
        self.assertEqual(a["answers"], 40)
        self.assertEqual(a["verdicts"]["right"], 10)
        self.assertEqual(a["verdicts"]["deadline"], 30)
        self.assertEqual(a["accuracy"], 0.25)

    def test_a_cut_answer_is_wrong(self):
        self.configure(["easy", "cut"])
        self.assertEqual(self.measure("--champion")["all"]["verdicts"]["length"], 1)

    def test_what_an_upstream_breaks_once_is_run_again(self):
        self.configure(["easy"] * 10 + ["busy"] * 2 + ["reset"] * 2)
        a = self.measure("--champion", "--concurrency", "4")["all"]
        self.assertEqual(a["verdicts"]["right"], 14)
        self.assertEqual(a["repeats"], 4)
        self.assertEqual(self.upstream.seen["busy 10"], 2)
        self.assertEqual(self.upstream.seen["reset 12"], 2)

    def test_two_in_a_hundred_may_be_dropped_and_no_more(self):
        self.configure(["key"] * 2 + ["easy"] * 98)
        a = self.measure("--champion")["all"]
        self.assertEqual((a["items"], a["answers"], a["verdicts"]["dropped"]), (100, 98, 2))
        self.assertEqual(a["accuracy"], 1)
        self.configure(["key"] * 3 + ["easy"] * 97)
        found = self.measure("--champion", status=1)
        self.assertEqual(found["ending"], "too_many_dropped")
        self.assertLess(found["all"]["items"], 100)
        self.assertIn("2 %", self.errors)
        self.assertIn("status 401", self.errors)

    def test_an_upstream_that_stays_down_is_given_up(self):
        self.configure(["down"])
        found = self.measure("--champion", status=1)
        self.assertEqual(found["ending"], "too_many_dropped")
        self.assertEqual(found["all"]["repeats"], 5)
        self.assertEqual(found["all"]["accuracy"], None)

    def test_bad_lines_are_reported_with_their_number(self):
        self.configure(["easy"] * 3)
        with open(self.path("math.jsonl"), "a", encoding="utf-8") as f:
            f.write('{"input": "easy 3"\n{"input": "easy 4", "ideal": "5"}\n{"ideal": "5"}\n')
        found = self.measure("--champion")
        self.assertEqual(found["all"]["items"], 4)
        self.assertEqual(found["bad_lines"], 2)
        self.assertIn("math.jsonl:4: ", self.errors)
        self.assertIn("math.jsonl:6: ", self.errors)
        self.assertNotIn("math.jsonl:5: ", self.errors)

    def test_items_that_measure_nothing_are_named(self):
        self.configure(["easy"] * 2, grader={"type": "numeric"})
        self.write("math.jsonl", json.dumps({"input": "easy 0", "ideal": "5"}) + "\n" +
                   json.dumps({"input": "easy 1", "ideal": "five"}) + "\n")
        found = self.measure("--champion")
        self.assertEqual(found["all"]["answers"], 1)
        self.assertEqual(found["all"]["verdicts"]["unfit"], 1)
        self.assertRegex(self.errors, r"math\.jsonl:2: this item measures nothing: \w+")
        self.assertRegex(found["grader_version"], r"^[0-9a-f]{16}$")

    def test_texts_do_not_leave_the_task_s_data(self):
        self.configure(["easy"], data=["up-0"])
        done = self.run_eval("--task", "math", "--graph", self.graph("two"), status=1)
        self.assertIn(b"up-1", done.stderr)
        self.assertIn(b"`data`", done.stderr)
        self.assertEqual(self.upstream.seen, {})

    def test_ctrl_c_keeps_what_was_done(self):
        self.configure(["easy"] * 6 + ["late"] * 4)
        child = subprocess.Popen(self.command("--task", "math", "--champion", "--json"),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(child.kill)
        # Two at once: when two late ones are being waited for, the easy ones have been answered.
        eventually(lambda: sum(q.startswith("late") for q in self.upstream.seen) == 2, "late ones are asked")
        time.sleep(0.2 * SLOW)  # the last easy answer is on its way through a pipe at most
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=20 * SLOW)
        found = json.loads(out)
        self.assertEqual(child.returncode, 1, errors)
        self.assertEqual(found["ending"], "interrupted")
        self.assertEqual(found["all"]["verdicts"]["right"], 6)
        self.assertEqual(found["all"]["items"], 6)
        self.assertIn(b"interrupted after 6 of 10", errors)


if __name__ == "__main__":
    unittest.main()
