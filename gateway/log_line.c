/* Numbers are written by hand: an access line has forty of them, and printf would be most of its cost. */
#include "gateway/log_line.h"

#include "cache/record.h"
#include "router/graph.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Kept free for what log_line_end() writes. */
static const char tail[] = " cut=true\n";
enum { TAIL_BYTES = sizeof(tail) - 1, U64_DIGITS = 20 };

void log_clock_init(struct log_clock *c)
{
    c->second = -1;
    c->text[0] = '\0';
}

static const char *clock_text(struct log_clock *c, int64_t second)
{
    time_t t = (time_t) second;
    struct tm tm;

    if (second != c->second) {
        if (gmtime_r(&t, &tm) == NULL ||
            strftime(c->text, sizeof(c->text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
            memcpy(c->text, "1970-01-01T00:00:00", sizeof(c->text));
        }
        c->second = second;
    }
    return c->text;
}

static bool has_room(struct log_line *l, size_t bytes)
{
    if (bytes + TAIL_BYTES > LOG_LINE_MAX - l->length) {
        l->cut = true;
        return false;
    }
    return true;
}

static void put(struct log_line *l, const char *p, size_t n)
{
    if (n > 0) {
        memcpy(l->text + l->length, p, n);
        l->length += n;
    }
}

/* " key=", once the caller has made sure that there is room. */
static void put_key(struct log_line *l, const char *key, size_t key_length)
{
    if (l->length > 0) {
        l->text[l->length++] = ' ';
    }
    put(l, key, key_length);
    l->text[l->length++] = '=';
}

static void put_digits(struct log_line *l, uint64_t value, unsigned width)
{
    char digits[U64_DIGITS];
    unsigned n = 0;

    do {
        digits[n++] = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0 || n < width);
    while (n > 0) {
        l->text[l->length++] = digits[--n];
    }
}

void log_line_begin(struct log_line *l, struct log_clock *clock, int64_t wall_us, const char *level,
                    const char *event)
{
    int64_t second = wall_us / 1000000;
    int64_t micro = wall_us % 1000000;

    if (micro < 0) {
        micro += 1000000;
        second--;
    }
    l->length = 0;
    l->cut = false;
    put_key(l, "time", 4);
    put(l, clock_text(clock, second), sizeof(clock->text) - 1);
    l->text[l->length++] = '.';
    put_digits(l, (uint64_t) micro, 6);
    l->text[l->length++] = 'Z';
    log_line_safe(l, "level", slice_of(level));
    log_line_safe(l, "event", slice_of(event));
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Length of `c` between quotes, and its writing. */
static size_t escaped_length(unsigned char c)
{
    if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
        return 2;
    }
    return c >= ' ' && c < 0x7f ? 1 : 4;
}

static void put_escaped(struct log_line *l, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char two[2] = {'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : (char) c};
    const char four[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

    switch (escaped_length(c)) {
    case 1:
        l->text[l->length++] = (char) c;
        break;
    case 2:
        put(l, two, sizeof(two));
        break;
    default:
        put(l, four, sizeof(four));
        break;
    }
}

static void put_quoted(struct log_line *l, const char *key, size_t key_length, struct slice value)
{
    size_t taken = 0;
    size_t bytes = 0;

    while (taken < value.n &&
           bytes + escaped_length((unsigned char) value.p[taken]) <= LOG_VALUE_MAX) {
        bytes += escaped_length((unsigned char) value.p[taken]);
        taken++;
    }
    if (!has_room(l, key_length + bytes + sizeof(" =\"...\"") - 1)) {
        return;
    }
    put_key(l, key, key_length);
    l->text[l->length++] = '"';
    for (size_t i = 0; i < taken; i++) {
        put_escaped(l, (unsigned char) value.p[i]);
    }
    if (taken < value.n) {
        put(l, "...", 3);
    }
    l->text[l->length++] = '"';
}

void log_line_text(struct log_line *l, const char *key, struct slice value)
{
    size_t key_length = strlen(key);
    size_t i = 0;

    while (i < value.n && is_plain((unsigned char) value.p[i])) {
        i++;
    }
    if (i < value.n || value.n == 0 || value.n > LOG_VALUE_MAX) {
        put_quoted(l, key, key_length, value);
        return;
    }
    log_line_safe(l, key, value);
}

void log_line_safe(struct log_line *l, const char *key, struct slice value)
{
    size_t key_length = strlen(key);

    if (has_room(l, key_length + value.n + 2)) {
        put_key(l, key, key_length);
        put(l, value.p, value.n);
    }
}

void log_line_u64(struct log_line *l, const char *key, uint64_t value)
{
    size_t key_length = strlen(key);

    if (has_room(l, key_length + U64_DIGITS + 2)) {
        put_key(l, key, key_length);
        put_digits(l, value, 1);
    }
}

/* `value` in units of 10^-width. */
static void put_fixed(struct log_line *l, const char *key, uint64_t value, uint64_t unit,
                      unsigned width)
{
    size_t key_length = strlen(key);

    if (has_room(l, key_length + U64_DIGITS + 3)) {
        put_key(l, key, key_length);
        put_digits(l, value / unit, 1);
        l->text[l->length++] = '.';
        put_digits(l, value % unit, width);
    }
}

void log_line_ms(struct log_line *l, const char *key, uint64_t us)
{
    put_fixed(l, key, us, 1000, 3);
}

void log_line_usd(struct log_line *l, const char *key, double usd)
{
    double nano = usd * 1e9 + 0.5;

    /* Also false for NaN. */
    if (!(nano >= 0)) {
        nano = 0;
    }
    put_fixed(l, key, nano < 1e18 ? (uint64_t) nano : UINT64_C(1000000000000000000), 1000000000, 9);
}

void log_line_end(struct log_line *l)
{
    if (l->cut) {
        put(l, tail, TAIL_BYTES - 1);
    }
    l->text[l->length++] = '\n';
}

/* ---- the access line ---- */

static void text_if(struct log_line *l, const char *key, const char *value)
{
    if (value[0] != '\0') {
        log_line_text(l, key, slice_of(value));
    }
}

static void word(struct log_line *l, const char *key, const char *value)
{
    log_line_safe(l, key, slice_of(value));
}

/* A phase that did not happen has no pair. */
static void phase(struct log_line *l, const char *key, uint64_t from_us, uint64_t at_us)
{
    if (from_us != 0 && at_us >= from_us) {
        log_line_ms(l, key, at_us - from_us);
    }
}

static void put_request(struct log_line *l, const struct record *r)
{
    char graph[GRAPH_ID_TEXT_BYTES];

    text_if(l, "id", r->id);
    text_if(l, "key", r->key);
    text_if(l, "peer", r->peer);
    word(l, "endpoint", endpoint_text(r->endpoint));
    if (r->endpoint == ENDPOINT_OTHER) { /* the others have one path each */
        text_if(l, "target", r->target);
    }
    text_if(l, "model", r->model);
    text_if(l, "task", r->task);
    if (r->task_by != TASK_BY_NONE) {
        word(l, "task_by", task_by_text(r->task_by));
    }
    if (r->task_p > 0) {
        put_fixed(l, "task_p", (uint64_t) (r->task_p * 1000 + 0.5f), 1000, 3);
    }
    if (r->graph_id != 0) {
        graph_id_text(r->graph_id, graph);
        word(l, "graph", graph);
    }
    log_line_u64(l, "status", (uint64_t) r->status);
    word(l, "stream", r->stream ? "true" : "false");
    word(l, "reason", end_reason_text(r->reason));
    text_if(l, "degraded", r->degraded);
}

static void put_upstream(struct log_line *l, const struct call_record *call)
{
    text_if(l, "upstream", call->upstream);
    text_if(l, "upstream_model", call->model);
    if (call->status != 0) {
        log_line_u64(l, "upstream_status", (uint64_t) call->status);
    }
    text_if(l, "upstream_id", call->upstream_id);
    text_if(l, "upstream_detail", call->detail);
    log_line_u64(l, "attempts", call->attempts);
    log_line_u64(l, "fallbacks", call->fallbacks);
}

static void put_usage(struct log_line *l, const struct token_usage *usage, double usd)
{
    if (usage->known) {
        log_line_u64(l, "prompt_tokens", usage->prompt);
        log_line_u64(l, "completion_tokens", usage->completion);
        log_line_usd(l, "usd", usd);
    }
}

void log_line_record(struct log_line *l, const struct record *r)
{
    put_request(l, r);
    if (r->call.upstream[0] != '\0') {
        put_upstream(l, &r->call);
        log_line_u64(l, "calls", r->calls);
        put_usage(l, &r->usage, r->usd);
    }
    phase(l, "body_ms", r->head_us, r->body_us);
    phase(l, "route_ms", r->head_us, r->route_us);
    phase(l, "slot_ms", r->head_us, r->call.slot_us);
    phase(l, "first_byte_ms", r->head_us, r->call.first_byte_us);
    phase(l, "first_content_ms", r->head_us, r->content_us);
    phase(l, "total_ms", r->head_us, r->end_us);
    log_line_u64(l, "bytes_in", r->request_bytes);
    log_line_u64(l, "bytes_out", r->reply_bytes);
    log_line_u64(l, "heartbeats", r->heartbeats);
    log_line_u64(l, "pauses", r->pauses);
}

void log_line_call(struct log_line *l, const char *id, const char *name,
                   const struct call_record *c)
{
    word(l, "id", id);
    log_line_u64(l, "node", c->node);
    text_if(l, "name", name);
    word(l, "reason", end_reason_text(c->reason));
    put_upstream(l, c);
    put_usage(l, &c->usage, c->usd);
    phase(l, "slot_ms", c->start_us, c->slot_us);
    phase(l, "first_byte_ms", c->start_us, c->first_byte_us);
    phase(l, "first_content_ms", c->start_us, c->first_content_us);
    phase(l, "total_ms", c->start_us, c->end_us);
}
