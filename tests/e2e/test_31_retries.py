"""Retries, fallback, breaker: what is tried again, what is not, and what the client is told."""

import time
import unittest

from harness import SLOW, Connection, GatewayCase, chat


class RetryTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("once", id="s03-500-once")
        config.model("once-stream", id="s03-500-once:id=2")
        config.model("limited", id="s01-429-retry-after")
        config.model("forever", id="s02-429-forever", settings={"retries": 1})
        config.model("down", id="s04-503", settings={"retries": 2})
        config.model("down-too", id="s04-503:id=3", settings={"retries": 2})
        config.model("reset", id="s05-reset", settings={"retries": 2})
        config.model("no-retry", id="s04-503:id=2", settings={"retries": 0})
        config.model("context", id="s12-context")
        config.model("filter", id="s13-filter")
        config.model("policy", id="s13-filter:policy=1")

    def test_one_500_is_not_seen(self):
        self.assertEqual(self.chat("once").json["choices"][0]["message"]["content"], self.canonical)
        self.assertEqual(self.sim.stats("s03-500-once")["requests"], 2)
        self.assert_whole_stream(self.streamed("once-stream"))

    def test_retry_after_is_honoured(self):
        start = time.monotonic()
        r = self.chat("limited")
        waited = time.monotonic() - start
        self.assertEqual(r.status, 200)
        self.assertGreaterEqual(waited, 1.0, "the upstream said: after a second")
        self.assertLess(waited, 1.0 + 3 * SLOW)
        self.assertEqual(self.sim.stats("s01-429-retry-after")["requests"], 2)

    def test_spent_retries_are_said(self):
        r = self.chat("forever")
        self.assert_error(r, 429, code="rate_limit_exceeded")
        self.assertEqual(r["x-should-retry"], "false")
        self.assertGreater(float(r["retry-after"]), 0)
        self.assertEqual(self.sim.stats("s02-429-forever")["requests"], 2)

    def test_as_often_as_configured(self):
        # libcurl asks once more by itself when a kept connection dies without a byte.
        for model, name, calls in (("down", "s04-503", (3,)), ("reset", "s05-reset", (3, 4)),
                                   ("no-retry", "s04-503:id=2", (1,))):
            self.sim.reset()
            r = self.chat(model)
            self.assert_error(r, r.status)
            self.assertEqual(r["x-should-retry"], "false")
            self.assertIn(self.sim.stats(name)["requests"], calls, model)

    def test_a_request_at_fault_is_not_repeated(self):
        for model, name, code in (("context", "s12-context", "context_length_exceeded"),
                                  ("filter", "s13-filter", "content_filter"),
                                  ("policy", "s13-filter:policy=1", "content_policy_violation")):
            for stream in (False, True):
                self.sim.reset()
                r = self.chat(model, stream=stream)
                self.assert_error(r, 400, "invalid_request_error", code)
                self.assertEqual(self.sim.stats(name)["requests"], 1, model)

    def test_providers_words_stay(self):
        r = self.chat("context")
        self.assertEqual(r.json["error"]["param"], "messages")
        self.assertTrue(r.json["error"]["message"].startswith("This model's maximum context length is 4096"))

    def test_log_counts_attempts(self):
        r = self.chat("down-too")
        line = self.gateway.access(r["x-request-id"])
        self.assertEqual((line["attempts"], line["fallbacks"], line["calls"]), ("3", "0", "3"))
        self.assertEqual((line["upstream_status"], line["reason"]), ("503", "upstream_status"))


class ProviderStatusTest(GatewayCase):
    """Whatever the provider says, its status and its words arrive."""

    STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 451, 500, 501, 502, 503, 504, 529)
    REPEATED = (408, 409, 429)  # and all of 5xx

    @classmethod
    def configure(cls, config):
        for status in cls.STATUSES:
            config.model("status-%d" % status, id="x-status:code=%d" % status, settings={"retries": 1})

    def test_status_and_words(self):
        with Connection(self.sim.port) as c:
            for status in self.STATUSES:
                told = c.call("POST", "/v1/chat/completions", chat("x-status:code=%d" % status))
                for stream in (False, True):
                    with self.subTest(status=status, stream=stream):
                        self.sim.reset()
                        r = self.chat("status-%d" % status, stream=stream)
                        self.assert_error(r, status)
                        self.assertEqual(r.json, told.json)
                        repeated = status in self.REPEATED or status >= 500
                        if repeated:
                            self.assertEqual(r["x-should-retry"], "false")
                        self.assertEqual(self.sim.stats("x-status:code=%d" % status)["requests"],
                                         2 if repeated else 1)


class FallbackTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        one = {"retries": 0}
        for name in ("s02-429-forever", "s04-503", "s05-reset", "x-html", "x-html-502", "x-empty",
                     "x-error-event-first", "s10-malformed-first", "x-huge-head", "x-gzip"):
            config.model(name, settings=one, fallback="fast")
        quick = {"retries": 0, "timeouts": {"first_token": "300ms", "connect": "300ms", "total": "1s"}}
        config.model("silent", id="s06-silent", settings=quick, fallback="fast")
        config.model("slow", id="s07-slow-first", settings=quick, fallback="fast")
        config.model("slow-early", id="s07-slow-first:early=1", settings=quick, fallback="fast")
        config.model("nowhere", settings={"retries": 0, "url": "http://127.0.0.1:9/v1"}, fallback="fast")
        config.model("chain-1", id="s04-503:id=c1", settings=one, fallback="chain-2")
        config.model("chain-2", id="s04-503:id=c2", settings=one, fallback="fast")
        config.model("context", id="s12-context", settings=one, fallback="fast")
        config.model("both-down", id="s04-503:id=b1", settings=one, fallback="down-too")
        config.model("down-too", id="s04-503:id=b2", settings=one)

    FAILING = ("s02-429-forever", "s04-503", "s05-reset", "x-html", "x-html-502", "x-empty",
               "x-error-event-first", "s10-malformed-first", "x-huge-head", "silent", "slow",
               "slow-early", "nowhere", "chain-1")

    def test_streams(self):
        for model in self.FAILING:
            with self.subTest(model=model):
                start = time.monotonic()
                stream = self.streamed(model)
                self.assert_whole_stream(stream)
                self.assertEqual({c["model"] for c in stream.chunks}, {model})
                self.assertLess(time.monotonic() - start, 3 * SLOW)

    def test_json(self):
        for model in ("s02-429-forever", "s04-503", "s05-reset", "x-html", "x-html-502", "x-empty",
                      "silent", "nowhere", "chain-1"):
            with self.subTest(model=model):
                reply = self.chat(model).json
                self.assertEqual(reply["choices"][0]["message"]["content"], self.canonical)
                self.assertEqual(reply["model"], model)

    def test_asked_once_each(self):
        self.sim.reset()
        self.streamed("chain-1")
        self.assertEqual(self.sim.stats("s04-503:id=c1")["requests"], 1)
        self.assertEqual(self.sim.stats("s04-503:id=c2")["requests"], 1)

    def test_log_says_who_answered(self):
        stream = self.streamed("s04-503")
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual((line["model"], line["upstream_model"], line["fallbacks"]),
                         ("s04-503", "fast", "1"))
        self.assertEqual(line["reason"], "complete")

    def test_fault_of_the_request_does_not_travel(self):
        before = self.sim.stats("fast")["requests"]
        self.assert_error(self.chat("context"), 400, code="context_length_exceeded")
        self.assertEqual(self.sim.stats("fast")["requests"], before)

    def test_all_down(self):
        r = self.chat("both-down", stream=True)
        self.assert_error(r, 503)
        self.assertEqual(r["x-should-retry"], "false")


class BreakerTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("down", id="s04-503", settings={"retries": 0})
        config.model("flap", id="s15-flap:downs=5,ups=1000", settings={"retries": 0})
        config.model("backed", id="s04-503:id=2", settings={"retries": 0}, fallback="fast")
        config.model("gone", id="fast:first=5000", settings={"retries": 0})
        config.model("bad", id="s12-context", settings={"retries": 0})

    def state(self, model):
        upstream = next(m["upstream"] for m in self.config.doc["models"] if m["name"] == model)
        metrics = self.gateway.metrics()
        for state in ("closed", "open", "half_open"):
            if metrics['sluice_upstream_breaker{upstream="%s",state="%s"}' % (upstream, state)]:
                return state
        raise AssertionError("no state of " + upstream)

    def test_opens_and_spares_the_upstream(self):
        for _ in range(5):
            self.chat("down")
        self.assertEqual(self.state("down"), "open")
        before = self.sim.stats("s04-503")["requests"]
        start = time.monotonic()
        r = self.chat("down")
        self.assert_error(r, 503)
        self.assertLess(time.monotonic() - start, 0.5 * SLOW)
        self.assertGreater(float(r["retry-after"]), 0)
        self.assertEqual(self.sim.stats("s04-503")["requests"], before)
        self.assertEqual(self.gateway.access(r["x-request-id"])["reason"], "breaker_open")

    def test_closes_by_a_probe(self):
        for _ in range(5):
            self.chat("flap")
        self.assertEqual(self.state("flap"), "open")
        self.eventually(lambda: self.chat("flap").status == 200, "a probe finds it healthy", 10)
        self.assertEqual(self.state("flap"), "closed")
        self.assertEqual(self.sim.stats("s15-flap:downs=5,ups=1000")["faults"], 5)

    def test_fallback_is_at_once(self):
        for _ in range(8):
            start = time.monotonic()
            self.assert_whole_stream(self.streamed("backed"))
        self.assertLess(time.monotonic() - start, 0.5 * SLOW)
        self.assertEqual(self.state("backed"), "open")
        self.assertEqual(self.sim.stats("s04-503:id=2")["requests"], 5)

    def test_clients_that_leave_are_no_failures(self):
        for _ in range(8):
            with self.connect() as c:
                c.request("POST", "/v1/chat/completions", {
                    "model": "gone", "stream": True, "messages": [{"role": "user", "content": "x"}]})
                self.eventually(lambda: self.sim.stats("fast:first=5000")["in_flight"] > 0, "asked")
            self.eventually(lambda: self.sim.stats("fast:first=5000")["in_flight"] == 0, "cancelled")
        self.assertEqual(self.state("gone"), "closed")

    def test_bad_requests_are_no_failures(self):
        for _ in range(8):
            self.assertEqual(self.chat("bad").status, 400)
        self.assertEqual(self.state("bad"), "closed")


if __name__ == "__main__":
    unittest.main()
