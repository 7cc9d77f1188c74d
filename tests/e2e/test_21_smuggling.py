"""What two parsers could read differently is refused, and the connection ends, because after it
framing is not certain. Where framing is certain the connection lives on."""

import unittest

from harness import Closed, GatewayCase, chat

import json

BODY = json.dumps(chat()).encode()
HIDDEN = b"GET /v1/models HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def post(*lines, body=BODY, host=True, version=b"1.1"):
    head = [b"POST /v1/chat/completions HTTP/" + version]
    if host:
        head.append(b"Host: localhost")
    return b"\r\n".join(head + list(lines)) + b"\r\n\r\n" + body


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

# name, bytes. Each is followed by a hidden request, which must never be answered.
UNCERTAIN = [
    ("length and coding", post(LENGTH, b"Transfer-Encoding: chunked", body=CHUNKED)),
    ("coding and length", post(b"Transfer-Encoding: chunked", LENGTH, body=CHUNKED)),
    ("two lengths that differ", post(LENGTH, b"Content-Length: 0")),
    ("two lengths that agree", post(LENGTH, LENGTH)),
    ("list of lengths", post(b"Content-Length: %d, %d" % (len(BODY), len(BODY)))),
    ("length with a sign", post(b"Content-Length: +%d" % len(BODY))),
    ("negative length", post(b"Content-Length: -1")),
    ("length in hex", post(b"Content-Length: 0x%x" % len(BODY))),
    ("length with a space", post(b"Content-Length: 1 2")),
    ("empty length", post(b"Content-Length:")),
    ("length with a fraction", post(b"Content-Length: %d.0" % len(BODY))),
    ("underscore for a hyphen and a space", post(b"Content-Length : %d" % len(BODY))),
    ("coding gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=CHUNKED)),
    ("coding chunked, chunked", post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED)),
    ("two codings", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED)),
    ("two codings, one identity",
     post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=CHUNKED)),
    ("coding xchunked", post(b"Transfer-Encoding: xchunked", body=CHUNKED)),
    ("coding identity", post(b"Transfer-Encoding: identity", LENGTH)),
    ("coding with a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=CHUNKED)),
    ("coding in quotes", post(b'Transfer-Encoding: "chunked"', body=CHUNKED)),
    ("coding in HTTP/1.0", post(b"Transfer-Encoding: chunked", body=CHUNKED, version=b"1.0")),
    ("space before the colon", post(LENGTH, b"Transfer-Encoding : chunked", body=CHUNKED)),
    ("tab before the colon", post(LENGTH, b"X-Odd\t: 1")),
    ("folded line", post(b"X-Odd: a", b" b", LENGTH)),
    ("folded first line", post(b" X-Odd: a", LENGTH)),
    ("bare LF after a header", post(b"X-Odd: 1\nTransfer-Encoding: chunked", LENGTH)),
    ("bare LF ends the head",
     b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n\n" + BODY),
    ("LF only", post(LENGTH).replace(b"\r\n", b"\n")),
    ("bare CR in a value", post(b"X-Odd: a\rb", LENGTH)),
    ("NUL in a value", post(b"X-Odd: a\0b", LENGTH)),
    ("NUL in a name", post(b"X-O\0dd: a", LENGTH)),
    ("control byte in a value", post(b"X-Odd: a\x01b", LENGTH)),
    ("DEL in a value", post(b"X-Odd: a\x7fb", LENGTH)),
    ("no colon", post(b"X-Odd", LENGTH)),
    ("empty name", post(b": 1", LENGTH)),
    ("name with a space", post(b"X Odd: 1", LENGTH)),
    ("name with 8 bits", post(b"X-\xc3\xa9: 1", LENGTH)),
    ("no host", post(LENGTH, host=False)),
    ("two hosts", post(b"Host: other", LENGTH)),
    ("two spaces in the request line",
     post(LENGTH).replace(b"POST /v1", b"POST  /v1", 1)),
    ("space after the version", post(LENGTH).replace(b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n", 1)),
    ("tab in the request line", post(LENGTH).replace(b"POST /v1", b"POST\t/v1", 1)),
    ("no version", post(LENGTH).replace(b" HTTP/1.1", b"", 1)),
    ("lower-case protocol", post(LENGTH).replace(b"HTTP/1.1", b"http/1.1", 1)),
    ("version 1.11", post(LENGTH).replace(b"HTTP/1.1", b"HTTP/1.11", 1)),
    ("version 2.0", post(LENGTH).replace(b"HTTP/1.1", b"HTTP/2.0", 1)),
    ("version 0.9", post(LENGTH).replace(b"HTTP/1.1", b"HTTP/0.9", 1)),
    ("control byte in the target", post(LENGTH).replace(b"/v1/", b"/v1\x01/", 1)),
    ("8 bits in the target", post(LENGTH).replace(b"/v1/", b"/v1\xff/", 1)),
    ("fragment in the target", post(LENGTH).replace(b"completions ", b"completions#x ", 1)),
    ("method with a bracket", post(LENGTH).replace(b"POST", b"PO(ST", 1)),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS hello on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 40),
    ("chunk size with a sign", post(b"Transfer-Encoding: chunked", body=b"+5\r\nhello\r\n0\r\n\r\n")),
    ("chunk size with a space", post(b"Transfer-Encoding: chunked", body=b" 5\r\nhello\r\n0\r\n\r\n")),
    ("chunk size 0x", post(b"Transfer-Encoding: chunked", body=b"0x5\r\nhello\r\n0\r\n\r\n")),
    ("empty chunk size", post(b"Transfer-Encoding: chunked", body=b"\r\nhello\r\n0\r\n\r\n")),
    ("chunk size too long", post(b"Transfer-Encoding: chunked", body=b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n")),
    ("chunk size of 2^64",
     post(b"Transfer-Encoding: chunked", body=b"10000000000000000\r\nhello\r\n0\r\n\r\n")),
    ("chunk size and LF", post(b"Transfer-Encoding: chunked", body=b"5\nhello\r\n0\r\n\r\n")),
    ("chunk longer than its size", post(b"Transfer-Encoding: chunked", body=b"3\r\nhello\r\n0\r\n\r\n")),
    ("chunk without a line end", post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloXX0\r\n\r\n")),
    ("bare CR in an extension", post(b"Transfer-Encoding: chunked", body=b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    ("LF in a trailer", post(b"Transfer-Encoding: chunked", body=b"0\r\nX: 1\n\r\n")),
]


class UncertainTest(GatewayCase):
    def test_refused_and_closed(self):
        for name, data in UNCERTAIN:
            with self.subTest(name), self.connect() as c:
                c.send(data + HIDDEN)
                r = c.response()
                self.assertIn(r.status, (400, 413, 501, 505), r.body)
                self.assert_error(r, r.status)
                self.assertEqual(r["connection"], "close")
                self.assertTrue(c.is_closed_by_peer(), "the hidden request was looked at")

    def test_says_what_is_wrong(self):
        messages = set()
        for name, data in UNCERTAIN[:40]:
            with self.connect() as c:
                c.send(data)
                messages.add(c.response().json["error"]["message"])
        self.assertGreater(len(messages), 8, "one message for everything helps nobody: %s" % messages)

    def test_upstream_sees_none_of_it(self):
        before = self.sim.stats()["requests"]
        for _, data in UNCERTAIN:
            with self.connect() as c:
                c.send(data + HIDDEN)
                c.response()
        self.assertEqual(self.sim.stats()["requests"], before)


class SizeTest(GatewayCase):
    def test_head_too_long(self):
        for line in (b"X-Long: " + b"a" * 17000, b"\r\n".join(b"X-%d: 1" % i for i in range(100))):
            with self.connect() as c:
                c.send(post(line, LENGTH))
                self.assert_error(c.response(), 431)
                self.assertTrue(c.is_closed_by_peer())

    def test_target_too_long(self):
        with self.connect() as c:
            c.send(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(c.response().status, (414, 431))
            self.assertTrue(c.is_closed_by_peer())

    def test_endless_line(self):
        with self.connect() as c:
            try:
                for _ in range(1000):
                    c.send(b"a" * 1000)
            except OSError:
                pass
            try:
                self.assertGreaterEqual(c.response().status, 400)
            except Closed:
                pass
            self.assertTrue(c.is_closed_by_peer())

    def test_sixty_fields_are_fine(self):
        lines = [b"X-%d: 1" % i for i in range(60)]
        with self.connect() as c:
            c.send(post(*lines, LENGTH))
            self.assertEqual(c.response().status, 200)


class CertainTest(GatewayCase):
    """Wrong, but the end of the request is known: an error, and the connection serves on."""

    def test_lives_on(self):
        rows = [
            ("unknown path", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            ("unknown method", b"BREW /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 405),
            ("unknown method with a body",
             b"PATCH /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
            ("bad JSON", post(b"Content-Length: 1", body=b"{"), 400),
            ("bad JSON in chunks", post(b"Transfer-Encoding: chunked", body=b"1\r\n{\r\n0\r\n\r\n"), 400),
            ("no body", post(body=b""), 400),
            ("body on an unknown path",
             b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, 404),
            ("unknown coding of the body", post(LENGTH, b"Content-Encoding: br"), 415),
            ("unknown model",
             post(b"Content-Length: %d" % len(BODY.replace(b"fast", b"nada")),
                  body=BODY.replace(b"fast", b"nada")), 404),
        ]
        for name, data, status in rows:
            with self.subTest(name), self.connect() as c:
                c.send(data)
                self.assert_error(c.response(), status)
                self.assert_alive(c)

    def test_odd_but_legal(self):
        rows = [
            post(b"content-LENGTH:%d" % len(BODY)),
            post(b"Content-Length: \t %d \t" % len(BODY)),
            post(b"transfer-encoding: Chunked", body=CHUNKED),
            post(LENGTH, b"X-Empty:"),
            post(LENGTH, b"X-Eight-Bits: \xc3\xa9"),
            post(LENGTH, b"!#$%&'*+-.^_`|~09: 1"),
            post(b"Transfer-Encoding: chunked", body=b"000" + CHUNKED),
        ]
        for data in rows:
            with self.subTest(data[:120]), self.connect() as c:
                c.send(data)
                r = c.response()
                self.assertEqual(r.status, 200, r.body)
                self.assert_alive(c)


if __name__ == "__main__":
    unittest.main()
