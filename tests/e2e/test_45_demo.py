"""The demo's comparison of models with a graph of models, against a gateway and simulated models."""

import contextlib
import importlib.util
import io
import os
import pty
import re
import signal
import subprocess
import sys
import unittest

from harness import ROOT, SLOW, program
from test_43_graph import GraphCase, panel

SCRIPT = os.path.join(ROOT, "packaging", "demo_compare.py")
SHOWN, COUNTED = 6, 20


def alone(model):
    return {"nodes": [{"id": "a", "model": model, "role": "assistant"}], "output": "a"}


class DemoCase(GraphCase):
    graphs = {
        "panel": panel("llama-8b", "gemma-9b", "qwen-7b", output="qwen-7b"),
        "small": alone("qwen-7b"),
        "large": alone("llama-70b"),
        "broken": panel("llama-8b", "gemma-9b", output="cut"),
        "failing": panel("llama-8b", "gemma-9b", output="silent"),
        "down": alone("down"),
        "mute": alone("silent"),
    }
    sim_options = ("--seed", "10")

    @classmethod
    def configure(cls, config):
        super().configure(config)
        for name in ("llama-8b", "gemma-9b", "qwen-7b", "llama-70b"):
            config.model(name, id=name + ":first=40,token=0,words=12", params=8e9, layers=32,
                         hidden=4096, price={"input": 1, "output": 2})
        config.model("cut", id="s08-cut:at=5", settings={"retries": 0})
        config.model("down", id="s04-503", settings={"retries": 0})
        config.model("silent", id="s06-silent")

    def command(self, graph="panel", names="small,large", **options):
        options = {"url": "http://127.0.0.1:%d/v1" % self.gateway.port, "config": self.gateway.config,
                   "log": self.gateway.log, "sluice": program("sluice"), "sim": program("sim"),
                   "graph": graph, "alone": names, "show": SHOWN, "count": COUNTED, "clients": 8,
                   **options}
        words = [["--" + name, str(value)] for name, value in options.items()]
        return [sys.executable, "-B", SCRIPT] + sum(words, [])

    def environment(self, **variables):
        clean = {n: v for n, v in os.environ.items() if n not in ("LC_ALL", "LC_CTYPE", "LANG", "TERM")}
        return {**clean, "PYTHONCOERCECLOCALE": "0", "LANG": "C.UTF-8", **variables}

    def compare(self, *arguments, locale="C.UTF-8", **options):
        """Exit status, lines of output and error output, without a terminal."""
        done = subprocess.run(self.command(*arguments, **options), capture_output=True, check=False,
                              env=self.environment(LANG=locale), timeout=60 * SLOW)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def on_terminal(self, term):
        """The output as a terminal gets it."""
        master, slave = pty.openpty()
        child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=slave,
                                 stderr=slave, env=self.environment(TERM=term))
        os.close(slave)
        out = b""
        try:
            while piece := os.read(master, 65536):
                out += piece
        except OSError:
            pass  # how the other end of a terminal is closed
        os.close(master)
        self.assertEqual(child.wait(60 * SLOW), 0, out)
        return out.decode()


class ComparisonTest(DemoCase):
    def test_what_is_shown_is_what_was_answered(self):
        self.sim.reset()
        status, out, errors = self.compare()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("4 nodes, 4 calls", out)
        self.assertIn("─▶ f fuse qwen-7b", out)
        rows = re.findall(r"^  .{46} +(\d+)  ([✓✗]) (\S+) +([✓✗]) (\S+)$", out, re.M)
        self.assertEqual(len(rows), SHOWN)
        for ideal, mark, value, graph_mark, graph_value in rows:
            self.assertEqual((mark == "✓", graph_mark == "✓"), (value == ideal, graph_value == ideal))
        for name, column, calls in (("qwen-7b", 1, 1), ("graph/panel", 3, 4)):
            right = sum(r[column] == "✓" for r in rows)
            self.assertRegex(out, r"\n  %s +%d of %d +%d +\d+\.\d\d s " % (
                name, right, SHOWN, calls * SHOWN))
        self.assertEqual(len(re.findall(r"^  \S+ +█* +\d+ %  +\d+ to \d+ ", out, re.M)), 3)
        # The stream and all the questions, of 4 calls each; those of the models alone.
        self.assertEqual(self.sim.stats()["requests"],
                         4 + (4 + 1) * (SHOWN + COUNTED) + COUNTED)

    def test_nobody_works_before_what_it_waits_for(self):
        _, out, _ = self.compare()
        calls = re.findall(r"^  (\S+) +[░█]+ +(\d\.\d\d) to (\d\.\d\d) s$", out, re.M)
        self.assertEqual(len(calls), 4)
        self.assertEqual([begin for _, begin, _ in calls[:3]], ["0.00"] * 3)
        self.assertEqual(calls[3][0], "qwen-7b")
        waited = max(float(end) for _, _, end in calls[:3])
        self.assertGreaterEqual(waited, 0.04)
        self.assertGreaterEqual(float(calls[3][1]), waited - 0.01, "but for rounding")

    def test_the_same_each_time(self):
        tables = [re.findall(r"[✓✗] \S+", self.compare()[1]) for _ in range(2)]
        self.assertEqual(len(tables[0]), 2 * SHOWN)
        self.assertEqual(*tables)

    def test_ascii_where_the_locale_is(self):
        status, out, _ = self.compare(locale="C")
        self.assertEqual(status, 0)
        self.assertTrue(out.isascii(), ascii(out))
        self.assertEqual(len(re.findall(r" [+x] \d+ +[+x] \d+$", out, re.M)), SHOWN)
        self.assertIn("> f fuse qwen-7b", out)

    def test_terminals(self):
        fancy, dumb = self.on_terminal("xterm"), self.on_terminal("dumb")
        self.assertIn("\033[1m== ", fancy)
        self.assertRegex(fancy, r"\r  █+░+ \d+ of 60 answered\r")
        for plain in (dumb, self.compare()[1]):
            self.assertNotIn("\033", plain)
            self.assertNotRegex(plain, r"\r[^\r\n]")
            self.assertRegex(plain, r"15 of 60 answered\r*\n")


class FailureTest(DemoCase):
    def assert_fails(self, pattern, *arguments, **options):
        status, out, errors = self.compare(*arguments, **options)
        self.assertEqual(status, 1, out)
        self.assertRegex(errors, r"\Ademo: .*%s.*\n\Z" % pattern)

    def test_what_cannot_be_shown_is_said_in_a_line(self):
        self.assert_fails("no graph named none", "none")
        self.assert_fails("no graph named none", names="small,none")
        self.assert_fails("refused", url="http://127.0.0.1:1/v1")
        self.assert_fails("503", names="down,large")
        self.assert_fails("the stream broke", "broken")
        self.assert_fails("sluice.*: .*missing.yaml", config="/missing.yaml")

    def test_interrupted(self):
        """While an answer is waited for that does not come: the streamed one, then one of many."""
        for arguments in (("failing",), ("panel", "mute,large")):
            # Of a shell's background job the signal is ignored, and that is inherited.
            child = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=self.environment(),
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            self.eventually(lambda: self.sim.stats("s06-silent")["in_flight"] > 0, "it waits")
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=10 * SLOW)
            self.assertEqual((child.returncode, errors), (130, b""))
            self.eventually(lambda: self.sim.stats("s06-silent")["in_flight"] == 0, "it is cancelled")


class PartsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        spec = importlib.util.spec_from_file_location("demo_compare", SCRIPT)
        cls.demo = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cls.demo)

    def test_wilson(self):
        for right, n, low, high in ((50, 100, 0.4038, 0.5962), (0, 10, 0, 0.2775), (81, 263, 0.2553, 0.3662)):
            got = self.demo.interval(right, n)
            self.assertAlmostEqual(got[0], low, 3)
            self.assertAlmostEqual(got[1], high, 3)

    def test_short(self):
        self.assertEqual(self.demo.short("A rope is cut. How long is\nit? Box it. [[sim:math:1]]"),
                         "How long is it?")
        self.assertEqual(self.demo.short("No question [[x]]"), "No question")
        self.assertEqual(len(self.demo.short("word " * 30 + "?")), self.demo.QUESTION)

    def test_a_stream_without_its_end(self):
        class Cut:
            url = "http://nowhere"

            def post(self, _):
                event = b'data: {"choices": [{"delta": {"content": "Half"}}]}\n'
                return io.BytesIO(), io.BytesIO(event)

        with contextlib.redirect_stdout(io.StringIO()) as out, self.assertRaises(self.demo.Failed):
            self.demo.show_stream(Cut(), None, "m", "?")
        self.assertIn("Half", out.getvalue())


if __name__ == "__main__":
    unittest.main()
