// LangChain's chat model and embeddings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { KEY_WIDE, SLUICE_URL, WEATHER, canonical } from "./world.mjs";

const common = { apiKey: KEY_WIDE, configuration: { baseURL: SLUICE_URL }, maxRetries: 0 };
const chat = (model = "fast", more = {}) => new ChatOpenAI({ model, ...common, ...more });

test("a whole answer", async () => {
  const message = await chat().invoke("Hello");
  assert.equal(message.content, await canonical());
  assert.equal(message.usage_metadata.output_tokens, 60);
  assert.match(message.id, /^chatcmpl-[a-z2-7]{48}$/);
});

test("a stream with usage", async () => {
  let whole;
  for await (const chunk of await chat().stream("Hello")) {
    whole = whole ? whole.concat(chunk) : chunk;
  }
  assert.equal(whole.content, await canonical());
  assert.equal(whole.usage_metadata.output_tokens, 60);
  assert.equal(whole.response_metadata.finish_reason, "stop");
});

test("parallel tools, whole and streamed", async () => {
  const wanted = [{ location: "Oslo" }, { location: "Quito" }];
  const question = "What is the weather in Oslo and Quito?";
  const bound = chat().bindTools([WEATHER]);
  assert.deepEqual(
    (await bound.invoke(question)).tool_calls.map((call) => call.args),
    wanted,
  );
  let whole;
  for await (const chunk of await bound.stream(question)) {
    whole = whole ? whole.concat(chunk) : chunk;
  }
  assert.deepEqual(
    whole.tool_calls.map((call) => call.args),
    wanted,
  );
});

test("structured output", async () => {
  const schema = z.object({ answer: z.string(), count: z.number() });
  for (const method of ["jsonSchema", "functionCalling"]) {
    const value = await chat()
      .withStructuredOutput(schema, { method, name: "reply" })
      .invoke("Hello");
    assert.ok(schema.safeParse(value).success, method);
  }
});

test("embeddings", async () => {
  const embeddings = new OpenAIEmbeddings({ model: "embed", ...common });
  const vectors = await embeddings.embedDocuments(["one", "two"]);
  assert.deepEqual(
    vectors.map((vector) => vector.length),
    [64, 64],
  );
});

test("errors, before and within a stream", async () => {
  await assert.rejects(chat("none-such").invoke("Hello"), { status: 404 });
  const read = async () => {
    for await (const chunk of await chat("cut-langchain").stream("Hello")) {
      assert.ok(chunk);
    }
  };
  await assert.rejects(read);
});

test("a graph", async () => {
  const message = await chat("graph/panel").invoke("Hello");
  assert.equal(message.content, await canonical());
  assert.equal(message.usage_metadata.output_tokens, 60);
  let whole;
  for await (const chunk of await chat("auto/panel").stream("Hello")) {
    whole = whole ? whole.concat(chunk) : chunk;
  }
  assert.equal(whole.content, await canonical());
  assert.equal(whole.usage_metadata.output_tokens, 60);
  assert.equal(whole.response_metadata.finish_reason, "stop");
});

test("tools and structured output of a graph", async () => {
  const bound = chat("auto/tooled").bindTools([WEATHER]);
  let whole;
  for await (const chunk of await bound.stream("What is the weather in Oslo?")) {
    whole = whole ? whole.concat(chunk) : chunk;
  }
  assert.deepEqual(
    whole.tool_calls.map((call) => call.args),
    [{ location: "Oslo" }],
  );
  const schema = z.object({ answer: z.string(), count: z.number() });
  const value = await chat("graph/panel")
    .withStructuredOutput(schema, { method: "jsonSchema", name: "reply" })
    .invoke("Hello");
  assert.ok(schema.safeParse(value).success);
});
