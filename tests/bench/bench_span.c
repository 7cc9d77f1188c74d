/* What reading a request's body costs: nanoseconds of one pass of the span scanner over chat
 * bodies of 1 KB and 8 KB and over one event of a stream. Prints one line each. */
#include "cache/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 60, PASS_BYTES = 4 << 20, BODY_ROOM = 16384 };

static const char *const request_names[] = {
    "model",       "messages",
    "stream",      "stream_options",
    "max_tokens",  "max_completion_tokens",
    "temperature", "top_p",
    "n",           "stop",
    "logprobs",    "tools",
    "tool_choice", "seed",
    "user",        "response_format",
    "metadata",    "prompt_cache_key",
};

static const char *const event_names[] = {"id", "object", "model", "choices", "usage", "error"};

static const char *const words[] = {
    "The ",   "station's",   " caf\xc3\xa9 ", "said: ",     "\\\"two ",
    "trains", "\\n\\nleave", " at 14:05 ",    "and 15:10.", " Which "};

/* A chat request of about `bytes`: turns of some 300 bytes, with the escapes and accents of
 * prose. */
static size_t make_body(char *out, size_t bytes)
{
    size_t length = (size_t) snprintf(
        out, BODY_ROOM,
        "{\"model\":\"gpt-4o-mini\",\"stream\":true,\"temperature\":0.7,"
        "\"max_tokens\":512,\"seed\":9007199254740993,\"messages\":[");
    for (unsigned turn = 0; length + 300 < bytes; turn++) {
        length += (size_t) snprintf(out + length, BODY_ROOM - length,
                                    "%s{\"role\":\"%s\",\"content\":\"", turn > 0 ? "," : "",
                                    turn % 2 == 0 ? "user" : "assistant");
        for (unsigned i = 0; i < 30; i++) {
            length += (size_t) snprintf(out + length, BODY_ROOM - length, "%s",
                                        words[(i * 7 + turn * 3) % ARRAY_LEN(words)]);
        }
        length += (size_t) snprintf(out + length, BODY_ROOM - length, "\"}");
    }
    return length + (size_t) snprintf(out + length, BODY_ROOM - length, "],\"user\":\"u-1\"}");
}

static double time_ns(const struct env *env, struct slice text, const char *const names[],
                      size_t count, struct span_value out[])
{
    unsigned rounds = (unsigned) (PASS_BYTES / text.n);
    uint64_t best_us = UINT64_MAX;
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t start_us = env_mono_us(env);
        for (unsigned i = 0; i < rounds; i++) {
            struct span_error error;
            if (span_object(text, names, count, out, &error) != ERR_NONE) {
                abort();
            }
        }
        uint64_t took_us = env_mono_us(env) - start_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    return (double) best_us * 1000.0 / rounds;
}

static void report(const struct env *env, const char *what, struct slice text,
                   const char *const names[], size_t count)
{
    struct span_value out[ARRAY_LEN(request_names)];
    double ns = time_ns(env, text, names, count, out);
    printf("%-16s %6zu bytes %8.0f ns %6.2f GB/s\n", what, text.n, ns, (double) text.n / ns);
}

int main(void)
{
    static char body[BODY_ROOM];
    struct env env = env_system();
    struct slice event = SLICE_LIT(
        "{\"id\":\"chatcmpl-9f8e7d6c5b4a39281706\",\"object\":\"chat.completion.chunk\","
        "\"created\":1753862400,\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":"
        "\"fp_0123456789\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" trains\"},"
        "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}");
    report(&env, "chat request", (struct slice) {body, make_body(body, 1024)}, request_names,
           ARRAY_LEN(request_names));
    report(&env, "chat request", (struct slice) {body, make_body(body, 8192)}, request_names,
           ARRAY_LEN(request_names));
    report(&env, "stream event", event, event_names, ARRAY_LEN(event_names));
    return 0;
}
