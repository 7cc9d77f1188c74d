#include "router/snapshot.h"

#include <stdlib.h>

#include "router/ledger.h"

static void register_upstreams(struct catalog *catalog, struct ledger *ledger)
{
    size_t i;

    for (i = 0; i < catalog->upstream_count; i++) {
        struct upstream_def *up = &catalog->upstreams[i];

        up->ledger = ledger_upstream(ledger, up->name, up->max_in_flight, up->queue);
    }
}

static bool can_chat(const struct model_def *m)
{
    return m->capabilities != CAPABILITY_EMBEDDINGS;
}

static bool is_better(const struct model_def *a, const struct model_def *b)
{
    if (a->params != b->params) {
        return a->params > b->params;
    }
    return a->usd_per_mtok_input + a->usd_per_mtok_output <
           b->usd_per_mtok_input + b->usd_per_mtok_output;
}

/* NULL: no model can chat. */
static const struct model_def *first_champion(const struct catalog *catalog)
{
    const struct model_def *best = NULL;
    size_t i;

    for (i = 0; i < catalog->model_count; i++) {
        const struct model_def *m = &catalog->models[i];

        if (can_chat(m) && (best == NULL || is_better(m, best))) {
            best = m;
        }
    }
    return best;
}

static void make_default_task(struct snapshot *s, uint64_t deadline_us)
{
    const struct model_def *champion = first_champion(s->catalog);
    struct task *task;

    s->tasks = x_array(1, sizeof(*s->tasks));
    s->task_count = 1;
    task = &s->tasks[0];
    task->name = "default";
    task->route_name = "auto/default";
    task->deadline_us = deadline_us;
    if (champion != NULL) {
        task->arms[0] = (struct arm) {s->graphs[champion->index], 1.0};
        task->arm_count = 1;
    }
}

struct snapshot *snapshot_new(struct catalog *catalog, struct ledger *ledger, uint64_t deadline_us,
                              uint64_t number, struct errbuf *err)
{
    struct snapshot *s;
    size_t i;

    if (arena_is_sour(&catalog->arena)) {
        err_set(err, ERR_NOMEM, "the configuration needs more memory than there is for it");
        catalog_free(catalog);
        return NULL;
    }
    s = x_alloc(sizeof(*s));
    s->refs = 1;
    s->number = number;
    s->catalog = catalog;
    s->graphs = x_array(catalog->model_count, sizeof(*s->graphs));
    s->graph_count = catalog->model_count;
    for (i = 0; i < catalog->model_count; i++) {
        s->graphs[i] = graph_new_single(&catalog->models[i]);
    }
    make_default_task(s, deadline_us);
    register_upstreams(catalog, ledger);
    return s;
}

/* A new reference is made from one that is held, so nothing needs to be ordered by it. */
struct snapshot *snapshot_ref(struct snapshot *s)
{
    __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    size_t i;

    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (i = 0; i < s->graph_count; i++) {
        graph_free(s->graphs[i]);
    }
    free(s->graphs);
    free(s->tasks);
    catalog_free(s->catalog);
    free(s);
}

const struct task *snapshot_task(const struct snapshot *s, struct slice name)
{
    size_t i;

    for (i = 0; i < s->task_count; i++) {
        if (slice_eq_text(name, s->tasks[i].name)) {
            return &s->tasks[i];
        }
    }
    return NULL;
}

const struct graph *snapshot_model_graph(const struct snapshot *s, const struct model_def *m)
{
    return s->graphs[m->index];
}
