"""Tasks: which one a request is of, by name, header, rule, text and classifier, and who then serves
it; graphs by name; data boundaries. Every task's champion is one simulated model, so that the model
that answered tells the task."""

import json
import os
import random
import subprocess
import unittest

from harness import GatewayCase, chat, program

SUBJECTS = ("moon", "harbour", "winter", "garden", "river", "bridge", "market", "forest")
CITIES = ("Ulm", "Porto", "Lyon", "Turku", "Graz", "Split", "Brno", "Gent")


def poems(seed, count):
    draw = random.Random(seed)
    forms = ("Write a poem about the {}.", "Compose some verses on a {} at night, with rhymes.",
             "I need a sonnet that praises the {}.", "A short poem, please: the {} and the wind.")
    return [draw.choice(forms).format(draw.choice(SUBJECTS)) for _ in range(count)]


def weather(seed, count):
    draw = random.Random(seed)
    forms = ("What is the forecast for {} tomorrow?", "Will it rain in {} this weekend?",
             "How cold does it get in {} in the morning?", "Temperature and wind in {}, please.")
    return [draw.choice(forms).format(draw.choice(CITIES)) for _ in range(count)]


class TaskCase(GatewayCase):
    @classmethod
    def write(cls, name, *lines):
        with open(os.path.join(cls.directory, name), "w", encoding="utf-8") as f:
            f.write("".join(json.dumps(line) + "\n" for line in lines))
        return name

    @classmethod
    def graph(cls, model):
        """A file with the graph of one model."""
        node = {"id": "a", "model": model, "role": "assistant"}
        return cls.write(model + ".graph.json", {"nodes": [node], "output": "a"})

    @classmethod
    def pair(cls, first, second):
        """One improves on the other's answer."""
        nodes = [{"id": i, "model": i, "role": "assistant"} for i in (first, second)]
        return cls.write("pair.graph.json",
                         {"nodes": nodes, "edges": [[first, second]], "output": second})

    @classmethod
    def configure(cls, config):
        for name in ("big", "math", "code", "poet", "clerk"):
            config.model(name, id="fast:id=" + name, params=9e9 if name == "big" else 1e9)
        config.doc["aliases"] = {"gpt-4o": "auto", "helper": "auto/code", "panel": "graph/poet"}
        config.doc["graphs"] = {"poet": cls.graph("poet"), "math": cls.graph("math"),
                                "pair": cls.pair("poet", "clerk")}
        config.doc["tasks"] = [
            {"name": "math", "match": {"header": "sums", "any": ["\\boxed", "Solve for"]},
             "graph": "graph/math"},
            {"name": "code", "match": {"rules": ["code", "tools", "images"]}, "data": ["up-2"],
             "deadline": "30s"},
            {"name": "poems", "match": {"examples": cls.write("poems.jsonl", *poems(1, 60))},
             "graph": "poet.graph.json"},
            {"name": "weather", "graph": cls.graph("clerk"), "match": {"examples": cls.write(
                "weather.jsonl", *({"input": [{"role": "user", "content": t}]} for t in weather(1, 60)))}},
        ]

    def asked(self, model="auto", task=None, **members):
        headers = [("x-sluice-task", task)] if task else []
        return self.post("/v1/chat/completions", {**chat(model), **members}, headers)

    def assert_routed(self, response, task, by, model):
        """Headers and log name the task; the log also says what made it that, and who answered."""
        self.assertEqual(response.status, 200, response.body)
        line = self.gateway.access(response["x-request-id"])
        self.assertEqual((line["task"], line["task_by"], line["upstream_model"]), (task, by, model))
        return line

    def user(self, text):
        return {"messages": [{"role": "user", "content": text}]}


class ByNameTest(TaskCase):
    def test_task(self):
        r = self.asked("auto/code", **self.user("Hello"))
        self.assert_routed(r, "code", "name", "code")
        self.assertEqual(r["x-sluice-task"], "code")
        self.assertEqual(len(r["x-sluice-graph"]), 16)
        self.assert_routed(self.asked("helper"), "code", "name", "code")
        self.assert_routed(self.asked("auto/default"), "default", "name", "big")

    def test_graph_and_model(self):
        r = self.asked("graph/poet")
        self.assert_routed(r, "default", "default", "poet")
        self.assertEqual(r["x-sluice-task"], "default")
        self.assertEqual(r.json["model"], "graph/poet")
        self.assert_routed(self.asked("panel"), "default", "default", "poet")
        r = self.asked("clerk")
        self.assert_routed(r, "default", "default", "clerk")
        self.assertIsNone(r["x-sluice-task"])
        self.assertIsNone(r["x-sluice-graph"])
        self.assert_routed(self.asked("clerk", "poems"), "poems", "header", "clerk")

    def test_one_graph_has_one_id(self):
        first, second = self.asked("graph/poet"), self.asked("auto/poems")
        self.assertEqual(first["x-sluice-graph"], second["x-sluice-graph"])

    def test_unknown(self):
        for name, word in (("auto/none", "task"), ("graph/none", "graph"), ("none", "model")):
            error = self.assert_error(self.asked(name), 404, "invalid_request_error",
                                      "model_not_found", "model", [name])
            self.assertIn("the %s `" % word, error["message"])

    def test_a_graph_makes_no_embeddings(self):
        r = self.post("/v1/embeddings", {"model": "graph/pair", "input": "x"})
        self.assert_error(r, 400, "invalid_request_error", "not_an_embedding_model", "model")

    def test_models_are_listed(self):
        ids = [m["id"] for m in self.get("/v1/models").json["data"]]
        self.assertEqual(ids, ["auto", "auto/default", "auto/math", "auto/code", "auto/poems",
                               "auto/weather", "graph/poet", "graph/math", "graph/pair", "gpt-4o",
                               "helper", "panel", "big", "math", "code", "poet", "clerk"])
        for name in ("auto/math", "graph/poet", "graph%2Fpoet"):
            self.assertEqual(self.get("/v1/models/" + name).status, 200)
        for name in ("auto/none", "graph/none"):
            self.assertEqual(self.get("/v1/models/" + name).status, 404)


class ByHeaderTest(TaskCase):
    def test_header_goes_before_rules(self):
        r = self.asked("auto", "sums", **self.user("Hello"))
        self.assert_routed(r, "math", "header", "math")
        self.assertEqual(r["x-sluice-task"], "math")
        r = self.asked("auto", "weather", **self.user("Solve for x: ```x```"))
        self.assert_routed(r, "weather", "header", "clerk")
        self.assert_routed(self.asked("gpt-4o", "default"), "default", "header", "big")

    def test_name_goes_before_header(self):
        self.assert_routed(self.asked("auto/code", "sums"), "code", "name", "code")

    def test_unknown_header(self):
        for model in ("auto", "clerk", "graph/poet"):
            self.assert_error(self.asked(model, "math"), 400, "invalid_request_error",
                              "unknown_task", words=["`math`", "default, sums, code, poems, weather"])

    def test_data_that_is_written_binds(self):
        self.assert_routed(self.asked("code", "code"), "code", "header", "code")
        for model in ("big", "graph/poet"):
            self.assert_error(self.asked(model, "code"), 403, "invalid_request_error",
                              "data_boundary", "model", [model, "code"])


class ByContentTest(TaskCase):
    def test_texts(self):
        for text in ("Answer in \\boxed{}.", "please SOLVE FOR y", "```\nsolve for x\n```"):
            with self.subTest(text=text):
                self.assert_routed(self.asked(**self.user(text)), "math", "rule", "math")

    def test_rules(self):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        text = {"type": "text", "text": "What is this?"}
        for members in (self.user("```c\nint x;\n```"), {"tools": [tool]}, self.user([text, image])):
            self.assert_routed(self.asked(**members), "code", "rule", "code")

    def test_nothing_fits(self):
        r = self.asked(**self.user("zxq vvw 000"))
        line = self.assert_routed(r, "default", "default", "big")
        self.assertLess(float(line.get("task_p", "0")), 0.6)
        self.assertEqual(r["x-sluice-task"], "default")

    def test_classifier(self):
        """Prompts that it has not seen; 95 of 100 are to be right."""
        right = 0
        for make, task, model in ((poems, "poems", "poet"), (weather, "weather", "clerk")):
            for text in make(2, 25):
                r = self.asked(**self.user("Please: " + text))
                line = self.gateway.access(r["x-request-id"])
                self.assertGreater(float(line["task_p"]), 0)
                if r["x-sluice-task"] == task:
                    self.assert_routed(r, task, "classifier", model)
                    self.assertGreaterEqual(float(line["task_p"]), 0.6)
                    right += 1
        self.assertGreaterEqual(right, 48)

    def test_streams_too(self):
        stream = self.streamed("auto", messages=self.user("solve for x")["messages"])
        self.assert_whole_stream(stream)
        self.assertEqual(stream.head["x-sluice-task"], "math")


class GeneratedTest(TaskCase):
    """The three tasks of made-up items, learnt from those of one seed and asked with those of another."""

    TASKS, LEARNT, ASKED = ("math", "facts", "strings"), 200, 100

    @classmethod
    def prompts(cls, task, seed, count):
        """Without the marker at the end, which would give the task away."""
        out = subprocess.run(
            [program("sim"), "--items", task, "--seed", str(seed), "--count", str(count)],
            check=True, capture_output=True).stdout
        texts = [json.loads(line)["input"][0]["content"] for line in out.splitlines()]
        cut = [text.partition("[[sim:")[0].strip() for text in texts]
        assert all(cut) and all(a != b for a, b in zip(cut, texts))
        return cut

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["log"] = {"access": False}
        config.doc["tasks"] = [
            {"name": t, "match": {"examples": cls.write(t + ".jsonl", *cls.prompts(t, 1, cls.LEARNT))}}
            for t in cls.TASKS]

    def test_prompts_that_it_has_not_seen(self):
        told = {}
        with self.connect() as connection:
            for task in self.TASKS:
                for text in self.prompts(task, 2, self.ASKED):
                    r = connection.call("POST", "/v1/chat/completions", chat("auto", text))
                    self.assertEqual(r.status, 200, r.body)
                    as_what = (task, r["x-sluice-task"])
                    told[as_what] = told.get(as_what, 0) + 1
        right = sum(n for (task, as_what), n in told.items() if task == as_what)
        self.assertGreaterEqual(right, 0.95 * len(self.TASKS) * self.ASKED, told)


class KeysTest(TaskCase):
    env = {"APP": "app-token", "ALL": "all-token"}

    @classmethod
    def configure(cls, config):
        super().configure(config)
        config.doc["keys"] = [
            {"name": "app", "token_env": "APP", "allow": ["auto/code", "graph/poet"]},
            {"name": "all", "token_env": "ALL"},
        ]

    def test_only_what_is_allowed(self):
        key = [("authorization", "Bearer app-token")]
        ids = [m["id"] for m in self.get("/v1/models", key).json["data"]]
        self.assertEqual(ids, ["auto/code", "graph/poet"])
        for name, status in (("auto/code", 200), ("graph/poet", 200), ("auto", 403),
                             ("graph/math", 403), ("poet", 403)):
            self.assertEqual(self.chat(name, key).status, status, name)


class ReloadTest(TaskCase):
    def trainings(self):
        return self.gateway.output().count("event=classifier_trained")

    def reload(self):
        self.assertEqual(self.gateway.admin_call("POST", "/admin/reload").status, 200)

    def test_the_same_examples_are_learnt_once(self):
        line = self.gateway.say(r"event=classifier_trained .*").group()
        self.assertRegex(line, r"tasks=2 examples=120 seconds=\d+\.\d+ held_out=24 right=2[34] wrong=[01]$")
        before = self.trainings()
        self.reload()
        self.assertEqual(self.trainings(), before)
        self.write("poems.jsonl", *poems(3, 40))
        self.reload()
        self.gateway.say(r"event=classifier_trained tasks=2 examples=100 ")
        r = self.asked(**self.user(poems(2, 1)[0]))
        self.assert_routed(r, "poems", "classifier", "poet")

    def test_faulty_files_change_nothing(self):
        doc = json.loads(json.dumps(self.config.doc))
        doc["tasks"][0]["graph"] = self.write("bad.json", {"nodes": []})
        self.gateway.write_config(doc)
        r = self.gateway.admin_call("POST", "/admin/reload")
        self.assertNotEqual(r.status, 200)
        self.assertIn("tasks[0].graph", r.text)
        self.assertIn("bad.json", r.text)
        self.gateway.write_config(self.config.doc)
        self.assert_routed(self.asked("auto/math"), "math", "name", "math")


if __name__ == "__main__":
    unittest.main()
