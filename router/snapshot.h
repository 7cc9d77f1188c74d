/* The routing snapshot: what serves now. Immutable, counted by reference (atomic), replaced whole.
 *
 * main alone makes and publishes snapshots; every front gets a reference through its mailbox; a
 * request keeps the one it started with, so a reload never changes the ground under it. */
#ifndef ROUTER_SNAPSHOT_H
#define ROUTER_SNAPSHOT_H

#include "cache/base.h"
#include "router/catalog.h"
#include "router/classify.h"

struct ledger;
struct ledger_tokens;

struct snapshot {
    unsigned refs; /* atomic; use the functions */
    uint64_t number;
    struct catalog *catalog; /* owned, and with it the graphs that have files */
    struct graph **graphs;   /* owned: of each model alone, at the model's index */
    size_t graph_count;
    struct task
        *tasks; /* [0] is `default`, which always exists; then those of the file, in order */
    size_t task_count;
    const struct task **by_rule; /* those with rules or texts, in the order of the file */
    size_t by_rule_count;
    bool has_texts;                    /* one of them has texts */
    struct ledger_tokens **tokens;     /* what is learnt: [task * models + model] */
    struct classify_model *classifier; /* NULL: no task has examples */
    unsigned task_of_class[CLASSIFY_CLASSES_MAX];
};

/* Takes the catalog (also when it fails). Makes a single-node graph of every model. A task without a
 * graph of its own is served by task_best_model, within its budget and data; where there is none it has
 * no arm. A task without `data` reaches the upstreams of its champion. `deadline_us` is that of tasks
 * without one. Registers upstreams, models and tasks in the ledger, where their state outlasts snapshots.
 * `number` grows with each publication. */
struct snapshot *snapshot_new(struct catalog *catalog, struct ledger *ledger, uint64_t deadline_us,
                              uint64_t number, struct errbuf *err);

/* Before it is published: what requests are told apart by that name no task and fit no rule. A reference
 * is taken; class k of `model` is the task named names[k]. */
void snapshot_classify_by(struct snapshot *s, struct classify_model *model,
                          const char *const names[]);

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL allowed; the last one frees */

const struct task *snapshot_task(const struct snapshot *s, struct slice name); /* or NULL */
const struct task *snapshot_task_of_header(const struct snapshot *s,
                                           struct slice value); /* or NULL */
const struct graph *snapshot_model_graph(const struct snapshot *s, const struct model_def *m);

/* The ledger's means of this model in this task; both are the snapshot's. */
struct ledger_tokens *snapshot_tokens(const struct snapshot *s, const struct task *task,
                                      const struct model_def *m);

/* Must a request that names no task be looked into? */
static inline bool snapshot_looks_inside(const struct snapshot *s)
{
    return s->by_rule_count > 0 || s->classifier != NULL;
}

#endif
