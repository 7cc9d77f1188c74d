// Every class of error of the official client, what it is told about retrying, broken streams.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import {
  KEY_COUNTED,
  KEY_NARROW,
  KEY_SINGLE,
  canonical,
  client,
  countingClient,
  eventually,
  failure,
  readAll,
  say,
  stats,
  textOf,
} from "./world.mjs";

const openai = client();
const create = (model, more) => openai.chat.completions.create(say("Hello", { model, ...more }));

// ---- what the request or the key did wrong ----

test("BadRequestError: the gateway's own", async () => {
  const why = await failure(
    openai.chat.completions.create({ model: "fast" }),
    OpenAI.BadRequestError,
    {
      status: 400,
      type: "invalid_request_error",
      param: "messages",
    },
  );
  assert.match(why.message, /messages/);
  await failure(openai.chat.completions.create({ messages: [] }), OpenAI.BadRequestError, {
    param: "model",
  });
  await failure(openai.embeddings.create({ model: "embed" }), OpenAI.BadRequestError, {
    param: "input",
  });
});

test("BadRequestError: a provider's keeps its code and words", async () => {
  for (const stream of [false, true]) {
    const why = await failure(create("context", { stream }), OpenAI.BadRequestError, {
      status: 400,
      code: "context_length_exceeded",
      type: "invalid_request_error",
    });
    assert.match(why.message, /context/i);
    await failure(create("filter", { stream }), OpenAI.BadRequestError, { code: "content_filter" });
  }
});

test("AuthenticationError", async () => {
  for (const apiKey of ["sk-wrong", "sk-client-wid", "sk-client-wide2"]) {
    await failure(
      client({ apiKey }).chat.completions.create(say("Hello")),
      OpenAI.AuthenticationError,
      {
        status: 401,
        code: "invalid_api_key",
      },
    );
  }
  await failure(client({ apiKey: "sk-wrong" }).models.list(), OpenAI.AuthenticationError);
});

test("PermissionDeniedError", async () => {
  const narrow = client({ apiKey: KEY_NARROW });
  await narrow.chat.completions.create(say("Hello"));
  for (const stream of [false, true]) {
    const denied = narrow.chat.completions.create(say("Hello", { model: "echo", stream }));
    await failure(denied, OpenAI.PermissionDeniedError, { status: 403, param: "model" });
  }
});

test("NotFoundError", async () => {
  await failure(create("none-such"), OpenAI.NotFoundError, {
    status: 404,
    code: "model_not_found",
    param: "model",
  });
});

test("ConflictError and UnprocessableEntityError of a provider", async () => {
  await failure(create("status-409"), OpenAI.ConflictError, { status: 409 });
  await failure(create("status-422"), OpenAI.UnprocessableEntityError, { status: 422 });
});

// ---- too much, too often ----

test("RateLimitError: a key's requests per minute", async () => {
  const counted = client({ apiKey: KEY_COUNTED });
  const { response } = await counted.chat.completions.create(say("Hello")).withResponse();
  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "2");
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "1");
  await counted.chat.completions.create(say("Hello"));
  const why = await failure(counted.chat.completions.create(say("Hello")), OpenAI.RateLimitError, {
    status: 429,
    code: "rate_limit_exceeded",
  });
  const wait = Number(why.headers.get("retry-after-ms"));
  assert.ok(wait > 20_000 && wait <= 30_000, `${wait} ms until half a minute's share is there`);
  assert.equal(why.headers.get("retry-after"), String(Math.ceil(wait / 1000)));
});

test("RateLimitError: the client comes again when it was told to", async () => {
  const { openai: single, attempts } = countingClient({ apiKey: KEY_SINGLE, maxRetries: 2 });
  const holder = await client({ apiKey: KEY_SINGLE }).chat.completions.create(
    say("Hello", { model: "paced", stream: true }),
  );
  const second = single.chat.completions.create(say("Hello"));
  await eventually(() => attempts.length === 1, "a first attempt");
  holder.controller.abort();
  assert.equal((await second).choices[0].message.content, await canonical());
  assert.deepEqual(
    attempts.map((attempt) => attempt.status),
    [429, 200],
  );
  const wait = Number(attempts[0].headers.get("retry-after-ms"));
  assert.ok(wait > 0);
  assert.equal(attempts[0].headers.get("x-should-retry"), null);
  const waited = attempts[1].at - attempts[0].at;
  assert.ok(waited >= wait - 20 && waited < wait + 2000, `${waited} ms, told to wait ${wait}`);
});

test("RateLimitError: a provider's, that was waited out", async () => {
  const before = await stats("s02-429-forever:retry=7");
  const { openai: persistent, attempts } = countingClient({ maxRetries: 3 });
  const limited = persistent.chat.completions.create(say("Hello", { model: "limited" }));
  const why = await failure(limited, OpenAI.RateLimitError, { status: 429 });
  assert.equal(why.headers.get("x-should-retry"), "false");
  assert.equal(why.headers.get("retry-after"), "7");
  assert.equal(
    attempts.length,
    1,
    "the gateway's own retries are spent: the client must not multiply them",
  );
  assert.equal((await stats("s02-429-forever:retry=7")).requests, before.requests + 1);
});

test("a provider's 429 that the gateway waits out itself", async () => {
  const begun = performance.now();
  const { openai: patient, attempts } = countingClient({ maxRetries: 0 });
  const completion = await patient.chat.completions.create(say("Hello", { model: "limited-once" }));
  assert.equal(completion.choices[0].message.content, await canonical());
  assert.equal(attempts.length, 1);
  assert.ok(performance.now() - begun >= 990, "Retry-After: 1 is honoured");
});

// ---- the upstream is broken ----

test("InternalServerError, and not again", async () => {
  for (const model of ["down", "reset", "html", "late"]) {
    for (const stream of [false, true]) {
      const { openai: persistent, attempts } = countingClient({ maxRetries: 3 });
      const down = persistent.chat.completions.create(say("Hello", { model, stream }));
      const why = await failure(down, OpenAI.InternalServerError);
      assert.ok(why.status >= 500, `${why.status}`);
      assert.equal(why.headers.get("x-should-retry"), "false");
      assert.equal(attempts.length, 1, model);
      assert.ok(!why.message.includes("<"), "no page of HTML");
    }
  }
});

for (const model of ["cut", "cut-fin", "error-event", "malformed"]) {
  test(`APIError within a stream: ${model}`, async () => {
    const stream = await create(model, { stream: true });
    const chunks = [];
    const reading = (async () => {
      for await (const chunk of stream) {
        chunks.push(chunk);
      }
    })();
    const why = await failure(reading, OpenAI.APIError);
    assert.equal(why.status, undefined);
    assert.deepEqual(Object.keys(why.error).sort(), ["code", "message", "param", "type"]);
    assert.ok(why.message);
    const text = textOf(chunks);
    assert.ok(
      text.length > 0 && text !== (await canonical()) && (await canonical()).startsWith(text),
      text,
    );
    assert.ok(chunks.every((chunk) => chunk.choices.every((choice) => !choice.finish_reason)));
  });

  test(`APIError instead of an answer: ${model}`, async () => {
    await failure(create(model), OpenAI.InternalServerError);
  });
}

test("a reader that is behind when the stream breaks misses nothing", async () => {
  // Bytes that fetch has received and not handed over yet are gone when it sees a body cut off.
  const chunks = [];
  const read = async () => {
    for await (const chunk of await create("cut-behind", { stream: true })) {
      chunks.push(chunk);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const why = await failure(read(), OpenAI.APIError);
  assert.ok(why.error.message);
  assert.equal(textOf(chunks).trim().split(" ").length, 40, "all that came before the cut");
});

test("the stream helper says so too", async () => {
  const stream = openai.chat.completions.stream(say("Hello", { model: "cut-helper" }));
  await failure(stream.finalChatCompletion(), OpenAI.APIError);
});

test("an error leaves the connection usable", async () => {
  for (let i = 0; i < 20; i++) {
    await failure(create("none-such"), OpenAI.NotFoundError);
    const chunks = await readAll(await create("fast", { stream: true }));
    assert.equal(textOf(chunks), await canonical());
  }
});
