#!/usr/bin/env python3
"""The sixteen provider faults, each seen from both sides: what the client got, what the provider saw.

    make faults        or        faults.py [S01 S08 ...]

Every fault is asked twice, by a client that streams and by one that wants JSON, and the worse verdict
counts. Each has an upstream entry of its own and a fallback model that gives the same 60 words.

    pass     the client got exactly the right answer (S12, S13: exactly the provider's refusal), in
             time, and the provider was asked no more often than the rule says
    partial  a right answer, but late or with more calls than the rule allows
    safe     no answer, but an honest end: an HTTP error of OpenAI's shape, or an error event after the
             content that had gone out; no [DONE], no finish_reason
    fail     anything else: half an answer shown as a whole one, two answers spliced, a hang, a
             malformed error

    S01  429 with Retry-After once       pass only when the second try waited as told, one retry
    S02  429 for ever                    ends with the fallback's answer
    S03  one 500                         the second try answers, the fallback is not needed
    S04  503 for ever                    ends with the fallback's answer
    S05  reset before the head           ends with the fallback's answer; one call more than configured
                                         is no fault: libcurl repeats a request by itself when a kept
                                         connection turns out to be dead
    S06  never answers                   first-token deadline, then the fallback, within seconds (a JSON
                                         reply is silent until it is whole: there it is `total`)
    S07  first token after 20 s          likewise
    S08  cut at token 40                 content is out: safe (JSON: the fallback's answer)
    S09  30 s stall at token 40          idle deadline, then as S08
    S10  malformed event at token 20     as S08
    S11  no [DONE]                       finish_reason has come: a whole answer, one call
    S12  context length                  status, type, code, param and message stay; exactly one call
    S13  content filter                  likewise
    S14  cut at 40, fallback refuses     as S08; the partial answer is never sent on as a prefill
         a prefill
    S15  up and down, 20 requests        all answered
    S16  accounting                      usage as the provider counted, every call counted once

Exit status 0: none fails, S08 S09 S10 S14 pass or are safe, at least 11 of the other 12 pass.
"""

import shutil
import sys
import tempfile
import time

from client import Closed, Late, Malformed, Stream
from harness import SLOW, Config, Gateway, Sim, chat, text_of

ORDER = ("fail", "partial", "safe", "pass")
MAY_BE_SAFE = ("S08", "S09", "S10", "S14")
NEEDED = 11
FIRST_TOKEN = 1.5
IDLE = 1.5
TOTAL = 4.0
IN_TIME = 6 * SLOW  # two attempts that run into their deadline, a backoff, and the fallback


class Outcome:
    """What one client saw."""

    def __init__(self):
        self.status = None  # HTTP
        self.error = None
        self.text = ""
        self.whole = False  # claimed to be whole
        self.usage = None
        self.id = None
        self.odd = None  # why it is nothing that a client should ever see
        self.seconds = 0.0


def shape_of_error(document):
    if list(document) != ["error"] or set(document["error"]) != {"message", "type", "param", "code"}:
        return "the error is not of OpenAI's shape: %s" % document
    return None


def read_stream(outcome, connection, head):
    stream = Stream(connection, head)
    stream.read()
    chunks = stream.chunks
    errors = [c for c in chunks if "error" in c]
    finished = any(c.get("finish_reason") for d in chunks if "choices" in d for c in d["choices"])
    done = any(e.is_done for e in stream.events)
    outcome.text = text_of([e for e in stream.events if not (e.data and '"error"' in e.data)])
    outcome.usage = next((c["usage"] for c in chunks if c.get("usage")), None)
    outcome.whole = done or finished
    if errors:
        outcome.error = errors[0]["error"]
        outcome.odd = shape_of_error(errors[0])
        if done or finished:
            outcome.odd = "an error, and yet %s" % ("[DONE]" if done else "a finish_reason")
    elif not done or not finished or stream.end != "clean":
        outcome.odd = "a stream that just ends: done %s, finished %s, %s" % (done, finished, stream.end)


def read_json(outcome, response):
    choice = response.json["choices"][0]
    outcome.text = choice["message"]["content"] or ""
    outcome.usage = response.json.get("usage")
    outcome.whole = True
    if choice["finish_reason"] != "stop":
        outcome.odd = "finish_reason %s" % choice["finish_reason"]


def ask(gateway, model, stream):
    outcome = Outcome()
    body = chat(model, stream=stream)
    if stream:
        body["stream_options"] = {"include_usage": True}
    start = time.monotonic()
    try:
        with gateway.connect(timeout=40 * SLOW) as c:
            c.request("POST", "/v1/chat/completions", body)
            if stream:
                response = c.head()
            else:
                response = c.response()
            outcome.status, outcome.id = response.status, response["x-request-id"]
            if response.status != 200:
                if stream:
                    response.body = b"".join(p for p, _ in c.body(response, "POST"))
                outcome.odd = shape_of_error(response.json)
                outcome.error = response.json.get("error")
            elif stream:
                read_stream(outcome, c, response)
            else:
                read_json(outcome, response)
    except (Closed, Late, Malformed, ValueError, KeyError) as e:
        outcome.odd = "%s: %s" % (type(e).__name__, e)
    outcome.seconds = time.monotonic() - start
    return outcome


class Bench:
    """The programs, and the facts that verdicts are made of."""

    def __init__(self, directory):
        self.sim = Sim(directory)
        self.canonical = self.sim.canonical()
        config = Config(self.sim.url, directory)
        seconds = {"first_token": FIRST_TOKEN, "idle": IDLE, "total": TOTAL}
        timeouts = {name: "%dms" % (1000 * s) for name, s in seconds.items()}
        for fault in FAULTS:
            for mode in ("stream", "json"):
                config.model(fault.model(mode), id=fault.upstream_name(mode), fallback=fault.fallback,
                             settings={"timeouts": timeouts, "retries": fault.retries})
        config.model("healthy", id="fast:id=fallback")
        config.model("no-prefill", id="s14-fallback")
        self.gateway = Gateway(directory, config.doc)

    def stop(self):
        self.gateway.stop()
        self.sim.stop()

    def calls(self, name):
        return self.sim.stats(name)["requests"]


class Fault:
    retries = 1
    most_calls = 2
    fallback = "healthy"

    def __init__(self, number, words, name, **settings):
        self.number, self.words, self.name = number, words, name
        self.__dict__.update(settings)

    def model(self, mode):
        return "%s-%s" % (self.number.lower(), mode)

    def upstream_name(self, mode):
        """A name of its own for each mode: the simulator remembers what a name was asked before."""
        return "%s:id=%s" % (self.name, mode)

    def run(self, bench, mode):
        """Verdict and a note."""
        before = bench.calls("fast:id=fallback")
        outcome = ask(bench.gateway, self.model(mode), mode == "stream")
        self.seconds = outcome.seconds
        self.asked = bench.calls(self.upstream_name(mode))
        self.fell_back = bench.calls("fast:id=fallback") - before
        return self.judge(bench, outcome, mode)

    def judge(self, bench, outcome, mode):
        return judge_answer(bench, outcome, self)


def judge_answer(bench, outcome, fault):
    """The common rule: right and whole, or honestly failed."""
    if outcome.odd:
        return "fail", outcome.odd
    if outcome.error:
        code = outcome.error["code"] or outcome.error["type"]
        if not bench.canonical.startswith(outcome.text):
            return "fail", "words that nobody said: %r" % outcome.text
        return "safe", "%s after %d words" % (code, len(outcome.text.split()))
    if outcome.text != bench.canonical:
        return "fail", "%d words as if they were all" % len(outcome.text.split())
    if outcome.seconds > IN_TIME:
        return "partial", "late"
    if fault.asked > fault.most_calls:
        return "partial", "%d calls" % fault.asked
    return "pass", "answered by the fallback" if fault.fell_back else "answered"


class RetryAfterFault(Fault):
    def judge(self, bench, outcome, mode):
        verdict, note = judge_answer(bench, outcome, self)
        if verdict == "pass" and self.fell_back:
            return "partial", "gave up at once and fell back"
        if verdict == "pass" and (outcome.seconds < 1.0 or self.asked != 2):
            return "partial", "Retry-After: 1 was not honoured"
        return verdict, "waited as told" if verdict == "pass" else note


class OnceFault(Fault):
    def judge(self, bench, outcome, mode):
        verdict, note = judge_answer(bench, outcome, self)
        if verdict == "pass" and (self.fell_back or self.asked != 2):
            return "partial", "the second try was to answer"
        return verdict, note


class FallbackFault(Fault):
    def judge(self, bench, outcome, mode):
        verdict, note = judge_answer(bench, outcome, self)
        if verdict == "pass" and self.fell_back != 1:
            return "fail", "answered by nobody"
        return verdict, note


class OneCallFault(Fault):
    """The provider's answer is final, good or bad."""

    most_calls = 1

    def judge(self, bench, outcome, mode):
        verdict, note = judge_answer(bench, outcome, self)
        if verdict == "pass" and self.fell_back:
            return "partial", "asked the fallback for nothing"
        return verdict, note


class RefusalFault(Fault):
    def judge(self, bench, outcome, mode):
        if outcome.odd:
            return "fail", outcome.odd
        if outcome.error is None:
            return "fail", "a refusal became an answer"
        if outcome.status != 400 or self.asked != 1 or self.fell_back:
            return "partial", "status %s, %d calls, %d fallbacks" % (
                outcome.status, self.asked, self.fell_back)
        if {k: outcome.error[k] for k in ("type", "param", "code")} != self.wanted:
            return "partial", "changed: %s" % outcome.error
        if not outcome.error["message"].startswith(self.message):
            return "partial", "the provider's words are lost"
        return "pass", "400 %s" % outcome.error["code"]


class PrefillFault(Fault):
    def judge(self, bench, outcome, mode):
        verdict, note = judge_answer(bench, outcome, self)
        if bench.sim.stats("s14-fallback")["faults"]:
            return "fail", "the fallback got a partial answer to go on with"
        return verdict, note


class FlapFault(Fault):
    """Down for 500 ms of every second, asked every 100 ms."""

    most_calls = 40  # twenty requests

    def upstream_name(self, mode):
        return "%s:down=500,up=500,id=%s" % (self.name, mode)

    def run(self, bench, mode):
        start = time.monotonic()
        self.fell_back = self.asked = 0
        verdicts = []
        for i in range(20):
            time.sleep(max(0, start + i * 0.1 - time.monotonic()))
            verdicts.append(judge_answer(bench, ask(bench.gateway, self.model(mode), mode == "stream"),
                                         self)[0])
        self.seconds = time.monotonic() - start
        self.asked = bench.calls(self.upstream_name(mode))
        answered = verdicts.count("pass")
        worst = min(verdicts, key=ORDER.index)
        return ("pass" if answered == 20 else worst), "%d of 20 answered" % answered


class AccountFault(OneCallFault):
    def judge(self, bench, outcome, mode):
        verdict, note = super().judge(bench, outcome, mode)
        if verdict != "pass":
            return verdict, note
        seen = bench.sim.stats(self.upstream_name(mode))
        line = bench.gateway.access(outcome.id)
        wanted = (seen["prompt_tokens"], seen["completion_tokens"])
        told = (outcome.usage["prompt_tokens"], outcome.usage["completion_tokens"])
        logged = (int(line["prompt_tokens"]), int(line["completion_tokens"]))
        if told != wanted or outcome.usage["total_tokens"] != sum(wanted):
            return "fail", "the client is told %s, the provider counted %s" % (told, wanted)
        if logged != wanted or line["calls"] != "1" or line["attempts"] != "1":
            return "fail", "logged %s in %s calls" % (logged, line["calls"])
        return "pass", "%d + %d tokens on both sides" % wanted


CONTEXT = {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
FILTER = {"type": "invalid_request_error", "param": "prompt", "code": "content_filter"}

FAULTS = [
    RetryAfterFault("S01", "429 with Retry-After once", "s01-429-retry-after"),
    FallbackFault("S02", "429 for ever", "s02-429-forever"),
    OnceFault("S03", "one 500", "s03-500-once"),
    FallbackFault("S04", "503 for ever", "s04-503"),
    FallbackFault("S05", "reset before the head", "s05-reset", most_calls=3),
    FallbackFault("S06", "never answers", "s06-silent"),
    FallbackFault("S07", "first token after 20 s", "s07-slow-first"),
    Fault("S08", "cut at token 40", "s08-cut"),
    Fault("S09", "30 s stall at token 40", "s09-stall"),
    Fault("S10", "malformed event", "s10-malformed"),
    OneCallFault("S11", "no [DONE]", "s11-no-done"),
    RefusalFault("S12", "context length", "s12-context", wanted=CONTEXT,
                 message="This model's maximum context length is 4096 tokens."),
    RefusalFault("S13", "content filter", "s13-filter", wanted=FILTER,
                 message="Your request was rejected"),
    PrefillFault("S14", "cut, fallback refuses prefill", "s14-prefill", fallback="no-prefill"),
    FlapFault("S15", "up and down, 20 requests", "s15-flap"),
    AccountFault("S16", "accounting", "s16-account"),
]


def run_fault(bench, fault):
    """The worse of both verdicts, and a row of the table."""
    verdicts, notes, seconds, asked = [], [], [], []
    for mode in ("stream", "json"):
        try:
            verdict, note = fault.run(bench, mode)
        except (AssertionError, Late, KeyError, TypeError) as e:
            verdict, note = "fail", "%s: %s" % (type(e).__name__, e)
        verdicts.append(verdict)
        notes.append(note)
        seconds.append("%.1f" % fault.seconds)
        asked.append(str(fault.asked))
    verdict = min(verdicts, key=ORDER.index)
    note = notes[0] if notes[0] == notes[1] else "%s; JSON: %s" % tuple(notes)
    print("%s  %-30s %-8s %-8s %-8s %-9s %-7s %s" % (
        fault.number, fault.words, verdict, *verdicts, "/".join(seconds), "/".join(asked), note))
    sys.stdout.flush()
    return verdict


def faults_below_the_bar(results):
    """Those that fail by themselves, or that make too few pass."""
    below = [n for n, v in results.items()
             if v == "fail" or (n in MAY_BE_SAFE and v not in ("pass", "safe"))]
    others = [n for n in results if n not in MAY_BE_SAFE]
    short = [n for n in others if results[n] != "pass"]
    if len(short) > max(0, len(others) - NEEDED):
        below += [n for n in short if n not in below]
    return below


def main():
    wanted = [w.upper() for w in sys.argv[1:]]
    directory = tempfile.mkdtemp(prefix="sluice-faults-")
    results = {}
    bench = Bench(directory)
    try:
        print("%-3s  %-30s %-8s %-8s %-8s %-9s %-7s %s" % (
            "", "fault", "verdict", "stream", "JSON", "seconds", "calls", ""))
        for fault in FAULTS:
            if not wanted or fault.number in wanted:
                results[fault.number] = run_fault(bench, fault)
        bench.stop()
    finally:
        bench.gateway.kill()
        bench.sim.kill()
        shutil.rmtree(directory, ignore_errors=True)
    counts = [(list(results.values()).count(v), v) for v in reversed(ORDER)]
    print("   ".join("%d %s" % c for c in counts))
    below = faults_below_the_bar(results)
    print("%d passed, %d failed" % (len(results) - len(below), len(below)))
    return 1 if below or not results else 0


if __name__ == "__main__":
    sys.exit(main())
