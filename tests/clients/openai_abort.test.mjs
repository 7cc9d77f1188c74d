// Clients that leave: the simulated model sees it within 100 ms. And clients that lose patience.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { CANCEL_MS, cancelTime, client, eventually, failure, say, stats } from "./world.mjs";

const openai = client();
const SILENT = "fast:first=30000";
const EARLY = "fast:first=30000,early=1";
const PACED = "fast:first=10,token=30";

async function begin(model) {
  const controller = new AbortController();
  const { signal } = controller;
  const asked = openai.chat.completions.create(say("Hello", { model, stream: true }), { signal });
  asked.catch(() => {}); // is looked at later
  return { controller, asked };
}

async function beginWithText() {
  const stream = await openai.chat.completions.create(
    say("Hello", { model: "paced", stream: true }),
  );
  for await (const chunk of unclosed(stream)) {
    if (chunk.choices[0].delta.content) {
      return stream;
    }
  }
  return assert.fail("no text came");
}

// Leaving a loop over the stream itself would end it.
function unclosed(stream) {
  const iterator = stream[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) };
}

async function assertPrompt(model, start, leave) {
  const took = await cancelTime(model, start, leave);
  assert.ok(took < CANCEL_MS, `${took} ms`);
}

test("AbortController while the model is silent", async () => {
  const leave = async ({ controller, asked }) => {
    controller.abort();
    await failure(asked, OpenAI.APIUserAbortError);
  };
  await assertPrompt(SILENT, () => begin("silent"), leave);
  await assertPrompt(EARLY, () => begin("early"), leave);
});

test("AbortController within the answer", async () => {
  await assertPrompt(PACED, beginWithText, (stream) => stream.controller.abort());
});

test("AbortController of a call that wants no stream", async () => {
  const start = async () => {
    const controller = new AbortController();
    const asked = openai.chat.completions.create(say("Hello", { model: "silent" }), {
      signal: controller.signal,
    });
    asked.catch(() => {});
    return { controller, asked };
  };
  await assertPrompt(SILENT, start, async ({ controller, asked }) => {
    controller.abort();
    await failure(asked, OpenAI.APIUserAbortError);
  });
});

test("leaving the loop over the stream", async () => {
  const start = async () =>
    openai.chat.completions.create(say("Hello", { model: "paced", stream: true }));
  await assertPrompt(PACED, start, async (stream) => {
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      break;
    }
  });
});

test("abort() of the stream helper", async () => {
  const start = async () => {
    const stream = openai.chat.completions.stream(say("Hello", { model: "paced" }));
    await new Promise((resolve) => stream.once("content", resolve));
    return stream;
  };
  await assertPrompt(PACED, start, async (stream) => {
    const ended = failure(stream.done(), OpenAI.APIUserAbortError);
    stream.abort();
    await ended;
  });
});

test("an impatient client", async () => {
  const before = await stats(SILENT);
  for (const stream of [false, true]) {
    const asked = openai.chat.completions.create(say("Hello", { model: "silent", stream }), {
      timeout: 200,
    });
    await failure(asked, OpenAI.APIConnectionTimeoutError);
  }
  await eventually(
    async () => (await stats(SILENT)).cancelled === before.cancelled + 2,
    "both are cancelled",
  );
});

test("nobody there", async () => {
  const nobody = client({ baseURL: "http://127.0.0.1:1/v1" });
  await failure(nobody.chat.completions.create(say("Hello")), OpenAI.APIConnectionError);
});

test("many that leave at once, and one that stays", async () => {
  const before = await stats(PACED);
  const staying = openai.chat.completions.create(say("Hello", { model: "paced", max_tokens: 25 }));
  const streams = await Promise.all(Array.from({ length: 50 }, beginWithText));
  streams.forEach((stream) => stream.controller.abort());
  assert.equal((await staying).usage.completion_tokens, 25);
  await eventually(
    async () => (await stats(PACED)).cancelled === before.cancelled + 50,
    "all fifty are cancelled",
  );
});
