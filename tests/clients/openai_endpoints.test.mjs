// Completions, embeddings and models by the official client.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { KEY_NARROW, canonical, client, failure, readAll } from "./world.mjs";

const openai = client();

test("a completion", async () => {
  const { data, request_id } = await openai.completions
    .create({ model: "fast", prompt: "Once" })
    .withResponse();
  assert.equal(data.object, "text_completion");
  assert.equal(data.id, "cmpl-" + request_id);
  assert.equal(data.choices[0].text.trim(), await canonical());
  assert.equal(data.usage.completion_tokens, 60);
});

test("a completion in a stream", async () => {
  const stream_options = { include_usage: true };
  const chunks = await readAll(
    await openai.completions.create({
      model: "fast",
      prompt: "Once",
      stream: true,
      stream_options,
    }),
  );
  const text = chunks
    .flatMap((chunk) => chunk.choices)
    .map((choice) => choice.text)
    .join("");
  assert.equal(text.trim(), await canonical());
  assert.equal(chunks.at(-1).usage.completion_tokens, 60);
});

test("embeddings, packed as the client asks by default", async () => {
  const input = ["one text", "another text", "and a third"];
  const packed = await openai.embeddings.create({ model: "embed", input });
  const floats = await openai.embeddings.create({
    model: "embed",
    input,
    encoding_format: "float",
  });
  assert.equal(packed.model, "embed");
  assert.deepEqual(
    packed.data.map((item) => item.index),
    [0, 1, 2],
  );
  for (const [i, item] of packed.data.entries()) {
    assert.equal(item.embedding.length, 64);
    item.embedding.forEach((value, j) =>
      assert.ok(Math.abs(value - floats.data[i].embedding[j]) < 1e-5),
    );
  }
  assert.ok(packed.usage.prompt_tokens > 0);
});

test("short embeddings of tokens", async () => {
  const reply = await openai.embeddings.create({
    model: "embed",
    input: [[1, 2, 3]],
    dimensions: 16,
  });
  assert.equal(reply.data[0].embedding.length, 16);
});

test("the list of models", async () => {
  const ids = [];
  for await (const model of openai.models.list()) {
    assert.equal(model.object, "model");
    ids.push(model.id);
  }
  for (const id of ["auto", "fast", "embed", "vendor/name:7b", "gpt-4o"]) {
    assert.ok(ids.includes(id), id);
  }
});

test("the list of a key that may use one model", async () => {
  const { data } = await client({ apiKey: KEY_NARROW }).models.list();
  assert.deepEqual(
    data.map((model) => model.id),
    ["fast"],
  );
});

test("one model", async () => {
  for (const id of ["fast", "vendor/name:7b", "gpt-4o"]) {
    const model = await openai.models.retrieve(id);
    assert.equal(model.id, id);
    assert.equal(typeof model.created, "number");
    assert.equal(typeof model.owned_by, "string");
  }
  await failure(openai.models.retrieve("none"), OpenAI.NotFoundError, { code: "model_not_found" });
});

test("an endpoint that is not served", async () => {
  const why = await failure(
    openai.responses.create({ model: "fast", input: "Hello" }),
    OpenAI.NotFoundError,
  );
  assert.ok(why.message.includes("/v1/chat/completions"), why.message);
});
