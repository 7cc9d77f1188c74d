/* What can be said of a graph before it has run: for `sluice check`. */
#ifndef GATEWAY_GRAPH_FACTS_H
#define GATEWAY_GRAPH_FACTS_H

#include "router/snapshot.h"

struct graph_facts {
    char id[GRAPH_ID_TEXT_BYTES];
    const char *name; /* graph/NAME, its file, or of a graph of one model the model's name */
    unsigned calls;   /* nodes that are calls: all but a vote */
    double units;     /* NAN: a model has no params, layers or hidden configured */
    double usd;
    uint64_t context;      /* the smallest of its models'; 0: that of one is not known */
    unsigned capabilities; /* that all its models have, and what one of them lacks (no_system) */
};

/* `g` is one of the snapshot's. Costs are those of task_tokens(). Latency is not among the facts: it is not
 * known before the first calls. */
void graph_facts(const struct snapshot *s, const struct graph *g, struct graph_facts *out);

#endif
