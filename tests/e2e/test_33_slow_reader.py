"""A client that does not read pauses its upstream, loses nothing, and costs the others nothing."""

import time
import unittest

from harness import SLOW, GatewayCase, Stream, chat, text_of

# 13 MB of events as fast as the simulator can: more than the kernel takes between it and us.
TOKENS = 60000
FLOOD = "fast:tokens=%d" % TOKENS
STREAM_BUFFER = 64 * 1024


class SlowReaderTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("flood", id=FLOOD)
        config.model("fast")

    def slow(self):
        c = self.connect(receive_buffer=4096)
        self.addCleanup(c.close)
        c.request("POST", "/v1/chat/completions", chat("flood", stream=True))
        return c

    def wait_until_paused(self, count):
        name = "sluice_streams_open"
        self.eventually(lambda: self.gateway.metrics()[name] == count, "all stream", 30)
        last = [None]

        def is_still():
            now = self.sim.stats(FLOOD)["completion_tokens"], self.gateway.cpu_seconds()
            before, last[0] = last[0], now
            time.sleep(0.05)
            return now == before

        self.eventually(is_still, "nothing moves any more", 60)

    def test_memory_stays_under_the_buffer(self):
        count = 20
        self.streamed("fast")
        before = self.gateway.memory()
        clients = [self.slow() for _ in range(count)]
        self.wait_until_paused(count)
        self.assertEqual(self.sim.stats(FLOOD)["completed"], 0, "the simulator is held back too")
        each = (self.gateway.memory() - before) / count
        # The buffer, what one turn may add to it, and the connections themselves. What a sanitizer
        # keeps says nothing of the program.
        if SLOW == 1:
            self.assertLess(each, 3 * STREAM_BUFFER)
        for c in clients:
            c.close()
        self.eventually(lambda: self.sim.stats(FLOOD)["in_flight"] == 0, "all end")

    def test_a_paused_stream_costs_no_cpu(self):
        c = self.slow()
        self.wait_until_paused(1)
        before = self.gateway.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.gateway.cpu_seconds() - before, 0.05 * SLOW)
        c.close()

    def test_the_kernel_holds_little_more(self):
        c = self.slow()
        head = c.head()
        self.wait_until_paused(1)
        c.close()
        line = self.gateway.access(head["x-request-id"])
        # Left to itself the socket would take megabytes.
        self.assertLess(int(line["bytes_out"]), 4 * STREAM_BUFFER)

    def test_nothing_is_lost(self):
        c = self.slow()
        self.wait_until_paused(1)
        stream = Stream(c, c.head())
        stream.read()
        words = self.canonical.split()
        want = " ".join(words[i % len(words)] for i in range(TOKENS))
        self.assertEqual(text_of(stream.events).split(), want.split())
        self.assertTrue(stream.events[-1].is_done)
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertGreater(int(line["pauses"]), 0)
        self.assertEqual(line["reason"], "complete")

    def test_others_are_served_meanwhile(self):
        clients = [self.slow() for _ in range(20)]
        self.wait_until_paused(20)
        times = []
        for _ in range(50):
            start = time.monotonic()
            self.assert_whole_stream(self.streamed("fast"))
            times.append(time.monotonic() - start)
        self.assertLess(sorted(times)[45], 0.2 * SLOW)
        for c in clients:
            c.close()


class StoppedReaderTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("flood", id=FLOOD)
        config.doc["timeouts"] = {"send": "500ms"}

    def test_one_that_never_reads_is_gone(self):
        with self.connect(receive_buffer=4096) as c:
            c.request("POST", "/v1/chat/completions", chat("flood", stream=True))
            self.eventually(lambda: self.sim.stats(FLOOD)["requests"] == 1, "asked")
            self.eventually(lambda: self.sim.stats(FLOOD)["in_flight"] == 0, "ended", 15)
            self.assertEqual(self.sim.stats(FLOOD)["cancelled"], 1)
            name = 'sluice_requests_ended_total{endpoint="chat",reason="client_gone"}'
            self.eventually(lambda: self.gateway.metrics()[name] == 1, "counted")


if __name__ == "__main__":
    unittest.main()
