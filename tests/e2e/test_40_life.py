"""The life of the process: start, reload, drain, end."""

import os
import signal
import socket
import subprocess
import time
import unittest

from harness import SLOW, Connection, Gateway, GatewayCase, chat, eventually, program, text_of


def words(canonical, count):
    return " ".join(canonical.split()[:count])


class ReloadTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("paced", id="fast:first=20,token=25,tokens=60")

    def reloads(self, result="ok"):
        return self.gateway.metrics()['sluice_reloads_total{result="%s"}' % result]

    def reload(self, document):
        before = self.reloads()
        self.gateway.write_config(document)
        self.gateway.signal(signal.SIGHUP)
        self.eventually(lambda: self.reloads() == before + 1, "the reload is done")

    def test_twenty_times_under_streams(self):
        streams = self.open_streams(50, "paced")
        for s in streams:
            s.content()
        for i in range(20):
            document = dict(self.config.doc)
            document["models"] = document["models"] + [
                {"name": "new-%d" % i, "upstream": document["models"][0]["upstream"], "id": "fast"}]
            self.reload(document)
            self.assertEqual(self.chat("new-%d" % i).status, 200)
            if i:
                self.assertEqual(self.chat("new-%d" % (i - 1)).status, 404)
        for s in streams:
            s.read()
            self.assert_whole_stream(s)
        self.reload(self.config.doc)

    def test_bad_file_changes_nothing(self):
        failed = self.reloads("failed")
        self.gateway.write_config("models: [\n")
        self.gateway.signal(signal.SIGHUP)
        self.eventually(lambda: self.reloads("failed") == failed + 1, "it failed")
        self.assertEqual(self.chat().status, 200)
        self.assertRegex(self.gateway.output(), r"sluice\.yaml:\d+:\d+")
        self.gateway.write_config(self.config.doc)

    def test_by_admin(self):
        r = self.gateway.admin_call("POST", "/admin/reload")
        self.assertEqual(r.status, 200, r.body)
        self.gateway.write_config({"listen": "127.0.0.1:0"})
        r = self.gateway.admin_call("POST", "/admin/reload")
        self.assertEqual(r.status, 422, r.body)
        self.assertIn("upstreams", r.text)
        self.gateway.write_config(self.config.doc)
        self.assertEqual(self.chat().status, 200)

    def test_keys_and_limits_change(self):
        document = dict(self.config.doc, keys=[{"name": "a", "token_env": "NEW_KEY"}])
        self.reload(document)
        self.assertEqual(self.chat().status, 401)
        self.assertEqual(self.chat(headers=[("Authorization", "Bearer new")]).status, 200)
        self.reload(self.config.doc)
        self.assertEqual(self.chat().status, 200)

    env = {"NEW_KEY": "new"}

    def test_removed_upstream_finishes_its_streams(self):
        stream = self.open_stream("paced")
        stream.content()
        document = dict(self.config.doc)
        document["models"] = document["models"][:1]
        document["upstreams"] = document["upstreams"][:1]
        self.reload(document)
        self.assertEqual(self.chat("paced").status, 404)
        stream.read()
        self.assert_whole_stream(stream)
        self.reload(self.config.doc)

    def test_keep_alive_connections_see_the_new_one(self):
        with self.connect() as c:
            self.assert_alive(c)
            document = dict(self.config.doc, aliases={"other": "fast"})
            self.reload(document)
            self.assertEqual(c.call("POST", "/v1/chat/completions", chat("other")).status, 200)
            self.reload(self.config.doc)
            self.assertEqual(c.call("POST", "/v1/chat/completions", chat("other")).status, 404)


class EndCase(GatewayCase):
    """Each test ends its own gateway."""

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("paced", id="fast:first=20,token=25,tokens=60")
        config.model("slow", id="fast:first=20,token=200,tokens=60")
        config.model("silent", id="fast:first=30000")

    def setUp(self):
        # The class's gateway serves the first test; the others get their own.
        if not self.gateway.is_running():
            type(self).gateway = Gateway(self.directory, self.config.doc)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.sim.stop()


class ShutdownTest(EndCase):
    def test_drains_two_hundred_streams(self):
        streams = self.open_streams(200, "paced")
        for s in streams:
            s.content()
        self.gateway.signal(signal.SIGTERM)
        for s in streams:
            s.read()
            self.assert_whole_stream(s)
        self.assertEqual(self.gateway.stop(), 0)

    def test_accepts_nobody_meanwhile_and_says_so(self):
        stream = self.open_stream("paced")
        stream.content()
        with self.connect() as idle:
            self.assert_alive(idle)
            self.gateway.signal(signal.SIGTERM)
            self.assertTrue(idle.is_closed_by_peer(), "an idle connection is closed")

        def is_refused():
            try:
                self.connect().close()
                return False
            except OSError:
                return True

        self.eventually(is_refused, "new connections are refused")
        r = self.gateway.admin_call("GET", "/readyz")
        self.assertEqual(r.status, 503)
        self.assertEqual(self.gateway.admin_call("GET", "/healthz").status, 200)
        stream.read()
        self.assert_whole_stream(stream)
        self.assertEqual(self.gateway.stop(), 0)

    def test_request_under_way_gets_its_answer_and_a_close(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", chat("paced"))
            name = "fast:first=20,token=25,tokens=60"
            self.eventually(lambda: self.sim.stats(name)["in_flight"] == 1, "asked")
            self.gateway.signal(signal.SIGTERM)
            r = c.response()
            self.assertEqual(r.status, 200)
            self.assertTrue(c.is_closed_by_peer())
        self.assertEqual(self.gateway.stop(), 0)

    def test_at_once_when_idle(self):
        start = time.monotonic()
        self.gateway.signal(signal.SIGTERM)
        self.assertEqual(self.gateway.stop(), 0)
        self.assertLess(time.monotonic() - start, 2 * SLOW)

    def test_sigint_too(self):
        self.gateway.signal(signal.SIGINT)
        self.assertEqual(self.gateway.wait(), 0)

    def test_socket_file_is_removed(self):
        self.gateway.stop()
        self.assertFalse(os.path.exists(self.gateway.admin))


class DrainRunsOutTest(EndCase):
    @classmethod
    def configure(cls, config):
        super().configure(config)
        config.doc["drain"] = "500ms"

    def test_rest_gets_an_error(self):
        stream = self.open_stream("slow")
        stream.content()
        with self.connect() as waiting:
            waiting.request("POST", "/v1/chat/completions", chat("silent"))
            self.eventually(lambda: self.sim.stats("fast:first=30000")["in_flight"] == 1, "asked")
            start = time.monotonic()
            self.gateway.signal(signal.SIGTERM)
            stream.read()
            error = self.assert_failed_stream(stream)
            self.assertEqual(error["code"], "shutting_down")
            self.assert_error(waiting.response(), 503)
        self.assertEqual(self.gateway.stop(), 0)
        self.assertGreater(time.monotonic() - start, 0.45)
        self.assertLess(time.monotonic() - start, 0.5 + 4 * SLOW)
        self.eventually(lambda: self.sim.stats("fast:first=30000")["in_flight"] == 0, "cancelled")


class StartTest(GatewayCase):
    def test_port_in_use(self):
        taken = dict(self.config.doc, listen="127.0.0.1:%d" % self.gateway.port,
                     admin="unix:" + os.path.join(self.directory, "other.sock"))
        path = os.path.join(self.directory, "taken.yaml")
        self.gateway_fails(path, taken, "127.0.0.1:%d" % self.gateway.port, "in use")

    def test_admin_socket_in_use(self):
        taken = dict(self.config.doc)
        path = os.path.join(self.directory, "taken.yaml")
        self.gateway_fails(path, taken, "admin.sock")
        self.assertEqual(self.gateway.admin_call("GET", "/healthz").status, 200, "the first one lives on")

    def gateway_fails(self, path, document, *wanted):
        import json

        with open(path, "w", encoding="utf-8") as f:
            json.dump(document, f)
        done = subprocess.run([program("sluice"), "serve", "-c", path], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20 * SLOW, check=False)
        self.assertEqual(done.returncode, 1)
        for word in wanted:
            self.assertIn(word, done.stderr.decode())

    def test_stale_socket_is_replaced(self):
        path = os.path.join(self.directory, "stale.sock")
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.close()
        directory = os.path.join(self.directory, "second")
        os.mkdir(directory)
        document = dict(self.config.doc, admin="unix:" + path)
        second = Gateway(directory, document)
        try:
            with Connection(path) as c:
                self.assertEqual(c.call("GET", "/healthz").status, 200)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        finally:
            second.stop()

    def test_cold_start(self):
        directory = os.path.join(self.directory, "cold")
        os.mkdir(directory)
        best = 99.0
        for i in range(3):
            document = dict(self.config.doc, admin="unix:%s/%d.sock" % (directory, i))
            start = time.monotonic()
            gateway = Gateway(directory, document, wait=False)
            eventually(lambda: "listening address" in gateway.output(), "it listens", every=0.001)
            best = min(best, time.monotonic() - start)
            gateway.stop()
            os.remove(gateway.log)
        self.assertLess(best, 0.25 * SLOW)

    def test_answers_are_the_same_after_a_restart(self):
        self.assertEqual(text_of(self.streamed().events), self.canonical)


class DataTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        cls.data = os.path.join(cls.directory, "data")
        os.mkdir(cls.data)
        config.doc["data"] = cls.data

    def test_installation_key(self):
        path = os.path.join(self.data, "key")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            key = f.read()
        self.assertEqual(len(key), 32)
        self.gateway.stop()
        type(self).gateway = Gateway(self.directory, self.config.doc)
        type(self).descriptors_at_start = self.gateway.descriptors()
        with open(path, "rb") as f:
            self.assertEqual(f.read(), key)
        self.assertEqual(self.chat().status, 200)


if __name__ == "__main__":
    unittest.main()
