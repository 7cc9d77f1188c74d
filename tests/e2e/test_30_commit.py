"""The commit point: until content or the first heartbeat every failure is a real HTTP error, retries
and fallbacks go on; afterwards a failure is an error event and never looks like success."""

import time
import unittest

from harness import SLOW, GatewayCase, text_of


class HeartbeatTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.doc["heartbeat"] = {"first": "200ms", "every": "150ms"}
        config.model("fast")
        config.model("thinks", id="fast:first=900,tokens=5")
        config.model("stalls", id="s09-stall:stall=600")
        config.model("fails-late", id="x-error-event-first:first=600", settings={"retries": 0})
        config.model("late-then-other", id="x-error-event-first:first=600,id=2",
                     settings={"retries": 0}, fallback="fast")
        config.model("silent", id="s06-silent",
                     settings={"retries": 0, "timeouts": {"first_token": "600ms"}})

    def comments(self, stream):
        return [e for e in stream.events if e.comment is not None and "sluice" not in e.comment]

    def test_silence_is_covered(self):
        start = time.monotonic()
        stream = self.open_stream("thinks")
        self.assertEqual(stream.head.status, 200)
        self.assertLess(stream.head.time - start, 0.9, "the head waits for no content")
        stream.read()
        beats = self.comments(stream)
        self.assertGreaterEqual(len(beats), 3)
        self.assertGreaterEqual(beats[0].time - start, 0.19)
        gaps = [b.time - a.time for a, b in zip(beats, beats[1:])]
        self.assertLess(min(abs(g - 0.15) for g in gaps), 0.1 * SLOW)
        self.assertLess(max(stream.events.index(b) for b in beats), len(stream.events) - 5)
        self.assertEqual(len(text_of(stream.events).split()), 5)
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual(int(line["heartbeats"]), len(beats))

    def test_no_beat_while_tokens_come(self):
        self.assertEqual(self.comments(self.streamed("fast")), [])

    def test_beats_also_within_the_answer(self):
        stream = self.streamed("stalls")
        self.assert_whole_stream(stream)
        self.assertGreaterEqual(len(self.comments(stream)), 2)

    def test_json_client_gets_none(self):
        reply = self.chat("thinks")
        self.assertEqual(len(reply.json["choices"][0]["message"]["content"].split()), 5)

    def test_failure_after_a_beat_is_an_event(self):
        stream = self.streamed("fails-late")
        error = self.assert_failed_stream(stream)
        self.assertEqual(error["code"], "simulated_failure")
        self.assertEqual(text_of(stream.events[:-1]), "")

    def test_fallback_goes_on_after_a_beat(self):
        stream = self.streamed("late-then-other")
        self.assertGreaterEqual(len(self.comments(stream)), 1)
        self.assert_whole_stream(stream)

    def test_deadline_after_a_beat(self):
        self.assert_failed_stream(self.streamed("silent"))

    def test_json_failure_is_a_status(self):
        r = self.chat("fails-late")
        self.assertGreaterEqual(r.status, 500)
        self.assert_error(r, r.status, code="simulated_failure")


class NoHeartbeatTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.doc["heartbeat"] = "off"
        config.model("thinks", id="fast:first=500,tokens=3")
        config.model("thinks-early", id="fast:first=500,tokens=3,early=1")

    def test_nothing_before_content(self):
        for model in ("thinks", "thinks-early"):
            start = time.monotonic()
            stream = self.streamed(model)
            self.assertGreaterEqual(stream.head.time - start, 0.45, "role alone commits nothing")
            self.assertEqual(stream.events[0].json["choices"][0]["delta"]["role"], "assistant")


class BeforeContentTest(GatewayCase):
    """Default heartbeat (15 s): nothing is committed when these fail."""

    @classmethod
    def configure(cls, config):
        none = {"retries": 0}
        for name in ("s04-503", "s05-reset", "x-html", "x-html-502", "x-wrong-type", "x-empty",
                     "x-error-event-first", "s10-malformed-first", "x-huge-head", "s12-context",
                     "s13-filter"):
            config.model(name, settings=none)
        # A JSON reply is silent until it is whole, so only the total bounds it.
        config.model("s06-silent", settings={
            "retries": 0, "timeouts": {"first_token": "300ms", "total": "900ms"}})
        config.model("early-silence", id="fast:first=20000,early=1",
                     settings={"retries": 0, "timeouts": {"first_token": "300ms"}})
        config.model("cut-at-once", id="s08-cut:at=0", settings=none)
        config.model("nowhere", settings={"retries": 0, "url": "http://127.0.0.1:9/v1"})
        config.model("noname", settings={"retries": 0, "url": "http://does-not-exist.invalid/v1",
                                         "timeouts": {"connect": "5s"}})

    EXPECTED = {
        "s04-503": (503,), "s05-reset": (502,), "s06-silent": (504,), "early-silence": (504,),
        "x-html": (502,), "x-html-502": (502,), "x-wrong-type": (502,), "x-empty": (502,),
        "x-error-event-first": (500, 502), "s10-malformed-first": (502,), "x-huge-head": (502,),
        "cut-at-once": (502,), "nowhere": (502,), "noname": (502,),
        "s12-context": (400,), "s13-filter": (400,),
    }

    def test_status_is_honest_for_streams_and_json(self):
        for model, statuses in self.EXPECTED.items():
            for stream in (True, False):
                if model in ("early-silence", "cut-at-once") and not stream:
                    continue
                with self.subTest(model=model, stream=stream):
                    r = self.chat(model, stream=stream)
                    if model == "x-wrong-type" and r.status == 200 and not stream:
                        continue  # a right document under a wrong label
                    self.assertIn(r.status, statuses, r.body)
                    self.assert_error(r, r.status)
                    if r.status >= 500:
                        self.assertEqual(r["x-should-retry"], "false")


class AfterContentTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        for name in ("s08-cut", "s10-malformed", "x-error-event", "x-bad-chunk", "x-no-finish"):
            config.model(name, fallback="fast")
        config.model("cut-fin", id="s08-cut:fin=1", fallback="fast")
        config.model("s09-stall", settings={"timeouts": {"idle": "400ms"}}, fallback="fast")
        config.model("endless", id="x-endless-line:at=20", fallback="fast")
        config.model("total", id="fast:first=10,token=100,tokens=50",
                     settings={"timeouts": {"total": "700ms"}}, fallback="fast")

    def test_error_event_and_no_second_answer(self):
        for model in ("s08-cut", "cut-fin", "s09-stall", "s10-malformed", "x-error-event", "x-bad-chunk",
                      "x-no-finish", "endless", "total"):
            with self.subTest(model=model):
                stream = self.streamed(model)
                self.assert_failed_stream(stream)
                text = text_of(stream.events[:-1])
                self.assertTrue(text)
                self.assertTrue(self.canonical.startswith(text), "a spliced answer: " + text)

    def test_provider_error_keeps_its_words(self):
        error = self.assert_failed_stream(self.streamed("x-error-event"))
        self.assertEqual(error["code"], "simulated_failure")
        self.assertEqual(error["type"], "server_error")
        self.assertEqual(error["message"], "The simulated model failed mid stream.")

    def test_reason_is_logged_and_counted(self):
        stream = self.streamed("s08-cut")
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual((line["status"], line["reason"]), ("200", "upstream_cut"))
        stream = self.streamed("s09-stall")
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual(line["reason"], "upstream_idle_timeout")
        self.assertGreater(self.gateway.metrics()["sluice_upstream_truncated_total"], 0)

    def test_json_client_never_gets_half(self):
        for model in ("s08-cut", "s10-malformed", "x-bad-chunk"):
            with self.subTest(model=model):
                r = self.chat(model)
                if r.status == 200:
                    self.assertEqual(r.json["choices"][0]["message"]["content"], self.canonical)
                else:
                    self.assert_error(r, r.status)


class EndWithoutDoneTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("s11-no-done")
        config.model("hangup", id="s11-no-done:hangup=1")
        config.model("usage-choices", id="x-usage-before-done-with-choices")

    def test_finish_reason_makes_it_whole(self):
        for model in ("s11-no-done", "hangup"):
            self.assert_whole_stream(self.streamed(model))

    def test_usage_event_with_choices(self):
        stream = self.streamed("usage-choices")
        self.assert_whole_stream(stream)
        self.assertEqual([c for c in stream.chunks if c.get("usage")], [])


if __name__ == "__main__":
    unittest.main()
