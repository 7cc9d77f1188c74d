"""The simulated models behave as tests/sim/README.md says, faults included."""

import base64
import contextlib
import fcntl
import gzip
import http.client
import json
import math
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIM = os.environ.get("SIM", os.path.join(ROOT, "build", "sim"))
WAIT = 20.0


class Sim:
    """One simulator process on a random port."""

    def __init__(self, *args):
        self.dir = tempfile.TemporaryDirectory()
        port_file = os.path.join(self.dir.name, "port")
        self.process = subprocess.Popen(
            [SIM, "--port-file", port_file, *args], stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        with open(port_file, encoding="ascii") as f:
            self.port = int(f.read())

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.process.stdout.close()
        code = self.process.wait(WAIT)
        self.dir.cleanup()
        return code

    def call(self, method, path, body=None, headers=None):
        """One request on its own connection: (status, headers, body)."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body)
            conn.request(method, path, body, headers or {})
            reply = conn.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            conn.close()

    def json(self, method, path, body=None):
        status, _, text = self.call(method, path, body)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {text!r}")
        return json.loads(text)

    def chat(self, model, text="hi", **more):
        messages = more.pop("messages", [{"role": "user", "content": text}])
        return self.call("POST", "/v1/chat/completions",
                         {"model": model, "messages": messages, **more})

    def answer(self, model, text="hi", **more):
        status, _, body = self.chat(model, text, **more)
        if status != 200:
            raise AssertionError(f"{model}: {status} {body!r}")
        return json.loads(body)["choices"][0]["message"]["content"]

    def events(self, model, text="hi", **more):
        status, headers, body = self.chat(model, text, stream=True, **more)
        if status != 200 or not headers["content-type"].startswith("text/event-stream"):
            raise AssertionError(f"{model}: {status} {headers['content-type']} {body!r}")
        return parse_events(body)

    def stats(self):
        return self.json("GET", "/sim/stats")

    def wait_stats(self, test):
        deadline = time.monotonic() + WAIT
        while True:
            stats = self.stats()
            if test(stats):
                return stats
            if time.monotonic() > deadline:
                raise AssertionError(f"never became true: {stats}")

    def socket(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s


def parse_events(body):
    """The data of each event of a plain stream; [DONE] as None."""
    out = []
    for block in body.decode().split("\n\n"):
        if block:
            assert block.startswith("data: "), block
            out.append(None if block == "data: [DONE]" else json.loads(block[6:]))
    return out


def text_of(events, index=0):
    return "".join(c["delta"].get("content") or "" for e in events if e
                   for c in e["choices"] if c["index"] == index)


def request_bytes(body, extra=""):
    text = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\n{extra}" \
           f"Content-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def chat_body(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


def read_all(s):
    """Everything until the end of file or a reset: (bytes, was it reset)."""
    got = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return got, True
        if not piece:
            return got, False
        got += piece


def read_reply(stream):
    """One response with Content-Length from a buffered socket file."""
    status = stream.readline()
    length = 0
    while True:
        line = stream.readline()
        if line in (b"\r\n", b""):
            return int(status.split()[1]), stream.read(length)
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])


def hard_close(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class SimCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Sim("--seed", "7")
        cls.canonical = cls.sim.call("GET", "/sim/canonical")[2].decode()

    @classmethod
    def tearDownClass(cls):
        code = cls.sim.stop()
        assert code == 0, f"the simulator ended with {code}"

    def setUp(self):
        self.sim.wait_stats(lambda s: s["in_flight"] == 0)
        self.sim.call("POST", "/sim/reset")


class Dialect(SimCase):
    def test_models(self):
        listed = self.sim.json("GET", "/v1/models")
        ids = [m["id"] for m in listed["data"]]
        self.assertIn("sim-small", ids)
        self.assertIn("s16-account", ids)
        self.assertTrue(all(m["owned_by"] == "simulated" for m in listed["data"]))
        one = self.sim.json("GET", "/v1/models/fast%3atokens=3")
        self.assertEqual(one["id"], "fast:tokens=3")
        self.assertEqual(self.sim.call("GET", "/v1/models/none")[0], 404)

    def test_json_answer(self):
        status, headers, body = self.sim.chat("fast")
        doc = json.loads(body)
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual(doc["choices"][0]["message"]["content"], self.canonical)
        self.assertEqual(len(self.canonical.split(" ")), 60)
        self.assertEqual(doc["choices"][0]["finish_reason"], "stop")
        self.assertEqual(doc["usage"], {"prompt_tokens": 5, "completion_tokens": 60,
                                        "total_tokens": 65})
        self.assertEqual(doc["object"], "chat.completion")
        self.assertIn("system_fingerprint", doc)

    def test_stream(self):
        events = self.sim.events("fast")
        self.assertIsNone(events[-1])
        self.assertEqual(events[0]["choices"][0]["delta"]["role"], "assistant")
        self.assertEqual(text_of(events), self.canonical)
        self.assertEqual(len(events), 1 + 60 + 1 + 1)
        self.assertEqual(events[-2]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(len({(e["id"], e["created"], e["model"]) for e in events if e}), 1)
        self.assertFalse(any("usage" in e for e in events if e))

    def test_stream_usage(self):
        events = self.sim.events("fast", stream_options={"include_usage": True})
        self.assertEqual(events[-2]["choices"], [])
        self.assertEqual(events[-2]["usage"]["completion_tokens"], 60)
        self.assertTrue(all(e["usage"] is None for e in events[:-2]))

    def test_several_choices_interleave(self):
        events = self.sim.events("fast:tokens=4", n=3)
        order = [e["choices"][0]["index"] for e in events if e]
        self.assertEqual(order, [0, 1, 2] * 6)
        texts = {text_of(events, i) for i in range(3)}
        self.assertEqual(texts, {" ".join(self.canonical.split(" ")[:4])})
        doc = json.loads(self.sim.chat("sim-small:first=0,token=0", "What is 6 * 7?", n=16)[2])
        self.assertEqual([c["index"] for c in doc["choices"]], list(range(16)))
        self.assertGreater(len({c["message"]["content"] for c in doc["choices"]}), 1)

    def test_length_and_stop(self):
        doc = json.loads(self.sim.chat("fast", max_completion_tokens=5)[2])
        self.assertEqual(doc["choices"][0]["message"]["content"],
                         " ".join(self.canonical.split(" ")[:5]))
        self.assertEqual(doc["choices"][0]["finish_reason"], "length")
        self.assertEqual(doc["usage"]["completion_tokens"], 5)
        events = self.sim.events("fast", max_tokens=2)
        self.assertEqual(events[-2]["choices"][0]["finish_reason"], "length")
        self.assertEqual(self.sim.answer("fast", stop=["sixty", "one fixed"]),
                         self.canonical[:self.canonical.index("one fixed")])

    def test_logprobs(self):
        doc = json.loads(self.sim.chat("fast:tokens=2", logprobs=True)[2])
        tokens = doc["choices"][0]["logprobs"]["content"]
        self.assertEqual([t["token"] for t in tokens], ["This", " is"])
        self.assertEqual(bytes(tokens[1]["bytes"]), b" is")
        events = self.sim.events("fast:tokens=2", logprobs=True)
        self.assertEqual(events[2]["choices"][0]["logprobs"]["content"][0]["token"], " is")

    def test_echo_keeps_every_character(self):
        text = "tabs\tquotes\" back\\slash \u00e4\u6f22\U0001f600 \n\n  two  spaces " + "x" * 5000 + "\u00e4" * 5000
        self.assertEqual(self.sim.answer("echo", text), text)
        self.assertEqual(text_of(self.sim.events("echo", text)), text)
        self.assertEqual(self.sim.answer("echo", ""), "")

    def test_vision(self):
        url = "data:image/png;base64," + "A" * 3000000
        parts = [{"type": "text", "text": "what is this"},
                 {"type": "image_url", "image_url": {"url": url}}]
        answer = self.sim.answer("fast", messages=[{"role": "user", "content": parts}])
        self.assertIn("1 image", answer)
        self.assertIn(f" {len(url)} bytes", answer)

    def test_completions(self):
        doc = self.sim.json("POST", "/v1/completions", {"model": "fast", "prompt": "Once"})
        self.assertEqual(doc["object"], "text_completion")
        self.assertEqual(doc["choices"][0]["text"], self.canonical)
        doc = self.sim.json("POST", "/v1/completions", {
            "model": "fast:tokens=2", "prompt": ["a b", "c"], "echo": True, "n": 2})
        self.assertEqual([c["text"] for c in doc["choices"]],
                         ["a bThis is", "a bThis is", "cThis is", "cThis is"])
        body = self.sim.call("POST", "/v1/completions", {
            "model": "fast", "prompt": [1, 2, 3], "stream": True, "logprobs": 1,
            "stream_options": {"include_usage": True}})[2]
        events = parse_events(body)
        self.assertEqual("".join(c["text"] for e in events if e for c in e["choices"]),
                         self.canonical)
        self.assertEqual(events[-2]["usage"]["prompt_tokens"], 3)

    def test_embeddings(self):
        def embed(**body):
            return self.sim.json("POST", "/v1/embeddings", {"model": "sim-embed", **body})

        floats = embed(input=["the red house", "the red car", "42"], dimensions=48)
        self.assertEqual([d["index"] for d in floats["data"]], [0, 1, 2])
        vectors = [d["embedding"] for d in floats["data"]]
        for v in vectors:
            self.assertEqual(len(v), 48)
            self.assertAlmostEqual(math.fsum(x * x for x in v), 1, places=5)
        self.assertGreater(math.sumprod(vectors[0], vectors[1]) if hasattr(math, "sumprod") else
                           sum(a * b for a, b in zip(vectors[0], vectors[1])), 0.4)
        packed = embed(input="the red house", dimensions=48, encoding_format="base64")
        raw = base64.b64decode(packed["data"][0]["embedding"])
        for a, b in zip(struct.unpack("<48f", raw), vectors[0]):
            self.assertAlmostEqual(a, b, places=6)
        for form, n in (([1, 2, 3], 1), ([[1, 2], [3]], 2), (["a"], 1)):
            self.assertEqual(len(embed(input=form)["data"]), n)
        self.assertEqual(floats["usage"]["prompt_tokens"], 4 + 3 + 1)
        for bad in (None, [], {}, [None]):
            status = self.sim.call("POST", "/v1/embeddings",
                                   {"model": "sim-embed", "input": bad})[0]
            self.assertEqual(status, 400)

    def test_refusals(self):
        cases = [
            (b"{", 400, None), (b"[]", 400, None), (b"{}", 400, "model"),
            (b'{"model":"fast"}', 400, "messages"),
            (b'{"model":"fast","messages":[]}', 400, "messages"),
            (b'{"model":"fast","messages":[1]}', 400, "messages"),
            (b'{"model":"nope","messages":[{"role":"user","content":"x"}]}', 404, "model"),
            (b'{"model":"fast:tokns=3","messages":[{"role":"user","content":"x"}]}', 404, "model"),
            (b'{"model":"fast:first=","messages":[{"role":"user","content":"x"}]}', 404, "model"),
            (b'{"model":"fast","n":0,"messages":[{"role":"user","content":"x"}]}', 400, "n"),
            (b'{"model":"fast","stream":"x","messages":[{"role":"user","content":"x"}]}', 400,
             "stream"),
        ]
        for body, want, param in cases:
            with self.subTest(body=body):
                status, _, text = self.sim.call("POST", "/v1/chat/completions", body)
                error = json.loads(text)["error"]
                self.assertEqual(status, want)
                self.assertEqual(set(error), {"message", "type", "param", "code"})
                self.assertEqual(error["param"], param)
        self.assertEqual(self.sim.call("GET", "/v1/nothing")[0], 404)
        self.assertEqual(self.sim.call("GET", "/v1/chat/completions")[0], 404)


class Tools(SimCase):
    tools = [
        {"type": "function", "function": {"name": "search", "parameters": {
            "type": "object", "properties": {"q": {"type": "string"}}}}},
        {"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"},
                                             "unit": {"enum": ["C", "F"]}}}}},
    ]

    def collect(self, events):
        calls = {}
        for e in events:
            for c in (e or {"choices": []})["choices"]:
                for t in c["delta"].get("tool_calls", []):
                    call = calls.setdefault(t["index"], {"args": [], "openers": 0})
                    if "id" in t:
                        call["openers"] += 1
                        call["id"], call["name"] = t["id"], t["function"]["name"]
                        self.assertEqual(t["type"], "function")
                    else:
                        self.assertEqual(set(t["function"]), {"arguments"})
                    call["args"].append(t["function"]["arguments"])
        return calls

    def test_streamed_parallel_calls(self):
        events = self.sim.events("fast", "the weather in Paris and Rome?", tools=self.tools)
        calls = self.collect(events)
        self.assertEqual([c["name"] for c in calls.values()], ["get_weather"] * 2)
        self.assertEqual([c["openers"] for c in calls.values()], [1, 1])
        self.assertNotEqual(calls[0]["id"], calls[1]["id"])
        self.assertGreater(len(calls[0]["args"]), 3)
        self.assertEqual(json.loads("".join(calls[0]["args"])), {"city": "Paris", "unit": "C"})
        self.assertEqual(json.loads("".join(calls[1]["args"]))["city"], "Rome")
        self.assertEqual(events[-2]["choices"][0]["finish_reason"], "tool_calls")

    def test_json_call_and_choice(self):
        def calls(text, **more):
            doc = json.loads(self.sim.chat("fast", text, tools=self.tools, **more)[2])
            return doc["choices"][0]["message"].get("tool_calls", [])

        self.assertEqual(len(calls("weather in Paris and Rome", parallel_tool_calls=False)), 1)
        self.assertEqual(calls("weather", tool_choice="none"), [])
        self.assertEqual(calls("nothing special"), [])
        self.assertEqual(len(calls("nothing special", tool_choice="required")), 1)
        named = {"type": "function", "function": {"name": "search"}}
        call = calls("weather", tool_choice=named)[0]
        self.assertEqual(call["function"]["name"], "search")
        json.loads(call["function"]["arguments"])

    def test_tool_result_is_quoted(self):
        answer = self.sim.answer("sim-small:first=0,token=0", tools=self.tools, messages=[
            {"role": "user", "content": "weather in Paris"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "tool_call_id": "x", "content": "19 degrees, dry"}])
        self.assertIn("19 degrees, dry", answer)

    def test_missing_and_zero_index(self):
        events = self.sim.events("x-no-index-tools", "this and that")
        calls = [t for e in events if e for c in e["choices"]
                 for t in c["delta"].get("tool_calls", [])]
        self.assertFalse(any("index" in t for t in calls))
        self.assertEqual(len({t["id"] for t in calls if "id" in t}), 2)
        events = self.sim.events("x-no-index-tools:zero=1", "this and that")
        calls = [t for e in events if e for c in e["choices"]
                 for t in c["delta"].get("tool_calls", [])]
        self.assertEqual({t["index"] for t in calls}, {0})
        self.assertEqual(len({t["id"] for t in calls if "id" in t}), 2)

    def test_structured_output(self):
        schema = {
            "type": "object", "required": ["name", "tags", "size"],
            "properties": {"name": {"type": "string"}, "size": {"$ref": "#/$defs/size"},
                           "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
                           "maybe": {"anyOf": [{"type": "integer", "minimum": 9},
                                               {"type": "null"}]}},
            "$defs": {"size": {"type": ["number", "null"]}}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        answer = json.loads(self.sim.answer("fast", response_format=form))
        self.assertEqual(answer["tags"], ["a", "a"])
        self.assertIsInstance(answer["name"], str)
        self.assertIsInstance(answer["size"], float)
        self.assertGreaterEqual(answer["maybe"], 9)
        answer = self.sim.answer("sim-large:acc=100,first=0,token=0", "What is 6 * 7?",
                                 response_format={"type": "json_object"})
        self.assertEqual(json.loads(answer), {"answer": "42"})
        loop = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}
        json.loads(self.sim.answer("fast", response_format=loop))


class Arithmetic(SimCase):
    sure = "sim-small:acc=100,first=0,token=0"
    small = "sim-small:first=0,token=0"

    def boxed(self, model, text, **more):
        found = re.findall(r"\\boxed\{(-?\d+)\}", self.sim.answer(model, text, **more))
        return int(found[-1]) if found else None

    def test_expressions(self):
        cases = {
            "What is 17 * 23 + 4?": 395, "What is 12 plus 30?": 42, "(2+3)*7=": 35,
            "compute 2 - -3": 5, "say 10 minus 4 minus 3, please": 3, "17 \u00d7 23": 391,
            "What is 6 times 7?": 42, "-(4 + 5) * 2": -18, "3 multiplied by 4": 12,
            "2 + 3 * (4 - 1)": 11, "5 x 6": 30, "$3 \\times 5$": 15, "2+2. Next": 4,
            "in 2024-01-02, what is 1 + 1?": 2, "v1.2-3 then 8 - 5": 3,
        }
        for text, want in cases.items():
            with self.subTest(text=text):
                self.assertEqual(self.boxed(self.sure, text), want)
        for text in ("no numbers", "3 apples and 4 pears", "99999999999999999 * 999999999999999999",
                     "1.5 + 2.5", "(" * 3000, "1 + (" * 3000):
            with self.subTest(text=text[:30]):
                self.assertIsNone(self.boxed(self.sure, text))

    def questions(self, n):
        return [(f"What is {a} * {a + 3} + {a % 7}?", a * (a + 3) + a % 7)
                for a in range(11, 11 + n)]

    def test_accuracy_and_seed(self):
        asked = self.questions(300)
        answers = [self.boxed(self.small, text) for text, _ in asked]
        right = sum(got == want for got, (_, want) in zip(answers, asked))
        # 300 questions at 0.55: the standard deviation is 8.6.
        self.assertTrue(0.55 * 300 - 35 < right < 0.55 * 300 + 35, right)
        again = [self.boxed(self.small, text) for text, _ in asked[:50]]
        self.assertEqual(answers[:50], again)
        other = [self.boxed(self.small, text, seed=9007199254740993) for text, _ in asked[:50]]
        self.assertNotEqual(answers[:50], other)
        sim = Sim("--seed", "7")
        try:
            self.assertEqual([re.search(r"boxed\{(-?\d+)\}", sim.answer(self.small, text))[1]
                              for text, _ in asked[:20]], [str(a) for a in answers[:20]])
        finally:
            self.assertEqual(sim.stop(), 0)

    def test_candidates_help(self):
        asked = self.questions(200)

        def score(offsets):
            right = 0
            for text, want in asked:
                candidates = " ".join(f"candidate: \\boxed{{{want + o}}}" for o in offsets)
                right += self.boxed(self.small, f"{text} {candidates}") == want
            return right

        # 0.96, 0.75 and 0.39 of 200 by the formula in answer.h; 30 is more than four deviations.
        self.assertGreater(score([0, 0, 0]), 0.955 * 200 - 30)
        self.assertTrue(0.75 * 200 - 30 < score([0, 5]) < 0.75 * 200 + 30)
        self.assertLess(score([5, 6]), 0.385 * 200 + 30)


class Wire(SimCase):
    def test_cut_at_every_byte(self):
        chunks = b'{"model":"fast:tokens=1",', b'"messages":[{"role":"user","content":"x"}]}'
        chunked = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n"
                   + b"".join(b"%x;ext=1\r\n%s\r\n" % (len(c), c) for c in chunks)
                   + b"0\r\nTrailer: x\r\n\r\n")
        with self.sim.socket() as s, s.makefile("rb") as f:
            for raw in (request_bytes(chat_body("fast:tokens=1")), chunked):
                for cut in range(1, len(raw)):
                    s.sendall(raw[:cut])
                    s.sendall(raw[cut:])
                    status, body = read_reply(f)
                    self.assertEqual(status, 200)
                    self.assertEqual(json.loads(body)["choices"][0]["message"]["content"], "This")
            self.assertEqual(self.sim.stats()["connections_open"], 2)

    def test_pipelining(self):
        with self.sim.socket() as s, s.makefile("rb") as f:
            s.sendall(b"".join(request_bytes(chat_body(f"fast:tokens={n},first={9 - n}"))
                               for n in range(1, 9)))
            for n in range(1, 9):
                status, body = read_reply(f)
                self.assertEqual((status, json.loads(body)["usage"]["completion_tokens"]), (200, n))

    def test_expect_continue(self):
        raw = request_bytes(chat_body("fast"), "Expect: 100-continue\r\n")
        head, body = raw.split(b"\r\n\r\n")
        with self.sim.socket() as s, s.makefile("rb") as f:
            s.sendall(head + b"\r\n\r\n")
            self.assertEqual(f.readline(), b"HTTP/1.1 100 Continue\r\n")
            self.assertEqual(f.readline(), b"\r\n")
            s.sendall(body)
            self.assertEqual(read_reply(f)[0], 200)

    def test_http_1_0(self):
        raw = request_bytes(chat_body("fast", stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0")
        with self.sim.socket() as s:
            s.sendall(raw)
            got, reset = read_all(s)
        head, body = got.split(b"\r\n\r\n", 1)
        self.assertNotIn(b"chunked", head)
        self.assertIsNone(parse_events(body)[-1])
        self.assertFalse(reset)

    def test_bad_requests(self):
        cases = [b"GET / HTTP/1.1\r\n\r\n", b"GET /\r\n\r\n", b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                 b"Content-Length: 3\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n"]
        for raw in cases:
            with self.subTest(raw=raw), self.sim.socket() as s:
                s.sendall(raw)
                got, _ = read_all(s)
                self.assertTrue(got.startswith(b"HTTP/1.1 400"), got)
        for raw, want in ((b"GET / HTTP/1.1\r\nA: " + b"x" * 70000, b"431"),
                          (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 41943041\r\n\r\n",
                           b"413")):
            with self.sim.socket() as s:
                s.sendall(raw)
                self.assertEqual(read_all(s)[0].split(b" ")[1], want)

    def test_large_body_arrives_whole(self):
        text = "0123456789abcdef" * (38 << 16)
        doc = json.loads(self.sim.chat("fast", text)[2])
        self.assertEqual(doc["usage"]["prompt_tokens"], len(text) // 4 + 4)

    def test_last_request(self):
        body = b'{ "seed" : 9007199254740993, "model":"fast","x":[1.50,1e3],' \
               b'"messages":[{"role":"user","content":"\\u00e4\xc3\xa4"}]}'
        self.sim.call("POST", "/v1/chat/completions?a=b", body, {"X-Thing": " one two "})
        self.sim.chat("fast:tokens=1")
        last = self.sim.json("GET", "/sim/last?model=fast")
        self.assertEqual(last["method"], "POST")
        self.assertEqual(last["path"], "/v1/chat/completions?a=b")
        self.assertEqual(last["body"].encode(), body)
        self.assertIn(["X-Thing", "one two"], last["headers"])
        self.assertEqual(self.sim.call("GET", "/sim/last/body?model=fast")[2], body)
        self.assertIn("fast:tokens=1", self.sim.json("GET", "/sim/last")["body"])
        self.sim.call("POST", "/sim/reset")
        self.assertEqual(self.sim.call("GET", "/sim/last")[0], 404)

    def test_timing(self):
        start = time.monotonic()
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("fast:first=60,token=10,tokens=5", stream=True)))
            got = s.recv(65536)
            first = time.monotonic() - start
            while b"[DONE]" not in got:
                got += s.recv(65536)
        total = time.monotonic() - start
        self.assertGreaterEqual(first, 0.060)
        self.assertGreaterEqual(total, 0.100)
        self.assertLess(total, 1.0)
        start = time.monotonic()
        self.sim.answer("fast:first=60,token=10,tokens=5")
        self.assertGreaterEqual(time.monotonic() - start, 0.100)

    def test_early_head(self):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("fast:early=1,first=60000", stream=True)))
            got = b""
            while b"\n\n" not in got:
                got += s.recv(65536)
            self.assertIn(b'"role":"assistant"', got)
            self.assertNotIn(b"This", got)

    def test_unannounced_hangup(self):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("fast:hangup=1")))
            got, reset = read_all(s)
        self.assertNotIn(b"onnection: close", got)
        self.assertIn(self.canonical.encode(), got)
        self.assertFalse(reset)


class Clients(SimCase):
    def start(self, model, stream=True):
        s = self.sim.socket()
        s.sendall(request_bytes(chat_body(model, stream=stream)))
        self.sim.wait_stats(lambda st: st["per_model"].get(model, {}).get("in_flight") == 1)
        return s

    def test_departure_is_noticed_at_once(self):
        for model in ("s06-silent", "fast:first=60000", "s09-stall:at=0", "fast:token=1000"):
            for leave in (socket.socket.close, hard_close):
                with self.subTest(model=model, how=leave.__name__):
                    s = self.start(model)
                    before = self.sim.stats()["cancelled"]
                    left_us = time.monotonic_ns() // 1000
                    leave(s)
                    stats = self.sim.wait_stats(lambda st: st["cancelled"] == before + 1)
                    self.assertEqual(stats["in_flight"], 0)
                    self.assertGreaterEqual(stats["last_cancel_us"], left_us)
                    self.assertLess(stats["last_cancel_us"] - left_us, 100000)

    def test_flood_while_busy_ends_the_connection(self):
        s = self.start("s06-silent")
        with contextlib.suppress(ConnectionError):
            s.sendall(b"x" * 300000)
        self.sim.wait_stats(lambda st: st["cancelled"] == 1)
        s.close()

    def rss_kib(self):
        with open(f"/proc/{self.sim.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    @staticmethod
    def queued(s):
        return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0\0\0\0"))[0]

    def unread_stream(self, model):
        """A stream whose client reads nothing, after everything that can be on the way is."""
        s = self.sim.socket()
        s.sendall(request_bytes(chat_body(model, stream=True), "Connection: close\r\n"))
        self.sim.wait_stats(lambda st: st["per_model"].get(model, {}).get("in_flight"))
        queued = -1
        while self.queued(s) > queued:
            queued = self.queued(s)
            for _ in range(50):
                self.sim.stats()
        self.assertEqual(self.sim.stats()["per_model"][model]["in_flight"], 1)
        return s

    def test_slow_reader_pauses_the_model(self):
        # The words and tokens of the first take 20 MB (a sanitizer triples that), its events would
        # take 165 MB; the line of the second has 64 MB.
        for model, limit in (("x-endless-line", 30000), ("fast:tokens=1000000", 100000)):
            before = self.rss_kib()
            s = self.unread_stream(model)
            self.assertLess(self.rss_kib() - before, limit)
            s.close()
            self.sim.wait_stats(lambda st: st["in_flight"] == 0)

    def test_slow_reader_loses_nothing(self):
        with self.unread_stream("fast:tokens=60000") as s:
            got, _ = read_all(s)
        self.assertEqual(got.count(b'"delta":{"content":'), 60000)
        self.assertTrue(got.endswith(b"0\r\n\r\n"))

    def test_many_streams_at_once(self):
        sockets = [self.sim.socket() for _ in range(300)]
        for s in sockets:
            s.sendall(request_bytes(chat_body("fast:first=200,token=5,tokens=20", stream=True)))
        for s in sockets:
            got = b""
            while b"0\r\n\r\n" not in got:
                got += s.recv(65536)
            self.assertIn(b"[DONE]", got)
            s.close()
        stats = self.sim.wait_stats(lambda st: st["completed"] == 300)
        self.assertGreater(stats["max_in_flight"], 100)
        self.assertEqual(stats["completion_tokens"], 300 * 20)

    def test_counters(self):
        self.sim.chat("s16-account", stream=True)
        self.sim.chat("s16-account")
        self.sim.chat("s12-context")
        self.sim.json("GET", "/v1/models")
        stats = self.sim.stats()
        self.assertEqual((stats["requests"], stats["completed"], stats["faults"], stats["other"]),
                         (3, 2, 1, 1))
        self.assertEqual(stats["per_model"]["s16-account"], {
            "requests": 2, "in_flight": 0, "max_in_flight": 1, "completed": 2, "cancelled": 0,
            "faults": 0, "prompt_tokens": 10, "completion_tokens": 120})
        self.sim.call("POST", "/sim/reset")
        stats = self.sim.stats()
        self.assertEqual((stats["requests"], stats["per_model"]), (0, {}))


class Faults(SimCase):
    def raw(self, model, stream=True):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body(model, stream=stream)))
            return read_all(s)

    def words(self, raw):
        return len(re.findall(rb'"delta":\{"content"', raw))

    def error(self, model, **more):
        status, headers, body = self.sim.chat(model, **more)
        return status, headers, json.loads(body)["error"]

    def healthy(self, model):
        self.assertEqual(text_of(self.sim.events(model)), self.canonical)
        self.assertEqual(self.sim.answer(model), self.canonical)

    def test_s01_429_with_retry_after(self):
        for model in ("s01-429-retry-after", "s01-429-retry-after:id=other"):
            status, headers, error = self.error(model)
            self.assertEqual((status, headers["retry-after"], error["code"]),
                             (429, "1", "rate_limit_exceeded"))
            self.healthy(model)
        self.sim.call("POST", "/sim/reset")
        self.assertEqual(self.sim.chat("s01-429-retry-after")[0], 429)

    def test_s02_s03_s04(self):
        for _ in range(3):
            self.assertEqual(self.error("s02-429-forever", stream=True)[0], 429)
            self.assertEqual(self.error("s04-503")[0], 503)
        self.assertEqual(self.error("s03-500-once")[0], 500)
        self.healthy("s03-500-once")

    def test_any_status(self):
        for code in (400, 403, 409, 422, 500, 529):
            status, headers, error = self.error(f"x-status:code={code},retry=7")
            self.assertEqual((status, headers["retry-after"], error["code"]),
                             (code, "7", "simulated_code"))
        self.assertIsNone(self.error("x-status")[1]["retry-after"])
        self.assertEqual(self.error("s02-429-forever:retry=120")[1]["retry-after"], "120")
        self.assertEqual(self.sim.chat("x-status:code=200")[0], 404)

    def test_s05_reset(self):
        for stream in (True, False):
            self.assertEqual(self.raw("s05-reset", stream), (b"", True))

    def test_s06_silence(self):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("s06-silent")))
            s.settimeout(0.1)
            self.assertRaises(socket.timeout, s.recv, 1)

    def test_s07_slow_first(self):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("s07-slow-first", stream=True)))
            s.settimeout(0.1)
            self.assertRaises(socket.timeout, s.recv, 1)
        start = time.monotonic()
        self.healthy("s07-slow-first:first=50")
        self.assertGreater(time.monotonic() - start, 0.1)

    def test_s08_cut(self):
        for model in ("s08-cut", "s14-prefill"):
            got, reset = self.raw(model)
            self.assertEqual((self.words(got), reset), (40, True))
            self.assertNotIn(b"DONE", got)
        got, reset = self.raw("s08-cut:fin=1,at=3")
        self.assertEqual((self.words(got), reset), (3, False))
        self.assertFalse(got.endswith(b"0\r\n\r\n"))
        got, reset = self.raw("s08-cut", stream=False)
        head, body = got.split(b"\r\n\r\n")
        self.assertTrue(reset)
        self.assertEqual(len(body), int(re.search(rb"Length: (\d+)", head)[1]) // 2)
        self.assertEqual(self.sim.stats()["faults"], 4)

    def test_s09_stall(self):
        with self.sim.socket() as s:
            s.sendall(request_bytes(chat_body("s09-stall", stream=True)))
            got = b""
            while self.words(got) < 40:
                got += s.recv(65536)
            s.settimeout(0.1)
            self.assertRaises(socket.timeout, s.recv, 1)
        start = time.monotonic()
        self.healthy("s09-stall:stall=60")
        self.assertGreater(time.monotonic() - start, 0.12)

    def test_s10_malformed(self):
        for model, at in (("s10-malformed", 21), ("s10-malformed-first", 0)):
            body = self.sim.chat(model, stream=True)[2].decode()
            blocks = body.split("\n\n")[:-2]
            broken = []
            for i, block in enumerate(blocks):
                try:
                    json.loads(block[6:])
                except ValueError:
                    broken.append(i)
            self.assertEqual(broken, [at])
            self.assertEqual(self.words(body.encode()), 60)
        self.assertRaises(ValueError, json.loads, self.sim.chat("s10-malformed")[2])

    def test_s11_no_done(self):
        events = self.sim.events("s11-no-done")
        self.assertEqual(events[-1]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(text_of(events), self.canonical)

    def test_s12_s13(self):
        status, _, error = self.error("s12-context")
        self.assertEqual((status, error["code"], error["param"], error["type"]),
                         (400, "context_length_exceeded", "messages", "invalid_request_error"))
        self.assertEqual(self.error("s13-filter")[2]["code"], "content_filter")
        self.assertEqual(self.error("s13-filter:policy=1")[2]["code"], "content_policy_violation")

    def test_s14_fallback(self):
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "This is"}]
        self.assertEqual(self.error("s14-fallback", messages=messages)[0], 400)
        self.healthy("s14-fallback")

    def test_s15_flap(self):
        got = [self.sim.chat("s15-flap:downs=2,ups=3")[0] for _ in range(7)]
        self.assertEqual(got, [503, 503, 200, 200, 200, 503, 503])
        model = "s15-flap:down=80,up=100000"
        self.assertEqual(self.sim.chat(model)[0], 503)
        start = time.monotonic()
        while self.sim.chat(model)[0] == 503:
            self.assertLess(time.monotonic() - start, WAIT)

    def test_s16_usage(self):
        doc = json.loads(self.sim.chat("s16-account", "x" * 400)[2])
        self.assertEqual(doc["usage"]["prompt_tokens"], 104)
        self.healthy("s16-account")

    def test_html(self):
        for model, want in (("x-html", 200), ("x-html-502", 502)):
            status, headers, body = self.sim.chat(model, stream=True)
            self.assertEqual(status, want)
            self.assertIn("text/html", headers["content-type"])
            self.assertIn(b"<html>", body)

    def test_wrong_type(self):
        _, headers, body = self.sim.chat("x-wrong-type", stream=True)
        self.assertEqual(headers["content-type"], "application/json")
        self.assertIsNone(parse_events(body)[-1])
        _, headers, body = self.sim.chat("x-wrong-type")
        self.assertEqual(headers["content-type"], "text/plain")
        json.loads(body)

    def test_endless_line(self):
        for stream in (True, False):
            with self.sim.socket() as s:
                s.sendall(request_bytes(chat_body("x-endless-line", stream=stream)))
                got = tail = 0
                while True:
                    piece = s.recv(1 << 20)
                    if not piece:
                        break
                    got += len(piece)
                    tail = 0 if b"\n\n" in piece else tail + len(piece)
            self.assertGreater(got, 64 << 20)
            self.assertLess(got, 66 << 20)
            self.assertGreater(tail, 60 << 20)

    def test_gzip(self):
        for stream in (True, False):
            _, headers, body = self.sim.chat("x-gzip", stream=stream)
            self.assertEqual(headers["content-encoding"], "gzip")
            plain = gzip.decompress(body)
            self.assertIn(b'"finish_reason":"stop"', plain)
        many = self.sim.chat("x-gzip:tokens=3000", stream=True)[2]
        self.assertGreater(len(gzip.decompress(many)), 300000)

    def test_bad_json(self):
        self.assertRaises(ValueError, json.loads, self.sim.chat("x-badjson")[2])
        blocks = self.sim.chat("x-badjson", stream=True)[2].decode().split("\n\n")
        self.assertGreater(len(blocks), 60)
        for block in blocks[:-2]:
            self.assertRaises(ValueError, json.loads, block[6:])
        self.assertEqual(blocks[-2], "data: [DONE]")

    def test_huge_head(self):
        for stream in (True, False):
            with self.sim.socket() as s:
                s.sendall(request_bytes(chat_body("x-huge-head", stream=stream),
                                        "Connection: close\r\n"))
                got, _ = read_all(s)
            head, body = got.split(b"\r\n\r\n", 1)
            self.assertGreater(len(head), 1 << 20)
            self.assertIn(b"stop", body)

    def test_bad_chunk(self):
        for stream in (True, False):
            got, _ = self.raw("x-bad-chunk", stream)
            self.assertIn(b"\r\nZZZ\r\n", got)

    def test_no_finish(self):
        events = self.sim.events("x-no-finish")
        self.assertIsNone(events[-1])
        self.assertTrue(all(c["finish_reason"] is None for e in events if e for c in e["choices"]))
        doc = json.loads(self.sim.chat("x-no-finish")[2])
        self.assertIsNone(doc["choices"][0]["finish_reason"])

    def test_error_event(self):
        for model, words in (("x-error-event", 20), ("x-error-event-first", 0)):
            body = self.sim.chat(model, stream=True)[2]
            events = parse_events(body)
            self.assertEqual(self.words(body), words)
            self.assertIn("error", events[-1])
        self.assertIn("error", json.loads(self.sim.chat("x-error-event")[2]))

    def test_empty(self):
        for stream in (True, False):
            status, _, body = self.sim.chat("x-empty", stream=stream)
            self.assertEqual((status, body), (200, b""))

    def test_crlf(self):
        body = self.sim.chat("x-crlf", stream=True)[2].decode()
        self.assertTrue(body.startswith("\ufeff"))
        self.assertNotRegex(body, r"[^\r]\n")
        self.assertIn("event: message", body)
        data = re.findall(r"(?m)^data:(.*)\r$", body)
        self.assertEqual(data[-1], "[DONE]")
        self.assertEqual(text_of([json.loads(d) for d in data[:-1]]), self.canonical)
        self.assertEqual(self.sim.answer("x-crlf"), self.canonical)

    def test_usage_with_choices(self):
        events = self.sim.events("x-usage-before-done-with-choices",
                                 stream_options={"include_usage": True})
        self.assertEqual(len(events[-2]["choices"]), 1)
        self.assertEqual(events[-2]["usage"]["completion_tokens"], 60)

    def test_slow_drip(self):
        start = time.monotonic()
        doc = json.loads(self.sim.chat("x-slow-drip:tokens=2")[2])
        self.assertGreater(time.monotonic() - start, 0.2)
        self.assertEqual(doc["choices"][0]["message"]["content"], "This is")
        events = self.sim.events("x-slow-drip:tokens=1,drip=0.1")
        self.assertEqual(text_of(events), "This")

    def test_every_model_ends_in_both_forms(self):
        slow = {"s06-silent", "s07-slow-first", "s09-stall", "x-slow-drip", "x-endless-line"}
        for model in self.sim.json("GET", "/v1/models")["data"]:
            if model["id"] in slow:
                continue
            for stream in (True, False):
                with self.subTest(model=model["id"], stream=stream):
                    with contextlib.suppress(http.client.HTTPException, ConnectionError):
                        self.sim.chat(model["id"] + ":tokens=3,first=1,token=0", stream=stream)
        self.assertEqual(self.sim.stats()["in_flight"], 0)


class Process(unittest.TestCase):
    def test_life(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            sim = Sim()
            self.assertEqual(sim.line, f"listening on 127.0.0.1:{sim.port}\n")
            s = sim.socket()
            s.sendall(request_bytes(chat_body("s06-silent")))
            sim.wait_stats(lambda st: st["in_flight"] == 1)
            self.assertEqual(sim.stop(sig), 0)
            s.close()

    def test_wrong_use(self):
        for args in (["--nothing"], ["--seed", "x"], ["stray"]):
            done = subprocess.run([SIM, *args], capture_output=True, check=False, timeout=WAIT)
            self.assertEqual(done.returncode, 2)
            self.assertTrue(done.stderr)
        for args in (["--listen", "nowhere"], ["--models", "/nonexistent"]):
            done = subprocess.run([SIM, *args], capture_output=True, check=False, timeout=WAIT)
            self.assertEqual(done.returncode, 1)
            self.assertIn(args[1].encode(), done.stderr)
        done = subprocess.run([SIM, "--help"], capture_output=True, check=True, timeout=WAIT)
        self.assertIn(b"--port-file", done.stdout)

    def test_api_key(self):
        sim = Sim("--api-key", "secret")
        try:
            body = chat_body("fast")
            for headers in ({}, {"Authorization": "Bearer other"}):
                status, _, text = sim.call("POST", "/v1/chat/completions", body, headers)
                self.assertEqual(status, 401)
                self.assertEqual(json.loads(text)["error"]["code"], "invalid_api_key")
            headers = {"Authorization": "Bearer secret"}
            self.assertEqual(sim.call("POST", "/v1/chat/completions", body, headers)[0], 200)
        finally:
            self.assertEqual(sim.stop(), 0)

    def test_max_in_flight(self):
        sim = Sim("--max-in-flight", "2")
        try:
            silent = [sim.socket() for _ in range(2)]
            for s in silent:
                s.sendall(request_bytes(chat_body("s06-silent")))
            sim.wait_stats(lambda st: st["in_flight"] == 2)
            self.assertEqual(sim.chat("fast")[0], 429)
            silent[0].close()
            sim.wait_stats(lambda st: st["in_flight"] == 1)
            self.assertEqual(sim.chat("fast")[0], 200)
            silent[1].close()
        finally:
            self.assertEqual(sim.stop(), 0)

    def test_models_file(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "models.json")
            models = [{"id": "a/b:1", "accuracy": 1, "first_token_ms": 1, "per_token_ms": 0,
                       "params": 1e9, "family": "x"}, {"id": "sim-small", "accuracy": 0}]
            with open(path, "w", encoding="ascii") as f:
                json.dump(models, f)
            sim = Sim("--models", path)
            try:
                self.assertIn("{42}", sim.answer("a/b:1", "What is 6*7?"))
                self.assertIn("{42}", sim.answer("a/b:1:token=1", "What is 6*7?"))
                self.assertNotIn("{42}", sim.answer("sim-small", "What is 6*7?"))
                self.assertEqual(sim.call("GET", "/v1/models/a%2Fb:1")[0], 200)
            finally:
                self.assertEqual(sim.stop(), 0)
            with open(path, "w", encoding="ascii") as f:
                json.dump([{"id": "x", "acuracy": 1}], f)
            done = subprocess.run([SIM, "--models", path], capture_output=True, check=False,
                                  timeout=WAIT)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"acuracy", done.stderr)

    def test_log(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "log")
            sim = Sim("--log", path)
            try:
                sim.chat("fast:first=2", stream=True)
                sim.chat("s02-429-forever")
                s = sim.socket()
                s.sendall(request_bytes(chat_body("fast:token=1000", stream=True)))
                while b"This" not in s.recv(65536):
                    pass
                s.close()
                sim.wait_stats(lambda st: st["cancelled"] == 1)
            finally:
                self.assertEqual(sim.stop(), 0)
            with open(path, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f]
        self.assertEqual([r["outcome"] for r in lines], ["complete", "fault", "cancelled"])
        self.assertEqual([r["tokens_sent"] for r in lines], [60, 0, 1])
        self.assertEqual([r["status"] for r in lines], [200, 429, 200])
        first = lines[0]
        self.assertGreaterEqual(first["t_first_byte_us"] - first["t_start_us"], 2000)
        self.assertGreaterEqual(first["t_end_us"], first["t_first_byte_us"])
        self.assertEqual((first["prompt_tokens"], first["completion_tokens"]), (5, 60))
        self.assertTrue(first["id"].startswith("chatcmpl-sim"))


if __name__ == "__main__":
    unittest.main()
