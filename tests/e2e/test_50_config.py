"""The command line and the configuration: every fault named by file, line, column, key and what was
expected; nothing is accepted and ignored."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import SLOW, program

GOOD = """\
listen: 127.0.0.1:0
upstreams:
  - name: local
    url: http://127.0.0.1:1/v1
models:
  - {name: one, upstream: local}
"""


class CommandCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sluice-e2e-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "sluice.yaml")

    def run_sluice(self, *arguments, env=None):
        done = subprocess.run([program("sluice"), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20 * SLOW, check=False,
                              env=dict(os.environ, **(env or {})))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def check(self, text, env=None):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)
        return self.run_sluice("check", "-c", self.path, env=env)


class CheckTest(CommandCase):
    def test_good(self):
        status, out, err = self.check(GOOD)
        self.assertEqual((status, err), (0, ""), out)
        self.assertIn("one", out)
        self.assertIn("local", out)

    def test_defaults_are_a_configuration(self):
        status, out, err = self.check(GOOD)
        self.assertEqual(status, 0, err)
        status, defaults, err = self.run_sluice("check", "--defaults")
        self.assertEqual(status, 0, err)
        for key in ("listen", "max_in_flight", "first_token", "stream_buffer", "heartbeat", "drain"):
            self.assertIn(key, defaults)

    # what stands in place of GOOD or after it, line:column, words
    FAULTS = [
        (GOOD + "listne: x\n", "7:1", ["listne"]),
        (GOOD + "drain: 30\n", "7:8", ["drain", "30s"]),
        (GOOD + "drain: ten seconds\n", "7:8", ["drain"]),
        (GOOD + "workers: -1\n", "7:10", ["workers"]),
        (GOOD + "workers: two\n", "7:10", ["workers"]),
        (GOOD + "limits: {body: 32MB!}\n", "7:16", ["limits.body"]),
        (GOOD + "limits: {boddy: 1MiB}\n", "7:10", ["boddy"]),
        (GOOD + "limits: 7\n", "7:9", ["limits"]),
        (GOOD + "listen: 127.0.0.1:1\n", "7:1", ["listen", "twice"]),
        (GOOD.replace("127.0.0.1:0", "127.0.0.1:99999"), "1:9", ["listen"]),
        (GOOD.replace("127.0.0.1:0", "nowhere"), "1:9", ["listen"]),
        (GOOD.replace("http://", "ftp://"), "4:10", ["upstreams[0].url", "http"]),
        (GOOD.replace("upstream: local", "upstream: lokal"), "6:27", ["models[0].upstream", "lokal"]),
        (GOOD.replace("{name: one, upstream: local}", "{name: one}"), "6:5", ["upstream"]),
        (GOOD + "  - {name: one, upstream: local}\n", "7:12", ["one"]),
        (GOOD.replace("local}", "local, fallback: two}"), "6:44", ["fallback", "two"]),
        (GOOD.replace("local}", "local, fallback: one}"), "6:44", ["fallback"]),
        (GOOD + "aliases: {a: nothing}\n", "7:14", ["nothing"]),
        (GOOD + "aliases: {a: b, b: one}\n", "7:14", ["alias"]),
        (GOOD + "aliases: {one: auto}\n", "7:11", ["one"]),
        (GOOD + "keys:\n  - {name: k, sha256: abc}\n", "8:23", ["keys[0].sha256", "64"]),
        (GOOD + "keys:\n  - {name: k, token_env: NOT_SET_ANYWHERE}\n", "8:26", ["NOT_SET_ANYWHERE"]),
        (GOOD + "tls: {cert: missing.pem, key: missing.pem}\n", "7:13", ["missing.pem"]),
        (GOOD + "tls: {cert: a.pem}\n", "7:6", ["key"]),
        (GOOD + "heartbeat: {first: 0s}\n", "7:20", ["heartbeat.first"]),
        (GOOD + "heartbeat: never\n", "7:12", ["heartbeat"]),
        (GOOD.replace("127.0.0.1:0", "0.0.0.0:0"), "1:9", ["keys"]),
        (GOOD + "cors: [\"app.example\"]\n", "7:8", ["cors"]),
        (GOOD + "compress: always\n", "7:11", ["compress", "streams"]),
        (GOOD + "tasks:\n  - {name: math, eval: math.jsonl}\n", "8:24",
         ["tasks[0].eval", "math.jsonl"]),
        (GOOD + "tasks:\n  - {name: math, grader: {type: boxed}}\n", "8:26",
         ["tasks[0].grader", "eval"]),
        (GOOD + "tasks:\n  - {name: math, keep: {texts: 1}}\n", "8:18",
         ["tasks[0].keep", "not in this version"]),
        (GOOD + "optimizer: {every: 24h}\n", "7:1", ["optimizer", "not in this version"]),
        (GOOD + "graphs: {panel: p.json}\n", "7:17", ["graphs.panel", "p.json"]),
        (GOOD + "cache: {responses: 16MiB}\n", "7:1", ["cache", "not in this version"]),
        (GOOD + "log: {level: loud}\n", "7:14", ["log.level", "debug"]),
        ("listen: [\n", "2:1", []),
        ("listen: 'open\n", "2:1", []),
        ("- a\n- b\n", "1:1", []),
        ("", "1:1", []),
        ("\tlisten: x\n", "1:1", []),
        ("a: &x 1\nb: *x\n", "1:4", ["anchors"]),
        ("listen: \x01\n", "", []),
    ]

    def test_faults_are_named_where_they_stand(self):
        for text, place, words in self.FAULTS:
            with self.subTest(text[-60:]):
                status, out, err = self.check(text)
                self.assertEqual(status, 1, out + err)
                message = err + out
                self.assertIn("%s:%s" % (self.path, place), message)
                for word in words:
                    self.assertIn(word, message)

    def test_several_faults_at_once(self):
        status, _, err = self.check(GOOD + "drain: x\nworkers: y\nlimits: {body: z}\n")
        self.assertEqual(status, 1)
        for place in (":7:8", ":8:10", ":9:16"):
            self.assertIn(place, err)

    def test_no_secret_is_printed(self):
        text = GOOD + "keys:\n  - {name: k, token_env: SECRET_KEY}\n"
        text = text.replace("/v1\n", "/v1\n    key_env: SECRET_UPSTREAM\n")
        env = {"SECRET_KEY": "do-not-print-1", "SECRET_UPSTREAM": "do-not-print-2"}
        status, out, err = self.check(text, env)
        self.assertEqual(status, 0, err)
        self.assertNotIn("do-not-print", out + err)

    def test_serve_refuses_the_same(self):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(GOOD + "drain: x\n")
        status, out, err = self.run_sluice("serve", "-c", self.path)
        self.assertEqual((status, out), (1, ""))
        self.assertIn(self.path + ":7:8", err)

    def test_json_is_yaml(self):
        status, _, err = self.check(json.dumps({
            "listen": "127.0.0.1:0", "upstreams": [{"name": "a", "url": "http://127.0.0.1:1/v1"}],
            "models": [{"name": "m", "upstream": "a"}]}))
        self.assertEqual(status, 0, err)

    def test_bombs_of_aliases_are_refused(self):
        lines = ["a0: &a0 [x, x]"]
        lines += ["a%d: &a%d [%s]" % (i, i, ", ".join(["*a%d" % (i - 1)] * 9)) for i in range(1, 30)]
        status, _, err = self.check("\n".join(lines) + "\n")
        self.assertEqual(status, 1)
        self.assertTrue(err)


class UsageTest(CommandCase):
    def test_wrong_use_is_2(self):
        for arguments in ((), ("nothing",), ("serve",), ("serve", "-x"), ("check", "-c"),
                          ("check", "-c", "a", "b")):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_sluice(*arguments)
                self.assertEqual(status, 2, out + err)
                self.assertTrue(err)

    def test_missing_file_is_1(self):
        status, _, err = self.run_sluice("check", "-c", self.path)
        self.assertEqual(status, 1)
        self.assertIn(self.path, err)

    def test_help_and_version(self):
        status, out, _ = self.run_sluice("--help")
        self.assertEqual(status, 0)
        self.assertIn("serve", out)
        status, out, _ = self.run_sluice("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\d+\.\d+")


if __name__ == "__main__":
    unittest.main()
