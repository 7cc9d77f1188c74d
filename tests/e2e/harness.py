"""What every scenario stands on: a configuration in the making, and a test class that starts a
simulator and a gateway, and at its end asks whether they lived and died well."""

import os
import shutil
import subprocess
import tempfile
import unittest

from client import SLOW, TIMEOUT, Closed, Connection, Late, Malformed, Stream, exact_json, text_of
from process import ROOT, Gateway, Process, Sim, eventually, log_pairs, program

__all__ = [
    "Closed", "Config", "Connection", "Gateway", "GatewayCase", "Late", "Malformed", "Process",
    "ROOT", "SLOW", "Sim", "Stream", "TIMEOUT", "TcpAdminCase", "chat", "eventually", "exact_json",
    "log_pairs", "make_certificate", "program", "text_of",
]


def chat(model="fast", text="Say something.", **members):
    """A chat request's document."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}


def make_certificate(directory, name, days=2):
    """A self-signed one for localhost; the paths of its two files."""
    cert, key = (os.path.join(directory, name + end) for end in (".pem", ".key"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", str(days), "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", cert],
        check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return cert, key


class Config:
    """A configuration document: self.doc is free to be changed. Every model gets an upstream of its
    own unless it names one, so that one model's faults do not open another one's breaker."""

    TIMEOUTS = {"connect": "2s", "first_token": "20s", "idle": "20s", "total": "60s"}

    def __init__(self, url, directory):
        self.url = url
        self.doc = {
            "listen": "127.0.0.1:0",
            "admin": "unix:" + os.path.join(directory, "admin.sock"),
            "workers": 1,
            "upstreams": [],
            "models": [],
        }

    def upstream(self, name, **settings):
        timeouts = dict(self.TIMEOUTS, **settings.pop("timeouts", {}))
        entry = {"name": name, "url": self.url, "max_in_flight": 512, "timeouts": timeouts}
        entry.update(settings)
        self.doc["upstreams"].append(entry)
        return name

    def model(self, name, id=None, upstream=None, fallback=None, settings=None, **members):
        """`settings` are those of the upstream that is made for it."""
        if upstream is None:
            upstream = self.upstream("up-%d" % len(self.doc["upstreams"]), **(settings or {}))
        entry = {"name": name, "upstream": upstream, "id": id or name, **members}
        if fallback:
            entry["fallback"] = fallback
        self.doc["models"].append(entry)

    def models(self, *names, **settings):
        for name in names:
            self.model(name, **settings)


class GatewayCase(unittest.TestCase):
    """Override configure(); use cls.sim and cls.gateway. longMessage prints both values."""

    sim_options = ()
    env = None  # further environment of the gateway
    checks_descriptors = True
    maxDiff = 4000

    @classmethod
    def configure(cls, config):
        config.model("fast")

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="sluice-e2e-")
        cls.sim = cls.gateway = None
        cls.addClassCleanup(cls.clean_up)
        cls.sim = Sim(cls.directory, *cls.sim_options)
        cls.canonical = cls.sim.canonical()
        cls.config = Config(cls.sim.url, cls.directory)
        cls.configure(cls.config)
        cls.gateway = Gateway(cls.directory, cls.config.doc, cls.env)
        cls.descriptors_at_start = cls.gateway.descriptors()

    @classmethod
    def clean_up(cls):
        """Also when setUpClass failed half way."""
        for process in (cls.gateway, cls.sim):
            if process:
                process.kill()
        shutil.rmtree(cls.directory, ignore_errors=True)

    @classmethod
    def tearDownClass(cls):
        if cls.gateway.is_running() and cls.checks_descriptors:
            eventually(cls.are_descriptors_flat, "descriptors go back to where they were")
        cls.gateway.stop()
        cls.sim.stop()

    @classmethod
    def are_descriptors_flat(cls):
        # Idle connections to the upstream are kept on purpose; one of the simulator's connections
        # is the one that asks.
        kept = cls.sim.stats()["connections_open"] - 1
        return cls.gateway.descriptors() - cls.descriptors_at_start <= kept

    # ---- shorthands ----

    @classmethod
    def connect(cls, **options):
        return cls.gateway.connect(**options)

    @classmethod
    def post(cls, path, body, headers=()):
        return cls.gateway.call("POST", path, body, headers)

    @classmethod
    def get(cls, path, headers=()):
        return cls.gateway.call("GET", path, None, headers)

    @classmethod
    def chat(cls, model="fast", headers=(), **members):
        return cls.post("/v1/chat/completions", chat(model, **members), headers)

    def open_stream(self, model="fast", headers=(), connection=None, **members):
        """A stream whose head has come; its connection is closed with the test."""
        if connection is None:
            connection = self.connect()
            self.addCleanup(connection.close)
        body = chat(model, stream=True, **members)
        return connection.stream("/v1/chat/completions", body, headers)

    def open_streams(self, count, model="fast", headers=(), **members):
        """As many at once: all are asked before the first head is waited for."""
        connections = [self.connect() for _ in range(count)]
        for c in connections:
            self.addCleanup(c.close)
            c.request("POST", "/v1/chat/completions", chat(model, stream=True, **members), headers)
        return [Stream(c, c.head()) for c in connections]

    def streamed(self, model="fast", headers=(), **members):
        """A stream read to its end."""
        stream = self.open_stream(model, headers, **members)
        self.assertEqual(stream.head.status, 200, stream.head.headers)
        stream.read()
        return stream

    def assert_error(self, response, status, type=None, code=None, param=None, words=()):
        """An OpenAI-shaped error with all four members."""
        self.assertEqual(response.status, status, response.body)
        self.assertEqual(response["content-type"].split(";")[0], "application/json")
        self.assertTrue(response["x-request-id"], "x-request-id is on every response")
        error = self.error_members(response.json)
        if type:
            self.assertEqual(error["type"], type, error)
        if code:
            self.assertEqual(error["code"], code, error)
        if param:
            self.assertEqual(error["param"], param, error)
        for word in words:
            self.assertIn(word, error["message"])
        return error

    def error_members(self, document):
        self.assertEqual(list(document), ["error"])
        error = document["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertIsInstance(error["message"], str)
        self.assertTrue(error["message"])
        self.assertIsInstance(error["type"], (str, type(None)))
        return error

    def assert_whole_stream(self, stream, text=None):
        """Ended cleanly with [DONE] and one finish_reason; the text is the canonical one."""
        self.assertEqual(stream.end, "clean")
        self.assertEqual(stream.rest, b"")
        self.assertEqual(len([e for e in stream.events if e.is_done]), 1)
        self.assertEqual(text_of(stream.events), self.canonical if text is None else text)
        reasons = [
            c["finish_reason"]
            for chunk in stream.chunks
            for c in chunk["choices"]
            if c.get("finish_reason")
        ]
        self.assertEqual(len(reasons), 1, reasons)

    def assert_failed_stream(self, stream):
        """Content had gone out, then an error event, then the end: no [DONE], no finish_reason.
        Returns the error's members."""
        self.assertFalse([e for e in stream.events if e.is_done])
        chunks = stream.chunks
        errors = [c for c in chunks if "error" in c]
        self.assertEqual(len(errors), 1, chunks[-2:])
        self.assertIs(errors[0], chunks[-1])
        for chunk in chunks[:-1]:
            for choice in chunk["choices"]:
                self.assertIsNone(choice.get("finish_reason"))
        self.assertEqual(stream.end, "clean", "fetch drops what it holds when a body is cut")
        self.assertTrue(stream.connection.is_closed_by_peer(), "it ends with the failed stream")
        return self.error_members(errors[0])

    def assert_alive(self, connection):
        """The connection still serves."""
        r = connection.call("GET", "/healthz")
        self.assertEqual(r.status, 200)

    def eventually(self, condition, what, timeout=10):
        return eventually(condition, what, timeout)


class TcpAdminCase(GatewayCase):
    """A gateway whose admin endpoint is a TCP address, with a token for changes."""

    TOKEN = "let-me"
    env = {"ADMIN_TOKEN": TOKEN}

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["admin"] = "127.0.0.1:0"
        config.doc["admin_token_env"] = "ADMIN_TOKEN"

    def setUp(self):
        found = self.gateway.say(r"admin\S* address=127\.0\.0\.1:(\d+)")
        self.admin_port = int(found.group(1))

    def ask(self, method, path, host=None, token=None, headers=()):
        own = [("Host", host or "127.0.0.1:%d" % self.admin_port)]
        if token:
            own.append(("Authorization", "Bearer " + token))
        with Connection(self.admin_port) as c:
            return c.call(method, path, None, [*own, *headers])
