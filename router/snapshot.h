/* The routing snapshot: what serves now. Immutable, counted by reference (atomic), replaced whole.
 *
 * main alone makes and publishes snapshots; every front gets a reference through its mailbox; a
 * request keeps the one it started with, so a reload never changes the ground under it. */
#ifndef ROUTER_SNAPSHOT_H
#define ROUTER_SNAPSHOT_H

#include "cache/base.h"
#include "router/catalog.h"
#include "router/graph.h"
#include "router/task.h"

struct ledger;

struct snapshot {
    unsigned refs; /* atomic; use the functions */
    uint64_t number;
    struct catalog *catalog; /* owned */
    struct graph **graphs; /* owned: one per model (same index), the straight graphs, then others */
    size_t graph_count;
    struct task *tasks; /* [0] is `default`, which always exists */
    size_t task_count;
};

/* Takes the catalog (also when it fails). Makes a single-node graph of every model; the task
 * `default` is served by the model with the most parameters, then the cheaper, then the first
 * named. Registers the upstreams in the ledger, where their live state outlasts snapshots.
 * `number` grows with each publication. */
struct snapshot *snapshot_new(struct catalog *catalog, struct ledger *ledger, uint64_t deadline_us,
                              uint64_t number, struct errbuf *err);

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL allowed; the last one frees */

const struct task *snapshot_task(const struct snapshot *s, struct slice name); /* or NULL */
const struct graph *snapshot_model_graph(const struct snapshot *s, const struct model_def *m);

#endif
