"""HTTP/1.1 as clients speak it: keep-alive, pipelining, Expect, HEAD, OPTIONS, HTTP/1.0, chunked
bodies, limits, deadlines, CORS, gzip."""

import gzip
import json
import time
import unittest
import zlib

from client import Response
from harness import SLOW, GatewayCase, Stream, chat

BODY = json.dumps(chat()).encode()


class ConnectionTest(GatewayCase):
    def test_keep_alive(self):
        with self.connect() as c:
            for _ in range(50):
                self.assertEqual(c.call("POST", "/v1/chat/completions", BODY).status, 200)

    def test_keep_alive_after_a_stream(self):
        with self.connect() as c:
            for _ in range(5):
                stream = c.stream("/v1/chat/completions", chat(stream=True))
                stream.read()
                self.assert_whole_stream(stream)
            self.assert_alive(c)

    def test_close_on_request(self):
        with self.connect() as c:
            r = c.call("POST", "/v1/chat/completions", BODY, [("Connection", "close")])
            self.assertEqual(r["connection"], "close")
            self.assertEqual(r.json["choices"][0]["message"]["content"], self.canonical)
            self.assertTrue(c.is_closed_by_peer())

    def test_stream_with_close_gets_the_last_byte(self):
        with self.connect() as c:
            stream = c.stream("/v1/chat/completions", chat(stream=True), [("Connection", "close")])
            stream.read()
            self.assert_whole_stream(stream)
            self.assertTrue(c.is_closed_by_peer())

    def test_pipelining_in_order(self):
        with self.connect() as c:
            for n in range(1, 9):
                c.request("POST", "/v1/chat/completions", chat(max_tokens=n))
            for n in range(1, 9):
                self.assertEqual(c.response().json["usage"]["completion_tokens"], n)

    def test_pipelined_behind_a_stream(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", chat(stream=True))
            c.request("GET", "/healthz")
            stream = Stream(c, c.head())
            stream.read()
            self.assert_whole_stream(stream)
            self.assertEqual(c.response("GET").status, 200)

    def test_flood_while_busy_ends_it(self):
        with self.connect() as c:
            c.stream("/v1/chat/completions", chat("slow", stream=True)).content()
            try:
                for _ in range(1000):
                    c.send(b"x" * 1024)
            except OSError:
                pass
            deadline = time.monotonic() + 10 * SLOW
            while c.fill(deadline):
                pass
            self.assertNotIn(b"[DONE]", c.buffer, "the answer was not waited for")

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("slow", id="fast:first=10,token=100")

    def test_every_cut_of_a_request(self):
        request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                   b"Content-Type: application/json\r\n\r\n" % len(BODY)) + BODY
        for cut in list(range(0, len(request), 7)) + [len(request) - 1]:
            with self.connect() as c:
                c.send(request[:cut])
                self.gateway.call("GET", "/healthz")  # so that the first part is read by itself
                c.send(request[cut:])
                self.assertEqual(c.response().status, 200, cut)

    def test_byte_by_byte(self):
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        with self.connect() as c:
            for i in range(len(request)):
                c.send(request[i : i + 1])
            self.assertEqual(c.response("GET").status, 200)

    def test_empty_line_before_a_request(self):
        with self.connect() as c:
            c.send(b"\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(c.response("GET").status, 200)

    def test_ipv6_and_odd_hosts(self):
        for host in ("[::1]:8080", "EXAMPLE.com", "a.b:1"):
            self.assertEqual(self.get("/healthz", [("Host", host)]).status, 200)

    def test_client_that_only_connects(self):
        for _ in range(200):
            self.connect().close()
        self.assertEqual(self.get("/healthz").status, 200)


class MethodTest(GatewayCase):
    def test_head(self):
        for path, status in (("/healthz", 200), ("/v1/models", 200), ("/", 404)):
            with self.subTest(path=path), self.connect() as c:
                r = c.call("HEAD", path)
                self.assertEqual(r.status, status)
                self.assertGreater(int(r["content-length"]), 0)
                self.assert_alive(c)

    def test_options(self):
        with self.connect() as c:
            r = c.call("OPTIONS", "/v1/chat/completions")
            self.assertEqual(r.status, 204)
            self.assertIn("POST", r["allow"])
            self.assertIsNone(r["access-control-allow-origin"])
            self.assert_alive(c)

    def test_get_with_a_body_is_read_and_dropped(self):
        with self.connect() as c:
            r = c.call("GET", "/v1/models", b"GET /smuggled HTTP/1.1\r\n\r\n")
            self.assertEqual(r.status, 200)
            self.assert_alive(c)

    def test_http_1_0(self):
        with self.connect() as c:
            r = c.call("POST", "/v1/chat/completions", BODY, [("Host", None)], version="1.0")
            self.assertEqual(r.status, 200)
            self.assertIsNone(r["transfer-encoding"])
            self.assertTrue(c.is_closed_by_peer())

    def test_http_1_0_keep_alive(self):
        with self.connect() as c:
            for _ in range(3):
                r = c.call("GET", "/healthz", None, [("Connection", "keep-alive")], version="1.0")
                self.assertEqual(r["connection"].lower(), "keep-alive")

    def test_http_1_0_stream_ends_with_the_connection(self):
        with self.connect() as c:
            stream = c.stream("/v1/chat/completions", chat(stream=True), version="1.0")
            self.assertIsNone(stream.head["transfer-encoding"])
            stream.read()
            self.assert_whole_stream(stream)
            self.assertTrue(c.eof)


class BodyTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["limits"] = {"body": "64KiB"}
        config.doc["timeouts"] = {"head": "400ms", "body": "400ms", "keep_alive": "700ms"}

    def chunked(self, pieces, tail=b"0\r\n\r\n"):
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + tail
        return body, [("Transfer-Encoding", "chunked")]

    def test_chunked(self):
        for size in (1, 3, 1000):
            pieces = [BODY[i : i + size] for i in range(0, len(BODY), size)]
            with self.subTest(size=size), self.connect() as c:
                body, headers = self.chunked(pieces)
                self.assertEqual(c.call("POST", "/v1/chat/completions", body, headers).status, 200)
                self.assertEqual(self.sim.last_body("fast"), BODY)
                self.assert_alive(c)

    def test_chunked_with_extensions_and_trailers(self):
        with self.connect() as c:
            body = b"%x;name=\"v\"\r\n%s\r\n0;last\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY)
            r = c.call("POST", "/v1/chat/completions", body, [("Transfer-Encoding", "chunked")])
            self.assertEqual(r.status, 200)
            self.assert_alive(c)

    def test_expect_continue(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", None,
                      [("Expect", "100-continue"), ("Content-Length", len(BODY))])
            self.assertEqual(c.head().status, 100)
            c.send(BODY)
            self.assertEqual(c.response().status, 200)

    def test_expect_continue_is_refused_before_the_body(self):
        with self.connect() as c:
            c.request("POST", "/v1/nothing", None,
                      [("Expect", "100-continue"), ("Content-Length", 10)])
            self.assertEqual(c.head().status, 404)

    def test_other_expectations(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", BODY, [("Expect", "200-ok")])
            self.assert_error(c.response(), 417)

    def test_too_large_by_length(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", None, [("Content-Length", 64 * 1024 + 1)])
            self.assert_error(c.response(), 413, words=["limits.body"])

    def test_too_large_while_it_comes(self):
        with self.connect() as c:
            body, headers = self.chunked([b"x" * 20000] * 6)
            c.request("POST", "/v1/chat/completions", body, headers)
            self.assert_error(c.response(), 413)

    def test_absurd_length(self):
        for length in ("99999999999999999999999", "18446744073709551616", "4294967296"):
            with self.connect() as c:
                c.request("POST", "/v1/chat/completions", None, [("Content-Length", length)])
                self.assertIn(c.response().status, (400, 413), length)

    def test_largest_body(self):
        padding = "x" * (64 * 1024 - len(json.dumps(chat(pad=""))))
        body = json.dumps(chat(pad=padding))
        self.assertEqual(len(body), 64 * 1024)
        self.assertEqual(self.post("/v1/chat/completions", body).status, 200)

    def test_head_that_does_not_end(self):
        with self.connect() as c:
            start = time.monotonic()
            c.send(b"GET /healthz HTTP/1.1\r\nHost:")
            self.assertEqual(c.response("GET").status, 408)
            self.assertTrue(c.is_closed_by_peer())
            self.assertLess(time.monotonic() - start, 5 * SLOW)

    def test_dribble_does_not_stretch_the_heads_deadline(self):
        with self.connect() as c:
            start = time.monotonic()
            try:
                for byte in b"GET /" + b"x" * 10000:
                    c.send(bytes([byte]))
                    time.sleep(0.02)
            except OSError:
                pass
            self.assertLess(time.monotonic() - start, 5 * SLOW)

    def test_body_that_does_not_come(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", None, [("Content-Length", 100)])
            self.assert_error(c.response(), 408)
            self.assertTrue(c.is_closed_by_peer())

    def test_idle_connection_is_closed(self):
        with self.connect() as c:
            self.assert_alive(c)
            self.assertTrue(c.is_closed_by_peer(10 * SLOW))

    def test_client_leaves_within_the_body(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", b"{", [("Content-Length", 100)])
        self.assertEqual(self.get("/healthz").status, 200)

    def test_packed_body(self):
        r = self.post("/v1/chat/completions", gzip.compress(BODY), [("Content-Encoding", "gzip")])
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(self.sim.last_body("fast"), BODY)
        self.assertNotIn("content-encoding", dict(self.sim.last_headers("fast")))

    def test_bomb(self):
        bomb = gzip.compress(b" " * (8 << 20))
        self.assertLess(len(bomb), 64 * 1024)
        with self.connect() as c:
            r = c.call("POST", "/v1/chat/completions", bomb, [("Content-Encoding", "gzip")])
            self.assert_error(r, 413)
            self.assert_alive(c)

    def test_damaged_gzip(self):
        packed = gzip.compress(BODY)
        for body in (packed[:-5], packed + b"x", BODY, packed[:-8] + b"\0" * 8, b""):
            with self.connect() as c:
                r = c.call("POST", "/v1/chat/completions", body, [("Content-Encoding", "gzip")])
                self.assert_error(r, 400)
                self.assert_alive(c)

    def test_other_codings(self):
        with self.connect() as c:
            r = c.call("POST", "/v1/chat/completions", zlib.compress(BODY),
                       [("Content-Encoding", "deflate")])
            self.assert_error(r, 415)
            self.assert_alive(c)


class PackedReplyTest(GatewayCase):
    accept = [("Accept-Encoding", "gzip, deflate")]

    def unpacked(self, r):
        self.assertEqual(r["content-encoding"], "gzip")
        self.assertIn("accept-encoding", (r["vary"] or "").lower())
        return json.loads(gzip.decompress(r.body))

    def test_json(self):
        r = self.chat(headers=self.accept, n=4)
        self.assertEqual(len(self.unpacked(r)["choices"]), 4)

    def test_small_reply_is_left(self):
        r = self.get("/healthz", self.accept)
        self.assertIsNone(r["content-encoding"])

    def test_not_asked(self):
        for headers in ([], [("Accept-Encoding", "br")], [("Accept-Encoding", "gzip;q=0")]):
            r = self.chat(headers=headers, n=4)
            self.assertIsNone(r["content-encoding"])
            self.assertEqual(len(r.json["choices"]), 4)

    def test_streams_are_left(self):
        stream = self.streamed(headers=self.accept)
        self.assertIsNone(stream.head["content-encoding"])
        self.assert_whole_stream(stream)


class PackedStreamTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("paced", id="fast:first=20,token=60,tokens=6,write=1")
        config.doc["compress"] = "streams"

    def open_packed(self, model):
        c = self.connect()
        self.addCleanup(c.close)
        c.request("POST", "/v1/chat/completions", chat(model, stream=True),
                  [("Accept-Encoding", "gzip")])
        head = c.head()
        self.assertEqual(head["content-encoding"], "gzip")
        self.inflate = zlib.decompressobj(31)
        return Stream(c, head, self.inflate.decompress)

    def test_whole(self):
        stream = self.open_packed("fast")
        stream.read()
        self.assert_whole_stream(stream)
        self.assertTrue(self.inflate.eof)

    def test_every_event_is_readable_at_once(self):
        times = [e.time for e in self.open_packed("paced") if e.data and "content" in e.data]
        self.assertGreater(times[-1] - times[0], 0.2)

    def test_not_asked(self):
        stream = self.streamed()
        self.assertIsNone(stream.head["content-encoding"])
        self.assert_whole_stream(stream)


class CorsTest(GatewayCase):
    page = "https://app.example"

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["keys"] = [{"name": "web", "token_env": "WEB_KEY"}]
        config.doc["cors"] = [cls.page]

    env = {"WEB_KEY": "web-key"}

    def test_preflight_needs_no_key(self):
        r = self.gateway.call("OPTIONS", "/v1/chat/completions", None, [
            ("Origin", self.page), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type")])
        self.assertEqual(r.status, 204)
        self.assertEqual(r["access-control-allow-origin"], self.page)
        self.assertIn("POST", r["access-control-allow-methods"])
        self.assertIn("authorization", r["access-control-allow-headers"].lower())
        self.assertIn("origin", r["vary"].lower())

    def test_replies_and_errors_and_streams(self):
        headers = [("Origin", self.page), ("Authorization", "Bearer web-key")]
        for r in (self.chat(headers=headers), self.chat(headers=headers[:1]),
                  self.chat("nothing", headers=headers), self.streamed(headers=headers).head):
            self.assertEqual(r["access-control-allow-origin"], self.page, r.status)
            self.assertIn("x-request-id", r["access-control-expose-headers"].lower())

    def test_other_pages(self):
        for origin in ("https://evil.example", "https://app.example.evil", "http://app.example", "null"):
            r = self.chat(headers=[("Origin", origin), ("Authorization", "Bearer web-key")])
            self.assertIsNone(r["access-control-allow-origin"], origin)


class NoKeysTest(GatewayCase):
    def test_a_page_may_not_use_an_open_gateway(self):
        r = self.chat(headers=[("Origin", "https://any.example")])
        self.assert_error(r, 403)
        self.assertIsInstance(r, Response)
        self.assertEqual(self.chat().status, 200)


if __name__ == "__main__":
    unittest.main()
