// The `ai` package with its OpenAI-compatible provider, which checks every event against a schema.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CANCEL_MS, KEY_WIDE, SLUICE_URL, cancelTime, canonical } from "./world.mjs";

const provider = createOpenAICompatible({
  name: "sluice",
  baseURL: SLUICE_URL,
  apiKey: KEY_WIDE,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = (name = "fast") => provider(name);
const maxRetries = 0;

function weatherTool(asked) {
  return tool({
    description: "The weather at a place.",
    inputSchema: z.object({ location: z.string() }),
    execute: async ({ location }) => {
      asked.push(location);
      return `It rains in ${location}.`;
    },
  });
}

async function parts(result) {
  const all = [];
  for await (const part of result.fullStream) {
    all.push(part);
  }
  return all;
}

test("a whole answer", async () => {
  const result = await generateText({ model: model(), prompt: "Hello", maxRetries });
  assert.equal(result.text, await canonical());
  assert.equal(result.finishReason, "stop");
  assert.equal(result.usage.outputTokens, 60);
  assert.equal(result.response.modelId, "fast");
});

test("a stream", async () => {
  const result = streamText({ model: model(), prompt: "Hello", maxRetries });
  const all = await parts(result);
  const deltas = all.filter((part) => part.type === "text-delta").map((part) => part.text);
  assert.deepEqual(
    all.filter((part) => part.type === "error"),
    [],
  );
  assert.equal(deltas.join(""), await canonical());
  assert.ok(deltas.length >= 60, "token by token");
  assert.equal(await result.finishReason, "stop");
  assert.equal((await result.usage).outputTokens, 60);
});

for (const name of ["fast", "tools-without-index", "tools-all-zero"]) {
  test(`parallel tools in a stream of ${name}`, async () => {
    const asked = [];
    const result = streamText({
      model: model(name),
      prompt: "What is the weather in Oslo and Quito?",
      maxRetries,
      tools: { get_weather: weatherTool(asked) },
    });
    const all = await parts(result);
    assert.deepEqual(
      all.filter((part) => part.type === "error" || part.type === "tool-error"),
      [],
    );
    assert.deepEqual(asked.sort(), ["Oslo", "Quito"]);
    assert.equal(await result.finishReason, "tool-calls");
    assert.equal((await result.toolResults).length, 2);
  });
}

test("a whole round of tools", async () => {
  const asked = [];
  const result = await generateText({
    model: model(),
    prompt: "What is the weather in Oslo?",
    maxRetries,
    tools: { get_weather: weatherTool(asked) },
    stopWhen: stepCountIs(3),
  });
  assert.match(result.text, /It rains in Oslo\./);
  assert.deepEqual(asked, ["Oslo"]);
  assert.equal(result.steps.length, 2);
});

test("structured output, whole and streamed", async () => {
  const output = Output.object({ schema: z.object({ answer: z.string(), count: z.number() }) });
  const whole = await generateText({ model: model(), prompt: "Hello", output, maxRetries });
  assert.equal(typeof whole.output.answer, "string");
  const streamed = streamText({ model: model(), prompt: "Hello", output, maxRetries });
  assert.equal(typeof (await streamed.output).count, "number");
});

test("embeddings", async () => {
  const result = await embedMany({
    model: provider.embeddingModel("embed"),
    values: ["one", "two"],
    maxRetries,
  });
  assert.deepEqual(
    result.embeddings.map((embedding) => embedding.length),
    [64, 64],
  );
});

test("errors keep their status and say whether to try again", async () => {
  // 503: the gateway's own retries are spent, but this client goes by the status alone.
  const cases = [
    ["none-such", 404, false],
    ["context", 400, false],
    ["down", 503, true],
  ];
  for (const [name, status, isRetryable] of cases) {
    const why = await generateText({ model: model(name), prompt: "Hello", maxRetries }).then(
      () => assert.fail("no error"),
      (error) => error,
    );
    assert.ok(APICallError.isInstance(why), String(why));
    assert.equal(why.statusCode, status);
    assert.equal(why.isRetryable, isRetryable);
    assert.ok(why.message && !why.message.includes("Invalid JSON"), why.message);
  }
});

test("a graph, whole and streamed", async () => {
  const whole = await generateText({ model: model("graph/panel"), prompt: "Hello", maxRetries });
  assert.equal(whole.text, await canonical());
  assert.equal(whole.usage.outputTokens, 60);
  assert.equal(whole.response.modelId, "graph/panel");
  const result = streamText({ model: model("auto/panel"), prompt: "Hello", maxRetries });
  const all = await parts(result);
  const deltas = all.filter((part) => part.type === "text-delta").map((part) => part.text);
  assert.deepEqual(
    all.filter((part) => part.type === "error"),
    [],
  );
  assert.equal(deltas.join(""), await canonical());
  assert.ok(deltas.length >= 60, "token by token");
  assert.equal(await result.finishReason, "stop");
  assert.equal((await result.usage).outputTokens, 60);
});

test("a vote in a stream", async () => {
  const result = streamText({ model: model("graph/vote"), prompt: "Hello", maxRetries });
  const three = (await canonical()).split(" ").slice(0, 3).join(" ");
  assert.equal(await result.text, three);
  assert.equal(await result.finishReason, "stop");
});

test("tools and structured output of a graph", async () => {
  const asked = [];
  const tools = { get_weather: weatherTool(asked) };
  const prompt = "What is the weather in Oslo?";
  const stopWhen = stepCountIs(3);
  const result = streamText({ model: model("auto/tooled"), prompt, maxRetries, tools, stopWhen });
  assert.match(await result.text, /It rains in Oslo\./);
  assert.deepEqual(asked, ["Oslo"]);
  const output = Output.object({ schema: z.object({ answer: z.string(), count: z.number() }) });
  const streamed = streamText({ model: model("graph/panel"), prompt: "Hello", output, maxRetries });
  assert.equal(typeof (await streamed.output).count, "number");
});

for (const name of ["cut-ai", "error-event-ai", "graph/cut-ai"]) {
  test(`a stream that breaks: ${name}`, async () => {
    const result = streamText({
      model: model(name),
      prompt: "Hello",
      maxRetries,
      onError: () => {},
    });
    const all = [];
    let text = "";
    for await (const part of result.fullStream) {
      all.push(part.type === "finish" ? part.finishReason : part.type);
      text += part.type === "text-delta" ? part.text : "";
    }
    assert.ok(text && (await canonical()).startsWith(text), text);
    assert.deepEqual(all.slice(-1), ["error"]);
  });
}

test("abort", async () => {
  const begin = async () => {
    const controller = new AbortController();
    const result = streamText({
      model: model("paced"),
      prompt: "Hello",
      maxRetries,
      abortSignal: controller.signal,
      onError: () => {},
    });
    for await (const text of result.textStream) {
      assert.ok(text);
      return controller;
    }
    return assert.fail("no text came");
  };
  const took = await cancelTime("fast:first=10,token=30", begin, (controller) =>
    controller.abort(),
  );
  assert.ok(took < CANCEL_MS, `${took} ms`);
});
