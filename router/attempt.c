#include "router/attempt.h"

#include "router/reply_buffer.h"
#include "router/sse_parse.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODE_ROOM_BYTES = 256,
    NODE_ROOM_CAP = 256 * 1024,
    ERROR_CAP_BYTES = 64 * 1024, /* of a provider's error body */
    SECRET_LEAST_BYTES = 8,      /* of a key that is one, and no word such as EMPTY */
    AFTER_DONE_US = 1000 * 1000, /* for the framing to end once the stream said [DONE] */
};

enum mode {
    MODE_HEAD,   /* no response yet */
    MODE_STREAM, /* events */
    MODE_REPLY,  /* a JSON text */
    MODE_ERROR,  /* a status that is no success, with its body */
};

struct attempt {
    const struct upstream_host *host;
    const struct upstream_def *upstream;
    struct snapshot *snapshot;
    struct reqbody *body;
    enum endpoint endpoint;
    struct arena node_room; /* of the node call's pieces */
    struct nodecall nodecall;
    struct transfer *transfer;

    const struct attempt_events *events; /* NULL once over or cancelled */
    void *arg;
    struct arena *room;
    struct call_record *record;
    enum ledger_outcome outcome;

    enum mode mode;
    struct sse_parser parser;
    struct reply_buffer text; /* a reply or an error body */
    struct reply_buffer held; /* events before content, each with its length in front */
    struct chunk_mender mender;
    unsigned choices_seen;
    unsigned choices_finished;
    uint64_t choices_asked; /* n of the request */
    bool committed;
    bool said_done; /* [DONE] */
    bool paused;

    struct loop_timer watch; /* fires at the earliest limit, or before one that has moved */
    uint64_t start_us;
    uint64_t deadline_us;
    uint64_t last_byte_us;
    uint64_t done_us;
    uint64_t retry_after_us;
};

/* ---- memory ---- */

/* The exchange is over and nothing borrows from us any more. */
static void attempt_drop(void *arg)
{
    struct attempt *a = arg;
    ledger_release(a->host->ledger, a->upstream->ledger, a->outcome);
    loop_timer_clear(a->host->loop, &a->watch);
    sse_parse_fini(&a->parser);
    reply_buffer_fini(&a->text);
    reply_buffer_fini(&a->held);
    chunk_mender_fini(&a->mender);
    arena_fini(&a->node_room);
    reqbody_unref(a->body);
    snapshot_unref(a->snapshot);
    free(a);
}

/* Ends the exchange from our side. */
static void leave(struct attempt *a, bool drain)
{
    loop_timer_clear(a->host->loop, &a->watch);
    a->events = NULL;
    a->host->transfers.ops->cancel(a->transfer, drain, attempt_drop, a);
}

/* ---- failures ---- */

static enum ledger_outcome outcome_of(const struct failure *f)
{
    switch (f->reason) {
    case END_COMPLETE:
        return LEDGER_HEALTHY;
    case END_UPSTREAM_STATUS:
        if (f->status == 429) {
            return LEDGER_NEUTRAL; /* it is well and says "not now" */
        }
        return f->status >= 500 ? LEDGER_FAILED : LEDGER_HEALTHY;
    case END_DEADLINE:
    case END_UPSTREAM_LIMIT:
    case END_INTERNAL:
        return LEDGER_NEUTRAL;
    default:
        return LEDGER_FAILED;
    }
}

static enum attempt_advice advice_of(const struct failure *f)
{
    switch (f->reason) {
    case END_CONNECT:
    case END_CONNECT_TIMEOUT:
    case END_CUT:
    case END_MALFORMED:
        return ATTEMPT_RETRY;
    case END_FIRST_TOKEN_TIMEOUT: /* a silent model is not asked twice: that is how minutes pass */
    case END_IDLE_TIMEOUT:
    case END_TOTAL_TIMEOUT:
    case END_UPSTREAM_LIMIT:
        return ATTEMPT_FALLBACK;
    case END_UPSTREAM_STATUS:
        if (f->status == 408 || f->status == 409 || f->status == 429 || f->status >= 500) {
            return ATTEMPT_RETRY;
        }
        /* Our key or the model's name is wrong there; another upstream may be set up rightly. */
        return f->status == 401 || f->status == 403 || f->status == 404 ? ATTEMPT_FALLBACK
                                                                        : ATTEMPT_GIVE_UP;
    default:
        return ATTEMPT_GIVE_UP;
    }
}

static void copy_text(char *out, size_t cap, struct slice text)
{
    size_t n = text.n < cap - 1 ? text.n : cap - 1;
    memcpy(out, n > 0 ? text.p : "", n);
    out[n] = '\0';
}

/* Reports the end upwards. The exchange must be over or left by the caller afterwards. */
static void report(struct attempt *a, const struct failure *failure)
{
    struct attempt_end end = {.failure = *failure};
    end.advice = a->committed ? ATTEMPT_GIVE_UP : advice_of(failure);
    a->outcome = outcome_of(failure);
    if (failure->reason == END_MALFORMED && a->record->detail[0] == '\0') {
        copy_text(a->record->detail, RECORD_DETAIL_BYTES, slice_of(failure->message));
    }
    const struct attempt_events *events = a->events;
    a->events = NULL;
    events->on_end(a->arg, &end);
}

static void fail(struct attempt *a, const struct failure *failure)
{
    report(a, failure);
    leave(a, false);
}

static void fail_with(struct attempt *a, enum end_reason reason, int status, const char *message)
{
    struct failure f = {.reason = reason,
                        .status = status,
                        .message = message,
                        .type = "server_error",
                        .code = end_reason_text(reason)};
    fail(a, &f);
}

/* ---- limits of time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the current phase runs out. A JSON reply is silent until it is whole, so only `total` bounds the
 * wait for its first byte. */
static uint64_t phase_due(const struct attempt *a)
{
    const struct upstream_timeouts *t = &a->upstream->timeouts;
    if (a->said_done) {
        return a->done_us + AFTER_DONE_US;
    }
    if (a->mode == MODE_REPLY || a->mode == MODE_ERROR) {
        return a->last_byte_us > 0 ? a->last_byte_us + t->idle_us : UINT64_MAX;
    }
    if (!a->nodecall.stream) {
        return UINT64_MAX;
    }
    if (!a->committed) {
        return a->start_us + t->first_token_us;
    }
    return a->paused ? UINT64_MAX : a->last_byte_us + t->idle_us;
}

/* The timer is set when a phase begins and not with every byte: it fires too early then, and is set
 * again. */
static void watch(struct attempt *a)
{
    uint64_t total = a->start_us + a->upstream->timeouts.total_us;
    loop_timer_set_at(a->host->loop, &a->watch,
                      earlier(earlier(phase_due(a), total), a->deadline_us));
}

static void finish_stream(struct attempt *a, enum transfer_end end);
static void finish_error(struct attempt *a);
static bool is_whole(const struct attempt *a, enum transfer_end end);

/* Time is up in the middle of the exchange. What has come may be enough all the same. */
static void run_out(struct attempt *a, uint64_t now)
{
    if (a->mode == MODE_STREAM && (a->said_done || is_whole(a, TRANSFER_CUT))) {
        finish_stream(a, TRANSFER_COMPLETE);
        leave(a, false);
    } else if (a->mode == MODE_ERROR) {
        finish_error(a);
        leave(a, false);
    } else if (now >= a->deadline_us) {
        fail_with(a, END_DEADLINE, 504,
                  "the request's deadline passed before the answer was whole");
    } else if (now < phase_due(a)) {
        fail_with(a, END_TOTAL_TIMEOUT, 504, "the model took longer than its total timeout");
    } else if (a->committed || a->mode == MODE_REPLY) {
        fail_with(a, END_IDLE_TIMEOUT, 504,
                  "the model stopped sending in the middle of its answer");
    } else {
        fail_with(a, END_FIRST_TOKEN_TIMEOUT, 504, "the model sent no content in time");
    }
}

static void on_watch(void *arg)
{
    struct attempt *a = arg;
    uint64_t now = loop_now_us(a->host->loop);
    uint64_t total = a->start_us + a->upstream->timeouts.total_us;
    if (now < earlier(earlier(phase_due(a), total), a->deadline_us)) {
        watch(a);
    } else {
        run_out(a, now);
    }
}

/* ---- what arrives ---- */

static void note_chunk(struct attempt *a, const struct chunk *c)
{
    a->choices_seen |= c->choices_seen;
    a->choices_finished |= c->choices_finished;
    if (c->tokens.known) {
        a->record->usage = c->tokens;
    }
    if (a->record->upstream_id[0] == '\0' && c->id.type == SPAN_STRING) {
        size_t n = span_decode(c->id.text, a->record->upstream_id, RECORD_ID_BYTES - 1);
        a->record->upstream_id[n < RECORD_ID_BYTES - 1 ? n : RECORD_ID_BYTES - 1] = '\0';
    }
}

/* Does the text begin with the secret, written with or without the backslashes that JSON allows? */
static bool begins_with(const char *at, const char *end, const char *secret)
{
    while (at < end && *secret) {
        at += *at == '\\' && end - at > 1 ? 1 : 0;
        if (*at++ != *secret++) {
            return false;
        }
    }
    return !*secret;
}

static bool repeats(struct slice text, const char *secret)
{
    for (size_t i = 0; i < text.n; i++) {
        if (begins_with(text.p + i, text.p + text.n, secret)) {
            return true;
        }
    }
    return false;
}

/* Some servers tell which key they refuse. The words of an error that does so are not passed on. */
static bool is_indiscreet(const struct attempt *a, struct slice json)
{
    const char *key = a->upstream->key;
    return key && strlen(key) >= SECRET_LEAST_BYTES && repeats(json, key);
}

/* An error inside a 200 often has its HTTP status as its code. */
static int status_in(struct slice code, int otherwise)
{
    uint64_t number;
    return slice_to_u64(code, &number) && number >= 400 && number <= 599 ? (int) number : otherwise;
}

static void fail_by_provider(struct attempt *a, struct slice json, int status)
{
    struct chunk_error words;
    struct failure f = {.reason = END_UPSTREAM_STATUS,
                        .status = status,
                        .type = "server_error",
                        .code = end_reason_text(END_UPSTREAM_STATUS)};
    if (is_indiscreet(a, json)) {
        f.message = arena_printf(
            a->room, "the upstream answered with status %d and words that hold its key", status);
    } else if (chunk_error(json, &words)) {
        f.message_json = arena_dup_slice(a->room, words.message);
        f.type_json = arena_dup_slice(a->room, words.type);
        f.param_json = arena_dup_slice(a->room, words.param);
        f.code_json = arena_dup_slice(a->room, words.code);
        f.status = a->mode == MODE_ERROR ? status : status_in(words.code, status);
    }
    if (f.message_json.n == 0 && !f.message) {
        f.message = arena_printf(
            a->room, "the upstream answered with status %d and no OpenAI error", status);
    }
    f.retry_after_us = a->retry_after_us == UINT64_MAX ? 0 : a->retry_after_us;
    report(a, &f);
}

/* The first content: from here on the answer is this attempt's, for better or worse. */
static bool commit(struct attempt *a)
{
    a->committed = true;
    a->record->first_content_us = loop_now_us(a->host->loop);
    ledger_alive(a->host->ledger, a->upstream->ledger);
    watch(a);
    a->events->on_commit(a->arg);
    struct slice rest = {a->held.bytes, a->held.length};
    while (a->events && rest.n > 0) {
        uint32_t length;
        struct chunk held;
        memcpy(&length, rest.p, sizeof(length));
        struct slice json = {rest.p + sizeof(length), length};
        /* It parsed when it came. */
        if (chunk_parse(json, a->endpoint, &held, NULL) == ERR_NONE) {
            a->events->on_chunk(a->arg, &held);
        }
        rest = (struct slice) {json.p + length, rest.n - sizeof(length) - length};
    }
    reply_buffer_fini(&a->held);
    return a->events != NULL;
}

static bool hold(struct attempt *a, struct slice json)
{
    uint32_t length = (uint32_t) json.n;
    if (reply_buffer_add(&a->held, (struct slice) {(const char *) &length, sizeof(length)}) ==
            ERR_NONE &&
        reply_buffer_add(&a->held, json) == ERR_NONE) {
        return true;
    }
    fail_with(a, END_UPSTREAM_LIMIT, 502, "the model sent too much before any content");
    return false;
}

/* Some servers number all tool calls 0. The mended text replaces the event's. */
static bool mend(struct attempt *a, struct chunk *c, char **mended)
{
    struct arena strings;
    struct splice edits;
    bool ok = true;
    arena_init(&strings, 256, NODE_ROOM_CAP);
    splice_init(&edits, c->json);
    if (chunk_mend(&a->mender, c, &edits, &strings) != ERR_NONE) {
        ok = false;
    } else if (edits.count > 0) {
        size_t length = splice_length(&edits);
        *mended = malloc(length + 1);
        ok = *mended != NULL;
        if (ok) {
            splice_write(&edits, *mended, length);
            ok = chunk_parse((struct slice) {*mended, length}, a->endpoint, c, NULL) == ERR_NONE;
        }
    }
    arena_fini(&strings);
    if (!ok) {
        fail_with(a, END_MALFORMED, 502, "the model sent tool calls that cannot be told apart");
    }
    return ok;
}

static void take_chunk(struct attempt *a, struct chunk *c)
{
    char *mended = NULL;
    if (c->has_tool_calls && !mend(a, c, &mended)) {
        free(mended);
        return;
    }
    note_chunk(a, c);
    if (!a->committed && !c->has_content) {
        hold(a, c->json);
    } else if (a->committed || commit(a)) {
        a->events->on_chunk(a->arg, c);
    }
    free(mended);
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct attempt *a = arg;
    struct chunk c;
    struct errbuf why;
    if (a->said_done || event->data.n == 0) {
        return true; /* nothing counts after [DONE]; an event may be empty */
    }
    if (slice_eq_text(event->data, "[DONE]")) {
        a->said_done = true;
        a->done_us = loop_now_us(a->host->loop);
        watch(a);
        return true;
    }
    if (chunk_parse(event->data, a->endpoint, &c, &why) != ERR_NONE) {
        fail_with(
            a, END_MALFORMED, 502,
            arena_printf(a->room, "the model sent an event that is not understood: %s", why.text));
    } else if (c.error.type != SPAN_ABSENT && c.error.type != SPAN_NULL) {
        fail_by_provider(a, event->data, 502);
        leave(a, false);
    } else {
        take_chunk(a, &c);
    }
    return a->events != NULL;
}

static enum transfer_flow take_events(struct attempt *a, struct slice bytes)
{
    if (a->paused) {
        return TRANSFER_PAUSE;
    }
    a->last_byte_us = loop_now_us(a->host->loop);
    enum err rc = sse_parse_feed(&a->parser, bytes, on_event, a);
    if (a->events && (rc == ERR_LIMIT || rc == ERR_NOMEM)) {
        fail_with(a, END_UPSTREAM_LIMIT, 502, "the model sent a line longer than limits.answer");
    }
    return TRANSFER_OK;
}

static void on_head(void *arg, const struct transfer_head *head)
{
    struct attempt *a = arg;
    a->record->status = head->status;
    a->record->first_byte_us = loop_now_us(a->host->loop);
    a->retry_after_us = head->retry_after_us;
    if (head->status < 200 || head->status > 299) {
        a->mode = MODE_ERROR;
        copy_text(a->record->upstream_id, RECORD_ID_BYTES, head->request_id);
        a->last_byte_us = a->record->first_byte_us;
        reply_buffer_init(&a->text, ERROR_CAP_BYTES);
        watch(a);
        if (head->status < 400 || head->status > 599) {
            /* A redirect is not followed: the body and our key were meant for this upstream alone. */
            fail_with(a, END_MALFORMED, 502,
                      arena_printf(a->room, "the upstream answered with status %d", head->status));
        }
        return;
    }
    if (head->content_encoding.n > 0 && !slice_ieq_text(head->content_encoding, "identity")) {
        fail_with(a, END_MALFORMED, 502, "the upstream compressed its answer without being asked");
        return;
    }
    bool is_stream = head->content_type.n >= 17 &&
                     slice_ieq_text((struct slice) {head->content_type.p, 17}, "text/event-stream");
    a->mode = is_stream ? MODE_STREAM : MODE_REPLY;
    if (is_stream != a->nodecall.stream) {
        fail_with(a, END_MALFORMED, 502,
                  arena_printf(a->room, "the upstream answered with content type \"%.*s\"",
                               (int) head->content_type.n, head->content_type.p));
    }
}

static enum transfer_flow on_body(void *arg, struct slice bytes)
{
    struct attempt *a = arg;
    if (a->mode == MODE_STREAM) {
        return take_events(a, bytes);
    }
    bool is_first = a->last_byte_us == 0;
    a->last_byte_us = loop_now_us(a->host->loop);
    if (is_first) {
        watch(a);
    }
    if (reply_buffer_add(&a->text, bytes) != ERR_NONE) {
        if (a->mode == MODE_ERROR) {
            return TRANSFER_OK; /* an error's first 64 KiB say enough */
        }
        fail_with(a, END_UPSTREAM_LIMIT, 502, "the upstream's answer is longer than limits.body");
    }
    return TRANSFER_OK;
}

/* ---- the end of the exchange ---- */

static void report_end(struct attempt *a, enum transfer_end end)
{
    static const struct {
        enum end_reason reason;
        int status;
        const char *message;
    } table[] = {
        [TRANSFER_COMPLETE] = {END_CUT, 502, "the model's answer ended before it was finished"},
        [TRANSFER_CONNECT] = {END_CONNECT, 502, "the upstream cannot be reached"},
        [TRANSFER_CONNECT_TIMEOUT] = {END_CONNECT_TIMEOUT, 504,
                                      "connecting to the upstream took too long"},
        [TRANSFER_CUT] = {END_CUT, 502,
                          "the upstream closed the connection in the middle of its answer"},
        [TRANSFER_MALFORMED] = {END_MALFORMED, 502, "the upstream does not speak HTTP as it must"},
        [TRANSFER_STOPPED] = {END_INTERNAL, 500, "the transfer was stopped"},
        [TRANSFER_FAILED] = {END_INTERNAL, 500, "the transfer failed on our side"},
    };
    struct failure f = {.reason = table[end].reason,
                        .status = table[end].status,
                        .message = table[end].message,
                        .type = "server_error",
                        .code = end_reason_text(table[end].reason)};
    report(a, &f);
}

/* Every choice that was begun is finished. Where the stream does not end as it must, those count too
 * that the client asked for and that have not begun. */
static bool is_whole(const struct attempt *a, enum transfer_end end)
{
    bool is_finished = a->choices_seen != 0 && a->choices_finished == a->choices_seen;
    bool is_ended = a->said_done || end == TRANSFER_COMPLETE;
    return is_finished &&
           (is_ended || (uint64_t) __builtin_popcount(a->choices_seen) >= a->choices_asked);
}

static void finish_stream(struct attempt *a, enum transfer_end end)
{
    if (is_whole(a, end)) {
        struct failure none = {.reason = END_COMPLETE};
        report(a, &none);
    } else {
        report_end(a, end);
    }
}

/* A cut error body is still an error with this status. */
static void finish_error(struct attempt *a)
{
    fail_by_provider(a, (struct slice) {a->text.bytes, a->text.length}, a->record->status);
}

static void finish_reply(struct attempt *a)
{
    struct chunk reply;
    struct errbuf why;
    struct slice json = {a->text.bytes, a->text.length};
    struct failure f = {.reason = END_COMPLETE};
    if (chunk_parse_reply(json, a->endpoint, &reply, &why) != ERR_NONE) {
        f = (struct failure) {.reason = END_MALFORMED,
                              .status = 502,
                              .type = "server_error",
                              .code = end_reason_text(END_MALFORMED)};
        f.message = arena_printf(a->room, "the upstream's answer is not understood: %s", why.text);
    } else if (reply.error.type != SPAN_ABSENT && reply.error.type != SPAN_NULL) {
        fail_by_provider(a, json, 502);
        return;
    } else {
        note_chunk(a, &reply);
        a->committed = true;
        a->record->first_content_us = loop_now_us(a->host->loop);
        a->events->on_commit(a->arg);
        if (a->events) {
            a->events->on_reply(a->arg, &reply);
        }
    }
    if (a->events) {
        report(a, &f);
    }
}

static void on_end(void *arg, enum transfer_end end, const char *detail)
{
    struct attempt *a = arg;
    if (end != TRANSFER_COMPLETE) { /* for the log alone: it may name addresses of ours */
        copy_text(a->record->detail, RECORD_DETAIL_BYTES, slice_of(detail));
    }
    if (a->mode == MODE_STREAM) {
        finish_stream(a, end);
    } else if (a->mode == MODE_REPLY && end == TRANSFER_COMPLETE) {
        finish_reply(a);
    } else if (a->mode == MODE_ERROR) {
        finish_error(a);
    } else {
        report_end(a, end);
    }
    attempt_drop(a);
}

/* ---- starting ---- */

static const struct transfer_events transfer_events = {on_head, on_body, on_end};

static bool launch(struct attempt *a, const struct attempt_spec *spec)
{
    if (nodecall_build(spec->request, spec->ask, spec->model, &a->node_room, &a->nodecall) !=
        ERR_NONE) {
        return false;
    }
    uint64_t left_us = spec->deadline_us > a->start_us ? spec->deadline_us - a->start_us : 1;
    struct transfer_spec exchange = {
        .upstream = a->upstream,
        .path = a->nodecall.path,
        .pieces = a->nodecall.pieces,
        .piece_count = a->nodecall.count,
        .headers = spec->headers,
        .connect_timeout_us = earlier(a->upstream->timeouts.connect_us, left_us),
        .stream = a->nodecall.stream,
    };
    a->transfer = transfer_start(&a->host->transfers, &exchange, &transfer_events, a);
    return a->transfer != NULL;
}

struct attempt *attempt_start(const struct upstream_host *host, const struct attempt_spec *spec,
                              struct arena *room, struct call_record *record,
                              const struct attempt_events *events, void *arg)
{
    struct attempt *a = x_alloc(sizeof(*a));
    a->host = host;
    a->upstream = spec->model->upstream;
    a->snapshot = snapshot_ref(spec->snapshot);
    a->body = reqbody_ref(spec->request->body);
    a->endpoint = spec->request->endpoint;
    a->choices_asked = spec->request->choices;
    a->events = events;
    a->arg = arg;
    a->room = room;
    a->record = record;
    a->outcome = LEDGER_NEUTRAL;
    a->start_us = loop_now_us(host->loop);
    a->deadline_us = spec->deadline_us;
    a->retry_after_us = UINT64_MAX;
    arena_init(&a->node_room, NODE_ROOM_BYTES, NODE_ROOM_CAP);
    sse_parse_init(&a->parser, host->event_cap_bytes);
    reply_buffer_init(&a->text, host->reply_cap_bytes);
    reply_buffer_init(&a->held, host->event_cap_bytes);
    loop_timer_init(&a->watch, on_watch, a);
    if (!launch(a, spec)) {
        attempt_drop(a);
        return NULL;
    }
    watch(a);
    return a;
}

void attempt_pause(struct attempt *a)
{
    a->paused = true;
}

void attempt_resume(struct attempt *a)
{
    if (a->paused) {
        a->paused = false;
        a->last_byte_us = loop_now_us(a->host->loop); /* the silence was ours */
        watch(a);
        a->host->transfers.ops->resume(a->transfer);
    }
}

void attempt_cancel(struct attempt *a)
{
    leave(a, a->upstream->on_abandon == ON_ABANDON_DRAIN);
}
