// An independent mock of the OpenAI dialect as a server of its own, with Sluice in front of it.
// CommonJS: loaded as a module, the package wants a newer Node than 18 for a part that is not used.
"use strict";

const { LLMock } = require("@copilotkit/aimock");

// Whoever comes without Sluice's own key for this upstream gets 401.
const mock = new LLMock({
  port: 0,
  host: "127.0.0.1",
  auth: { apiKeys: ["sk-upstream"] },
  logLevel: "silent",
});

mock.onMessage("hello", { content: "Hello from a mock that knows nothing of Sluice." });
mock.onMessage("usage", {
  content: "Counted.",
  usage: { prompt_tokens: 11, completion_tokens: 7 },
});
// The first match wins, and the question is still there when the result of the call is.
mock.onToolResult("call_2", { content: "Rain in Oslo, sun in Quito." });
mock.onMessage("weather", {
  toolCalls: [
    { id: "call_1", name: "get_weather", arguments: '{"location": "Oslo"}' },
    { id: "call_2", name: "get_weather", arguments: '{"location": "Quito"}' },
  ],
});
mock.onMessage("too long", {
  status: 400,
  error: {
    message: "This is longer than the mock's context.",
    type: "invalid_request_error",
    code: "context_length_exceeded",
  },
});
mock.onMessage("too often", {
  status: 429,
  retryAfter: 3,
  error: { message: "Slow down.", type: "rate_limit_error", code: "rate_limit_exceeded" },
});
// Paced, so that what came before the cut is on its way by then.
mock.onMessage(
  "cut short",
  { content: "A long answer of which only the beginning comes. ".repeat(10) },
  { truncateAfterChunks: 4, latency: 20 },
);
mock.onEmbedding("embed me", { embedding: [0.5, -0.25, 0.125] });

mock.start().then(() => {
  console.log(`listening on ${mock.url}`);
});
