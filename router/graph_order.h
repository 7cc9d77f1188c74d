/* Canonical order of the nodes of a labelled DAG: isomorphic DAGs, and no others, read the same
 * when their nodes are put into it. The order is topological.
 *
 * Method: individualisation and refinement with pruning by automorphisms, after McKay and Piperno,
 * "Practical graph isomorphism, II" (2014). Nodes are coloured by depth and label; colours are
 * refined by the colours of predecessors and successors; where nodes stay alike each is singled out
 * in turn, and of all orders found the one whose lists of predecessors come first counts. Nodes
 * that a known symmetry exchanges (twins: same label, predecessors and successors; or an order that
 * read the same as an earlier one) are tried only once. */
#ifndef ROUTER_GRAPH_ORDER_H
#define ROUTER_GRAPH_ORDER_H

#include "cache/base.h"

enum {
    GRAPH_ORDER_NODES_MAX = 32,
    GRAPH_ORDER_LEAVES_MAX = 4096, /* enough by far: no graph is known that takes a hundred */
};

struct graph_order_input {
    unsigned count;                               /* up to GRAPH_ORDER_NODES_MAX */
    unsigned label[GRAPH_ORDER_NODES_MAX];        /* equal for nodes that may be exchanged */
    uint32_t predecessors[GRAPH_ORDER_NODES_MAX]; /* bit i: node i; without a cycle */
};

struct graph_order {
    unsigned node[GRAPH_ORDER_NODES_MAX]; /* which node of the input stands at a place */
    unsigned leaves;                      /* complete orders looked at: what the answer cost */
};

/* Equal inputs apart from the numbering of nodes give the same label and, as places, the same
 * predecessors at each place. ERR_LIMIT unless it takes less than `leaves_max` complete orders. */
enum err graph_order(const struct graph_order_input *in, unsigned leaves_max,
                     struct graph_order *out) MUST_CHECK;

#endif
