// Graphs of several models by the official client: what runs through them, what is one call, how an
// answer says which it was. graphs.py has the graphs; the simulated models' ids end in their names.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  CANCEL_MS,
  WEATHER,
  canonical,
  client,
  eventually,
  failure,
  lastBody,
  readAll,
  say,
  stats,
  textOf,
} from "./world.mjs";

const openai = client();
const answer = await canonical();
const words = (count) => answer.split(" ").slice(0, count).join(" ");
const small = (letter) => `fast:tokens=3,id=able-${letter}`;
const INNER = [small("a"), small("b"), small("c")];
const FUSER = "fast:id=able-f";
const weather = (model, places, more) =>
  say(`What is the weather in ${places}?`, { model, tools: [WEATHER], ...more });

const requests = async (models) =>
  Promise.all(models.map(async (model) => (await stats(model)).requests));

// What the call gave, with what the headers say: the degradation, the task, the graph.
async function create(model, more = {}) {
  const { data, response } = await openai.chat.completions
    .create(say("Hello", { model, ...more }))
    .withResponse();
  const header = (name) => response.headers.get(`x-sluice-${name}`);
  return { data, degraded: header("degraded"), task: header("task"), graph: header("graph") };
}

// One call of the model that is named, and none of the panel's inner nodes.
async function assertOneCall(why, model, ask) {
  const before = await requests([...INNER, model]);
  const made = await ask();
  assert.equal(made.degraded, why);
  const wanted = before.map((count, i) => count + (i === INNER.length ? 1 : 0));
  assert.deepEqual(await requests([...INNER, model]), wanted);
  return made;
}

async function assertWholeGraph(ask) {
  const before = await requests([...INNER, FUSER]);
  const made = await ask();
  assert.equal(made.degraded, null);
  const wanted = before.map((count) => count + 1);
  assert.deepEqual(await requests([...INNER, FUSER]), wanted);
  return made;
}

// ---- answers ----

for (const model of ["graph/panel", "auto/panel"]) {
  test(`a whole answer of ${model}`, async () => {
    const { data, task, graph } = await assertWholeGraph(() => create(model));
    assert.equal(data.object, "chat.completion");
    assert.equal(data.model, model);
    assert.match(data.id, /^chatcmpl-[a-z2-7]{48}$/);
    assert.equal(data.choices.length, 1);
    assert.equal(data.choices[0].message.role, "assistant");
    assert.equal(data.choices[0].message.content, answer);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(task, model === "auto/panel" ? "panel" : "default");
    assert.match(graph, /^[0-9a-f]{16}$/);
  });

  test(`a stream of ${model}`, async () => {
    const stream_options = { include_usage: true };
    const { data } = await assertWholeGraph(() => create(model, { stream: true, stream_options }));
    const chunks = await readAll(data);
    const last = chunks.pop();
    assert.equal(textOf(chunks), answer);
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.deepEqual(new Set(chunks.map((chunk) => chunk.model)), new Set([model]));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
    assert.ok(chunks.length > 60, "token by token");
    assert.deepEqual(last.choices, []);
    assert.equal(last.id, chunks[0].id);
    assert.equal(last.usage.completion_tokens, 60);
    assert.equal(last.usage.sluice.calls, 4);
  });
}

test("a header names the task of a graph that is asked for by name", async () => {
  const headers = { "x-sluice-task": "many" };
  const { response } = await openai.chat.completions
    .create(say("Hello", { model: "graph/plain" }), { headers })
    .withResponse();
  assert.equal(response.headers.get("x-sluice-task"), "panel");
});

test("one graph has one id, whoever asks for it", async () => {
  const ids = await Promise.all(
    ["graph/panel", "auto/panel", "auto/tooled", "graph/plain"].map(
      async (model) => (await create(model)).graph,
    ),
  );
  assert.equal(ids[0], ids[1]);
  assert.equal(ids[0], ids[2]);
  assert.notEqual(ids[0], ids[3]);
});

test("usage is the client's, and its member `sluice` the graph's", async () => {
  const { usage } = (await create("graph/panel")).data;
  const direct = (await create("able-f")).data.usage;
  assert.equal(usage.prompt_tokens, direct.prompt_tokens);
  assert.equal(usage.completion_tokens, 60);
  assert.equal(usage.total_tokens, usage.prompt_tokens + 60);
  assert.equal(usage.sluice.calls, 4);
  assert.equal(usage.sluice.completion_tokens, 60 + 3 * 3);
  assert.ok(usage.sluice.prompt_tokens > 4 * usage.prompt_tokens);
  assert.equal(typeof usage.sluice.usd, "number");
  assert.equal(direct.sluice, undefined, "a single-node answer has none");
});

test("usage comes into a stream only when it is asked for", async () => {
  for (const model of ["graph/panel", "graph/vote"]) {
    const chunks = await readAll((await create(model, { stream: true })).data);
    assert.ok(chunks.every((chunk) => !chunk.usage && chunk.choices.length === 1));
  }
});

test("the stream helper", async () => {
  for (const [model, text] of [
    ["graph/panel", answer],
    ["graph/vote", words(3)],
  ]) {
    const stream = openai.chat.completions.stream(
      say("Hello", { model, stream_options: { include_usage: true } }),
    );
    let heard = "";
    stream.on("content", (delta) => (heard += delta));
    const completion = await stream.finalChatCompletion();
    assert.equal(completion.choices[0].message.content, text);
    assert.equal(completion.choices[0].finish_reason, "stop");
    assert.equal(heard, text);
    assert.equal((await stream.totalUsage()).completion_tokens, text.split(" ").length);
  }
});

test("a vote", async () => {
  const whole = await create("graph/vote");
  assert.equal(whole.degraded, null);
  assert.equal(whole.data.choices[0].message.content, words(3));
  assert.ok(whole.data.usage.sluice.calls >= 2, "the third may no longer count");
  const chunks = await readAll((await create("graph/vote", { stream: true })).data);
  assert.deepEqual(
    chunks.map(({ choices: [choice] }) => [choice.delta, choice.finish_reason]),
    [
      [{ role: "assistant", content: "" }, null],
      [{ content: words(3) }, null],
      [{}, "stop"],
    ],
  );
});

test("a selection is delivered as it was written", async () => {
  const item = "Which is it? [[sim:facts:1000000]]";
  for (const stream of [false, true]) {
    const made = await create("graph/select", {
      stream,
      messages: [{ role: "user", content: item }],
    });
    assert.equal(made.degraded, null);
    const text = stream
      ? textOf(await readAll(made.data))
      : made.data.choices[0].message.content;
    assert.equal(text, words(3));
    if (!stream) {
      assert.equal(made.data.usage.sluice.calls, 3);
    }
  }
});

// ---- several choices, log probabilities ----

test("several choices and log probabilities of the output node", async () => {
  const more = { n: 2, logprobs: true };
  const { data } = await assertWholeGraph(() => create("graph/panel", more));
  assert.deepEqual(
    data.choices.map((choice) => choice.index),
    [0, 1],
  );
  for (const choice of data.choices) {
    assert.equal(choice.message.content, answer);
    assert.equal(choice.finish_reason, "stop");
    assert.equal(choice.logprobs.content.map((token) => token.token).join(""), answer);
  }
  assert.equal(data.usage.completion_tokens, 120);
  const streamed = await assertWholeGraph(() => create("graph/panel", { ...more, stream: true }));
  const chunks = await readAll(streamed.data);
  for (const index of [0, 1]) {
    assert.equal(textOf(chunks, index), answer);
  }
});

test("a vote has one choice and no log probabilities: one call", async () => {
  // Of equal models any may answer for the vote.
  const voters = ["a", "b", "c"].map((letter) => `fast:tokens=3,id=voter-${letter}`);
  const sum = (counts) => counts.reduce((a, b) => a + b);
  const before = sum(await requests(voters));
  const several = await create("graph/vote", { n: 2 });
  assert.equal(several.degraded, "choices");
  assert.equal(several.data.choices.length, 2);
  assert.equal(several.data.usage.sluice, undefined);
  const probable = await create("graph/vote", { logprobs: true });
  assert.equal(probable.degraded, "logprobs");
  assert.ok(probable.data.choices[0].logprobs.content.length > 0);
  assert.equal(sum(await requests(voters)), before + 2);
});

// ---- structured output ----

const Sum = z.object({ answer: z.number().int(), steps: z.array(z.string()).min(1) });
const structured = (model) =>
  say("What is 17 * 23?", { model, response_format: zodResponseFormat(Sum, "sum") });

test("structured output of a graph whose models can", async () => {
  const parse = async () => {
    const { data, response } = await openai.chat.completions
      .parse(structured("graph/panel"))
      .withResponse();
    return { data, degraded: response.headers.get("x-sluice-degraded") };
  };
  const { data } = await assertWholeGraph(parse);
  assert.ok(Sum.safeParse(data.choices[0].message.parsed).success);
  assert.equal(data.usage.sluice.calls, 4);
  const stream = openai.chat.completions.stream(structured("graph/panel"));
  const completion = await stream.finalChatCompletion();
  assert.ok(Sum.safeParse(completion.choices[0].message.parsed).success);
  // An answer that may have to stand in for the output's must have its form.
  for (const model of [...INNER, FUSER]) {
    assert.equal(JSON.parse(await lastBody(model)).response_format.json_schema.name, "sum");
  }
});

test("structured output by a vote", async () => {
  const completion = await openai.chat.completions.parse(structured("graph/vote"));
  assert.ok(Sum.safeParse(completion.choices[0].message.parsed).success);
});

test("structured output of a graph whose models cannot: one call of one that can", async () => {
  const ask = async () => {
    const { data, response } = await openai.chat.completions
      .parse(structured("auto/plain"))
      .withResponse();
    return { data, degraded: response.headers.get("x-sluice-degraded") };
  };
  const { data } = await assertOneCall("capability", FUSER, ask);
  assert.ok(Sum.safeParse(data.choices[0].message.parsed).success);
  assert.equal(data.model, "auto/plain");
  const stream = openai.chat.completions.stream(structured("auto/plain"));
  const completion = await stream.finalChatCompletion();
  assert.ok(Sum.safeParse(completion.choices[0].message.parsed).success);
});

// ---- tools ----

test("tools are one call of the output's model", async () => {
  for (const model of ["graph/panel", "auto/panel"]) {
    const { data } = await assertOneCall("tools", FUSER, () =>
      create(model, weather(model, "Oslo and Quito")),
    );
    assert.equal(data.choices[0].finish_reason, "tool_calls");
    assert.equal(data.choices[0].message.tool_calls.length, 2);
  }
});

test("with `tools: graph` the output node calls them", async () => {
  const { data } = await assertWholeGraph(() =>
    create("auto/tooled", weather("auto/tooled", "Oslo and Quito")),
  );
  const { message, finish_reason } = data.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(
    message.tool_calls.map((call) => JSON.parse(call.function.arguments)),
    [{ location: "Oslo" }, { location: "Quito" }],
  );
  assert.equal(data.usage.sluice.calls, 4);
  assert.deepEqual(JSON.parse(await lastBody(FUSER)).tools, [WEATHER]);
  for (const model of INNER) {
    assert.equal(JSON.parse(await lastBody(model)).tools, undefined);
  }
});

test("streamed tool calls of a graph arrive whole", async () => {
  const stream = openai.chat.completions.stream(weather("auto/tooled", "Oslo and Quito"));
  const done = [];
  stream.on("tool_calls.function.arguments.done", (call) => done.push(call.arguments));
  const { choices } = await stream.finalChatCompletion();
  const calls = choices[0].message.tool_calls;
  assert.equal(choices[0].finish_reason, "tool_calls");
  assert.notEqual(calls[0].id, calls[1].id);
  assert.deepEqual(
    calls.map((call) => JSON.parse(call.function.arguments)),
    [{ location: "Oslo" }, { location: "Quito" }],
  );
  assert.deepEqual(
    done,
    calls.map((call) => call.function.arguments),
  );
});

for (const stream of [false, true]) {
  test(`a whole round of tools by the client's runner, stream ${stream}`, async () => {
    for (const model of ["auto/panel", "auto/tooled"]) {
      const asked = [];
      const tool = zodFunction({
        name: "get_weather",
        parameters: z.object({ location: z.string() }),
        function: ({ location }) => {
          asked.push(location);
          return `It rains in ${location}.`;
        },
      });
      const runner = openai.chat.completions.runTools(
        weather(model, "Oslo", { tools: [tool], stream }),
      );
      assert.match(await runner.finalContent(), /It rains in Oslo\./);
      assert.deepEqual(asked, ["Oslo"]);
    }
  });
}

// ---- what a graph cannot take ----

test("a tool's result is one call", async () => {
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "get_weather", arguments: '{"location":"Oslo"}' },
  };
  const messages = [
    { role: "user", content: "What is the weather in Oslo?" },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "call_1", content: "It rains." },
  ];
  for (const [model, why] of [
    ["auto/panel", "tools"],
    ["auto/tooled", "last_message"],
  ]) {
    const { data } = await assertOneCall(why, FUSER, () =>
      create(model, { messages, tools: [WEATHER] }),
    );
    assert.match(data.choices[0].message.content, /It rains\./);
  }
});

test("an assistant's prefill is one call", async () => {
  const messages = [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Well," },
  ];
  await assertOneCall("last_message", FUSER, () => create("graph/panel", { messages }));
  const { data } = await assertOneCall("last_message", FUSER, () =>
    create("graph/panel", { messages, stream: true }),
  );
  assert.equal(textOf(await readAll(data)), answer);
});

const image = "data:image/png;base64," + Buffer.alloc(9000, "0123456789abcdef").toString("base64");
const picture = [
  {
    role: "user",
    content: [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: image } },
    ],
  },
];

test("an image goes to every model of a graph that sees", async () => {
  const { data } = await assertWholeGraph(() => create("graph/panel", { messages: picture }));
  assert.ok(data.choices[0].message.content.startsWith("I see 1 image; "));
  for (const model of [...INNER, FUSER]) {
    const [, sent] = JSON.parse(await lastBody(model)).messages.at(-1).content;
    assert.equal(sent.image_url.url, image);
  }
});

test("an image that a node's model cannot see is one call of one that can", async () => {
  for (const stream of [false, true]) {
    const { data } = await assertOneCall("capability", FUSER, () =>
      create("auto/plain", { messages: picture, stream }),
    );
    const text = stream ? textOf(await readAll(data)) : data.choices[0].message.content;
    assert.ok(text.includes(` ${image.length} bytes`), text);
  }
});

test("a prompt too long for a node is one call", async () => {
  const messages = [{ role: "user", content: "word ".repeat(8000) }];
  const before = await requests(["fast:tokens=3,id=plain-a", "fast:id=plain-f"]);
  const { data, degraded } = await create("graph/plain", { messages });
  assert.equal(degraded, "context");
  assert.equal(data.choices[0].message.content, answer);
  assert.deepEqual(await requests(["fast:tokens=3,id=plain-a", "fast:id=plain-f"]), [
    before[0],
    before[1] + 1,
  ]);
});

test("a completion is one call", async () => {
  const ask = async (stream) => {
    const { data, response } = await openai.completions
      .create({ model: "graph/panel", prompt: "Once", stream })
      .withResponse();
    return { data, degraded: response.headers.get("x-sluice-degraded") };
  };
  const whole = (await assertOneCall("completions", FUSER, () => ask(false))).data;
  assert.equal(whole.choices[0].text.trim(), answer);
  assert.match(whole.id, /^cmpl-[a-z2-7]{48}$/);
  assert.equal(whole.model, "graph/panel");
  const chunks = await readAll((await assertOneCall("completions", FUSER, () => ask(true))).data);
  assert.equal(
    chunks
      .flatMap((chunk) => chunk.choices)
      .map((choice) => choice.text)
      .join("")
      .trim(),
    answer,
  );
});

test("graphs and tasks are listed", async () => {
  const ids = [];
  for await (const model of openai.models.list()) {
    ids.push(model.id);
  }
  for (const id of ["auto", "auto/default", "auto/panel", "graph/panel", "graph/vote"]) {
    assert.ok(ids.includes(id), id);
    assert.equal((await openai.models.retrieve(id)).id, id);
  }
});

// ---- leaving ----

// Milliseconds until the last of these models has seen its client go, once all are asked.
async function cancelTimeOf(models, begin, leave) {
  const counts = () => Promise.all(models.map(stats));
  let best = Infinity;
  for (let i = 0; i < 3; i++) {
    const before = await counts();
    const begun = await begin();
    const isAsked = async () => (await counts()).every((now) => now.in_flight === 1);
    await eventually(isAsked, "every model is asked");
    const left = process.hrtime.bigint() / 1000n;
    await leave(begun);
    const after = await eventually(async () => {
      const now = await counts();
      return now.every((one, j) => one.cancelled === before[j].cancelled + 1) && now;
    }, "every cancel arrives");
    const last = Math.max(...after.map((one) => one.last_cancel_us));
    best = Math.min(best, (last - Number(left)) / 1000);
  }
  return best;
}

for (const stream of [false, true]) {
  test(`leaving while the inner models think cancels them all, stream ${stream}`, async () => {
    const begin = async () => {
      const controller = new AbortController();
      const asked = openai.chat.completions.create(
        say("Hello", { model: "graph/waiting", stream }),
        { signal: controller.signal },
      );
      asked.catch(() => {}); // is looked at later
      return { controller, asked };
    };
    const models = ["fast:first=30000,id=waiting-a", "fast:first=30000,id=waiting-b"];
    const took = await cancelTimeOf(models, begin, async ({ controller, asked }) => {
      controller.abort();
      await failure(asked, OpenAI.APIUserAbortError);
    });
    assert.ok(took < CANCEL_MS, `${took} ms`);
  });
}

test("abort() of the stream helper while the output speaks", async () => {
  const begin = async () => {
    const stream = openai.chat.completions.stream(say("Hello", { model: "graph/speaking" }));
    await new Promise((resolve) => stream.once("content", resolve));
    return stream;
  };
  const model = "fast:first=10,token=30,id=speaking-f";
  const took = await cancelTimeOf([model], begin, async (stream) => {
    const ended = failure(stream.done(), OpenAI.APIUserAbortError);
    stream.abort();
    await ended;
  });
  assert.ok(took < CANCEL_MS, `${took} ms`);
});

// ---- failures ----

test("an output that breaks after content is an error", async () => {
  const { data } = await create("graph/cut", { stream: true });
  const chunks = [];
  const reading = (async () => {
    for await (const chunk of data) {
      chunks.push(chunk);
    }
  })();
  const why = await failure(reading, OpenAI.APIError);
  assert.deepEqual(Object.keys(why.error).sort(), ["code", "message", "param", "type"]);
  assert.equal(textOf(chunks).trim(), words(40));
  assert.ok(chunks.every((chunk) => chunk.choices.every((choice) => !choice.finish_reason)));
  const stream = openai.chat.completions.stream(say("Hello", { model: "graph/cut" }));
  await failure(stream.finalChatCompletion(), OpenAI.APIError);
});

test("an output that breaks for a client that wants the whole is replaced", async () => {
  const { data, degraded } = await create("graph/cut");
  assert.equal(degraded, "rescue");
  assert.equal(data.choices[0].message.content, words(3));
  assert.equal(data.choices[0].finish_reason, "stop");
});

test("an output that is down is replaced", async () => {
  for (const stream of [false, true]) {
    const { data, degraded } = await create("graph/down", { stream });
    assert.equal(degraded, "rescue");
    const text = stream ? textOf(await readAll(data)) : data.choices[0].message.content;
    assert.equal(text, words(3));
  }
});
