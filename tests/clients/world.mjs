// What the tests of all clients stand on: where the servers are, and what the simulated models saw.

import assert from "node:assert/strict";
import OpenAI from "openai";

export const { SLUICE_URL, SIM_URL, MOCK_URL, KEY_WIDE, KEY_NARROW, KEY_SINGLE, KEY_COUNTED } =
  process.env;

const SLOW = Number(process.env.SLUICE_E2E_SLOW ?? 1);
export const CANCEL_MS = 100 * SLOW;

export function client(options = {}) {
  return new OpenAI({
    baseURL: SLUICE_URL,
    apiKey: KEY_WIDE,
    maxRetries: 0,
    timeout: 20_000 * SLOW,
    ...options,
  });
}

// A client that also counts its attempts, to see what it was told about retrying.
export function countingClient(options = {}) {
  const attempts = [];
  const counted = async (url, init) => {
    const response = await fetch(url, init);
    attempts.push({ at: performance.now(), status: response.status, headers: response.headers });
    return response;
  };
  return { openai: client({ fetch: counted, ...options }), attempts };
}

export function say(content, more = {}) {
  return { model: "fast", messages: [{ role: "user", content }], ...more };
}

// ---- what the upstream saw ----

async function ask(path) {
  const response = await fetch(SIM_URL + path);
  assert.equal(response.status, 200, path);
  return response;
}

export async function canonical() {
  return (await ask("/sim/canonical")).text();
}

export async function stats(model) {
  const all = await (await ask("/sim/stats")).json();
  const none = { requests: 0, in_flight: 0, completed: 0, cancelled: 0 };
  return { last_cancel_us: all.last_cancel_us, ...none, ...all.per_model[model] };
}

export async function lastBody(model) {
  return (await ask(`/sim/last/body?model=${encodeURIComponent(model)}`)).text();
}

export async function lastHeaders(model) {
  const last = await (await ask(`/sim/last?model=${encodeURIComponent(model)}`)).json();
  return Object.fromEntries(last.headers.map(([name, value]) => [name.toLowerCase(), value]));
}

export async function eventually(condition, what) {
  const deadline = performance.now() + 10_000 * SLOW;
  for (;;) {
    const value = await condition();
    if (value) {
      return value;
    }
    assert.ok(performance.now() < deadline, `never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

// Milliseconds from `leave` until the simulated model saw its client go; both read the same clock.
// The best of three: what is measured is the way, not this machine's other work.
export async function cancelTime(model, begin, leave) {
  let best = Infinity;
  for (let i = 0; i < 3; i++) {
    const before = await stats(model);
    const begun = await begin();
    await eventually(async () => (await stats(model)).in_flight === 1, "the upstream is asked");
    const left = process.hrtime.bigint() / 1000n;
    await leave(begun);
    const after = await eventually(async () => {
      const now = await stats(model);
      return now.cancelled === before.cancelled + 1 && now;
    }, "the cancel arrives");
    best = Math.min(best, (after.last_cancel_us - Number(left)) / 1000);
  }
  return best;
}

// ---- what is common to many tests ----

export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather at a place.",
    parameters: {
      type: "object",
      properties: { location: { type: "string" } },
      required: ["location"],
      additionalProperties: false,
    },
  },
};

export async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return chunks;
}

export function textOf(chunks, index = 0) {
  return chunks
    .flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index))
    .map((choice) => choice.delta.content ?? "")
    .join("");
}

// The error that a call ends with, after a look at what every error must have.
export async function failure(promise, kind, expected = {}) {
  const error = await promise.then(
    () => assert.fail(`no ${kind.name}`),
    (why) => why,
  );
  assert.ok(
    error instanceof kind,
    `${error.constructor.name} instead of ${kind.name}: ${error.message}`,
  );
  if (error.status) {
    assert.match(error.headers.get("x-request-id"), /^[a-z2-7]{48}$/);
    assert.equal(error.requestID, error.headers.get("x-request-id"));
    assert.deepEqual(Object.keys(error.error).sort(), ["code", "message", "param", "type"]);
  }
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(error[name], value, `${name} of ${error.message}`);
  }
  return error;
}
