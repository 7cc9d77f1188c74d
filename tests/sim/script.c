#include "tests/sim/script.h"

#include "tests/sim/faults.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void script_fini(struct script *s)
{
    free(s->steps);
    buf_fini(&s->bytes);
    memset(s, 0, sizeof(*s));
}

void script_step(struct script *s, enum step_kind kind, int64_t a, int64_t b)
{
    if ((s->n & (s->n - 1)) == 0) {
        s->steps = mem_grow(s->steps, (s->n > 0 ? 2 * s->n : 8) * sizeof(*s->steps));
    }
    s->steps[s->n].kind = kind;
    s->steps[s->n].a = a;
    s->steps[s->n].b = b;
    s->n++;
}

void script_bytes(struct script *s, enum step_kind kind, const void *p, size_t n)
{
    size_t from = s->bytes.len;

    buf_add(&s->bytes, p, n);
    script_step(s, kind, (int64_t) from, (int64_t) s->bytes.len);
}

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 429:
        return "Too Many Requests";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    default:
        return status < 500 ? "Client Error" : "Server Error";
    }
}

void script_head(struct script *s, int status, const char *type, int64_t length, const char *extra)
{
    struct buf head = {0};

    s->status = status;
    buf_addf(&head, "HTTP/1.1 %d %s\r\nServer: simulated\r\nContent-Type: %s\r\n", status,
             status_text(status), type);
    if (length >= 0) {
        s->is_chunked = false;
        buf_addf(&head, "Content-Length: %" PRId64 "\r\n", length);
    } else if (s->is_chunked) {
        buf_adds(&head, "Transfer-Encoding: chunked\r\n");
    } else {
        s->keep_alive = false;
    }
    if (!s->keep_alive) {
        buf_adds(&head, "Connection: close\r\n");
    }
    buf_adds(&head, extra);
    buf_adds(&head, "\r\n");
    script_bytes(s, STEP_RAW, head.data, head.len);
    buf_fini(&head);
}

void script_plain(struct script *s, int status, const char *type, const char *body, size_t n,
                  const char *extra)
{
    script_head(s, status, type, (int64_t) n, extra);
    script_bytes(s, STEP_RAW, body, n);
    script_step(s, STEP_END, 0, 0);
}

static void add_or_null(struct buf *out, const char *value)
{
    if (value == NULL) {
        buf_adds(out, "null");
    } else {
        buf_add_json(out, value, strlen(value));
    }
}

void script_error_json(struct buf *out, const char *type, const char *code, const char *param,
                       const char *message)
{
    buf_adds(out, "{\"error\":{\"message\":");
    add_or_null(out, message);
    buf_adds(out, ",\"type\":");
    add_or_null(out, type);
    buf_adds(out, ",\"param\":");
    add_or_null(out, param);
    buf_adds(out, ",\"code\":");
    add_or_null(out, code);
    buf_adds(out, "}}");
}

void script_error(struct script *s, int status, int64_t retry_s, const char *type, const char *code,
                  const char *param, const char *message)
{
    struct buf body = {0};
    char extra[64] = "";

    if (retry_s >= 0) {
        (void) snprintf(extra, sizeof(extra), "Retry-After: %" PRId64 "\r\n", retry_s);
    }
    script_error_json(&body, type, code, param, message);
    script_plain(s, status, "application/json", body.data, body.len, extra);
    buf_fini(&body);
}

/* The end of the events: finish_reason, usage, [DONE], as far as the fault leaves them. */
static void stream_tail(struct script *s, struct reply *r, const struct plan *p)
{
    if (!r->no_finish) {
        script_step(s, STEP_FINISH, 0, 0);
    }
    if (r->include_usage || r->usage_choices) {
        script_step(s, STEP_USAGE, 0, 0);
    }
    if (p->fault != FAULT_NO_DONE) {
        script_step(s, STEP_DONE, 0, 0);
    }
    script_step(s, p->hangup ? STEP_HANGUP : STEP_END, 0, 0);
}

/* True for faults that faults_middle() plays. */
static bool strikes_in_the_middle(enum fault f)
{
    return f == FAULT_CUT || f == FAULT_STALL || f == FAULT_MALFORMED || f == FAULT_BAD_CHUNK ||
           f == FAULT_ERROR_EVENT || f == FAULT_ENDLESS_LINE;
}

void script_stream(struct script *s, struct reply *r, const struct plan *p)
{
    int64_t n = (int64_t) r->longest;
    int64_t at = p->at < n ? p->at : n;
    bool middle;

    s->token_us = p->token_us;
    s->write_each = p->write_each;
    if (faults_stream(s, r, p)) {
        return;
    }
    if (!p->early) {
        script_step(s, STEP_WAIT, p->first_us, 0);
    }
    script_head(s, 200,
                p->fault == FAULT_WRONG_TYPE ? "application/json"
                                             : "text/event-stream; charset=utf-8",
                -1, "Cache-Control: no-cache\r\n");
    middle = strikes_in_the_middle(p->fault);
    /* A fault at token 0 comes even before the role. */
    if (middle && at == 0 && faults_middle(s, r, p)) {
        return;
    }
    script_step(s, STEP_ROLE, 0, 0);
    if (p->early) {
        script_step(s, STEP_WAIT, p->first_us, 0);
    }
    script_step(s, STEP_TOKENS, 0, middle ? at : n);
    if (middle && at > 0 && faults_middle(s, r, p)) {
        return;
    }
    if (middle) {
        script_step(s, STEP_TOKENS, at, n);
    }
    stream_tail(s, r, p);
}

void script_json(struct script *s, const struct buf *body, const struct plan *p, int64_t longest)
{
    script_step(s, STEP_WAIT, p->first_us + p->token_us * longest, 0);
    if (faults_json(s, body, p)) {
        return;
    }
    script_head(s, 200, p->fault == FAULT_WRONG_TYPE ? "text/plain" : "application/json",
                (int64_t) body->len, "");
    script_bytes(s, STEP_RAW, body->data, body->len);
    script_step(s, p->hangup ? STEP_HANGUP : STEP_END, 0, 0);
}
