"""max_in_flight holds for the whole process, whichever worker asks; who waits is served in turn."""

import hashlib
import threading
import time
import unittest

from harness import SLOW, GatewayCase, chat

NAME = "fast:first=5,token=1,tokens=10"


class ManyWorkersTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.doc["workers"] = 4
        config.doc["keys"] = [
            {"name": n, "sha256": hashlib.sha256(n.encode()).hexdigest()} for n in ("first", "second")]
        config.upstream("narrow", max_in_flight=2, queue=1000, retries=0)
        config.model("narrow", id=NAME, upstream="narrow")
        config.model("wide", id="fast:id=wide")

    def ask(self, key, count, results):
        for i in range(count):
            with self.connect() as c:  # a new connection each: the kernel spreads them over workers
                headers = [("Authorization", "Bearer " + key)]
                if i % 3 == 0:
                    stream = c.stream("/v1/chat/completions", chat("narrow", stream=True), headers)
                    results.append(stream.head.status == 200 and stream.read()[-1].is_done)
                elif i % 3 == 1:
                    c.request("POST", "/v1/chat/completions", chat("narrow"), headers)
                    results.append(c.response().status == 200)
                else:  # leaves, at any moment
                    c.request("POST", "/v1/chat/completions", chat("narrow", stream=True), headers)
                    time.sleep(0.002 * (i % 7))

    def test_upstream_never_sees_more(self):
        results = []
        threads = [threading.Thread(target=self.ask, args=(key, 30, results))
                   for key in ("first", "second") for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(results), 16 * 20)
        self.assertTrue(all(results))
        self.eventually(lambda: self.sim.stats(NAME)["in_flight"] == 0, "all end")
        self.assertEqual(self.sim.stats(NAME)["max_in_flight"], 2)
        gauge = 'sluice_upstream_in_flight{upstream="narrow"}'
        self.eventually(lambda: self.gateway.metrics()[gauge] == 0, "all slots are back")

    def test_workers_share_the_work(self):
        self.assertEqual(self.gateway.metrics()["sluice_fronts"], 4)
        headers = [("Authorization", "Bearer first")]
        for _ in range(40):
            self.assertEqual(self.chat("wide", headers=headers).status, 200)
        name = 'sluice_requests_total{endpoint="chat",code="2xx"}'
        self.assertGreaterEqual(self.gateway.metrics()[name], 40)


class QueueTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("busy", id="fast:first=400,tokens=1",
                     settings={"max_in_flight": 1, "queue": 2, "retries": 0})
        config.model("backed", id="fast:first=400,tokens=1,id=2", fallback="fast",
                     settings={"max_in_flight": 1, "queue": 0, "retries": 0})
        config.model("fast")

    def test_waits_its_turn_then_overflows(self):
        clients = [self.connect() for _ in range(6)]
        for c in clients:
            self.addCleanup(c.close)
            c.request("POST", "/v1/chat/completions", chat("busy"))
        replies = [c.response() for c in clients]
        statuses = sorted(r.status for r in replies)
        self.assertEqual(statuses[:3], [200, 200, 200])
        for r in replies:
            if r.status != 200:
                self.assert_error(r, r.status)
                self.assertIn(r.status, (429, 503))
                self.assertGreater(float(r["retry-after"]), 0)
        self.assertEqual(len([s for s in statuses if s != 200]), 3)

    def test_overflow_goes_to_the_fallback(self):
        with self.connect() as first:
            first.request("POST", "/v1/chat/completions", chat("backed"))
            self.eventually(
                lambda: self.sim.stats("fast:first=400,tokens=1,id=2")["in_flight"] == 1, "asked")
            start = time.monotonic()
            self.assertEqual(self.chat("backed").json["choices"][0]["message"]["content"], self.canonical)
            self.assertLess(time.monotonic() - start, 0.35 * SLOW)
            self.assertEqual(first.response().status, 200)


if __name__ == "__main__":
    unittest.main()
