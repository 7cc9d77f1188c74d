"""API keys: who may come in, to which models, how often."""

import hashlib
import json
import time
import unittest

from harness import GatewayCase, chat


def sha256(key):
    return hashlib.sha256(key.encode()).hexdigest()


def bearer(key):
    return [("Authorization", "Bearer " + key)]


class KeyTest(GatewayCase):
    env = {"APP2_KEY": "key-two"}

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("dear", id="fast:tokens=2", params=1e12)
        config.doc["aliases"] = {"gpt-4o": "auto"}
        config.doc["keys"] = [
            {"name": "app1", "sha256": sha256("key-one")},
            {"name": "app2", "token_env": "APP2_KEY", "allow": ["auto", "fast"]},
        ]

    def test_right_keys(self):
        for key in ("key-one", "key-two"):
            self.assertEqual(self.chat(headers=bearer(key)).status, 200)

    def test_scheme_in_any_case(self):
        for scheme in ("bearer", "BEARER"):
            r = self.chat(headers=[("Authorization", scheme + " key-one")])
            self.assertEqual(r.status, 200)

    def test_wrong_keys(self):
        for header in ("Bearer key-onE", "Bearer key-one2", "Bearer key-on", "Bearer", "Bearer ",
                       "Basic a2V5LW9uZQ==", "key-one", "Bearer key-one key-one", "",
                       "Bearer " + sha256("key-one"), "Bearer " + "x" * 5000):
            with self.subTest(header=header[:40]), self.connect() as c:
                r = c.call("POST", "/v1/chat/completions", chat(), [("Authorization", header)])
                self.assert_error(r, 401, "invalid_request_error", "invalid_api_key")
                self.assert_alive(c)

    def test_no_key(self):
        r = self.chat()
        self.assert_error(r, 401, "invalid_request_error", "invalid_api_key", words=["Authorization"])

    def test_all_of_v1_needs_one(self):
        for method, path in (("GET", "/v1/models"), ("GET", "/v1/models/fast"), ("POST", "/v1/embeddings"),
                             ("POST", "/v1/completions")):
            r = self.gateway.call(method, path, {} if method == "POST" else None)
            self.assert_error(r, 401, code="invalid_api_key")

    def test_health_needs_none(self):
        self.assertEqual(self.get("/healthz").status, 200)
        self.assertEqual(self.get("/readyz").status, 200)

    def test_401_is_not_to_be_repeated(self):
        r = self.chat()
        self.assertIsNone(r["retry-after"])

    def test_allow_list(self):
        for model, status in (("fast", 200), ("auto", 200), ("dear", 403), ("gpt-4o", 403),
                              ("auto/default", 403), ("nothing", 403)):
            with self.subTest(model=model):
                r = self.chat(model, headers=bearer("key-two"))
                self.assertEqual(r.status, status, r.body)
                if status == 403:
                    self.assert_error(r, 403, "invalid_request_error", param="model")

    def test_a_limited_key_names_no_further_models(self):
        """To an upstream that routes itself they are models to answer with."""
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
            body = dict(chat("fast"), prompt="Hi", input="Hi")
            for models in (["dear"], [], "dear", {}):
                with self.subTest(path=path, models=models):
                    r = self.gateway.call("POST", path, dict(body, models=models), bearer("key-two"))
                    self.assert_error(r, 403, "invalid_request_error", param="models")
        text = json.dumps(chat("fast", models=["dear"])).replace('"models"', '"mod\\u0065ls"')
        r = self.gateway.call("POST", "/v1/chat/completions", text.encode(), bearer("key-two"))
        self.assert_error(r, 403, "invalid_request_error", param="models")
        self.assertEqual(self.chat(headers=bearer("key-two"), models=None).status, 200)
        self.assertEqual(self.chat(headers=bearer("key-one"), models=["dear"]).status, 200)

    def test_list_shows_what_is_allowed(self):
        ids = {m["id"] for m in self.get("/v1/models", bearer("key-two")).json["data"]}
        self.assertEqual(ids, {"auto", "fast"})
        self.assert_error(self.get("/v1/models/dear", bearer("key-two")), 404, code="model_not_found")

    def test_refused_body_is_not_read_upstream(self):
        before = self.sim.stats()["requests"]
        self.chat(headers=bearer("wrong"))
        self.chat("dear", headers=bearer("key-two"))
        self.assertEqual(self.sim.stats()["requests"], before)

    def test_big_body_without_a_key(self):
        with self.connect() as c:
            c.request("POST", "/v1/chat/completions", None, [("Content-Length", 20 << 20)])
            self.assert_error(c.response(), 401)
            self.assertTrue(c.is_closed_by_peer(), "20 MB are not read to be thrown away")

    def test_log_names_the_key(self):
        r = self.chat(headers=bearer("key-one"))
        self.assertEqual(self.gateway.access(r["x-request-id"])["key"], "app1")


class LimitTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("slow", id="fast:first=10,token=30,tokens=30")
        config.doc["keys"] = [
            {"name": "requests", "sha256": sha256("r"), "requests_per_minute": 5},
            {"name": "tokens", "sha256": sha256("t"), "tokens_per_minute": 600},
            {"name": "flight", "sha256": sha256("f"), "max_in_flight": 2},
            {"name": "free", "sha256": sha256("free")},
            {"name": "counted", "sha256": sha256("c"), "requests_per_minute": 1},
            {"name": "quick", "sha256": sha256("q"), "requests_per_minute": 120},
            {"name": "left", "sha256": sha256("l"), "tokens_per_minute": 600},
        ]

    def refused(self, r):
        error = self.assert_error(r, 429, code="rate_limit_exceeded")
        self.assertGreater(float(r["retry-after"]), 0)
        return error

    def test_requests(self):
        left = []
        for _ in range(5):
            r = self.chat(headers=bearer("r"))
            self.assertEqual(r.status, 200)
            self.assertEqual(r["x-ratelimit-limit-requests"], "5")
            left.append(int(r["x-ratelimit-remaining-requests"]))
            self.assertRegex(r["x-ratelimit-reset-requests"], r"^[0-9.]+(ms|s)$")
        self.assertEqual(left, [4, 3, 2, 1, 0])
        r = self.chat(headers=bearer("r"))
        self.refused(r)
        self.assertEqual(r["x-ratelimit-remaining-requests"], "0")
        # One of five a minute: it comes back after 12 s at the latest.
        self.assertLessEqual(float(r["retry-after"]), 12)
        self.assertEqual(self.chat(headers=bearer("free")).status, 200, "another key's limit is another's")

    def test_waiting_as_told_helps(self):
        while True:
            r = self.chat(headers=bearer("q"))
            if r.status == 429:
                break
        self.refused(r)
        time.sleep(float(r["retry-after"]))
        self.assertEqual(self.chat(headers=bearer("q")).status, 200)

    def test_tokens_are_corrected_by_usage(self):
        r = self.chat(headers=bearer("t"), max_tokens=100)
        self.assertEqual(r["x-ratelimit-limit-tokens"], "600")
        used = r.json["usage"]["total_tokens"]
        self.assertLess(used, 100)
        again = self.chat(headers=bearer("t"), max_tokens=100)
        # After the first only `used` are gone (and the second's own estimate is taken).
        self.assertGreaterEqual(int(again["x-ratelimit-remaining-tokens"]), 600 - used - 200)
        for _ in range(50):
            r = self.chat(headers=bearer("t"), max_tokens=100)
            if r.status == 429:
                break
        self.assertEqual(self.refused(r)["type"], "tokens")

    def test_in_flight(self):
        streams = self.open_streams(2, "slow", bearer("f"))
        for s in streams:
            s.content()
        self.refused(self.chat(headers=bearer("f")))
        for s in streams:
            s.read()
        self.eventually(lambda: self.chat(headers=bearer("f")).status == 200, "the slots come back", 5)

    def test_leaving_gives_the_slot_back(self):
        for _ in range(2):
            self.open_stream("slow", bearer("f")).content()
        self.doCleanups()
        self.eventually(lambda: self.chat(headers=bearer("f")).status == 200, "the slots come back", 5)

    def test_an_aborted_stream_costs_what_came_of_it(self):
        """A prompt of 200 tokens, and a few of the 390 that were asked for. 10 come back in a second."""
        long = [{"role": "user", "content": "What is 1 + 2? " + "x" * 800}]
        with self.connect() as c:
            stream = self.open_stream("slow", bearer("l"), connection=c, max_tokens=390, messages=long)
            for _ in range(3):
                stream.content()
        r = self.eventually(lambda: self.allowed("l", max_tokens=300), "the estimate is corrected", 5)
        left = int(r["x-ratelimit-remaining-tokens"])
        self.assertLess(left, 200, "the prompt is charged")

    def allowed(self, key, **members):
        r = self.chat("fast", headers=bearer(key), **members)
        return r if r.status == 200 else None

    def test_429_is_in_the_metrics_and_the_log(self):
        for _ in range(2):
            r = self.chat(headers=bearer("c"))
        self.assertEqual(r.status, 429)
        self.assertEqual(self.gateway.access(r["x-request-id"])["reason"], "rate_limited")
        name = 'sluice_requests_ended_total{endpoint="chat",reason="rate_limited"}'
        self.assertGreater(self.gateway.metrics()[name], 0)
        self.assertEqual(self.gateway.access(r["x-request-id"])["status"], "429")


if __name__ == "__main__":
    unittest.main()
