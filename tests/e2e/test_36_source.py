"""Who answered: what the client is told when it was not what was planned, and what the log knows."""

import http.server
import threading
import unittest

from harness import GatewayCase


class Refusing(http.server.BaseHTTPRequestHandler):
    """An upstream that refuses everything under an id of its own."""

    protocol_version = "HTTP/1.1"
    BODY = b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"no"}}'

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(400)
        self.send_header("x-request-id", "req-of-theirs")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.BODY)))
        self.end_headers()
        self.wfile.write(self.BODY)

    def log_message(self, *_):
        pass


class SourceTest(GatewayCase):
    checks_descriptors = False  # the refusing upstream's connection is kept

    @classmethod
    def configure(cls, config):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        url = "http://127.0.0.1:%d/v1" % server.server_address[1]
        config.model("refused", settings={"url": url})
        config.model("fast")
        config.model("down", id="s04-503", settings={"retries": 0}, fallback="fast")
        config.model("gone", settings={"retries": 0, "url": "http://127.0.0.1:9/v1"})

    def closing(self, stream):
        comments = [e.raw for e in stream.events if e.raw.startswith(b": sluice ")]
        self.assertEqual(len(comments), 1)
        return comments[0].decode()

    def test_a_fallback_is_said(self):
        stream = self.streamed("down")
        self.assert_whole_stream(stream)
        self.assertEqual(stream.head["x-sluice-degraded"], "fallback")
        self.assertIn("degraded=fallback", self.closing(stream))
        self.assertEqual(self.chat("down")["x-sluice-degraded"], "fallback")
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual((line["degraded"], line["upstream_model"]), ("fallback", "fast"))

    def test_the_planned_model_is_not(self):
        stream = self.streamed()
        self.assertIsNone(stream.head["x-sluice-degraded"])
        self.assertIn("degraded=no", self.closing(stream))
        self.assertNotIn("degraded", self.gateway.access(stream.head["x-request-id"]))

    def test_a_refused_request_has_the_upstreams_id(self):
        for stream in (False, True):
            r = self.chat("refused", stream=stream)
            self.assert_error(r, 400, code="no")
            self.assertEqual(r["x-sluice-upstream-id"], "req-of-theirs")
            self.assertEqual(self.gateway.access(r["x-request-id"])["upstream_id"], "req-of-theirs")

    def test_the_log_says_why_nothing_was_reached(self):
        r = self.chat("gone")
        self.assert_error(r, 502)
        self.assertNotIn("127.0.0.1", r.text)
        self.assertIn("127.0.0.1", self.gateway.access(r["x-request-id"])["upstream_detail"])


if __name__ == "__main__":
    unittest.main()
