#include "router/attempt_private.h"

#include "router/attempt_failure.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODE_ROOM_BYTES = 256,
    NODE_ROOM_CAP = 256 * 1024,
    ERROR_CAP_BYTES = 64 * 1024, /* of a provider's error body */
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

void attempt_leave(struct attempt *a, bool drain)
{
    loop_timer_clear(a->host->loop, &a->watch);
    a->events = NULL;
    a->host->transfers.ops->cancel(a->transfer, drain, attempt_drop, a);
}

/* ---- how it ends ---- */

static void copy_text(char *out, size_t cap, struct slice text)
{
    size_t n = text.n < cap - 1 ? text.n : cap - 1;
    memcpy(out, n > 0 ? text.p : "", n);
    out[n] = '\0';
}

/* Reports the end upwards. The exchange must be over, or left by the caller afterwards. */
static void report(struct attempt *a, const struct failure *failure)
{
    struct attempt_end end = {.failure = *failure};
    end.advice = a->committed ? ATTEMPT_GIVE_UP : attempt_failure_advice(failure);
    a->outcome = attempt_failure_outcome(failure);
    if (failure->reason == END_MALFORMED && a->record->detail[0] == '\0') {
        copy_text(a->record->detail, RECORD_DETAIL_BYTES, slice_of(failure->message));
    }
    const struct attempt_events *events = a->events;
    a->events = NULL;
    events->on_end(a->arg, &end);
}

void attempt_fail(struct attempt *a, enum end_reason reason, int status, const char *message)
{
    struct failure f = attempt_failure_make(reason, status, message);
    report(a, &f);
    attempt_leave(a, false);
}

void attempt_report_provider(struct attempt *a, struct slice json, int status)
{
    struct failure f = attempt_failure_by_provider(json, status, a->mode != MODE_ERROR,
                                                   a->upstream->key, a->room);
    f.retry_after_us = a->retry_after_us == UINT64_MAX ? 0 : a->retry_after_us;
    report(a, &f);
}

/* ---- what arrives ---- */

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
        attempt_watch(a);
        if (head->status < 400 || head->status > 599) {
            /* A redirect is not followed: the body and our key were meant for this upstream alone. */
            attempt_fail(
                a, END_MALFORMED, 502,
                arena_printf(a->room, "the upstream answered with status %d", head->status));
        }
        return;
    }
    if (head->content_encoding.n > 0 && !slice_ieq_text(head->content_encoding, "identity")) {
        attempt_fail(a, END_MALFORMED, 502,
                     "the upstream compressed its answer without being asked");
        return;
    }
    bool is_stream = head->content_type.n >= 17 &&
                     slice_ieq_text((struct slice) {head->content_type.p, 17}, "text/event-stream");
    a->mode = is_stream ? MODE_STREAM : MODE_REPLY;
    if (is_stream != a->nodecall.stream) {
        attempt_fail(a, END_MALFORMED, 502,
                     arena_printf(a->room, "the upstream answered with content type \"%.*s\"",
                                  (int) head->content_type.n, head->content_type.p));
    }
}

static enum transfer_flow on_body(void *arg, struct slice bytes)
{
    struct attempt *a = arg;
    if (a->mode == MODE_STREAM) {
        return attempt_stream_take(a, bytes);
    }
    bool is_first = a->last_byte_us == 0;
    a->last_byte_us = loop_now_us(a->host->loop);
    if (is_first) {
        attempt_watch(a);
    }
    if (reply_buffer_add(&a->text, bytes) != ERR_NONE) {
        if (a->mode == MODE_ERROR) {
            return TRANSFER_OK; /* an error's first 64 KiB say enough */
        }
        attempt_fail(a, END_UPSTREAM_LIMIT, 502,
                     "the upstream's answer is longer than limits.body");
    }
    return TRANSFER_OK;
}

/* ---- the end of the exchange ---- */

static void finish_stream(struct attempt *a, enum transfer_end end)
{
    if (attempt_stream_is_whole(a, end)) {
        struct failure none = {.reason = END_COMPLETE};
        report(a, &none);
    } else {
        struct failure f = attempt_failure_by_end(end);
        report(a, &f);
    }
}

/* A cut error body is still an error with this status. */
static void finish_error(struct attempt *a)
{
    attempt_report_provider(a, (struct slice) {a->text.bytes, a->text.length}, a->record->status);
}

static void finish_reply(struct attempt *a)
{
    struct chunk reply;
    struct errbuf why;
    struct slice json = {a->text.bytes, a->text.length};
    struct failure f = {.reason = END_COMPLETE};
    if (chunk_parse_reply(json, a->endpoint, &reply, &why) != ERR_NONE) {
        f = attempt_failure_make(
            END_MALFORMED, 502,
            arena_printf(a->room, "the upstream's answer is not understood: %s", why.text));
    } else if (reply.error.type != SPAN_ABSENT && reply.error.type != SPAN_NULL) {
        attempt_report_provider(a, json, 502);
        return;
    } else {
        attempt_stream_note(a, &reply);
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
        struct failure f = attempt_failure_by_end(end);
        report(a, &f);
    }
    attempt_drop(a);
}

/* ---- limits of time ---- */

/* The timer is set when a phase begins and not with every byte: it fires too early then, and is set
 * again. */
void attempt_watch(struct attempt *a)
{
    loop_timer_set_at(a->host->loop, &a->watch, attempt_limits_due(a));
}

/* Time is up in the middle of the exchange. What has come may be enough all the same. */
static void run_out(struct attempt *a, uint64_t now)
{
    if (a->mode == MODE_STREAM && (a->said_done || attempt_stream_is_whole(a, TRANSFER_CUT))) {
        finish_stream(a, TRANSFER_COMPLETE);
    } else if (a->mode == MODE_ERROR) {
        finish_error(a);
    } else {
        struct failure f = attempt_limits_failure(a, now);
        report(a, &f);
    }
    attempt_leave(a, false);
}

static void on_watch(void *arg)
{
    struct attempt *a = arg;
    uint64_t now = loop_now_us(a->host->loop);
    if (now < attempt_limits_due(a)) {
        attempt_watch(a);
    } else {
        run_out(a, now);
    }
}

/* ---- starting ---- */

static const struct transfer_events transfer_events = {on_head, on_body, on_end};

/* An ask's texts go into the room too, and escaping makes them six times as long at worst. */
static size_t node_room_cap(const struct node_ask *ask)
{
    return NODE_ROOM_CAP + (ask ? 6 * (ask->instruction.n + ask->frame.n) : 0);
}

static bool launch(struct attempt *a, const struct attempt_spec *spec)
{
    if (nodecall_build(spec->request, spec->ask, spec->model, &a->node_room, &a->nodecall) !=
        ERR_NONE) {
        return false;
    }
    a->choices_asked = a->nodecall.choices;
    uint64_t left_us = spec->deadline_us > a->start_us ? spec->deadline_us - a->start_us : 1;
    uint64_t connect_us = a->upstream->timeouts.connect_us;
    struct transfer_spec exchange = {
        .upstream = a->upstream,
        .path = a->nodecall.path,
        .pieces = a->nodecall.pieces,
        .piece_count = a->nodecall.count,
        .headers = spec->headers,
        .connect_timeout_us = connect_us < left_us ? connect_us : left_us,
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
    a->events = events;
    a->arg = arg;
    a->room = room;
    a->record = record;
    a->outcome = LEDGER_NEUTRAL;
    a->start_us = loop_now_us(host->loop);
    a->deadline_us = spec->deadline_us;
    a->retry_after_us = UINT64_MAX;
    arena_init(&a->node_room, NODE_ROOM_BYTES, node_room_cap(spec->ask));
    sse_parse_init(&a->parser, host->event_cap_bytes);
    reply_buffer_init(&a->text, host->reply_cap_bytes);
    reply_buffer_init(&a->held, host->event_cap_bytes);
    loop_timer_init(&a->watch, on_watch, a);
    if (!launch(a, spec)) {
        attempt_drop(a);
        return NULL;
    }
    attempt_watch(a);
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
        attempt_watch(a);
        a->host->transfers.ops->resume(a->transfer);
    }
}

void attempt_cancel(struct attempt *a)
{
    attempt_leave(a, a->upstream->on_abandon == ON_ABANDON_DRAIN);
}
