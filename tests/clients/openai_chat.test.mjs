// Chat by the official client: whole and streamed answers, usage, tools, structured output, images.

import assert from "node:assert/strict";
import { test } from "node:test";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  WEATHER,
  canonical,
  client,
  lastBody,
  lastHeaders,
  readAll,
  say,
  textOf,
} from "./world.mjs";

const openai = client();
const answer = await canonical();
const weather = (places, more) =>
  say(`What is the weather in ${places}?`, { tools: [WEATHER], ...more });

test("a whole answer", async () => {
  const { data, response, request_id } = await openai.chat.completions
    .create(say("Hello"))
    .withResponse();
  assert.equal(data.object, "chat.completion");
  assert.equal(data.model, "fast");
  assert.equal(data.choices[0].message.content, answer);
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.equal(data.usage.completion_tokens, 60);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 60);
  assert.match(request_id, /^[a-z2-7]{48}$/);
  assert.equal(response.headers.get("x-request-id"), request_id);
  assert.equal(data._request_id, request_id);
  assert.equal(data.id, "chatcmpl-" + request_id);
});

test("an answer long enough to be packed on its way", async () => {
  const { data, response } = await openai.chat.completions
    .create(say("Hello", { model: "long" }))
    .withResponse();
  assert.equal(response.headers.get("content-encoding"), "gzip");
  assert.equal(data.choices[0].message.content.split(" ").length, 2000);
});

test("the raw response", async () => {
  const response = await openai.chat.completions.create(say("Hello")).asResponse();
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  assert.match(response.headers.get("x-request-id"), /^[a-z2-7]{48}$/);
  assert.equal((await response.json()).choices[0].message.content, answer);
});

test("an alias, and auto", async () => {
  for (const model of ["gpt-4o", "auto"]) {
    const completion = await openai.chat.completions.create(say("Hello", { model }));
    assert.equal(completion.model, model);
  }
});

test("the client's key stays here", async () => {
  await openai.chat.completions.create(say("Hello"));
  assert.equal((await lastHeaders("fast")).authorization, undefined);
});

test("text of all scripts", async () => {
  const text = 'žluťoučký kůň, 漢字, emoji 🫖, "quotes" \\ and\nlines\u2028 and \u0000 too';
  const whole = await openai.chat.completions.create(say(text, { model: "echo" }));
  assert.equal(whole.choices[0].message.content, text);
  const chunks = await readAll(
    await openai.chat.completions.create(say(text, { model: "echo", stream: true })),
  );
  assert.equal(textOf(chunks), text);
});

test("a large integer reaches the model digit by digit", async () => {
  // As applications do whose serializer knows BigInt, which the client's own does not.
  const exact = (url, init) => fetch(url, { ...init, body: init.body.replace(/"(\d+)n"/g, "$1") });
  const seed = "9007199254740993n";
  await client({ fetch: exact }).chat.completions.create(
    say("Hello", { seed, logit_bias: { 50256: -100 } }),
  );
  assert.match(await lastBody("fast"), /"seed":9007199254740993[,}]/);
});

test("several choices, log probabilities, stop, a length", async () => {
  const several = await openai.chat.completions.create(say("Hello", { n: 3, logprobs: true }));
  assert.deepEqual(
    several.choices.map((choice) => choice.index),
    [0, 1, 2],
  );
  for (const choice of several.choices) {
    assert.equal(choice.logprobs.content.map((token) => token.token).join(""), answer);
  }
  const short = await openai.chat.completions.create(say("Hello", { max_completion_tokens: 4 }));
  assert.equal(short.choices[0].finish_reason, "length");
  const stopped = await openai.chat.completions.create(say("Hello", { stop: ["simulated"] }));
  assert.equal(stopped.choices[0].message.content.trim(), "This is the");
});

// ---- streams ----

test("a stream", async () => {
  const { data, response, request_id } = await openai.chat.completions
    .create(say("Hello", { stream: true }))
    .withResponse();
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  const chunks = await readAll(data);
  assert.equal(textOf(chunks), answer);
  assert.deepEqual(new Set(chunks.map((chunk) => chunk.id)), new Set(["chatcmpl-" + request_id]));
  assert.deepEqual(new Set(chunks.map((chunk) => chunk.model)), new Set(["fast"]));
  assert.deepEqual(
    new Set(chunks.map((chunk) => chunk.object)),
    new Set(["chat.completion.chunk"]),
  );
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(
    chunks.every((chunk) => !chunk.usage),
    "usage was not asked for",
  );
});

test("usage in a stream", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await readAll(await openai.chat.completions.create(say("Hello", options)));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 60);
  assert.ok(last.usage.prompt_tokens > 0);
  assert.ok(chunks.every((chunk) => chunk.usage == null && chunk.choices.length === 1));
});

test("pieces come as they are made", async () => {
  const stream = await openai.chat.completions.create(
    say("Hello", { model: "paced", max_tokens: 20, stream: true }),
  );
  const times = [];
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) {
      times.push(performance.now());
    }
  }
  // 20 tokens, 30 ms apart: what is held back and sent at once takes no time.
  assert.ok(times.at(-1) - times[0] > 300, `all within ${times.at(-1) - times[0]} ms`);
});

test("several choices in a stream", async () => {
  const chunks = await readAll(
    await openai.chat.completions.create(say("Hello", { n: 2, stream: true })),
  );
  for (const index of [0, 1]) {
    assert.equal(textOf(chunks, index), answer);
    const reasons = chunks
      .flatMap((chunk) => chunk.choices)
      .filter((choice) => choice.index === index && choice.finish_reason);
    assert.equal(reasons.length, 1);
  }
});

test("the stream helper", async () => {
  const options = { stream_options: { include_usage: true } };
  const stream = openai.chat.completions.stream(say("Hello", options));
  const deltas = [];
  stream.on("content", (delta, snapshot) => deltas.push([delta, snapshot]));
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].message.content, answer);
  assert.equal(deltas.length, 60);
  assert.equal(deltas.at(-1)[1], answer);
  assert.equal((await stream.totalUsage()).completion_tokens, 60);
});

// ---- tools ----

test("tools in a whole answer", async () => {
  const completion = await openai.chat.completions.create(weather("Oslo and Quito"));
  const choice = completion.choices[0];
  assert.equal(choice.finish_reason, "tool_calls");
  assert.deepEqual(
    choice.message.tool_calls.map((call) => JSON.parse(call.function.arguments)),
    [{ location: "Oslo" }, { location: "Quito" }],
  );
});

for (const model of ["fast", "tools-without-index", "tools-all-zero"]) {
  test(`parallel tools in a stream of ${model}`, async () => {
    const stream = openai.chat.completions.stream(weather("Oslo and Quito", { model }));
    const done = [];
    stream.on("tool_calls.function.arguments.done", (call) => done.push(call.arguments));
    const { choices } = await stream.finalChatCompletion();
    const calls = choices[0].message.tool_calls;
    assert.equal(choices[0].finish_reason, "tool_calls");
    assert.equal(calls.length, 2);
    assert.notEqual(calls[0].id, calls[1].id);
    assert.deepEqual(
      calls.map((call) => call.function.name),
      ["get_weather", "get_weather"],
    );
    assert.deepEqual(
      calls.map((call) => JSON.parse(call.function.arguments)),
      [{ location: "Oslo" }, { location: "Quito" }],
    );
    assert.deepEqual(
      done,
      calls.map((call) => call.function.arguments),
    );
  });
}

test("one tool call when parallel ones are not wanted", async () => {
  const stream = openai.chat.completions.stream(
    weather("Oslo and Quito", { parallel_tool_calls: false }),
  );
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].message.tool_calls.length, 1);
});

test("a tool that must be called", async () => {
  const tool_choice = { type: "function", function: { name: "get_weather" } };
  const completion = await openai.chat.completions.create(
    say("Hello", { tools: [WEATHER], tool_choice }),
  );
  assert.equal(completion.choices[0].message.tool_calls[0].function.name, "get_weather");
});

for (const stream of [false, true]) {
  test(`a whole round of tools by the client's runner, stream ${stream}`, async () => {
    const asked = [];
    const tool = zodFunction({
      name: "get_weather",
      parameters: z.object({ location: z.string() }),
      function: ({ location }) => {
        asked.push(location);
        return `It rains in ${location}.`;
      },
    });
    const runner = openai.chat.completions.runTools(weather("Oslo", { tools: [tool], stream }));
    assert.match(await runner.finalContent(), /It rains in Oslo\./);
    assert.deepEqual(asked, ["Oslo"]);
  });
}

// ---- structured output ----

const Sum = z.object({
  answer: z.number().int(),
  steps: z.array(z.string()).min(1),
  unit: z.enum(["none", "metre"]),
});

test("structured output", async () => {
  const completion = await openai.chat.completions.parse(
    say("What is 17 * 23?", { model: "sim-large", response_format: zodResponseFormat(Sum, "sum") }),
  );
  assert.equal(completion.choices[0].message.parsed.unit, "none");
  assert.equal(typeof completion.choices[0].message.parsed.answer, "number");
});

test("structured output in a stream", async () => {
  const stream = openai.chat.completions.stream(
    say("What is 17 * 23?", { response_format: zodResponseFormat(Sum, "sum") }),
  );
  const completion = await stream.finalChatCompletion();
  assert.ok(Sum.safeParse(completion.choices[0].message.parsed).success);
});

test("a JSON object", async () => {
  const completion = await openai.chat.completions.create(
    say("Hello", { response_format: { type: "json_object" } }),
  );
  assert.equal(typeof JSON.parse(completion.choices[0].message.content), "object");
});

// ---- images ----

test("an image of 3 MB in the request", async () => {
  const image =
    "data:image/png;base64," + Buffer.alloc(3 << 20, "0123456789abcdef").toString("base64");
  const content = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: image, detail: "high" } },
  ];
  for (const stream of [false, true]) {
    const reply = await openai.chat.completions.create(say(content, { model: "vision", stream }));
    const text = stream ? textOf(await readAll(reply)) : reply.choices[0].message.content;
    assert.ok(text.startsWith("I see 1 image; "), text);
    assert.ok(text.includes(` ${image.length} bytes`), text);
  }
  assert.equal(JSON.parse(await lastBody("fast")).messages[0].content[1].image_url.url, image);
});
