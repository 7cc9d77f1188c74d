#include "gateway/reply.h"

#include "gateway/gzip.h"
#include "gateway/sse_write.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

/* Packing is done at once, and numbers are packed at 30 to 80 MB/s: more than this would hold up every
 * other client of the front. */
enum { GZIP_LEAST_BYTES = 1024, GZIP_MOST_BYTES = 512 * 1024 };

/* ---- headers ---- */

void reply_header(struct exchange *x, const char *name, const char *value)
{
    struct exchange_header *h = arena_alloc(&x->room, sizeof(*h));
    if (h) {
        h->name = arena_dup(&x->room, name);
        h->value = arena_dup(&x->room, value);
        if (h->name && h->value) {
            *x->reply.last = h;
            x->reply.last = &h->next;
        }
    }
}

void reply_header_u64(struct exchange *x, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
    reply_header(x, name, text);
}

static void add(struct evbuffer *out, const char *text)
{
    evbuffer_add(out, text, strlen(text));
}

static void add_header(struct evbuffer *out, const char *name, const char *value)
{
    add(out, name);
    evbuffer_add(out, ": ", 2);
    add(out, value);
    evbuffer_add(out, "\r\n", 2);
}

static void add_cors(struct evbuffer *out, const struct exchange *x)
{
    if (x->origin) {
        add_header(out, "access-control-allow-origin", x->origin);
        add_header(out, "access-control-expose-headers",
                   "x-request-id, x-sluice-graph, x-sluice-task, x-sluice-degraded, "
                   "x-sluice-upstream-id, retry-after, "
                   "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
                   "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens");
        add_header(out, "vary", "origin");
    }
}

/* Everything up to the framing headers and the empty line, which the caller adds. */
static void begin_head(struct exchange *x, struct evbuffer *out, int status, const char *type)
{
    char line[64];
    snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, http1_status_text(status));
    add(out, line);
    add_header(out, "date", server_date(x->server));
    if (type) {
        add_header(out, "content-type", type);
    }
    add_header(out, "x-request-id", exchange_id(x));
    if (x->client_request_id) {
        add_header(out, "x-client-request-id", x->client_request_id);
    }
    for (const struct exchange_header *h = x->reply.headers; h; h = h->next) {
        add_header(out, h->name, h->value);
    }
    add_cors(out, x);
    if (x->server->draining) {
        x->keep_alive = false; /* the session closes: the client must not ask here again */
    }
    if (!x->keep_alive) {
        add_header(out, "connection", "close");
    } else if (x->minor == 0) {
        add_header(out, "connection", "keep-alive");
    }
    x->record.status = status;
    x->record.commit_us = exchange_now_us(x);
    x->reply.committed = true;
}

static enum session_next next_of(const struct exchange *x)
{
    return x->keep_alive ? SESSION_KEEP : SESSION_CLOSE;
}

/* ---- whole replies ---- */

static struct evbuffer *pack(const struct slice *pieces, size_t count)
{
    struct evbuffer *plain = evbuffer_new();
    struct evbuffer *packed = evbuffer_new();
    bool ok = plain && packed;
    for (size_t i = 0; ok && i < count; i++) {
        ok = evbuffer_add_reference(plain, pieces[i].p, pieces[i].n, NULL, NULL) == 0;
    }
    if (ok) {
        struct slice text = {(const char *) evbuffer_pullup(plain, -1), evbuffer_get_length(plain)};
        ok = text.p && gzip_whole(text, packed) == ERR_NONE;
    }
    if (plain) {
        evbuffer_free(plain);
    }
    if (!ok && packed) {
        evbuffer_free(packed);
        packed = NULL;
    }
    return packed;
}

void reply_pieces(struct exchange *x, int status, const char *type, const struct slice *pieces,
                  size_t count)
{
    if (!x->session || x->reply.over) {
        return;
    }
    struct conn *c = session_conn(x->session);
    struct evbuffer *out = conn_output(c);
    struct evbuffer *packed = NULL;
    size_t length = 0;
    char number[48];
    for (size_t i = 0; i < count; i++) {
        length += pieces[i].n;
    }
    if (x->accepts_gzip && length >= GZIP_LEAST_BYTES && length <= GZIP_MOST_BYTES) {
        packed = pack(pieces, count); /* NULL: no memory for it, so it goes as it is */
    }
    begin_head(x, out, status, type);
    if (packed) {
        length = evbuffer_get_length(packed);
        add(out, "content-encoding: gzip\r\nvary: accept-encoding\r\n");
    }
    if (status == 204) {
        add(out, "\r\n");
    } else {
        snprintf(number, sizeof(number), "content-length: %zu\r\n\r\n", length);
        add(out, number);
    }
    bool whole = true;
    if (x->method != HTTP1_HEAD && packed) {
        whole = evbuffer_add_buffer(out, packed) == 0;
    } else if (x->method != HTTP1_HEAD) {
        for (size_t i = 0; i < count && whole; i++) {
            whole = evbuffer_add(out, pieces[i].p, pieces[i].n) == 0;
        }
    }
    if (packed) {
        evbuffer_free(packed);
    }
    x->record.reply_bytes += length;
    conn_flush(c);
    /* Without memory for all of it the length is a lie: what follows would be taken for the rest. */
    exchange_over(x, whole ? next_of(x) : SESSION_ABORT);
}

void reply_whole(struct exchange *x, int status, const char *type, struct slice body)
{
    reply_pieces(x, status, type, &body, 1);
}

/* ---- failures ---- */

/* False: no memory; the buffer holds a part of it. Words may be a provider's, of any length. */
static bool add_bytes(struct evbuffer *out, struct slice s)
{
    return evbuffer_add(out, s.p, s.n) == 0;
}

static bool add_json_string(struct evbuffer *out, const char *text)
{
    struct slice s = slice_of(text);
    size_t length = span_escaped_length(s);
    struct evbuffer_iovec room;
    if (!add_bytes(out, SLICE_LIT("\""))) {
        return false;
    }
    if (length > 0) {
        if (evbuffer_reserve_space(out, (ev_ssize_t) length, &room, 1) != 1) {
            return false;
        }
        span_escape(s, room.iov_base, length);
        room.iov_len = length;
        evbuffer_commit_space(out, &room, 1);
    }
    return add_bytes(out, SLICE_LIT("\""));
}

static bool add_member(struct evbuffer *out, const char *key, struct slice raw, const char *text)
{
    if (!add_bytes(out, slice_of(key))) {
        return false;
    }
    if (raw.n > 0) {
        return add_bytes(out, raw);
    }
    return text ? add_json_string(out, text) : add_bytes(out, SLICE_LIT("null"));
}

static bool add_failure_json(struct evbuffer *out, const struct failure *f)
{
    bool own = f->message_json.n == 0; /* a provider's error keeps all its words, nulls too */
    return add_member(out, "{\"error\":{\"message\":", f->message_json,
                      f->message ? f->message : "") &&
           add_member(out, ",\"type\":", f->type_json, own || f->type_json.n ? f->type : NULL) &&
           add_member(out, ",\"param\":", f->param_json, own ? f->param : NULL) &&
           add_member(out, ",\"code\":", f->code_json, own ? f->code : NULL) &&
           add_bytes(out, SLICE_LIT("}}"));
}

/* The error object as one piece; NULL: no memory. */
static struct evbuffer *failure_json(const struct failure *f, struct slice *text)
{
    struct evbuffer *json = evbuffer_new();
    if (json && add_failure_json(json, f)) {
        *text = (struct slice) {(const char *) evbuffer_pullup(json, -1),
                                evbuffer_get_length(json)};
        if (text->p) {
            return json;
        }
    }
    if (json) {
        evbuffer_free(json);
    }
    return NULL;
}

void reply_failure(struct exchange *x, const struct failure *f)
{
    if (!x->session || x->reply.over) {
        return;
    }
    x->record.reason = f->reason;
    if (f->retry_after_us > 0) {
        reply_header_u64(x, "retry-after", (f->retry_after_us + 999999) / 1000000);
        reply_header_u64(x, "retry-after-ms", (f->retry_after_us + 999) / 1000);
    }
    if (f->no_retry) {
        reply_header(x, "x-should-retry", "false");
    }
    struct slice body;
    struct evbuffer *json = failure_json(f, &body);
    if (!json) {
        exchange_over(x, SESSION_ABORT);
        return;
    }
    reply_whole(x, f->status, "application/json", body);
    evbuffer_free(json);
}

/* ---- streams ---- */

static void send_staged(struct exchange *x);

static void on_flush(void *arg)
{
    send_staged(arg);
}

void reply_stream_begin(struct exchange *x)
{
    if (!x->session || x->reply.over) {
        return;
    }
    struct evbuffer *out = conn_output(session_conn(x->session));
    x->reply.stream = true;
    x->reply.staging = evbuffer_new();
    x->server->stream_count++;
    loop_task_init(&x->reply.flush, on_flush, x);
    if (x->settings->config->compress_streams && x->accepts_gzip) {
        x->reply.gzip = gzip_stream_new();
    }
    if (x->minor == 0) {
        x->keep_alive = false; /* no chunks in HTTP/1.0: the end of the stream is the close */
    }
    begin_head(x, out, 200, "text/event-stream");
    add(out, "cache-control: no-cache\r\nx-accel-buffering: no\r\n");
    if (x->reply.gzip) {
        add(out, "content-encoding: gzip\r\nvary: accept-encoding\r\n");
    }
    add(out, x->minor == 0 ? "\r\n" : "transfer-encoding: chunked\r\n\r\n");
}

struct evbuffer *reply_stream(struct exchange *x)
{
    return x->reply.staging;
}

/* Replaces what is staged by its compressed form. */
static void pack_staged(struct exchange *x, bool last)
{
    struct evbuffer *packed = evbuffer_new();
    struct slice text = {(const char *) evbuffer_pullup(x->reply.staging, -1),
                         evbuffer_get_length(x->reply.staging)};
    bool ok = packed != NULL;
    if (ok && text.n > 0) {
        ok = gzip_stream_write(x->reply.gzip, text, packed) == ERR_NONE;
    }
    if (ok && last) {
        ok = gzip_stream_end(x->reply.gzip, packed) == ERR_NONE;
    }
    if (!ok) { /* half a deflate stream cannot be mended */
        if (packed) {
            evbuffer_free(packed);
        }
        exchange_over(x, SESSION_ABORT);
        return;
    }
    evbuffer_free(x->reply.staging);
    x->reply.staging = packed;
}

static void stage_chunk(struct exchange *x, struct evbuffer *out)
{
    size_t length = evbuffer_get_length(x->reply.staging);
    char size[24];
    x->record.reply_bytes += length;
    if (length == 0) {
        return;
    }
    if (x->minor == 0) {
        evbuffer_add_buffer(out, x->reply.staging);
        return;
    }
    int n = snprintf(size, sizeof(size), "%zx\r\n", length);
    evbuffer_add(out, size, (size_t) n);
    evbuffer_add_buffer(out, x->reply.staging);
    evbuffer_add(out, "\r\n", 2);
}

static void send_staged(struct exchange *x)
{
    if (!x->session) {
        return;
    }
    struct conn *c = session_conn(x->session);
    if (x->reply.gzip && !x->reply.over) {
        pack_staged(x, false);
        if (x->reply.over) {
            return;
        }
    }
    stage_chunk(x, conn_output(c));
    conn_flush(c);
    x->reply.sent_us = exchange_now_us(x);
    /* Full by what was staged, yet the socket took it all: CONN_DRAINED will not come, so say it. */
    if (x->reply.full && !conn_is_full(c)) {
        exchange_drained(x);
    }
}

enum sink_flow reply_stream_flush(struct exchange *x)
{
    if (!x->session || x->reply.over || !x->reply.staging) {
        return SINK_GONE;
    }
    struct conn *c = session_conn(x->session);
    loop_post(x->server->loop, &x->reply.flush);
    size_t waiting = conn_output_bytes(c) + evbuffer_get_length(x->reply.staging);
    x->reply.full = waiting >= x->server->conn_limits.high_bytes;
    return x->reply.full ? SINK_FULL : SINK_OK;
}

/* What is staged, the end of the framing, and what the session does next. */
static void end_stream(struct exchange *x, enum session_next next)
{
    struct evbuffer *out = conn_output(session_conn(x->session));
    if (x->reply.gzip) {
        pack_staged(x, true);
        if (x->reply.over) {
            return; /* not packed: neither these bytes nor a clean end */
        }
    }
    stage_chunk(x, out);
    if (x->minor != 0) {
        add(out, "0\r\n\r\n");
    }
    conn_flush(session_conn(x->session));
    exchange_over(x, next);
}

void reply_stream_end(struct exchange *x)
{
    if (!x->session || x->reply.over) {
        return;
    }
    end_stream(x, next_of(x));
}

void reply_stream_abort(struct exchange *x, const struct failure *f)
{
    if (!x->session || x->reply.over) {
        return;
    }
    x->record.reason = f->reason;
    struct slice text;
    struct evbuffer *json = failure_json(f, &text);
    bool told = json && sse_write_event(x->reply.staging, &text, 1) == ERR_NONE;
    if (json) {
        evbuffer_free(json);
    }
    if (!told) {
        send_staged(x);
        exchange_over(x,
                      SESSION_ABORT); /* nothing says that it failed but the missing last chunk */
        return;
    }
    /* Not closed at once: a client that has read the framing's end may have sent its next request on
     * this connection already, and would see that one fail. */
    end_stream(x, x->keep_alive ? SESSION_LINGER : SESSION_CLOSE);
}
