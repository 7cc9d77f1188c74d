"""A request that runs through a graph of several models: the output streams, latency is the critical
path, failures inside stay inside, and a client that leaves takes the whole graph with it."""

import hashlib
import json
import os
import random
import statistics
import threading
import time
import unittest

from harness import SLOW, GatewayCase, Stream, chat

ASSISTANT = "fast:first=200,tokens=3,id=a%d"
FUSER = "fast:first=100,token=20,tokens=30,id=f"
DEPARTURES = 1000


def panel(*assistants, fuse="llm", output="f"):
    """Assistants that all feed one fuser."""
    nodes = [{"id": "a%d" % i, "model": m, "role": "assistant"} for i, m in enumerate(assistants)]
    fuser = {"id": "f", "role": "fuser", "fuse": fuse}
    if fuse != "vote":
        fuser["model"] = output
    return {
        "nodes": nodes + [fuser],
        "edges": [[n["id"], "f"] for n in nodes],
        "output": "f",
    }


class GraphCase(GatewayCase):
    graphs = {}

    @classmethod
    def configure(cls, config):
        config.doc["graphs"] = {}
        for name, graph in cls.graphs.items():
            path = os.path.join(cls.directory, name + ".graph.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump(graph, f)
            config.doc["graphs"][name] = path

    def last_body(self, model):
        return json.loads(self.sim.last(model)["body"])


class PanelTest(GraphCase):
    """Three assistants and a fuser."""

    graphs = {
        "panel": panel("a0", "a1", "a2"),
        "vote": panel("a0", "a1", "a2", fuse="vote"),
        "chain": {
            "nodes": [{"id": "x", "model": "a0", "role": "assistant"},
                      {"id": "y", "model": "a1", "role": "assistant"}],
            "edges": [["x", "y"]],
            "output": "y",
        },
    }

    @classmethod
    def configure(cls, config):
        super().configure(config)
        for i in range(3):
            config.model("a%d" % i, id=ASSISTANT % i, price={"input": 1, "output": 2})
        config.model("f", id=FUSER, price={"input": 1, "output": 2})

    def test_the_output_streams_while_its_upstream_still_sends(self):
        stream = self.open_stream("graph/panel")
        stream.content()
        stats = self.sim.stats(FUSER)
        self.assertEqual(stats["in_flight"], 1, "the upstream has not ended")
        stream.read()
        self.assert_whole_stream(stream, " ".join(self.canonical.split()[:30]))

    def test_latency_is_the_critical_path(self):
        times = []
        for _ in range(5):
            start = time.monotonic()
            stream = self.open_stream("graph/panel")
            stream.content()
            times.append(time.monotonic() - start)
            stream.read()
        # 200 ms for the assistants, which run at once, and their two further tokens; 100 ms for the fuser.
        self.assertLess(min(times), 0.300 + 0.010 * SLOW)
        self.assertGreaterEqual(statistics.median(times), 0.300)

    def test_candidates_are_in_the_last_user_message(self):
        self.chat("graph/panel", text="A question.")
        body = self.last_body(FUSER)
        self.assertEqual([m["role"] for m in body["messages"]], ["system", "user"])
        self.assertEqual(body["messages"][1]["content"].count(" ".join(self.canonical.split()[:3])), 3)
        self.assertTrue(body["messages"][1]["content"].startswith("A question."))
        self.assertTrue(body["stream"])

    def test_inner_nodes_are_asked_for_an_answer_only(self):
        self.chat("graph/panel", temperature=1.5, stop=["x"], metadata={"a": "b"}, user="u")
        body = self.last_body(ASSISTANT % 0)
        self.assertEqual(
            set(body),
            {"model", "messages", "stream", "stream_options", "temperature", "max_tokens", "seed"})
        self.assertEqual(body["temperature"], 0.2)
        self.assertEqual(self.last_body(FUSER)["temperature"], 1.5)

    def test_usage_is_the_client_s_and_sluice_the_graph_s(self):
        r = self.chat("graph/panel")
        usage = r.json["usage"]
        self.assertEqual(usage["completion_tokens"], 30)
        self.assertEqual(usage["sluice"]["calls"], 4)
        self.assertEqual(usage["sluice"]["completion_tokens"], 3 * 3 + 30)
        self.assertLess(usage["prompt_tokens"] * 4, usage["sluice"]["prompt_tokens"])
        usd = (usage["sluice"]["prompt_tokens"] + 2 * usage["sluice"]["completion_tokens"]) / 1e6
        self.assertAlmostEqual(usage["sluice"]["usd"], usd, 12)
        stream = self.streamed("graph/panel", stream_options={"include_usage": True})
        self.assertEqual(stream.chunks[-1]["choices"], [])
        self.assertEqual(stream.chunks[-1]["usage"]["sluice"]["calls"], 4)
        self.assertFalse([c for c in self.streamed("graph/panel").chunks if c.get("usage")])

    def test_answers_say_what_made_them(self):
        r = self.chat("graph/panel")
        self.assertTrue(r["x-sluice-graph"])
        stream = self.streamed("graph/panel")
        self.assertIn("sluice graph=%s calls=4 degraded=no" % r["x-sluice-graph"],
                      " ".join(e.comment for e in stream.events if e.comment))
        line = self.gateway.access(stream.head["x-request-id"])
        self.assertEqual(line["calls"], "4")
        calls = self.gateway.calls(stream.head["x-request-id"])
        self.assertEqual(sorted(c["upstream_model"] for c in calls), ["a0", "a1", "a2", "f"])
        self.assertEqual({c["reason"] for c in calls}, {"complete"})
        self.assertEqual(sorted(c["node"] for c in calls), ["0", "1", "2", "3"])

    def test_a_vote_is_one_content_chunk(self):
        stream = self.streamed("graph/vote")
        self.assert_whole_stream(stream, " ".join(self.canonical.split()[:3]))
        self.assertEqual(len(stream.chunks), 3)
        self.assertTrue(self.chat("graph/vote").json["choices"][0]["message"]["content"])

    def test_a_chain(self):
        self.assertEqual(self.chat("graph/chain").status, 200)
        text = self.last_body(ASSISTANT % 1)["messages"][-1]["content"]
        self.assertIn(" ".join(self.canonical.split()[:3]), text)


class FailureTest(GraphCase):
    graphs = {
        "one-hangs": panel("a0", "a1", "silent"),
        "one-fails": panel("a0", "a1", "down"),
        "output-down": panel("a0", "a1", "large", output="down"),
        "output-cut": panel("a0", "a1", output="cut"),
        "all-fail": panel("down", "silent-soon"),
        "vote-of-none": panel("down", "down", fuse="vote"),
        "fallback": panel("a0", "a1", output="falls"),
    }

    @classmethod
    def configure(cls, config):
        super().configure(config)
        for i in range(2):
            config.model("a%d" % i, id=ASSISTANT % i)
        config.model("large", id="fast:tokens=5,id=large", params=9e9)
        config.model("f", id="fast:tokens=30,id=f")
        config.model("silent", id="s06-silent")
        config.model("silent-soon", id="s06-silent:id=soon", settings={"timeouts": {"first_token": "300ms"}})
        config.model("down", id="s04-503", settings={"retries": 0})
        config.model("cut", id="s08-cut", settings={"retries": 0})
        config.model("falls", id="s04-503:id=falls", settings={"retries": 0}, fallback="f")

    def words(self, count):
        return " ".join(self.canonical.split()[:count])

    def test_a_hung_assistant_is_waited_for_twice_as_long_as_the_others(self):
        counter = 'sluice_node_calls_ended_total{reason="straggler"}'
        before = self.gateway.metrics()[counter]
        start = time.monotonic()
        stream = self.streamed("graph/one-hangs")
        took = time.monotonic() - start
        self.assert_whole_stream(stream, self.words(30))
        self.assertGreater(took, 0.4)
        self.assertLess(took, 0.4 + 0.1 * SLOW)
        calls = self.gateway.calls(stream.head["x-request-id"])
        self.assertEqual(sorted(c["reason"] for c in calls),
                         ["complete", "complete", "complete", "straggler"])
        self.assertEqual(self.gateway.metrics()[counter], before + 1)

    def test_a_failing_assistant_does_no_harm(self):
        r = self.chat("graph/one-fails")
        self.assertEqual(r.json["choices"][0]["message"]["content"], self.words(30))
        self.assertIsNone(r["x-sluice-degraded"])

    def test_a_dead_output_is_rescued_by_the_best_answer_in_hand(self):
        stream = self.streamed("graph/output-down")
        self.assert_whole_stream(stream, self.words(3))  # the two small ones agree
        self.assertEqual(stream.head["x-sluice-degraded"], "rescue")

    def test_an_output_cut_after_content_is_seen(self):
        stream = self.open_stream("graph/output-cut")
        stream.read()
        self.assert_failed_stream(stream)

    def test_a_json_client_never_sees_half_an_answer(self):
        r = self.chat("graph/output-cut")
        self.assertEqual(r.json["choices"][0]["message"]["content"], self.words(3))
        self.assertEqual(r["x-sluice-degraded"], "rescue")

    def test_an_output_without_candidates_answers_alone(self):
        r = self.chat("graph/all-fail")
        self.assertEqual(r.json["choices"][0]["message"]["content"], self.words(30))
        self.assertEqual(r["x-sluice-degraded"], "no_candidates")

    def test_nothing_at_all_is_an_error(self):
        r = self.chat("graph/vote-of-none")
        self.assert_error(r, 503)

    def test_the_output_falls_back(self):
        r = self.chat("graph/fallback")
        self.assertEqual(r.json["choices"][0]["message"]["content"], self.words(30))
        self.assertEqual(r["x-sluice-degraded"], "fallback")


class OneCallTest(GraphCase):
    """What a graph cannot do honestly is one call, and the answer says so."""

    graphs = {"panel": panel("a0", "a1"), "vote": panel("a0", "a1", fuse="vote")}

    @classmethod
    def configure(cls, config):
        super().configure(config)
        config.model("a0", id="fast:tokens=3,id=a0", params=1e9)
        config.model("a1", id="fast:tokens=4,id=a1", params=2e9)
        config.model("f", id="fast:tokens=5,id=f", params=3e9, context=8000,
                     capabilities=["logprobs"])

    def degraded(self, why, graph="panel", **members):
        before = self.sim.stats()["requests"]
        r = self.chat("graph/" + graph, **members)
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(r["x-sluice-degraded"], why)
        self.assertEqual(self.sim.stats()["requests"], before + 1)
        line = self.gateway.access(r["x-request-id"])
        self.assertEqual((line["degraded"], line["calls"]), (why, "1"))
        return r

    def test_tools(self):
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        self.degraded("tools", tools=[tool])

    def test_a_last_message_that_is_not_the_user_s(self):
        ask, prefill = chat()["messages"][0], {"role": "assistant", "content": "Well,"}
        self.degraded("last_message", messages=[ask, prefill])

    def test_several_choices_of_a_vote(self):
        r = self.degraded("choices", "vote", n=2)
        self.assertEqual(len(r.json["choices"]), 2)

    def test_logprobs_of_a_vote(self):
        self.degraded("logprobs", "vote", logprobs=True)

    def test_images_that_a_node_cannot_see(self):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        self.degraded("capability", messages=[{"role": "user", "content": [image]}])

    def test_a_prompt_too_long_for_a_node(self):
        self.degraded("context", text="word " * 8000)

    def test_completions(self):
        r = self.post("/v1/completions", {"model": "graph/panel", "prompt": "Say something."})
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(r["x-sluice-degraded"], "completions")

    def test_what_an_output_can_do_is_no_reason(self):
        r = self.chat("graph/panel", n=2, logprobs=True)
        self.assertIsNone(r["x-sluice-degraded"])
        self.assertEqual(len(r.json["choices"]), 2)


class DepartureTest(GraphCase):
    graphs = {"deep": {
        "nodes": [{"id": n, "model": n, "role": "assistant"} for n in ("a0", "a1", "b0", "b1")]
        + [{"id": "f", "model": "f", "role": "fuser", "fuse": "llm"}],
        "edges": [["a0", "b0"], ["a1", "b0"], ["a0", "b1"], ["a1", "b1"], ["b0", "f"], ["b1", "f"]],
        "output": "f",
    }}

    @classmethod
    def configure(cls, config):
        super().configure(config)
        for n in ("a0", "a1", "b0", "b1"):
            config.model(n, id="fast:first=5,token=3,tokens=4,id=" + n)
        config.model("f", id="fast:first=5,token=5,tokens=10,id=f")

    def leave(self, delay, stream):
        c = self.connect()
        c.request("POST", "/v1/chat/completions", chat("graph/deep", stream=stream))
        time.sleep(delay)  # a random instant is what is tested
        c.reset()

    def test_leaving_at_any_instant_cancels_the_whole_graph(self):
        draw = random.Random(7)
        crowd, worst = 20, 0.0
        for _ in range(int(DEPARTURES / crowd / SLOW)):
            leavers = [threading.Thread(target=self.leave, args=(draw.uniform(0, 0.12), draw.random() < 0.5))
                       for _ in range(crowd)]
            for t in leavers:
                t.start()
            for t in leavers:
                t.join()
            left = time.monotonic()
            self.eventually(lambda: self.sim.stats()["in_flight"] == 0, "every call has ended")
            worst = max(worst, time.monotonic() - left)
        self.assertLess(worst, 0.1 * SLOW, "from the last departure to the end of the last call")
        self.assertEqual(self.chat("graph/deep").status, 200)


class KeyTest(GraphCase):
    """What a graph that nobody waits for any more costs its API key."""

    graphs = {"panel": panel("a0", "a1", "a2"), "quick": panel("f", "f")}
    bearer = [("Authorization", "Bearer secret")]

    @classmethod
    def configure(cls, config):
        super().configure(config)
        for i in range(3):
            config.model("a%d" % i, id="fast:first=5,token=500,tokens=40,id=a%d" % i)
        config.model("f", id="fast:tokens=3,id=f")
        config.doc["keys"] = [{"name": "k", "sha256": hashlib.sha256(b"secret").hexdigest(),
                               "tokens_per_minute": 1200},
                              {"name": "sum", "sha256": hashlib.sha256(b"other").hexdigest(),
                               "usage": "sum"}]

    def test_a_key_may_want_the_sum_as_usage(self):
        other = [("Authorization", "Bearer other")]
        usage = self.chat("graph/quick", headers=other).json["usage"]
        self.assertEqual(usage["completion_tokens"], usage["sluice"]["completion_tokens"])
        self.assertEqual(usage["prompt_tokens"], usage["sluice"]["prompt_tokens"])
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])

    def next_one(self):
        r = self.chat("f", headers=self.bearer, max_tokens=10)
        return r if r.status == 200 else None

    def test_leaving_costs_the_prompts_of_its_calls(self):
        with self.connect() as c:
            body = chat("graph/panel", text="x" * 800, max_tokens=10)
            c.request("POST", "/v1/chat/completions", body, headers=self.bearer)
            self.eventually(lambda: self.sim.stats()["in_flight"] == 3, "the assistants are at work")
            time.sleep(0.1)  # a head has come of each; nothing else shows it from outside
        self.eventually(lambda: self.sim.stats()["in_flight"] == 0, "they are cancelled")
        left = int(self.next_one()["x-ratelimit-remaining-tokens"])
        self.assertLess(left, 1200 - 3 * 200 + 40, "a prompt of 200 tokens, three times")


if __name__ == "__main__":
    unittest.main()
