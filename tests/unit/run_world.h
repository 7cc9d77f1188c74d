/* What graphs run in under test: a virtual clock, and transfers that do nothing by themselves. */
#ifndef TESTS_UNIT_RUN_WORLD_H
#define TESTS_UNIT_RUN_WORLD_H

#include "cache/loop.h"
#include "router/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS_MAX = 64, MODELS_MAX = 12, MS = 1000, S = 1000 * 1000 };

struct transfer {
    const struct transfer_events *events; /* NULL once over or cancelled */
    void *arg;
    char body[8192];
    char model[16];
    bool resumed, cancelled;
    struct loop *loop;
    struct loop_task dropping;
    void (*drop)(void *arg);
    void *drop_arg;
};

struct world {
    struct loop_virtual clock;
    struct env env;
    struct loop *loop;
    struct ledger *ledger;
    struct mailbox *box;
    struct snapshot *snapshot;
    struct graph *graph;
    struct upstream_host host;
    struct job *job;
    struct transfer calls[CALLS_MAX];
    size_t call_count;
    char log[2048];
    char text[16384]; /* contents joined; of a reply all of it */
    char last[8192];  /* event */
    char usage[512];  /* of the usage event */
    struct failure failure;
    bool is_full;   /* the sink says FULL */
    bool is_gone;   /* it says GONE */
    bool usage_sum; /* of the key */
    struct record record;
};

static inline void note(struct world *w, const char *word)
{
    size_t n = strlen(w->log);
    snprintf(w->log + n, sizeof(w->log) - n, "%s%s", n > 0 ? " " : "", word);
}

/* ---- the upstreams' side ---- */

static inline struct transfer *world_start(void *pool, const struct transfer_spec *spec,
                                           const struct transfer_events *events, void *arg)
{
    struct world *w = pool;
    size_t n = 0;
    assert_true(w->call_count < CALLS_MAX);
    struct transfer *t = &w->calls[w->call_count++];
    t->events = events;
    t->arg = arg;
    t->loop = w->loop;
    for (size_t i = 0; i < spec->piece_count && n < sizeof(t->body); i++) {
        n += (size_t) snprintf(t->body + n, sizeof(t->body) - n, "%.*s", (int) spec->pieces[i].n,
                               spec->pieces[i].p);
    }
    assert_true(n < sizeof(t->body));
    const char *model = strstr(t->body, "\"model\":\"");
    assert_non_null(model);
    snprintf(t->model, sizeof(t->model), "%.*s", (int) strcspn(model + 9, "\""), model + 9);
    assert_true(spec->stream);
    return t;
}

static inline void world_resume(struct transfer *t)
{
    t->resumed = true;
}

static inline void world_drop(void *arg)
{
    struct transfer *t = arg;
    t->drop(t->drop_arg);
}

static inline void world_cancel(struct transfer *t, bool drain, void (*drop)(void *arg), void *arg)
{
    assert_false(t->cancelled || drain);
    t->events = NULL;
    t->cancelled = true;
    t->drop = drop;
    t->drop_arg = arg;
    loop_task_init(&t->dropping, world_drop, t);
    loop_post(t->loop, &t->dropping);
}

static inline void pass_us(struct world *w, uint64_t us)
{
    loop_advance(w->loop, &w->clock, w->clock.now_us + us);
    mailbox_take(w->box, NULL);
    loop_advance(w->loop, &w->clock, w->clock.now_us);
}

#endif
