/* A collaboration graph: a DAG of at most 32 nodes, each a (model, role) call, with one output.
 *
 * Immutable once made; owned by a snapshot. Nodes are in topological order, so predecessors have
 * smaller numbers; predecessors are a bit mask. The id is the first 64 bits of the SHA-256 of the
 * canonical form. */
#ifndef ROUTER_GRAPH_H
#define ROUTER_GRAPH_H

#include "cache/base.h"
#include "router/model.h"

enum { GRAPH_NODES_MAX = 32 };

enum node_role { ROLE_ASSISTANT, ROLE_FUSER };
enum fuser_kind { FUSER_NONE, FUSER_LLM, FUSER_VOTE, FUSER_SELECT };

struct graph_node {
    const struct model_def *model; /* NULL only for a vote */
    enum node_role role;
    enum fuser_kind fuse;
    uint32_t predecessors; /* bit i: node i feeds this one */
    double temperature;    /* < 0: not set by the graph */
};

struct graph {
    uint64_t id;
    unsigned count;
    unsigned output;
    unsigned depth;            /* nodes on the longest path */
    unsigned width;            /* parallel branches that feed the output; 1 for a single node */
    struct graph_node nodes[]; /* count of them */
};

/* A graph of one assistant: the model itself, as every first champion is. */
struct graph *graph_new_single(const struct model_def *model);
void graph_free(struct graph *g);

/* 16 lower-case hex digits, terminated: how a graph is named in headers, logs and files. */
enum { GRAPH_ID_TEXT_BYTES = 17 };
void graph_id_text(uint64_t id, char out[GRAPH_ID_TEXT_BYTES]);

static inline bool graph_is_single(const struct graph *g)
{
    return g->count == 1;
}

#endif
