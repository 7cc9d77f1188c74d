/* The run of one graph as a state machine: which nodes may start, which are settled, which nobody waits for
 * any more, which are stragglers. No I/O, no clock and no memory of its own: the job says what happened and
 * does what the dag says.
 *
 *     WAITING ──dag_start──► RUNNING ──dag_end──► ANSWERED
 *        │                      │ └──────dag_end──► SILENT    failed, no answer, too late
 *        └──────dag_prune───────┴─────────────────► UNWANTED  what it feeds is settled without it
 *
 * A node is settled when it is in one of the three states on the right. Every set is a word with bit i for
 * node i of the graph. */
#ifndef ROUTER_DAG_H
#define ROUTER_DAG_H

#include "router/graph.h"

struct dag {
    const struct graph *graph;
    uint32_t waiting, running, answered, silent, unwanted; /* each node is in exactly one */
    uint32_t served; /* running ones that have begun with their upstream, no longer in its queue */
    uint64_t start_us[GRAPH_NODES_MAX];
    uint64_t end_us[GRAPH_NODES_MAX];
};

void dag_init(struct dag *d, const struct graph *graph);

/* The nodes that can start: waiting, and every predecessor settled. An assistant starts without candidates
 * where all its predecessors are silent, since it can answer by itself; so does the output. An inner fuser
 * cannot: dag_ready makes it silent, and looks again. */
uint32_t dag_ready(struct dag *d);

void dag_start(struct dag *d, unsigned node, uint64_t now_us);
/* Its call left the upstream's queue: its own time begins now, and not before can it be late. */
void dag_serve(struct dag *d, unsigned node, uint64_t now_us);
/* Of a running node, or of one that needs no call, as a vote, and is never started: its time is from the first
 * start among its candidates. */
void dag_end(struct dag *d, unsigned node, bool answered, uint64_t now_us);

/* Makes UNWANTED what feeds only settled nodes; returns those that were running: their calls are to be
 * cancelled. The output is always wanted until it is settled. */
uint32_t dag_prune(struct dag *d);

/* Predecessors that answered. */
uint32_t dag_candidates(const struct dag *d, unsigned node);

/* When a running node is late: UINT64_MAX: not yet, or never. Once half (rounded up) of the predecessors of
 * what it feeds have answered, it has, from its own start, the longer of `p95_us` (0: not known) and twice
 * the median time of those, each being the longer of its own time and of what passed since that start. Where it feeds several nodes that are not settled, all must be that far, and
 * the most patient counts. A node with one predecessor always waits for it. */
uint64_t dag_late_us(const struct dag *d, unsigned node, uint64_t p95_us);

/* follow_s[i]: the longest time, by expect_s[] per node, from the end of node i to the end of the output; NAN
 * where a node in between has NAN. */
void dag_follow_s(const struct graph *graph, const double expect_s[], double follow_s[]);

static inline uint32_t dag_bit(unsigned node)
{
    return UINT32_C(1) << node;
}

#endif
