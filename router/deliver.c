#include "router/deliver.h"

#include "cache/span.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- writing: after the first error nothing more is written, and nothing stays ---- */

struct writer {
    struct reply_buffer *out;
    size_t start;
    enum err rc;
};

static struct writer writer_of(struct reply_buffer *out)
{
    return (struct writer) {out, out->length, ERR_NONE};
}

static enum err writer_end(struct writer *w)
{
    if (w->rc != ERR_NONE) {
        w->out->length = w->start;
    }
    return w->rc;
}

static void put(struct writer *w, struct slice bytes)
{
    if (w->rc == ERR_NONE) {
        w->rc = reply_buffer_add(w->out, bytes);
    }
}

static void put_text(struct writer *w, const char *text)
{
    put(w, slice_of(text));
}

/* Short texts only. */
static void PRINTF_LIKE(2, 3) put_format(struct writer *w, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put_text(w, text);
}

static void put_string(struct writer *w, struct slice text)
{
    size_t length = span_escaped_length(text);
    put_text(w, "\"");
    if (w->rc == ERR_NONE && length > w->out->cap_bytes - w->out->length) {
        w->rc = ERR_LIMIT;
    }
    if (w->rc == ERR_NONE && length > 0) {
        char *escaped = malloc(length);
        if (escaped) {
            span_escape(text, escaped, length);
            put(w, (struct slice) {escaped, length});
            free(escaped);
        } else {
            w->rc = ERR_NOMEM;
        }
    }
    put_text(w, "\"");
}

/* ---- parts of the dialect ---- */

/* Up to the array of choices. */
static void put_head(struct writer *w, const char *object, int64_t created_s)
{
    put_format(w, "{\"id\":\"\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":\"\"", object,
               created_s);
    put_text(w, ",\"choices\":[");
}

static const char *finish_reason(const struct delivery *d)
{
    return d->is_cut ? "\"length\"" : "\"stop\"";
}

static void put_event(struct writer *w, const struct delivery *d, const char *delta_open,
                      const struct slice *text, const char *finish)
{
    put_head(w, "chat.completion.chunk", d->created_s);
    put_text(w, "{\"index\":0,\"delta\":{");
    put_text(w, delta_open);
    if (text) {
        put_string(w, *text);
    }
    put_format(w, "},\"logprobs\":null,\"finish_reason\":%s}]}", finish);
}

static void put_usage(struct writer *w, const struct graph_usage *u)
{
    put_format(w, "{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64, u->prompt,
               u->completion);
    put_format(w, ",\"total_tokens\":%" PRIu64, u->prompt + u->completion);
    put_format(w, ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRIu64 "}", u->cached);
    put_format(w, ",\"sluice\":{\"calls\":%u,\"prompt_tokens\":%" PRIu64, u->calls, u->all_prompt);
    put_format(w, ",\"completion_tokens\":%" PRIu64 ",\"usd\":", u->all_completion);
    if (isfinite(u->usd)) {
        put_format(w, "%.9g}}", u->usd); /* 1.2e-05 is JSON too */
    } else {
        put_text(w, "null}}");
    }
}

/* ---- the interface ---- */

enum err deliver_role(const struct delivery *d, struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_event(&w, d, "\"role\":\"assistant\",\"content\":\"\"", NULL, "null");
    return writer_end(&w);
}

enum err deliver_content(const struct delivery *d, struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_event(&w, d, "\"content\":", &d->text, "null");
    return writer_end(&w);
}

enum err deliver_finish(const struct delivery *d, struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_event(&w, d, "", NULL, finish_reason(d));
    return writer_end(&w);
}

enum err deliver_reply(const struct delivery *d, struct slice usage_json, struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_head(&w, "chat.completion", d->created_s);
    put_text(&w, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    put_string(&w, d->text);
    put_format(&w, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":%s}]", finish_reason(d));
    if (usage_json.n > 0) {
        put_text(&w, ",\"usage\":");
        put(&w, usage_json);
    }
    put_text(&w, "}");
    return writer_end(&w);
}

enum err deliver_usage(const struct graph_usage *u, struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_usage(&w, u);
    return writer_end(&w);
}

enum err deliver_usage_event(const struct graph_usage *u, int64_t created_s,
                             struct reply_buffer *out)
{
    struct writer w = writer_of(out);
    put_head(&w, "chat.completion.chunk", created_s);
    put_text(&w, "],\"usage\":");
    put_usage(&w, u);
    put_text(&w, "}");
    return writer_end(&w);
}
