"""Bodies that never end, or are sent where none is taken."""

import time
import unittest

from harness import SLOW, GatewayCase


class DribbleTest(GatewayCase):
    """A byte now and then keeps a body alive, but not for longer than a request may take."""

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["timeouts"] = {"body": "%dms" % (1000 * SLOW), "request": "%dms" % (1500 * SLOW)}

    def test_the_request_has_a_deadline_from_its_head_on(self):
        with self.connect() as c:
            c.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            start = time.monotonic()
            while time.monotonic() - start < 4 * SLOW and not c.is_closed_by_peer(0.2 * SLOW):
                if c.buffer:
                    break
                c.send(" ")
            self.assert_error(c.response(), 408)
            self.assertGreater(time.monotonic() - start, 1.4 * SLOW)
            self.assertLess(time.monotonic() - start, 3 * SLOW)


class NoBodyTakenTest(GatewayCase):
    def test_a_chunked_body_is_dropped_up_to_a_bound(self):
        head = "GET /v1/models HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        piece = "8000\r\n" + 0x8000 * "x" + "\r\n"
        with self.connect() as c:
            c.send(head + piece + "0\r\n\r\n")
            self.assertEqual(c.response("GET").status, 200)
            self.assert_alive(c)
            c.send(head + piece + piece + piece)
            self.assert_error(c.response("GET"), 413)
            self.assertTrue(c.is_closed_by_peer())


if __name__ == "__main__":
    unittest.main()
