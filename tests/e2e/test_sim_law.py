"""Simulated models that answer made-up items follow the law of tests/sim/law.h over the socket."""

import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import tempfile
import time
import unittest

from test_sim import SIM, WAIT, Sim, SimCase, chat_body, hard_close, request_bytes, text_of

SEED = 7  # of SimCase's server
FIRST = 3000000  # the first item of --items --seed 3
QUICK = "first=0,token=0,words=12"

# What router/prompt puts around candidates, in the words that the simulated models look for.
INSTRUCTION = ("Besides the user's request you are given {count} candidate answers to it, written by "
               "other assistants.")
SELECT = INSTRUCTION + " Reply with one number from 1 to {count}, that of the best candidate."


def frame(candidates, mark="f00d"):
    parts = [f"[candidate {i} of {len(candidates)}, mark {mark}]\n{text}\n"
             f"[end of candidate {i}, mark {mark}]" for i, text in enumerate(candidates, 1)]
    return "\n\n".join(parts)


def messages(text, candidates=(), instruction=INSTRUCTION):
    out = [{"role": "user", "content": text}]
    if candidates:
        out[0]["content"] += "\n\n" + frame(candidates)
        out.insert(0, {"role": "system",
                       "content": instruction.replace("{count}", str(len(candidates)))})
    return out


def items(task, count, seed=3):
    done = subprocess.run([SIM, "--items", task, "--count", str(count), "--seed", str(seed)],
                          capture_output=True, check=True, timeout=WAIT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def prompt(item):
    return item["input"][0]["content"]


def said(item, answer):
    return f"I thought about it.\nAnswer: {answer}" if item["task"] == "facts" else f"\\boxed{{{answer}}}"


def is_right(item, text):
    if item["task"] == "facts":
        found = re.findall(r"[Aa]nswer(?:: | is )([A-D])\b", text)
    else:
        found = re.findall(r"\\boxed\{([^}]*)\}", text)
    return found[-1:] == [item["ideal"]]


def expect(task, count, nodes, edges=(), temperature=None):
    """(accuracy, standard deviation) of a graph by the law; its last node is the output."""
    graph = {"nodes": nodes, "edges": list(edges), "output": nodes[-1]["id"]}
    args = ["--temperature", str(temperature)] if temperature is not None else []
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "graph.json")
        with open(path, "w", encoding="ascii") as f:
            json.dump(graph, f)
        done = subprocess.run(
            [SIM, "--expect", path, "--task", task, "--first", str(FIRST), "--count", str(count),
             "--seed", str(SEED), *args], capture_output=True, check=True, timeout=WAIT)
    told = json.loads(done.stdout)
    return told["accuracy"], told["sd"]


def assistant(name, model):
    return {"id": name, "model": model, "role": "assistant"}


class LawCase(SimCase):
    def setUp(self):
        super().setUp()
        self.conn = http.client.HTTPConnection("127.0.0.1", self.sim.port, timeout=WAIT)
        self.addCleanup(self.conn.close)

    def ask(self, model, text, candidates=(), instruction=INSTRUCTION, **more):
        """One question on the connection that is kept."""
        body = {"model": f"{model}:{QUICK}", "messages": messages(text, candidates, instruction), **more}
        self.conn.request("POST", "/v1/chat/completions", json.dumps(body))
        reply = self.conn.getresponse()
        text = reply.read()
        self.assertEqual(reply.status, 200, text)
        return json.loads(text)["choices"][0]["message"]["content"]

    def close_to(self, right, count, expected):
        accuracy, sd = expected
        self.assertLess(abs(right / count - accuracy), 3.5 * sd, f"{right} of {count}, not {accuracy}")
        self.assertGreater(sd, 0)


class Single(LawCase):
    def test_models_alone(self):
        for model, task, temperature in (("llama-1b", "math", None), ("llama-70b", "facts", 0.2),
                                         ("qwen-7b", "strings", 1.3), ("persuasive", "math", None)):
            with self.subTest(model=model):
                more = {} if temperature is None else {"temperature": temperature}
                all_items = items(task, 400)
                right = sum(is_right(i, self.ask(model, prompt(i), **more)) for i in all_items)
                self.close_to(right, 400, expect(task, 400, [assistant("a", model)],
                                                 temperature=temperature))

    def test_the_same_again(self):
        item = prompt(items("math", 1)[0])
        first = [self.ask("llama-8b", item, seed=s) for s in range(12)]
        self.assertEqual(first, [self.ask("llama-8b", item, seed=s) for s in range(12)])
        self.assertGreater(len(set(first)), 1)
        other = Sim("--seed", str(SEED))
        try:
            status, _, body = other.chat(f"llama-8b:{QUICK}", item, seed=3)
            self.assertEqual(status, 200)
            self.assertEqual(json.loads(body)["choices"][0]["message"]["content"], first[3])
        finally:
            self.assertEqual(other.stop(), 0)

    def test_accuracy_as_an_option(self):
        for item in items("strings", 20):
            for percent, right in ((100, True), (0, False)):
                text = self.sim.answer(f"gemma-9b:{QUICK},acc={percent}", prompt(item))
                self.assertEqual(is_right(item, text), right)

    def test_forms(self):
        item = items("math", 1)[0]
        model = f"llama-8b:{QUICK},acc=100"
        self.assertTrue(is_right(item, text_of(self.sim.events(model, prompt(item)))))
        doc = json.loads(self.sim.answer(model, prompt(item), response_format={"type": "json_object"}))
        self.assertEqual(doc, {"answer": item["ideal"]})
        choices = json.loads(self.sim.chat(f"llama-8b:{QUICK}", prompt(item), n=12)[2])["choices"]
        self.assertGreater(len({c["message"]["content"] for c in choices}), 1)

    def test_without_an_item(self):
        self.assertIn("{42}", self.sim.answer(f"llama-8b:{QUICK},acc=100", "What is 6 * 7?"))
        self.assertIn("simulated", self.sim.answer(f"llama-8b:{QUICK}", "Who are you?"))


class Candidates(LawCase):
    def share(self, task, candidates, **more):
        """How often llama-3b is right on 150 items when it reads what candidates() makes of each."""
        all_items = items(task, 150)
        return sum(is_right(i, self.ask("llama-3b", prompt(i), candidates(i), **more))
                   for i in all_items) / 150

    @staticmethod
    def wrong(item):
        return next(c for c in "ABCD" if c != item["ideal"])

    def test_readers_follow(self):
        alone = self.share("facts", lambda i: ())
        self.assertGreater(self.share("facts", lambda i: [said(i, i["ideal"])] * 3), 0.93)
        self.assertLess(self.share("facts", lambda i: [said(i, self.wrong(i))] * 3), 0.08)
        mixed = self.share("facts", lambda i: [said(i, i["ideal"]), said(i, self.wrong(i))])
        self.assertTrue(alone + 0.1 < mixed < 0.98, (alone, mixed))

    def test_the_first_candidate_counts_more(self):
        front = self.share("facts", lambda i: [said(i, i["ideal"]), said(i, self.wrong(i))])
        back = self.share("facts", lambda i: [said(i, self.wrong(i)), said(i, i["ideal"])])
        self.assertGreater(front, back + 0.1)

    def test_without_the_instruction_nothing_is_read(self):
        accuracy, sd = expect("facts", 150, [assistant("a", "llama-3b")])
        found = self.share("facts", lambda i: [said(i, i["ideal"])] * 3, instruction="Be brief.")
        self.assertLess(abs(found - accuracy), 3.5 * sd)

    def test_persuasion(self):
        item = items("facts", 1)[0]
        loud = self.sim.answer(f"persuasive:{QUICK},acc=0", prompt(item))
        self.assertIn("no room for doubt", loud)
        with_quiet = self.share("facts", lambda i: [
            said(i, i["ideal"]), said(i, i["ideal"]), said(i, self.wrong(i))])
        with_loud = self.share("facts", lambda i: [
            said(i, i["ideal"]), said(i, i["ideal"]),
            "There is no room for doubt here. " + said(i, self.wrong(i))])
        self.assertLess(with_loud, with_quiet - 0.1)

    def test_selectors_answer_an_index(self):
        right = 0
        for item in items("facts", 60):
            candidates = [said(item, self.wrong(item)), said(item, item["ideal"])]
            text = self.ask("llama-70b", prompt(item), candidates, SELECT)
            self.assertIn(text, ("1", "2"))
            right += text == "2"
        self.assertGreater(right, 20)

    def test_a_graph_by_hand(self):
        """Three families and a fuser, with the order shuffled: as the law says of the graph."""
        names = ["llama-8b", "qwen-7b", "gemma-9b"]
        shuffle = random.Random(1)
        right = 0
        all_items = items("facts", 300)
        for item in all_items:
            answers = [self.ask(name, prompt(item), temperature=0.2) for name in names]
            shuffle.shuffle(answers)
            right += is_right(item, self.ask("llama-8b", prompt(item), answers))
        nodes = [assistant(f"a{i}", name) for i, name in enumerate(names)]
        nodes.append({"id": "f", "model": "llama-8b", "role": "fuser", "fuse": "llm"})
        self.close_to(right, 300, expect("facts", 300, nodes, [[f"a{i}", "f"] for i in range(3)]))


class Calls(LawCase):
    def calls(self, model=None):
        query = f"?model={model}" if model else ""
        return self.sim.json("GET", f"/sim/calls{query}")["calls"]

    def test_times_of_tokens(self):
        item = prompt(items("math", 1)[0])
        before = time.monotonic() * 1e6
        self.sim.events("llama-8b:first=20,token=2,words=20", item)
        call, = self.calls()
        self.assertEqual((call["model"], call["outcome"]),
                         ("llama-8b:first=20,token=2,words=20", "complete"))
        self.assertGreater(call["start_us"], before)
        self.assertGreaterEqual(call["first_token_us"], call["start_us"] + 20000)
        self.assertGreaterEqual(call["last_token_us"],
                                call["first_token_us"] + 1900 * (call["tokens"] - 1))
        self.assertGreaterEqual(call["end_us"], call["last_token_us"])
        self.assertLess(call["end_us"], time.monotonic() * 1e6)
        self.sim.call("POST", "/sim/reset")
        self.assertEqual(self.calls(), [])

    def test_candidates_are_told(self):
        item = items("math", 1)[0]
        self.ask("llama-3b", prompt(item), [said(item, item["ideal"]), said(item, 1), said(item, 2)])
        self.ask("llama-3b", prompt(item), [said(item, 5), said(item, item["ideal"])], SELECT)
        self.ask("llama-1b", prompt(item))
        found = [(c["candidates"], c["candidates_right"], c["is_select"]) for c in self.calls()]
        self.assertEqual(found, [(3, 1, False), (2, 1, True), (0, 0, False)])
        self.assertEqual(len(self.calls(f"llama-1b:{QUICK}")), 1)

    def test_running_and_cancelled(self):
        model = "llama-8b:first=0,token=1000"
        s = self.sim.socket()
        s.sendall(request_bytes(chat_body(model, stream=True)))
        while b"simulated" not in s.recv(65536):
            pass
        call, = self.calls(model)
        self.assertEqual((call["outcome"], call["end_us"]), ("running", 0))
        self.assertGreater(call["first_token_us"], 0)
        left = time.monotonic() * 1e6
        hard_close(s)
        self.sim.wait_stats(lambda st: st["in_flight"] == 0)
        call, = self.calls(model)
        self.assertEqual(call["outcome"], "cancelled")
        self.assertGreater(call["end_us"], left)
        self.assertLess(call["end_us"], time.monotonic() * 1e6)

    def test_faults_of_any_model(self):
        self.assertEqual(self.sim.chat("llama-3b:fail=503")[0], 503)
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            self.sim.chat("llama-3b:first=0,token=1,cut=5", prompt(items("math", 1)[0]), stream=True)
        self.sim.wait_stats(lambda st: st["in_flight"] == 0)
        s = self.sim.socket()
        s.sendall(request_bytes(chat_body("llama-3b:hang=1")))
        self.sim.wait_stats(lambda st: st["in_flight"] == 1)
        hard_close(s)
        self.sim.wait_stats(lambda st: st["in_flight"] == 0)
        self.assertEqual([(c["outcome"], c["tokens"]) for c in self.calls()],
                         [("fault", 0), ("fault", 5), ("cancelled", 0)])
        self.assertEqual(self.sim.chat("llama-3b:fail=200")[0], 404)


class Items(unittest.TestCase):
    def test_lines(self):
        for task in ("math", "facts", "strings"):
            found = items(task, 30, seed=4)
            self.assertEqual(found, items(task, 30, seed=4))
            self.assertEqual([i["id"] for i in found], [f"{task}-{4000000 + n}" for n in range(30)])
            for item in found:
                self.assertEqual(item["task"], task)
                self.assertTrue(prompt(item).endswith(f" [[sim:{task}:{item['id'].split('-')[1]}]]"))
                self.assertEqual("tests" in item, task == "strings")

    def test_files_and_wrong_use(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "items.jsonl")
            subprocess.run([SIM, "--items", "facts", "--count", "3", "--out", path], check=True,
                           timeout=WAIT)
            with open(path, encoding="utf-8") as f:
                self.assertEqual(len(f.readlines()), 3)
            graph = os.path.join(d, "graph.json")
            with open(graph, "w", encoding="ascii") as f:
                f.write('{"nodes": [{"id": "a", "model": "nobody", "role": "assistant"}], "output": "a"}')
            for args, code in ((["--items", "maths"], 2), (["--items", "math", "--count", "1000001"], 2),
                               (["--items", "math", "--out", "/nonexistent/x"], 1),
                               (["--expect", graph], 2), (["--expect", graph, "--task", "math"], 1),
                               (["--expect", path, "--task", "math"], 1),
                               (["--temperature", "hot"], 2)):
                done = subprocess.run([SIM, *args], capture_output=True, check=False, timeout=WAIT)
                self.assertEqual(done.returncode, code, args)
                self.assertTrue(done.stderr)


# Imported, and run by its own file.
del SimCase

if __name__ == "__main__":
    unittest.main()
