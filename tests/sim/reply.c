#include "tests/sim/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOKEN_MAX_BYTES 1024U
#define ARGS_FRAGMENT 8U
#define FINGERPRINT "\"system_fingerprint\":\"fp_simulated\""

void reply_init(struct reply *r, bool is_chat, const char *model, size_t n, uint64_t number)
{
    memset(r, 0, sizeof(*r));
    r->is_chat = is_chat;
    r->n = n;
    r->choices = mem_zalloc(n * sizeof(*r->choices));
    r->model = mem_copy(model, strlen(model));
    r->created = (int64_t) time(NULL);
    (void) snprintf(r->id, sizeof(r->id), "%s-sim%08" PRIx64, is_chat ? "chatcmpl" : "cmpl",
                    number);
    buf_addf(&r->prefix,
             "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":", r->id,
             is_chat ? "chat.completion.chunk" : "text_completion", r->created);
    buf_add_json(&r->prefix, model, strlen(model));
}

static void choice_fini(struct choice *c)
{
    for (unsigned i = 0; i < c->n_calls; i++) {
        free(c->calls[i].name);
        buf_fini(&c->calls[i].args);
    }
    buf_fini(&c->text);
    free(c->tokens);
}

void reply_fini(struct reply *r)
{
    for (size_t i = 0; i < r->n; i++) {
        choice_fini(&r->choices[i]);
    }
    free(r->choices);
    free(r->model);
    buf_fini(&r->prefix);
    memset(r, 0, sizeof(*r));
}

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r';
}

static void add_token(struct choice *c, enum token_kind kind, size_t off, size_t len)
{
    struct token *t;

    if ((c->n_tokens & (c->n_tokens - 1)) == 0) {
        c->tokens = mem_grow(c->tokens,
                             (c->n_tokens > 0 ? 2 * c->n_tokens : 1) * sizeof(*c->tokens));
    }
    t = &c->tokens[c->n_tokens++];
    t->kind = (uint8_t) kind;
    t->call = (uint8_t) (c->n_calls > 0 ? c->n_calls - 1 : 0);
    t->off = (uint32_t) off;
    t->len = (uint32_t) len;
}

/* Where the token that begins at i ends: spaces, then a word; a very long word is cut between
 * characters. */
static size_t token_end(const char *s, size_t n, size_t i)
{
    size_t from = i;

    while (i < n && is_space(s[i])) {
        i++;
    }
    while (i < n && !is_space(s[i])) {
        i++;
    }
    if (i - from <= TOKEN_MAX_BYTES) {
        return i;
    }
    i = from + TOKEN_MAX_BYTES;
    while (i > from + 1 && ((unsigned char) s[i] & 0xc0) == 0x80) {
        i--;
    }
    return i;
}

void choice_tokenize(struct choice *c)
{
    c->n_tokens = 0;
    for (size_t i = 0; i < c->text.len;) {
        size_t end = token_end(c->text.data, c->text.len, i);

        add_token(c, TOKEN_TEXT, i, end - i);
        i = end;
    }
}

void choice_add_call(struct choice *c, const char *id, const char *name, const char *args)
{
    struct call *call;
    size_t n = strlen(args);

    if (c->n_calls == REPLY_MAX_CALLS) {
        return;
    }
    call = &c->calls[c->n_calls++];
    (void) snprintf(call->id, sizeof(call->id), "%s", id);
    call->name = mem_copy(name, strlen(name));
    buf_adds(&call->args, args);
    add_token(c, TOKEN_CALL, 0, 0);
    for (size_t i = 0; i < n; i += ARGS_FRAGMENT) {
        add_token(c, TOKEN_ARGS, i, n - i < ARGS_FRAGMENT ? n - i : ARGS_FRAGMENT);
    }
}

void choice_cut(struct choice *c, size_t max)
{
    if (c->n_tokens > max) {
        c->n_tokens = max;
        c->is_cut = true;
    }
}

void reply_count(struct reply *r)
{
    r->longest = 0;
    r->completion_tokens = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t n = r->choices[i].n_tokens;

        r->completion_tokens += (int64_t) n;
        r->longest = n > r->longest ? n : r->longest;
    }
}

static const char *finish_reason(const struct choice *c)
{
    if (c->is_cut) {
        return "length";
    }
    return c->n_calls > 0 ? "tool_calls" : "stop";
}

static const char *token_text(const struct choice *c, const struct token *t)
{
    return t->kind == TOKEN_ARGS ? c->calls[t->call].args.data + t->off : c->text.data + t->off;
}

static void event_begin(struct reply *r, struct buf *out)
{
    if (r->dialect_crlf) {
        buf_adds(out, ": simulated keep-alive\r\nevent: message\r\nid: 7\r\ndata:");
    } else {
        buf_add(out, "data: ", 6);
    }
}

static void event_end(struct reply *r, struct buf *out)
{
    buf_adds(out, r->dialect_crlf ? "\r\n\r\n" : "\n\n");
}

void reply_event(struct reply *r, const char *data, size_t n, struct buf *out)
{
    event_begin(r, out);
    buf_add(out, data, n);
    event_end(r, out);
}

void reply_done(struct reply *r, struct buf *out)
{
    reply_event(r, "[DONE]", 6, out);
}

static void chunk_begin(struct reply *r, struct buf *out)
{
    event_begin(r, out);
    buf_add(out, r->prefix.data, r->prefix.len);
}

/* Closes choices and the event. */
static void chunk_end(struct reply *r, struct buf *out)
{
    buf_adds(out, r->include_usage ? "}],\"usage\":null}" : "}]}");
    event_end(r, out);
}

static void add_usage(const struct reply *r, struct buf *out)
{
    buf_addf(out,
             "\"usage\":{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
             ",\"total_tokens\":%" PRId64 "}",
             r->prompt_tokens, r->completion_tokens, r->prompt_tokens + r->completion_tokens);
}

static void add_bytes_list(struct buf *out, const char *p, size_t n)
{
    buf_add(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, i > 0 ? ",%u" : "%u", (unsigned) (unsigned char) p[i]);
    }
    buf_add(out, "]", 1);
}

/* Log-probabilities of tokens [from, to); made up, but of the right shape. */
static void add_logprobs(const struct reply *r, const struct choice *c, size_t from, size_t to,
                         struct buf *out)
{
    const char *separator = "";

    if (!r->is_chat) {
        buf_adds(out, "\"logprobs\":{\"tokens\":[");
    } else {
        buf_adds(out, "\"logprobs\":{\"content\":[");
    }
    for (size_t i = from; i < to; i++) {
        const struct token *t = &c->tokens[i];

        if (t->kind != TOKEN_TEXT) {
            continue;
        }
        buf_adds(out, separator);
        separator = ",";
        if (r->is_chat) {
            buf_adds(out, "{\"token\":");
        }
        buf_add_json(out, c->text.data + t->off, t->len);
        if (r->is_chat) {
            buf_adds(out, ",\"logprob\":-0.125,\"bytes\":");
            add_bytes_list(out, c->text.data + t->off, t->len);
            buf_adds(out, ",\"top_logprobs\":[]}");
        }
    }
    if (r->is_chat) {
        buf_adds(out, "],\"refusal\":null}");
        return;
    }
    buf_adds(out, "],\"token_logprobs\":[");
    for (size_t i = from; i < to; i++) {
        buf_adds(out, i > from ? ",-0.125" : "-0.125");
    }
    buf_adds(out, "],\"top_logprobs\":null,\"text_offset\":[");
    for (size_t i = from; i < to; i++) {
        buf_addf(out, i > from ? ",%" PRIu32 : "%" PRIu32, c->tokens[i].off);
    }
    buf_adds(out, "]}");
}

void reply_role(struct reply *r, struct buf *out)
{
    if (!r->is_chat) {
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        chunk_begin(r, out);
        buf_addf(out,
                 "," FINGERPRINT
                 ",\"choices\":[{\"index\":%zu,\"delta\":{\"role\":\"assistant\",\"content\":%s",
                 i, r->choices[i].n_calls > 0 ? "null" : "\"\"");
        buf_adds(out, ",\"refusal\":null},\"finish_reason\":null");
        chunk_end(r, out);
    }
}

static void add_call_index(const struct reply *r, unsigned call, struct buf *out)
{
    if (!r->no_index) {
        buf_addf(out, "\"index\":%u,", r->zero_index ? 0U : call);
    }
}

static void add_delta(struct reply *r, const struct choice *c, const struct token *t,
                      struct buf *out)
{
    const struct call *call = &c->calls[t->call];

    if (t->kind == TOKEN_TEXT) {
        buf_adds(out, "{\"content\":");
        buf_add_json(out, token_text(c, t), t->len);
        buf_adds(out, "}");
        return;
    }
    buf_adds(out, "{\"tool_calls\":[{");
    add_call_index(r, t->call, out);
    if (t->kind == TOKEN_CALL) {
        buf_addf(out, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", call->id);
        buf_add_json(out, call->name, strlen(call->name));
        buf_adds(out, ",\"arguments\":\"\"}}]}");
        return;
    }
    buf_adds(out, "\"function\":{\"arguments\":");
    buf_add_json(out, token_text(c, t), t->len);
    buf_adds(out, "}}]}");
}

void reply_token(struct reply *r, size_t i, struct buf *out)
{
    for (size_t k = 0; k < r->n; k++) {
        const struct choice *c = &r->choices[k];

        if (i >= c->n_tokens) {
            continue;
        }
        chunk_begin(r, out);
        if (r->is_chat) {
            buf_addf(out, ",\"choices\":[{\"index\":%zu,\"delta\":", k);
            add_delta(r, c, &c->tokens[i], out);
            buf_add(out, ",", 1);
        } else {
            buf_adds(out, ",\"choices\":[{\"text\":");
            buf_add_json(out, token_text(c, &c->tokens[i]), c->tokens[i].len);
            buf_addf(out, ",\"index\":%zu,", k);
        }
        if (r->logprobs) {
            add_logprobs(r, c, i, i + 1, out);
            buf_add(out, ",", 1);
        }
        buf_adds(out, "\"finish_reason\":null");
        chunk_end(r, out);
    }
}

void reply_finish(struct reply *r, struct buf *out)
{
    for (size_t k = 0; k < r->n; k++) {
        chunk_begin(r, out);
        if (r->is_chat) {
            buf_addf(out, ",\"choices\":[{\"index\":%zu,\"delta\":{},", k);
        } else {
            buf_addf(out, ",\"choices\":[{\"text\":\"\",\"index\":%zu,\"logprobs\":null,", k);
        }
        buf_addf(out, "\"finish_reason\":\"%s\"", finish_reason(&r->choices[k]));
        chunk_end(r, out);
    }
}

void reply_usage(struct reply *r, struct buf *out)
{
    chunk_begin(r, out);
    buf_adds(out, "," FINGERPRINT ",\"choices\":[");
    if (r->usage_choices) {
        buf_adds(out, "{\"index\":0,\"delta\":{},\"finish_reason\":null}");
    }
    buf_adds(out, "],");
    add_usage(r, out);
    buf_adds(out, "}");
    event_end(r, out);
}

/* The text of all tokens of a kind (and, for arguments, of a call), escaped. */
static void add_joined(const struct choice *c, enum token_kind kind, unsigned call, struct buf *out)
{
    buf_add(out, "\"", 1);
    for (size_t i = 0; i < c->n_tokens; i++) {
        const struct token *t = &c->tokens[i];

        if (t->kind == kind && (kind == TOKEN_TEXT || t->call == call)) {
            buf_add_json_inner(out, token_text(c, t), t->len);
        }
    }
    buf_add(out, "\"", 1);
}

static void add_message(const struct choice *c, struct buf *out)
{
    const char *separator = "";

    buf_adds(out, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (c->n_calls == 0) {
        add_joined(c, TOKEN_TEXT, 0, out);
        buf_adds(out, ",\"refusal\":null}");
        return;
    }
    buf_adds(out, "null,\"refusal\":null,\"tool_calls\":[");
    for (size_t i = 0; i < c->n_tokens; i++) {
        const struct token *t = &c->tokens[i];
        const struct call *call = &c->calls[t->call];

        if (t->kind != TOKEN_CALL) {
            continue;
        }
        buf_addf(out, "%s{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", separator,
                 call->id);
        buf_add_json(out, call->name, strlen(call->name));
        buf_adds(out, ",\"arguments\":");
        add_joined(c, TOKEN_ARGS, t->call, out);
        buf_adds(out, "}}");
        separator = ",";
    }
    buf_adds(out, "]}");
}

static void add_json_choice(struct reply *r, size_t k, struct buf *out)
{
    const struct choice *c = &r->choices[k];

    buf_addf(out, "%s{\"index\":%zu,", k > 0 ? "," : "", k);
    if (r->is_chat) {
        add_message(c, out);
    } else {
        buf_adds(out, "\"text\":");
        add_joined(c, TOKEN_TEXT, 0, out);
    }
    buf_add(out, ",", 1);
    if (r->logprobs) {
        add_logprobs(r, c, 0, c->n_tokens, out);
    } else {
        buf_adds(out, "\"logprobs\":null");
    }
    if (r->no_finish) {
        buf_adds(out, ",\"finish_reason\":null}");
    } else {
        buf_addf(out, ",\"finish_reason\":\"%s\"}", finish_reason(c));
    }
}

void reply_json(struct reply *r, struct buf *out)
{
    buf_addf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":", r->id,
             r->is_chat ? "chat.completion" : "text_completion", r->created);
    buf_add_json(out, r->model, strlen(r->model));
    buf_adds(out, "," FINGERPRINT ",\"choices\":[");
    for (size_t k = 0; k < r->n; k++) {
        add_json_choice(r, k, out);
    }
    buf_adds(out, "],");
    add_usage(r, out);
    buf_adds(out, "}\n");
}
