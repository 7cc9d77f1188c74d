// The official client, Sluice, and an upstream that other people wrote (aimock_server.cjs).

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import {
  MOCK_URL,
  WEATHER,
  client,
  countingClient,
  failure,
  readAll,
  say,
  textOf,
} from "./world.mjs";

const openai = client();
const create = (content, more) =>
  openai.chat.completions.create(say(content, { model: "mock", ...more }));
const HELLO = "Hello from a mock that knows nothing of Sluice.";

async function journal() {
  const headers = { authorization: "Bearer sk-upstream" };
  return (await fetch(`${MOCK_URL}/__aimock/journal`, { headers })).json();
}

test("a whole answer, and the upstream's own key and name for the model", async () => {
  const { data, request_id } = await create("hello").withResponse();
  assert.equal(data.choices[0].message.content, HELLO);
  assert.equal(data.model, "mock");
  assert.equal(data.id, "chatcmpl-" + request_id);
  const last = (await journal()).at(-1);
  assert.equal(last.path, "/v1/chat/completions");
  assert.equal(last.body.model, "gpt-4o-mini");
  assert.ok(!JSON.stringify(last).includes("sk-client"), "the client's key went upstream");
});

test("a stream", async () => {
  const { data, request_id } = await create("hello", { stream: true }).withResponse();
  const chunks = await readAll(data);
  assert.equal(textOf(chunks), HELLO);
  assert.deepEqual(new Set(chunks.map((chunk) => chunk.id)), new Set(["chatcmpl-" + request_id]));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(
    chunks.every((chunk) => !chunk.usage),
    "usage was not asked for",
  );
});

test("usage", async () => {
  const whole = await create("usage");
  assert.deepEqual([whole.usage.prompt_tokens, whole.usage.completion_tokens], [11, 7]);
  const chunks = await readAll(
    await create("usage", { stream: true, stream_options: { include_usage: true } }),
  );
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 7);
});

test("a round of parallel tools", async () => {
  const tools = [WEATHER];
  const first = await create("weather", { tools });
  const stream = openai.chat.completions.stream(say("weather", { model: "mock", tools }));
  const streamed = (await stream.finalChatCompletion()).choices[0].message;
  const calls = first.choices[0].message.tool_calls;
  assert.deepEqual(
    calls.map((call) => call.function.arguments),
    ['{"location": "Oslo"}', '{"location": "Quito"}'],
  );
  assert.deepEqual(
    streamed.tool_calls.map((call) => [call.id, call.function.name, call.function.arguments]),
    calls.map((call) => [call.id, call.function.name, call.function.arguments]),
  );
  const results = calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "wet" }));
  const messages = [{ role: "user", content: "weather" }, first.choices[0].message, ...results];
  const second = await openai.chat.completions.create({ model: "mock", messages, tools });
  assert.equal(second.choices[0].message.content, "Rain in Oslo, sun in Quito.");
});

test("embeddings", async () => {
  const { data } = await openai.embeddings.create({
    model: "mock-embed",
    input: "embed me",
    encoding_format: "float",
  });
  assert.deepEqual(data[0].embedding, [0.5, -0.25, 0.125]);
});

test("errors keep the mock's words", async () => {
  for (const stream of [false, true]) {
    const why = await failure(create("too long", { stream }), OpenAI.BadRequestError, {
      code: "context_length_exceeded",
      type: "invalid_request_error",
    });
    assert.match(why.message, /This is longer than the mock's context\./);
  }
});

test("a rate limit", async () => {
  const { openai: persistent, attempts } = countingClient({ maxRetries: 2 });
  const limited = persistent.chat.completions.create(say("too often", { model: "mock" }));
  const why = await failure(limited, OpenAI.RateLimitError, { code: "rate_limit_exceeded" });
  assert.match(why.message, /Slow down\./);
  assert.equal(why.headers.get("retry-after"), "3");
  assert.equal(attempts.length, 1);
});

test("a stream that the mock cuts short", async () => {
  const chunks = [];
  const read = async () => {
    for await (const chunk of await create("cut short", { stream: true })) {
      chunks.push(chunk);
    }
  };
  await failure(read(), OpenAI.APIError);
  assert.ok(textOf(chunks).startsWith("A long answer"));
  assert.ok(chunks.every((chunk) => chunk.choices.every((choice) => !choice.finish_reason)));
});
