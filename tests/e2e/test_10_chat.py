"""Chat completions through one model: JSON replies and event streams, as OpenAI's clients want them."""

import json
import time
import unittest

from harness import SLOW, GatewayCase, chat, text_of

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class JsonTest(GatewayCase):
    def test_shape(self):
        r = self.chat()
        self.assertEqual(r.status, 200)
        self.assertEqual(r["content-type"], "application/json")
        reply = r.json
        self.assertEqual(reply["object"], "chat.completion")
        self.assertEqual(reply["model"], "fast")
        choice = reply["choices"][0]
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertEqual(choice["message"]["content"], self.canonical)
        self.assertEqual(choice["finish_reason"], "stop")
        usage = reply["usage"]
        self.assertEqual(usage["completion_tokens"], 60)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 60)
        self.assertNotIn("sluice", usage, "an answer of one model has no sum over nodes")

    def test_id_is_ours_and_the_same_everywhere(self):
        r = self.chat()
        self.assertRegex(r.json["id"], r"^chatcmpl-[a-z2-7]{48}$")
        self.assertEqual(r.json["id"], "chatcmpl-" + r["x-request-id"])
        self.assertNotEqual(r.json["id"], self.chat().json["id"])

    def test_length_of_the_answer_is_the_clients(self):
        reply = self.chat(max_tokens=7).json
        self.assertEqual(reply["choices"][0]["finish_reason"], "length")
        self.assertEqual(reply["usage"]["completion_tokens"], 7)

    def test_several_choices(self):
        reply = self.chat(n=3).json
        self.assertEqual([c["index"] for c in reply["choices"]], [0, 1, 2])

    def test_tools(self):
        reply = self.chat(tools=[WEATHER], tool_choice="required").json
        call = reply["choices"][0]["message"]["tool_calls"][0]
        self.assertEqual(call["function"]["name"], "get_weather")
        json.loads(call["function"]["arguments"])
        self.assertEqual(reply["choices"][0]["finish_reason"], "tool_calls")

    def test_logprobs(self):
        reply = self.chat(logprobs=True, max_tokens=2).json
        entry = reply["choices"][0]["logprobs"]["content"][0]
        self.assertEqual(set(entry), {"token", "logprob", "bytes", "top_logprobs"})

    def test_conversation_of_many_kinds_of_messages(self):
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Briefer."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}], "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
        r = self.post("/v1/chat/completions", {"model": "fast", "messages": messages})
        self.assertEqual(r.status, 200, r.body)

    def test_structured_output(self):
        schema = {"type": "object", "required": ["answer"], "additionalProperties": False,
                  "properties": {"answer": {"type": "integer"}}}
        form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
        text = self.chat(response_format=form).json["choices"][0]["message"]["content"]
        self.assertIsInstance(json.loads(text)["answer"], int)


class StreamTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("paced", id="fast:first=100,token=60,tokens=8,write=1")

    def test_headers(self):
        head = self.streamed().head
        self.assertEqual(head["content-type"].split(";")[0], "text/event-stream")
        self.assertEqual(head["cache-control"], "no-cache")
        self.assertEqual(head["x-accel-buffering"], "no")
        self.assertIsNone(head["content-encoding"])
        self.assertIsNone(head["content-length"])
        self.assertTrue(head["x-request-id"])

    def test_whole(self):
        stream = self.streamed()
        self.assert_whole_stream(stream)
        self.assertTrue(stream.events[-1].is_done)

    def test_events_have_the_same_names(self):
        chunks = self.streamed().chunks
        self.assertEqual({c["object"] for c in chunks}, {"chat.completion.chunk"})
        for member in ("id", "created", "model"):
            self.assertEqual(len({c[member] for c in chunks}), 1, member)
        self.assertEqual(chunks[0]["model"], "fast")

    def test_id_is_ours(self):
        stream = self.streamed()
        self.assertEqual(stream.chunks[0]["id"], "chatcmpl-" + stream.head["x-request-id"])

    def test_role_first_and_finish_last(self):
        choices = [c["choices"][0] for c in self.streamed().chunks]
        self.assertEqual(choices[0]["delta"]["role"], "assistant")
        self.assertEqual([c for c in choices[1:] if "role" in c["delta"]], [])
        self.assertEqual(choices[-1]["delta"], {})
        self.assertEqual(choices[-1]["finish_reason"], "stop")
        self.assertEqual([c for c in choices[:-1] if c["finish_reason"]], [])

    def test_unknown_members_stay(self):
        self.assertEqual(self.streamed().chunks[0]["system_fingerprint"], "fp_simulated")

    def test_closing_comment(self):
        comments = [e.comment for e in self.streamed().events if e.comment is not None]
        self.assertEqual(len(comments), 1)
        self.assertRegex(comments[0], r"^sluice graph=[0-9a-f]{16} calls=1 degraded=\w+$")

    def test_events_come_as_they_are_made(self):
        stream = self.open_stream("paced")
        times = [e.time for e in stream if text_of([e])]
        self.assertEqual(len(times), 8)
        gaps = sorted(b - a for a, b in zip(times, times[1:]))
        # Seven gaps of 60 ms: held back and sent together, most of them would be nothing.
        self.assertGreater(gaps[2], 0.03)
        self.assertLess(gaps[-1], 0.06 + 0.25 * SLOW)

    def test_several_choices(self):
        chunks = self.streamed(n=3, max_tokens=5).chunks
        for index in range(3):
            mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
            self.assertEqual(mine[0]["delta"].get("role"), "assistant")
            self.assertEqual([c["finish_reason"] for c in mine if c["finish_reason"]], ["length"])

    def test_logprobs(self):
        chunks = self.streamed(logprobs=True, max_tokens=2).chunks
        entries = [e for c in chunks for e in (c["choices"][0].get("logprobs") or {}).get("content", [])]
        self.assertEqual(len(entries), 2)
        self.assertEqual(entries[0]["logprob"], -0.125)

    def test_stream_false_and_null_are_json(self):
        for value in (False, None):
            r = self.chat(stream=value)
            self.assertEqual(r["content-type"], "application/json")

    def test_a_hundred_at_once(self):
        streams = self.open_streams(100, "paced")
        for stream in streams:
            stream.read()
            self.assert_whole_stream(stream, " ".join(self.canonical.split(" ")[:8]))


class UsageTest(GatewayCase):
    def test_asked_for(self):
        chunks = self.streamed(stream_options={"include_usage": True}).chunks
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 60)
        for chunk in chunks[:-1]:
            self.assertIn("usage", chunk)
            self.assertIsNone(chunk["usage"])

    def test_not_asked_for(self):
        for options in ({}, {"stream_options": {"include_usage": False}}, {"stream_options": None},
                        {"stream_options": {}}):
            with self.subTest(options=options):
                stream = self.streamed(**options)
                self.assert_whole_stream(stream)
                self.assertEqual([c for c in stream.chunks if "usage" in c], [])
                self.assertEqual([c for c in stream.chunks if not c["choices"]], [])

    def test_asked_of_the_upstream_all_the_same(self):
        stream = self.streamed()
        sent = json.loads(self.sim.last_body("fast"))
        self.assertIs(sent["stream_options"]["include_usage"], True)
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual(line["completion_tokens"], "60")

    def test_other_stream_options_pass(self):
        self.streamed(stream_options={"include_obfuscation": False})
        sent = json.loads(self.sim.last_body("fast"))
        self.assertEqual(sent["stream_options"], {"include_obfuscation": False, "include_usage": True})


class StreamedToolsTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.model("no-index", id="x-no-index-tools")
        config.model("zero-index", id="x-no-index-tools:zero=1")

    def calls(self, model):
        """The calls that the deltas make, as a client puts them together: by index."""
        calls = {}
        chunks = self.streamed(model, tools=[WEATHER], tool_choice="required",
                               text="Weather in Paris and in Rome?").chunks
        for chunk in chunks:
            for delta in chunk["choices"][0]["delta"].get("tool_calls", []):
                call = calls.setdefault(delta["index"], {"id": None, "name": None, "arguments": ""})
                if "id" in delta:
                    self.assertIsNone(call["id"], "two openers for one index")
                    call["id"], call["name"] = delta["id"], delta["function"]["name"]
                    self.assertEqual(delta["type"], "function")
                call["arguments"] += delta["function"].get("arguments", "")
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "tool_calls")
        return calls

    def check(self, calls):
        self.assertEqual(sorted(calls), list(range(len(calls))))
        self.assertEqual(len({c["id"] for c in calls.values()}), len(calls))
        for call in calls.values():
            self.assertEqual(call["name"], "get_weather")
            json.loads(call["arguments"])

    def test_as_they_are(self):
        self.check(self.calls("fast"))

    def test_missing_index_is_mended(self):
        self.assertEqual(len(self.calls("no-index")), len(self.calls("fast")))
        self.check(self.calls("no-index"))

    def test_repeated_zero_is_mended(self):
        self.assertEqual(len(self.calls("zero-index")), len(self.calls("fast")))
        self.check(self.calls("zero-index"))

    def test_fragments_are_not_joined(self):
        chunks = self.streamed(tools=[WEATHER], tool_choice="required").chunks
        deltas = [c for c in chunks if c["choices"][0]["delta"].get("tool_calls")]
        self.assertGreater(len(deltas), 2)


class NamesTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast", params=1e9)
        config.model("vendor/big-model:7b", id="fast:tokens=3", params=7e9)
        config.doc["aliases"] = {"gpt-4o": "auto", "gpt-mini": "fast"}

    def test_auto_is_the_biggest(self):
        r = self.chat("auto")
        self.assertEqual(r.json["usage"]["completion_tokens"], 3)
        self.assertEqual(r.json["model"], "auto")
        self.assertEqual(r["x-sluice-task"], "default")
        self.assertRegex(r["x-sluice-graph"], r"^[0-9a-f]{16}$")

    def test_auto_with_a_task(self):
        r = self.chat("auto/default")
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(r["x-sluice-task"], "default")

    def test_aliases(self):
        self.assertEqual(self.chat("gpt-4o").json["usage"]["completion_tokens"], 3)
        reply = self.chat("gpt-mini").json
        self.assertEqual(reply["usage"]["completion_tokens"], 60)
        self.assertEqual(reply["model"], "gpt-mini")

    def test_straight_to_a_model(self):
        self.assertEqual(self.chat("vendor/big-model:7b").json["usage"]["completion_tokens"], 3)

    def test_unknown(self):
        for name in ("nothing", "auto/nothing", "graph/nothing", "fast ", "FAST"):
            with self.subTest(name=name):
                error = self.assert_error(self.chat(name), 404, "invalid_request_error",
                                          "model_not_found", "model")
                self.assertIn(name, error["message"])

    def test_id_differs_by_conversation_not_by_answer(self):
        start = time.monotonic()
        ids = {self.chat("auto", text="same").json["id"] for _ in range(20)}
        self.assertEqual(len(ids), 20)
        self.assertLess(time.monotonic() - start, 20 * SLOW)


class BadRequestTest(GatewayCase):
    def refused(self, body, **wanted):
        with self.connect() as c:
            r = c.call("POST", "/v1/chat/completions", body)
            error = self.assert_error(r, 400, "invalid_request_error", **wanted)
            self.assert_alive(c)
        return error

    def test_no_json(self):
        for body in ("", "{", "nonsense", '{"model":"fast","messages":[}', "[1,2]", '"text"', "null",
                     '{"model":"fast"}garbage', "\ufeff{}", '{"a":01}', '{"a":"\n"}'):
            with self.subTest(body=body):
                self.refused(body)

    def test_says_where(self):
        error = self.refused('{"model":"fast","messages":[{]}')
        self.assertRegex(error["message"], r"\b2[789]\b")

    def test_broken_utf8(self):
        self.refused(b'{"model":"fast","messages":[{"role":"user","content":"\xff"}]}')

    def test_wrong_members(self):
        rows = [
            ({"messages": []}, "model"),
            ({"model": 7, "messages": chat()["messages"]}, "model"),
            ({"model": None, "messages": chat()["messages"]}, "model"),
            ({"model": "", "messages": chat()["messages"]}, "model"),
            ({"model": "fast"}, "messages"),
            ({"model": "fast", "messages": "hello"}, "messages"),
            ({"model": "fast", "messages": []}, "messages"),
            (chat(stream="yes"), "stream"),
            (chat(n=0), "n"),
            (chat(n=-1), "n"),
            (chat(n="two"), "n"),
            (chat(stream=True, stream_options=7), "stream_options"),
        ]
        for body, param in rows:
            with self.subTest(param=param, body=body):
                self.refused(body, param=param)

    def test_double_member(self):
        error = self.refused(
            '{"model":"fast","model":"other","messages":[{"role":"user","content":"x"}]}')
        self.assertIn("duplicate", error["message"])

    def test_too_deep(self):
        self.refused('{"model":"fast","x":%s%s,"messages":[{"role":"user","content":"x"}]}'
                     % ("[" * 5000, "]" * 5000))

    def test_upstream_is_not_asked(self):
        before = self.sim.stats()["requests"]
        self.refused("{")
        self.assertEqual(self.sim.stats()["requests"], before)


if __name__ == "__main__":
    unittest.main()
