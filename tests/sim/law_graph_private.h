/*
 * A prepared graph, shared by law_graph.c, which runs it, and law_exact.c, which knows its chance.
 */
#ifndef SIM_LAW_GRAPH_PRIVATE_H
#define SIM_LAW_GRAPH_PRIVATE_H

#include "tests/sim/law_graph.h"
#include "tests/sim/law_states.h"
#include "tests/sim/law_vote.h"

/* Nodes that the rest of the graph cannot tell apart: a state needs only their numbers. */
struct twins {
    uint32_t plain;      /* counted among themselves */
    uint32_t persuasive; /* likewise */
    uint32_t voters;     /* how many are right, and how many are wrong before the first of these */
};

struct law_node {
    struct law_reader reader; /* not of a vote */
    bool is_vote;
    bool is_select;
    double temperature;
    uint32_t predecessors;
    uint32_t successors;
    unsigned count; /* of predecessors */
    /* The rest is of the exact chance. */
    struct law_vote *vote; /* only of a vote */
    unsigned round;
    uint32_t live; /* nodes up to this one that later ones read; of the output: itself */
    struct twins twins[GRAPH_NODES_MAX];
    unsigned n_twins;
};

struct law_graph {
    const struct law *law;
    enum law_task task;
    unsigned count;
    uint32_t persuasive; /* nodes whose wrong answers count for more */
    struct law_states states;
    struct law_states next;
    struct law_node nodes[]; /* count of them, the output last */
};

#endif
