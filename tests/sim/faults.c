#include "tests/sim/faults.h"

#include <stdlib.h>
#include <string.h>

#define ENDLESS_BYTES (64 << 20)
#define HUGE_HEAD_BYTES (1U << 20)
#define CRLF_PIECE 101U

static const char html[] =
    "<!DOCTYPE html>\n<html><head><title>Bad day</title></head><body><h1>This is a page, not an "
    "answer</h1><p>simulated</p></body></html>\n";

static const char broken_event[] = "{\"id\":\"chatcmpl-broken\",\"object\":\"chat.comple";

static void refuse_429(struct script *s, const struct plan *p)
{
    script_error(s, 429, p->retry_s >= 0 ? p->retry_s : 1, "requests", "rate_limit_exceeded", NULL,
                 "Rate limit reached for this simulated model. Please try again in 1s.");
}

static void refuse_503(struct script *s, const struct plan *p)
{
    script_error(s, 503, p->retry_s, "server_error", NULL, NULL,
                 "The simulated engine is currently overloaded.");
}

static void refuse_context(struct script *s)
{
    script_error(s, 400, -1, "invalid_request_error", "context_length_exceeded", "messages",
                 "This model's maximum context length is 4096 tokens. However, your messages "
                 "resulted in 5012 tokens. "
                 "Please reduce the length of the messages.");
}

static void refuse_filter(struct script *s, const struct plan *p)
{
    script_error(s, 400, -1, "invalid_request_error",
                 p->policy ? "content_policy_violation" : "content_filter", "prompt",
                 "Your request was rejected as a result of the simulated safety system.");
}

static bool is_down(const struct plan *p, const struct fault_state *state, int64_t now_us)
{
    int64_t period_us = p->down_us + p->up_us;
    int64_t period = p->down_requests + p->up_requests;

    if (period_us > 0) {
        return (now_us - state->first_us) % period_us < p->down_us;
    }
    return period > 0 && (int64_t) (state->requests % (uint64_t) period) < p->down_requests;
}

/* Nonsense that is sent no matter what was asked. */
static bool refuse_nonsense(struct script *s, const struct plan *p, bool stream)
{
    switch ((int) p->fault) {
    case FAULT_HTML:
        script_plain(s, 200, "text/html; charset=utf-8", html, sizeof(html) - 1, "");
        return true;
    case FAULT_HTML_502:
        script_plain(s, 502, "text/html; charset=utf-8", html, sizeof(html) - 1, "");
        return true;
    case FAULT_EMPTY:
        script_step(s, STEP_WAIT, p->first_us, 0);
        script_plain(s, 200, stream ? "text/event-stream; charset=utf-8" : "application/json", "",
                     0, "");
        return true;
    case FAULT_RESET:
        script_step(s, STEP_WAIT, p->first_us, 0);
        script_step(s, STEP_RESET, 0, 0);
        return true;
    case FAULT_SILENT:
        script_step(s, STEP_SILENCE, 0, 0);
        return true;
    default:
        return false;
    }
}

static bool refuse_status(struct script *s, const struct plan *p, const struct fault_state *state,
                          bool prefilled, int64_t now_us)
{
    enum fault f = p->fault;

    if (f == FAULT_429 || (f == FAULT_429_FIRST && state->requests == 0)) {
        refuse_429(s, p);
    } else if (f == FAULT_500_ONCE && state->requests == 0) {
        script_error(s, 500, -1, "server_error", NULL, NULL,
                     "The simulated server had an error. Sorry about that!");
    } else if (f == FAULT_503 || (f == FAULT_FLAP && is_down(p, state, now_us))) {
        refuse_503(s, p);
    } else if (f == FAULT_STATUS) {
        script_error(s, (int) p->status, p->retry_s, "simulated_status", "simulated_code", NULL,
                     "The simulated model was asked to fail like this.");
    } else if (f == FAULT_CONTEXT) {
        refuse_context(s);
    } else if (f == FAULT_FILTER) {
        refuse_filter(s, p);
    } else if (f == FAULT_NO_PREFILL && prefilled) {
        script_error(s, 400, -1, "invalid_request_error", NULL, "messages",
                     "This model does not support assistant message prefill. The conversation must "
                     "end with a user "
                     "message.");
    } else {
        return false;
    }
    return true;
}

bool faults_refuse(struct script *s, const struct plan *p, const struct fault_state *state,
                   bool prefilled, bool stream, int64_t now_us)
{
    bool done = refuse_status(s, p, state, prefilled, now_us) || refuse_nonsense(s, p, stream);

    s->is_fault = done;
    return done;
}

void faults_prepare(struct reply *r, const struct plan *p)
{
    r->no_finish = p->fault == FAULT_NO_FINISH;
    r->no_index = p->fault == FAULT_NO_INDEX && !p->zero;
    r->zero_index = p->fault == FAULT_NO_INDEX && p->zero;
    r->usage_choices = p->fault == FAULT_USAGE_CHOICES;
    r->dialect_crlf = p->fault == FAULT_CRLF;
}

/* All events of a healthy stream, one after the other. */
static void render_events(struct reply *r, struct buf *out)
{
    reply_role(r, out);
    for (size_t i = 0; i < r->longest; i++) {
        reply_token(r, i, out);
    }
    reply_finish(r, out);
    if (r->include_usage) {
        reply_usage(r, out);
    }
    reply_done(r, out);
}

static uint32_t crc32_of(const char *p, size_t n)
{
    uint32_t crc = 0xffffffffU;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char) p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

static void add_le(struct buf *out, uint32_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char byte = (char) (v >> (8 * i) & 0xff);

        buf_add(out, &byte, 1);
    }
}

/* A gzip member of stored blocks (RFC 1952, RFC 1951 3.2.4): valid, and needs no library. */
static void gzip_stored(const char *p, size_t n, struct buf *out)
{
    static const char head[] = {31, (char) 139, 8, 0, 0, 0, 0, 0, 0, (char) 255};
    size_t done = 0;

    buf_add(out, head, sizeof(head));
    do {
        uint32_t len = n - done < 65535 ? (uint32_t) (n - done) : 65535U;

        add_le(out, done + len == n ? 1 : 0, 1);
        add_le(out, len, 2);
        add_le(out, ~len & 0xffffU, 2);
        buf_add(out, p + done, len);
        done += len;
    } while (done < n);
    add_le(out, crc32_of(p, n), 4);
    add_le(out, (uint32_t) n, 4);
}

static void play_gzip(struct script *s, const struct buf *body, const char *type)
{
    struct buf packed = {0};

    gzip_stored(body->data, body->len, &packed);
    script_plain(s, 200, type, packed.data, packed.len, "Content-Encoding: gzip\r\n");
    buf_fini(&packed);
}

static void huge_head(struct script *s, const char *type, int64_t length)
{
    struct buf extra = {0};

    for (unsigned i = 0; extra.len < HUGE_HEAD_BYTES; i++) {
        buf_addf(&extra, "X-Simulated-%u: %0200u\r\n", i, i);
    }
    script_head(s, 200, type, length, buf_str(&extra));
    buf_fini(&extra);
}

/* Every data line loses its second half. */
static void cut_events(const struct buf *events, struct buf *out)
{
    size_t from = 0;

    for (size_t i = 0; i + 1 < events->len; i++) {
        if (events->data[i] != '\n' || events->data[i + 1] != '\n') {
            continue;
        }
        buf_add(out, events->data + from, i + 2 - from > 40 ? (i - from) / 2 : i - from);
        buf_adds(out, "\n\n");
        from = i + 2;
    }
}

static void one_chunk(struct buf *out, const char *p, size_t n)
{
    buf_addf(out, "%zx\r\n", n);
    buf_add(out, p, n);
    buf_adds(out, "\r\n");
}

/* The stream's body cut into chunks of odd sizes that do not respect its lines, dripped in pieces
 * that do not respect the chunks. */
static void play_drip(struct script *s, const struct buf *events, size_t piece)
{
    struct buf wire = {0};

    script_head(s, 200, "text/event-stream; charset=utf-8", -1, "");
    for (size_t i = 0; i < events->len; i += 211) {
        size_t n = events->len - i < 211 ? events->len - i : 211;

        if (s->is_chunked) {
            one_chunk(&wire, events->data + i, n);
        } else {
            buf_add(&wire, events->data + i, n);
        }
    }
    s->drip_size = piece;
    script_bytes(s, STEP_DRIP, wire.data, wire.len);
    script_step(s, STEP_END, 0, 0);
    buf_fini(&wire);
}

bool faults_stream(struct script *s, struct reply *r, const struct plan *p)
{
    static const char type[] = "text/event-stream; charset=utf-8";
    enum fault f = p->fault;
    struct buf events = {0};
    struct buf cut = {0};

    s->is_fault = f == FAULT_CUT || f == FAULT_MALFORMED || f == FAULT_WRONG_TYPE ||
                  f == FAULT_ENDLESS_LINE || f == FAULT_GZIP || f == FAULT_BAD_JSON ||
                  f == FAULT_HUGE_HEAD || f == FAULT_BAD_CHUNK || f == FAULT_NO_FINISH ||
                  f == FAULT_ERROR_EVENT || f == FAULT_NO_DONE;
    if (f != FAULT_GZIP && f != FAULT_BAD_JSON && f != FAULT_HUGE_HEAD && f != FAULT_CRLF &&
        f != FAULT_DRIP) {
        return false;
    }
    if (f == FAULT_CRLF) {
        buf_adds(&events, "\xef\xbb\xbf: the byte order mark is legal here\r\nretry: 3000\r\n\r\n");
    }
    render_events(r, &events);
    s->tokens = r->completion_tokens;
    script_step(s, STEP_WAIT, p->first_us, 0);
    s->drip_us = p->drip_us;
    if (f == FAULT_GZIP) {
        play_gzip(s, &events, type);
    } else if (f == FAULT_CRLF || f == FAULT_DRIP) {
        play_drip(s, &events, f == FAULT_CRLF ? CRLF_PIECE : 1);
    } else if (f == FAULT_HUGE_HEAD) {
        huge_head(s, type, -1);
        script_bytes(s, STEP_BODY, events.data, events.len);
        script_step(s, STEP_END, 0, 0);
    } else {
        cut_events(&events, &cut);
        script_head(s, 200, type, -1, "");
        script_bytes(s, STEP_BODY, cut.data, cut.len);
        script_step(s, STEP_END, 0, 0);
    }
    buf_fini(&cut);
    buf_fini(&events);
    return true;
}

/* Ends the reply with a reset or an end of file after what was sent has arrived: a reset
 * overtakes unread bytes. */
static void cut_here(struct script *s, const struct plan *p)
{
    script_step(s, STEP_FLUSH, 0, 0);
    script_step(s, STEP_WAIT, 5000, 0);
    script_step(s, p->fin ? STEP_CLOSE : STEP_RESET, 0, 0);
}

bool faults_middle(struct script *s, struct reply *r, const struct plan *p)
{
    struct buf b = {0};
    bool ends = true;

    switch ((int) p->fault) {
    case FAULT_CUT:
        cut_here(s, p);
        break;
    case FAULT_STALL:
        script_step(s, STEP_WAIT, p->stall_us, 0);
        ends = false;
        break;
    case FAULT_MALFORMED:
        reply_event(r, broken_event, sizeof(broken_event) - 1, &b);
        script_bytes(s, STEP_BODY, b.data, b.len);
        ends = false;
        break;
    case FAULT_BAD_CHUNK:
        script_bytes(s, STEP_RAW, "ZZZ\r\nnot a chunk\r\n", 18);
        cut_here(s, p);
        break;
    case FAULT_ENDLESS_LINE:
        script_bytes(s, STEP_BODY, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
                     49);
        script_step(s, STEP_FILL, ENDLESS_BYTES, 0);
        script_step(s, STEP_FLUSH, 0, 0);
        script_step(s, STEP_CLOSE, 0, 0);
        break;
    default:
        script_error_json(&b, "server_error", "simulated_failure", NULL,
                          "The simulated model failed mid stream.");
        script_bytes(s, STEP_BODY, "data: ", 6);
        script_bytes(s, STEP_BODY, b.data, b.len);
        script_bytes(s, STEP_BODY, "\n\n", 2);
        script_step(s, STEP_END, 0, 0);
        break;
    }
    buf_fini(&b);
    return ends;
}

static void json_halves(struct script *s, const struct buf *body, const struct plan *p)
{
    size_t half = body->len / 2;

    script_head(s, 200, "application/json", (int64_t) body->len, "");
    script_bytes(s, STEP_RAW, body->data, half);
    if (p->fault == FAULT_CUT) {
        cut_here(s, p);
        return;
    }
    script_step(s, STEP_WAIT, p->stall_us, 0);
    script_bytes(s, STEP_RAW, body->data + half, body->len - half);
    script_step(s, STEP_END, 0, 0);
}

static void json_chunked(struct script *s, const struct buf *body, const struct plan *p)
{
    script_head(s, 200, "application/json", -1, "");
    script_bytes(s, STEP_BODY, body->data, body->len / 2);
    if (p->fault == FAULT_BAD_CHUNK) {
        script_bytes(s, STEP_RAW, "ZZZ\r\nnot a chunk\r\n", 18);
        cut_here(s, p);
        return;
    }
    script_step(s, STEP_FILL, ENDLESS_BYTES, 0);
    script_step(s, STEP_FLUSH, 0, 0);
    script_step(s, STEP_CLOSE, 0, 0);
}

static void json_crlf(struct script *s, const struct buf *body)
{
    struct buf spaced = {0};

    buf_adds(&spaced, "\r\n\t ");
    buf_add(&spaced, body->data, body->len);
    buf_adds(&spaced, "\r\n");
    script_plain(s, 200, "application/json", spaced.data, spaced.len, "");
    buf_fini(&spaced);
}

static void json_drip(struct script *s, const struct buf *body, const struct plan *p)
{
    script_head(s, 200, "application/json", (int64_t) body->len, "");
    s->drip_us = p->drip_us;
    s->drip_size = 1;
    script_bytes(s, STEP_DRIP, body->data, body->len);
    script_step(s, STEP_END, 0, 0);
}

static void json_error(struct script *s)
{
    struct buf b = {0};

    script_error_json(&b, "server_error", "simulated_failure", NULL, "The simulated model failed.");
    script_plain(s, 200, "application/json", b.data, b.len, "");
    buf_fini(&b);
}

bool faults_json(struct script *s, const struct buf *body, const struct plan *p)
{
    s->is_fault = true;
    switch ((int) p->fault) {
    case FAULT_CUT:
    case FAULT_STALL:
        json_halves(s, body, p);
        s->is_fault = p->fault == FAULT_CUT;
        return true;
    case FAULT_MALFORMED:
    case FAULT_BAD_JSON:
        script_plain(s, 200, "application/json", body->data, body->len / 2, "");
        return true;
    case FAULT_BAD_CHUNK:
    case FAULT_ENDLESS_LINE:
        json_chunked(s, body, p);
        return true;
    case FAULT_GZIP:
        play_gzip(s, body, "application/json");
        return true;
    case FAULT_HUGE_HEAD:
        huge_head(s, "application/json", (int64_t) body->len);
        script_bytes(s, STEP_RAW, body->data, body->len);
        script_step(s, STEP_END, 0, 0);
        return true;
    case FAULT_ERROR_EVENT:
        json_error(s);
        return true;
    case FAULT_CRLF:
        json_crlf(s, body);
        s->is_fault = false;
        return true;
    case FAULT_DRIP:
        json_drip(s, body, p);
        s->is_fault = false;
        return true;
    default:
        s->is_fault = p->fault == FAULT_WRONG_TYPE || p->fault == FAULT_NO_FINISH;
        return false;
    }
}
