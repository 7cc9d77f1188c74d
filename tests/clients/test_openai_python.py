"""The official Python client against Sluice in front of simulated models (run.py starts both)."""

import asyncio
import json
import os
import time
import unittest
import urllib.parse
import urllib.request

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

SLUICE_URL, SIM_URL = os.environ["SLUICE_URL"], os.environ["SIM_URL"]
SLOW = float(os.environ.get("SLUICE_E2E_SLOW", "1"))
CANCEL_SECONDS = 0.1 * SLOW

SILENT = "fast:first=30000"
PACED = "fast:first=10,token=30"
REQUEST_ID = r"^[a-z2-7]{48}$"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Sum(BaseModel):
    answer: int
    steps: list[str]


def key(name):
    return os.environ["KEY_" + name]


def settings(**options):
    return {
        "base_url": SLUICE_URL,
        "api_key": key("WIDE"),
        "max_retries": 0,
        "timeout": 20 * SLOW,
        **options,
    }


def say(content, **more):
    return {"model": "fast", "messages": [{"role": "user", "content": content}], **more}


def sim(path):
    with urllib.request.urlopen(SIM_URL + path, timeout=20) as reply:
        return reply.read()


def stats(model):
    every = json.loads(sim("/sim/stats"))
    none = dict.fromkeys(("requests", "in_flight", "cancelled"), 0)
    return {"last_cancel_us": every["last_cancel_us"], **none, **every["per_model"].get(model, {})}


def last_body(model):
    return sim("/sim/last/body?model=" + urllib.parse.quote(model)).decode()


def eventually(condition, what):
    deadline = time.monotonic() + 10 * SLOW
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.003)
    raise AssertionError("never came true: " + what)


def text_of(chunks, index=0):
    return "".join(
        choice.delta.content or ""
        for chunk in chunks
        for choice in chunk.choices
        if choice.index == index
    )


class ClientCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.canonical = sim("/sim/canonical").decode()

    def setUp(self):
        self.client = self.open()

    def open(self, **options):
        client = OpenAI(**settings(**options))
        self.addCleanup(client.close)
        return client

    def ask(self, content="Hello", **more):
        return self.client.chat.completions.create(**say(content, **more))


class ChatTest(ClientCase):
    def test_whole_answer(self):
        raw = self.client.chat.completions.with_raw_response.create(**say("Hello"))
        completion = raw.parse()
        self.assertEqual(completion.choices[0].message.content, self.canonical)
        self.assertEqual(completion.choices[0].finish_reason, "stop")
        self.assertEqual(completion.usage.completion_tokens, 60)
        self.assertEqual(completion.model, "fast")
        self.assertRegex(raw.request_id, REQUEST_ID)
        self.assertEqual(raw.headers["x-request-id"], raw.request_id)
        self.assertEqual(completion.id, "chatcmpl-" + raw.request_id)

    def test_request_id_of_a_plain_answer(self):
        completion = self.ask()
        self.assertEqual(completion.id, "chatcmpl-" + completion._request_id)

    def test_packed_answer(self):
        raw = self.client.chat.completions.with_raw_response.create(**say("Hello", model="long"))
        self.assertEqual(raw.headers["content-encoding"], "gzip")
        self.assertEqual(len(raw.parse().choices[0].message.content.split()), 2000)

    def test_text_of_all_scripts(self):
        text = 'žluťoučký kůň, 漢字, emoji 🫖, "quotes" \\ and\nlines\u2028 and \0 too'
        self.assertEqual(self.ask(text, model="echo").choices[0].message.content, text)
        self.assertEqual(text_of(self.ask(text, model="echo", stream=True)), text)

    def test_large_integers_pass(self):
        for seed in (9007199254740993, -9007199254740993, 2**63 - 1):
            self.ask(seed=seed)
            self.assertEqual(json.loads(last_body("fast"))["seed"], seed)

    def test_unknown_members_pass(self):
        self.ask(extra_body={"mirostat": 2, "nested": {"list": [1, None, True]}})
        body = json.loads(last_body("fast"))
        self.assertEqual(body["mirostat"], 2)
        self.assertEqual(body["nested"], {"list": [1, None, True]})

    def test_several_choices_and_log_probabilities(self):
        completion = self.ask(n=2, logprobs=True)
        self.assertEqual([c.index for c in completion.choices], [0, 1])
        for choice in completion.choices:
            self.assertEqual("".join(t.token for t in choice.logprobs.content), self.canonical)


class StreamTest(ClientCase):
    def test_stream(self):
        raw = self.client.chat.completions.with_raw_response.create(**say("Hello", stream=True))
        chunks = list(raw.parse())
        self.assertEqual(text_of(chunks), self.canonical)
        self.assertEqual({c.id for c in chunks}, {"chatcmpl-" + raw.request_id})
        self.assertEqual({c.model for c in chunks}, {"fast"})
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertFalse([c for c in chunks if c.usage])

    def test_usage(self):
        chunks = list(self.ask(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 60)
        self.assertFalse([c for c in chunks[:-1] if c.usage])

    def test_pieces_come_as_they_are_made(self):
        times = [
            time.monotonic()
            for c in self.ask(model="paced", max_tokens=20, stream=True)
            if c.choices[0].delta.content
        ]
        self.assertGreater(times[-1] - times[0], 0.3)

    def test_stream_helper(self):
        with self.client.chat.completions.stream(**say("Hello")) as stream:
            events = list(stream)
            completion = stream.get_final_completion()
        self.assertEqual(completion.choices[0].message.content, self.canonical)
        deltas = [event.delta for event in events if event.type == "content.delta"]
        self.assertEqual(len([delta for delta in deltas if delta]), 60)
        self.assertEqual(
            [event.content for event in events if event.type == "content.done"], [self.canonical]
        )

    def test_lines_of_the_raw_stream(self):
        create = self.client.chat.completions.with_streaming_response.create
        with create(**say("Hello", stream=True)) as response:
            self.assertRegex(response.headers["x-request-id"], REQUEST_ID)
            lines = [line for line in response.iter_lines() if line]
        self.assertEqual(lines[-1], "data: [DONE]")
        self.assertTrue(lines[-2].startswith(": sluice "), lines[-2])

    def test_async_streams_at_once(self):
        async def one(client):
            stream = await client.chat.completions.create(**say("Hello", stream=True))
            return text_of([chunk async for chunk in stream])

        async def many():
            async with AsyncOpenAI(**settings()) as client:
                return await asyncio.gather(*(one(client) for _ in range(20)))

        self.assertEqual(asyncio.run(many()), [self.canonical] * 20)


class ToolTest(ClientCase):
    QUESTION = "What is the weather in Oslo and Quito?"
    PLACES = [{"location": "Oslo"}, {"location": "Quito"}]

    def test_whole(self):
        choice = self.ask(self.QUESTION, tools=[WEATHER]).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertEqual(
            [json.loads(c.function.arguments) for c in choice.message.tool_calls], self.PLACES
        )

    def test_parallel_in_a_stream(self):
        for model in ("fast", "tools-without-index", "tools-all-zero"):
            with self.subTest(model=model):
                request = say(self.QUESTION, model=model, tools=[WEATHER])
                with self.client.chat.completions.stream(**request) as stream:
                    done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
                    choice = stream.get_final_completion().choices[0]
                calls = choice.message.tool_calls
                self.assertEqual(choice.finish_reason, "tool_calls")
                self.assertEqual([json.loads(c.function.arguments) for c in calls], self.PLACES)
                self.assertEqual([e.parsed_arguments for e in done], self.PLACES)
                self.assertEqual(len({c.id for c in calls}), 2)

    def test_the_result_goes_back(self):
        message = self.ask("What is the weather in Oslo?", tools=[WEATHER]).choices[0].message
        messages = [
            {"role": "user", "content": "What is the weather in Oslo?"},
            message,
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "It rains."},
        ]
        second = self.client.chat.completions.create(
            model="fast", messages=messages, tools=[WEATHER]
        )
        self.assertIn("It rains.", second.choices[0].message.content)


class ContentTest(ClientCase):
    def test_structured_output(self):
        request = say("What is 17 * 23?", model="sim-large", response_format=Sum)
        parsed = self.client.chat.completions.parse(**request).choices[0].message.parsed
        self.assertIsInstance(parsed, Sum)

    def test_structured_output_in_a_stream(self):
        with self.client.chat.completions.stream(
            **say("What is 1 + 1?", response_format=Sum)
        ) as stream:
            parsed = stream.get_final_completion().choices[0].message.parsed
        self.assertIsInstance(parsed, Sum)

    def test_image_of_3_mb(self):
        image = "data:image/png;base64," + "0123456789abcdef" * (4 << 16)
        content = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": image}},
        ]
        for stream in (False, True):
            reply = self.ask(content, model="vision", stream=stream)
            text = text_of(reply) if stream else reply.choices[0].message.content
            self.assertTrue(text.startswith("I see 1 image; "), text)
            self.assertIn(" %d bytes" % len(image), text)


class EndpointTest(ClientCase):
    def test_completions(self):
        whole = self.client.completions.create(model="fast", prompt="Once")
        self.assertEqual(whole.choices[0].text.strip(), self.canonical)
        chunks = list(self.client.completions.create(model="fast", prompt="Once", stream=True))
        self.assertEqual("".join(c.text for k in chunks for c in k.choices).strip(), self.canonical)

    def test_embeddings_are_unpacked(self):
        texts = ["one text", "another text"]
        packed = self.client.embeddings.create(model="embed", input=texts)
        floats = self.client.embeddings.create(model="embed", input=texts, encoding_format="float")
        self.assertEqual(packed.model, "embed")
        for a, b in zip(packed.data, floats.data, strict=True):
            self.assertEqual(len(a.embedding), 64)
            self.assertEqual(a.index, b.index)
            for x, y in zip(a.embedding, b.embedding, strict=True):
                self.assertAlmostEqual(x, y, places=5)

    def test_models(self):
        ids = {model.id for model in self.client.models.list()}
        self.assertLessEqual({"auto", "fast", "embed", "vendor/name:7b", "gpt-4o"}, ids)
        for name in ("fast", "vendor/name:7b", "gpt-4o"):
            self.assertEqual(self.client.models.retrieve(name).id, name)


class GraphTest(ClientCase):
    """Graphs of several models (graphs.py): what runs through them, and what is one call."""

    QUESTION = "What is the weather in Oslo and Quito?"
    PLACES = [{"location": "Oslo"}, {"location": "Quito"}]
    IMAGE = "data:image/png;base64," + "0123456789abcdef" * 100

    def made(self, model, degraded=None, content="Hello", **more):
        """The answer, after a look at what its headers say."""
        raw = self.client.chat.completions.with_raw_response.create(
            **say(content, model=model, **more)
        )
        self.assertEqual(raw.headers.get("x-sluice-degraded"), degraded)
        self.assertRegex(raw.headers["x-sluice-graph"], "^[0-9a-f]{16}$")
        task = model.removeprefix("auto/") if model.startswith("auto/") else "default"
        self.assertEqual(raw.headers["x-sluice-task"], task)
        return raw.parse()

    def words(self, count):
        return " ".join(self.canonical.split()[:count])

    def test_whole_answer(self):
        for model in ("graph/panel", "auto/panel"):
            completion = self.made(model)
            self.assertEqual(completion.choices[0].message.content, self.canonical)
            self.assertEqual(completion.choices[0].finish_reason, "stop")
            self.assertEqual(completion.model, model)
            usage = completion.usage
            self.assertEqual(usage.completion_tokens, 60)
            self.assertEqual(usage.total_tokens, usage.prompt_tokens + 60)
            self.assertEqual(usage.sluice["calls"], 4)
            self.assertEqual(usage.sluice["completion_tokens"], 69)

    def test_stream(self):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for model, text in (("auto/panel", self.canonical), ("graph/vote", self.words(3))):
            chunks = list(self.made(model, **options))
            self.assertEqual(text_of(chunks), text)
            self.assertEqual(chunks[-2].choices[0].finish_reason, "stop")
            self.assertEqual(chunks[-1].choices, [])
            self.assertEqual(chunks[-1].usage.completion_tokens, len(text.split()))
            self.assertGreater(chunks[-1].usage.sluice["calls"], 1)
            self.assertFalse([c for c in chunks[:-1] if c.usage])

    def test_stream_helper(self):
        with self.client.chat.completions.stream(**say("Hello", model="graph/panel")) as stream:
            events = list(stream)
            completion = stream.get_final_completion()
        self.assertEqual(completion.choices[0].message.content, self.canonical)
        deltas = [event.delta for event in events if event.type == "content.delta"]
        self.assertEqual(len([delta for delta in deltas if delta]), 60)

    def test_lines_of_the_raw_stream(self):
        create = self.client.chat.completions.with_streaming_response.create
        with create(**say("Hello", model="graph/panel", stream=True)) as response:
            graph = response.headers["x-sluice-graph"]
            lines = [line for line in response.iter_lines() if line]
        self.assertEqual(lines[-2], ": sluice graph=%s calls=4 degraded=no" % graph)
        self.assertEqual(lines[-1], "data: [DONE]")

    def test_structured_output(self):
        for model in ("graph/panel", "auto/plain"):
            request = say("What is 17 * 23?", model=model, response_format=Sum)
            completion = self.client.chat.completions.parse(**request)
            self.assertIsInstance(completion.choices[0].message.parsed, Sum)
            self.assertEqual(hasattr(completion.usage, "sluice"), model == "graph/panel")
            with self.client.chat.completions.stream(**request) as stream:
                parsed = stream.get_final_completion().choices[0].message.parsed
            self.assertIsInstance(parsed, Sum)

    def test_tools_are_one_call(self):
        completion = self.made("auto/panel", "tools", self.QUESTION, tools=[WEATHER])
        self.assertEqual(completion.choices[0].finish_reason, "tool_calls")
        self.assertFalse(hasattr(completion.usage, "sluice"))

    def test_tools_through_a_graph(self):
        completion = self.made("auto/tooled", None, self.QUESTION, tools=[WEATHER])
        calls = completion.choices[0].message.tool_calls
        self.assertEqual([json.loads(c.function.arguments) for c in calls], self.PLACES)
        self.assertEqual(completion.usage.sluice["calls"], 4)
        request = say(self.QUESTION, model="auto/tooled", tools=[WEATHER])
        with self.client.chat.completions.stream(**request) as stream:
            done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
            choice = stream.get_final_completion().choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertEqual([e.parsed_arguments for e in done], self.PLACES)
        # And back with the results: nothing that candidates could be added to.
        message = choice.message
        messages = [{"role": "user", "content": self.QUESTION}, message] + [
            {"role": "tool", "tool_call_id": call.id, "content": "It rains."}
            for call in message.tool_calls
        ]
        second = self.made("auto/tooled", "last_message", messages=messages, tools=[WEATHER])
        self.assertIn("It rains.", second.choices[0].message.content)

    def test_prefill(self):
        messages = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Well,"},
        ]
        self.made("graph/panel", "last_message", messages=messages)

    def test_several_choices_and_log_probabilities(self):
        completion = self.made("graph/panel", n=2, logprobs=True)
        self.assertEqual([c.index for c in completion.choices], [0, 1])
        for choice in completion.choices:
            self.assertEqual("".join(t.token for t in choice.logprobs.content), self.canonical)
        self.assertEqual(len(self.made("graph/vote", "choices", n=2).choices), 2)
        self.made("graph/vote", "logprobs", logprobs=True)

    def test_images(self):
        content = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": self.IMAGE}},
        ]
        for model, degraded in (("graph/panel", None), ("auto/plain", "capability")):
            text = self.made(model, degraded, content).choices[0].message.content
            self.assertIn(" %d bytes" % len(self.IMAGE), text)

    def test_context(self):
        self.made("graph/plain", "context", "word " * 8000)

    def test_completions(self):
        raw = self.client.completions.with_raw_response.create(model="graph/panel", prompt="Once")
        self.assertEqual(raw.headers["x-sluice-degraded"], "completions")
        self.assertEqual(raw.parse().choices[0].text.strip(), self.canonical)

    def test_broken_stream(self):
        chunks = []
        with self.assertRaises(openai.APIError) as caught:
            for chunk in self.made("graph/cut-python", stream=True):
                chunks.append(chunk)
        self.assertEqual(set(caught.exception.body), {"message", "type", "param", "code"})
        self.assertEqual(text_of(chunks).strip(), self.words(40))

    def test_leaving_cancels_every_call(self):
        models = ["fast:first=30000,id=waiting-" + letter for letter in "ab"]
        before = [stats(m)["cancelled"] for m in models]

        async def leave():
            async with AsyncOpenAI(**settings()) as client:
                asked = asyncio.create_task(
                    client.chat.completions.create(**say("Hello", model="graph/waiting"))
                )
                while not asked.done() and any(stats(m)["in_flight"] != 1 for m in models):
                    await asyncio.sleep(0.003)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
                return time.monotonic()

        left = asyncio.run(leave())
        eventually(
            lambda: [stats(m)["cancelled"] for m in models] == [n + 1 for n in before],
            "both calls are cancelled",
        )
        self.assertLess(stats(models[0])["last_cancel_us"] / 1e6 - left, CANCEL_SECONDS)


class ErrorTest(ClientCase):
    def fails(self, kind, function, *arguments, **members):
        """The error, which is of exactly this class and has a request id where it came by HTTP."""
        with self.assertRaises(kind) as caught:
            function(*arguments, **members)
        error = caught.exception
        self.assertIs(type(error), kind, error)
        if isinstance(error, openai.APIStatusError):
            self.assertRegex(error.request_id, REQUEST_ID)
            self.assertEqual(set(error.body), {"message", "type", "param", "code"})
        return error

    def test_bad_request(self):
        for stream in (False, True):
            error = self.fails(openai.BadRequestError, self.ask, model="context", stream=stream)
            self.assertEqual(error.code, "context_length_exceeded")
        error = self.fails(
            openai.BadRequestError,
            self.client.post,
            "/chat/completions",
            cast_to=object,
            body={"model": "fast"},
        )
        self.assertEqual((error.type, error.param), ("invalid_request_error", "messages"))

    def test_authentication(self):
        self.client = self.open(api_key="sk-wrong")
        self.assertEqual(self.fails(openai.AuthenticationError, self.ask).code, "invalid_api_key")
        self.fails(openai.AuthenticationError, self.client.models.list)

    def test_permission(self):
        self.client = self.open(api_key=key("NARROW"))
        self.fails(openai.PermissionDeniedError, self.ask, model="echo")
        self.assertEqual([model.id for model in self.client.models.list()], ["fast"])

    def test_not_found(self):
        self.assertEqual(
            self.fails(openai.NotFoundError, self.ask, model="none-such").code, "model_not_found"
        )
        self.fails(openai.NotFoundError, self.client.models.retrieve, "none-such")
        self.fails(openai.NotFoundError, self.client.responses.create, model="fast", input="Hello")

    def test_conflict_and_unprocessable(self):
        self.fails(openai.ConflictError, self.ask, model="status-409")
        self.fails(openai.UnprocessableEntityError, self.ask, model="status-422")

    def test_rate_limit_of_a_provider_is_not_multiplied(self):
        name = "s02-429-forever:retry=7"
        before = stats(name)["requests"]
        self.client = self.open(max_retries=3)
        error = self.fails(openai.RateLimitError, self.ask, model="limited")
        self.assertEqual(error.response.headers["retry-after"], "7")
        self.assertEqual(error.response.headers["x-should-retry"], "false")
        self.assertEqual(stats(name)["requests"], before + 1)

    def test_rate_limit_of_a_key_is_waited_out(self):
        self.client = self.open(api_key=key("QUICK"), max_retries=2)
        begun = time.monotonic()
        headers = [
            self.client.chat.completions.with_raw_response.create(**say("Hello")).headers
            for _ in range(32)
        ]
        # Thirty a minute: the thirty-first has to wait two seconds, and so has the next.
        self.assertEqual(headers[0]["x-ratelimit-limit-requests"], "30")
        self.assertGreater(time.monotonic() - begun, 2)

    def test_server_errors_are_not_tried_again(self):
        for model in ("down-python", "html"):
            for stream in (False, True):
                with self.subTest(model=model, stream=stream):
                    self.client = self.open(max_retries=3)
                    begun = time.monotonic()
                    error = self.fails(
                        openai.InternalServerError, self.ask, model=model, stream=stream
                    )
                    self.assertEqual(error.response.headers["x-should-retry"], "false")
                    self.assertLess(time.monotonic() - begun, 0.5 * SLOW, "no waiting to try again")

    def test_broken_stream(self):
        for model in ("cut-python", "error-event-python"):
            with self.subTest(model=model):
                chunks = []
                error = self.fails(
                    openai.APIError, lambda: chunks.extend(self.ask(model=model, stream=True))
                )
                self.assertEqual(set(error.body), {"message", "type", "param", "code"})

    def test_broken_stream_keeps_its_beginning(self):
        for pause in (0, 0.005):
            chunks = []
            with self.assertRaises(openai.APIError):
                for chunk in self.ask(model="cut-python", stream=True):
                    chunks.append(chunk)
                    time.sleep(pause)
            self.assertEqual(len(text_of(chunks).split()), 40)
            self.assertTrue(self.canonical.startswith(text_of(chunks)))

    def test_nobody_there(self):
        self.client = self.open(base_url="http://127.0.0.1:1/v1")
        self.fails(openai.APIConnectionError, self.ask)


class AbortTest(ClientCase):
    def cancel_time(self, model, begin, leave):
        """Seconds until the simulated model saw its client go: the best of three."""
        times = []
        for _ in range(3):
            before = stats(model)["cancelled"]
            begun = begin()
            eventually(lambda: stats(model)["in_flight"] == 1, "the upstream is asked")
            left = time.monotonic()
            leave(begun)
            eventually(lambda: stats(model)["cancelled"] == before + 1, "the cancel arrives")
            times.append(stats(model)["last_cancel_us"] / 1e6 - left)
        return min(times)

    def with_text(self):
        stream = self.ask(model="paced", stream=True)
        for chunk in stream:
            if chunk.choices[0].delta.content:
                return stream
        self.fail("no text came")

    def test_closing_the_stream(self):
        took = self.cancel_time(PACED, self.with_text, lambda stream: stream.close())
        self.assertLess(took, CANCEL_SECONDS)

    def test_leaving_the_block(self):
        def leave(stream):
            with stream:
                next(iter(stream))

        took = self.cancel_time(PACED, lambda: self.ask(model="paced", stream=True), leave)
        self.assertLess(took, CANCEL_SECONDS + 0.03)  # the first piece is waited for

    def test_cancelling_a_task(self):
        async def cancel(stream):
            async with AsyncOpenAI(**settings()) as client:
                before = stats(SILENT)["cancelled"]
                create = client.chat.completions.create
                task = asyncio.create_task(create(**say("Hello", model="silent", stream=stream)))
                while stats(SILENT)["in_flight"] != 1:
                    await asyncio.sleep(0.003)
                left = time.monotonic()
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                eventually(lambda: stats(SILENT)["cancelled"] == before + 1, "the cancel arrives")
                return stats(SILENT)["last_cancel_us"] / 1e6 - left

        for stream in (False, True):
            took = min(asyncio.run(cancel(stream)) for _ in range(3))
            self.assertLess(took, CANCEL_SECONDS)

    def test_impatient_client(self):
        before = stats(SILENT)["cancelled"]
        self.client = self.open(timeout=0.2)
        with self.assertRaises(openai.APITimeoutError):
            self.ask(model="silent")
        eventually(lambda: stats(SILENT)["cancelled"] == before + 1, "it is cancelled")


if __name__ == "__main__":
    unittest.main()
