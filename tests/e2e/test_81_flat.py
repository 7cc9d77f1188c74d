"""Ten thousand requests and a thousand streams left at random instants leave descriptors and memory
where they were. FLAT_FACTOR makes it longer (make soak)."""

import concurrent.futures
import os
import random
import sys
import unittest

from harness import GatewayCase, chat

FACTOR = int(os.environ.get("FLAT_FACTOR", "1"))
REQUESTS, ABORTS, CALLERS = 10000, 1000, 8


class FlatTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.doc["log"] = {"access": False}
        config.model("fast")
        config.model("slow", id="fast:first=20,token=2,tokens=300")

    def ask(self, count):
        with self.connect() as c:
            for i in range(count):
                streamed = i % 4 == 0
                r = c.call("POST", "/v1/chat/completions", chat("fast", stream=streamed))
                self.assertEqual(r.status, 200)
                self.assertIn(b"[DONE]" if streamed else b'"finish_reason":"stop"', r.body)

    def leave(self, count, seed):
        chance = random.Random(seed)
        for _ in range(count):
            c = self.connect()
            c.request("POST", "/v1/chat/completions", chat("slow", stream=True))
            c.socket.settimeout(chance.random() * 0.08)
            try:
                while c.socket.recv(512):
                    pass
            except TimeoutError:
                pass
            if chance.random() < 0.5:
                c.reset()
            else:
                c.close()

    def round(self, seed, requests=REQUESTS, aborts=ABORTS):
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
            work = [pool.submit(self.ask, requests // CALLERS) for _ in range(CALLERS)]
            for w in work:
                w.result()
            work = [pool.submit(self.leave, aborts // CALLERS, seed + i) for i in range(CALLERS)]
            for w in work:
                w.result()
        self.eventually(lambda: self.sim.stats()["in_flight"] == 0, "all are cancelled")
        names = ("sluice_requests_open", "sluice_streams_open", "sluice_upstream_transfers_open")
        self.eventually(lambda: not any(self.gateway.metrics()[n] for n in names), "all are closed")

    def test_memory_and_descriptors_stay(self):
        # Pools, caches and the allocator's arenas get their size.
        self.round(0, REQUESTS // 5, ABORTS // 5)
        memory, descriptors = self.gateway.memory(), self.gateway.descriptors()
        for i in range(FACTOR):
            self.round(100 * (i + 1))
        grown = self.gateway.memory() - memory
        print("memory %+d KiB over %d requests and %d left streams" % (
            grown // 1024, FACTOR * REQUESTS, FACTOR * ABORTS), file=sys.stderr)
        self.assertLess(grown, 512 * 1024)
        self.assertLessEqual(self.gateway.descriptors(), descriptors + CALLERS)


if __name__ == "__main__":
    unittest.main()
