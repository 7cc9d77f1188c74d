/* What can be said of a graph without running it, for people: `sluice check` and the admin's status. */
#ifndef GATEWAY_GRAPH_FACTS_H
#define GATEWAY_GRAPH_FACTS_H

#include "router/snapshot.h"

struct graph_facts {
    char id[GRAPH_ID_TEXT_BYTES];
    const char *name; /* graph/NAME, its file, or of a graph of one model the model's name */
    unsigned calls;   /* nodes that are calls: all but a vote */
    double units;     /* NAN: a model has no params, layers or hidden configured */
    double usd;
    double latency_s; /* of the critical path by models[].speed; NAN: that of one is not known */
    uint64_t context; /* the smallest of its models'; 0: that of one is not known */
    unsigned capabilities; /* that all its models have, and what one of them lacks (no_system) */
};

/* `g` is one of the snapshot's. Costs are those of task_tokens(). */
void graph_facts(const struct snapshot *s, const struct graph *g, struct graph_facts *out);

/* Seconds until the answer of a task's graph is whole, its critical path: by what the ledger has measured of
 * its models, else by their configured speed, and by the tokens of its answers. NAN: one is not known. */
double graph_facts_latency_s(const struct snapshot *s, const struct task *task,
                             const struct graph *g, struct ledger *ledger);

#endif
