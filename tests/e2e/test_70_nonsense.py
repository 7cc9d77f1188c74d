"""An upstream's nonsense never crashes the gateway and never becomes success."""

import socket
import threading
import unittest

from harness import SLOW, GatewayCase, text_of

# Whole answers, though oddly made.
ODD = ("x-crlf", "x-slow-drip", "x-usage-before-done-with-choices", "s11-no-done")
# Wrong before any content.
EARLY = ("x-html", "x-html-502", "x-badjson", "x-huge-head", "x-empty", "x-error-event-first",
         "s10-malformed-first")
# Wrong after content.
LATE = ("x-endless-line", "x-bad-chunk", "x-no-finish", "x-error-event", "s10-malformed", "s08-cut")


class SimulatedTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        options = {"x-endless-line": ":at=20", "x-slow-drip": ":drip=0.1"}
        for name in ODD + EARLY + LATE + ("x-wrong-type", "x-gzip"):
            config.model(name, id=name + options.get(name, ""), settings={"retries": 0})

    def test_odd_but_whole(self):
        for name in ODD:
            with self.subTest(name=name):
                self.assert_whole_stream(self.streamed(name))

    def test_odd_but_whole_json(self):
        for name in ODD:
            with self.subTest(name=name):
                self.assertEqual(self.chat(name).json["choices"][0]["message"]["content"], self.canonical)

    def test_early(self):
        for name in EARLY:
            for stream in (True, False):
                with self.subTest(name=name, stream=stream):
                    r = self.chat(name, stream=stream)
                    self.assertGreaterEqual(r.status, 500)
                    self.assert_error(r, r.status)
                    self.assertNotIn("<html", r.text.lower())

    def test_late(self):
        for name in LATE:
            with self.subTest(name=name):
                self.assert_failed_stream(self.streamed(name))

    def test_wrong_type_is_no_stream(self):
        r = self.chat("x-wrong-type", stream=True)
        self.assert_error(r, 502)

    def test_gzip_that_nobody_asked_for(self):
        for stream in (True, False):
            r = self.chat("x-gzip", stream=stream)
            if r.status == 200:
                text = self.canonical
                self.assertIn(text.split()[5], r.text)
            else:
                self.assert_error(r, 502)

    def test_alive_after_all_of_it(self):
        for name in ODD + EARLY + LATE:
            self.chat(name)
        self.assertEqual(self.get("/healthz").status, 200)


def reply(body, status="200 OK", type="text/event-stream", extra=""):
    return ("HTTP/1.1 %s\r\nContent-Type: %s\r\nConnection: close\r\n%s\r\n" % (status, type, extra)
            ).encode() + body


def event(text):
    return b"data: " + text + b"\n\n"


CONTENT = event(b'{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}')
FINISH = event(b'{"id":"x","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
DONE = event(b"[DONE]")

# What one connection of a raw upstream says; the stream must fail, by status or by event.
RAW_BAD = {
    "no HTTP at all": b"hello there\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 999": reply(b"", "999 What"),
    "status 204": reply(b"", "204 No Content"),
    "redirect": reply(b"", "302 Found", extra="Location: http://127.0.0.1:1/\r\n"),
    "done without anything": reply(DONE),
    "event that is no object": reply(event(b"[1,2]") + CONTENT + FINISH + DONE),
    "event that is a number": reply(CONTENT + event(b"7") + FINISH + DONE),
    "choices that are no list": reply(event(b'{"choices":{}}') + CONTENT + FINISH + DONE),
    "broken UTF-8": reply(event(b'{"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}') + DONE),
    "NUL bytes": reply(b"\0" * 100 + DONE),
    "cut within an event": reply(CONTENT + FINISH[:-20]),
    "cut before the empty line": reply(CONTENT + FINISH[:-1]),
    "ends after content": reply(CONTENT),
    "done without finish": reply(CONTENT + DONE),
    "deep nesting": reply(event(b"[" * 100000 + b"]" * 100000)),
    "shorter than its length": reply(CONTENT, extra="Content-Length: 100000\r\n"),
    "error event": reply(CONTENT + event(b'{"error":"plain text"}')),
    "error with odd members": reply(CONTENT + event(b'{"error":{"message":7,"code":{"a":[]}}}')),
    "error status without body": reply(b"", "500 Oops"),
    "error status with odd body": reply(b'{"error":[]}', "500 Oops", "application/json"),
    "error status with huge body": reply(b"x" * 3000000, "500 Oops", "text/plain"),
}
RAW_GOOD = {
    "plain": reply(CONTENT + FINISH + DONE),
    "no done": reply(CONTENT + FINISH),
    "cut after the finish": reply(CONTENT + FINISH + DONE[:-3], extra="Content-Length: 100000\r\n"),
    "comments and other fields": reply(b": hi\n\nretry: 5\nid: 1\n\nevent: x\n" + CONTENT + FINISH + DONE),
    "events after done": reply(CONTENT + FINISH + DONE + CONTENT),
    "data of two lines": reply(CONTENT.replace(b',"choices"', b'\ndata: ,"choices"') + FINISH + DONE),
    "carriage returns": reply((CONTENT + FINISH + DONE).replace(b"\n", b"\r")),
}


class RawUpstream:
    """Answers each connection with the same bytes."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.answer = b""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            c.settimeout(10 * SLOW)
            try:
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                    data += c.recv(65536)
                c.sendall(self.answer)
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
            except OSError:
                pass
            c.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class RawTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        cls.raw = RawUpstream()
        cls.addClassCleanup(cls.raw.close)
        # One upstream entry for each answer: failures would open a shared breaker.
        names = list(RAW_BAD) + list(RAW_GOOD)
        for i in range(len(names)):
            config.model("raw-%d" % i, settings={
                "url": "http://127.0.0.1:%d/v1" % cls.raw.port, "retries": 0,
                "timeouts": {"first_token": "3s", "idle": "3s"}})

    def test_bad(self):
        for i, (name, answer) in enumerate(RAW_BAD.items()):
            with self.subTest(name):
                self.raw.answer = answer
                stream = self.open_stream("raw-%d" % i)
                if stream.head.status == 200:
                    stream.read()
                    self.assert_failed_stream(stream)
                else:
                    self.assertIn(stream.head.status, range(500, 600))

    def test_good(self):
        for i, (name, answer) in enumerate(RAW_GOOD.items()):
            with self.subTest(name):
                self.raw.answer = answer
                stream = self.streamed("raw-%d" % (len(RAW_BAD) + i))
                self.assertEqual(text_of(stream.events), "hi")
                self.assertTrue(stream.events[-1].is_done)
                self.assertEqual(len([e for e in stream.events if e.is_done]), 1)


if __name__ == "__main__":
    unittest.main()
