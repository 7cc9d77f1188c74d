/* Transfers without a network: what the upstream says is what the test says.
 *
 * A script stands behind `struct transfers`. Code under test starts transfers; the test plays the
 * upstream's side of the latest one by script_head(), script_body() and script_ends(). */
#ifndef TESTS_UNIT_SCRIPTED_TRANSFERS_H
#define TESTS_UNIT_SCRIPTED_TRANSFERS_H

#include "cache/loop.h"
#include "router/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TRANSFERS_MAX = 16 };

struct transfer {
    const struct transfer_events *events; /* NULL once over or cancelled */
    void *arg;
    const struct upstream_def *upstream;
    char body[1024];
    char path[64];
    char headers[256]; /* passed on, each followed by a LF */
    bool resumed;
    bool cancelled;
    bool drained;
    struct loop *loop;
    struct loop_task dropping;
    void (*drop)(void *arg);
    void *drop_arg;
};

struct script {
    struct loop *loop;
    struct transfer transfers[TRANSFERS_MAX];
    size_t count;
};

/* ---- for the code under test ---- */

static inline void script_add(char *to, size_t cap, struct slice text)
{
    size_t n = strlen(to);
    assert_true(n + text.n < cap);
    memcpy(to + n, text.p, text.n);
}

static inline struct transfer *scripted_start(void *pool, const struct transfer_spec *spec,
                                              const struct transfer_events *events, void *arg)
{
    struct script *s = pool;
    assert_true(s->count < TRANSFERS_MAX);
    struct transfer *t = &s->transfers[s->count++];
    t->events = events;
    t->arg = arg;
    t->upstream = spec->upstream;
    t->loop = s->loop;
    script_add(t->path, sizeof(t->path), slice_of(spec->path));
    for (size_t i = 0; i < spec->piece_count; i++) {
        script_add(t->body, sizeof(t->body), spec->pieces[i]);
    }
    for (const char *const *h = spec->headers; h && *h; h++) {
        script_add(t->headers, sizeof(t->headers), slice_of(*h));
        script_add(t->headers, sizeof(t->headers), SLICE_LIT("\n"));
    }
    return t;
}

static inline void scripted_resume(struct transfer *t)
{
    t->resumed = true;
}

static inline void scripted_drop(void *arg)
{
    struct transfer *t = arg;
    t->drop(t->drop_arg);
}

static inline void scripted_cancel(struct transfer *t, bool drain, void (*drop)(void *arg),
                                   void *arg)
{
    assert_false(t->cancelled);
    t->events = NULL;
    t->cancelled = true;
    t->drained = drain;
    t->drop = drop;
    t->drop_arg = arg;
    loop_task_init(&t->dropping, scripted_drop, t);
    loop_post(t->loop, &t->dropping);
}

static inline struct transfers script_transfers(struct script *s)
{
    static const struct transfer_ops ops = {scripted_start, scripted_resume, scripted_cancel};
    return (struct transfers) {&ops, s};
}

/* ---- the upstream's side, of the latest transfer ---- */

static inline struct transfer *script_latest(struct script *s)
{
    assert_true(s->count > 0);
    return &s->transfers[s->count - 1];
}

static inline void script_head(struct script *s, int status, const char *type,
                               uint64_t retry_after_us)
{
    struct transfer *t = script_latest(s);
    struct transfer_head head = {.status = status,
                                 .content_type = slice_of(type),
                                 .request_id = SLICE_LIT("req-7"),
                                 .retry_after_us = retry_after_us};
    assert_non_null(t->events);
    t->events->on_head(t->arg, &head);
}

static inline enum transfer_flow script_body(struct script *s, const char *bytes)
{
    struct transfer *t = script_latest(s);
    return t->events ? t->events->on_body(t->arg, slice_of(bytes)) : TRANSFER_PAUSE;
}

static inline void script_ends(struct script *s, enum transfer_end how)
{
    struct transfer *t = script_latest(s);
    const struct transfer_events *events = t->events;
    assert_non_null(events);
    t->events = NULL;
    events->on_end(t->arg, how, how == TRANSFER_COMPLETE ? "" : "so it ended");
}

#define STREAM "text/event-stream"
#define JSON "application/json"
#define EVENT(delta, finish)                                                                       \
    "data: {\"id\":\"up-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" delta            \
    ",\"finish_reason\":" finish "}]}\n\n"
#define ROLE EVENT("{\"role\":\"assistant\",\"content\":\"\"}", "null")
#define WORD(text) EVENT("{\"content\":\"" text "\"}", "null")
#define LAST EVENT("{}", "\"stop\"")
#define DONE "data: [DONE]\n\n"

#endif
