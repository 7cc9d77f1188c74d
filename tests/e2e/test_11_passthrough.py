"""What the gateway does not understand passes byte for byte; headers pass only where they should."""

import hashlib
import json
import unittest

from harness import Connection, GatewayCase, chat, exact_json

KEY = "sk-the-client-s-own-secret"


class BodyTest(GatewayCase):
    def sent(self, body):
        r = self.post("/v1/chat/completions", body)
        self.assertEqual(r.status, 200, r.body)
        return self.sim.last_body("fast")

    def test_every_byte(self):
        body = (
            b' \t{"messages" :\n[{"role":"user","content":"\\u0041\\/ \xc3\xa9 \\ud83d\\ude00"}],'
            b'"seed": 9007199254740993,"temperature":1.0,"top_p":1e-1 ,"x":-0,"y":1E+2,'
            b'"chat_template_kwargs":{"enable_thinking":false,"n":1234567890123456789},'
            b'"future":[[],{},null,true],"model"\r\n:  "fast"  ,"user":"","zz":1,"zz":2}\n'
        )
        self.assertEqual(self.sent(body), body)

    def test_only_the_models_name_changes(self):
        self.gateway.call("POST", "/v1/chat/completions", chat("fast"))
        body = b'{"seed":9007199254740993,"model":"\\u0066ast","messages":[{"role":"user","content":"x"}]}'
        got = self.sent(body)
        self.assertEqual(exact_json(got), exact_json(body))
        self.assertEqual(exact_json(got)["seed"], "9007199254740993")

    def test_stream_adds_only_stream_options(self):
        body = (b'{"model":"fast","stream":true,"seed":9007199254740993,"temperature":0.10,'
                b'"messages":[{"role":"user","content":"x"}],"logit_bias":{"50256":-100}}')
        with self.connect() as c:
            c.stream("/v1/chat/completions", body).read()
        got = exact_json(self.sim.last_body("fast"))
        self.assertEqual(got.pop("stream_options"), {"include_usage": True})
        self.assertEqual(got, exact_json(body))

    def test_image_of_three_megabytes(self):
        url = "data:image/png;base64," + "iVBORw0KGgo" * (3 * 1024 * 1024 // 11)
        parts = [{"type": "text", "text": "What is this?"},
                 {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
        body = json.dumps({"model": "fast", "messages": [{"role": "user", "content": parts}]}).encode()
        self.assertGreater(len(body), 3_000_000)
        got = self.sent(body)
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(body).digest())

    def test_other_id_upstream_and_back(self):
        config = dict(self.config.doc)
        self.assertEqual(config["models"][1]["name"], "mine")
        body = b'{"model":"mine","messages":[{"role":"user","content":"x"}]}'
        r = self.post("/v1/chat/completions", body)
        self.assertEqual(r.json["model"], "mine")
        self.assertEqual(self.sim.last_body("fast:tokens=2"), body.replace(b"mine", b"fast:tokens=2"))

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("mine", id="fast:tokens=2")


class AnswerTest(GatewayCase):
    def test_all_but_id_and_model_is_the_upstreams(self):
        """The same request straight to the simulator and through the gateway."""
        with self.connect() as c:
            ours = c.call("POST", "/v1/chat/completions", chat(n=2, logprobs=True)).json
        with Connection(self.sim.port) as c:
            theirs = c.call("POST", "/v1/chat/completions", chat(n=2, logprobs=True)).json
        for member in ("id", "created"):
            ours.pop(member)
            theirs.pop(member)
        self.assertEqual(ours, theirs)
        self.assertEqual(list(ours), list(theirs))


class HeaderTest(GatewayCase):
    env = {"UPSTREAM_KEY": "upstream-secret"}

    @classmethod
    def configure(cls, config):
        config.model("fast", settings={"key_env": "UPSTREAM_KEY"})
        config.model("keyless", id="fast:tokens=1")
        config.doc["keys"] = [{"name": "app", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]

    def upstream_saw(self, *headers, model="fast", sim_model="fast"):
        headers += (("Authorization", "Bearer " + KEY),)
        r = self.chat(model, headers=headers)
        self.assertEqual(r.status, 200, r.body)
        return self.sim.last_headers(sim_model)

    def test_keys_are_exchanged(self):
        saw = self.upstream_saw()
        self.assertEqual([v for n, v in saw if n == "authorization"], ["Bearer upstream-secret"])
        self.assertNotIn(KEY, json.dumps(saw))

    def test_client_key_never_goes_upstream(self):
        saw = self.upstream_saw(("api-key", KEY), ("x-api-key", KEY), ("Cookie", "s=" + KEY),
                                model="keyless", sim_model="fast:tokens=1")
        self.assertEqual([v for n, v in saw if n == "authorization"], [])
        self.assertNotIn(KEY, json.dumps(saw))

    def test_what_passes(self):
        wanted = [
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("tracestate", "vendor=1"),
            ("openai-organization", "org-1"),
            ("openai-project", "proj-1"),
            ("openai-beta", "x=v1"),
            ("idempotency-key", "once"),
        ]
        saw = self.upstream_saw(*wanted)
        for header in wanted:
            self.assertIn(header, saw)

    def test_what_does_not_pass(self):
        mine = [("x-forwarded-for", "1.2.3.4"), ("x-sluice-session", "s1"), ("cookie", "a=b"),
                ("keep-alive", "timeout=5"), ("te", "trailers"), ("proxy-authorization", "Basic x"),
                ("accept-encoding", "gzip"), ("x-anything", "y")]
        saw = dict(self.upstream_saw(*mine))
        for name, value in mine:
            self.assertNotEqual(saw.get(name), value, name)
        self.assertEqual(saw["host"], "127.0.0.1:%d" % self.sim.port)
        self.assertEqual(saw["content-type"], "application/json")
        self.assertNotIn("expect", saw)

    def test_what_comes_back(self):
        r = self.chat(headers=[("Authorization", "Bearer " + KEY), ("X-Client-Request-Id", "mine-1")])
        names = {n.lower() for n, _ in r.headers}
        self.assertNotIn("server", names, "the upstream's headers stay there")
        self.assertEqual(r["x-client-request-id"], "mine-1")
        self.assertEqual(len(r.values("x-request-id")), 1)
        self.assertTrue(r["date"])
        self.assertNotIn("upstream-secret", str(r.headers) + r.text)

    def test_upstream_id_is_not_lost(self):
        headers = [("Authorization", "Bearer " + KEY)]
        for r in (self.chat(headers=headers), self.streamed(headers=headers).head):
            self.assertRegex(r["x-sluice-upstream-id"], r"^chatcmpl-sim")
            line = self.gateway.access(r["x-request-id"])
            self.assertEqual(line["upstream_id"], r["x-sluice-upstream-id"])

    def test_secrets_stay_out_of_the_log(self):
        self.upstream_saw()
        self.chat(headers=[("Authorization", "Bearer wrong-" + KEY)])
        self.assertNotIn(KEY, self.gateway.output())
        self.assertNotIn("upstream-secret", self.gateway.output())


if __name__ == "__main__":
    unittest.main()
