"""Completions, embeddings, models, health, and the paths that are not there."""

import base64
import json
import struct
import unittest

from harness import GatewayCase


class CompletionsTest(GatewayCase):
    def complete(self, **members):
        return self.post("/v1/completions", {"model": "fast", "prompt": "Once", **members})

    def test_json(self):
        r = self.complete(max_tokens=4)
        reply = r.json
        self.assertEqual(reply["object"], "text_completion")
        self.assertEqual(reply["model"], "fast")
        self.assertTrue(reply["id"].endswith(r["x-request-id"]))
        choice = reply["choices"][0]
        self.assertEqual(choice["finish_reason"], "length")
        self.assertEqual(choice["text"].split(), self.canonical.split()[:4])
        self.assertEqual(reply["usage"]["completion_tokens"], 4)

    def test_stream(self):
        with self.connect() as c:
            stream = c.stream("/v1/completions", {"model": "fast", "prompt": "Once", "stream": True})
            stream.read()
        self.assert_whole_stream(stream)
        self.assertEqual({c["object"] for c in stream.chunks}, {"text_completion"})
        self.assertEqual([c for c in stream.chunks if "usage" in c], [])

    def test_stream_with_usage(self):
        body = {"model": "fast", "prompt": "Once", "stream": True,
                "stream_options": {"include_usage": True}}
        with self.connect() as c:
            stream = c.stream("/v1/completions", body)
            stream.read()
        self.assertEqual(stream.chunks[-1]["usage"]["completion_tokens"], 60)
        self.assertEqual(stream.chunks[-1]["choices"], [])

    def test_logprobs_and_echo(self):
        reply = self.complete(logprobs=0, echo=True, max_tokens=3).json
        self.assertTrue(reply["choices"][0]["text"].startswith("Once"))
        self.assertEqual(set(reply["choices"][0]["logprobs"]),
                         {"tokens", "token_logprobs", "top_logprobs", "text_offset"})

    def test_several_prompts(self):
        reply = self.complete(prompt=["One", "Two"], n=2, max_tokens=1).json
        self.assertEqual([c["index"] for c in reply["choices"]], [0, 1, 2, 3])

    def test_bytes_pass(self):
        body = b'{"prompt":[1,2,3], "model":"fast","best_of":1,"suffix":null,"seed":9007199254740993}'
        self.assertEqual(self.post("/v1/completions", body).status, 200)
        self.assertEqual(self.sim.last_body("fast"), body)

    def test_no_prompt(self):
        r = self.post("/v1/completions", {"model": "fast"})
        self.assert_error(r, 400, "invalid_request_error", param="prompt")


class EmbeddingsTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("embed", id="sim-embed", capabilities=["embeddings"])
        config.model("fast", params=1)

    def embed(self, **members):
        return self.post("/v1/embeddings", {"model": "embed", "input": "hello", **members})

    def test_floats(self):
        r = self.embed(encoding_format="float")
        reply = r.json
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(reply["object"], "list")
        self.assertEqual(reply["model"], "embed")
        self.assertIsInstance(reply["data"][0]["embedding"][0], float)
        self.assertGreater(reply["usage"]["prompt_tokens"], 0)

    def test_base64_as_the_clients_ask_by_default(self):
        floats = self.embed(encoding_format="float").json["data"][0]["embedding"]
        packed = self.embed(encoding_format="base64").json["data"][0]["embedding"]
        unpacked = struct.unpack("<%df" % len(floats), base64.b64decode(packed))
        for a, b in zip(floats, unpacked):
            self.assertAlmostEqual(a, b, places=5)

    def test_many_inputs_in_order(self):
        reply = self.embed(input=["a", "b", "c"]).json
        self.assertEqual([d["index"] for d in reply["data"]], [0, 1, 2])

    def test_dimensions_pass(self):
        reply = self.embed(dimensions=16, encoding_format="float").json
        self.assertEqual(len(reply["data"][0]["embedding"]), 16)

    def test_bytes_pass(self):
        body = b'{"input":[[1,2,3]],"model":"embed","user":"u","x":1.50}'
        self.assertEqual(self.post("/v1/embeddings", body).status, 200)
        self.assertEqual(self.sim.last_body("sim-embed"), body.replace(b"embed", b"sim-embed"))

    def test_no_input(self):
        r = self.post("/v1/embeddings", {"model": "embed"})
        self.assert_error(r, 400, "invalid_request_error", param="input")


class ModelsTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("vendor/name:7b", id="fast")
        config.doc["aliases"] = {"gpt-4o": "auto"}

    def test_list(self):
        reply = self.get("/v1/models").json
        self.assertEqual(reply["object"], "list")
        ids = [m["id"] for m in reply["data"]]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertLessEqual({"auto", "fast", "vendor/name:7b", "gpt-4o"}, set(ids))
        for m in reply["data"]:
            self.assertEqual(set(m), {"id", "object", "created", "owned_by"})
            self.assertEqual(m["object"], "model")
            self.assertIsInstance(m["created"], int)

    def test_one(self):
        for path in ("fast", "vendor/name:7b", "vendor%2Fname%3A7b", "gpt-4o", "auto"):
            with self.subTest(path=path):
                r = self.get("/v1/models/" + path)
                self.assertEqual(r.status, 200, r.body)
                self.assertEqual(r.json["object"], "model")
                self.assertEqual(r.json["id"], path.replace("%2F", "/").replace("%3A", ":"))

    def test_none_such(self):
        for path in ("nothing", "fast/x", "%66as"):
            self.assert_error(self.get("/v1/models/" + path), 404, "invalid_request_error",
                              "model_not_found", "model")

    def test_what_is_listed_can_be_asked(self):
        for m in self.get("/v1/models").json["data"]:
            self.assertEqual(self.chat(m["id"]).status, 200, m["id"])


class PathsTest(GatewayCase):
    def test_with_and_without_v1_and_slash(self):
        for path in ("/v1/models", "/models", "/v1/models/", "/models/", "/v1/models?limit=5"):
            with self.subTest(path=path):
                self.assertEqual(self.get(path).json["object"], "list")
        body = {"model": "fast", "messages": [{"role": "user", "content": "x"}]}
        for path in ("/chat/completions", "/v1/chat/completions/", "/v1/chat/completions?api-version=1"):
            with self.subTest(path=path):
                self.assertEqual(self.post(path, body).status, 200)

    def test_absolute_form(self):
        self.assertEqual(self.get("http://localhost/v1/models").status, 200)

    def test_health(self):
        self.assertEqual(self.get("/healthz").status, 200)
        self.assertEqual(self.get("/readyz").status, 200)

    def test_unknown_names_the_served_ones(self):
        for method, path in (("GET", "/"), ("GET", "/v1"), ("POST", "/v1/responses"),
                             ("GET", "/v1/responses/r1"), ("POST", "/v1/messages"), ("GET", "/v2/models"),
                             ("GET", "/v1/chat"), ("POST", "/v1/chat/completions/x"),
                             ("GET", "/v1/../etc/passwd"), ("GET", "/%2e%2e/")):
            with self.subTest(path=path):
                r = self.gateway.call(method, path, {} if method == "POST" else None)
                self.assert_error(r, 404, "invalid_request_error", words=["/v1/chat/completions"])

    def test_wrong_method_says_which(self):
        for method, path, right in (("GET", "/v1/chat/completions", "POST"),
                                    ("POST", "/v1/models", "GET"), ("DELETE", "/v1/models/fast", "GET"),
                                    ("PUT", "/v1/embeddings", "POST")):
            with self.subTest(path=path):
                r = self.gateway.call(method, path, {} if method in ("POST", "PUT") else None)
                self.assert_error(r, 405, "invalid_request_error")
                self.assertIn(right, r["allow"])

    def test_admin_is_not_public(self):
        for path in ("/metrics", "/admin/status", "/admin/reload"):
            self.assert_error(self.get(path), 404)

    def test_no_redirects_and_no_html(self):
        r = self.get("/nothing/here")
        json.loads(r.text)
        self.assertIsNone(r["location"])


if __name__ == "__main__":
    unittest.main()
